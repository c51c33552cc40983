/* elementwise.c: the gradients of element-wise ops where finite differences cannot tell: at
 * corners, ties and poles, and behind masks. */
#include <criterion/criterion.h>
#include <math.h>

#include "graph/graph.h"
#include "ops/ops.h"

#define MOST 8
typedef reel_var (*function)(reel_tape *, const reel_var x[]);

static reel_var vector(reel_tape *t, int n, const double values[])
{
    return reel_input_f64(t, REEL_SHAPE(n), values);
}

/* The gradient of the sum of f(x[0], x[1]) in x[which], `order` times over. */
static void expect_derivative(function f, int order, int which, int n, const double x0[],
                              const double x1[], const double expected[])
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = 1 });
    const reel_var x[] = { vector(t, n, x0), vector(t, n, x1) };
    reel_var y = f(t, x);
    for (int i = 0; i < order; i++) {
        y = reel_gradient(reel_sum_all(y), x[which]);
    }
    double got[MOST];
    cr_assert_eq(reel_read_f64(y, got, (size_t)n), REEL_OK, "%s", reel_tape_error(t));
    for (int i = 0; i < n; i++) {
        bool same = isnan(expected[i]) ? isnan(got[i]) : fabs(got[i] - expected[i]) < 1e-14;
        same = same || got[i] == expected[i];
        cr_expect(same, "element %d is %.17g instead of %.17g", i, got[i], expected[i]);
    }
    reel_tape_free(t);
}

#define EXPECT(f, order, which, x0, x1, ...)                                                       \
    expect_derivative(f, order, which, sizeof(x0) / sizeof(double), x0, x1,                        \
                      (const double[]){ __VA_ARGS__ })

/* ---- corners and ties ------------------------------------------------------------------------ */

static const double corners[] = { 0.0, -0.0, 1, -1, 3, -3 };

static reel_var relu(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_relu(x[0]);
}

static reel_var leaky_relu(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_leaky_relu(x[0], 0.25);
}

static reel_var absolute(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_abs(x[0]);
}

static reel_var sign(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_mul(reel_sign(x[0]), reel_floor(x[1]));
}

static reel_var clamp(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_clamp(x[0], -1, 1);
}

static reel_var hard_sigmoid(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_scale(reel_hard_sigmoid(x[0]), 6);
}

Test(elementwise, gradients_at_corners_are_those_documented)
{
    EXPECT(relu, 1, 0, corners, corners, 0, 0, 1, 0, 1, 0);
    EXPECT(leaky_relu, 1, 0, corners, corners, 0.25, 0.25, 1, 0.25, 1, 0.25);
    EXPECT(absolute, 1, 0, corners, corners, 0, 0, 1, -1, 1, -1);
    EXPECT(sign, 1, 0, corners, corners, 0, 0, 0, 0, 0, 0);
    EXPECT(sign, 1, 1, corners, corners, 0, 0, 0, 0, 0, 0);
    EXPECT(clamp, 1, 0, corners, corners, 1, 1, 1, 1, 0, 0);
    EXPECT(hard_sigmoid, 1, 0, corners, corners, 1, 1, 1, 1, 0, 0);
}

static reel_var maximum(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_maximum(x[0], x[1]);
}

static reel_var minimum(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_minimum(x[0], x[1]);
}

Test(elementwise, ties_share_the_gradient_evenly)
{
    static const double a[] = { 1, 2, 0.0 }, b[] = { 1, 1, -0.0 };
    EXPECT(maximum, 1, 0, a, b, 0.5, 1, 0.5);
    EXPECT(maximum, 1, 1, a, b, 0.5, 0, 0.5);
    EXPECT(minimum, 1, 0, a, b, 0.5, 0, 0.5);
    EXPECT(minimum, 1, 1, a, b, 0.5, 1, 0.5);
}

/* ---- poles ----------------------------------------------------------------------------------- */

static reel_var power(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_pow(x[0], x[1]);
}

Test(elementwise, powers_of_zero_have_the_gradients_of_pytorch)
{
    static const double base[] = { 0, 0, 0, 0, 0 }, exponent[] = { 0, 0.5, 1, 1.5, 2 };
    EXPECT(power, 1, 0, base, exponent, 0, INFINITY, 1, 0, 0);
    EXPECT(power, 1, 1, base, exponent, 0, 0, 0, 0, 0);
}

Test(elementwise, powers_of_negative_numbers_differentiate_in_their_base)
{
    static const double base[] = { -2, -2, -1 }, exponent[] = { 3, 2, -1 };
    EXPECT(power, 1, 0, base, exponent, 12, -4, -1);
    EXPECT(power, 2, 0, base, exponent, -12, 2, -2);
}

/* ---- masks ----------------------------------------------------------------------------------- */

static reel_var masked_sqrt(reel_tape *t, const reel_var x[])
{
    return reel_where(x[1], reel_sqrt(x[0]), reel_scalar(t, 0));
}

static reel_var masked_log(reel_tape *t, const reel_var x[])
{
    return reel_where(x[1], reel_log(x[0]), reel_scalar(t, 0));
}

static reel_var masked_quotient(reel_tape *t, const reel_var x[])
{
    return reel_where(x[1], reel_div(reel_scalar(t, 1), x[0]), x[0]);
}

static reel_var masked_product(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_xmul(x[1], reel_exp(reel_square(x[0])));
}

Test(elementwise, what_a_mask_hides_leaves_no_nan_in_the_gradient)
{
    static const double x[] = { 0, -1, INFINITY, 1 }, mask[] = { 0, 0, 0, 1 };
    EXPECT(masked_sqrt, 1, 0, x, mask, 0, 0, 0, 0.5);
    EXPECT(masked_log, 1, 0, x, mask, 0, 0, 0, 1);
    EXPECT(masked_quotient, 1, 0, x, mask, 1, 1, 1, -1);
}

Test(elementwise, what_a_mask_hides_leaves_no_nan_in_the_second_derivative)
{
    static const double x[] = { 0, -1, 1 }, mask[] = { 0, 0, 1 };
    EXPECT(masked_sqrt, 2, 0, x, mask, 0, 0, -0.25);
    EXPECT(masked_log, 2, 0, x, mask, 0, 0, -1);
    EXPECT(masked_quotient, 2, 0, x, mask, 0, 0, 2);
}

Test(elementwise, xmul_by_zero_hides_what_overflows)
{
    static const double x[] = { 1e3, 1 }, factor[] = { 0, 0.5 };
    EXPECT(masked_product, 1, 0, x, factor, 0, exp(1));
}

/* ---- tails ----------------------------------------------------------------------------------- */

static reel_var log_sigmoid(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_neg(reel_softplus(reel_neg(x[0])));
}

static reel_var silu(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_silu(x[0]);
}

static reel_var gelu(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_gelu(x[0]);
}

static reel_var elu(reel_tape *t, const reel_var x[])
{
    (void)t;
    return reel_elu(x[0], 1);
}

Test(elementwise, activations_have_finite_gradients_far_out)
{
    static const double x[] = { -INFINITY, -1e4, 1e4, INFINITY };
    EXPECT(log_sigmoid, 1, 0, x, x, 1, 1, 0, 0);
    EXPECT(silu, 1, 0, x, x, 0, 0, 1, 1);
    EXPECT(gelu, 1, 0, x, x, 0, 0, 1, 1);
    EXPECT(elu, 1, 0, x, x, 0, 0, 1, 1);
    EXPECT(elu, 2, 0, x, x, 0, 0, 0, 0);
}
