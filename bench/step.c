/* step.c: times one training step of a recurrent layer: forward, mean of squares over all
 * outputs, gradients of weights, bias and input. Prints one line of JSON; bench/run.py compares
 * it with the peers.
 *
 *     step CELL STEPS BATCH INPUT HIDDEN THREADS REPEAT
 * / */
#define _POSIX_C_SOURCE 200809L
#include <reel.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    reel_var W[4], b[4];
} gates;

/* The form of every tutorial: four gates, each its own product of [h, x]. */
static reel_var naive_lstm_step(void *self, reel_var x, reel_var state[])
{
    gates *c = self;
    reel_var hx = reel_concat(-1, state[0], x);
    reel_var i = reel_sigmoid(reel_affine(hx, c->W[0], c->b[0]));
    reel_var f = reel_sigmoid(reel_affine(hx, c->W[1], c->b[1]));
    reel_var g = reel_tanh(reel_affine(hx, c->W[2], c->b[2]));
    reel_var o = reel_sigmoid(reel_affine(hx, c->W[3], c->b[3]));
    state[1] = reel_add(reel_mul(f, state[1]), reel_mul(i, g));
    return state[0] = reel_mul(o, reel_tanh(state[1]));
}

static reel_cell naive_lstm(reel_tape *t, gates *c, int64_t in, int64_t hidden)
{
    static const char *const names[4][2] = {
        { "W_i", "b_i" }, { "W_f", "b_f" }, { "W_g", "b_g" }, { "W_o", "b_o" }
    };
    for (int k = 0; k < 4; k++) {
        c->W[k] = reel_param(t, names[k][0], REEL_SHAPE(hidden + in, hidden), reel_glorot());
        c->b[k] = reel_param(t, names[k][1], REEL_SHAPE(hidden), reel_zeros());
    }
    return (
        reel_cell){ .self = c, .step = naive_lstm_step, .states = 2, .width = { hidden, hidden } };
}

static bool make_cell(reel_tape *t, const char *name, gates *c, int64_t in, int64_t hidden,
                      reel_cell *cell)
{
    if (strcmp(name, "naive-lstm") == 0) {
        *cell = naive_lstm(t, c, in, hidden);
    } else if (strcmp(name, "lstm") == 0) {
        *cell = reel_lstm(t, "cell", in, hidden, (reel_lstm_options){ 0 });
    } else if (strcmp(name, "gru") == 0) {
        *cell = reel_gru(t, "cell", in, hidden, (reel_gru_options){ .reset_after = true });
    } else if (strcmp(name, "rnn") == 0) {
        *cell = reel_rnn(t, "cell", in, hidden, (reel_rnn_options){ 0 });
    } else {
        return false;
    }
    return true;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double train_step(reel_tape *t, reel_cell cell, reel_var x)
{
    double start = now();
    reel_rewind(t);
    reel_zero_grad(t);
    reel_var loss =
        reel_mean_all(reel_square(reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs));
    reel_backward(loss);
    reel_item(loss);
    return now() - start;
}

int main(int count, char **argument)
{
    if (count != 8) {
        fprintf(stderr, "usage: step CELL STEPS BATCH INPUT HIDDEN THREADS REPEAT\n");
        return 2;
    }
    int64_t steps = atoll(argument[2]), batch = atoll(argument[3]), in = atoll(argument[4]),
            hidden = atoll(argument[5]);
    int threads = atoi(argument[6]), repeat = atoi(argument[7]);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = threads, .seed = 1 });
    gates c;
    reel_cell cell;
    if (t == NULL || repeat < 1 || !make_cell(t, argument[1], &c, in, hidden, &cell)) {
        fprintf(stderr, "step: an argument is out of range\n");
        return 2;
    }
    reel_var x = reel_param(t, "x", REEL_SHAPE(steps, batch, in), reel_normal(0, 1));
    double *ms = calloc((size_t)repeat, sizeof *ms);
    train_step(t, cell, x);
    for (int i = 0; i < repeat; i++) {
        ms[i] = train_step(t, cell, x);
    }
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "step: %s\n", reel_tape_error(t));
        return 1;
    }
    qsort(ms, (size_t)repeat, sizeof *ms, ascending);
    printf("{\"ms\": %.4f, \"min\": %.4f, \"max\": %.4f, \"nodes\": %zu, \"peak_bytes\": %zu}\n",
           ms[repeat / 2], ms[0], ms[repeat - 1], reel_node_count(t),
           reel_tape_statistics_of(t).bytes_peak);
    free(ms);
    reel_tape_free(t);
    return 0;
}
