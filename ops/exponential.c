/* exponential.c: exponentials and logarithms, element by element. */
#include "kernel.h"
#include "ops.h"
#include "sample.h"
#include "vector_math.h"

/* ---- exp, expm1 ---------------------------------------------------------------------------- */

TILE1(exp, vector_exp(x))
TILE1(expm1, vector_expm1(x))

static void exp_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, c->y);
}

/* Not y + 1, which has no digits left where y is close to -1. */
static void expm1_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, reel_exp(c->x[0]));
}

static const double far_out[] = { -1e4, -745, -740, -104, -88, -20, 20, 88, 89, 709, 710, 1e4 };
static const double near_zero[] = { 0.0, -0.0, 1e-300, -1e-30, 1e-10, -1e-5, 0.01, -0.01 };
static const double infinities[] = { INFINITY, -INFINITY, NAN };

static const reel_sample exp_samples[] = {
    UNARY_SAMPLES(-2, 2),
    { .label = "wide", .inputs = 1, .x = { DRAWN(-8, 3, 20) } },
    { .label = "near 0", .inputs = 1, .x = { GIVEN(near_zero, 8) } },
    { .label = "far out", .inputs = 1, .x = { GIVEN(far_out, 12) } },
    { .label = "infinities and NaN", .inputs = 1, .x = { GIVEN(infinities, 3) } },
    { 0 },
};

REEL_OP(exp) = {
    .name = "exp",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "e to the x.",
    .tile = TYPED_PAIR(exp),
    .vjp = exp_vjp,
    .samples = exp_samples,
};

REEL_OP(expm1) = {
    .name = "expm1",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "exp(x) - 1, to the last digits where x is small.",
    .tile = TYPED_PAIR(expm1),
    .vjp = expm1_vjp,
    .samples = exp_samples,
};

reel_var reel_exp(reel_var x)
{
    return reel_record(&reel__op_exp, 1, &x, NULL);
}

reel_var reel_expm1(reel_var x)
{
    return reel_record(&reel__op_expm1, 1, &x, NULL);
}

/* ---- log, log1p ---------------------------------------------------------------------------- */

TILE1(log, vector_log(x))
TILE1(log1p, vector_log1p(x))

static void log_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, reel_reciprocal(c->x[0]));
}

static void log1p_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, reel_reciprocal(reel_shift(c->x[0], 1)));
}

static const double positive[] = { 1e-310, 1e-38, 1e-20, 0.7, 0.9999, 1, 1.0001, 1.5, 1e10, 1e38 };
static const double outside[] = { 0.0, -0.0, -1.0, -1e-30, -INFINITY, INFINITY, NAN };

static const reel_sample log_samples[] = {
    UNARY_SAMPLES(0.25, 4),
    { .label = "small, about 1 and large",
      .inputs = 1,
      .x = { GIVEN(positive, 10) },
      .no_gradcheck = "a step of 1e-6 crosses 0" },
    { .label = "zero, below, infinite, NaN", .inputs = 1, .x = { GIVEN(outside, 7) } },
    { 0 },
};

REEL_OP(log) = {
    .name = "log",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The natural logarithm; -infinity at 0, NaN below.",
    .tile = TYPED_PAIR(log),
    .vjp = log_vjp,
    .samples = log_samples,
};

static const double above_minus_one[] = { -0.9999, -0.5, 1, 1e10, 1e38 };
static const double from_minus_one[] = { -1.0, -2.0, -INFINITY, INFINITY, NAN };

static const reel_sample log1p_samples[] = {
    UNARY_SAMPLES(-0.75, 4),
    { .label = "near 0", .inputs = 1, .x = { GIVEN(near_zero, 8) } },
    { .label = "about -1 and large",
      .inputs = 1,
      .x = { GIVEN(above_minus_one, 5) },
      .no_gradcheck = "the curvature is large beside the step" },
    { .label = "-1, below, infinite, NaN", .inputs = 1, .x = { GIVEN(from_minus_one, 5) } },
    { 0 },
};

REEL_OP(log1p) = {
    .name = "log1p",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "log(1 + x), to the last digits where x is small; -infinity at -1, NaN below.",
    .tile = TYPED_PAIR(log1p),
    .vjp = log1p_vjp,
    .samples = log1p_samples,
};

reel_var reel_log(reel_var x)
{
    return reel_record(&reel__op_log, 1, &x, NULL);
}

reel_var reel_log1p(reel_var x)
{
    return reel_record(&reel__op_log1p, 1, &x, NULL);
}
