/* stream.c: times a frozen cell, one step at a time, the state kept inside.
 *
 *     stream lstm 1 BATCH INPUT HIDDEN THREADS SECONDS [int8]
 *
 * With int8 weights it tells as well how far their outputs are from those of floats over 100 steps
 * of other inputs. */
#include <math.h>
#include <stdlib.h>

#include "cells.h"
#include "support.h"

enum { COMPARED = 100 };

typedef struct {
    reel_frozen *frozen;
    const float *x;
    float *y;
} stream;

static void one_step(void *self)
{
    stream *s = self;
    reel_frozen_step(s->frozen, s->x, s->y);
}

static reel_frozen *freeze(const bench_model *m, bool int8)
{
    reel_recorded step;
    reel_record_step(m->tape, m->cell, m->batch, m->in, (reel_layer){ 0 }, &step);
    reel_frozen *f = reel_freeze(m->tape, step, (reel_freeze_options){ .int8 = int8 });
    bench_expect_fine(m->tape);
    return f;
}

static double mean_square(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sum / (double)n;
}

/* The largest difference of an output. */
static double difference(const bench_model *m, reel_frozen *a)
{
    size_t in = (size_t)(m->batch * m->in), out = (size_t)(m->batch * m->hidden);
    float *x = bench_allocate(COMPARED * in * sizeof *x);
    float *y = bench_allocate(2 * out * sizeof *y);
    reel_frozen *b = freeze(m, false);
    double worst = 0;
    bench_fill("compared", 1, COMPARED * in, x);
    reel_frozen_reset(a);
    for (size_t step = 0; step < COMPARED; step++) {
        reel_frozen_step(a, x + step * in, y);
        reel_frozen_step(b, x + step * in, y + out);
        for (size_t i = 0; i < out; i++) {
            worst = fmax(worst, fabs((double)y[i] - (double)y[out + i]));
        }
    }
    reel_frozen_free(b);
    free(x);
    free(y);
    return worst;
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = a.threads });
    bench_model m = { .tape = t, .batch = a.batch, .in = a.in, .hidden = a.hidden };
    if (t == NULL || !bench_cell_make(a.cell, &m)) {
        return 2;
    }
    size_t inputs = (size_t)(a.batch * a.in), outputs = (size_t)(a.batch * a.hidden);
    float *x = bench_allocate(inputs * sizeof *x);
    stream s = { freeze(&m, a.int8), x, bench_allocate(outputs * sizeof *s.y) };
    bench_fill("x", 1, inputs, x);
    one_step(&s);
    double loss = mean_square(s.y, outputs);
    bench_timing timing = bench_measure(a.seconds, one_step, &s);
    reel_frozen_report report = reel_frozen_report_of(s.frozen);
    printf("{");
    bench_print_timing(&timing);
    printf(", \"loss\": %.9g, \"bytes\": %zu, \"weight_error\": %.3g, \"difference\": %.3g}\n",
           loss, report.bytes, report.weight_error, a.int8 ? difference(&m, s.frozen) : 0);
    reel_frozen_free(s.frozen);
    free(x);
    free(s.y);
    reel_tape_free(t);
    return 0;
}
