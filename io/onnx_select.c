/* onnx_select.c: ONNX operators that pick and place by indices that are read, that repeat, that cut
 * triangles, and the choice between two bodies. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;
typedef reel__onnx_value value;

enum { MOST_NUMBERS = 1 << 24 };

static reel_shape shape_at(run *c, int input)
{
    return c->x[input].kind == REEL__ONNX_WHOLE ? c->x[input].shape
                                                : reel_shape_of(reel__onnx_var(c, input));
}

static bool put_like_input(run *c, reel_var y)
{
    bool fine = reel__onnx_put(c, 0, y);
    c->y[0].truth = c->x[0].truth;
    return fine;
}

/* ---- repeating, triangles -------------------------------------------------------------------- */

bool reel__onnx_tile(run *c)
{
    int n;
    const int64_t *repeats = reel__onnx_list(c, 1, NULL, &n);
    reel_var y = reel__onnx_any(c, 0);
    if (n != reel_shape_of(y).rank) {
        return reel__onnx_refuse(c, "repeats of other axes");
    }
    for (int i = 0; i < n; i++) {
        if (repeats[i] < 1 || repeats[i] > 1 << 16) {
            return reel__onnx_refuse(c, "repeats out of range");
        }
        reel_var *copies = reel__onnx_room(c, (size_t)repeats[i] * sizeof *copies);
        for (int64_t k = 0; copies && k < repeats[i]; k++) {
            copies[k] = y;
        }
        y = copies && repeats[i] > 1 ? reel_concat_n(i, (int)repeats[i], copies) : y;
    }
    return put_like_input(c, y);
}

/* What lies on the wrong side of diagonal k is 0. */
bool reel__onnx_trilu(run *c)
{
    bool upper = reel__onnx_get_int(c, "upper", 1);
    value k = { .whole = &(int64_t){ 0 } };
    reel_shape shape = shape_at(c, 0);
    if (shape.rank < 2 || (reel__onnx_has(c, 1) && !reel__onnx_read_whole(c, 1, &k))) {
        return reel__onnx_refuse(c, "of less than a matrix");
    }
    int64_t rows = shape.dim[shape.rank - 2], columns = shape.dim[shape.rank - 1];
    double *side = reel__onnx_room(c, (size_t)(rows * columns) * sizeof *side);
    for (int64_t i = 0; side && i < rows * columns; i++) {
        int64_t away = i % columns - i / columns;
        side[i] = upper ? away >= *k.whole : away <= *k.whole;
    }
    if (side == NULL || c->x[0].kind == REEL__ONNX_WHOLE) {
        value x = c->x[0];
        int64_t n = reel_shape_size(shape), *y = reel__onnx_room(c, (size_t)n * sizeof *y);
        for (int64_t i = 0; side && y && i < n; i++) {
            y[i] = side[i % (rows * columns)] != 0 ? x.whole[i] : 0;
        }
        bool fine = side && reel__onnx_put_whole(c, shape, y);
        c->y[0].truth = x.truth;
        return fine;
    }
    reel_var mask = reel_input_f64(c->model->tape, REEL_SHAPE(rows, columns), side);
    return put_like_input(c,
                          reel_where(mask, reel__onnx_var(c, 0), reel_scalar(c->model->tape, 0)));
}

/* ---- elements by their places ---------------------------------------------------------------- */

/* For each index of an operator of elements: the place in x, laid flat, that it means. */
static int64_t *flat_places(run *c, const value *indices, reel_shape x, int64_t axis)
{
    int64_t n = reel_shape_size(indices->shape);
    int64_t *at = reel__onnx_room(c, (size_t)n * sizeof *at);
    for (int64_t i = 0; at && i < n; i++) {
        int64_t rest = i, place = 0, stride = 1;
        for (int k = x.rank - 1; k >= 0; k--) {
            int64_t own = rest % indices->shape.dim[k];
            own = k == axis ? indices->whole[i] : own;
            own += own < 0 ? x.dim[k] : 0;
            if (own < 0 || own >= x.dim[k]) {
                reel__onnx_fail(c, REEL_BAD_INDEX, "index %lld of %lld",
                                (long long)indices->whole[i], (long long)x.dim[k]);
                return NULL;
            }
            place += own * stride;
            stride *= x.dim[k];
            rest /= indices->shape.dim[k];
        }
        at[i] = place;
    }
    return at;
}

static bool read_places(run *c, value *indices, reel_shape x, const int64_t **at)
{
    int64_t axis = reel__onnx_get_int(c, "axis", 0);
    axis = axis < 0 ? axis + x.rank : axis;
    if (axis < 0 || axis >= x.rank || !reel__onnx_read_whole(c, 1, indices) ||
        indices->shape.rank != x.rank || reel_shape_size(indices->shape) > MOST_NUMBERS) {
        return reel__onnx_refuse(c, "an axis or indices of other axes");
    }
    *at = flat_places(c, indices, x, axis);
    return *at != NULL;
}

static reel_var index_var(run *c, reel_shape shape, const int64_t *whole)
{
    value x = { .kind = REEL__ONNX_WHOLE, .shape = shape, .whole = whole };
    run as_input = *c;
    as_input.x = &x;
    as_input.inputs = 1;
    return reel__onnx_index(&as_input, 0);
}

static reel_var laid_flat(reel_var x, int64_t width)
{
    int64_t n = reel_shape_size(reel_shape_of(x));
    return width == 1 ? reel_reshape(x, REEL_SHAPE(n))
                      : reel_reshape(x, REEL_SHAPE(width ? n / width : 0, width));
}

bool reel__onnx_gather_places(run *c)
{
    value indices;
    const int64_t *at;
    reel_var x = reel__onnx_any(c, 0);
    if (!read_places(c, &indices, reel_shape_of(x), &at)) {
        return false;
    }
    return put_like_input(c, reel_gather(laid_flat(x, 1), index_var(c, indices.shape, at)));
}

/* Rows [rows, width] at places of x; what was there goes, or stays with "add". Two rows for one
 * place would leave open which of them counts. */
static bool scatter_rows(run *c, reel_var x, int64_t n, const int64_t *at, reel_var rows,
                         int64_t width)
{
    const Onnx__AttributeProto *how = reel__onnx_attribute(c->node, "reduction");
    bool adds = how && how->s.len == 3 && memcmp(how->s.data, "add", 3) == 0;
    bool other = how && !adds && !(how->s.len == 4 && memcmp(how->s.data, "none", 4) == 0);
    reel_shape shape = reel_shape_of(x);
    int64_t places = width ? reel_shape_size(shape) / width : 0;
    double *free_ = reel__onnx_room(c, (size_t)places * sizeof *free_);
    if (free_ == NULL || other || width == 0) {
        return reel__onnx_refuse(c, "other than putting or adding");
    }
    for (int64_t i = 0; i < places; i++) {
        free_[i] = 1;
    }
    for (int64_t i = 0; !adds && i < n; i++) {
        if (free_[at[i]] == 0) {
            return reel__onnx_refuse(c, "two values for one place");
        }
        free_[at[i]] = 0;
    }
    reel_var to = laid_flat(x, width), zero = reel_scalar(x.tape, 0);
    reel_shape column = { .rank = width == 1 ? 1 : 2, .dim = { places, 1 } };
    to = adds ? to : reel_where(reel_input_f64(x.tape, column, free_), to, zero);
    reel_var y = reel_scatter_add(to, index_var(c, REEL_SHAPE(n), at), laid_flat(rows, width));
    return put_like_input(c, reel_reshape(y, shape));
}

bool reel__onnx_scatter_elements(run *c)
{
    value indices;
    const int64_t *at;
    reel_var x = reel__onnx_var(c, 0);
    return read_places(c, &indices, reel_shape_of(x), &at) &&
           scatter_rows(c, x, reel_shape_size(indices.shape), at, reel__onnx_var(c, 2), 1);
}

/* Indices [..., k] into the first k axes: the rows they mean, and how long a row is. */
static int64_t *places_of_rows(run *c, value *indices, reel_shape x, int64_t *width)
{
    if (!reel__onnx_read_whole(c, 1, indices) || indices->shape.rank < 1) {
        return NULL;
    }
    int64_t k = indices->shape.dim[indices->shape.rank - 1];
    if (k < 1 || k > x.rank || reel_shape_size(indices->shape) > MOST_NUMBERS ||
        reel__onnx_get_int(c, "batch_dims", 0)) {
        reel__onnx_refuse(c, "indices of other axes");
        return NULL;
    }
    indices->shape.rank--;
    int64_t n = reel_shape_size(indices->shape), *at = reel__onnx_room(c, (size_t)n * sizeof *at);
    *width = 1;
    for (int64_t i = k; i < x.rank; i++) {
        *width *= x.dim[i];
    }
    for (int64_t i = 0; at && i < n; i++) {
        at[i] = 0;
        for (int64_t a = 0; a < k; a++) {
            int64_t own = indices->whole[i * k + a];
            own += own < 0 ? x.dim[a] : 0;
            if (own < 0 || own >= x.dim[a]) {
                reel__onnx_fail(c, REEL_BAD_INDEX, "index %lld of %lld", (long long)own,
                                (long long)x.dim[a]);
                return NULL;
            }
            at[i] = at[i] * x.dim[a] + own;
        }
    }
    return at;
}

static bool rank_fits(run *c, const value *indices, reel_shape x, reel_shape *y)
{
    int64_t k = indices->shape.dim[indices->shape.rank]; /* the last axis, taken off */
    *y = indices->shape;
    for (int64_t i = k; i < x.rank; i++) {
        if (y->rank == REEL_MAX_RANK) {
            return reel__onnx_refuse(c, "more axes than reel has");
        }
        y->dim[y->rank++] = x.dim[i];
    }
    return true;
}

bool reel__onnx_gather_nd(run *c)
{
    value indices;
    int64_t width;
    reel_var x = reel__onnx_any(c, 0);
    reel_shape shape = reel_shape_of(x), y;
    const int64_t *at = places_of_rows(c, &indices, shape, &width);
    if (at == NULL || !rank_fits(c, &indices, shape, &y)) {
        return false;
    }
    reel_var rows = index_var(c, REEL_SHAPE(reel_shape_size(indices.shape)), at);
    return put_like_input(c, reel_reshape(reel_gather(laid_flat(x, width), rows), y));
}

bool reel__onnx_scatter_nd(run *c)
{
    value indices;
    int64_t width;
    reel_var x = reel__onnx_var(c, 0);
    const int64_t *at = places_of_rows(c, &indices, reel_shape_of(x), &width);
    return at &&
           scatter_rows(c, x, reel_shape_size(indices.shape), at, reel__onnx_var(c, 2), width);
}

/* ---- one of two bodies ----------------------------------------------------------------------- */

/* The condition is read: only one of the bodies is recorded. */
bool reel__onnx_if(run *c)
{
    value when;
    if (!reel__onnx_read_whole(c, 0, &when) || reel_shape_size(when.shape) != 1) {
        return reel__onnx_refuse(c, "a condition that is no single number");
    }
    const Onnx__AttributeProto *a =
        reel__onnx_attribute(c->node, *when.whole ? "then_branch" : "else_branch");
    reel__onnx_scope *body = a && a->g ? reel__onnx_body(c->model, a->g) : NULL;
    if (body == NULL || body->graph->n_output != (size_t)c->outputs) {
        return reel__onnx_refuse(c, "a body is missing or has other outputs");
    }
    if (!reel__onnx_run_scope(c->model, body)) {
        return false;
    }
    for (int i = 0; i < c->outputs; i++) {
        const value *y = reel__onnx_find(body, body->graph->output[i]->name);
        if (y == NULL || y->kind == REEL__ONNX_ABSENT) {
            return reel__onnx_refuse(c, "an output of the body without a value");
        }
        c->y[i] = *y;
    }
    return true;
}
#else
typedef int reel__no_onnx_select; /* a translation unit is never empty */
#endif
