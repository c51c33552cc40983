/* permute.c: views with the axes in another order, or one of them backwards. */
#include "ops.h"

static void copy_strides(const reel_shape *shape, const int64_t from[], int64_t to[])
{
    for (int k = 0; k < shape->rank; k++) {
        to[k] = from[k];
    }
}

/* ---- transpose ----------------------------------------------------------------------------- */

typedef struct {
    int64_t axis_a, axis_b;
} transpose_attributes;

static const reel_attribute transpose_fields[] = {
    { "axis_a", REEL_ATTRIBUTE_INT, offsetof(transpose_attributes, axis_a) },
    { "axis_b", REEL_ATTRIBUTE_INT, offsetof(transpose_attributes, axis_b) },
    { 0 },
};

static bool transpose_shape(reel_shape_call *c)
{
    transpose_attributes *a = c->attributes;
    const reel_shape *x = c->x[0];
    if (!reel_normalise_axis(c, &a->axis_a, *x) || !reel_normalise_axis(c, &a->axis_b, *x)) {
        return false;
    }
    c->y = *x;
    c->y.dim[a->axis_a] = x->dim[a->axis_b];
    c->y.dim[a->axis_b] = x->dim[a->axis_a];
    return true;
}

static bool transpose_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                           const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    const transpose_attributes *a = attributes;
    (void)y;
    *offset = 0;
    copy_strides(x, x_stride, y_stride);
    y_stride[a->axis_a] = x_stride[a->axis_b];
    y_stride[a->axis_b] = x_stride[a->axis_a];
    return true;
}

static void transpose_vjp(reel_vjp_call *c)
{
    const transpose_attributes *a = c->attributes;
    c->dx[0] = reel_transpose(c->dy, (int)a->axis_a, (int)a->axis_b);
}

static const reel_sample transpose_samples[] = {
    { "a matrix",
      1,
      { { .shape = REEL_AXES(3, 4) } },
      .attributes = &(const transpose_attributes){ 0, 1 } },
    { "first and last of four",
      1,
      { { .shape = REEL_AXES(2, 3, 4, 5) } },
      .attributes = &(const transpose_attributes){ 0, -1 } },
    { "an axis with itself",
      1,
      { { .shape = REEL_AXES(2, 3) } },
      .attributes = &(const transpose_attributes){ 1, -1 } },
    { "no elements",
      1,
      { { .shape = REEL_AXES(0, 3) } },
      .attributes = &(const transpose_attributes){ 0, 1 } },
    { "axis outside",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const transpose_attributes){ 0, 2 },
      .fails = "axis 2 is outside [4,5]" },
    { "a scalar",
      1,
      { { .shape = REEL_NO_AXES } },
      .attributes = &(const transpose_attributes){ 0, -1 },
      .fails = "axis 0 is outside []" },
    { 0 },
};

REEL_OP(transpose) = {
    .name = "transpose",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "Two axes change places. A view.",
    .attributes = transpose_fields,
    .attribute_size = sizeof(transpose_attributes),
    .shape = transpose_shape,
    .view = transpose_view,
    .vjp = transpose_vjp,
    .samples = transpose_samples,
};

reel_var reel_transpose(reel_var v, int axis_a, int axis_b)
{
    return reel_record(&reel__op_transpose, 1, &v, &(transpose_attributes){ axis_a, axis_b });
}

/* ---- permute ------------------------------------------------------------------------------- */

/* A list of axes is stored as a shape: as many numbers as it has axes. */
typedef struct {
    reel_shape axes;
} permute_attributes;

static const reel_attribute permute_fields[] = {
    { "axes", REEL_ATTRIBUTE_SHAPE, offsetof(permute_attributes, axes) },
    { 0 },
};

static bool permute_shape(reel_shape_call *c)
{
    permute_attributes *a = c->attributes;
    const reel_shape *x = c->x[0];
    reel_shape axes = a->axes;
    unsigned seen = 0;
    for (int k = 0; k < axes.rank; k++) {
        axes.dim[k] += axes.dim[k] < 0 ? x->rank : 0;
        if (axes.dim[k] >= 0 && axes.dim[k] < x->rank) {
            seen |= 1u << axes.dim[k];
        }
    }
    if (axes.rank != x->rank || seen != (1u << x->rank) - 1) {
        return reel_argument_fail(c, REEL_BAD_ARGUMENT, "%s does not name each axis of %s once",
                                  REEL_SHAPE_TEXT(a->axes), REEL_SHAPE_TEXT(*x));
    }
    a->axes = axes;
    c->y.rank = x->rank;
    for (int k = 0; k < x->rank; k++) {
        c->y.dim[k] = x->dim[axes.dim[k]];
    }
    return true;
}

static bool permute_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                         const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    const permute_attributes *a = attributes;
    (void)x;
    *offset = 0;
    for (int k = 0; k < y->rank; k++) {
        y_stride[k] = x_stride[a->axes.dim[k]];
    }
    return true;
}

static void permute_vjp(reel_vjp_call *c)
{
    const permute_attributes *a = c->attributes;
    int inverse[REEL_MAX_RANK] = { 0 };
    for (int k = 0; k < a->axes.rank; k++) {
        inverse[a->axes.dim[k]] = k;
    }
    c->dx[0] = reel_permute_n(c->dy, a->axes.rank, inverse);
}

static const reel_sample permute_samples[] = {
    { "three axes turn",
      1,
      { { .shape = REEL_AXES(2, 3, 4) } },
      .attributes = &(const permute_attributes){ REEL_AXES(2, 0, 1) } },
    { "negative axes",
      1,
      { { .shape = REEL_AXES(2, 3, 4, 5) } },
      .attributes = &(const permute_attributes){ REEL_AXES(-1, 1, -2, 0) } },
    { "a scalar",
      1,
      { { .shape = REEL_NO_AXES } },
      .attributes = &(const permute_attributes){ REEL_NO_AXES } },
    { "no elements",
      1,
      { { .shape = REEL_AXES(2, 0) } },
      .attributes = &(const permute_attributes){ REEL_AXES(1, 0) } },
    { "an axis twice",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const permute_attributes){ REEL_AXES(0, -2) },
      .fails = "[0,-2] does not name each axis of [4,5] once" },
    { "an axis missing",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const permute_attributes){ REEL_AXES(0) },
      .fails = "[0] does not name each axis of [4,5] once" },
    { 0 },
};

REEL_OP(permute) = {
    .name = "permute",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "Axis k of the result is axis axes[k] of the input, as NumPy's transpose. A view.",
    .attributes = permute_fields,
    .attribute_size = sizeof(permute_attributes),
    .shape = permute_shape,
    .view = permute_view,
    .vjp = permute_vjp,
    .samples = permute_samples,
};

reel_var reel_permute_n(reel_var v, int n, const int axes[])
{
    permute_attributes a = { { n, { 0 } } };
    if (n < 0 || n > REEL_MAX_RANK) {
        return reel_fail(v.tape, REEL_BAD_ARGUMENT, "permute", "%d axes; at most %d are possible",
                         n, REEL_MAX_RANK);
    }
    for (int k = 0; axes && k < n; k++) {
        a.axes.dim[k] = axes[k];
    }
    return reel_record(&reel__op_permute, 1, &v, &a);
}

/* ---- flip ---------------------------------------------------------------------------------- */

typedef struct {
    int64_t axis;
} flip_attributes;

static const reel_attribute flip_fields[] = {
    { "axis", REEL_ATTRIBUTE_INT, offsetof(flip_attributes, axis) },
    { 0 },
};

static bool flip_shape(reel_shape_call *c)
{
    flip_attributes *a = c->attributes;
    c->y = *c->x[0];
    return reel_normalise_axis(c, &a->axis, c->y);
}

static bool flip_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                      const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    int64_t axis = ((const flip_attributes *)attributes)->axis;
    int64_t length = x->dim[axis];
    (void)y;
    *offset = length > 0 ? (length - 1) * x_stride[axis] : 0;
    copy_strides(x, x_stride, y_stride);
    y_stride[axis] = -x_stride[axis];
    return true;
}

static void flip_vjp(reel_vjp_call *c)
{
    const flip_attributes *a = c->attributes;
    c->dx[0] = reel_flip(c->dy, (int)a->axis);
}

static const reel_sample flip_samples[] = {
    { "steps backwards",
      1,
      { { .shape = REEL_AXES(4, 2, 3) } },
      .attributes = &(const flip_attributes){ 0 } },
    { "the last axis",
      1,
      { { .shape = REEL_AXES(2, 5) } },
      .attributes = &(const flip_attributes){ -1 } },
    { "an axis of one",
      1,
      { { .shape = REEL_AXES(2, 1) } },
      .attributes = &(const flip_attributes){ 1 } },
    { "no elements",
      1,
      { { .shape = REEL_AXES(0, 3) } },
      .attributes = &(const flip_attributes){ 0 } },
    { "axis outside",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const flip_attributes){ 2 },
      .fails = "axis 2 is outside [4,5]" },
    { 0 },
};

REEL_OP(flip) = {
    .name = "flip",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "One axis in the reverse order. A view with a negative stride.",
    .attributes = flip_fields,
    .attribute_size = sizeof(flip_attributes),
    .shape = flip_shape,
    .view = flip_view,
    .vjp = flip_vjp,
    .samples = flip_samples,
};

reel_var reel_flip(reel_var v, int axis)
{
    return reel_record(&reel__op_flip, 1, &v, &(flip_attributes){ axis });
}
