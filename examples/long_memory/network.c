/* network.c: a plain RNN, an LSTM and an IndRNN, started so that they can remember. */
#include "network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void write(reel_tape *t, const char *name, const float *values, int n)
{
    reel_write_param(reel_find_param(t, name), values, (size_t)n);
}

/* As reel starts it: W_h orthogonal, the start that lets gradients go furthest back. */
network orthogonal_rnn(reel_tape *t, int in, int hidden, int layers, int T)
{
    (void)layers;
    (void)T;
    return (network){ 1, hidden, { reel_rnn(t, "cell", in, hidden, (reel_rnn_options){ 0 }) } };
}

/* W_h as any other matrix (Glorot & Bengio 2010). */
network plain_rnn(reel_tape *t, int in, int hidden, int layers, int T)
{
    network n = orthogonal_rnn(t, in, hidden, layers, T);
    float *W_h = malloc((size_t)(hidden * hidden) * sizeof *W_h);
    double bound = sqrt(6.0 / (2 * hidden));
    uint64_t random = 1;
    for (int i = 0; W_h && i < hidden * hidden; i++) {
        W_h[i] = (float)(bound * (2 * draw(&random) - 1));
    }
    write(t, "cell.W_h", W_h, hidden * hidden);
    free(W_h);
    return n;
}

/* Forget and input gates start so that memories last 1 … T steps (Tallec & Ollivier 2018). */
network lstm(reel_tape *t, int in, int hidden, int layers, int T)
{
    (void)layers;
    network n = { 1, hidden, { reel_lstm(t, "cell", in, hidden, (reel_lstm_options){ 0 }) } };
    float *b = calloc((size_t)(4 * hidden), sizeof *b);
    uint64_t random = 1;
    for (int i = 0; b && i < hidden; i++) {
        b[hidden + i] = (float)log(1 + draw(&random) * (T - 2));
        b[i] = -b[hidden + i];
    }
    write(t, "cell.b", b, 4 * hidden);
    free(b);
    return n;
}

/* The last layer starts with memories of about T steps alone (Li et al. 2018). */
network indrnn(reel_tape *t, int in, int hidden, int layers, int T)
{
    network n = { .layers = layers, .hidden = hidden };
    char name[16];
    for (int layer = 0; layer < layers; layer++) {
        snprintf(name, sizeof name, "cell%d", layer + 1);
        n.cell[layer] =
            reel_indrnn(t, name, layer ? hidden : in, hidden, (reel_indrnn_options){ .steps = T });
    }
    float *w_h = malloc((size_t)hidden * sizeof *w_h);
    uint64_t random = 1;
    for (int i = 0; w_h && i < hidden; i++) {
        w_h[i] = (float)pow(2, (2 * draw(&random) - 1) / T);
    }
    snprintf(name, sizeof name, "cell%d.w_h", layers);
    write(t, name, w_h, hidden);
    free(w_h);
    return n;
}

reel_var network_answer(const network *n, reel_var x, int answered)
{
    int64_t steps = reel_shape_of(x).dim[0];
    for (int layer = 0; layer < n->layers; layer++) {
        x = reel_unroll(n->cell[layer], x, (reel_unroll_options){ 0 }).outputs;
    }
    return reel_apply(n->out, reel_slice(x, 0, steps - answered, steps));
}
