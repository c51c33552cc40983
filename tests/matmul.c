/* matmul.c: products of matrices read through every kind of view, against the three loops of the
 * definition. Elements are small whole numbers, so that all sums are exact. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "graph/op.h"
#include "ops/ops.h"

static reel_tape *new_tape(int dtype)
{
    return reel_tape_new((reel_tape_options){ .dtype = (reel_dtype)dtype, .threads = 2 });
}

static reel_var numbers(reel_tape *t, reel_shape shape, int64_t seed)
{
    int64_t n = reel_shape_size(shape);
    double *values = malloc((size_t)(n + 1) * sizeof *values);
    for (int64_t i = 0; i < n; i++) {
        values[i] = (double)((i + seed) * 7919 % 17 - 8);
    }
    reel_var v = reel_input_f64(t, shape, values);
    free(values);
    return v;
}

static double *read_all(reel_var v)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    double *values = malloc((n + 1) * sizeof *values);
    cr_assert_eq(reel_read_f64(v, values, n), REEL_OK, "%s", reel_tape_error(v.tape));
    return values;
}

/* a [batch, m, k] and b [batch or 1, k, n], of any strides. */
static void expect_product(reel_var a, reel_var b)
{
    reel_shape shape_a = reel_shape_of(a), shape_b = reel_shape_of(b);
    int64_t m = shape_a.dim[shape_a.rank - 2], k = shape_a.dim[shape_a.rank - 1];
    int64_t n = shape_b.dim[shape_b.rank - 1];
    int64_t batch = shape_a.rank == 3 ? shape_a.dim[0] : 1;
    int64_t b_step = shape_b.rank == 3 && shape_b.dim[0] > 1 ? k * n : 0;
    double *x = read_all(a), *w = read_all(b), *y = read_all(reel_matmul(a, b));
    for (int64_t i = 0; i < batch * m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double expected = 0;
            for (int64_t l = 0; l < k; l++) {
                expected += x[i * k + l] * w[i / m * b_step + l * n + j];
            }
            cr_assert_eq(y[i * n + j], expected, "[%d,%d] of %s x %s: %g, expected %g", (int)i,
                         (int)j, REEL_SHAPE_TEXT(shape_a), REEL_SHAPE_TEXT(shape_b), y[i * n + j],
                         expected);
        }
    }
    free(x);
    free(w);
    free(y);
}

/* ---- shapes and views ---------------------------------------------------------------------- */

Test(matmul, of_every_small_shape)
{
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = new_tape(dtype);
        for (int64_t m = 1; m <= 4; m++) {
            for (int64_t k = 1; k <= 5; k += 2) {
                for (int64_t n = 1; n <= 4; n++) {
                    expect_product(numbers(t, REEL_SHAPE(m, k), 1),
                                   numbers(t, REEL_SHAPE(k, n), 5));
                    expect_product(numbers(t, REEL_SHAPE(3, m, k), 1),
                                   numbers(t, REEL_SHAPE(k, n), 2));
                    expect_product(numbers(t, REEL_SHAPE(3, m, k), 1),
                                   numbers(t, REEL_SHAPE(3, k, n), 7));
                    reel_rewind(t);
                }
            }
        }
        reel_tape_free(t);
    }
}

Test(matmul, of_large_and_of_many_matrices)
{
    reel_tape *t = new_tape(REEL_F32);
    expect_product(numbers(t, REEL_SHAPE(70, 130), 1), numbers(t, REEL_SHAPE(130, 90), 4));
    expect_product(numbers(t, REEL_SHAPE(100, 20, 16), 1), numbers(t, REEL_SHAPE(100, 16, 20), 4));
    expect_product(numbers(t, REEL_SHAPE(100, 20, 16), 1), numbers(t, REEL_SHAPE(1, 16, 20), 4));
    reel_tape_free(t);
}

Test(matmul, reads_transposed_sliced_flipped_and_expanded_views)
{
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = new_tape(dtype);
        reel_var x = numbers(t, REEL_SHAPE(6, 7), 3), cube = numbers(t, REEL_SHAPE(4, 6, 5), 2);
        reel_var transposed = reel_transpose(x, 0, 1);
        reel_var window = reel_slice(reel_slice(x, 0, 1, 5), 1, 2, 6);
        reel_var flipped = reel_flip(window, 1),
                 repeated = reel_expand(reel_at(window, 1), REEL_SHAPE(4, 4));
        reel_var turned = reel_permute_n(cube, 3, (int[]){ 1, 0, 2 });
        reel_var inside_out = reel_permute_n(cube, 3, (int[]){ 2, 0, 1 });
        expect_product(transposed, x);
        expect_product(x, transposed);
        expect_product(window, window);
        expect_product(reel_transpose(window, 0, 1), flipped);
        expect_product(flipped, repeated);
        expect_product(repeated, flipped);
        expect_product(reel_slice(window, 1, 0, 1), reel_slice(window, 0, 0, 1));
        expect_product(reel_slice(window, 0, 0, 1), reel_slice(window, 1, 0, 1));
        expect_product(turned, numbers(t, REEL_SHAPE(5, 3), 1));
        expect_product(reel_transpose(turned, 1, 2), turned);
        expect_product(inside_out, x);
        expect_product(inside_out, numbers(t, REEL_SHAPE(5, 6, 2), 1));
        expect_product(reel_expand(window, REEL_SHAPE(3, 4, 4)), window);
        expect_product(reel_flip(cube, 0), numbers(t, REEL_SHAPE(5, 2), 1));
        expect_product(reel_slice(cube, 2, 1, 2), numbers(t, REEL_SHAPE(1, 3), 1));
        expect_product(reel_slice(cube, 1, 2, 3), numbers(t, REEL_SHAPE(5, 3), 1));
        reel_tape_free(t);
    }
}

Test(matmul, of_vectors_drops_their_axis)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var v = numbers(t, REEL_SHAPE(4), 1), m = numbers(t, REEL_SHAPE(4, 3), 2);
    reel_var batch = numbers(t, REEL_SHAPE(2, 3, 4), 3);
    reel_var backwards = reel_flip(v, 0);
    reel_var all[] = { reel_matmul(v, m), reel_matmul(batch, v), reel_matmul(v, backwards) };
    reel_var by_hand[] = {
        reel_sum(reel_mul(reel_unsqueeze(v, 1), m), 0),
        reel_sum(reel_mul(batch, v), 2),
        reel_sum_all(reel_mul(v, backwards)),
    };
    for (int i = 0; i < 3; i++) {
        cr_assert(reel_shape_equal(reel_shape_of(all[i]), reel_shape_of(by_hand[i])));
        cr_expect_eq(reel_item(reel_max_all(reel_abs(reel_sub(all[i], by_hand[i])))), 0);
    }
    reel_tape_free(t);
}

Test(matmul, with_an_empty_axis_is_zeros_or_nothing)
{
    reel_tape *t = new_tape(REEL_F32);
    reel_var zeros = reel_matmul(numbers(t, REEL_SHAPE(2, 0), 1), numbers(t, REEL_SHAPE(0, 3), 1));
    float got[6] = { 1, 1, 1, 1, 1, 1 };
    cr_assert_eq(reel_read(zeros, got, 6), REEL_OK);
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(got[i], 0);
    }
    reel_var nothing =
        reel_matmul(numbers(t, REEL_SHAPE(5, 0, 4), 1), numbers(t, REEL_SHAPE(4, 3), 1));
    cr_expect(reel_shape_equal(reel_shape_of(nothing), REEL_SHAPE(5, 0, 3)));
    cr_expect_eq(reel_read(nothing, NULL, 0), REEL_OK);
    reel_var x = numbers(t, REEL_SHAPE(2, 0), 1), W = numbers(t, REEL_SHAPE(0, 3), 1);
    reel_var dW = reel_gradient(reel_sum_all(reel_matmul(x, W)), W);
    cr_expect_eq(reel_read(dW, NULL, 0), REEL_OK, "%s", reel_tape_error(t));
    reel_tape_free(t);
}

/* ---- gradients ----------------------------------------------------------------------------- */

/* Every step adds its share to one weight's gradient: outer products of x_t and ones. */
Test(matmul, adds_up_the_gradient_of_a_weight_used_at_every_step)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var x = numbers(t, REEL_SHAPE(9, 2, 3), 1), W = numbers(t, REEL_SHAPE(3, 4), 2);
    reel_var loss = reel_scalar(t, 0);
    for (int64_t step = 0; step < 9; step++) {
        loss = reel_add(loss, reel_sum_all(reel_matmul(reel_at(x, step), W)));
    }
    reel_var at_once = reel_sum_all(reel_matmul(x, W));
    double *by_steps = read_all(reel_gradient(loss, W)),
           *batched = read_all(reel_gradient(at_once, W));
    double *inputs = read_all(reel_sum(reel_sum(x, 0), 0));
    for (int i = 0; i < 12; i++) {
        cr_expect_eq(by_steps[i], inputs[i / 4]);
        cr_expect_eq(batched[i], inputs[i / 4]);
    }
    free(by_steps);
    free(batched);
    free(inputs);
    reel_tape_free(t);
}

typedef struct {
    reel_shape a, b;
    reel_matmul_options options;
} gradient_case;

static reel_var squared_product(reel_tape *t, void *self)
{
    const gradient_case *c = self;
    reel_var y = reel_matmul_ex(reel_find_param(t, "a"), reel_find_param(t, "b"), c->options);
    return reel_sum_all(reel_square(y));
}

Test(matmul, passes_the_gradient_check_twice_for_all_flags)
{
    for (int flags = 0; flags < 8; flags++) {
        gradient_case c = { .options = { flags & 1, flags & 2 } };
        bool batched = flags & 4;
        reel_shape a = c.options.transpose_a ? REEL_SHAPE(2, 3, 2) : REEL_SHAPE(2, 2, 3);
        c.a = a;
        c.b = c.options.transpose_b ? REEL_SHAPE(4, 3) : REEL_SHAPE(3, 4);
        if (batched) {
            c.b = c.options.transpose_b ? REEL_SHAPE(2, 4, 3) : REEL_SHAPE(2, 3, 4);
        }
        reel_tape *t = new_tape(REEL_F64);
        reel_param(t, "a", c.a, reel_normal(0, 1));
        reel_param(t, "b", c.b, reel_normal(0, 1));
        reel_gradcheck_report report;
        cr_expect(
            reel_gradcheck(t, squared_product, &c, (reel_gradcheck_options){ .order = 2 }, &report),
            "flags %d: %s", flags, report.message);
        reel_tape_free(t);
    }
}

/* ---- errors -------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *message)
{
    cr_expect_str_eq(reel_tape_error(t), message);
    reel_tape_clear(t);
}

Test(matmul, and_affine_say_which_shapes_do_not_fit)
{
    reel_tape *t = new_tape(REEL_F32);
    reel_var a = numbers(t, REEL_SHAPE(4, 5), 1), b = numbers(t, REEL_SHAPE(6, 3), 1);
    reel_var bias = numbers(t, REEL_SHAPE(4), 1);
    reel_matmul(a, b);
    expect_error(t, "matmul: inner dimensions differ: [4,5] x [6,3]");
    reel_matmul(a, reel_scalar(t, 1));
    expect_error(t, "matmul: a scalar has no matrix product: [4,5] x []");
    reel_affine(a, b, bias);
    expect_error(t, "affine: x [..., in], W [in, out], b [out] wanted: [4,5] x [6,3] + [4]");
    cr_expect_eq(reel_shape_of(reel_affine(a, reel_transpose(a, 0, 1), bias)).dim[1], 4);
    cr_expect_eq(reel_tape_status(t), REEL_OK);
    reel_tape_free(t);
}
