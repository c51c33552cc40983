/* rectifier.c: activations with corners, element by element. */
#include <math.h>

#include "kernel.h"
#include "ops.h"
#include "sample.h"
#include "vector_math.h"

static const double bends[] = { 0.0, -0.0, 3.0, -3.0 };
static const double extremes[] = { 1e4, -1e4, 1e-300, -1e-30, INFINITY, -INFINITY, NAN };

#define RECTIFIER_SAMPLES(its_attributes)                                                          \
    UNARY_SAMPLES_WITH(-2, 2, its_attributes),                                                     \
        SAMPLE(.label = "wide", .inputs = 1, .x = { DRAWN(-8, 8, 20) },                            \
               .attributes = (its_attributes)),                                                    \
        SAMPLE(.label = "at the corners", .inputs = 1, .x = { GIVEN(bends, 4) },                   \
               .attributes = (its_attributes),                                                     \
               .no_gradcheck = "at a corner the derivative jumps"),                                \
        SAMPLE(.label = "large, small, infinite, NaN", .inputs = 1, .x = { GIVEN(extremes, 7) },   \
               .attributes = (its_attributes))

static reel_var is_positive(reel_vjp_call *c)
{
    return reel_greater(c->x[0], reel_scalar(c->tape, 0));
}

/* ---- relu ---------------------------------------------------------------------------------- */

TILE1(relu, x < 0 ? 0 : x)

/* y's sign is the mask: 1 above 0, and 0 at 0. */
static void relu_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_xmul(reel_sign(c->y), c->dy);
}

static const reel_sample relu_samples[] = { RECTIFIER_SAMPLES(NULL), { 0 } };

REEL_OP(relu) = {
    .name = "relu",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "max(x, 0); NaN stays NaN. The gradient at 0 is 0.",
    .tile = TYPED_PAIR(relu),
    .vjp = relu_vjp,
    .kinked = true,
    .samples = relu_samples,
};

reel_var reel_relu(reel_var x)
{
    return reel_record(&reel__op_relu, 1, &x, NULL);
}

/* ---- leaky_relu ---------------------------------------------------------------------------- */

typedef struct {
    double slope;
} leaky_relu_attributes;

static const reel_attribute leaky_relu_attribute_table[] = {
    { "slope", REEL_ATTRIBUTE_REAL, offsetof(leaky_relu_attributes, slope) },
    { 0 },
};

TILE1_WITH(leaky_relu, leaky_relu_attributes, x > 0 ? x : (real)a.slope * x)

static void leaky_relu_vjp(reel_vjp_call *c)
{
    const leaky_relu_attributes *a = c->attributes;
    c->dx[0] = reel_where(is_positive(c), c->dy, reel_scale(c->dy, a->slope));
}

static const leaky_relu_attributes slope_of_a_tenth = { 0.1 };
static const reel_sample leaky_relu_samples[] = { RECTIFIER_SAMPLES(&slope_of_a_tenth), { 0 } };

REEL_OP(leaky_relu) = {
    .name = "leaky_relu",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "x where x > 0, else slope·x. The gradient at 0 is slope (Maas et al. 2013).",
    .attributes = leaky_relu_attribute_table,
    .attribute_size = sizeof(leaky_relu_attributes),
    .tile = TYPED_PAIR(leaky_relu),
    .vjp = leaky_relu_vjp,
    .kinked = true,
    .samples = leaky_relu_samples,
};

reel_var reel_leaky_relu(reel_var x, double slope)
{
    return reel_record(&reel__op_leaky_relu, 1, &x, &(leaky_relu_attributes){ slope });
}

/* ---- elu ----------------------------------------------------------------------------------- */

typedef struct {
    double alpha;
} elu_attributes;

static const reel_attribute elu_attribute_table[] = {
    { "alpha", REEL_ATTRIBUTE_REAL, offsetof(elu_attributes, alpha) },
    { 0 },
};

TILE1_WITH(elu, elu_attributes, x > 0 ? x : (real)a.alpha * vector_expm1(x))

/* dy·alpha·exp(x) below 0. The exponential of what lies above is not asked for: it overflows. */
static void elu_vjp(reel_vjp_call *c)
{
    const elu_attributes *a = c->attributes;
    reel_var positive = is_positive(c);
    reel_var below = reel_where(positive, reel_scalar(c->tape, 0), c->x[0]);
    reel_var slope = reel_scale(reel_exp(below), a->alpha);
    c->dx[0] = reel_where(positive, c->dy, reel_xmul(c->dy, slope));
}

static const elu_attributes alpha_of_a_half = { 0.5 };
static const reel_sample elu_samples[] = { RECTIFIER_SAMPLES(&alpha_of_a_half), { 0 } };

REEL_OP(elu) = {
    .name = "elu",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc = "x where x > 0, else alpha·(exp(x) - 1). The gradient at 0 is alpha (Clevert et al. "
           "2016).",
    .attributes = elu_attribute_table,
    .attribute_size = sizeof(elu_attributes),
    .tile = TYPED_PAIR(elu),
    .vjp = elu_vjp,
    .kinked = true,
    .samples = elu_samples,
};

reel_var reel_elu(reel_var x, double alpha)
{
    return reel_record(&reel__op_elu, 1, &x, &(elu_attributes){ alpha });
}

/* ---- hard_sigmoid -------------------------------------------------------------------------- */

TILE1(hard_sigmoid, x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6)

static void hard_sigmoid_vjp(reel_vjp_call *c)
{
    reel_var three = reel_scalar(c->tape, 3);
    reel_var inside = reel_less(reel_abs(c->x[0]), three);
    c->dx[0] = reel_xmul(inside, reel_scale(c->dy, 1.0 / 6));
}

static const reel_sample hard_sigmoid_samples[] = { RECTIFIER_SAMPLES(NULL), { 0 } };

REEL_OP(hard_sigmoid) = {
    .name = "hard_sigmoid",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .doc =
        "x/6 + 1/2 limited to [0, 1], as in PyTorch and ONNX (Keras before 3 had x/5 + 1/2). The "
        "gradient at -3 and 3 is 0.",
    .tile = TYPED_PAIR(hard_sigmoid),
    .vjp = hard_sigmoid_vjp,
    .kinked = true,
    .samples = hard_sigmoid_samples,
};

reel_var reel_hard_sigmoid(reel_var x)
{
    return reel_record(&reel__op_hard_sigmoid, 1, &x, NULL);
}
