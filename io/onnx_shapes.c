/* onnx_shapes.c: ONNX operators that change shapes, for variables and for the whole numbers that
 * shapes are computed from. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;

static bool is_whole(const run *c, int input)
{
    return reel__onnx_has(c, input) && c->x[input].kind == REEL__ONNX_WHOLE;
}

static reel_shape shape_of(run *c, int input)
{
    return is_whole(c, input) ? c->x[input].shape : reel_shape_of(reel__onnx_var(c, input));
}

/* -1 when it is out of range */
static int64_t axis_of(run *c, int64_t axis, int rank)
{
    int64_t found = axis < 0 ? axis + rank : axis;
    if (found < 0 || found >= rank) {
        reel__onnx_fail(c, REEL_BAD_SHAPE, "axis %lld of %d", (long long)axis, rank);
        return -1;
    }
    return found;
}

static bool put_like_input(run *c, reel_var y)
{
    bool fine = reel__onnx_put(c, 0, y);
    c->y[0].truth = c->x[0].truth;
    return fine;
}

/* The input itself, of another shape. */
static bool put_reshaped(run *c, reel_shape shape)
{
    if (!is_whole(c, 0)) {
        return put_like_input(c, reel_reshape(reel__onnx_var(c, 0), shape));
    }
    bool fits = reel_shape_size(shape) == reel_shape_size(c->x[0].shape);
    bool fine = fits && reel__onnx_put_whole(c, shape, c->x[0].whole);
    c->y[0].truth = c->x[0].truth;
    return fine || reel__onnx_refuse(c, "sizes differ");
}

/* ---- constants ------------------------------------------------------------------------------- */

bool reel__onnx_constant_node(run *c)
{
    reel__onnx_data data;
    const Onnx__AttributeProto *a;
    if ((a = reel__onnx_attribute(c->node, "value")) && a->t) {
        if (!reel__onnx_data_of(c->model->tape, "onnx_run", &c->model->running, a->t,
                                c->model->folder, &data)) {
            return false;
        }
        c->y[0] = reel__onnx_constant(c->model, &data);
        return true;
    }
    if ((a = reel__onnx_attribute(c->node, "value_int"))) {
        return reel__onnx_put_whole(c, REEL_SHAPE(), &a->i);
    }
    if ((a = reel__onnx_attribute(c->node, "value_ints"))) {
        return reel__onnx_put_whole(c, REEL_SHAPE((int64_t)a->n_ints),
                                    a->n_ints ? a->ints : reel__onnx_room(c, 0));
    }
    if ((a = reel__onnx_attribute(c->node, "value_float"))) {
        return reel__onnx_put(c, 0, reel_scalar(c->model->tape, (double)a->f));
    }
    if ((a = reel__onnx_attribute(c->node, "value_floats"))) {
        return reel__onnx_put(
            c, 0, reel_input(c->model->tape, REEL_SHAPE((int64_t)a->n_floats), a->floats));
    }
    return reel__onnx_refuse(c, "a constant that is no number");
}

/* A shape out of a list. */
static bool listed_shape(run *c, int input, reel_shape *shape)
{
    int n;
    const int64_t *dims = reel__onnx_list(c, input, NULL, &n);
    if (n < 0 || n > REEL_MAX_RANK) {
        return reel__onnx_refuse(c, "a shape that is not known or has too many axes");
    }
    *shape = (reel_shape){ .rank = n };
    memcpy(shape->dim, dims, (size_t)n * sizeof *dims);
    return true;
}

bool reel__onnx_constant_of_shape(run *c)
{
    reel__onnx_data data = { .is_real = true, .real = &(double){ 0 } };
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, "value");
    reel_shape shape;
    if (!listed_shape(c, 0, &shape) ||
        (a && a->t &&
         (!reel__onnx_data_of(c->model->tape, "onnx_run", &c->model->running, a->t,
                              c->model->folder, &data) ||
          reel_shape_size(data.shape) != 1))) {
        return false;
    }
    if (data.is_real) {
        return reel__onnx_put(c, 0, reel_fill(c->model->tape, shape, data.real[0]));
    }
    if (!reel__shape_valid(shape) || reel_shape_size(shape) > 1 << 20) {
        return reel__onnx_refuse(c, "too many whole numbers");
    }
    int64_t n = reel_shape_size(shape), *values = reel__onnx_room(c, (size_t)n * sizeof *values);
    for (int64_t i = 0; values && i < n; i++) {
        values[i] = data.whole[0];
    }
    return reel__onnx_put_whole(c, shape, values);
}

bool reel__onnx_shape(run *c)
{
    reel_shape x = shape_of(c, 0);
    int64_t start = reel__onnx_get_int(c, "start", 0), end = reel__onnx_get_int(c, "end", x.rank);
    start = start < 0 ? start + x.rank : start;
    end = end < 0 ? end + x.rank : end > x.rank ? x.rank : end;
    int64_t *dims = reel__onnx_room(c, REEL_MAX_RANK * sizeof *dims);
    if (dims == NULL || start < 0 || start > end) {
        return false;
    }
    memcpy(dims, x.dim + start, (size_t)(end - start) * sizeof *dims);
    return reel__onnx_put_whole(c, REEL_SHAPE(end - start), dims);
}

/* ---- the same numbers, another shape --------------------------------------------------------- */

bool reel__onnx_reshape(run *c)
{
    reel_shape x = shape_of(c, 0), shape;
    bool zero = reel__onnx_get_int(c, "allowzero", 0);
    if (x.rank < 0 || !listed_shape(c, 1, &shape)) {
        return false;
    }
    int64_t rest = 1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dim[i] == 0 && !zero && i < x.rank) {
            shape.dim[i] = x.dim[i];
        }
        rest *= shape.dim[i] > 0 && shape.dim[i] < 1 << 30 && rest < 1 << 30 ? shape.dim[i] : 1;
    }
    for (int i = 0; is_whole(c, 0) && i < shape.rank; i++) {
        shape.dim[i] = shape.dim[i] == -1 ? reel_shape_size(x) / rest : shape.dim[i];
    }
    return put_reshaped(c, shape);
}

bool reel__onnx_flatten(run *c)
{
    reel_shape x = shape_of(c, 0);
    int64_t axis = reel__onnx_get_int(c, "axis", 1), rows = 1;
    axis = axis < 0 ? axis + x.rank : axis;
    if (axis < 0 || axis > x.rank) {
        return reel__onnx_refuse(c, "axis out of range");
    }
    for (int64_t i = 0; i < axis; i++) {
        rows *= x.dim[i];
    }
    return put_reshaped(c, REEL_SHAPE(rows, rows ? reel_shape_size(x) / rows : 0));
}

/* Bit i: axis i of `rank` is listed. */
static bool listed_axes(run *c, const char *attribute, int rank, unsigned *axes, int *n)
{
    const int64_t *list = reel__onnx_list(c, 1, attribute, n);
    *axes = 0;
    for (int i = 0; i < *n; i++) {
        int64_t axis = axis_of(c, list[i], rank);
        if (axis < 0) {
            return false;
        }
        *axes |= 1u << axis;
    }
    return !c->failed;
}

bool reel__onnx_squeeze(run *c)
{
    reel_shape x = shape_of(c, 0), y = { 0 };
    unsigned axes;
    int n;
    if (!listed_axes(c, "axes", x.rank, &axes, &n)) {
        return false;
    }
    for (int i = 0; i < x.rank; i++) {
        bool gone = n < 0 ? x.dim[i] == 1 : axes >> i & 1;
        if (gone && x.dim[i] != 1) {
            return reel__onnx_refuse(c, "an axis longer than 1");
        }
        if (!gone) {
            y.dim[y.rank++] = x.dim[i];
        }
    }
    return put_reshaped(c, y);
}

bool reel__onnx_unsqueeze(run *c)
{
    reel_shape x = shape_of(c, 0), y = { 0 };
    int n;
    reel__onnx_list(c, 1, "axes", &n);
    unsigned axes;
    int rank = x.rank + (n > 0 ? n : 0);
    if (n < 0 || rank > REEL_MAX_RANK || !listed_axes(c, "axes", rank, &axes, &n)) {
        return false;
    }
    for (int i = 0, k = 0; i < rank; i++) {
        bool added = axes >> i & 1;
        if (!added && k == x.rank) {
            return reel__onnx_refuse(c, "an axis given twice");
        }
        y.dim[y.rank++] = added ? 1 : x.dim[k++];
    }
    return put_reshaped(c, y);
}

bool reel__onnx_expand(run *c)
{
    reel_var x = reel__onnx_any(c, 0);
    reel_shape to, both;
    if (!listed_shape(c, 1, &to)) {
        return false;
    }
    if (!reel__shape_valid(to) || !reel_broadcast(reel_shape_of(x), to, &both)) {
        return reel__onnx_refuse(c, "a shape that does not broadcast");
    }
    return put_like_input(c, reel_expand(x, both));
}

/* ---- axes ------------------------------------------------------------------------------------ */

bool reel__onnx_transpose(run *c)
{
    reel_var x = reel__onnx_any(c, 0);
    int rank = reel_shape_of(x).rank, axes[REEL_MAX_RANK] = { 0 }, n;
    const int64_t *perm = reel__onnx_list(c, -1, "perm", &n);
    if (n >= 0 && n != rank) {
        return reel__onnx_refuse(c, "another number of axes");
    }
    for (int i = 0; i < rank; i++) {
        int64_t axis = n < 0 ? rank - 1 - i : perm[i];
        axes[i] = axis >= 0 && axis < rank ? (int)axis : rank;
    }
    return put_like_input(c, reel_permute_n(x, rank, axes));
}

/* Whole numbers [outer, length, inner] each, of any lengths. */
static bool concat_whole(run *c, int64_t axis)
{
    reel_shape shape = c->x[0].shape;
    int64_t outer = 1, length = 0, inner = 1;
    axis = axis_of(c, axis, shape.rank);
    for (int i = 0; axis >= 0 && i < c->inputs; i++) {
        reel_shape like = c->x[i].shape;
        if (like.rank != shape.rank) {
            return reel__onnx_refuse(c, "shapes that do not fit");
        }
        length += like.dim[axis];
        like.dim[axis] = shape.dim[axis];
        if (!reel_shape_equal(like, shape)) {
            return reel__onnx_refuse(c, "shapes that do not fit");
        }
    }
    for (int i = 0; axis >= 0 && i < shape.rank; i++) {
        outer *= i < axis ? shape.dim[i] : 1;
        inner *= i > axis ? shape.dim[i] : 1;
    }
    int64_t *y = axis < 0 ? NULL : reel__onnx_room(c, (size_t)(outer * length * inner) * sizeof *y);
    int64_t *at = y;
    for (int64_t o = 0; y && o < outer; o++) {
        for (int i = 0; i < c->inputs; i++) {
            size_t n = (size_t)(c->x[i].shape.dim[axis] * inner);
            memcpy(at, c->x[i].whole + (size_t)o * n, n * sizeof *at);
            at += n;
        }
    }
    shape.dim[axis < 0 ? 0 : axis] = length;
    return y && reel__onnx_put_whole(c, shape, y);
}

bool reel__onnx_concat(run *c)
{
    int64_t axis = reel__onnx_get_int(c, "axis", 0);
    bool whole = true, index = false;
    for (int i = 0; i < c->inputs; i++) {
        whole = whole && is_whole(c, i);
        index = index || (reel__onnx_has(c, i) && c->x[i].kind == REEL__ONNX_VAR &&
                          reel_is_index(c->x[i].var));
    }
    if (whole) {
        return concat_whole(c, axis);
    }
    reel_var *x = reel__onnx_room(c, (size_t)c->inputs * sizeof *x);
    for (int i = 0; x && i < c->inputs; i++) {
        x[i] = index ? reel__onnx_index(c, i) : reel__onnx_var(c, i);
    }
    return x && !c->failed && reel__onnx_put(c, 0, reel_concat_n((int)axis, c->inputs, x));
}

bool reel__onnx_split(run *c)
{
    reel_var x = reel__onnx_any(c, 0);
    reel_shape shape = reel_shape_of(x);
    int64_t axis = axis_of(c, reel__onnx_get_int(c, "axis", 0), shape.rank), at = 0;
    if (axis < 0) {
        return false;
    }
    bool given = c->model->opset >= 13 && is_whole(c, 1);
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, "split");
    const int64_t *sizes = given ? c->x[1].whole : a ? a->ints : NULL;
    int64_t n = given ? reel_shape_size(c->x[1].shape) : a ? (int64_t)a->n_ints : c->outputs;
    int64_t each = (shape.dim[axis] + c->outputs - 1) / c->outputs;
    if (n != c->outputs) {
        return reel__onnx_refuse(c, "another number of parts than outputs");
    }
    for (int i = 0; i < c->outputs; i++) {
        int64_t rest = shape.dim[axis] - at, size = sizes ? sizes[i] : each < rest ? each : rest;
        if (size < 0 || size > rest ||
            !reel__onnx_put(c, i, reel_slice(x, (int)axis, at, at + size))) {
            return reel__onnx_refuse(c, "parts that do not fit");
        }
        at += size;
    }
    return at == shape.dim[axis] || reel__onnx_refuse(c, "parts that do not fill the axis");
}

/* ---- slices ---------------------------------------------------------------------------------- */

/* Python's rule: negative counts from the end, what is outside is cut. */
static int64_t cut(int64_t at, int64_t length, int64_t lowest, int64_t highest)
{
    at = at < 0 ? (at < -length ? lowest : at + length) : at;
    return at < lowest ? lowest : at > highest ? highest : at;
}

/* Indices start, start + step, … along an axis of this length. */
typedef struct {
    int64_t start, step, count;
} steps;

static steps steps_along(int64_t length, int64_t start, int64_t end, int64_t step)
{
    bool forward = step > 0;
    start = cut(start, length, forward ? 0 : -1, forward ? length : length - 1);
    end = forward ? cut(end, length, 0, length)
                  : (end < -length ? -1 : cut(end, length, -1, length - 1));
    int64_t way = forward ? end - start : start - end;
    uint64_t each = forward ? (uint64_t)step : 0 - (uint64_t)step;
    int64_t count = way > 0 ? (int64_t)(((uint64_t)way - 1) / each) + 1 : 0;
    return (steps){ start, step, count };
}

static reel_var slice_var(run *c, reel_var x, int axis, steps s)
{
    if (s.count == 0 || s.step == 1) {
        return reel_slice(x, axis, s.count ? s.start : 0, s.count ? s.start + s.count : 0);
    }
    if (s.step == -1) {
        return reel_flip(reel_slice(x, axis, s.start - s.count + 1, s.start + 1), axis);
    }
    int64_t *at = reel__onnx_room(c, (size_t)s.count * sizeof *at);
    for (int64_t i = 0; at && i < s.count; i++) {
        at[i] = s.start + i * s.step;
    }
    reel__onnx_value list = { .kind = REEL__ONNX_WHOLE, .shape = REEL_SHAPE(s.count), .whole = at };
    reel__onnx_run as_input = { .model = c->model, .node = c->node, .inputs = 1, .x = &list };
    return at ? reel__onnx_gather_along(x, reel__onnx_index(&as_input, 0), axis)
              : (reel_var){ x.tape, 0 };
}

/* Whole numbers [outer, length, inner] → [outer, count, inner]. */
static bool slice_whole(run *c, reel__onnx_value *x, int axis, steps s)
{
    int64_t outer = 1, inner = 1, length = x->shape.dim[axis];
    for (int i = 0; i < x->shape.rank; i++) {
        outer *= i < axis ? x->shape.dim[i] : 1;
        inner *= i > axis ? x->shape.dim[i] : 1;
    }
    int64_t *y = reel__onnx_room(c, (size_t)(outer * s.count * inner) * sizeof *y), *at = y;
    for (int64_t o = 0; y && o < outer; o++) {
        for (int64_t i = 0; i < s.count; i++, at += inner) {
            memcpy(at, x->whole + (o * length + s.start + i * s.step) * inner,
                   (size_t)inner * sizeof *y);
        }
    }
    x->shape.dim[axis] = s.count;
    x->whole = y;
    return y != NULL;
}

bool reel__onnx_slice(run *c)
{
    int n, m, k, l;
    const int64_t *starts = reel__onnx_list(c, 1, "starts", &n);
    const int64_t *ends = reel__onnx_list(c, 2, "ends", &m);
    const int64_t *axes = reel__onnx_list(c, 3, "axes", &k);
    const int64_t *list = reel__onnx_list(c, 4, NULL, &l);
    if (n < 0 || m != n || (k >= 0 && k != n) || (l >= 0 && l != n)) {
        return reel__onnx_refuse(c, "starts, ends, axes and steps that do not match");
    }
    bool whole = is_whole(c, 0);
    reel__onnx_value x = c->x[0];
    x.var = whole ? x.var : reel__onnx_var(c, 0);
    for (int i = 0; !c->failed && i < n; i++) {
        reel_shape shape = whole ? x.shape : reel_shape_of(x.var);
        int64_t axis = axis_of(c, k < 0 ? i : axes[i], shape.rank), step = l < 0 ? 1 : list[i];
        if (axis < 0 || step == 0) {
            return reel__onnx_refuse(c, "a step of 0");
        }
        steps s = steps_along(shape.dim[axis], starts[i], ends[i], step);
        if (whole && !slice_whole(c, &x, (int)axis, s)) {
            return false;
        }
        x.var = whole ? x.var : slice_var(c, x.var, (int)axis, s);
    }
    bool fine = whole ? reel__onnx_put_whole(c, x.shape, x.whole) : reel__onnx_put(c, 0, x.var);
    c->y[0].truth = c->x[0].truth;
    return fine;
}

bool reel__onnx_pad(run *c)
{
    reel_var x = reel__onnx_var(c, 0);
    int n, rank = reel_shape_of(x).rank;
    const int64_t *pads = reel__onnx_list(c, 1, "pads", &n);
    const Onnx__AttributeProto *mode = reel__onnx_attribute(c->node, "mode");
    if (n != 2 * rank || reel__onnx_has(c, 3) ||
        (mode && !(mode->s.len == 8 && memcmp(mode->s.data, "constant", 8) == 0))) {
        return reel__onnx_refuse(c, "other than with constants on all axes");
    }
    if (reel__onnx_has(c, 2) && reel_item(reel__onnx_var(c, 2)) != 0) {
        return reel__onnx_refuse(c, "with another number than 0");
    }
    for (int i = 0; i < rank; i++) {
        x = pads[i] || pads[i + rank] ? reel_pad(x, i, pads[i], pads[i + rank]) : x;
    }
    return reel__onnx_put(c, 0, x);
}
#else
typedef int reel__no_onnx_shapes; /* a translation unit is never empty */
#endif
