/* infer.c: times inference of reel_lstm, without gradients: one step at a time with the state
 * carried over by the program where STEPS is 1, otherwise a whole sequence from zeros.
 *
 *     infer lstm STEPS BATCH INPUT HIDDEN THREADS SECONDS
 */
#include "cells.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    bench_model model;
    int64_t steps;
    float *x, *outputs, *h, *c;
    size_t state_size, output_size;
} inference;

static void whole_sequence(void *self)
{
    inference *r = self;
    bench_model *m = &r->model;
    reel_rewind(m->tape);
    reel_var x = reel_input(m->tape, REEL_SHAPE(r->steps, m->batch, m->in), r->x);
    reel_read(bench_cell_run(m, x), r->outputs, r->output_size);
}

static void one_step(void *self)
{
    inference *r = self;
    bench_model *m = &r->model;
    reel_shape state = REEL_SHAPE(m->batch, m->hidden);
    reel_rewind(m->tape);
    reel_var s[2] = { reel_input(m->tape, state, r->h), reel_input(m->tape, state, r->c) };
    m->cell.step(m->cell.self, reel_input(m->tape, REEL_SHAPE(m->batch, m->in), r->x), s);
    reel_keep(s[1]);
    reel_read(s[0], r->h, r->state_size);
    reel_read(s[1], r->c, r->state_size);
}

static double mean_square(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sum / (double)n;
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = a.threads });
    inference r = { .model = { .tape = t, .batch = a.batch, .in = a.in, .hidden = a.hidden },
                    .steps = a.steps };
    if (t == NULL || !bench_cell_make(a.cell, &r.model)) {
        return 2;
    }
    size_t inputs = (size_t)(a.steps * a.batch * a.in);
    r.state_size = (size_t)(a.batch * a.hidden);
    r.output_size = (size_t)a.steps * r.state_size;
    r.x = bench_allocate(inputs * sizeof *r.x);
    r.outputs = bench_allocate(r.output_size * sizeof *r.outputs);
    r.h = bench_allocate(r.state_size * sizeof *r.h);
    r.c = bench_allocate(r.state_size * sizeof *r.c);
    bench_fill("x", 1, inputs, r.x);
    memset(r.h, 0, r.state_size * sizeof *r.h);
    memset(r.c, 0, r.state_size * sizeof *r.c);
    bool streaming = a.steps == 1;
    (streaming ? one_step : whole_sequence)(&r);
    double loss = mean_square(streaming ? r.h : r.outputs, r.output_size);
    bench_timing timing = bench_measure(a.seconds, streaming ? one_step : whole_sequence, &r);
    bench_expect_fine(t);
    printf("{");
    bench_print_timing(&timing);
    printf(", \"loss\": %.9g}\n", loss);
    free(r.x);
    free(r.outputs);
    free(r.h);
    free(r.c);
    reel_tape_free(t);
    return 0;
}
