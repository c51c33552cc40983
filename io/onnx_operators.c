/* onnx_operators.c: each op as ONNX operators, one row of a table and at most one small function.
 *
 * Where ONNX leaves open what happens at the edges (NaN, infinities, a row of -infinity), or its
 * runtimes differ, the nodes written say what reel does. */
#ifdef REEL_HAVE_PROTOBUF_C
#include "onnx_operators.h"

#include <math.h>
#include <string.h>

typedef const reel__onnx_op_call op_call;

static const char *one(op_call *c, const char *type, const char *x)
{
    return reel__onnx_call(c->g, type, 1, &x);
}

static const char *two(op_call *c, const char *type, const char *a, const char *b)
{
    return reel__onnx_call(c->g, type, 2, (const char *[]){ a, b });
}

static const char *three(op_call *c, const char *type, const char *a, const char *b, const char *d)
{
    return reel__onnx_call(c->g, type, 3, (const char *[]){ a, b, d });
}

static const char *number(op_call *c, double value)
{
    return reel__onnx_number(c->g, value);
}

static const char *cast(op_call *c, const char *x, int32_t type)
{
    const char *y = one(c, "Cast", x);
    reel__onnx_set_int(c->g, "to", type);
    return y;
}

static const char *to_real(op_call *c, const char *x)
{
    return cast(c, x, reel__onnx_real_type(c->list->tape));
}

static const char *ints(op_call *c, const char *type, const char *x, int n, const int64_t values[])
{
    return two(c, type, x, reel__onnx_ints(c->g, n, values));
}

static const reel_shape *shape_of(op_call *c, int input)
{
    return &reel__listed_input(c->list, c->y, input)->shape;
}

static const char *part(op_call *c, const char *x, int64_t axis, int64_t begin, int64_t end,
                        int64_t step)
{
    return reel__onnx_call(
        c->g, "Slice", 5,
        (const char *[]){ x, reel__onnx_ints(c->g, 1, &begin), reel__onnx_ints(c->g, 1, &end),
                          reel__onnx_ints(c->g, 1, &axis), reel__onnx_ints(c->g, 1, &step) });
}

/* ---- element by element ---------------------------------------------------------------------- */

/* The operator of the row does the same. */
static const char *same(op_call *c)
{
    return reel__onnx_call(c->g, c->type, c->y->inputs, c->x);
}

static const char *identity(op_call *c)
{
    return one(c, "Identity", c->x[0]);
}

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

/* ---- shape ----------------------------------------------------------------------------------- */

static const char *reshape(op_call *c)
{
    const char *y = ints(c, "Reshape", c->x[0], c->y->shape.rank, c->y->shape.dim);
    reel__onnx_set_int(c->g, "allowzero", 1);
    return y;
}

static const char *expand(op_call *c)
{
    return ints(c, "Expand", c->x[0], c->y->shape.rank, c->y->shape.dim);
}

static const char *one_axis(op_call *c)
{
    return ints(c, c->type, c->x[0], 1, (int64_t[]){ reel__listed_int(c->y, "axis") });
}

static const char *transpose(op_call *c)
{
    int64_t axes[REEL_MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    int64_t a = reel__listed_int(c->y, "axis_a"), b = reel__listed_int(c->y, "axis_b");
    axes[a] = b;
    axes[b] = a;
    const char *y = one(c, "Transpose", c->x[0]);
    reel__onnx_set_ints(c->g, "perm", c->y->shape.rank, axes);
    return y;
}

static const char *permute(op_call *c)
{
    reel_shape axes = reel__listed_shape(c->y, "axes");
    const char *y = one(c, "Transpose", c->x[0]);
    reel__onnx_set_ints(c->g, "perm", axes.rank, axes.dim);
    return y;
}

static const char *flip(op_call *c)
{
    return part(c, c->x[0], reel__listed_int(c->y, "axis"), -1, INT64_MIN + 1, -1);
}

static const char *slice(op_call *c)
{
    return part(c, c->x[0], reel__listed_int(c->y, "axis"), reel__listed_int(c->y, "begin"),
                reel__listed_int(c->y, "end"), 1);
}

static const char *at(op_call *c)
{
    int64_t index = reel__listed_int(c->y, "index");
    const char *row = part(c, c->x[0], 0, index, index + 1, 1);
    return ints(c, "Squeeze", row, 1, (int64_t[]){ 0 });
}

static const char *concat(op_call *c)
{
    const char *y = same(c);
    reel__onnx_set_int(c->g, "axis", reel__listed_int(c->y, "axis"));
    return y;
}

/* Along the axis before, then with the new axis in the middle. */
static const char *stack(op_call *c)
{
    int64_t axis = reel__listed_int(c->y, "axis");
    const char **x =
        reel__arena_take(c->g->tape, &c->g->arena, (size_t)c->y->inputs * sizeof *x + sizeof *x);
    for (int i = 0; x && i < c->y->inputs; i++) {
        x[i] = ints(c, "Unsqueeze", c->x[i], 1, &axis);
    }
    c->g->failed = c->g->failed || x == NULL;
    const char *y = reel__onnx_call(c->g, "Concat", x ? c->y->inputs : 0, x);
    reel__onnx_set_int(c->g, "axis", axis);
    return y;
}

static const char *pad(op_call *c)
{
    int64_t pads[2 * REEL_MAX_RANK] = { 0 }, axis = reel__listed_int(c->y, "axis");
    pads[axis] = reel__listed_int(c->y, "before");
    pads[axis + c->y->shape.rank] = reel__listed_int(c->y, "after");
    return three(c, "Pad", c->x[0], reel__onnx_ints(c->g, 2 * c->y->shape.rank, pads),
                 number(c, 0));
}

/* ---- by index -------------------------------------------------------------------------------- */

static const char *gather(op_call *c)
{
    const char *y = same(c);
    reel__onnx_set_int(c->g, "axis", 0);
    return y;
}

static const char *with_last_axis(op_call *c, const char *x)
{
    return ints(c, "Unsqueeze", x, 1, (int64_t[]){ -1 });
}

static const char *add_rows(op_call *c, const char *to, const char *indices, const char *rows)
{
    const char *y =
        three(c, "ScatterND", to, cast(c, with_last_axis(c, indices), REEL__ONNX_INT64), rows);
    reel__onnx_set_text(c->g, "reduction", "add");
    return y;
}

static const char *scatter_add(op_call *c)
{
    return add_rows(c, c->x[0], c->x[1], c->x[2]);
}

static const char *scatter_rows(op_call *c)
{
    return add_rows(c, reel__onnx_filled(c->g, &c->y->shape, 0), c->x[1], c->x[0]);
}

/* 1 where the element of a row lies, 0 elsewhere; float, since runtimes know OneHot of few types,
 * and with an axis more than it takes, since they know none of a single index. */
static const char *hits(op_call *c, const char *indices, int64_t length)
{
    static const float off_on[] = { 0, 1 };
    if (length == 0) {
        return reel__onnx_filled(c->g, &c->y->shape, 0);
    }
    const char *values = reel__onnx_tensor(c->g, reel__onnx_text(c->g, "off_on_%u", c->g->names++),
                                           REEL__ONNX_FLOAT, &(reel_shape){ 1, { 2 } }, off_on);
    bool single = c->y->shape.rank == 1;
    indices = cast(c, indices, REEL__ONNX_INT64);
    const char *rows = single ? ints(c, "Unsqueeze", indices, 1, (int64_t[]){ 0 }) : indices;
    const char *y = three(c, "OneHot", rows, reel__onnx_ints(c->g, 1, &length), values);
    return single ? ints(c, "Squeeze", y, 1, (int64_t[]){ 0 }) : y;
}

static const char *one_hot(op_call *c)
{
    return to_real(c, hits(c, c->x[0], reel__listed_int(c->y, "depth")));
}

static const char *pick(op_call *c)
{
    const char *y = two(c, "GatherElements", c->x[0], with_last_axis(c, c->x[1]));
    reel__onnx_set_int(c->g, "axis", shape_of(c, 0)->rank - 1);
    return ints(c, "Squeeze", y, 1, (int64_t[]){ -1 });
}

static const char *pick_transpose(op_call *c)
{
    const char *at = hits(c, c->x[1], reel__listed_int(c->y, "length"));
    return three(c, "Where", cast(c, at, REEL__ONNX_BOOL), with_last_axis(c, c->x[0]),
                 number(c, 0));
}

/* ---- without inputs -------------------------------------------------------------------------- */

static const char *fill(op_call *c)
{
    return reel__onnx_filled(c->g, &c->y->shape, reel__listed_real(c->y, "value"));
}

static const char *random(op_call *c, const char *type, const char *first, double a,
                          const char *second, double b)
{
    const char *y = reel__onnx_call(c->g, type, 0, NULL);
    reel__onnx_set_int(c->g, "dtype", reel__onnx_real_type(c->list->tape));
    reel__onnx_set_ints(c->g, "shape", c->y->shape.rank, c->y->shape.dim);
    reel__onnx_set_real(c->g, first, a);
    reel__onnx_set_real(c->g, second, b);
    return y;
}

static const char *random_uniform(op_call *c)
{
    return random(c, "RandomUniform", "low", reel__listed_real(c->y, "lo"), "high",
                  reel__listed_real(c->y, "hi"));
}

static const char *random_normal(op_call *c)
{
    return random(c, "RandomNormal", "mean", reel__listed_real(c->y, "mean"), "scale",
                  reel__listed_real(c->y, "std"));
}

static const char *chance(op_call *c, double p)
{
    return to_real(c,
                   two(c, "Less", random(c, "RandomUniform", "low", 0, "high", 1), number(c, p)));
}

static const char *random_bernoulli(op_call *c)
{
    return chance(c, reel__listed_real(c->y, "p"));
}

static const char *dropout_mask(op_call *c)
{
    double stays = 1 - reel__listed_real(c->y, "p");
    return two(c, "Div", chance(c, stays), number(c, stays));
}

/* ---- the table ------------------------------------------------------------------------------- */

typedef struct {
    const char *op;
    const char *(*write)(op_call *);
    const char *type;
} row;

static const row rows[] = {
    { "abs", same, "Abs" },
    { "accumulate", same, "Add" },
    { "add", same, "Add" },
    { "argmax", argmax, NULL },
    { "at", at, NULL },
    { "checkpoint", identity, NULL },
    { "clip_gradient", identity, NULL },
    { "clamp", clamp, NULL },
    { "concat", concat, "Concat" },
    { "cos", same, "Cos" },
    { "cumsum", cumsum, NULL },
    { "div", same, "Div" },
    { "dropout_mask", dropout_mask, NULL },
    { "elu", elu, NULL },
    { "equal", compare, "Equal" },
    { "erf", same, "Erf" },
    { "exp", same, "Exp" },
    { "expand", expand, NULL },
    { "expm1", expm1_of, NULL },
    { "fill", fill, NULL },
    { "flip", flip, NULL },
    { "floor", same, "Floor" },
    { "gather", gather, "Gather" },
    { "gelu", gelu, NULL },
    { "greater", compare, "Greater" },
    { "greater_equal", compare, "GreaterOrEqual" },
    { "hard_sigmoid", hard_sigmoid, NULL },
    { "leaky_relu", leaky_relu, NULL },
    { "less", compare, "Less" },
    { "less_equal", compare, "LessOrEqual" },
    { "linear_scan", linear_scan, NULL },
    { "log", same, "Log" },
    { "log1p", log1p_of, NULL },
    { "log_softmax", log_softmax, NULL },
    { "logsumexp", logsumexp, NULL },
    { "matmul", matmul, NULL },
    { "max", extremum, "ReduceMax" },
    { "maximum", same, "Max" },
    { "min", extremum, "ReduceMin" },
    { "minimum", same, "Min" },
    { "mul", same, "Mul" },
    { "neg", same, "Neg" },
    { "normal_cdf", normal_cdf, NULL },
    { "not_equal", not_equal, NULL },
    { "one_hot", one_hot, NULL },
    { "pad", pad, NULL },
    { "permute", permute, NULL },
    { "pick", pick, NULL },
    { "pick_transpose", pick_transpose, NULL },
    { "pow", same, "Pow" },
    { "prod", reduce, "ReduceProd" },
    { "random_bernoulli", random_bernoulli, NULL },
    { "random_normal", random_normal, NULL },
    { "random_uniform", random_uniform, NULL },
    { "reciprocal", same, "Reciprocal" },
    { "relu", keeping_nan, "Relu" },
    { "reshape", reshape, NULL },
    { "rsqrt", rsqrt_of, NULL },
    { "scale", scale, NULL },
    { "scatter_add", scatter_add, NULL },
    { "scatter_rows", scatter_rows, NULL },
    { "shift", shift, NULL },
    { "sigmoid", same, "Sigmoid" },
    { "sigmoid_gradient", sigmoid_gradient, NULL },
    { "sign", keeping_nan, "Sign" },
    { "silu", silu, NULL },
    { "sin", same, "Sin" },
    { "slice", slice, NULL },
    { "softmax", softmax, NULL },
    { "softplus", same, "Softplus" },
    { "sqrt", same, "Sqrt" },
    { "square", square, NULL },
    { "squeeze", one_axis, "Squeeze" },
    { "stack", stack, NULL },
    { "stop_gradient", identity, NULL },
    { "sub", same, "Sub" },
    { "sum", reduce, "ReduceSum" },
    { "sum_to", sum_to, NULL },
    { "tan", same, "Tan" },
    { "tanh", same, "Tanh" },
    { "tanh_gradient", tanh_gradient, NULL },
    { "transpose", transpose, NULL },
    { "unsqueeze", one_axis, "Unsqueeze" },
    { "where", where, NULL },
    { "xmul", xmul, NULL },
};

const char *reel__onnx_op(reel__onnx_graph *g, const reel__listing *l, const reel__listed *y,
                          const char *const x[])
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].op, y->op->name) == 0) {
            return rows[i].write(&(op_call){ g, l, y, x, rows[i].type });
        }
    }
    return NULL;
}
#else
typedef int reel__no_onnx_operators; /* a translation unit is never empty */
#endif
