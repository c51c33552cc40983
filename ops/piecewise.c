/* piecewise.c: what is put together from straight pieces: the larger, the absolute, the limited. */
#include <tgmath.h>

#include "kernel.h"
#include "ops.h"
#include "sample.h"

/* ---- maximum, minimum ---------------------------------------------------------------------- */

TILE2(maximum, x > x2 || x != x ? x : x2)
TILE2(minimum, x < x2 || x != x ? x : x2)

/* 1 where a > b, ½ where they are equal, else 0. */
static reel_var share_of_larger(reel_var a, reel_var b)
{
    return reel_scale(reel_add(reel_greater(a, b), reel_greater_equal(a, b)), 0.5);
}

static void maximum_vjp(reel_vjp_call *c)
{
    if (c->needs[0]) {
        c->dx[0] = reel_xmul(share_of_larger(c->x[0], c->x[1]), c->dy);
    }
    if (c->needs[1]) {
        c->dx[1] = reel_xmul(share_of_larger(c->x[1], c->x[0]), c->dy);
    }
}

static void minimum_vjp(reel_vjp_call *c)
{
    if (c->needs[0]) {
        c->dx[0] = reel_xmul(share_of_larger(c->x[1], c->x[0]), c->dy);
    }
    if (c->needs[1]) {
        c->dx[1] = reel_xmul(share_of_larger(c->x[0], c->x[1]), c->dy);
    }
}

static const double special_left[SPECIAL_PAIRS] = SPECIAL_LEFT;
static const double special_right[SPECIAL_PAIRS] = SPECIAL_RIGHT;
static const double tied_left[] = { 1, 2, -3, 0 }, tied_right[] = { 1, 1, -3, 0 };

static const reel_sample extremum_samples[] = {
    BINARY_SAMPLES(-2, 2, -2, 2),
    { .label = "ties",
      .inputs = 2,
      .x = { GIVEN(tied_left, 4), GIVEN(tied_right, 4) },
      .no_gradcheck = "at a tie the derivative jumps" },
    { .label = "infinities, NaN and signed zeros",
      .inputs = 2,
      .x = { GIVEN(special_left, SPECIAL_PAIRS), GIVEN(special_right, SPECIAL_PAIRS) } },
    { 0 },
};

REEL_OP(maximum) = {
    .name = "maximum",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc =
        "The larger of a and b, broadcast as in NumPy; NaN where either is. Where they are equal, "
        "each gets half of the gradient.",
    .tile = TYPED_PAIR(maximum),
    .vjp = maximum_vjp,
    .kinked = true,
    .samples = extremum_samples,
};

REEL_OP(minimum) = {
    .name = "minimum",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "The smaller of a and b, broadcast as in NumPy; NaN where either is. Where they are "
           "equal, each gets half of the gradient.",
    .tile = TYPED_PAIR(minimum),
    .vjp = minimum_vjp,
    .kinked = true,
    .samples = extremum_samples,
};

reel_var reel_maximum(reel_var a, reel_var b)
{
    return reel_record(&reel__op_maximum, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_minimum(reel_var a, reel_var b)
{
    return reel_record(&reel__op_minimum, 2, (const reel_var[]){ a, b }, NULL);
}

/* ---- abs, sign, floor ---------------------------------------------------------------------- */

TILE1(abs, fabs(x))
TILE1(sign, x > 0 ? 1 : x < 0 ? -1 : x)
TILE1(floor, floor(x))

static void abs_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(reel_sign(c->x[0]), c->dy);
}

static const double steps[] = { 0.0, -0.0, 1.0, -1.0, INFINITY, -INFINITY, NAN, -1e-30, 1e30 };

/* What is drawn keeps away from 0 and from the whole numbers. */
static const reel_sample step_samples[] = {
    UNARY_SAMPLES(0.125, 0.875),
    { .label = "below 0", .inputs = 1, .x = { DRAWN(-2.875, -2.125, 5) } },
    { .label = "whole numbers, infinities, NaN, signed zeros",
      .inputs = 1,
      .x = { GIVEN(steps, 9) } },
    { 0 },
};

REEL_OP(abs) = {
    .name = "abs",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "|x|; its gradient at 0 is 0.",
    .tile = TYPED_PAIR(abs),
    .vjp = abs_vjp,
    .kinked = true,
    .samples = step_samples,
};

REEL_OP(sign) = {
    .name = "sign",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "1, 0 or -1 as x is above, at or below 0; NaN for NaN. Its gradient is zero.",
    .tile = TYPED_PAIR(sign),
    .flat = true,
    .samples = step_samples,
};

REEL_OP(floor) = {
    .name = "floor",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The largest whole number not above x. Its gradient is zero.",
    .tile = TYPED_PAIR(floor),
    .flat = true,
    .samples = step_samples,
};

reel_var reel_abs(reel_var x)
{
    return reel_record(&reel__op_abs, 1, &x, NULL);
}

reel_var reel_sign(reel_var x)
{
    return reel_record(&reel__op_sign, 1, &x, NULL);
}

reel_var reel_floor(reel_var x)
{
    return reel_record(&reel__op_floor, 1, &x, NULL);
}

/* ---- clamp --------------------------------------------------------------------------------- */

typedef struct {
    double lo, hi;
} clamp_attributes;

static const reel_attribute clamp_attribute_table[] = {
    { "lo", REEL_ATTRIBUTE_REAL, offsetof(clamp_attributes, lo) },
    { "hi", REEL_ATTRIBUTE_REAL, offsetof(clamp_attributes, hi) },
    { 0 },
};

static bool clamp_shape(reel_shape_call *c)
{
    const clamp_attributes *a = c->attributes;
    c->y = *c->x[0];
    return a->lo <= a->hi ||
           reel_argument_fail(c, REEL_BAD_ARGUMENT, "bounds %g and %g leave nothing between them",
                              a->lo, a->hi);
}

TILE1_WITH(clamp, clamp_attributes, (real)a.lo > x ? (real)a.lo : (real)a.hi < x ? (real)a.hi : x)

static void clamp_vjp(reel_vjp_call *c)
{
    const clamp_attributes *a = c->attributes;
    reel_var above = reel_greater_equal(c->x[0], reel_scalar(c->tape, a->lo));
    reel_var below = reel_less_equal(c->x[0], reel_scalar(c->tape, a->hi));
    c->dx[0] = reel_xmul(reel_mul(above, below), c->dy);
}

static const clamp_attributes half_to_one = { -0.5, 1 }, no_limits = { -INFINITY, INFINITY };
static const clamp_attributes crossed = { 1, -1 }, not_a_bound = { NAN, 1 };
static const double at_bounds[] = { -0.5, 1 };

static const reel_sample clamp_samples[] = {
    UNARY_SAMPLES_WITH(-2, 2, &half_to_one),
    { .label = "at the bounds",
      .inputs = 1,
      .x = { GIVEN(at_bounds, 2) },
      .attributes = &half_to_one,
      .no_gradcheck = "at a bound the derivative jumps" },
    { .label = "infinities, NaN, signed zeros",
      .inputs = 1,
      .x = { GIVEN(steps, 9) },
      .attributes = &half_to_one },
    { .label = "infinite bounds", .inputs = 1, .x = { DRAWN(-2, 2, 4) }, .attributes = &no_limits },
    { .label = "bounds that cross",
      .inputs = 1,
      .x = { DRAWN(-2, 2, 4) },
      .attributes = &crossed,
      .fails = "bounds 1 and -1 leave nothing between them" },
    { .label = "a bound that is NaN",
      .inputs = 1,
      .x = { DRAWN(-2, 2, 4) },
      .attributes = &not_a_bound,
      .fails = "bounds nan and 1 leave nothing between them" },
    { 0 },
};

REEL_OP(clamp) = {
    .name = "clamp",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "x limited to [lo, hi]; NaN stays NaN. The gradient passes where lo ≤ x ≤ hi, bounds "
           "included as in PyTorch, and is 0 elsewhere.",
    .attributes = clamp_attribute_table,
    .attribute_size = sizeof(clamp_attributes),
    .shape = clamp_shape,
    .tile = TYPED_PAIR(clamp),
    .vjp = clamp_vjp,
    .kinked = true,
    .samples = clamp_samples,
};

reel_var reel_clamp(reel_var x, double lo, double hi)
{
    return reel_record(&reel__op_clamp, 1, &x, &(clamp_attributes){ lo, hi });
}
