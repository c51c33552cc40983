/* onnx_operators.c: each op as ONNX operators, here those that go element by element.
 *
 * Where ONNX leaves open what happens at the edges (NaN, infinities, a row of -infinity), or its
 * runtimes differ, the nodes written say what reel does. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <math.h>
#include <string.h>

#include "onnx_calls.h"

/* ---- element by element ---------------------------------------------------------------------- */

static const char *square(op_call *c)
{
    return two(c, "Mul", c->x[0], c->x[0]);
}

static const char *rsqrt_of(op_call *c)
{
    return one(c, "Reciprocal", one(c, "Sqrt", c->x[0]));
}

static const char *scale(op_call *c)
{
    return two(c, "Mul", c->x[0], number(c, reel__listed_real(c->y, "factor")));
}

static const char *shift(op_call *c)
{
    return two(c, "Add", c->x[0], number(c, reel__listed_real(c->y, "term")));
}

/* b's infinity times a's 0 is 0 here */
static const char *xmul(op_call *c)
{
    const char *zero = number(c, 0);
    return three(c, "Where", two(c, "Equal", c->x[0], zero), zero, two(c, "Mul", c->x[0], c->x[1]));
}

/* The value `instead` where x is NaN: runtimes disagree on what comparing it gives. */
static const char *or_nan(op_call *c, const char *y)
{
    return three(c, "Where", one(c, "IsNaN", c->x[0]), c->x[0], y);
}

static const char *clamp(op_call *c)
{
    return or_nan(c, three(c, "Clip", c->x[0], number(c, reel__listed_real(c->y, "lo")),
                           number(c, reel__listed_real(c->y, "hi"))));
}

static const char *keeping_nan(op_call *c)
{
    return or_nan(c, one(c, c->type, c->x[0]));
}

/* Near 0, exp(x) - 1 loses its digits: there it is 2t/(1 - t) with t = tanh(x/2). */
static const char *expm1_of(op_call *c)
{
    const char *x = c->x[0], *one_ = number(c, 1), *half = number(c, 0.5);
    const char *t = one(c, "Tanh", two(c, "Mul", x, half));
    const char *near = two(c, "Div", two(c, "Add", t, t), two(c, "Sub", one_, t));
    const char *far = two(c, "Sub", one(c, "Exp", x), one_);
    return three(c, "Where", two(c, "Less", one(c, "Abs", x), half), near, far);
}

/* Near 0, log(1 + x) is 2·artanh(x/(2 + x)). */
static const char *log1p_of(op_call *c)
{
    const char *x = c->x[0];
    const char *t = one(c, "Atanh", two(c, "Div", x, two(c, "Add", x, number(c, 2))));
    const char *far = one(c, "Log", two(c, "Add", x, number(c, 1)));
    return three(c, "Where", two(c, "Less", one(c, "Abs", x), number(c, 0.5)), two(c, "Add", t, t),
                 far);
}

static const char *one_minus(op_call *c, const char *x)
{
    return two(c, "Sub", number(c, 1), x);
}

/* 0 where dy is 0, whatever stands beside it */
static const char *times_dy(op_call *c, const char *slope)
{
    const char *zero = number(c, 0);
    return three(c, "Where", two(c, "Equal", c->x[0], zero), zero, two(c, "Mul", c->x[0], slope));
}

static const char *sigmoid_gradient(op_call *c)
{
    return times_dy(c, two(c, "Mul", c->x[1], one_minus(c, c->x[1])));
}

static const char *tanh_gradient(op_call *c)
{
    return times_dy(c, one_minus(c, two(c, "Mul", c->x[1], c->x[1])));
}

/* x·f(x), and 0 at -infinity */
static const char *gated(op_call *c, const char *gate)
{
    const char *low = number(c, -1e30);
    const char *finite = three(c, "Where", two(c, "Less", c->x[0], low), low, c->x[0]);
    return two(c, "Mul", finite, gate);
}

static const char *silu(op_call *c)
{
    return gated(c, one(c, "Sigmoid", c->x[0]));
}

static const char *normal_cdf(op_call *c)
{
    const char *scaled = two(c, "Mul", c->x[0], number(c, sqrt(0.5)));
    return two(c, "Mul", two(c, "Add", one(c, "Erf", scaled), number(c, 1)), number(c, 0.5));
}

static const char *gelu(op_call *c)
{
    return gated(c, normal_cdf(c));
}

static const char *hard_sigmoid(op_call *c)
{
    const char *line = two(c, "Add", two(c, "Div", c->x[0], number(c, 6)), number(c, 0.5));
    return or_nan(c, three(c, "Clip", line, number(c, 0), number(c, 1)));
}

static const char *leaky_relu(op_call *c)
{
    const char *y = one(c, "LeakyRelu", c->x[0]);
    reel__onnx_set_real(c->g, "alpha", reel__listed_real(c->y, "slope"));
    return y;
}

static const char *elu(op_call *c)
{
    const char *below = two(c, "Mul", expm1_of(c), number(c, reel__listed_real(c->y, "alpha")));
    return three(c, "Where", two(c, "Less", c->x[0], number(c, 0)), below, c->x[0]);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static const char *compare(op_call *c)
{
    return to_real(c, two(c, c->type, c->x[0], c->x[1]));
}

static const char *not_equal(op_call *c)
{
    return to_real(c, one(c, "Not", two(c, "Equal", c->x[0], c->x[1])));
}

static const char *where(op_call *c)
{
    const char *zero = one(c, "Not", two(c, "Equal", c->x[0], number(c, 0)));
    return three(c, "Where", zero, c->x[1], c->x[2]);
}

/* ---- the tables ------------------------------------------------------------------------------ */

const reel__onnx_row reel__onnx_element_rows[] = {
    { "abs", same, "Abs" },
    { "accumulate", same, "Add" },
    { "add", same, "Add" },
    { "checkpoint", identity, NULL },
    { "clip_gradient", identity, NULL },
    { "clamp", clamp, NULL },
    { "cos", same, "Cos" },
    { "div", same, "Div" },
    { "elu", elu, NULL },
    { "equal", compare, "Equal" },
    { "erf", same, "Erf" },
    { "exp", same, "Exp" },
    { "expm1", expm1_of, NULL },
    { "floor", same, "Floor" },
    { "gelu", gelu, NULL },
    { "greater", compare, "Greater" },
    { "greater_equal", compare, "GreaterOrEqual" },
    { "hard_sigmoid", hard_sigmoid, NULL },
    { "leaky_relu", leaky_relu, NULL },
    { "less", compare, "Less" },
    { "less_equal", compare, "LessOrEqual" },
    { "log", same, "Log" },
    { "log1p", log1p_of, NULL },
    { "maximum", same, "Max" },
    { "minimum", same, "Min" },
    { "mul", same, "Mul" },
    { "neg", same, "Neg" },
    { "normal_cdf", normal_cdf, NULL },
    { "not_equal", not_equal, NULL },
    { "pow", same, "Pow" },
    { "reciprocal", same, "Reciprocal" },
    { "relu", keeping_nan, "Relu" },
    { "rsqrt", rsqrt_of, NULL },
    { "scale", scale, NULL },
    { "shift", shift, NULL },
    { "sigmoid", same, "Sigmoid" },
    { "sigmoid_gradient", sigmoid_gradient, NULL },
    { "sign", keeping_nan, "Sign" },
    { "silu", silu, NULL },
    { "sin", same, "Sin" },
    { "softplus", same, "Softplus" },
    { "sqrt", same, "Sqrt" },
    { "square", square, NULL },
    { "stop_gradient", identity, NULL },
    { "sub", same, "Sub" },
    { "tan", same, "Tan" },
    { "tanh", same, "Tanh" },
    { "tanh_gradient", tanh_gradient, NULL },
    { "where", where, NULL },
    { "xmul", xmul, NULL },
    { 0 },
};

const char *reel__onnx_op(reel__onnx_graph *g, const reel__listing *l, const reel__listed *y,
                          const char *const x[])
{
    static const reel__onnx_row *const tables[] = { reel__onnx_element_rows, reel__onnx_axis_rows,
                                                    reel__onnx_shape_rows };
    for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
        for (const reel__onnx_row *row = tables[k]; row->op; row++) {
            if (strcmp(row->op, y->op->name) == 0) {
                return row->write(&(op_call){ g, l, y, x, row->type });
            }
        }
    }
    return NULL;
}
#else
typedef int reel__no_onnx_operators; /* a translation unit is never empty */
#endif
