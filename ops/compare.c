/* compare.c: comparisons, and the choice by them. */
#include <math.h>

#include "kernel.h"
#include "ops.h"
#include "sample.h"

static const double special_left[SPECIAL_PAIRS] = SPECIAL_LEFT;
static const double special_right[SPECIAL_PAIRS] = SPECIAL_RIGHT;
static const double tied_left[] = { 1, 2, -3, 0 }, tied_right[] = { 1, 1, -3, 0 };

/* ---- comparisons --------------------------------------------------------------------------- */

static const reel_sample comparison_samples[] = {
    BINARY_SAMPLES(-2, 2, -2, 2),
    { .label = "ties",
      .inputs = 2,
      .x = { GIVEN(tied_left, 4), GIVEN(tied_right, 4) },
      .no_gradcheck = "at a tie the result jumps" },
    { .label = "infinities, NaN and signed zeros",
      .inputs = 2,
      .x = { GIVEN(special_left, SPECIAL_PAIRS), GIVEN(special_right, SPECIAL_PAIRS) } },
    { 0 },
};

TILE2(less, x < x2)
TILE2(less_equal, x <= x2)
TILE2(greater, x > x2)
TILE2(greater_equal, x >= x2)
TILE2(equal, x == x2)
TILE2(not_equal, x != x2)

REEL_OP(less) = {
    .name = "less",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "1 where a < b, else 0; NaN compares false. Its gradient is zero.",
    .tile = TYPED_PAIR(less),
    .flat = true,
    .samples = comparison_samples,
};

REEL_OP(less_equal) = {
    .name = "less_equal",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "1 where a ≤ b, else 0; NaN compares false. Its gradient is zero.",
    .tile = TYPED_PAIR(less_equal),
    .flat = true,
    .samples = comparison_samples,
};

REEL_OP(greater) = {
    .name = "greater",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "1 where a > b, else 0; NaN compares false. Its gradient is zero.",
    .tile = TYPED_PAIR(greater),
    .flat = true,
    .samples = comparison_samples,
};

REEL_OP(greater_equal) = {
    .name = "greater_equal",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "1 where a ≥ b, else 0; NaN compares false. Its gradient is zero.",
    .tile = TYPED_PAIR(greater_equal),
    .flat = true,
    .samples = comparison_samples,
};

REEL_OP(equal) = {
    .name = "equal",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "1 where a = b, else 0; NaN equals nothing, and 0 equals -0. Its gradient is zero.",
    .tile = TYPED_PAIR(equal),
    .flat = true,
    .samples = comparison_samples,
};

REEL_OP(not_equal) = {
    .name = "not_equal",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "1 where a ≠ b, else 0; 1 where either is NaN. Its gradient is zero.",
    .tile = TYPED_PAIR(not_equal),
    .flat = true,
    .samples = comparison_samples,
};

reel_var reel_less(reel_var a, reel_var b)
{
    return reel_record(&reel__op_less, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_less_equal(reel_var a, reel_var b)
{
    return reel_record(&reel__op_less_equal, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_greater(reel_var a, reel_var b)
{
    return reel_record(&reel__op_greater, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_greater_equal(reel_var a, reel_var b)
{
    return reel_record(&reel__op_greater_equal, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_equal(reel_var a, reel_var b)
{
    return reel_record(&reel__op_equal, 2, (const reel_var[]){ a, b }, NULL);
}

reel_var reel_not_equal(reel_var a, reel_var b)
{
    return reel_record(&reel__op_not_equal, 2, (const reel_var[]){ a, b }, NULL);
}

/* ---- where --------------------------------------------------------------------------------- */

TILE3(where, x != 0 ? x2 : x3)

/* The condition chooses; a small change of it changes nothing. */
static void where_vjp(reel_vjp_call *c)
{
    reel_var zero = reel_scalar(c->tape, 0);
    if (c->needs[1]) {
        c->dx[1] = reel_where(c->x[0], c->dy, zero);
    }
    if (c->needs[2]) {
        c->dx[2] = reel_where(c->x[0], zero, c->dy);
    }
}

static const double yes_and_no[] = { 1, 0, -0.0, -2, NAN, 0.5 };
static const double finite_where_yes[] = { 1, NAN, INFINITY, 2, 3, 4 };
static const double finite_where_no[] = { NAN, 5, 6, -INFINITY, NAN, INFINITY };
static const double choice[] = { 1, 0, 0, 1, 0, 1 };

static const reel_sample where_samples[] = {
    { .label = "one shape",
      .inputs = 3,
      .x = { GIVEN(choice, 2, 3), DRAWN(-2, 2, 2, 3), DRAWN(-2, 2, 2, 3) } },
    { .label = "a column chooses between a row and a scalar",
      .inputs = 3,
      .x = { GIVEN(choice, 6, 1), DRAWN(-2, 2, 4), DRAWN_SCALAR(-2, 2) } },
    { .label = "one number chooses between matrices",
      .inputs = 3,
      .x = { GIVEN(choice, 1, 1), DRAWN(-2, 2, 2, 3), DRAWN(-2, 2, 1, 3) } },
    { .label = "rank 4",
      .inputs = 3,
      .x = { GIVEN(choice, 1, 2, 3), DRAWN(-2, 2, 2, 1, 2, 1), DRAWN(-2, 2, 2, 2, 2, 3) } },
    { .label = "an empty axis",
      .inputs = 3,
      .x = { DRAWN(-2, 2, 0, 3), DRAWN(-2, 2, 3), DRAWN(-2, 2, 1, 1) } },
    { .label = "what is not chosen is not finite; NaN chooses the first",
      .inputs = 3,
      .x = { GIVEN(yes_and_no, 6), GIVEN(finite_where_yes, 6), GIVEN(finite_where_no, 6) } },
    { .label = "shapes that do not broadcast",
      .inputs = 3,
      .x = { DRAWN(-2, 2, 3), DRAWN(-2, 2, 3), DRAWN(-2, 2, 2) },
      .fails = "shapes do not broadcast: [3] and [2]" },
    { 0 },
};

REEL_OP(where) = {
    .name = "where",
    .kind = REEL_ELEMENTWISE,
    .inputs = 3,
    .doc = "a where the condition is not 0 (NaN is not), else b; all three broadcast. What is not "
           "chosen gets gradient 0, even where it is not finite; the condition gets none.",
    .tile = TYPED_PAIR(where),
    .vjp = where_vjp,
    .samples = where_samples,
};

reel_var reel_where(reel_var condition, reel_var a, reel_var b)
{
    return reel_record(&reel__op_where, 3, (const reel_var[]){ condition, a, b }, NULL);
}
