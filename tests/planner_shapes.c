/* planner_shapes.c: loops of shapes at the edge and marks without sense are planned right or left
 * alone: no error comes up and the numbers are those of an eager tape. */
#include <criterion/criterion.h>

#include "reel.h"

enum { STEPS = 8, BATCH = 2, IN = 3, HIDDEN = 4 };

/* ---- a program ------------------------------------------------------------------------------- */

static reel_tape *new_tape(bool eager)
{
    return reel_tape_new(
        (reel_tape_options){ .dtype = REEL_F64, .seed = 5, .threads = 1, .eager = eager });
}

static reel_var param(reel_tape *t, const char *name)
{
    return reel_find_param(t, name);
}

static void add_params(reel_tape *t, int64_t batch, int64_t in, int64_t hidden)
{
    reel_param(t, "x", REEL_SHAPE(STEPS, batch, in), reel_normal(0, 1));
    reel_param(t, "W", REEL_SHAPE(hidden + in, hidden), reel_normal(0, 0.5));
    reel_param(t, "V", REEL_SHAPE(in, hidden), reel_normal(0, 0.5));
    reel_param(t, "b", REEL_SHAPE(hidden), reel_normal(0, 0.5));
}

/* Something for each pass: a product to split, one to hoist, and their gradients to sink. */
static reel_var cell_step(void *self, reel_var x, reel_var state[])
{
    reel_tape *t = self;
    reel_var z = reel_affine(reel_concat(-1, state[0], x), param(t, "W"), param(t, "b"));
    reel_var v = reel_matmul(x, param(t, "V"));
    return state[0] = reel_add(reel_mul(reel_sigmoid(z), reel_tanh(v)), reel_scale(state[0], 0.5));
}

static reel_var loss_of(reel_var v)
{
    return reel_mean_all(reel_square(v));
}

/* ---- shapes at the edge ---------------------------------------------------------------------- */

typedef reel_var (*loss_fn)(reel_tape *, int variant);

/* Loss and all gradients on a planned tape are those on an eager one, and no error comes up. */
static void expect_as_eager(loss_fn make, int variant)
{
    double loss[2], gradient[2][4096];
    size_t used[2];
    for (int eager = 0; eager < 2; eager++) {
        reel_tape *t = new_tape(eager);
        reel_var v = make(t, variant);
        reel_backward(v);
        loss[eager] = reel_item(v);
        used[eager] = 0;
        for (size_t k = 0; k < reel_param_count(t); k++) {
            size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, k)));
            cr_assert_leq(used[eager] + n, 4096);
            reel_read_grad_f64(reel_param_at(t, k), gradient[eager] + used[eager], n);
            used[eager] += n;
        }
        cr_expect_str_eq(reel_tape_error(t), "", "%s: %s", eager ? "eager" : "planned",
                         reel_tape_error(t));
        reel_tape_free(t);
    }
    cr_expect_float_eq(loss[0], loss[1], 1e-12);
    for (size_t i = 0; i < used[0]; i++) {
        cr_expect_float_eq(gradient[0][i], gradient[1][i], 1e-12, "gradient %zu", i);
    }
}

static const int64_t sizes[][3] = {
    { 0, IN, HIDDEN }, { BATCH, 0, HIDDEN }, { BATCH, IN, 0 }, { 1, 1, 1 }
}; /* batch, in, hidden */

static reel_var network_of(reel_tape *t, int variant)
{
    const int64_t *size = sizes[variant];
    add_params(t, size[0], size[1], size[2]);
    reel_cell cell = { .self = t, .step = cell_step, .states = 1, .width = { size[2] } };
    return reel_sum_all(
        reel_square(reel_unroll(cell, param(t, "x"), (reel_unroll_options){ 0 }).outputs));
}

Test(planner_shapes, axes_of_no_length_and_of_one)
{
    for (int variant = 0; variant < (int)(sizeof sizes / sizeof sizes[0]); variant++) {
        expect_as_eager(network_of, variant);
    }
}

/* Products whose gradients have no room for one more axis. */
static reel_var products_of_rank_eight(reel_tape *t, int variant)
{
    (void)variant;
    reel_var W = reel_param(t, "W", REEL_SHAPE(1, 1, 1, 1, 1, 1, 3, 3), reel_orthogonal(1));
    reel_var h = reel_param(t, "h", REEL_SHAPE(1, 1, 1, 1, 1, 1, 2, 3), reel_normal(0, 1));
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        h = reel_tanh(reel_add(reel_matmul(h, W), reel_sin(h)));
        reel_step_end(t);
    }
    return reel_sum_all(reel_square(h));
}

/* The same of a sum that a program carries by itself. */
static reel_var sum_of_rank_eight(reel_tape *t, int variant)
{
    (void)variant;
    reel_var a = reel_param(t, "a", REEL_SHAPE(1, 1, 1, 1, 1, 1, 2, 3), reel_normal(0, 1));
    reel_var b = reel_param(t, "b", REEL_SHAPE(1, 1, 1, 1, 1, 1, 2, 2), reel_normal(0, 1));
    reel_var sum = reel_fill(t, REEL_SHAPE(1, 1, 1, 1, 1, 1, 3, 2), 0.2);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        a = reel_tanh(reel_sin(reel_cos(reel_scale(a, 1.1))));
        b = reel_tanh(reel_sin(reel_cos(reel_scale(b, 0.9))));
        reel_matmul_options options = { .transpose_a = true };
        sum = reel_accumulate(sum, reel_matmul_ex(a, b, options));
        reel_step_end(t);
    }
    return loss_of(sum);
}

Test(planner_shapes, values_of_the_highest_rank)
{
    expect_as_eager(products_of_rank_eight, 0);
    expect_as_eager(sum_of_rank_eight, 0);
}

static reel_var batches_of_matrices(reel_tape *t, int variant)
{
    (void)variant;
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 2, 3, 4), reel_normal(0, 1));
    reel_var W = reel_param(t, "W", REEL_SHAPE(2, 9, 5), reel_normal(0, 0.4));
    reel_var V = reel_param(t, "V", REEL_SHAPE(4, 5), reel_normal(0, 0.4));
    reel_var h = reel_fill(t, REEL_SHAPE(2, 3, 5), 0.2);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        h = reel_tanh(reel_add(reel_matmul(reel_concat(2, h, reel_at(x, s)), W),
                               reel_matmul(reel_at(x, s), V)));
        reel_step_end(t);
    }
    return loss_of(h);
}

static reel_var vectors(reel_tape *t, int variant)
{
    (void)variant;
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 4), reel_normal(0, 1));
    reel_var W = reel_param(t, "W", REEL_SHAPE(7, 3), reel_normal(0, 0.4));
    reel_var V = reel_param(t, "V", REEL_SHAPE(4), reel_normal(0, 0.4));
    reel_var h = reel_fill(t, REEL_SHAPE(3), 0.2);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        reel_var gate = reel_matmul(reel_at(x, s), V);
        h = reel_mul(reel_tanh(reel_matmul(reel_concat(0, h, reel_at(x, s)), W)), gate);
        reel_step_end(t);
    }
    return loss_of(h);
}

Test(planner_shapes, products_that_are_not_of_two_matrices)
{
    expect_as_eager(batches_of_matrices, 0);
    expect_as_eager(vectors, 0);
}

/* Steps alike in everything but where the seam of a concatenation lies. */
static reel_var seams_that_move(reel_tape *t, int variant)
{
    (void)variant;
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 2, 3), reel_normal(0, 1));
    reel_var W = reel_param(t, "W", REEL_SHAPE(3 + 5 + 4, 4), reel_normal(0, 0.4));
    reel_var parts = reel_param(t, "parts", REEL_SHAPE(2, 5), reel_normal(0, 1));
    reel_var left[STEPS], right[STEPS], h = reel_fill(t, REEL_SHAPE(2, 4), 0.2);
    for (int s = 0; s < STEPS; s++) {
        left[s] = reel_slice(parts, 1, 0, 1 + s % 3);
        right[s] = reel_slice(parts, 1, 1 + s % 3, 5);
    }
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        reel_var all = reel_concat(1, reel_at(x, s), left[s], right[s], h);
        h = reel_tanh(reel_scale(reel_matmul(all, W), 0.8));
        reel_step_end(t);
    }
    return loss_of(h);
}

static reel_var parts_without_columns(reel_tape *t, int variant)
{
    (void)variant;
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 2, 3), reel_normal(0, 1));
    reel_var W = reel_param(t, "W", REEL_SHAPE(7, 4), reel_normal(0, 0.4));
    reel_var nothing = reel_param(t, "nothing", REEL_SHAPE(2, 0), reel_zeros());
    reel_var h = reel_fill(t, REEL_SHAPE(2, 4), 0.2);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        reel_var all = reel_concat(1, nothing, reel_at(x, s), nothing, h);
        h = reel_tanh(reel_scale(reel_matmul(all, W), 0.8));
        reel_step_end(t);
    }
    return loss_of(h);
}

Test(planner_shapes, concatenations_of_odd_parts)
{
    expect_as_eager(seams_that_move, 0);
    expect_as_eager(parts_without_columns, 0);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static int64_t mark_of(int kind, int s)
{
    switch (kind) {
    case 0:
        return INT64_MAX - s;
    case 1:
        return INT64_MIN + s;
    case 2:
        return s % 2 ? INT64_MAX : INT64_MIN;
    case 3:
        return 7;
    case 4:
        return s * 3;
    default:
        return s < 4 ? s : 6 - s;
    }
}

static reel_var oddly_marked(reel_tape *t, int kind)
{
    add_params(t, BATCH, IN, HIDDEN);
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0.2), x = param(t, "x");
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, mark_of(kind, s));
        reel_var all = reel_concat(1, reel_at(x, s), h);
        h = reel_tanh(reel_affine(all, param(t, "W"), param(t, "b")));
        h = reel_add(h, reel_matmul(reel_at(x, s), param(t, "V")));
        if (s % 2) {
            reel_step_end(t);
            reel_step_end(t); /* one too many */
        } else if (kind != 3) {
            reel_step_end(t);
        }
    }
    return loss_of(h);
}

Test(planner_shapes, marks_are_only_hints)
{
    for (int kind = 0; kind < 6; kind++) {
        expect_as_eager(oddly_marked, kind);
    }
}
