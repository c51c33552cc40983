/* gradcheck.c: times the gradient check of a short LSTM, all parameters and the input included.
 *
 *     gradcheck lstm STEPS BATCH INPUT HIDDEN THREADS SECONDS
 */
#include "cells.h"
#include "support.h"

#include <stdlib.h>

typedef struct {
    bench_model model;
    reel_gradcheck_report report;
} check;

static reel_var loss(reel_tape *t, void *self)
{
    bench_model *m = self;
    return reel_mean_all(reel_square(bench_cell_run(m, reel_find_param(t, "x"))));
}

static void check_once(void *self)
{
    check *c = self;
    reel_gradcheck(c->model.tape, loss, &c->model, (reel_gradcheck_options){ 0 }, &c->report);
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = a.threads, .dtype = REEL_F64 });
    check c = { .model = { .tape = t, .batch = a.batch, .in = a.in, .hidden = a.hidden } };
    if (t == NULL || !bench_cell_make(a.cell, &c.model)) {
        return 2;
    }
    reel_param(t, "x", REEL_SHAPE(a.steps, a.batch, a.in), reel_normal(0, 1));
    bench_timing timing = bench_measure(a.seconds, check_once, &c);
    bench_expect_fine(t);
    if (c.report.verdict != REEL_GRADCHECK_PASSED) {
        reel_gradcheck_print(&c.report, stderr);
        return 1;
    }
    printf("{");
    bench_print_timing(&timing);
    printf(", \"compared\": %zu}\n", c.report.compared);
    reel_tape_free(t);
    return 0;
}
