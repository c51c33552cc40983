/* lengths.c: what it costs when a sequence is as long as it happens to be: training steps over
 * eight lengths in turn, from STEPS/2 to STEPS, against as many steps of their mean length.
 *
 *     lengths lstm STEPS BATCH INPUT HIDDEN THREADS SECONDS
 *
 * "ms" is the time of one time step over the changing lengths, "constant_ms" over the constant
 * one.
 */
#include "cells.h"
#include "support.h"

#include <stdlib.h>

enum { LENGTHS = 8 };

typedef struct {
    bench_model model;
    const float *x;
    int64_t length[LENGTHS];
} training;

/* One step over each length. */
static void train_round(void *self)
{
    training *r = self;
    bench_model *m = &r->model;
    for (int k = 0; k < LENGTHS; k++) {
        reel_rewind(m->tape);
        reel_zero_grad(m->tape);
        reel_var x = reel_input(m->tape, REEL_SHAPE(r->length[k], m->batch, m->in), r->x);
        reel_var loss = reel_mean_all(reel_square(bench_cell_run(m, x)));
        reel_backward(loss);
        reel_item(loss);
    }
}

static int64_t total(const training *r)
{
    int64_t sum = 0;
    for (int k = 0; k < LENGTHS; k++) {
        sum += r->length[k];
    }
    return sum;
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = a.threads });
    training r = { .model = { .tape = t, .batch = a.batch, .in = a.in, .hidden = a.hidden } };
    if (t == NULL || !bench_cell_make(a.cell, &r.model)) {
        return 2;
    }
    size_t n = (size_t)(a.steps * a.batch * a.in);
    float *x = bench_allocate(n * sizeof *x);
    bench_fill("x", 1, n, x);
    r.x = x;
    for (int k = 0; k < LENGTHS; k++) {
        r.length[k] = a.steps / 2 + (a.steps - a.steps / 2) * (k * 5 % LENGTHS) / (LENGTHS - 1);
    }
    bench_timing changing = bench_measure(a.seconds, train_round, &r);
    double changing_total = (double)total(&r);
    for (int k = 0; k < LENGTHS; k++) {
        r.length[k] = (int64_t)(changing_total / LENGTHS + 0.5);
    }
    bench_timing constant = bench_measure(a.seconds, train_round, &r);
    bench_expect_fine(t);
    printf("{\"ms\": %.6f, \"constant_ms\": %.6f}\n", changing.median / changing_total,
           constant.median / (double)total(&r));
    free(x);
    reel_tape_free(t);
    return 0;
}
