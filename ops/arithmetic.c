/* arithmetic.c: sums, products and quotients, element by element. */
#include <math.h>

#include "kernel.h"
#include "ops.h"
#include "sample.h"

static const double special_left[SPECIAL_PAIRS] = SPECIAL_LEFT;
static const double special_right[SPECIAL_PAIRS] = SPECIAL_RIGHT;
#define SPECIAL_SAMPLE                                                                             \
    SAMPLE(.label = "infinities, NaN and signed zeros", .inputs = 2,                               \
           .x = { GIVEN(special_left, SPECIAL_PAIRS), GIVEN(special_right, SPECIAL_PAIRS) })

/* ---- add, sub ------------------------------------------------------------------------------ */

TILE2(add, x + x2)
TILE2(sub, x - x2)

static void add_vjp(reel_vjp_call *c)
{
    c->dx[0] = c->dy;
    c->dx[1] = c->dy;
}

static void sub_vjp(reel_vjp_call *c)
{
    c->dx[0] = c->dy;
    if (c->needs[1]) {
        c->dx[1] = reel_neg(c->dy);
    }
}

static const double large_and_small[] = { 1e30, 1, 1e-30, -1e16, 3 };
static const double small_and_large[] = { 1e30, 1e-30, 1e-30, 1, -3 };

static const reel_sample sum_samples[] = {
    BINARY_SAMPLES(-2, 2, -2, 2),
    { .label = "large and small",
      .inputs = 2,
      .x = { GIVEN(large_and_small, 5), GIVEN(small_and_large, 5) },
      .no_gradcheck = "a step of 1e-6 is lost beside 1e30" },
    SPECIAL_SAMPLE,
    { 0 },
};

REEL_OP(add) = {
    .name = "add",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "a + b, broadcast as in NumPy.",
    .sums = true,
    .tile = TYPED_PAIR(add),
    .vjp = add_vjp,
    .samples = sum_samples,
};

REEL_OP(sub) = {
    .name = "sub",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "a - b, broadcast as in NumPy.",
    .tile = TYPED_PAIR(sub),
    .vjp = sub_vjp,
    .samples = sum_samples,
};

reel_var reel_add(reel_var a, reel_var b)
{
    return reel_record(&reel__op_add, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_sub(reel_var a, reel_var b)
{
    return reel_record(&reel__op_sub, 2, (const reel_var[]){ a, b }, NULL);
}

/* ---- mul, xmul ----------------------------------------------------------------------------- */

TILE2(mul, (x * x2))
TILE2(xmul, x == 0 ? 0 : x * x2)

/* Both: where xmul's a is 0, b's gradient is dy·a = 0 all the same, and a's is dy·b. */
static void product_vjp(reel_vjp_call *c)
{
    if (c->needs[0]) {
        c->dx[0] = reel_xmul(c->dy, c->x[1]);
    }
    if (c->needs[1]) {
        c->dx[1] = reel_xmul(c->dy, c->x[0]);
    }
}

static const double squares_overflow[] = { 1e30, -1e30, 1e-30, 1e19 };

static const reel_sample product_samples[] = {
    BINARY_SAMPLES(-2, 2, -2, 2),
    { .label = "overflow and underflow",
      .inputs = 2,
      .x = { GIVEN(squares_overflow, 4), GIVEN(squares_overflow, 4) },
      .no_gradcheck = "a step of 1e-6 is lost beside 1e30" },
    SPECIAL_SAMPLE,
    { 0 },
};

REEL_OP(mul) = {
    .name = "mul",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "a·b element by element, broadcast as in NumPy.",
    .tile = TYPED_PAIR(mul),
    .vjp = product_vjp,
    .linear = 3,
    .samples = product_samples,
};

REEL_OP(xmul) = {
    .name = "xmul",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc =
        "a·b, and 0 where a is 0, even if b is infinite or NaN (the convention of SciPy's xlogy). "
        "Gradients multiply by local derivatives this way, so that what a mask removed does not "
        "return as NaN.",
    .tile = TYPED_PAIR(xmul),
    .vjp = product_vjp,
    .linear = 3,
    .samples = product_samples,
};

reel_var reel_mul(reel_var a, reel_var b)
{
    return reel_record(&reel__op_mul, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_xmul(reel_var a, reel_var b)
{
    return reel_record(&reel__op_xmul, 2, (const reel_var[]){ a, b }, NULL);
}

/* ---- div, reciprocal ----------------------------------------------------------------------- */

TILE2(div, x / x2)
TILE1(reciprocal, 1 / x)

static void div_vjp(reel_vjp_call *c)
{
    if (c->needs[0]) {
        c->dx[0] = reel_xmul(c->dy, reel_reciprocal(c->x[1]));
    }
    if (c->needs[1]) {
        c->dx[1] = reel_neg(reel_xmul(c->dy, reel_div(c->y, c->x[1])));
    }
}

static void reciprocal_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_neg(reel_xmul(c->dy, reel_square(c->y)));
}

static const reel_sample div_samples[] = {
    BINARY_SAMPLES(-2, 2, 0.5, 2),
    { .label = "negative divisors",
      .inputs = 2,
      .x = { DRAWN(-2, 2, 2, 4), DRAWN(-2, -0.5, 2, 4) } },
    SPECIAL_SAMPLE,
    { 0 },
};

REEL_OP(div) = {
    .name = "div",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "a/b, broadcast as in NumPy; a division by 0 gives an infinity, 0/0 NaN.",
    .tile = TYPED_PAIR(div),
    .vjp = div_vjp,
    .linear = 1,
    .samples = div_samples,
};

static const double poles[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, 1e30, -1e-30 };

static const reel_sample reciprocal_samples[] = {
    UNARY_SAMPLES(0.5, 3),
    { .label = "negative", .inputs = 1, .x = { DRAWN(-3, -0.5, 6) } },
    { .label = "zeros, infinities, NaN", .inputs = 1, .x = { GIVEN(poles, 7) } },
    { 0 },
};

REEL_OP(reciprocal) = {
    .name = "reciprocal",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "1/x; infinite at 0, with the sign of the zero.",
    .tile = TYPED_PAIR(reciprocal),
    .vjp = reciprocal_vjp,
    .samples = reciprocal_samples,
};

reel_var reel_div(reel_var a, reel_var b)
{
    return reel_record(&reel__op_div, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_reciprocal(reel_var x)
{
    return reel_record(&reel__op_reciprocal, 1, &x, NULL);
}

/* ---- scale, shift, neg --------------------------------------------------------------------- */

typedef struct {
    double factor;
} scale_attributes;

typedef struct {
    double term;
} shift_attributes;

static const reel_attribute scale_attribute_table[] = {
    { "factor", REEL_ATTRIBUTE_REAL, offsetof(scale_attributes, factor) },
    { 0 },
};

static const reel_attribute shift_attribute_table[] = {
    { "term", REEL_ATTRIBUTE_REAL, offsetof(shift_attributes, term) },
    { 0 },
};

TILE1_WITH(scale, scale_attributes, (x * (real)a.factor))
TILE1_WITH(shift, shift_attributes, x + (real)a.term)
TILE1(neg, -x)

static void scale_vjp(reel_vjp_call *c)
{
    const scale_attributes *a = c->attributes;
    c->dx[0] = reel_scale(c->dy, a->factor);
}

static void shift_vjp(reel_vjp_call *c)
{
    c->dx[0] = c->dy;
}

static void neg_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_neg(c->dy);
}

static const double specials[] = { 0.0, -0.0, INFINITY, -INFINITY, NAN, 1e30, -1e-30 };
static const scale_attributes by_minus_1_5 = { -1.5 }, by_zero = { 0 };
static const shift_attributes by_a_quarter = { 0.25 };

static const reel_sample scale_samples[] = {
    UNARY_SAMPLES_WITH(-2, 2, &by_minus_1_5),
    { .label = "zero times infinity is NaN",
      .inputs = 1,
      .x = { GIVEN(specials, 7) },
      .attributes = &by_zero },
    { 0 },
};

REEL_OP(scale) = {
    .name = "scale",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "factor·x for a number known when the call is recorded.",
    .attributes = scale_attribute_table,
    .attribute_size = sizeof(scale_attributes),
    .tile = TYPED_PAIR(scale),
    .vjp = scale_vjp,
    .linear = 1,
    .samples = scale_samples,
};

static const reel_sample shift_samples[] = {
    UNARY_SAMPLES_WITH(-2, 2, &by_a_quarter),
    { .label = "infinities and NaN",
      .inputs = 1,
      .x = { GIVEN(specials, 7) },
      .attributes = &by_a_quarter },
    { 0 },
};

REEL_OP(shift) = {
    .name = "shift",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "x + term for a number known when the call is recorded.",
    .attributes = shift_attribute_table,
    .attribute_size = sizeof(shift_attributes),
    .tile = TYPED_PAIR(shift),
    .vjp = shift_vjp,
    .samples = shift_samples,
};

static const reel_sample neg_samples[] = {
    UNARY_SAMPLES(-2, 2),
    { .label = "signed zeros, infinities, NaN", .inputs = 1, .x = { GIVEN(specials, 7) } },
    { 0 },
};

REEL_OP(neg) = {
    .name = "neg",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "-x, element by element.",
    .tile = TYPED_PAIR(neg),
    .vjp = neg_vjp,
    .linear = 1,
    .samples = neg_samples,
};

reel_var reel_scale(reel_var x, double factor)
{
    return reel_record(&reel__op_scale, 1, &x, &(scale_attributes){ factor });
}

reel_var reel_shift(reel_var x, double term)
{
    return reel_record(&reel__op_shift, 1, &x, &(shift_attributes){ term });
}

reel_var reel_neg(reel_var x)
{
    return reel_record(&reel__op_neg, 1, &x, NULL);
}
