/* onnx_reductions.c: ONNX operators along axes and by index. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;
typedef reel_var (*along)(reel_var, int axis);

static int rank_of(reel_var v)
{
    return reel_shape_of(v).rank;
}

static reel_var sum_of_squares_keep(reel_var x, int axis)
{
    return reel_sum_keep(reel_square(x), axis);
}

static reel_var sum_of_magnitudes_keep(reel_var x, int axis)
{
    return reel_sum_keep(reel_abs(x), axis);
}

typedef struct {
    const char *type;
    along keep;
    int axes_as_input; /* since this operator set */
    const char *whole; /* the operator that joins two whole numbers */
} reduction;

static const reduction reductions[] = {
    { "ReduceL1", sum_of_magnitudes_keep, 18, NULL },     { "ReduceL2", reel_norm_keep, 18, NULL },
    { "ReduceLogSumExp", reel_logsumexp_keep, 18, NULL }, { "ReduceMax", reel_max_keep, 18, "Max" },
    { "ReduceMean", reel_mean_keep, 18, NULL },           { "ReduceMin", reel_min_keep, 18, "Min" },
    { "ReduceProd", reel_prod_keep, 18, "Mul" },          { "ReduceSum", reel_sum_keep, 13, "Add" },
    { "ReduceSumSquare", sum_of_squares_keep, 18, NULL },
};

static reel_var without_axes(reel_var x, unsigned axes)
{
    for (int i = rank_of(x) - 1; i >= 0; i--) {
        x = axes >> i & 1 ? reel_squeeze(x, i) : x;
    }
    return x;
}

static bool axes_of(run *c, const reduction *r, int rank, unsigned *axes)
{
    int n;
    bool input = c->model->opset >= r->axes_as_input;
    const int64_t *list = reel__onnx_list(c, input ? 1 : -1, input ? NULL : "axes", &n);
    *axes = n <= 0 && !reel__onnx_get_int(c, "noop_with_empty_axes", 0) ? (1u << rank) - 1 : 0;
    for (int i = 0; i < n; i++) {
        int64_t axis = list[i] < 0 ? list[i] + rank : list[i];
        if (axis < 0 || axis >= rank) {
            return reel__onnx_refuse(c, "an axis out of range");
        }
        *axes |= 1u << axis;
    }
    return !c->failed;
}

bool reel__onnx_reduce(run *c)
{
    const reduction *r = reductions;
    while (strcmp(r->type, c->node->op_type) != 0) {
        r++;
    }
    bool whole = r->whole && reel__onnx_is_whole(c, 0), keep = reel__onnx_get_int(c, "keepdims", 1);
    reel_var x = whole ? (reel_var){ 0 } : reel__onnx_var(c, 0);
    reel__onnx_value numbers;
    if (whole && !reel__onnx_read_whole(c, 0, &numbers)) {
        return false;
    }
    int rank = whole ? numbers.shape.rank : rank_of(x);
    unsigned axes;
    if (rank < 0 || !axes_of(c, r, rank, &axes)) {
        return false;
    }
    if (whole) {
        return reel__onnx_whole_reduce(c, r->whole, axes, keep);
    }
    for (int i = 0; i < rank; i++) {
        x = axes >> i & 1 ? r->keep(x, i) : x;
    }
    bool fine = reel__onnx_put(c, 0, keep ? x : without_axes(x, axes));
    bool picks = strcmp(r->type, "ReduceMax") == 0 || strcmp(r->type, "ReduceMin") == 0;
    c->y[0].truth = c->x[0].truth && picks; /* the largest of ones and zeros is one of them */
    return fine;
}

bool reel__onnx_argmax(run *c)
{
    int axis = (int)reel__onnx_get_int(c, "axis", 0);
    if (reel__onnx_get_int(c, "select_last_index", 0)) {
        return reel__onnx_refuse(c, "the last of ties");
    }
    bool keep = reel__onnx_get_int(c, "keepdims", 1);
    reel_var x = reel__onnx_var(c, 0);
    return reel__onnx_put(c, 0, keep ? reel_argmax_keep(x, axis) : reel_argmax(x, axis));
}

/* Before operator set 13 all axes from `axis` on are one. */
bool reel__onnx_softmax(run *c)
{
    along apply = strcmp(c->node->op_type, "Softmax") == 0 ? reel_softmax : reel_log_softmax;
    bool old = c->model->opset < 13;
    reel_var x = reel__onnx_var(c, 0);
    int64_t axis = reel__onnx_get_int(c, "axis", old ? 1 : -1);
    if (old && axis != -1 && axis != rank_of(x) - 1) {
        return reel__onnx_refuse(c, "over several axes at once");
    }
    return reel__onnx_put(c, 0, apply(x, (int)axis));
}

bool reel__onnx_cumsum(run *c)
{
    int n;
    const int64_t *axis = reel__onnx_list(c, 1, NULL, &n);
    if (n != 1 || reel__onnx_get_int(c, "exclusive", 0)) {
        return reel__onnx_refuse(c, "exclusive, or an axis that is not known");
    }
    bool reverse = reel__onnx_get_int(c, "reverse", 0);
    reel_var x = reel__onnx_var(c, 0);
    x = reel_cumsum(reverse ? reel_flip(x, (int)axis[0]) : x, (int)axis[0]);
    return reel__onnx_put(c, 0, reverse ? reel_flip(x, (int)axis[0]) : x);
}

/* ---- by index -------------------------------------------------------------------------------- */

/* Whole numbers [outer, length, inner] by indices [...]: [outer, ..., inner]. */
static bool gather_whole(run *c, int64_t axis)
{
    reel__onnx_value x, at;
    if (!reel__onnx_read_whole(c, 0, &x) || !reel__onnx_read_whole(c, 1, &at)) {
        return false;
    }
    axis = axis < 0 ? axis + x.shape.rank : axis;
    if (axis < 0 || axis >= x.shape.rank || x.shape.rank - 1 + at.shape.rank > REEL_MAX_RANK) {
        return reel__onnx_refuse(c, "an axis out of range");
    }
    reel_shape shape = { 0 };
    int64_t outer = 1, inner = 1, length = x.shape.dim[axis], n = reel_shape_size(at.shape);
    for (int i = 0; i < x.shape.rank; i++) {
        outer *= i < axis ? x.shape.dim[i] : 1;
        inner *= i > axis ? x.shape.dim[i] : 1;
        for (int k = 0; i == axis && k < at.shape.rank; k++) {
            shape.dim[shape.rank++] = at.shape.dim[k];
        }
        if (i != axis) {
            shape.dim[shape.rank++] = x.shape.dim[i];
        }
    }
    int64_t *y = reel__onnx_room(c, (size_t)(outer * n * inner) * sizeof *y);
    for (int64_t i = 0; y && i < outer * n; i++) {
        int64_t own = at.whole[i % n];
        own += own < 0 ? length : 0;
        if (own < 0 || own >= length) {
            return reel__onnx_refuse(c, "an index out of range");
        }
        memcpy(y + i * inner, x.whole + (i / n * length + own) * inner, (size_t)inner * sizeof *y);
    }
    bool fine = reel__onnx_put_whole(c, shape, y);
    c->y[0].truth = x.truth;
    return fine;
}

/* By one index of the file: a view. */
static bool gather_one(run *c, int64_t axis)
{
    reel_var x = reel__onnx_var(c, 0);
    int rank = rank_of(x);
    int64_t at = *c->x[1].whole, length = axis >= 0 && axis < rank ? reel_shape_of(x).dim[axis] : 0;
    at += at < 0 ? length : 0;
    if (at < 0 || at >= length) {
        return reel__onnx_refuse(c, "an index out of range");
    }
    reel_var y =
        axis == 0 ? reel_at(x, at) : reel_squeeze(reel_slice(x, (int)axis, at, at + 1), (int)axis);
    bool fine = reel__onnx_put(c, 0, y);
    c->y[0].truth = c->x[0].truth;
    return fine;
}

/* Indices that count from the end are turned round; only those of the file can be known to. */
static bool indices_of(run *c, int input, int64_t length, reel_var *indices)
{
    if (c->x[input].kind == REEL__ONNX_WHOLE) {
        int64_t n = reel_shape_size(c->x[input].shape);
        int64_t *turned = reel__arena_take(c->model->tape, &c->model->running, (size_t)n * 8 + 8);
        for (int64_t i = 0; turned && i < n; i++) {
            int64_t at = c->x[input].whole[i];
            turned[i] = at < 0 ? at + length : at;
        }
        reel__onnx_value value = c->x[input];
        value.whole = turned;
        reel__onnx_run as_input = *c;
        as_input.x = &value;
        as_input.inputs = 1;
        *indices = turned ? reel__onnx_index(&as_input, 0) : (reel_var){ c->model->tape, 0 };
    } else {
        *indices = reel__onnx_var(c, input);
    }
    return indices->id != 0;
}

/* Along another axis than the first: it is brought to the front and its place taken by the
 * indices'. */
reel_var reel__onnx_gather_along(reel_var x, reel_var indices, int axis)
{
    int order[REEL_MAX_RANK], rank = rank_of(x), n = 0, added = rank_of(indices);
    order[n++] = axis;
    for (int i = 0; i < rank; i++) {
        if (i != axis) {
            order[n++] = i;
        }
    }
    reel_var y = reel_gather(reel_permute_n(x, rank, order), indices);
    int back[REEL_MAX_RANK] = { 0 }, all = rank_of(y);
    for (int i = 0; i < all; i++) {
        back[i] = i < axis ? added + i : i < axis + added ? i - axis : i;
    }
    return all < 0 ? y : reel_permute_n(y, all, back);
}

bool reel__onnx_gather(run *c)
{
    int64_t axis = reel__onnx_get_int(c, "axis", 0);
    if (!reel__onnx_has(c, 0) || !reel__onnx_has(c, 1)) {
        return reel__onnx_refuse(c, "an input is missing");
    }
    bool fixed = c->x[1].kind == REEL__ONNX_WHOLE, data = c->x[0].kind == REEL__ONNX_WHOLE;
    if (fixed && !data && c->x[1].shape.rank == 0) {
        int rank = reel_shape_of(c->x[0].var).rank;
        return gather_one(c, axis < 0 ? axis + rank : axis);
    }
    if ((fixed && data) || reel__onnx_is_whole(c, 0)) {
        return gather_whole(c, axis);
    }
    reel_var x = reel__onnx_var(c, 0), indices;
    int rank = rank_of(x);
    axis = axis < 0 ? axis + rank : axis;
    if (axis < 0 || axis >= rank || !indices_of(c, 1, reel_shape_of(x).dim[axis], &indices)) {
        return reel__onnx_refuse(c, "an axis or index out of range");
    }
    return reel__onnx_put(
        c, 0, axis ? reel__onnx_gather_along(x, indices, (int)axis) : reel_gather(x, indices));
}

/* One element of each row of the last axis is picked by indices that need not be read. */
bool reel__onnx_gather_elements(run *c)
{
    reel_var x = reel__onnx_any(c, 0), indices;
    int rank = rank_of(x);
    int64_t axis = reel__onnx_get_int(c, "axis", 0);
    reel_shape at =
        c->x[1].kind == REEL__ONNX_WHOLE ? c->x[1].shape : reel_shape_of(reel__onnx_var(c, 1));
    bool picks = rank > 0 && (axis == -1 || axis == rank - 1) && at.rank == rank &&
                 at.dim[rank - 1] == 1 && !reel_is_index(x);
    for (int i = 0; picks && i < rank - 1; i++) {
        picks = at.dim[i] == reel_shape_of(x).dim[i];
    }
    if (!picks) {
        return reel__onnx_gather_places(c);
    }
    if (!indices_of(c, 1, reel_shape_of(x).dim[rank - 1], &indices)) {
        return false;
    }
    return reel__onnx_put(c, 0, reel_unsqueeze(reel_pick(x, reel_squeeze(indices, -1)), -1));
}

/* Rows that are added by one index each need not have it read. */
bool reel__onnx_scatter(run *c)
{
    const Onnx__AttributeProto *how = reel__onnx_attribute(c->node, "reduction");
    reel_var x = reel__onnx_var(c, 0), indices;
    bool adds = how && how->s.len == 3 && memcmp(how->s.data, "add", 3) == 0;
    bool computed = reel__onnx_has(c, 1) && c->x[1].kind == REEL__ONNX_VAR;
    reel_shape at = computed ? reel_shape_of(c->x[1].var) : c->x[1].shape;
    if (!adds || at.rank < 1 || at.dim[at.rank - 1] != 1 || rank_of(x) < 1) {
        return reel__onnx_scatter_nd(c);
    }
    if (!indices_of(c, 1, reel_shape_of(x).dim[0], &indices)) {
        return false;
    }
    return reel__onnx_put(c, 0,
                          reel_scatter_add(x, reel_squeeze(indices, -1), reel__onnx_var(c, 2)));
}

bool reel__onnx_one_hot(run *c)
{
    int n;
    const int64_t *depth = reel__onnx_list(c, 1, NULL, &n);
    reel_var values = reel__onnx_var(c, 2), indices;
    int64_t axis = reel__onnx_get_int(c, "axis", -1);
    if (n != 1 || axis != -1 || reel_shape_size(reel_shape_of(values)) != 2 ||
        !reel__onnx_has(c, 0) || !indices_of(c, 0, depth[0], &indices)) {
        return reel__onnx_refuse(c, "other than along a new last axis");
    }
    reel_var off = reel_at(values, 0), on = reel_at(values, 1);
    reel_var hot = reel_one_hot(indices, depth[0]);
    return reel__onnx_put(c, 0, reel_add(off, reel_mul(hot, reel_sub(on, off))));
}
#else
typedef int reel__no_onnx_reductions; /* a translation unit is never empty */
#endif
