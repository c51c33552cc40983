/* slice.c: views of a part of a tensor. The gradient of a part is `pad`, which
 * adds in place: T steps cut out of one sequence make one gradient in linear time.
 */
#include <inttypes.h>
#include <string.h>

#include "../graph/tape.h"
#include "ops.h"

static int64_t from_end(int64_t position, int64_t length)
{
    return position < 0 ? position + length : position;
}

/* ---- slice, split -------------------------------------------------------------------------- */

typedef struct {
    int64_t axis, begin, end;
} slice_attributes;

static const reel_attribute slice_fields[] = {
    { "axis", REEL_ATTRIBUTE_INT, offsetof(slice_attributes, axis) },
    { "begin", REEL_ATTRIBUTE_INT, offsetof(slice_attributes, begin) },
    { "end", REEL_ATTRIBUTE_INT, offsetof(slice_attributes, end) },
    { 0 },
};

static bool slice_fail(reel_shape_call *c, const slice_attributes *a, const char *what)
{
    return reel_argument_fail(c, REEL_BAD_INDEX,
                              "slice %" PRId64 ":%" PRId64 " %s axis %" PRId64 " of %s", a->begin,
                              a->end, what, a->axis, REEL_SHAPE_TEXT(*c->x[0]));
}

static bool slice_shape(reel_shape_call *c)
{
    slice_attributes *a = c->attributes;
    const reel_shape *x = c->x[0];
    if (!reel_normalise_axis(c, &a->axis, *x)) {
        return false;
    }
    int64_t length = x->dim[a->axis];
    if (a->end == INT64_MAX) {
        a->end = length;
    }
    int64_t begin = from_end(a->begin, length), end = from_end(a->end, length);
    if (begin < 0 || begin > length || end < 0 || end > length) {
        return slice_fail(c, a, "is outside");
    }
    if (begin > end) {
        return slice_fail(c, a, "runs backwards on");
    }
    a->begin = begin;
    a->end = end;
    c->y = *x;
    c->y.dim[a->axis] = end - begin;
    return true;
}

static bool slice_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                       const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    const slice_attributes *a = attributes;
    (void)y;
    *offset = a->begin * x_stride[a->axis];
    memcpy(y_stride, x_stride, (size_t)x->rank * sizeof(int64_t));
    return true;
}

static void slice_vjp(reel_vjp_call *c)
{
    const slice_attributes *a = c->attributes;
    int64_t length = reel_shape_of(c->x[0]).dim[a->axis];
    c->dx[0] = reel_pad(c->dy, (int)a->axis, a->begin, length - a->end);
}

static const reel_sample slice_samples[] = {
    { "rows",
      1,
      { { .shape = REEL_AXES(5, 3) } },
      .attributes = &(const slice_attributes){ 0, 1, 4 } },
    { "columns",
      1,
      { { .shape = REEL_AXES(3, 5) } },
      .attributes = &(const slice_attributes){ 1, 2, 5 } },
    { "in the middle of four axes",
      1,
      { { .shape = REEL_AXES(2, 3, 4, 2) } },
      .attributes = &(const slice_attributes){ -2, 1, 3 } },
    { "counted from the end",
      1,
      { { .shape = REEL_AXES(6) } },
      .attributes = &(const slice_attributes){ 0, -4, -1 } },
    { "to the end",
      1,
      { { .shape = REEL_AXES(2, 6) } },
      .attributes = &(const slice_attributes){ 1, -2, INT64_MAX } },
    { "everything",
      1,
      { { .shape = REEL_AXES(2, 3) } },
      .attributes = &(const slice_attributes){ 0, 0, 2 } },
    { "nothing",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const slice_attributes){ 1, 5, 5 } },
    { "of an empty axis",
      1,
      { { .shape = REEL_AXES(3, 0) } },
      .attributes = &(const slice_attributes){ 1, 0, INT64_MAX } },
    { "too long",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const slice_attributes){ 1, 2, 9 },
      .fails = "slice 2:9 is outside axis 1 of [4,5]" },
    { "before the start",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const slice_attributes){ -1, -6, 3 },
      .fails = "slice -6:3 is outside axis 1 of [4,5]" },
    { "backwards",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const slice_attributes){ 0, 3, 1 },
      .fails = "slice 3:1 runs backwards on axis 0 of [4,5]" },
    { "axis outside",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const slice_attributes){ -3, 0, 1 },
      .fails = "axis -3 is outside [4,5]" },
    { 0 },
};

static reel_axis_part part_of_slice(const void *attributes)
{
    const slice_attributes *a = attributes;
    return (reel_axis_part){ (int)a->axis, a->begin, a->end };
}

REEL_OP(slice) = {
    .name = "slice",
    .takes_part = part_of_slice,
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc =
        "v[begin:end] on one axis. Negative positions count from the end, an end of INT64_MAX is "
        "the "
        "axis's length, empty slices are allowed; unlike Python's, a slice that reaches outside is "
        "an error. A view.",
    .attributes = slice_fields,
    .attribute_size = sizeof(slice_attributes),
    .shape = slice_shape,
    .view = slice_view,
    .vjp = slice_vjp,
    .samples = slice_samples,
};

reel_var reel_slice(reel_var v, int axis, int64_t begin, int64_t end)
{
    return reel_record(&reel__op_slice, 1, &v, &(slice_attributes){ axis, begin, end });
}

/* Says in `part` how long each of n parts is; a poisoned handle when there is no such number. */
static reel_var part_length(reel_var v, int axis, int n, int64_t *part)
{
    reel_shape shape = reel_shape_of(v);
    int k = axis < 0 ? axis + shape.rank : axis;
    if (shape.rank < 0 || k < 0 || k >= shape.rank) {
        return reel_slice(v, axis, 0, 0);
    }
    if (n <= 0 || shape.dim[k] % n != 0) {
        return reel_fail(v.tape, REEL_BAD_ARGUMENT, "split",
                         "axis %d of %s does not split into %d equal parts", k,
                         REEL_SHAPE_TEXT(shape), n);
    }
    *part = shape.dim[k] / n;
    return v;
}

reel_status reel_split(reel_var v, int axis, int n, reel_var out[])
{
    int64_t part = 0;
    if (!out) {
        reel_fail(v.tape, REEL_BAD_ARGUMENT, "split", "out is NULL");
        return v.tape ? REEL_BAD_ARGUMENT : REEL_BAD_HANDLE;
    }
    if (v.tape) {
        v.tape->nested++; /* what it records stands at its own line */
    }
    reel_var whole = part_length(v, axis, n, &part);
    for (int k = 0; k < n; k++) {
        out[k] = whole.id == 0 ? whole : reel_slice(v, axis, k * part, (k + 1) * part);
    }
    if (v.tape) {
        v.tape->nested--;
        reel__forget_site(v.tape);
    }
    if (n > 0 && out[n - 1].id != 0) {
        return REEL_OK;
    }
    return whole.tape == NULL ? REEL_BAD_HANDLE : reel_tape_status(whole.tape);
}

/* ---- at ------------------------------------------------------------------------------------ */

typedef struct {
    int64_t index;
} at_attributes;

static const reel_attribute at_fields[] = {
    { "index", REEL_ATTRIBUTE_INT, offsetof(at_attributes, index) },
    { 0 },
};

static bool at_shape(reel_shape_call *c)
{
    at_attributes *a = c->attributes;
    const reel_shape *x = c->x[0];
    if (!reel_normalise_axis(c, &(int64_t){ 0 }, *x)) {
        return false;
    }
    int64_t index = from_end(a->index, x->dim[0]);
    if (index < 0 || index >= x->dim[0]) {
        return reel_argument_fail(c, REEL_BAD_INDEX, "index %" PRId64 " is outside axis 0 of %s",
                                  a->index, REEL_SHAPE_TEXT(*x));
    }
    a->index = index;
    c->y.rank = x->rank - 1;
    memcpy(c->y.dim, x->dim + 1, (size_t)c->y.rank * sizeof(int64_t));
    return true;
}

static bool at_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                    const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    (void)x;
    *offset = ((const at_attributes *)attributes)->index * x_stride[0];
    memcpy(y_stride, x_stride + 1, (size_t)y->rank * sizeof(int64_t));
    return true;
}

static void at_vjp(reel_vjp_call *c)
{
    int64_t index = ((const at_attributes *)c->attributes)->index;
    int64_t length = reel_shape_of(c->x[0]).dim[0];
    c->dx[0] = reel_pad(reel_unsqueeze(c->dy, 0), 0, index, length - index - 1);
}

static const reel_sample at_samples[] = {
    { "a step of a sequence",
      1,
      { { .shape = REEL_AXES(4, 2, 3) } },
      .attributes = &(const at_attributes){ 2 } },
    { "the last", 1, { { .shape = REEL_AXES(4, 3) } }, .attributes = &(const at_attributes){ -1 } },
    { "one number", 1, { { .shape = REEL_AXES(5) } }, .attributes = &(const at_attributes){ 0 } },
    { "no elements",
      1,
      { { .shape = REEL_AXES(3, 0) } },
      .attributes = &(const at_attributes){ 1 } },
    { "behind the end",
      1,
      { { .shape = REEL_AXES(5, 3) } },
      .attributes = &(const at_attributes){ 7 },
      .fails = "index 7 is outside axis 0 of [5,3]" },
    { "before the start",
      1,
      { { .shape = REEL_AXES(5, 3) } },
      .attributes = &(const at_attributes){ -6 },
      .fails = "index -6 is outside axis 0 of [5,3]" },
    { "of a scalar",
      1,
      { { .shape = REEL_NO_AXES } },
      .attributes = &(const at_attributes){ 0 },
      .fails = "axis 0 is outside []" },
    { 0 },
};

static int64_t index_of_at(const void *attributes)
{
    return ((const at_attributes *)attributes)->index;
}

REEL_OP(at) = {
    .name = "at",
    .at_index = index_of_at,
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "v[index] on axis 0, which goes; a negative index counts from the end. A view.",
    .attributes = at_fields,
    .attribute_size = sizeof(at_attributes),
    .shape = at_shape,
    .view = at_view,
    .vjp = at_vjp,
    .samples = at_samples,
};

reel_var reel_at(reel_var v, int64_t index)
{
    return reel_record(&reel__op_at, 1, &v, &(at_attributes){ index });
}
