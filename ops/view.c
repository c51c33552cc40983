/* view.c: all of a tensor's numbers seen through another shape and strides. No data moves, except
 * where a reshape of a strided value cannot be expressed by strides: then the executor copies
 * first.
 */
#include <inttypes.h>
#include <string.h>

#include "../graph/run/strides.h"
#include "ops.h"

static reel_shape without_axis(reel_shape shape, int64_t axis)
{
    shape.rank--;
    for (int64_t k = axis; k < shape.rank; k++) {
        shape.dim[k] = shape.dim[k + 1];
    }
    shape.dim[shape.rank] = 0;
    return shape;
}

/* ---- reshape ------------------------------------------------------------------------------- */

typedef struct {
    reel_shape shape;
} reshape_attributes;

static const reel_attribute reshape_fields[] = {
    { "shape", REEL_ATTRIBUTE_SHAPE, offsetof(reshape_attributes, shape) },
    { 0 },
};

/* Puts the length that is left in the place of the one -1. */
static bool infer_axis(reel_shape *shape, int64_t size)
{
    int64_t known = 1;
    int free_axis = -1;
    for (int k = 0; k < shape->rank; k++) {
        if (shape->dim[k] == -1 && free_axis < 0) {
            free_axis = k;
        } else if (shape->dim[k] < 0 || __builtin_mul_overflow(known, shape->dim[k], &known)) {
            return false;
        }
    }
    if (free_axis < 0) {
        return known == size;
    }
    if (known == 0 || size % known != 0) {
        return false;
    }
    shape->dim[free_axis] = size / known;
    return true;
}

static bool reshape_shape(reel_shape_call *c)
{
    reshape_attributes *a = c->attributes;
    c->y = a->shape;
    if (c->y.rank < 0 || c->y.rank > REEL_MAX_RANK ||
        !infer_axis(&c->y, reel_shape_size(*c->x[0]))) {
        return reel_shape_fail(c, "%s does not become %s", REEL_SHAPE_TEXT(*c->x[0]),
                               REEL_SHAPE_TEXT(a->shape));
    }
    a->shape = c->y;
    return true;
}

/* Axes of x longer than 1: the others' strides say nothing. */
static int longer_axes(const reel_shape *x, const int64_t x_stride[], int64_t dim[],
                       int64_t stride[])
{
    int n = 0;
    for (int k = 0; k < x->rank; k++) {
        if (x->dim[k] != 1) {
            dim[n] = x->dim[k];
            stride[n++] = x_stride[k];
        }
    }
    return n;
}

/* The axes fall into groups of equal size in both shapes, as [6, 4, 5] → [2, 3, 20] does into
 * 6 = 2·3 and 4·5 = 20. The old axes of a group must lie behind one another in memory. */
static bool reshape_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                         const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    (void)attributes;
    *offset = 0;
    reel__dense_strides(y, y_stride);
    if (reel_shape_size(*y) == 0) {
        return true;
    }
    int64_t dim[REEL_MAX_RANK], stride[REEL_MAX_RANK];
    int axes = longer_axes(x, x_stride, dim, stride);
    for (int i = 0, j = 0; i < axes;) {
        int i_end = i + 1, j_end = j + 1;
        int64_t x_size = dim[i], y_size = y->dim[j];
        while (x_size != y_size) {
            if (x_size < y_size) {
                if (stride[i_end - 1] != stride[i_end] * dim[i_end]) {
                    return false;
                }
                x_size *= dim[i_end++];
            } else {
                y_size *= y->dim[j_end++];
            }
        }
        int64_t step = stride[i_end - 1];
        for (int k = j_end - 1; k >= j; k--) {
            y_stride[k] = step;
            step *= y->dim[k];
        }
        i = i_end;
        j = j_end;
    }
    return true;
}

static void reshape_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_reshape(c->dy, reel_shape_of(c->x[0]));
}

static const reel_sample reshape_samples[] = {
    { "two axes into three",
      1,
      { { .shape = REEL_AXES(4, 6) } },
      .attributes = &(const reshape_attributes){ REEL_AXES(2, 2, 6) } },
    { "one axis inferred",
      1,
      { { .shape = REEL_AXES(2, 3, 4) } },
      .attributes = &(const reshape_attributes){ REEL_AXES(3, -1) } },
    { "a scalar becomes a matrix",
      1,
      { { .shape = REEL_NO_AXES } },
      .attributes = &(const reshape_attributes){ REEL_AXES(1, 1) } },
    { "one element becomes a scalar",
      1,
      { { .shape = REEL_AXES(1, 1, 1) } },
      .attributes = &(const reshape_attributes){ REEL_NO_AXES } },
    { "no elements",
      1,
      { { .shape = REEL_AXES(0, 3) } },
      .attributes = &(const reshape_attributes){ REEL_AXES(2, 0, 5) } },
    { "no elements, one axis inferred",
      1,
      { { .shape = REEL_AXES(0, 6) } },
      .attributes = &(const reshape_attributes){ REEL_AXES(-1, 3) } },
    { "eight axes",
      1,
      { { .shape = REEL_AXES(4, 8) } },
      .attributes = &(const reshape_attributes){ REEL_AXES(1, 2, 2, 1, 2, 2, 2, 1) } },
    { "other number of elements",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const reshape_attributes){ REEL_AXES(3, 7) },
      .fails = "[4,5] does not become [3,7]" },
    { "two axes to infer",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const reshape_attributes){ REEL_AXES(-1, -1) },
      .fails = "[4,5] does not become [-1,-1]" },
    { "nothing to infer from",
      1,
      { { .shape = REEL_AXES(0, 5) } },
      .attributes = &(const reshape_attributes){ REEL_AXES(0, -1) },
      .fails = "[0,5] does not become [0,-1]" },
    { 0 },
};

REEL_OP(reshape) = {
    .name = "reshape",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc =
        "The elements in row-major order under another shape of the same size; one axis may be -1 "
        "and takes what is left. A view wherever strides can express it, a copy otherwise.",
    .attributes = reshape_fields,
    .attribute_size = sizeof(reshape_attributes),
    .shape = reshape_shape,
    .view = reshape_view,
    .vjp = reshape_vjp,
    .samples = reshape_samples,
};

reel_var reel_reshape(reel_var v, reel_shape shape)
{
    return reel_record(&reel__op_reshape, 1, &v, &(reshape_attributes){ shape });
}

/* ---- squeeze, unsqueeze -------------------------------------------------------------------- */

typedef struct {
    int64_t axis;
} axis_attributes;

static const reel_attribute axis_fields[] = {
    { "axis", REEL_ATTRIBUTE_INT, offsetof(axis_attributes, axis) },
    { 0 },
};

static bool squeeze_shape(reel_shape_call *c)
{
    axis_attributes *a = c->attributes;
    const reel_shape *x = c->x[0];
    if (!reel_normalise_axis(c, &a->axis, *x)) {
        return false;
    }
    if (x->dim[a->axis] != 1) {
        return reel_shape_fail(c, "axis %" PRId64 " of %s is not 1 long", a->axis,
                               REEL_SHAPE_TEXT(*x));
    }
    c->y = without_axis(*x, a->axis);
    return true;
}

static bool squeeze_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                         const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    int64_t axis = ((const axis_attributes *)attributes)->axis;
    (void)x;
    *offset = 0;
    for (int k = 0; k < y->rank; k++) {
        y_stride[k] = x_stride[k < axis ? k : k + 1];
    }
    return true;
}

static void squeeze_vjp(reel_vjp_call *c)
{
    const axis_attributes *a = c->attributes;
    c->dx[0] = reel_unsqueeze(c->dy, (int)a->axis);
}

static bool unsqueeze_shape(reel_shape_call *c)
{
    axis_attributes *a = c->attributes;
    const reel_shape *x = c->x[0];
    int64_t axis = a->axis < 0 ? a->axis + x->rank + 1 : a->axis;
    if (axis < 0 || axis > x->rank) {
        return reel_shape_fail(c, "%s has no place for an axis %" PRId64, REEL_SHAPE_TEXT(*x),
                               a->axis);
    }
    if (x->rank == REEL_MAX_RANK) {
        return reel_shape_fail(c, "%s already has %d axes", REEL_SHAPE_TEXT(*x), REEL_MAX_RANK);
    }
    a->axis = axis;
    c->y.rank = x->rank + 1;
    for (int k = 0; k < c->y.rank; k++) {
        c->y.dim[k] = k == axis ? 1 : x->dim[k < axis ? k : k - 1];
    }
    return true;
}

/* The new axis gets the stride that it has in a contiguous value. */
static bool unsqueeze_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                           const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    int64_t axis = ((const axis_attributes *)attributes)->axis;
    *offset = 0;
    for (int k = 0; k < y->rank; k++) {
        if (k == axis) {
            y_stride[k] = k < x->rank ? x_stride[k] * x->dim[k] : 1;
        } else {
            y_stride[k] = x_stride[k < axis ? k : k - 1];
        }
    }
    return true;
}

static void unsqueeze_vjp(reel_vjp_call *c)
{
    const axis_attributes *a = c->attributes;
    c->dx[0] = reel_squeeze(c->dy, (int)a->axis);
}

static const reel_sample squeeze_samples[] = {
    { "in the middle",
      1,
      { { .shape = REEL_AXES(3, 1, 4) } },
      .attributes = &(const axis_attributes){ 1 } },
    { "the last",
      1,
      { { .shape = REEL_AXES(3, 1, 1) } },
      .attributes = &(const axis_attributes){ -1 } },
    { "to a scalar",
      1,
      { { .shape = REEL_AXES(1) } },
      .attributes = &(const axis_attributes){ 0 } },
    { "no elements",
      1,
      { { .shape = REEL_AXES(1, 0) } },
      .attributes = &(const axis_attributes){ 0 } },
    { "too long",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const axis_attributes){ -1 },
      .fails = "axis 1 of [4,5] is not 1 long" },
    { "axis outside",
      1,
      { { .shape = REEL_AXES(1, 1) } },
      .attributes = &(const axis_attributes){ 2 },
      .fails = "axis 2 is outside [1,1]" },
    { 0 },
};

REEL_OP(squeeze) = {
    .name = "squeeze",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "An axis of length 1 goes. A view.",
    .attributes = axis_fields,
    .attribute_size = sizeof(axis_attributes),
    .shape = squeeze_shape,
    .view = squeeze_view,
    .vjp = squeeze_vjp,
    .samples = squeeze_samples,
};

reel_var reel_squeeze(reel_var v, int axis)
{
    return reel_record(&reel__op_squeeze, 1, &v, &(axis_attributes){ axis });
}

static const reel_sample unsqueeze_samples[] = {
    { "in front",
      1,
      { { .shape = REEL_AXES(3, 4) } },
      .attributes = &(const axis_attributes){ 0 } },
    { "in the middle",
      1,
      { { .shape = REEL_AXES(3, 4, 2) } },
      .attributes = &(const axis_attributes){ 1 } },
    { "behind", 1, { { .shape = REEL_AXES(3, 4) } }, .attributes = &(const axis_attributes){ -1 } },
    { "of a scalar",
      1,
      { { .shape = REEL_NO_AXES } },
      .attributes = &(const axis_attributes){ 0 } },
    { "no elements",
      1,
      { { .shape = REEL_AXES(0, 2) } },
      .attributes = &(const axis_attributes){ 1 } },
    { "no such place",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const axis_attributes){ 3 },
      .fails = "[4,5] has no place for an axis 3" },
    { "too many axes",
      1,
      { { .shape = REEL_AXES(1, 1, 1, 1, 1, 1, 1, 2) } },
      .attributes = &(const axis_attributes){ 0 },
      .fails = "[1,1,1,1,1,1,1,2] already has 8 axes" },
    { 0 },
};

REEL_OP(unsqueeze) = {
    .name = "unsqueeze",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "The result has a further axis of length 1, at `axis` (-1: behind the last). A view.",
    .attributes = axis_fields,
    .attribute_size = sizeof(axis_attributes),
    .shape = unsqueeze_shape,
    .view = unsqueeze_view,
    .vjp = unsqueeze_vjp,
    .samples = unsqueeze_samples,
};

reel_var reel_unsqueeze(reel_var v, int axis)
{
    return reel_record(&reel__op_unsqueeze, 1, &v, &(axis_attributes){ axis });
}

/* ---- stop_gradient ------------------------------------------------------------------------- */

static bool same_shape(reel_shape_call *c)
{
    c->y = *c->x[0];
    return true;
}

static bool same_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                      const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    (void)attributes, (void)y;
    *offset = 0;
    memcpy(y_stride, x_stride, (size_t)x->rank * sizeof(int64_t));
    return true;
}

static const reel_sample stop_gradient_samples[] = {
    { "a matrix",
      1,
      { { .shape = REEL_AXES(3, 4) } },
      .no_gradcheck = "its gradient is zero by definition" },
    { "a scalar",
      1,
      { { .shape = REEL_NO_AXES } },
      .no_gradcheck = "its gradient is zero by definition" },
    { 0 },
};

REEL_OP(stop_gradient) = {
    .name = "stop_gradient",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "The input itself; its gradient is zero.",
    .shape = same_shape,
    .view = same_view,
    .flat = true,
    .samples = stop_gradient_samples,
};

reel_var reel_stop_gradient(reel_var v)
{
    return reel_record(&reel__op_stop_gradient, 1, &v, NULL);
}
