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
static reel_var round_of(reel_var x) /* halves to even */
{
    reel_var up = reel_floor(reel_shift(x, 0.5));
    reel_var half = reel_equal(reel_sub(up, x), reel_scalar(x.tape, 0.5));
    reel_var odd = reel_sub(up, reel_scale(reel_floor(reel_scale(up, 0.5)), 2));
    return reel_sub(up, reel_mul(half, odd));
}
static reel_var either(reel_var a, reel_var b)
{
    return reel_maximum(a, b);
}
static reel_var remainder_of(reel_var a, reel_var b) /* with the sign of b */
{
    return reel_sub(a, reel_mul(reel_floor(reel_div(a, b)), b));
}

typedef struct {
    const char *type;
    one_fn one;
    two_fn two; /* more inputs than two are taken from left to right */
    bool truth; /* what comes out is boolean */
} element_row;

static const element_row element_rows[] = {
    { "Abs", reel_abs },
    { "Add", .two = reel_add },
    { "And", .two = reel_mul, .truth = true },
    { "Atanh", atanh_of },
    { "Ceil", ceiling },
    { "Cos", reel_cos },
    { "Div", .two = reel_div },
    { "Equal", .two = reel_equal, .truth = true },
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
    { "Max", .two = reel_maximum },
    { "Min", .two = reel_minimum },
    { "Mul", .two = reel_mul },
    { "Neg", reel_neg },
    { "Not", not_of, .truth = true },
    { "Or", .two = either, .truth = true },
    { "Pow", .two = reel_pow },
    { "Reciprocal", reel_reciprocal },
    { "Relu", reel_relu },
    { "Round", round_of },
    { "Sigmoid", reel_sigmoid },
    { "Sign", reel_sign },
    { "Sin", reel_sin },
    { "Sqrt", reel_sqrt },
    { "Sub", .two = reel_sub },
    { "Sum", .two = reel_add },
    { "Tan", reel_tan },
    { "Tanh", reel_tanh },
    { "Xor", .two = reel_not_equal, .truth = true },
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

static bool run_element(run *c, const element_row *row)
{
    bool done, fine = reel__onnx_whole_elements(c, &done);
    if (done) {
        return fine;
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

static bool mod(run *c)
{
    bool done, fine = reel__onnx_whole_elements(c, &done);
    if (done) {
        return fine;
    }
    reel_var x = x_of(c), y = reel__onnx_var(c, 1);
    if (!reel__onnx_get_int(c, "fmod", 0)) {
        return put(c, remainder_of(x, y));
    }
    return put(c, reel_mul(reel_sign(x), remainder_of(reel_abs(x), reel_abs(y))));
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
    bool whole = reel__onnx_is_whole(c, 1) && reel__onnx_is_whole(c, 2);
    bool truth = c->x[1].truth && c->x[2].truth;
    if (whole && !(truth && c->x[0].kind == REEL__ONNX_VAR)) {
        return reel__onnx_whole_where(c);
    }
    bool fine = put(c, reel_where(x_of(c), reel__onnx_var(c, 1), reel__onnx_var(c, 2)));
    c->y[0].truth = truth;
    return fine;
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

/* ---- the table ------------------------------------------------------------------------------- */

typedef struct {
    const char *type;
    bool (*record)(run *);
    int least; /* inputs */
} row;

static const row rows[] = {
    { "ArgMax", reel__onnx_argmax, 1 },
    { "AveragePool", reel__onnx_pool, 1 },
    { "BatchNormalization", reel__onnx_batch_normalization, 5 },
    { "Cast", reel__onnx_cast, 1 },
    { "CastLike", reel__onnx_cast_like, 2 },
    { "Clip", clip, 1 },
    { "Concat", reel__onnx_concat, 1 },
    { "ConcatFromSequence", reel__onnx_concat_from_sequence, 1 },
    { "Constant", reel__onnx_constant_node, 0 },
    { "ConstantOfShape", reel__onnx_constant_of_shape, 1 },
    { "Conv", reel__onnx_conv, 2 },
    { "CumSum", reel__onnx_cumsum, 2 },
    { "Dropout", identity, 1 }, /* a model that is run does not train */
    { "Einsum", reel__onnx_einsum, 1 },
    { "Expand", reel__onnx_expand, 2 },
    { "Flatten", reel__onnx_flatten, 1 },
    { "GRU", reel__onnx_recurrent, 3 },
    { "Gather", reel__onnx_gather, 2 },
    { "GatherElements", reel__onnx_gather_elements, 2 },
    { "GatherND", reel__onnx_gather_nd, 2 },
    { "Gemm", gemm, 2 },
    { "GlobalAveragePool", reel__onnx_global_pool, 1 },
    { "GlobalMaxPool", reel__onnx_global_pool, 1 },
    { "GroupNormalization", reel__onnx_group_normalization, 3 },
    { "Identity", identity, 1 },
    { "If", reel__onnx_if, 1 },
    { "InstanceNormalization", reel__onnx_instance_normalization, 3 },
    { "LSTM", reel__onnx_recurrent, 3 },
    { "LayerNormalization", reel__onnx_layer_normalization, 2 },
    { "LogSoftmax", reel__onnx_softmax, 1 },
    { "MatMul", matmul, 2 },
    { "MaxPool", reel__onnx_pool, 1 },
    { "Mod", mod, 2 },
    { "OneHot", reel__onnx_one_hot, 3 },
    { "Pad", reel__onnx_pad, 1 },
    { "RMSNormalization", reel__onnx_layer_normalization, 2 },
    { "RNN", reel__onnx_recurrent, 3 },
    { "Range", reel__onnx_range, 3 },
    { "ReduceL1", reel__onnx_reduce, 1 },
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
    { "ScatterElements", reel__onnx_scatter_elements, 3 },
    { "ScatterND", reel__onnx_scatter, 3 },
    { "SequenceAt", reel__onnx_sequence_at, 2 },
    { "SequenceConstruct", reel__onnx_sequence_construct, 1 },
    { "SequenceEmpty", reel__onnx_sequence_construct, 0 },
    { "SequenceInsert", reel__onnx_sequence_insert, 2 },
    { "SequenceLength", reel__onnx_sequence_length, 1 },
    { "Shape", reel__onnx_shape, 1 },
    { "Size", reel__onnx_size, 1 },
    { "Slice", reel__onnx_slice, 1 },
    { "Softmax", reel__onnx_softmax, 1 },
    { "Split", reel__onnx_split, 1 },
    { "SplitToSequence", reel__onnx_split_to_sequence, 1 },
    { "Squeeze", reel__onnx_squeeze, 1 },
    { "Tile", reel__onnx_tile, 2 },
    { "Transpose", reel__onnx_transpose, 1 },
    { "Trilu", reel__onnx_trilu, 1 },
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
    return standard && node->op_type &&
           (element_row_of(node->op_type) || row_of(node->op_type) ||
            reel__onnx_knows_activation(node->op_type));
}

bool reel__onnx_run_node(run *c)
{
    const element_row *element = element_row_of(c->node->op_type);
    const row *other = element ? NULL : row_of(c->node->op_type);
    int least = other ? other->least : 1;
    if (c->inputs < least || c->outputs < 1) {
        return reel__onnx_fail(c, REEL_BAD_FILE, "%d inputs and %d outputs", c->inputs, c->outputs);
    }
    bool fine = element ? run_element(c, element)
                : other ? other->record(c)
                        : reel__onnx_activation(c);
    if (!fine && c->model->tape->error.status == REEL_OK) {
        return reel__onnx_fail(c, REEL_UNSUPPORTED, "not in this form");
    }
    return fine && !c->failed;
}
#else
typedef int reel__no_onnx_nodes; /* a translation unit is never empty */
#endif
