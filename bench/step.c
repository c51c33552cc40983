/* step.c: times one training step of a recurrent layer: forward, mean of squares over all
 * outputs, or of the last one, gradients of weights, bias and input.
 *
 *     step CELL STEPS BATCH INPUT HIDDEN THREADS SECONDS [f64] [last] [limit=BYTES]
 *
 * CELL is a name of cells.c. Prints one line of JSON, the loss and the gradients' norms in it:
 * bench/run.py compares them with the peers', as it does the times.
 */
#include "cells.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    bench_model model;
    reel_var x;
    bool last;
    double loss;
    size_t recorded; /* nodes, before the backward pass, which may be known from the step before */
} training;

static void train_step(void *self)
{
    training *r = self;
    reel_rewind(r->model.tape);
    reel_zero_grad(r->model.tape);
    reel_var outputs = bench_cell_run(&r->model, r->x);
    outputs = r->last ? reel_at(outputs, reel_shape_of(outputs).dim[0] - 1) : outputs;
    reel_var loss = reel_mean_all(reel_square(outputs));
    r->recorded = reel_node_count(r->model.tape);
    reel_backward(loss);
    r->loss = reel_item(loss);
    reel_flat gradients; /* they are numbers, too, when the step is over */
    if (reel_flat_begin(r->model.tape, &gradients) == REEL_OK) {
        reel_flat_end(r->model.tape, false);
    }
}

static reel_var make_input(reel_tape *t, const bench_arguments *a)
{
    size_t n = (size_t)(a->steps * a->batch * a->in);
    float *numbers = bench_allocate(n * sizeof *numbers);
    reel_var x = reel_param(t, "x", REEL_SHAPE(a->steps, a->batch, a->in), reel_zeros());
    bench_fill("x", 1, n, numbers);
    reel_write_param(x, numbers, n);
    free(numbers);
    return x;
}

/* Of the gradient of x, or of all others. */
static double norm_of_gradients(reel_tape *t, bool of_x)
{
    double sum = 0;
    for (size_t k = 0; k < reel_param_count(t); k++) {
        reel_var v = reel_param_at(t, k);
        if ((strcmp(reel_param_name(v), "x") == 0) != of_x) {
            continue;
        }
        size_t n = (size_t)reel_shape_size(reel_shape_of(v));
        double *gradient = bench_allocate(n * sizeof *gradient);
        reel_read_grad_f64(v, gradient, n);
        for (size_t i = 0; i < n; i++) {
            sum += gradient[i] * gradient[i];
        }
        free(gradient);
    }
    return sqrt(sum);
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = a.threads,
                                                      .dtype = a.f64 ? REEL_F64 : REEL_F32,
                                                      .memory_limit = a.memory_limit });
    training r = { .model = { .tape = t, .batch = a.batch, .in = a.in, .hidden = a.hidden },
                   .last = a.last };
    if (t == NULL || !bench_cell_make(a.cell, &r.model)) {
        return 2;
    }
    r.x = make_input(t, &a);
    bench_timing timing = bench_measure(a.seconds, train_step, &r);
    bench_expect_fine(t);
    reel_tape_statistics statistics = reel_tape_statistics_of(t);
    printf("{");
    bench_print_timing(&timing);
    printf(", \"recorded\": %zu, \"nodes\": %zu, \"peak_bytes\": %zu, \"parameters\": %zu, "
           "\"gflop\": %.6f",
           r.recorded, reel_node_count(t), statistics.bytes_peak, statistics.parameters,
           6e-9 * (double)(a.steps * a.batch) * r.model.products);
    printf(", \"loss\": %.9g, \"d_weights\": %.9g, \"d_x\": %.9g}\n", r.loss,
           norm_of_gradients(t, false), norm_of_gradients(t, true));
    reel_tape_free(t);
    return 0;
}
