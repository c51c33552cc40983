/* onnx_operators_axis.c: ops along axes as ONNX operators: reductions, softmax, recurrences, products. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <math.h>

#include "onnx_calls.h"

/* ---- along an axis --------------------------------------------------------------------------- */

static const char *reduced(op_call *c, const char *type, bool keep)
{
    const char *y = ints(c, type, c->x[0], 1, (int64_t[]){ reel__listed_int(c->y, "axis") });
    reel__onnx_set_int(c->g, "keepdims", keep);
    return y;
}

static const char *reduce(op_call *c)
{
    return reduced(c, c->type, reel__listed_int(c->y, "keep"));
}

static const char *along_axis(op_call *c, const char *type)
{
    const char *y = one(c, type, c->x[0]);
    reel__onnx_set_int(c->g, "axis", reel__listed_int(c->y, "axis"));
    return y;
}

/* Where the largest of a row is infinite, minus infinity says that all are. */
static const char *is_all_low(op_call *c, bool keep)
{
    return two(c, "Equal", reduced(c, "ReduceMax", keep), number(c, -INFINITY));
}

/* A row of -infinity: ONNX leaves NaN, reel says what the probability of nothing is. */
static const char *softmax(op_call *c)
{
    if (c->y->size == 0) {
        return identity(c);
    }
    return three(c, "Where", is_all_low(c, true), number(c, 0), along_axis(c, "Softmax"));
}

static const char *log_softmax(op_call *c)
{
    if (c->y->size == 0) {
        return identity(c);
    }
    return three(c, "Where", is_all_low(c, true), number(c, -INFINITY),
                 along_axis(c, "LogSoftmax"));
}

/* NaN wins, which runtimes do not promise. */
static const char *extremum(op_call *c)
{
    bool keep = reel__listed_int(c->y, "keep");
    const char *nan = cast(c, one(c, "IsNaN", c->x[0]), REEL__ONNX_INT32);
    const char *any = ints(c, "ReduceMax", nan, 1, (int64_t[]){ reel__listed_int(c->y, "axis") });
    reel__onnx_set_int(c->g, "keepdims", keep);
    return three(c, "Where", cast(c, any, REEL__ONNX_BOOL), number(c, NAN),
                 reduced(c, c->type, keep));
}

/* m + log Σ exp(x - m), m the largest; as the operator does it, but for infinite m */
static const char *logsumexp(op_call *c)
{
    bool keep = reel__listed_int(c->y, "keep");
    if (reel__listed_input(c->list, c->y, 0)->size == 0) {
        return reel__onnx_filled(c->g, &c->y->shape, -INFINITY);
    }
    const char *m = reduced(c, "ReduceMax", true);
    const char *shifted =
        two(c, "Sub", c->x[0], three(c, "Where", one(c, "IsInf", m), number(c, 0), m));
    const char *total = ints(c, "ReduceSum", one(c, "Exp", shifted), 1,
                             (int64_t[]){ reel__listed_int(c->y, "axis") });
    reel__onnx_set_int(c->g, "keepdims", 1);
    const char *y =
        two(c, "Add", one(c, "Log", total), three(c, "Where", one(c, "IsInf", m), number(c, 0), m));
    return keep ? y : ints(c, "Squeeze", y, 1, (int64_t[]){ reel__listed_int(c->y, "axis") });
}

/* The first NaN is the largest. */
static const char *argmax(op_call *c)
{
    const char *nan = one(c, "IsNaN", c->x[0]);
    const char *ordered = three(c, "Where", nan, number(c, INFINITY), c->x[0]);
    const char *y = one(c, "ArgMax", ordered);
    reel__onnx_set_int(c->g, "axis", reel__listed_int(c->y, "axis"));
    reel__onnx_set_int(c->g, "keepdims", reel__listed_int(c->y, "keep"));
    return cast(c, y, REEL__ONNX_INT32);
}

static const char *cumsum(op_call *c)
{
    return ints(c, "CumSum", c->x[0], 1, (int64_t[]){ reel__listed_int(c->y, "axis") });
}

static const char *sum_to(op_call *c)
{
    const reel_shape *x = shape_of(c, 0), *y = &c->y->shape;
    int64_t axes[REEL_MAX_RANK];
    int n = 0;
    for (int i = 0, lead = x->rank - y->rank; i < x->rank; i++) {
        if (i < lead || (y->dim[i - lead] == 1 && x->dim[i] != 1)) {
            axes[n++] = i;
        }
    }
    const char *sum = n ? ints(c, "ReduceSum", c->x[0], n, axes) : c->x[0];
    return ints(c, "Reshape", sum, y->rank, y->dim);
}

/* ---- linear recurrences ---------------------------------------------------------------------- */

static const char *half_of(op_call *c, const char *x, int axis, int64_t half, bool second)
{
    return part(c, x, axis, second ? half : 0, second ? 2 * half : half, 1);
}

/* (p + iq)(r + is), both with real parts in front of imaginary ones along the axis */
static const char *complex_product(op_call *c, const char *a, const char *h, int axis, int64_t half)
{
    const char *p = half_of(c, a, axis, half, false), *q = half_of(c, a, axis, half, true);
    const char *r = half_of(c, h, axis, half, false), *s = half_of(c, h, axis, half, true);
    const char *real = two(c, "Sub", two(c, "Mul", p, r), two(c, "Mul", q, s));
    const char *imaginary = two(c, "Add", two(c, "Mul", p, s), two(c, "Mul", q, r));
    const char *y = two(c, "Concat", real, imaginary);
    reel__onnx_set_int(c->g, "axis", axis);
    return y;
}

/* Step by step: h becomes a[t]∘h + b[t]; each keeps its axis of steps, of length 1. */
static const char *linear_scan(op_call *c)
{
    const reel_shape *shape = &c->y->shape;
    int64_t steps = shape->dim[0], half = shape->dim[shape->rank - 1] / 2;
    const char **y = reel__arena_take(c->g->tape, &c->g->arena, (size_t)steps * sizeof *y + 8);
    const char *h = ints(c, "Unsqueeze", c->x[2], 1, (int64_t[]){ 0 });
    c->g->failed = c->g->failed || y == NULL;
    if (c->y->size == 0 || c->g->failed) {
        return one(c, "Identity", c->x[1]);
    }
    for (int64_t i = 0; i < steps; i++) {
        int64_t t = reel__listed_int(c->y, "reverse") ? steps - 1 - i : i;
        const char *a = part(c, c->x[0], 0, t, t + 1, 1), *b = part(c, c->x[1], 0, t, t + 1, 1);
        const char *decayed = reel__listed_int(c->y, "complex_values")
                                  ? complex_product(c, a, h, shape->rank - 1, half)
                                  : two(c, "Mul", a, h);
        y[t] = h = two(c, "Add", decayed, b);
    }
    const char *all = reel__onnx_call(c->g, "Concat", (int)steps, y);
    reel__onnx_set_int(c->g, "axis", 0);
    return all;
}

/* ---- products -------------------------------------------------------------------------------- */

static const char *with_last_two_swapped(op_call *c, int input)
{
    int64_t axes[REEL_MAX_RANK];
    int rank = shape_of(c, input)->rank;
    for (int i = 0; i < rank; i++) {
        axes[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    }
    const char *y = one(c, "Transpose", c->x[input]);
    reel__onnx_set_ints(c->g, "perm", rank, axes);
    return y;
}

/* ONNX Runtime fuses a transposition with a product by a vector into something else, so a vector is
 * a matrix for the time being. */
static const char *transposed_by_vector(op_call *c, bool a)
{
    const char *vector = ints(c, "Unsqueeze", c->x[a ? 1 : 0], 1, (int64_t[]){ a ? 1 : 0 });
    const char *y = a ? two(c, "Gemm", c->x[0], vector) : two(c, "Gemm", vector, c->x[1]);
    reel__onnx_set_int(c->g, a ? "transA" : "transB", 1);
    return ints(c, "Squeeze", y, 1, (int64_t[]){ a ? 1 : 0 });
}

static const char *matmul(op_call *c)
{
    bool a = reel__listed_int(c->y, "transpose_a"), b = reel__listed_int(c->y, "transpose_b");
    int rank_a = shape_of(c, 0)->rank, rank_b = shape_of(c, 1)->rank;
    if ((a || b) && rank_a == 2 && rank_b == 2) {
        const char *y = two(c, "Gemm", c->x[0], c->x[1]);
        reel__onnx_set_int(c->g, "transA", a);
        reel__onnx_set_int(c->g, "transB", b);
        return y;
    }
    if ((a || b) && rank_a + rank_b == 3) {
        return transposed_by_vector(c, a);
    }
    const char *left = a ? with_last_two_swapped(c, 0) : c->x[0];
    return two(c, "MatMul", left, b ? with_last_two_swapped(c, 1) : c->x[1]);
}

/* ---- the table ------------------------------------------------------------------------------- */

const reel__onnx_row reel__onnx_axis_rows[] = {
    { "argmax", argmax, NULL },
    { "cumsum", cumsum, NULL },
    { "linear_scan", linear_scan, NULL },
    { "log_softmax", log_softmax, NULL },
    { "logsumexp", logsumexp, NULL },
    { "matmul", matmul, NULL },
    { "max", extremum, "ReduceMax" },
    { "min", extremum, "ReduceMin" },
    { "prod", reduce, "ReduceProd" },
    { "softmax", softmax, NULL },
    { "sum", reduce, "ReduceSum" },
    { "sum_to", sum_to, NULL },
    { 0 },
};
#else
typedef int reel__no_onnx_operators_axis; /* a translation unit is never empty */
#endif
