/* power.c: powers and roots, element by element. */
#include <tgmath.h>

#include "kernel.h"
#include "ops.h"
#include "sample.h"

/* ---- square, sqrt, rsqrt ------------------------------------------------------------------- */

TILE1(square, (x * x))
TILE1(sqrt, sqrt(x))
TILE1(rsqrt, 1 / sqrt(x))

static void square_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, reel_scale(c->x[0], 2));
}

static void sqrt_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, reel_reciprocal(reel_scale(c->y, 2)));
}

static void rsqrt_vjp(reel_vjp_call *c)
{
    reel_var cube = reel_mul(reel_square(c->y), c->y);
    c->dx[0] = reel_xmul(c->dy, reel_scale(cube, -0.5));
}

static const double specials[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, 1e200, 1e-30, -1.0 };

static const reel_sample square_samples[] = {
    UNARY_SAMPLES(-2, 2),
    { .label = "zeros, infinities, NaN, overflow", .inputs = 1, .x = { GIVEN(specials, 8) } },
    { 0 },
};

static const reel_sample root_samples[] = {
    UNARY_SAMPLES(0.25, 3),
    { .label = "zeros, infinities, NaN, negative", .inputs = 1, .x = { GIVEN(specials, 8) } },
    { 0 },
};

REEL_OP(square) = {
    .name = "square",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "x², element by element.",
    .tile = TYPED_PAIR(square),
    .vjp = square_vjp,
    .samples = square_samples,
};

REEL_OP(sqrt) = {
    .name = "sqrt",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "√x; NaN below 0. The derivative at 0 is infinite, but a gradient of 0 stays 0 there.",
    .tile = TYPED_PAIR(sqrt),
    .vjp = sqrt_vjp,
    .samples = root_samples,
};

REEL_OP(rsqrt) = {
    .name = "rsqrt",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "1/√x to full precision; infinite at 0, NaN below.",
    .tile = TYPED_PAIR(rsqrt),
    .vjp = rsqrt_vjp,
    .samples = root_samples,
};

reel_var reel_square(reel_var x)
{
    return reel_record(&reel__op_square, 1, &x, NULL);
}

reel_var reel_sqrt(reel_var x)
{
    return reel_record(&reel__op_sqrt, 1, &x, NULL);
}

reel_var reel_rsqrt(reel_var x)
{
    return reel_record(&reel__op_rsqrt, 1, &x, NULL);
}

/* ---- pow ----------------------------------------------------------------------------------- */

TILE2(pow, pow(x, x2))

/* b·a^(b-1), where b = 0 makes 0 of the pole at a = 0. */
static reel_var slope_in_base(reel_vjp_call *c)
{
    return reel_xmul(c->x[1], reel_pow(c->x[0], reel_shift(c->x[1], -1)));
}

/* a^b·log a. For b ≥ 0 the power at a = 0 is constant in b (but for the jump at b = 0), so the
 * logarithm is taken of 1 there. */
static reel_var slope_in_exponent(reel_vjp_call *c)
{
    reel_var zero = reel_scalar(c->tape, 0), one = reel_scalar(c->tape, 1);
    reel_var flat = reel_mul(reel_equal(c->x[0], zero), reel_greater_equal(c->x[1], zero));
    return reel_mul(c->y, reel_log(reel_where(flat, one, c->x[0])));
}

static void pow_vjp(reel_vjp_call *c)
{
    if (c->needs[0]) {
        c->dx[0] = reel_xmul(c->dy, slope_in_base(c));
    }
    if (c->needs[1]) {
        c->dx[1] = reel_xmul(c->dy, slope_in_exponent(c));
    }
}

static const double special_left[SPECIAL_PAIRS] = SPECIAL_LEFT;
static const double special_right[SPECIAL_PAIRS] = SPECIAL_RIGHT;
static const double negative_bases[] = { -2, -1.5, -3, -0.5 }, whole_exponents[] = { 3, 2, -1, 0 };
static const double small_exponents[] = { 0, 0.5, 1, 2, 3 }, zero[] = { 0 };

static const reel_sample pow_samples[] = {
    BINARY_SAMPLES(0.25, 2, -2, 3),
    { .label = "base 0",
      .inputs = 2,
      .x = { GIVEN(zero, 1), GIVEN(small_exponents, 5) },
      .no_gradcheck = "the base is at the edge of its domain" },
    { .label = "negative bases with whole exponents",
      .inputs = 2,
      .x = { GIVEN(negative_bases, 4), GIVEN(whole_exponents, 4) },
      .no_gradcheck = "between whole exponents the power is NaN" },
    { .label = "infinities, NaN and signed zeros",
      .inputs = 2,
      .x = { GIVEN(special_left, SPECIAL_PAIRS), GIVEN(special_right, SPECIAL_PAIRS) } },
    { 0 },
};

REEL_OP(pow) = {
    .name = "pow",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "a^b, broadcast as in NumPy; 0^0 is 1, a negative base with a fractional exponent NaN. "
           "Gradients at base 0 are PyTorch's: in b 0 for b ≥ 0, in a 0 for b = 0.",
    .tile = TYPED_PAIR(pow),
    .vjp = pow_vjp,
    .samples = pow_samples,
};

reel_var reel_pow(reel_var a, reel_var b)
{
    return reel_record(&reel__op_pow, 2, (const reel_var[]){ a, b }, NULL);
}
