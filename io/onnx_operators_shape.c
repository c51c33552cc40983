/* onnx_operators_shape.c: ops that change shapes, look up by index or have no inputs, as ONNX
 * operators. */
#ifdef REEL_HAVE_PROTOBUF_C
#include "onnx_calls.h"

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
    const char *y = three(c, "OneHot", rows, reel__onnx_int(c->g, length), values);
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

const reel__onnx_row reel__onnx_shape_rows[] = {
    { "at", at, NULL },
    { "concat", concat, "Concat" },
    { "dropout_mask", dropout_mask, NULL },
    { "expand", expand, NULL },
    { "fill", fill, NULL },
    { "flip", flip, NULL },
    { "gather", gather, "Gather" },
    { "one_hot", one_hot, NULL },
    { "pad", pad, NULL },
    { "permute", permute, NULL },
    { "pick", pick, NULL },
    { "pick_transpose", pick_transpose, NULL },
    { "random_bernoulli", random_bernoulli, NULL },
    { "random_normal", random_normal, NULL },
    { "random_uniform", random_uniform, NULL },
    { "reshape", reshape, NULL },
    { "scatter_add", scatter_add, NULL },
    { "scatter_rows", scatter_rows, NULL },
    { "slice", slice, NULL },
    { "squeeze", one_axis, "Squeeze" },
    { "stack", stack, NULL },
    { "transpose", transpose, NULL },
    { "unsqueeze", one_axis, "Unsqueeze" },
    { 0 },
};
#else
typedef int reel__no_onnx_operators_shape; /* a translation unit is never empty */
#endif
