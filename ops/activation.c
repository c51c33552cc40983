/* activation.c: smooth activations, element by element; those with corners are in rectifier.c. */
#include <tgmath.h>

#include "kernel.h"
#include "ops.h"
#include "sample.h"
#include "vector_math.h"

static const double infinities[] = { INFINITY, -INFINITY, NAN };
static const double near_zero[] = { 0.0, -0.0, 1e-300, -1e-30, 1e-10, -1e-5 };
static const double tails[] = { -1e4, -700, -40, -20, -9, 9, 20, 40, 700, 1e4 };

static const reel_sample activation_samples[] = {
    UNARY_SAMPLES(-2, 2),
    { .label = "wide", .inputs = 1, .x = { DRAWN(-8, 8, 20) } },
    { .label = "near 0", .inputs = 1, .x = { GIVEN(near_zero, 6) } },
    { .label = "tails",
      .inputs = 1,
      .x = { GIVEN(tails, 10) },
      .no_gradcheck = "differences are lost beside 1e4" },
    { .label = "infinities and NaN", .inputs = 1, .x = { GIVEN(infinities, 3) } },
    { 0 },
};

/* ---- the slopes of sigmoid and tanh -------------------------------------------------------- */

/* Ops of their own because a step of a gated cell has several: one pass over dy and y, not four. */
TILE2(sigmoid_gradient, x == 0 ? 0 : x * (x2 * (1 - x2)))
TILE2(tanh_gradient, x == 0 ? 0 : x * ((1 - x2) * (1 + x2)))

static void sigmoid_gradient_vjp(reel_vjp_call *c)
{
    if (c->needs[0]) {
        c->dx[0] = reel_record(c->op, 2, (const reel_var[]){ c->dy, c->x[1] }, NULL);
    }
    if (c->needs[1]) {
        reel_var curvature = reel_shift(reel_scale(c->x[1], -2), 1);
        c->dx[1] = reel_xmul(c->x[0], reel_xmul(c->dy, curvature));
    }
}

static void tanh_gradient_vjp(reel_vjp_call *c)
{
    if (c->needs[0]) {
        c->dx[0] = reel_record(c->op, 2, (const reel_var[]){ c->dy, c->x[1] }, NULL);
    }
    if (c->needs[1]) {
        c->dx[1] = reel_xmul(c->x[0], reel_xmul(c->dy, reel_scale(c->x[1], -2)));
    }
}

static const double any_gradient[] = { 0, 0, 2, -1, 0.5, 3 };
static const double any_sigmoid[] = { NAN, 0.5, 0, 1, 1e-30, 0.25 };
static const double any_tanh[] = { NAN, 0.5, 1, -1, -1e-30, -0.25 };

static const reel_sample sigmoid_gradient_samples[] = {
    BINARY_SAMPLES(-2, 2, 0.0625, 0.9375),
    { .label = "no gradient, and the ends",
      .inputs = 2,
      .x = { GIVEN(any_gradient, 6), GIVEN(any_sigmoid, 6) } },
    { 0 },
};

REEL_OP(sigmoid_gradient) = {
    .name = "sigmoid_gradient",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "dy·y·(1 - y), and 0 where dy is 0: what backpropagation makes of dy at y = sigmoid(x).",
    .tile = TYPED_PAIR(sigmoid_gradient),
    .vjp = sigmoid_gradient_vjp,
    .linear = 1,
    .samples = sigmoid_gradient_samples,
};

static const reel_sample tanh_gradient_samples[] = {
    BINARY_SAMPLES(-2, 2, -0.9375, 0.9375),
    { .label = "no gradient, and the ends",
      .inputs = 2,
      .x = { GIVEN(any_gradient, 6), GIVEN(any_tanh, 6) } },
    { 0 },
};

REEL_OP(tanh_gradient) = {
    .name = "tanh_gradient",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "dy·(1 - y²), and 0 where dy is 0: what backpropagation makes of dy at y = tanh(x).",
    .tile = TYPED_PAIR(tanh_gradient),
    .vjp = tanh_gradient_vjp,
    .linear = 1,
    .samples = tanh_gradient_samples,
};

/* ---- sigmoid, tanh ------------------------------------------------------------------------- */

TILE1(sigmoid, vector_sigmoid(x))
TILE1(tanh, vector_tanh(x))

static void sigmoid_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_record(&reel__op_sigmoid_gradient, 2, (const reel_var[]){ c->dy, c->y }, NULL);
}

static void tanh_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_record(&reel__op_tanh_gradient, 2, (const reel_var[]){ c->dy, c->y }, NULL);
}

REEL_OP(sigmoid) = {
    .name = "sigmoid",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The logistic function 1/(1 + exp(-x)), exact to the last digits in both tails.",
    .tile = TYPED_PAIR(sigmoid),
    .vjp = sigmoid_vjp,
    .samples = activation_samples,
};

REEL_OP(tanh) = {
    .name = "tanh",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The hyperbolic tangent.",
    .tile = TYPED_PAIR(tanh),
    .vjp = tanh_vjp,
    .samples = activation_samples,
};

reel_var reel_sigmoid(reel_var x)
{
    return reel_record(&reel__op_sigmoid, 1, &x, NULL);
}

reel_var reel_tanh(reel_var x)
{
    return reel_record(&reel__op_tanh, 1, &x, NULL);
}

/* ---- softplus, silu ------------------------------------------------------------------------ */

TILE1(softplus, vector_softplus(x))
TILE1(silu, x < -1000 ? 0 : x * vector_sigmoid(x)) /* not -infinity·0 */

static void softplus_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, reel_sigmoid(c->x[0]));
}

/* s + x·s·(1 - s) with s = sigmoid(x). */
static void silu_vjp(reel_vjp_call *c)
{
    reel_var s = reel_sigmoid(c->x[0]);
    reel_var bend = reel_xmul(reel_shift(reel_neg(s), 1), c->y);
    c->dx[0] = reel_xmul(c->dy, reel_add(s, bend));
}

REEL_OP(softplus) = {
    .name = "softplus",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "log(1 + exp(x)), which neither overflows nor vanishes early: max(x, 0) + "
           "log1p(exp(-|x|)). The logarithm of sigmoid(x) is -softplus(-x).",
    .tile = TYPED_PAIR(softplus),
    .vjp = softplus_vjp,
    .samples = activation_samples,
};

REEL_OP(silu) = {
    .name = "silu",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "x·sigmoid(x), also called swish; 0 at -infinity (Elfwing et al. 2018).",
    .tile = TYPED_PAIR(silu),
    .vjp = silu_vjp,
    .samples = activation_samples,
};

reel_var reel_softplus(reel_var x)
{
    return reel_record(&reel__op_softplus, 1, &x, NULL);
}

reel_var reel_silu(reel_var x)
{
    return reel_record(&reel__op_silu, 1, &x, NULL);
}

/* ---- gelu ---------------------------------------------------------------------------------- */

#define SQRT_HALF 0.70710678118654752
#define ONE_OVER_SQRT_TWO_PI 0.39894228040143268
#define NORMAL_CDF(x) ((real)0.5 * erfc((x) * (real)-SQRT_HALF))

TILE1(normal_cdf, NORMAL_CDF(x))
TILE1(gelu, x < -40 ? 0 : x * NORMAL_CDF(x)) /* not -infinity·0 */

static reel_var normal_density(reel_var x)
{
    return reel_scale(reel_exp(reel_scale(reel_square(x), -0.5)), ONE_OVER_SQRT_TWO_PI);
}

static void normal_cdf_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(c->dy, normal_density(c->x[0]));
}

static const double normal_tails[] = { -37, -30, -10, -6, 6, 10, 1e4 };

static const reel_sample normal_samples[] = {
    UNARY_SAMPLES(-2, 2),
    { .label = "wide", .inputs = 1, .x = { DRAWN(-5, 5, 20) } },
    { .label = "near 0", .inputs = 1, .x = { GIVEN(near_zero, 6) } },
    { .label = "tails", .inputs = 1, .x = { GIVEN(normal_tails, 7) } },
    { .label = "infinities and NaN", .inputs = 1, .x = { GIVEN(infinities, 3) } },
    { 0 },
};

REEL_OP(normal_cdf) = {
    .name = "normal_cdf",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "The normal distribution function Φ(x) = erfc(-x/√2)/2, exact in the lower tail, too. "
           "gelu is x·Φ(x).",
    .tile = TYPED_PAIR(normal_cdf),
    .vjp = normal_cdf_vjp,
    .samples = normal_samples,
};

/* Φ(x) + x·Φ'(x) */
static void gelu_vjp(reel_vjp_call *c)
{
    reel_var cdf = reel_record(&reel__op_normal_cdf, 1, c->x, NULL);
    reel_var bend = reel_xmul(normal_density(c->x[0]), c->x[0]);
    c->dx[0] = reel_xmul(c->dy, reel_add(cdf, bend));
}

REEL_OP(gelu) = {
    .name = "gelu",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc =
        "x·Φ(x) with the normal distribution function Φ itself, not its approximation by tanh; 0 "
        "at -infinity (Hendrycks & Gimpel 2016).",
    .tile = TYPED_PAIR(gelu),
    .vjp = gelu_vjp,
    .samples = normal_samples,
};

reel_var reel_gelu(reel_var x)
{
    return reel_record(&reel__op_gelu, 1, &x, NULL);
}
