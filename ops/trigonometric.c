/* trigonometric.c: sine, cosine, tangent; and the error function. */
#include <tgmath.h>

#include "kernel.h"
#include "ops.h"
#include "sample.h"

static const double infinities[] = { INFINITY, -INFINITY, NAN };
static const double near_zero[] = { 0.0, -0.0, 1e-300, -1e-30, 1e-10, -1e-5 };

/* ---- sin, cos, tan ------------------------------------------------------------------------- */

TILE1(sin, sin(x))
TILE1(cos, cos(x))
TILE1(tan, tan(x))

static void sin_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, reel_cos(c->x[0]));
}

static void cos_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_neg(reel_xmul(c->dy, reel_sin(c->x[0])));
}

static void tan_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, reel_shift(reel_square(c->y), 1));
}

static const double large[] = { 10, -100, 1e5, 1e15, -1e22 };

static const reel_sample trigonometric_samples[] = {
    UNARY_SAMPLES(-1.25, 1.25),
    { .label = "several turns", .inputs = 1, .x = { DRAWN(5, 7.5, 8) } },
    { .label = "near 0", .inputs = 1, .x = { GIVEN(near_zero, 6) } },
    { .label = "large",
      .inputs = 1,
      .x = { GIVEN(large, 5) },
      .no_gradcheck = "a step of 1e-6 is lost beside 1e22" },
    { .label = "infinities and NaN", .inputs = 1, .x = { GIVEN(infinities, 3) } },
    { 0 },
};

REEL_OP(sin) = {
    .name = "sin",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The sine of x radians; NaN for infinities.",
    .tile = TYPED_PAIR(sin),
    .vjp = sin_vjp,
    .samples = trigonometric_samples,
};

REEL_OP(cos) = {
    .name = "cos",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The cosine of x radians; NaN for infinities.",
    .tile = TYPED_PAIR(cos),
    .vjp = cos_vjp,
    .samples = trigonometric_samples,
};

REEL_OP(tan) = {
    .name = "tan",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The tangent of x radians; NaN for infinities.",
    .tile = TYPED_PAIR(tan),
    .vjp = tan_vjp,
    .samples = trigonometric_samples,
};

reel_var reel_sin(reel_var x)
{
    return reel_record(&reel__op_sin, 1, &x, NULL);
}

reel_var reel_cos(reel_var x)
{
    return reel_record(&reel__op_cos, 1, &x, NULL);
}

reel_var reel_tan(reel_var x)
{
    return reel_record(&reel__op_tan, 1, &x, NULL);
}

/* ---- erf ----------------------------------------------------------------------------------- */

TILE1(erf, erf(x))

#define TWO_OVER_SQRT_PI 1.1283791670955126

static void erf_vjp(reel_vjp_call *c)
{
    reel_var bell = reel_exp(reel_neg(reel_square(c->x[0])));
    c->dx[0] = reel_xmul(c->dy, reel_scale(bell, TWO_OVER_SQRT_PI));
}

static const double tails[] = { -30, -6, -3, 3, 6, 30 };

static const reel_sample erf_samples[] = {
    UNARY_SAMPLES(-3, 3),
    { .label = "near 0", .inputs = 1, .x = { GIVEN(near_zero, 6) } },
    { .label = "tails", .inputs = 1, .x = { GIVEN(tails, 6) } },
    { .label = "infinities and NaN", .inputs = 1, .x = { GIVEN(infinities, 3) } },
    { 0 },
};

REEL_OP(erf) = {
    .name = "erf",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The error function, 2/√π times the integral of exp(-t²) from 0 to x.",
    .tile = TYPED_PAIR(erf),
    .vjp = erf_vjp,
    .samples = erf_samples,
};

reel_var reel_erf(reel_var x)
{
    return reel_record(&reel__op_erf, 1, &x, NULL);
}
