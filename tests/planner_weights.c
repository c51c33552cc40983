/* planner_weights.c: cells that make their weights within the step: masked, normalised, of low rank, cut
 * out of something larger. What is made is the same at every step, and so is its backward pass: both
 * are found, and computed once. And: what ops say about their linearity is true. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/tape.h"
#include "reel.h"
#include "support/sample.h"

enum { STEPS = 12, BATCH = 3, HIDDEN = 5, RANK = 2, MOST = 512 };

typedef reel_var (*weight_fn)(reel_tape *);

static reel_var param(reel_tape *t, const char *name)
{
    return reel_find_param(t, name);
}

static reel_var plain(reel_tape *t)
{
    return param(t, "W");
}

static reel_var masked(reel_tape *t)
{
    return reel_mul(param(t, "W"), reel_sign(param(t, "other")));
}

static reel_var gated(reel_tape *t)
{
    return reel_mul(reel_sigmoid(param(t, "other")), reel_tanh(param(t, "W")));
}

/* Weight normalisation (Salimans & Kingma 2016). */
static reel_var normalised(reel_tape *t)
{
    reel_var W = param(t, "W");
    return reel_mul(reel_div(W, reel_sqrt(reel_sum_keep(reel_square(W), 0))), param(t, "gain"));
}

static reel_var of_low_rank(reel_tape *t)
{
    return reel_add(reel_matmul(param(t, "tall"), param(t, "flat")), reel_neg(param(t, "W")));
}

static reel_var cut_out(reel_tape *t)
{
    return reel_transpose(reel_slice(param(t, "wide"), 1, 2, 2 + HIDDEN), 0, 1);
}

static reel_var skew(reel_tape *t)
{
    reel_var W = param(t, "W");
    return reel_scale(reel_sub(W, reel_transpose(W, 0, 1)), 0.5);
}

static const struct {
    const char *name;
    weight_fn make;
} weights[] = {
    { "plain", plain },
    { "masked", masked },
    { "gated", gated },
    { "normalised", normalised },
    { "low rank", of_low_rank },
    { "cut out", cut_out },
    { "skew", skew },
};

/* ---- a cell ------------------------------------------------------------------------------------ */

typedef struct {
    reel_tape *tape;
    weight_fn make;
} cell_self;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    cell_self *c = self;
    reel_var z =
        reel_add(reel_matmul(x, param(c->tape, "V")), reel_matmul(state[0], c->make(c->tape)));
    return state[0] = reel_tanh(reel_add(z, param(c->tape, "b")));
}

static void add_params(reel_tape *t)
{
    reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, HIDDEN), reel_normal(0, 1));
    reel_param(t, "V", REEL_SHAPE(HIDDEN, HIDDEN), reel_glorot());
    reel_param(t, "W", REEL_SHAPE(HIDDEN, HIDDEN), reel_glorot());
    reel_param(t, "other", REEL_SHAPE(HIDDEN, HIDDEN), reel_normal(0, 1));
    reel_param(t, "gain", REEL_SHAPE(HIDDEN), reel_constant(1.5));
    reel_param(t, "tall", REEL_SHAPE(HIDDEN, RANK), reel_glorot());
    reel_param(t, "flat", REEL_SHAPE(RANK, HIDDEN), reel_glorot());
    reel_param(t, "wide", REEL_SHAPE(HIDDEN, 2 * HIDDEN), reel_glorot());
    reel_param(t, "b", REEL_SHAPE(HIDDEN), reel_normal(0, 1));
}

typedef struct {
    double gradient[MOST];
    size_t count;
    uint32_t sunk, banned;
    uint64_t kernels;
} result;

static result run(weight_fn make, bool eager)
{
    reel_tape *t = reel_tape_new(
        (reel_tape_options){ .dtype = REEL_F64, .seed = 4, .threads = 1, .eager = eager });
    result r = { 0 };
    add_params(t);
    cell_self self = { t, make };
    reel_cell cell = { .self = &self, .step = step, .states = 1, .width = { HIDDEN } };
    reel_rollout rollout = reel_unroll(cell, param(t, "x"), (reel_unroll_options){ 0 });
    reel_backward(reel_mean_all(reel_square(rollout.outputs)));
    for (size_t k = 0; k < reel_param_count(t); k++) {
        size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, k)));
        cr_assert_leq(r.count + n, MOST);
        reel_read_grad_f64(reel_param_at(t, k), r.gradient + r.count, n);
        r.count += n;
    }
    r.sunk = t->planned.sunk;
    r.banned = t->planned.banned;
    r.kernels = reel_tape_statistics_of(t).kernels;
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
    return r;
}

Test(planner_weights, weights_made_within_the_step_are_made_once_and_so_are_their_gradients)
{
    result simple = run(plain, false);
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        result planned = run(weights[i].make, false), eager = run(weights[i].make, true);
        cr_expect_eq(planned.banned, 0, "%s", weights[i].name);
        cr_expect_geq(planned.sunk, simple.sunk, "%s: %u sums sunk", weights[i].name, planned.sunk);
        cr_expect_lt(planned.kernels, simple.kernels + 40, "%s: %d kernels", weights[i].name,
                     (int)planned.kernels);
        for (size_t k = 0; k < eager.count; k++) {
            cr_expect_lt(fabs(planned.gradient[k] - eager.gradient[k]), 1e-13, "%s, %zu",
                         weights[i].name, k);
        }
    }
}

/* Each of W_h's two blocks has a product of its own; the gradient of the whole is side by side what these
 * sum up to. */
Test(planner_weights, the_gradient_of_a_weight_used_in_pieces_leaves_the_loop_in_pieces)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 4, .threads = 1 });
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, HIDDEN), reel_normal(0, 1));
    reel_cell gru = reel_gru(t, "gru", HIDDEN, HIDDEN, (reel_gru_options){ 0 });
    reel_var h = reel_unroll(gru, reel_stop_gradient(x), (reel_unroll_options){ 0 }).outputs;
    reel_var loss = reel_mean_all(reel_square(h));
    reel_backward(loss);
    reel_item(loss);
    cr_expect_eq(t->planned.sunk, 3, "of W_x, W_h and b, %u", t->planned.sunk);
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

/* ---- linearity --------------------------------------------------------------------------------- */

/* y with input `input` replaced by some number of times itself, into out; the count of numbers. */
static size_t call_scaled(const reel_op *op, const reel_sample *sample, int input, double factor,
                          double *out, size_t room)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = 1 });
    reel_var x[REEL_SAMPLE_INPUTS];
    for (int i = 0; i < sample->inputs; i++) {
        x[i] = sample_input(t, op, sample, i, SAMPLE_PLAIN);
    }
    x[input] = reel_scale(x[input], factor);
    reel_var y = reel_record(op, sample->inputs, x, sample->attributes);
    size_t n = (size_t)reel_shape_size(reel_shape_of(y));
    cr_assert_leq(n, room);
    reel_read_f64(y, out, n);
    cr_expect_str_eq(reel_tape_error(t), "", "%s", SAMPLE_NAME(op, sample));
    reel_tape_free(t);
    return n;
}

/* Homogeneous of the first degree; of functions that gradcheck has found to be smooth, linear. */
static void expect_linear(const reel_op *op, const reel_sample *sample, int input)
{
    enum { ROOM = 4096 };
    static double y[ROOM], scaled[ROOM];
    size_t n = call_scaled(op, sample, input, 1, y, ROOM);
    call_scaled(op, sample, input, -2, scaled, ROOM);
    for (size_t i = 0; i < n; i++) {
        double expected = -2 * y[i];
        cr_expect(fabs(scaled[i] - expected) <= 1e-12 * (1 + fabs(expected)) ||
                      (isnan(expected) && isnan(scaled[i])) || expected == scaled[i],
                  "%s: [%zu] is %g, not %g", SAMPLE_NAME(op, sample), i, scaled[i], expected);
    }
}

Test(planner_weights, ops_are_as_linear_as_they_say)
{
    int checked = 0;
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        for (const reel_sample *s = (*op)->samples; s && s->label; s++) {
            for (int i = 0; i < s->inputs && s->fails == NULL; i++) {
                bool linear = ((*op)->linear >> i & 1u) || ((*op)->view && i == 0);
                if (linear && !sample_is_index(*op, i)) {
                    expect_linear(*op, s, i);
                    checked++;
                }
            }
        }
    }
    cr_expect_gt(checked, 50);
}
