/* onnx_activations.c: ONNX's activations with attributes, and those that are composed. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <math.h>
#include <string.h>

#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;

reel_var reel__onnx_softsign(reel_var x)
{
    return reel_div(x, reel_shift(reel_abs(x), 1));
}

static reel_var softsign(run *c, reel_var x)
{
    (void)c;
    return reel__onnx_softsign(x);
}

static reel_var softplus(run *c, reel_var x)
{
    (void)c;
    return reel_softplus(x);
}

static reel_var leaky_relu(run *c, reel_var x)
{
    return reel_leaky_relu(x, reel__onnx_get_real(c, "alpha", 0.01));
}

static reel_var elu(run *c, reel_var x)
{
    return reel_elu(x, reel__onnx_get_real(c, "alpha", 1));
}

static reel_var selu(run *c, reel_var x)
{
    double alpha = reel__onnx_get_real(c, "alpha", 1.6732632423543772);
    return reel_scale(reel_elu(x, alpha), reel__onnx_get_real(c, "gamma", 1.0507009873554805));
}

/* alpha·(exp(x/alpha) - 1) below 0 */
static reel_var celu(run *c, reel_var x)
{
    double alpha = reel__onnx_get_real(c, "alpha", 1);
    return reel_scale(reel_elu(reel_scale(x, 1 / alpha), 1), alpha);
}

static reel_var line(reel_var x, double slope, double at_0)
{
    return reel_clamp(reel_shift(reel_scale(x, slope), at_0), 0, 1);
}

static reel_var hard_sigmoid(run *c, reel_var x)
{
    return line(x, reel__onnx_get_real(c, "alpha", 0.2), reel__onnx_get_real(c, "beta", 0.5));
}

static reel_var hard_swish(run *c, reel_var x)
{
    (void)c;
    return reel_mul(x, line(x, 1.0 / 6, 0.5));
}

static reel_var mish(run *c, reel_var x)
{
    (void)c;
    return reel_mul(x, reel_tanh(reel_softplus(x)));
}

static reel_var swish(run *c, reel_var x)
{
    return reel_mul(x, reel_sigmoid(reel_scale(x, reel__onnx_get_real(c, "alpha", 1))));
}

/* x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))) */
static reel_var gelu_by_tanh(reel_var x)
{
    reel_var cube = reel_mul(reel_square(x), x);
    reel_var inner = reel_scale(reel_add(x, reel_scale(cube, 0.044715)), 0.7978845608028654);
    return reel_mul(reel_scale(x, 0.5), reel_shift(reel_tanh(inner), 1));
}

static reel_var gelu(run *c, reel_var x)
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, "approximate");
    bool by_tanh = a && a->s.len == 4 && memcmp(a->s.data, "tanh", 4) == 0;
    return by_tanh ? gelu_by_tanh(x) : reel_gelu(x);
}

static reel_var prelu(run *c, reel_var x)
{
    reel_var zero = reel_scalar(x.tape, 0), slope = reel__onnx_var(c, 1);
    return reel_where(reel_less(x, zero), reel_mul(x, slope), x);
}

/* x - bias above lambda, x + bias below minus lambda, else 0 */
static reel_var shrink(run *c, reel_var x)
{
    double bias = reel__onnx_get_real(c, "bias", 0), most = reel__onnx_get_real(c, "lambd", 0.5);
    reel_var zero = reel_scalar(x.tape, 0);
    reel_var above = reel_greater(x, reel_scalar(x.tape, most));
    reel_var below = reel_less(x, reel_scalar(x.tape, -most));
    return reel_where(above, reel_shift(x, -bias), reel_where(below, reel_shift(x, bias), zero));
}

static reel_var thresholded_relu(run *c, reel_var x)
{
    reel_var least = reel_scalar(x.tape, reel__onnx_get_real(c, "alpha", 1));
    return reel_where(reel_greater(x, least), x, reel_scalar(x.tape, 0));
}

static const struct {
    const char *type;
    reel_var (*of)(run *, reel_var x);
} rows[] = {
    { "Celu", celu },
    { "Elu", elu },
    { "Gelu", gelu },
    { "HardSigmoid", hard_sigmoid },
    { "HardSwish", hard_swish },
    { "LeakyRelu", leaky_relu },
    { "Mish", mish },
    { "PRelu", prelu },
    { "Selu", selu },
    { "Shrink", shrink },
    { "Softplus", softplus },
    { "Softsign", softsign },
    { "Swish", swish },
    { "ThresholdedRelu", thresholded_relu },
};

static int row_of(const char *type)
{
    for (int i = 0; i < (int)(sizeof rows / sizeof *rows); i++) {
        if (strcmp(rows[i].type, type) == 0) {
            return i;
        }
    }
    return -1;
}

bool reel__onnx_knows_activation(const char *type)
{
    return row_of(type) >= 0;
}

bool reel__onnx_activation(run *c)
{
    reel_var y = rows[row_of(c->node->op_type)].of(c, reel__onnx_var(c, 0));
    return !c->failed && reel__onnx_put(c, 0, y);
}
#else
typedef int reel__no_onnx_activations; /* a translation unit is never empty */
#endif
