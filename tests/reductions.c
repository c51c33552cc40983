/* reductions.c: sums, extrema, products and softmax along axes: long ones, empty ones, tied,
 * masked and infinite ones. Where sizes matter, elements are small whole numbers, whose sums are
 * exact in any order; the other expected numbers are worked out by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"
#include "ops/ops.h"

/* ---- what the tests share ------------------------------------------------------------------ */

static reel_tape *new_tape(reel_dtype dtype, int threads)
{
    return reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 3, .threads = threads });
}

static double small_number(int64_t i)
{
    return (double)(i * 7919 % 17 - 8);
}

static double *small_numbers(int64_t n)
{
    double *values = malloc((size_t)(n + 1) * sizeof *values);
    for (int64_t i = 0; i < n; i++) {
        values[i] = small_number(i);
    }
    return values;
}

static double *read_all(reel_var v)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    double *values = malloc((n + 1) * sizeof *values);
    cr_assert_eq(reel_read_f64(v, values, n), REEL_OK, "%s", reel_tape_error(v.tape));
    return values;
}

static bool same(double a, double b, double tolerance)
{
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance * fabs(b);
}

static void expect_near(reel_var v, double tolerance, size_t n, const double *expected)
{
    cr_assert_eq((size_t)reel_shape_size(reel_shape_of(v)), n);
    double *got = read_all(v);
    for (size_t i = 0; i < n; i++) {
        cr_expect(same(got[i], expected[i], tolerance), "[%zu]: %.17g, expected %.17g", i, got[i],
                  expected[i]);
    }
    free(got);
}
#define EXPECT_NEAR(v, tolerance, ...)                                                             \
    expect_near((v), (tolerance), sizeof((double[]){ __VA_ARGS__ }) / sizeof(double),              \
                (double[]){ __VA_ARGS__ })
#define VALUES(t, ...)                                                                             \
    reel_input_f64((t), REEL_SHAPE(sizeof((double[]){ __VA_ARGS__ }) / sizeof(double)),            \
                   (double[]){ __VA_ARGS__ })

static void expect_error(reel_tape *t, const char *message)
{
    cr_expect_str_eq(reel_tape_error(t), message);
    reel_tape_clear(t);
}

/* ---- sums ---------------------------------------------------------------------------------- */

Test(reductions, ten_million_f32_numbers_sum_to_a_millionth)
{
    const int64_t n = 10000000;
    float *values = malloc((size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++) {
        values[i] = 0.1F;
    }
    reel_tape *t = new_tape(REEL_F32, 2);
    reel_var x = reel_input(t, REEL_SHAPE(n), values);
    double expected = (double)0.1F * (double)n;
    cr_expect_float_eq(reel_item(reel_sum_all(x)), expected, 1e-6 * expected);
    cr_expect_float_eq(reel_item(reel_mean_all(x)), 0.1, 1e-7);

    double columns[10];
    reel_var sums = reel_sum(reel_reshape(x, REEL_SHAPE(n / 10, 10)), 0);
    cr_assert_eq(reel_read_f64(sums, columns, 10), REEL_OK);
    for (int i = 0; i < 10; i++) {
        cr_expect_float_eq(columns[i], expected / 10, 1e-6 * expected / 10);
    }
    reel_tape_free(t);
    free(values);
}

/* y[o, i] = Σ_l x[o, l, i], as written. */
static void expect_sums(reel_tape *t, int64_t outer, int64_t length, int64_t inner)
{
    double *values = small_numbers(outer * length * inner);
    reel_var x = reel_input_f64(t, REEL_SHAPE(outer, length, inner), values);
    double *got = read_all(reel_sum(x, 1)),
           *to = read_all(reel_sum_to(x, REEL_SHAPE(outer, 1, inner)));
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < inner; i++) {
            double expected = 0;
            for (int64_t l = 0; l < length; l++) {
                expected += values[(o * length + l) * inner + i];
            }
            cr_assert_eq(got[o * inner + i], expected, "[%d,%d,%d]", (int)outer, (int)length,
                         (int)inner);
            cr_assert_eq(to[o * inner + i], expected);
        }
    }
    free(values);
    free(got);
    free(to);
    reel_rewind(t);
}

Test(reductions, sums_are_right_for_every_blocking)
{
    static const int64_t lengths[] = { 1, 7, 8, 9, 16, 31, 33, 127, 128, 129, 511, 513, 1100 };
    static const int64_t inners[] = { 1, 2, 5, 16, 17, 130, 255, 257 };
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = new_tape((reel_dtype)dtype, 2);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            for (size_t j = 0; j < sizeof inners / sizeof *inners; j++) {
                expect_sums(t, i % 2 ? 3 : 1, lengths[i], inners[j]);
            }
        }
        expect_sums(t, 1, 200000, 1);
        expect_sums(t, 1, 70000, 3);
        expect_sums(t, 2, 1000, 300);
        expect_sums(t, 5000, 40, 1);
        reel_tape_free(t);
    }
}

Test(reductions, sum_to_sums_any_pattern_of_axes)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    double *values = small_numbers(2 * 3 * 4 * 5 * 6);
    reel_var x = reel_input_f64(t, REEL_SHAPE(2, 3, 4, 5, 6), values);
    reel_var by_hand = reel_sum_keep(reel_sum_keep(reel_sum(x, 0), 1), 3);
    double *expected = read_all(by_hand);
    expect_near(reel_sum_to(x, REEL_SHAPE(3, 1, 5, 1)), 0, 15, expected);
    free(expected);
    expected = read_all(reel_sum_all(x));
    expect_near(reel_sum_to(x, REEL_SHAPE()), 0, 1, expected);
    free(expected);
    free(values);
    reel_tape_free(t);
}

Test(reductions, have_the_same_bits_whatever_the_threads)
{
    const int64_t n = 300000;
    double *values = malloc((size_t)n * sizeof *values), first[4];
    for (int64_t i = 0; i < n; i++) {
        values[i] = sin((double)i) * exp(sin((double)(i * i % 1000)) * 10);
    }
    for (int threads = 1; threads <= 3; threads++) {
        reel_tape *t = new_tape(REEL_F64, threads);
        reel_var x = reel_input_f64(t, REEL_SHAPE(n), values);
        reel_var matrix = reel_reshape(x, REEL_SHAPE(n / 3, 3));
        double got[4] = { reel_item(reel_sum_all(x)), reel_item(reel_sum_all(reel_sum(matrix, 0))),
                          reel_item(reel_sum_all(reel_softmax(matrix, 0))),
                          reel_item(reel_logsumexp_all(x)) };
        if (threads == 1) {
            memcpy(first, got, sizeof first);
        }
        cr_expect_arr_eq(got, first, sizeof first);
        reel_tape_free(t);
    }
    free(values);
}

Test(reductions, an_infinity_in_a_long_sum_stays_one)
{
    const int64_t n = 3000;
    double *values = small_numbers(n);
    values[1234] = INFINITY;
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = new_tape((reel_dtype)dtype, 1);
        reel_var x = reel_input_f64(t, REEL_SHAPE(n), values);
        cr_expect_eq(reel_item(reel_sum_all(x)), INFINITY);
        reel_var columns = reel_sum(reel_reshape(x, REEL_SHAPE(n / 2, 2)), 0);
        cr_expect_eq(reel_item(reel_slice(columns, 0, 0, 1)), INFINITY);
        cr_expect(isfinite(reel_item(reel_slice(columns, 0, 1, 2))));
        reel_tape_free(t);
    }
    free(values);
}

Test(reductions, variance_keeps_its_digits_far_from_zero)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_var x = VALUES(t, 1e8, 1e8 + 1, 1e8 + 2, 1e8 + 3);
    EXPECT_NEAR(reel_variance(x, 0), 0, 1.25);
    EXPECT_NEAR(reel_var_all(reel_reshape(x, REEL_SHAPE(2, 2))), 0, 1.25);
    EXPECT_NEAR(reel_var_keep(reel_reshape(x, REEL_SHAPE(2, 2)), 1), 0, 0.25, 0.25);
    reel_tape_free(t);
}

Test(reductions, of_nothing_are_what_numpy_says)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_var nothing = reel_input(t, REEL_SHAPE(2, 0), NULL);
    EXPECT_NEAR(reel_sum(nothing, 1), 0, 0, 0);
    EXPECT_NEAR(reel_prod(nothing, 1), 0, 1, 1);
    EXPECT_NEAR(reel_mean(nothing, 1), 0, NAN, NAN);
    EXPECT_NEAR(reel_variance(nothing, 1), 0, NAN, NAN);
    EXPECT_NEAR(reel_norm(nothing, 1), 0, 0, 0);
    EXPECT_NEAR(reel_logsumexp(nothing, 1), 0, -INFINITY, -INFINITY);
    cr_expect_eq(reel_shape_size(reel_shape_of(reel_sum(nothing, 0))), 0);
    cr_expect_eq(reel_item(reel_sum_all(nothing)), 0);
    cr_expect_eq(reel_item(reel_prod_all(nothing)), 1);
    cr_expect(isnan(reel_item(reel_mean_all(nothing))));
    cr_expect_eq(reel_tape_status(t), REEL_OK, "%s", reel_tape_error(t));
    reel_max(nothing, 1);
    expect_error(t, "max: maximum of an empty axis: [2,0]");
    reel_min_all(nothing);
    expect_error(t, "min: minimum of an empty axis: [0]");
    reel_argmax(nothing, -1);
    expect_error(t, "argmax: maximum of an empty axis: [2,0]");
    reel_tape_free(t);
}

Test(reductions, name_themselves_when_the_axis_is_wrong)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_var x = VALUES(t, 1, 2, 3);
    reel_mean(x, 1);
    expect_error(t, "mean: axis 1 is outside [3]");
    reel_variance(x, -2);
    expect_error(t, "variance: axis -2 is outside [3]");
    reel_norm_keep(x, 7);
    expect_error(t, "norm: axis 7 is outside [3]");
    reel_cumsum(reel_scalar(t, 1), 0);
    expect_error(t, "cumsum: axis 0 is outside []");
    reel_tape_free(t);
}

/* ---- extrema ------------------------------------------------------------------------------- */

Test(reductions, ties_share_the_gradient_evenly)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_var x = VALUES(t, 3, 1, 3, 1, 2, 3);
    EXPECT_NEAR(reel_gradient(reel_max_all(x), x), 1e-15, 1 / 3.0, 0, 1 / 3.0, 0, 0, 1 / 3.0);
    EXPECT_NEAR(reel_gradient(reel_min_all(x), x), 0, 0, 0.5, 0, 0.5, 0, 0);
    reel_var columns = reel_reshape(x, REEL_SHAPE(3, 2));
    EXPECT_NEAR(reel_gradient(reel_sum_all(reel_max(columns, 0)), x), 0, 0.5, 0, 0.5, 0, 0, 1);
    reel_tape_free(t);
}

/* The extremum stands at every place of rows and columns of many lengths in turn. */
static void expect_found(reel_tape *t, int64_t n, int64_t place, double value)
{
    double *values = calloc((size_t)n * 2, sizeof *values);
    values[2 * place] = value;
    values[2 * place + 1] = value;
    reel_var columns = reel_input_f64(t, REEL_SHAPE(n, 2), values);
    reel_var rows = reel_transpose(columns, 0, 1);
    double expected[2] = { value, value };
    expect_near(value < 0 ? reel_min(columns, 0) : reel_max(columns, 0), 0, 2, expected);
    expect_near(value < 0 ? reel_min(rows, 1) : reel_max(rows, 1), 0, 2, expected);
    if (!(value < 0)) {
        int32_t index[4];
        reel_read_indices(reel_argmax(columns, 0), index, 2);
        reel_read_indices(reel_argmax(rows, 1), index + 2, 2);
        for (int i = 0; i < 4; i++) {
            cr_assert_eq(index[i], place, "%d of %d: %d", (int)place, (int)n, index[i]);
        }
    }
    free(values);
    reel_rewind(t);
}

Test(reductions, extrema_are_found_wherever_they_stand)
{
    static const int64_t lengths[] = { 1, 2, 7, 8, 9, 15, 40, 128, 131, 165 };
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = new_tape((reel_dtype)dtype, 1);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            for (int64_t place = 0; place < lengths[i]; place++) {
                expect_found(t, lengths[i], place, 1);
                expect_found(t, lengths[i], place, -1);
                expect_found(t, lengths[i], place, NAN);
            }
        }
        reel_tape_free(t);
    }
}

Test(reductions, argmax_takes_the_first_of_ties)
{
    reel_tape *t = new_tape(REEL_F32, 1);
    float values[200] = { 0 };
    values[60] = values[61] = values[180] = 5;
    reel_var x = reel_input(t, REEL_SHAPE(200), values);
    int32_t index;
    cr_assert_eq(reel_read_indices(reel_argmax_all(x), &index, 1), REEL_OK);
    cr_expect_eq(index, 60);
    cr_assert_eq(reel_read_indices(reel_argmax(reel_unsqueeze(x, 1), 0), &index, 1), REEL_OK);
    cr_expect_eq(index, 60);
    reel_tape_free(t);
}

/* ---- products of elements ------------------------------------------------------------------ */

Test(reductions, prod_has_the_right_gradients_beside_zeros)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_var x = VALUES(t, 2, 0, 3, 0, 5), one_zero = VALUES(t, 2, 0, 3, 4, 5);
    EXPECT_NEAR(reel_gradient(reel_prod(x, 0), x), 0, 0, 0, 0, 0, 0);
    EXPECT_NEAR(reel_gradient(reel_prod(one_zero, 0), one_zero), 0, 0, 120, 0, 0, 0);
    /* ∂²/∂x₁∂x₃ of two zeros: the product of the other three */
    reel_var dx = reel_gradient(reel_prod(x, 0), x);
    reel_var row = reel_gradient(reel_sum_all(reel_slice(dx, 0, 1, 2)), x);
    EXPECT_NEAR(row, 0, 0, 0, 0, 30, 0);
    reel_tape_free(t);
}

Test(reductions, cumsum_runs_and_its_gradient_runs_back)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_var x = reel_input_f64(t, REEL_SHAPE(2, 3), (double[]){ 1, 2, 3, 4, 5, 6 });
    EXPECT_NEAR(reel_cumsum(x, 1), 0, 1, 3, 6, 4, 9, 15);
    EXPECT_NEAR(reel_cumsum(x, 0), 0, 1, 2, 3, 5, 7, 9);
    EXPECT_NEAR(reel_gradient(reel_sum_all(reel_cumsum(x, 1)), x), 0, 3, 2, 1, 3, 2, 1);
    reel_tape_free(t);
}

/* ---- norm ---------------------------------------------------------------------------------- */

Test(reductions, the_norm_has_derivatives_zero_at_zero)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_var x = reel_input_f64(t, REEL_SHAPE(2, 2), (double[]){ 0, 0, 3, 4 });
    reel_var norm = reel_norm(x, 1);
    EXPECT_NEAR(norm, 0, 0, 5);
    reel_var dx = reel_gradient(reel_sum_all(norm), x);
    EXPECT_NEAR(dx, 1e-15, 0, 0, 0.6, 0.8);
    /* the Hessian (1 - u·uᵀ)/5 by (1, 0), where u = (0.6, 0.8) */
    reel_var first = reel_sum_all(reel_slice(dx, 1, 0, 1));
    EXPECT_NEAR(reel_gradient(first, x), 1e-14, 0, 0, 0.64 / 5, -0.48 / 5);
    reel_tape_free(t);
}

/* ---- softmax ------------------------------------------------------------------------------- */

Test(reductions, a_fully_masked_row_has_zeros_and_zero_gradients)
{
    const double inf = INFINITY;
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = new_tape((reel_dtype)dtype, 1);
        reel_var x = reel_input_f64(t, REEL_SHAPE(2, 2), (double[]){ -inf, -inf, 0, 0 });
        reel_var weights = reel_input_f64(t, REEL_SHAPE(2, 2), (double[]){ 1, 2, 3, 4 });
        EXPECT_NEAR(reel_softmax(x, 1), 0, 0, 0, 0.5, 0.5);
        EXPECT_NEAR(reel_logsumexp(x, 1), 1e-7, -inf, log(2));
        EXPECT_NEAR(reel_log_softmax(x, 1), 1e-7, -inf, -inf, -log(2), -log(2));

        reel_var dx = reel_gradient(reel_sum_all(reel_mul(reel_softmax(x, 1), weights)), x);
        EXPECT_NEAR(dx, 1e-6, 0, 0, -0.25, 0.25);
        EXPECT_NEAR(reel_gradient(reel_sum_all(reel_mul(dx, weights)), x), 1e-6, 0, 0, 0, 0);
        dx = reel_gradient(reel_sum_all(reel_mul(reel_log_softmax(x, 1), weights)), x);
        EXPECT_NEAR(dx, 1e-6, 0, 0, -0.5, 0.5);
        EXPECT_NEAR(reel_gradient(reel_sum_all(reel_mul(dx, weights)), x), 1e-6, 0, 0, 1.75, -1.75);
        dx = reel_gradient(reel_sum_all(reel_logsumexp(x, 1)), x);
        EXPECT_NEAR(dx, 1e-6, 0, 0, 0.5, 0.5);
        reel_tape_free(t);
    }
}

Test(reductions, log_softmax_of_ten_thousand_is_exact)
{
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = new_tape((reel_dtype)dtype, 1);
        reel_var x = VALUES(t, 1e4, -1e4, 0, 1e4);
        double half = log(2);
        EXPECT_NEAR(reel_log_softmax(x, 0), 1e-6, -half, -20000 - half, -10000 - half, -half);
        EXPECT_NEAR(reel_softmax(x, 0), 0, 0.5, 0, 0, 0.5);
        EXPECT_NEAR(reel_logsumexp(x, 0), 1e-6, 10000 + half);
        reel_var second = reel_sum_all(reel_slice(reel_log_softmax(x, 0), 0, 1, 2));
        EXPECT_NEAR(reel_gradient(second, x), 1e-6, -0.5, 1, 0, -0.5);
        cr_expect_eq(reel_item(reel_logsumexp_all(VALUES(t, INFINITY, 1))), INFINITY);
        reel_tape_free(t);
    }
}

Test(reductions, softmax_along_any_axis_is_that_of_the_transposed)
{
    static const int64_t sizes[][2] = { { 5, 3 }, { 33, 130 }, { 600, 9 }, { 2, 257 } };
    for (int k = 0; k < 8; k++) {
        int64_t rows = sizes[k / 2][0], columns = sizes[k / 2][1];
        reel_tape *t = new_tape((reel_dtype)(k % 2), 2);
        double *values = small_numbers(rows * columns);
        reel_var x = reel_input_f64(t, REEL_SHAPE(rows, columns), values);
        reel_var turned = reel_transpose(x, 0, 1);
        double tolerance = k % 2 == REEL_F32 ? 1e-5 : 1e-13;
        double *expected = read_all(reel_transpose(reel_softmax(turned, 1), 0, 1));
        expect_near(reel_softmax(x, 0), tolerance, (size_t)(rows * columns), expected);
        free(expected);
        expected = read_all(reel_logsumexp(turned, 1));
        /* the logarithm of a total close to 1 has few digits of it */
        expect_near(reel_logsumexp(x, 0), 10 * tolerance, (size_t)columns, expected);
        free(expected);
        free(values);
        reel_tape_free(t);
    }
}
