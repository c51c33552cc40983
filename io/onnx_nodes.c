/* onnx_nodes.c: each ONNX operator as ops of reel: one row of the table and a small function. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <math.h>
#include <string.h>

#include "../layers/layers.h"
#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;

static bool put(run *c, reel_var v)
{
    return reel__onnx_put(c, 0, v);
}

static bool put_truth(run *c, reel_var v)
{
    bool fine = put(c, v);
    c->y[0].truth = true;
    return fine;
}

static reel_var x_of(run *c)
{
    return reel__onnx_var(c, 0);
}

static int rank_of(reel_var v)
{
    return reel_shape_of(v).rank;
}

/* ---- element by element ---------------------------------------------------------------------- */

typedef reel_var (*one_fn)(reel_var);
typedef reel_var (*two_fn)(reel_var, reel_var);

static reel_var ceiling(reel_var x)
{
    return reel_neg(reel_floor(reel_neg(x)));
}
static reel_var not_of(reel_var x)
{
    return reel_equal(x, reel_scalar(x.tape, 0));
}
static reel_var is_nan(reel_var x)
{
    return reel_not_equal(x, x);
}
static reel_var is_inf(reel_var x)
{
    return reel_equal(reel_abs(x), reel_scalar(x.tape, INFINITY));
}
static reel_var atanh_of(reel_var x)
{
    return reel_scale(reel_sub(reel_log1p(x), reel_log1p(reel_neg(x))), 0.5);
}
reel_var reel__onnx_softsign(reel_var x)
{
    return reel_div(x, reel_shift(reel_abs(x), 1));
}
static reel_var is_true(reel_var x)
{
    return reel_not_equal(x, reel_scalar(x.tape, 0));
}
static reel_var either(reel_var a, reel_var b)
{
    return reel_maximum(a, b);
}

/* Whole numbers that shapes are computed from. */
typedef int64_t (*whole_fn)(int64_t, int64_t);
static int64_t whole_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t whole_sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
static int64_t whole_mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static int64_t whole_div(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? whole_sub(0, a) : a / b;
}
static int64_t whole_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static int64_t whole_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static int64_t whole_equal(int64_t a, int64_t b)
{
    return a == b;
}

typedef struct {
    const char *type;
    one_fn one;
    two_fn two; /* more inputs than two are taken from left to right */
    whole_fn whole;
    bool truth; /* what comes out is boolean */
} element_row;

static const element_row element_rows[] = {
    { "Abs", reel_abs },
    { "Add", .two = reel_add, .whole = whole_add },
    { "And", .two = reel_mul, .truth = true },
    { "Atanh", atanh_of },
    { "Ceil", ceiling },
    { "Cos", reel_cos },
    { "Div", .two = reel_div, .whole = whole_div },
    { "Equal", .two = reel_equal, .whole = whole_equal, .truth = true },
    { "Erf", reel_erf },
    { "Exp", reel_exp },
    { "Floor", reel_floor },
    { "Greater", .two = reel_greater, .truth = true },
    { "GreaterOrEqual", .two = reel_greater_equal, .truth = true },
    { "IsInf", is_inf, .truth = true },
    { "IsNaN", is_nan, .truth = true },
    { "Less", .two = reel_less, .truth = true },
    { "LessOrEqual", .two = reel_less_equal, .truth = true },
    { "Log", reel_log },
    { "Max", .two = reel_maximum, .whole = whole_max },
    { "Min", .two = reel_minimum, .whole = whole_min },
    { "Mul", .two = reel_mul, .whole = whole_mul },
    { "Neg", reel_neg },
    { "Not", not_of, .truth = true },
    { "Or", .two = either, .truth = true },
    { "Pow", .two = reel_pow },
    { "Reciprocal", reel_reciprocal },
    { "Relu", reel_relu },
    { "Sigmoid", reel_sigmoid },
    { "Sign", reel_sign },
    { "Sin", reel_sin },
    { "Softplus", reel_softplus },
    { "Softsign", reel__onnx_softsign },
    { "Sqrt", reel_sqrt },
    { "Sub", .two = reel_sub, .whole = whole_sub },
    { "Sum", .two = reel_add },
    { "Tan", reel_tan },
    { "Tanh", reel_tanh },
};

static const element_row *element_row_of(const char *type)
{
    for (size_t i = 0; i < sizeof element_rows / sizeof *element_rows; i++) {
        if (strcmp(element_rows[i].type, type) == 0) {
            return &element_rows[i];
        }
    }
    return NULL;
}

/* Of one shape, or one of them a single number. */
static bool run_whole(run *c, whole_fn combine)
{
    const reel__onnx_value *a = &c->x[0], *b = &c->x[1];
    int64_t n_a = reel_shape_size(a->shape), n_b = reel_shape_size(b->shape);
    if (n_a != n_b && n_a != 1 && n_b != 1) {
        return reel__onnx_fail(c, REEL_BAD_SHAPE, "%lld and %lld whole numbers", (long long)n_a,
                               (long long)n_b);
    }
    bool first = n_a > n_b || (n_a == n_b && a->shape.rank >= b->shape.rank);
    reel_shape shape = first ? a->shape : b->shape;
    int64_t n = reel_shape_size(shape), *y = reel__onnx_room(c, (size_t)n * sizeof *y);
    for (int64_t i = 0; y && i < n; i++) {
        y[i] = combine(a->whole[n_a == 1 ? 0 : i], b->whole[n_b == 1 ? 0 : i]);
    }
    return reel__onnx_put_whole(c, shape, y);
}

static bool run_element(run *c, const element_row *row)
{
    bool whole = row->whole && c->inputs == 2 && reel__onnx_has(c, 0) && reel__onnx_has(c, 1) &&
                 c->x[0].kind == REEL__ONNX_WHOLE && c->x[1].kind == REEL__ONNX_WHOLE;
    if (whole) {
        return run_whole(c, row->whole);
    }
    reel_var y = x_of(c);
    if (row->one) {
        y = row->one(y);
    }
    for (int i = 1; row->two && i < c->inputs; i++) {
        y = row->two(y, reel__onnx_var(c, i));
    }
    return !c->failed && (row->truth ? put_truth(c, y) : put(c, y));
}

static bool identity(run *c)
{
    c->y[0] = c->x[0];
    return reel__onnx_has(c, 0) || reel__onnx_fail(c, REEL_BAD_FILE, "input 0 is missing");
}

static bool leaky_relu(run *c)
{
    return put(c, reel_leaky_relu(x_of(c), reel__onnx_get_real(c, "alpha", 0.01)));
}

static bool elu(run *c)
{
    return put(c, reel_elu(x_of(c), reel__onnx_get_real(c, "alpha", 1)));
}

static bool hard_sigmoid(run *c)
{
    reel_var line = reel_shift(reel_scale(x_of(c), reel__onnx_get_real(c, "alpha", 0.2)),
                               reel__onnx_get_real(c, "beta", 0.5));
    return put(c, reel_clamp(line, 0, 1));
}

static bool gelu(run *c)
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, "approximate");
    if (a && a->s.len == 4 && memcmp(a->s.data, "tanh", 4) == 0) {
        return reel__onnx_fail(c, REEL_UNSUPPORTED, "the approximation by tanh");
    }
    return put(c, reel_gelu(x_of(c)));
}

static bool clip(run *c)
{
    reel_var y = x_of(c);
    if (c->model->opset < 11) {
        return put(c, reel_clamp(y, reel__onnx_get_real(c, "min", -INFINITY),
                                 reel__onnx_get_real(c, "max", INFINITY)));
    }
    y = reel__onnx_has(c, 1) ? reel_maximum(y, reel__onnx_var(c, 1)) : y;
    return put(c, reel__onnx_has(c, 2) ? reel_minimum(y, reel__onnx_var(c, 2)) : y);
}

static bool where(run *c)
{
    bool whole = c->inputs == 3 && c->x[0].kind == REEL__ONNX_WHOLE &&
                 c->x[1].kind == REEL__ONNX_WHOLE && c->x[2].kind == REEL__ONNX_WHOLE;
    int64_t n = whole ? reel_shape_size(c->x[0].shape) : 0;
    if (whole && n == reel_shape_size(c->x[1].shape) && n == reel_shape_size(c->x[2].shape)) {
        int64_t *y = reel__onnx_room(c, (size_t)n * sizeof *y);
        for (int64_t i = 0; y && i < n; i++) {
            y[i] = c->x[c->x[0].whole[i] ? 1 : 2].whole[i];
        }
        return reel__onnx_put_whole(c, c->x[0].shape, y);
    }
    return put(c, reel_where(x_of(c), reel__onnx_var(c, 1), reel__onnx_var(c, 2)));
}

static bool cast(run *c)
{
    int64_t to = reel__onnx_get_int(c, "to", 0);
    bool real =
        to == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || to == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
    bool whole =
        to == ONNX__TENSOR_PROTO__DATA_TYPE__INT32 || to == ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    const reel__onnx_value *x = &c->x[0];
    if (!reel__onnx_has(c, 0) || (!real && !whole && to != ONNX__TENSOR_PROTO__DATA_TYPE__BOOL)) {
        return reel__onnx_fail(c, REEL_UNSUPPORTED, "a cast to type %lld", (long long)to);
    }
    if (x->kind == REEL__ONNX_WHOLE && whole) {
        return identity(c);
    }
    bool index = x->kind == REEL__ONNX_VAR && reel_is_index(x->var);
    if (index ? !whole : whole && !x->truth) {
        return reel__onnx_fail(c, REEL_UNSUPPORTED,
                               "a cast between computed numbers and computed indices");
    }
    if (real || whole) { /* ones and zeros stay what they are */
        bool fine = put(c, x_of(c));
        c->y[0].truth = x->truth && whole;
        return fine;
    }
    return put_truth(c, x->truth ? x_of(c) : is_true(x_of(c)));
}

/* ---- products -------------------------------------------------------------------------------- */

static bool matmul(run *c)
{
    return put(c, reel_matmul(x_of(c), reel__onnx_var(c, 1)));
}

static bool gemm(run *c)
{
    reel_matmul_options options = { .transpose_a = reel__onnx_get_int(c, "transA", 0),
                                    .transpose_b = reel__onnx_get_int(c, "transB", 0) };
    double alpha = reel__onnx_get_real(c, "alpha", 1), beta = reel__onnx_get_real(c, "beta", 1);
    reel_var y = reel_matmul_ex(x_of(c), reel__onnx_var(c, 1), options);
    y = alpha == 1 ? y : reel_scale(y, alpha);
    if (reel__onnx_has(c, 2) && beta != 0) {
        reel_var bias = reel__onnx_var(c, 2);
        y = reel_add(y, beta == 1 ? bias : reel_scale(bias, beta));
    }
    return put(c, y);
}

static bool layer_normalization(run *c)
{
    reel_var x = x_of(c), none = { 0 };
    int64_t axis = reel__onnx_get_int(c, "axis", -1);
    if (axis != -1 && axis != rank_of(x) - 1) {
        return reel__onnx_fail(c, REEL_UNSUPPORTED, "over more than the last axis");
    }
    return put(c, reel_layer_norm(x, reel__onnx_var(c, 1),
                                  reel__onnx_has(c, 2) ? reel__onnx_var(c, 2) : none,
                                  reel__onnx_get_real(c, "epsilon", 1e-5)));
}

/* ---- the table ------------------------------------------------------------------------------- */

typedef struct {
    const char *type;
    bool (*record)(run *);
    int least; /* inputs */
} row;

static const row rows[] = {
    { "ArgMax", reel__onnx_argmax, 1 },
    { "Cast", cast, 1 },
    { "Clip", clip, 1 },
    { "Concat", reel__onnx_concat, 1 },
    { "Constant", reel__onnx_constant_node, 0 },
    { "ConstantOfShape", reel__onnx_constant_of_shape, 1 },
    { "CumSum", reel__onnx_cumsum, 2 },
    { "Dropout", identity, 1 }, /* a model that is run does not train */
    { "Elu", elu, 1 },
    { "Expand", reel__onnx_expand, 2 },
    { "Flatten", reel__onnx_flatten, 1 },
    { "GRU", reel__onnx_recurrent, 3 },
    { "Gather", reel__onnx_gather, 2 },
    { "GatherElements", reel__onnx_gather_elements, 2 },
    { "Gelu", gelu, 1 },
    { "Gemm", gemm, 2 },
    { "HardSigmoid", hard_sigmoid, 1 },
    { "Identity", identity, 1 },
    { "LSTM", reel__onnx_recurrent, 3 },
    { "LayerNormalization", layer_normalization, 2 },
    { "LeakyRelu", leaky_relu, 1 },
    { "LogSoftmax", reel__onnx_softmax, 1 },
    { "MatMul", matmul, 2 },
    { "OneHot", reel__onnx_one_hot, 3 },
    { "Pad", reel__onnx_pad, 1 },
    { "RNN", reel__onnx_recurrent, 3 },
    { "ReduceL2", reel__onnx_reduce, 1 },
    { "ReduceLogSumExp", reel__onnx_reduce, 1 },
    { "ReduceMax", reel__onnx_reduce, 1 },
    { "ReduceMean", reel__onnx_reduce, 1 },
    { "ReduceMin", reel__onnx_reduce, 1 },
    { "ReduceProd", reel__onnx_reduce, 1 },
    { "ReduceSum", reel__onnx_reduce, 1 },
    { "ReduceSumSquare", reel__onnx_reduce, 1 },
    { "Reshape", reel__onnx_reshape, 2 },
    { "Scan", reel__onnx_scan, 1 },
    { "ScatterND", reel__onnx_scatter, 3 },
    { "Shape", reel__onnx_shape, 1 },
    { "Slice", reel__onnx_slice, 1 },
    { "Softmax", reel__onnx_softmax, 1 },
    { "Split", reel__onnx_split, 1 },
    { "Squeeze", reel__onnx_squeeze, 1 },
    { "Transpose", reel__onnx_transpose, 1 },
    { "Unsqueeze", reel__onnx_unsqueeze, 1 },
    { "Where", where, 3 },
};

static const row *row_of(const char *type)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].type, type) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool reel__onnx_knows(const Onnx__NodeProto *node)
{
    bool standard =
        node->domain == NULL || node->domain[0] == '\0' || strcmp(node->domain, "ai.onnx") == 0;
    return standard && node->op_type && (element_row_of(node->op_type) || row_of(node->op_type));
}

bool reel__onnx_run_node(run *c)
{
    const element_row *element = element_row_of(c->node->op_type);
    const row *other = element ? NULL : row_of(c->node->op_type);
    int least = element ? 1 : other->least;
    if (c->inputs < least || c->outputs < 1) {
        return reel__onnx_fail(c, REEL_BAD_FILE, "%d inputs and %d outputs", c->inputs, c->outputs);
    }
    bool fine = element ? run_element(c, element) : other->record(c);
    if (!fine && c->model->tape->error.status == REEL_OK) {
        return reel__onnx_fail(c, REEL_UNSUPPORTED, "not in this form");
    }
    return fine && !c->failed;
}
#else
typedef int reel__no_onnx_nodes; /* a translation unit is never empty */
#endif
