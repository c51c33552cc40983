/* planner_views.c: states that a cell carries flat and computes as matrices, products of rows with
 * further axes in front, and element-wise work beside loops: planned and compiled, with the numbers of
 * an eager tape and without copies of what views look at. */
#include <criterion/criterion.h>
#include <string.h>

#include "graph/tape.h"
#include "reel.h"

enum { STEPS = 9, BATCH = 4, IN = 3, SIDE = 3, FLAT = SIDE * SIDE, MOST = 4096 };

/* ---- a cell with a matrix for a memory --------------------------------------------------------- */

typedef struct {
    bool as_product; /* the memory goes through a product with one matrix, row by row */
    bool reads_flat; /* the output reads the flat state, too */
} memory_cell;

static reel_var matrices(reel_var v)
{
    return reel_reshape(v, REEL_SHAPE(-1, SIDE, SIDE));
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const memory_cell *c = self;
    reel_tape *t = x.tape;
    reel_var z = reel_tanh(reel_matmul(x, reel_find_param(t, "W")));
    reel_var row = reel_reshape(z, REEL_SHAPE(-1, 1, SIDE));
    reel_var column = reel_reshape(z, REEL_SHAPE(-1, SIDE, 1));
    reel_var memory = reel_scale(matrices(state[0]), 0.7);
    if (c->as_product) {
        memory = reel_matmul(memory, reel_find_param(t, "V"));
    }
    memory = reel_tanh(reel_add(memory, reel_mul(column, row)));
    reel_var out = reel_reshape(reel_matmul(row, memory), REEL_SHAPE(-1, SIDE));
    if (c->reads_flat) {
        out = reel_add(out, reel_slice(state[0], -1, 0, SIDE));
    }
    state[0] = reel_reshape(memory, REEL_SHAPE(-1, FLAT));
    return out;
}

typedef struct {
    memory_cell cell;
    bool initial, final, lengths, reverse;
} variant;

static const variant variants[] = {
    { { false, false }, false, false, false, false },
    { { true, false }, false, false, false, false },
    { { true, true }, true, false, false, false },
    { { false, true }, true, true, false, false },
    { { true, true }, true, true, false, true },
    { { true, false }, true, true, true, false },
    { { false, true }, false, true, true, true },
};

static reel_var loss_of(reel_tape *t, const variant *v)
{
    static const int32_t lengths[BATCH] = { STEPS, 0, 5, 1 };
    reel_param(t, "W", REEL_SHAPE(IN, SIDE), reel_normal(0, 0.6));
    reel_param(t, "V", REEL_SHAPE(SIDE, SIDE), reel_normal(0, 0.6));
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_normal(0, 1));
    reel_var h = reel_param(t, "h", REEL_SHAPE(BATCH, FLAT), reel_normal(0, 1));
    memory_cell self = v->cell;
    reel_cell cell = { .self = &self, .step = step, .states = 1, .width = { FLAT } };
    reel_unroll_options options = { .reverse = v->reverse };
    if (v->initial) {
        options.initial[0] = h;
    }
    if (v->lengths) {
        options.lengths = lengths;
    }
    reel_rollout r = reel_unroll(cell, x, options);
    reel_var loss = reel_sum_all(reel_square(r.outputs));
    return v->final ? reel_add(loss, reel_sum_all(reel_sin(r.state[0]))) : loss;
}

static size_t read_all(reel_tape *t, double gradient[MOST])
{
    size_t used = 0;
    for (size_t k = 0; k < reel_param_count(t); k++) {
        size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, k)));
        cr_assert_leq(used + n, MOST);
        reel_read_grad_f64(reel_param_at(t, k), gradient + used, n);
        used += n;
    }
    cr_expect_str_eq(reel_tape_error(t), "");
    return used;
}

Test(planner_views, a_state_carried_flat_gives_the_numbers_of_an_eager_tape)
{
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        double gradient[3][MOST];
        size_t n = 0;
        for (int k = 0; k < 3; k++) { /* eager, one thread, two */
            reel_tape *t = reel_tape_new((reel_tape_options){
                .dtype = REEL_F64, .seed = 3, .threads = k < 2 ? 1 : 2, .eager = k == 0 });
            reel_backward(loss_of(t, &variants[i]));
            n = read_all(t, gradient[k]);
            reel_tape_free(t);
        }
        for (size_t g = 0; g < n; g++) {
            cr_expect_float_eq(gradient[1][g], gradient[0][g], 1e-12, "variant %zu, %zu", i, g);
            cr_expect_eq(gradient[2][g], gradient[1][g], "variant %zu, %zu on two threads", i, g);
        }
    }
}

static void explain(reel_var v, char *text, size_t size)
{
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    reel_explain(v, file);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

Test(planner_views, products_of_rows_within_rows_leave_the_batch_to_the_threads)
{
    char text[8192];
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 3, .threads = 2 });
    reel_var loss = loss_of(t, &(variant){ .cell = { .as_product = true } });
    reel_var gradient = reel_gradient(loss, reel_find_param(t, "V"));
    explain(reel_sum_all(gradient), text, sizeof text);
    cr_expect_not_null(strstr(text, "1 products"), "%s", text);
    cr_expect_not_null(strstr(text, "each thread takes its own of 4 rows"), "%s", text);
    cr_expect_null(strstr(text, "mixes the rows"), "%s", text);
    reel_tape_free(t);
}

/* All copies of the memory, and little else: 200 steps of 16 rows of 32 x 32 numbers are 13.1 MB. */
static reel_var wide_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    reel_var row = reel_reshape(x, REEL_SHAPE(-1, 1, 32));
    reel_var column = reel_reshape(x, REEL_SHAPE(-1, 32, 1));
    reel_var memory = reel_reshape(state[0], REEL_SHAPE(-1, 32, 32));
    memory = reel_tanh(reel_add(memory, reel_mul(column, row)));
    state[0] = reel_reshape(memory, REEL_SHAPE(-1, 32 * 32));
    return reel_reshape(reel_matmul(row, memory), REEL_SHAPE(-1, 32));
}

Test(planner_views, a_state_in_another_shape_is_kept_once)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 3, .threads = 1 });
    reel_var x = reel_param(t, "x", REEL_SHAPE(200, 16, 32), reel_normal(0, 1));
    reel_cell cell = { .step = wide_step, .states = 1, .width = { 32 * 32 } };
    reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
    reel_backward(reel_sum_all(reel_square(r.outputs)));
    reel_flat flat;
    cr_assert_eq(reel_flat_begin(t, &flat), REEL_OK, "%s", reel_tape_error(t));
    reel_flat_end(t, false);
    double once = 200.0 * 16 * 32 * 32 * sizeof(float);
    size_t peak = reel_tape_statistics_of(t).bytes_peak;
    cr_expect_lt((double)peak, 1.5 * once, "%zu bytes, %g for one copy", peak, once);
    reel_tape_free(t);
}

/* ---- beside the loops -------------------------------------------------------------------------- */

/* Sums of expressions of every layout that a sum has, in both types, on one thread and two. */
static reel_var chains(reel_tape *t)
{
    reel_var x = reel_param(t, "x", REEL_SHAPE(37, 5, 24), reel_normal(0, 1));
    reel_var b = reel_param(t, "b", REEL_SHAPE(24), reel_normal(0, 1));
    reel_var c = reel_param(t, "c", REEL_SHAPE(37, 1, 1), reel_normal(0, 1));
    reel_var y = reel_mul(reel_tanh(reel_add(x, b)), reel_sigmoid(reel_mul(x, c)));
    reel_var all = reel_sum_all(reel_square(y));
    for (int axis = 0; axis < 3; axis++) {
        all = reel_add(all, reel_sum_all(reel_sum(reel_exp(reel_scale(x, 0.3)), axis)));
    }
    reel_var few = reel_reshape(x, REEL_SHAPE(-1, 4));
    all = reel_add(all, reel_sum_all(reel_sum(reel_sin(reel_cos(few)), 0)));
    all = reel_add(all, reel_sum_all(reel_square(reel_sum(reel_abs(reel_neg(few)), 1))));
    return reel_add(all, reel_sum_all(reel_sum_to(reel_square(reel_square(x)), REEL_SHAPE(5, 24))));
}

Test(planner_views, element_wise_work_beside_loops_has_the_same_bits_as_node_by_node)
{
    for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
        double gradient[3][MOST * 2];
        size_t n = 0;
        for (int k = 0; k < 3; k++) { /* node by node, one thread, two */
            reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = (reel_dtype)dtype,
                                                              .seed = 3,
                                                              .threads = k < 2 ? 1 : 2,
                                                              .plan = k == 0 ? "-fuse" : NULL });
            reel_var loss = chains(t);
            reel_backward(loss);
            gradient[k][0] = reel_item(loss);
            n = 1;
            for (size_t p = 0; p < reel_param_count(t); p++) {
                size_t size = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, p)));
                reel_read_grad_f64(reel_param_at(t, p), gradient[k] + n, size);
                n += size;
            }
            cr_expect_str_eq(reel_tape_error(t), "");
            reel_tape_free(t);
        }
        cr_expect_arr_eq(gradient[1], gradient[0], n * sizeof(double));
        cr_expect_arr_eq(gradient[2], gradient[0], n * sizeof(double));
    }
}

Test(planner_views, what_a_sum_alone_reads_is_never_stored)
{
    enum { N = 1 << 20 };
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 3, .threads = 1 });
    reel_var x = reel_fill(t, REEL_SHAPE(N), 0.5);
    double mean = reel_item(reel_mean_all(reel_square(reel_scale(reel_add(x, x), 3))));
    cr_expect_float_eq(mean, 9, 1e-6);
    size_t peak = reel_tape_statistics_of(t).bytes_peak;
    cr_expect_lt(peak, (size_t)N * sizeof(float) * 5 / 4, "%zu bytes", peak);
    reel_tape_free(t);
}
