/* long_memory: a task in which what counts lies many steps back, the adding problem (Hochreiter &
 * Schmidhuber 1997).
 *
 *     long_memory [--short]
 *
 * Of T random numbers two are marked, one in each half; at the end their sum is asked for. A plain RNN
 * fails, for its gradient vanishes on the way back; an LSTM and an IndRNN (Li et al. 2018) succeed. The
 * errors printed are those on sequences never learnt, as a share of what one makes who remembers
 * nothing. Exit status 1: one of the three did what it should not.
 */
#include <reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, HIDDEN = 64, TESTS = 8, INTERVAL = 50 };

#define GOOD 0.1
#define BAD 0.5

/* splitmix64 (Steele, Lea & Flood 2014), as a number in [0, 1). */
static double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* ---- the task ------------------------------------------------------------------------------ */

typedef struct {
    reel_var x, answer; /* [T, BATCH, 2] and [BATCH, 1] */
} question;

/* Each step a number in [0, 1) and whether it is marked. */
static question ask(reel_tape *t, int T, uint64_t *random)
{
    float *x = calloc((size_t)(T * BATCH * 2), sizeof *x), sum[BATCH] = { 0 };
    for (int i = 0; x && i < T * BATCH; i++) {
        x[2 * i] = (float)draw(random);
    }
    for (int i = 0; x && i < 2 * BATCH; i++) {
        int row = i / 2, step = (int)((i % 2 + draw(random)) * T / 2);
        float *pair = x + 2 * (step * BATCH + row);
        pair[1] = 1;
        sum[row] += pair[0];
    }
    question q = { reel_input(t, REEL_SHAPE(T, BATCH, 2), x),
                   reel_input(t, REEL_SHAPE(BATCH, 1), sum) };
    free(x);
    return q;
}

/* ---- the networks -------------------------------------------------------------------------- */

typedef struct {
    int layers;
    reel_cell cell[2];
    reel_layer out;
} network;

static network plain_rnn(reel_tape *t, int T)
{
    (void)T;
    return (network){ 1, { reel_rnn(t, "cell", 2, HIDDEN, (reel_rnn_options){ 0 }) } };
}

/* Forget and input gates start so that memories last 1 … T steps (Tallec & Ollivier 2018). */
static network lstm(reel_tape *t, int T)
{
    network n = { 1, { reel_lstm(t, "cell", 2, HIDDEN, (reel_lstm_options){ 0 }) } };
    float b[4 * HIDDEN] = { 0 };
    uint64_t random = 1;
    for (int i = 0; i < HIDDEN; i++) {
        b[HIDDEN + i] = (float)log(1 + draw(&random) * (T - 2));
        b[i] = -b[HIDDEN + i];
    }
    reel_write_param(reel_find_param(t, "cell.b"), b, 4 * HIDDEN);
    return n;
}

/* The second layer starts with memories of about T steps alone (Li et al. 2018). */
static network indrnn(reel_tape *t, int T)
{
    reel_indrnn_options lasting = { .steps = T };
    network n = { 2,
                  { reel_indrnn(t, "cell1", 2, HIDDEN, lasting),
                    reel_indrnn(t, "cell2", HIDDEN, HIDDEN, lasting) } };
    float w_h[HIDDEN];
    uint64_t random = 1;
    for (int i = 0; i < HIDDEN; i++) {
        w_h[i] = (float)pow(2, (2 * draw(&random) - 1) / T);
    }
    reel_write_param(reel_find_param(t, "cell2.w_h"), w_h, HIDDEN);
    return n;
}

static const struct {
    const char *name;
    network (*make)(reel_tape *, int T);
    double lr;
    bool remembers; /* is to come below GOOD, or to stay above BAD */
} contestants[] = { { "RNN", plain_rnn, 1e-3, false },
                    { "LSTM", lstm, 5e-3, true },
                    { "IndRNN", indrnn, 2e-3, true } };

/* ---- learning ------------------------------------------------------------------------------ */

static reel_var answer(const network *n, reel_var x)
{
    reel_var last = x;
    for (int layer = 0; layer < n->layers; layer++) {
        reel_rollout r = reel_unroll(n->cell[layer], x, (reel_unroll_options){ 0 });
        x = r.outputs;
        last = r.state[0];
    }
    return reel_apply(n->out, last);
}

/* Who always says 1 has a mean square error of 1/6, the variance of the sum of two. */
static double evaluate(reel_tape *t, const network *n, int T)
{
    uint64_t random = 12345;
    double error = 0;
    for (int i = 0; i < TESTS; i++) {
        reel_rewind(t);
        question q = ask(t, T, &random);
        error += 6 * reel_item(reel_mse(answer(n, q.x), q.answer)) / TESTS;
    }
    return error;
}

/* Learns for so many updates at most, less where it has understood. Returns the error. */
static double learn(reel_tape *t, int contestant, int T, int updates)
{
    network n = contestants[contestant].make(t, T);
    n.out = reel_dense(t, "out", HIDDEN, 1, (reel_dense_options){ 0 });
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = contestants[contestant].lr });
    uint64_t random = 1;
    double error = 1;
    int i = 0;
    while (i < updates && error > GOOD && reel_tape_status(t) == REEL_OK) {
        reel_rewind(t);
        question q = ask(t, T, &random);
        reel_backward(reel_mse(answer(&n, q.x), q.answer));
        reel_clip_norm(t, 1);
        reel_optimizer_step(adam);
        if (++i % INTERVAL == 0) {
            error = evaluate(t, &n, T);
        }
    }
    printf("T %d, %-6s error %5.1f %% of the clueless one's after %d updates\n", T,
           contestants[contestant].name, 100 * error, i);
    fflush(stdout);
    return error;
}

int main(int count, char **argument)
{
    bool is_short = count > 1 && strcmp(argument[1], "--short") == 0, fine = true;
    int T = is_short ? 60 : 500, updates = is_short ? 800 : 4000;
    for (int i = 0; i < 3; i++) {
        reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
        double error = learn(t, i, T, updates);
        fine = fine && (contestants[i].remembers ? error <= GOOD : error >= BAD);
        if (reel_tape_status(t) != REEL_OK) {
            fprintf(stderr, "long_memory: %s\n", reel_tape_error(t));
            fine = false;
        }
        reel_tape_free(t);
    }
    return !fine;
}
