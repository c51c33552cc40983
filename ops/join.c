/* join.c: several tensors into one: concat, stack, and pad, which joins zeros. Inputs may be
 * strided: a step of a flipped sequence or a transposed matrix is written straight into its place.
 */
#ifndef REAL
#include <inttypes.h>
#include <string.h>

#include "kernel.h"
#include "ops.h"

typedef struct {
    int64_t axis;
} join_attributes;

typedef struct {
    int64_t axis, before, after;
} pad_attributes;

/* The axes of x and of its place in y, from the outermost in; those that both walk as one are
 * merged. */
typedef struct {
    int rank;
    int64_t dim[REEL_MAX_RANK], x_step[REEL_MAX_RANK], y_step[REEL_MAX_RANK];
} walk;

/* False when there is nothing to walk over. */
static bool plan_walk(const reel_tensor *x, const int64_t y_stride[], walk *w)
{
    *w = (walk){ .rank = 1, .dim = { 1 } };
    for (int k = 0; k < x->shape->rank; k++) {
        int64_t dim = x->shape->dim[k], x_step = x->stride[k], y_step = y_stride[k];
        int last = w->rank - 1;
        if (dim == 0) {
            return false;
        }
        if (dim == 1) {
            continue;
        }
        bool as_one = w->x_step[last] == x_step * dim && w->y_step[last] == y_step * dim;
        if (w->dim[last] != 1 && !as_one) {
            last = w->rank++;
            w->dim[last] = 1;
        }
        w->dim[last] *= dim;
        w->x_step[last] = x_step;
        w->y_step[last] = y_step;
    }
    return true;
}

#define KERNELS_OF "join.c"
#include "both_types.h"

/* ---- concat -------------------------------------------------------------------------------- */

static const reel_attribute join_fields[] = {
    { "axis", REEL_ATTRIBUTE_INT, offsetof(join_attributes, axis) },
    { 0 },
};

static bool fits_beside(reel_shape a, reel_shape b, int64_t axis)
{
    if (a.rank != b.rank) {
        return false;
    }
    b.dim[axis] = a.dim[axis];
    return reel_shape_equal(a, b);
}

static bool concat_shape(reel_shape_call *c)
{
    join_attributes *a = c->attributes;
    c->y = *c->x[0];
    if (!reel_normalise_axis(c, &a->axis, c->y)) {
        return false;
    }
    for (int k = 1; k < c->inputs; k++) {
        if (!fits_beside(*c->x[0], *c->x[k], a->axis)) {
            return reel_shape_fail(c, "%s and %s differ beside axis %" PRId64,
                                   REEL_SHAPE_TEXT(*c->x[0]), REEL_SHAPE_TEXT(*c->x[k]), a->axis);
        }
        c->y.dim[a->axis] += c->x[k]->dim[a->axis];
    }
    return true;
}

static void concat_vjp(reel_vjp_call *c)
{
    int64_t axis = ((const join_attributes *)c->attributes)->axis, begin = 0;
    for (int k = 0; k < c->inputs; k++) {
        int64_t end = begin + reel_shape_of(c->x[k]).dim[axis];
        if (c->needs[k]) {
            c->dx[k] = reel_slice(c->dy, (int)axis, begin, end);
        }
        begin = end;
    }
}

static const reel_sample concat_samples[] = {
    { "a state and an input",
      2,
      { { .shape = REEL_AXES(3, 4) }, { .shape = REEL_AXES(3, 2) } },
      .attributes = &(const join_attributes){ -1 } },
    { "rows",
      3,
      { { .shape = REEL_AXES(2, 3) }, { .shape = REEL_AXES(1, 3) }, { .shape = REEL_AXES(3, 3) } },
      .attributes = &(const join_attributes){ 0 } },
    { "the middle of four axes",
      2,
      { { .shape = REEL_AXES(2, 3, 1, 2) }, { .shape = REEL_AXES(2, 3, 2, 2) } },
      .attributes = &(const join_attributes){ 2 } },
    { "vectors, one of them empty",
      3,
      { { .shape = REEL_AXES(2) }, { .shape = REEL_AXES(0) }, { .shape = REEL_AXES(3) } },
      .attributes = &(const join_attributes){ 0 } },
    { "one alone",
      1,
      { { .shape = REEL_AXES(2, 2) } },
      .attributes = &(const join_attributes){ 1 } },
    { "no elements",
      2,
      { { .shape = REEL_AXES(0, 2) }, { .shape = REEL_AXES(0, 3) } },
      .attributes = &(const join_attributes){ 1 } },
    { "other rows",
      2,
      { { .shape = REEL_AXES(4, 5) }, { .shape = REEL_AXES(3, 5) } },
      .attributes = &(const join_attributes){ -1 },
      .fails = "[4,5] and [3,5] differ beside axis 1" },
    { "other number of axes",
      2,
      { { .shape = REEL_AXES(4, 5) }, { .shape = REEL_AXES(4) } },
      .attributes = &(const join_attributes){ 0 },
      .fails = "[4,5] and [4] differ beside axis 0" },
    { "scalars",
      2,
      { { .shape = REEL_NO_AXES }, { .shape = REEL_NO_AXES } },
      .attributes = &(const join_attributes){ 0 },
      .fails = "axis 0 is outside []" },
    { 0 },
};

static int axis_of_join(const void *attributes)
{
    return (int)((const join_attributes *)attributes)->axis;
}

REEL_OP(concat) = {
    .name = "concat",
    .joined_axis = axis_of_join,
    .kind = REEL_OTHER,
    .inputs = REEL_VARIADIC,
    .doc = "The inputs behind one another along an axis; in all other axes they agree.",
    .attributes = join_fields,
    .attribute_size = sizeof(join_attributes),
    .shape = concat_shape,
    .kernel = TYPED_PAIR(concat),
    .strided = true,
    .vjp = concat_vjp,
    .samples = concat_samples,
};

reel_var reel_concat_n(int axis, int n, const reel_var v[])
{
    if (n <= 0) {
        return (reel_var){ NULL, 0 };
    }
    return reel_record(&reel__op_concat, n, v, &(join_attributes){ axis });
}

/* ---- stack --------------------------------------------------------------------------------- */

static bool stack_shape(reel_shape_call *c)
{
    join_attributes *a = c->attributes;
    reel_shape part = *c->x[0];
    int64_t axis = a->axis < 0 ? a->axis + part.rank + 1 : a->axis;
    for (int k = 1; k < c->inputs; k++) {
        if (!reel_shape_equal(part, *c->x[k])) {
            return reel_shape_fail(c, "shapes differ: %s and %s", REEL_SHAPE_TEXT(part),
                                   REEL_SHAPE_TEXT(*c->x[k]));
        }
    }
    if (axis < 0 || axis > part.rank || part.rank == REEL_MAX_RANK) {
        return reel_shape_fail(c, "%s has no place for an axis %" PRId64, REEL_SHAPE_TEXT(part),
                               a->axis);
    }
    a->axis = axis;
    c->y.rank = part.rank + 1;
    for (int k = 0; k < c->y.rank; k++) {
        c->y.dim[k] = k == axis ? c->inputs : part.dim[k < axis ? k : k - 1];
    }
    return true;
}

static void stack_vjp(reel_vjp_call *c)
{
    int axis = (int)((const join_attributes *)c->attributes)->axis;
    for (int k = 0; k < c->inputs; k++) {
        if (c->needs[k] && axis == 0) {
            c->dx[k] = reel_at(c->dy, k);
        } else if (c->needs[k]) {
            c->dx[k] = reel_squeeze(reel_slice(c->dy, axis, k, k + 1), axis);
        }
    }
}

static const reel_sample stack_samples[] = {
    { "steps",
      3,
      { { .shape = REEL_AXES(2, 3) }, { .shape = REEL_AXES(2, 3) }, { .shape = REEL_AXES(2, 3) } },
      .attributes = &(const join_attributes){ 0 } },
    { "behind the last axis",
      2,
      { { .shape = REEL_AXES(2, 3) }, { .shape = REEL_AXES(2, 3) } },
      .attributes = &(const join_attributes){ -1 } },
    { "in the middle",
      2,
      { { .shape = REEL_AXES(2, 3, 2) }, { .shape = REEL_AXES(2, 3, 2) } },
      .attributes = &(const join_attributes){ 1 } },
    { "scalars",
      4,
      { { .shape = REEL_NO_AXES },
        { .shape = REEL_NO_AXES },
        { .shape = REEL_NO_AXES },
        { .shape = REEL_NO_AXES } },
      .attributes = &(const join_attributes){ 0 } },
    { "no elements",
      2,
      { { .shape = REEL_AXES(0, 2) }, { .shape = REEL_AXES(0, 2) } },
      .attributes = &(const join_attributes){ 0 } },
    { "other shapes",
      2,
      { { .shape = REEL_AXES(4, 5) }, { .shape = REEL_AXES(4, 1) } },
      .attributes = &(const join_attributes){ 0 },
      .fails = "shapes differ: [4,5] and [4,1]" },
    { "no such place",
      2,
      { { .shape = REEL_AXES(4, 5) }, { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const join_attributes){ 3 },
      .fails = "[4,5] has no place for an axis 3" },
    { 0 },
};

REEL_OP(stack) = {
    .name = "stack",
    .joined_axis = axis_of_join,
    .kind = REEL_OTHER,
    .inputs = REEL_VARIADIC,
    .doc = "Inputs of one shape side by side along a new axis (-1: behind the last), which is as "
           "long as "
           "there are inputs.",
    .attributes = join_fields,
    .attribute_size = sizeof(join_attributes),
    .shape = stack_shape,
    .kernel = TYPED_PAIR(stack),
    .strided = true,
    .vjp = stack_vjp,
    .samples = stack_samples,
};

reel_var reel_stack_n(int axis, int n, const reel_var v[])
{
    if (n <= 0) {
        return (reel_var){ NULL, 0 };
    }
    return reel_record(&reel__op_stack, n, v, &(join_attributes){ axis });
}

/* ---- pad ----------------------------------------------------------------------------------- */

static const reel_attribute pad_fields[] = {
    { "axis", REEL_ATTRIBUTE_INT, offsetof(pad_attributes, axis) },
    { "before", REEL_ATTRIBUTE_INT, offsetof(pad_attributes, before) },
    { "after", REEL_ATTRIBUTE_INT, offsetof(pad_attributes, after) },
    { 0 },
};

static bool pad_shape(reel_shape_call *c)
{
    const int64_t limit = (int64_t)1 << 60;
    pad_attributes *a = c->attributes;
    c->y = *c->x[0];
    if (!reel_normalise_axis(c, &a->axis, c->y)) {
        return false;
    }
    if (a->before < 0 || a->after < 0 || a->before > limit || a->after > limit) {
        return reel_argument_fail(c, REEL_BAD_ARGUMENT,
                                  "%" PRId64 " zeros before and %" PRId64 " after are not possible",
                                  a->before, a->after);
    }
    c->y.dim[a->axis] += a->before + a->after;
    return true;
}

static void pad_vjp(reel_vjp_call *c)
{
    const pad_attributes *a = c->attributes;
    int64_t length = reel_shape_of(c->x[0]).dim[a->axis];
    c->dx[0] = reel_slice(c->dy, (int)a->axis, a->before, a->before + length);
}

static const reel_sample pad_samples[] = {
    { "rows on both sides",
      1,
      { { .shape = REEL_AXES(2, 3) } },
      .attributes = &(const pad_attributes){ 0, 1, 2 } },
    { "columns",
      1,
      { { .shape = REEL_AXES(2, 3) } },
      .attributes = &(const pad_attributes){ -1, 2, 0 } },
    { "in the middle of four axes",
      1,
      { { .shape = REEL_AXES(2, 2, 3, 2) } },
      .attributes = &(const pad_attributes){ 1, 1, 1 } },
    { "with nothing",
      1,
      { { .shape = REEL_AXES(2, 3) } },
      .attributes = &(const pad_attributes){ 0, 0, 0 } },
    { "only zeros",
      1,
      { { .shape = REEL_AXES(0, 3) } },
      .attributes = &(const pad_attributes){ 0, 1, 1 } },
    { "a negative number",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const pad_attributes){ 0, -1, 2 },
      .fails = "-1 zeros before and 2 after are not possible" },
    { "axis outside",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      .attributes = &(const pad_attributes){ 2, 1, 1 },
      .fails = "axis 2 is outside [4,5]" },
    { 0 },
};

static reel_axis_part part_of_pad(const void *attributes, const reel_shape *x)
{
    const pad_attributes *a = attributes;
    return (reel_axis_part){ (int)a->axis, a->before, a->before + x->dim[a->axis] };
}

static bool pad_keeps_rows(const void *attributes, int inputs, const reel_shape *const x[])
{
    (void)inputs, (void)x;
    return ((const pad_attributes *)attributes)->axis != 0;
}

REEL_OP(pad) = {
    .name = "pad",
    .by_rows = pad_keeps_rows,
    .puts_part = part_of_pad,
    .kind = REEL_OTHER,
    .inputs = 1,
    .doc = "Zeros before and after the input along an axis. As the gradient of slice and at it is "
           "added "
           "into place, touching only the part that is not zero.",
    .attributes = pad_fields,
    .attribute_size = sizeof(pad_attributes),
    .shape = pad_shape,
    .kernel = TYPED_PAIR(pad),
    .strided = true,
    .accumulates = true,
    .vjp = pad_vjp,
    .linear = 1,
    .samples = pad_samples,
};

reel_var reel_pad(reel_var v, int axis, int64_t before, int64_t after)
{
    return reel_record(&reel__op_pad, 1, &v, &(pad_attributes){ axis, before, after });
}

#else /* ---- kernels --------------------------------------------------------------------------- */

CLONED(TYPED(add_run), (size_t n, const REAL *x, REAL *y), (n, x, y))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

static void TYPED(write_run)(int64_t n, const REAL *x, int64_t x_step, REAL *y, int64_t y_step,
                             bool add)
{
    if (x_step == 1 && y_step == 1 && add) {
        TYPED(add_run)((size_t)n, x, y);
    } else if (x_step == 1 && y_step == 1) {
        memcpy(y, x, (size_t)n * sizeof(REAL));
    } else {
        for (int64_t i = 0; i < n; i++) {
            y[i * y_step] = add ? y[i * y_step] + x[i * x_step] : x[i * x_step];
        }
    }
}

/* Writes x, or adds it, to where y points; y_stride has x's axes. */
static void TYPED(write_part)(const reel_tensor *x, const int64_t y_stride[], REAL *y, bool add)
{
    walk w;
    if (!plan_walk(x, y_stride, &w)) {
        return;
    }
    const REAL *from = x->data;
    int64_t index[REEL_MAX_RANK] = { 0 };
    int last = w.rank - 1, k;
    do {
        TYPED(write_run)(w.dim[last], from, w.x_step[last], y, w.y_step[last], add);
        for (k = last - 1; k >= 0; k--) {
            from += w.x_step[k];
            y += w.y_step[k];
            if (++index[k] < w.dim[k]) {
                break;
            }
            from -= w.x_step[k] * w.dim[k];
            y -= w.y_step[k] * w.dim[k];
            index[k] = 0;
        }
    } while (k >= 0);
}

static void TYPED(concat)(const reel_kernel_call *c)
{
    int64_t axis = ((const join_attributes *)c->attributes)->axis;
    REAL *y = c->y.data;
    for (int k = 0; k < c->inputs; k++) {
        TYPED(write_part)(&c->x[k], c->y.stride, y, false);
        y += c->x[k].shape->dim[axis] * c->y.stride[axis];
    }
}

static void TYPED(stack)(const reel_kernel_call *c)
{
    int64_t axis = ((const join_attributes *)c->attributes)->axis;
    int64_t stride[REEL_MAX_RANK];
    for (int k = 0; k < c->y.shape->rank - 1; k++) {
        stride[k] = c->y.stride[k < axis ? k : k + 1];
    }
    REAL *y = c->y.data;
    for (int k = 0; k < c->inputs; k++) {
        TYPED(write_part)(&c->x[k], stride, y, false);
        y += c->y.stride[axis];
    }
}

static void TYPED(pad)(const reel_kernel_call *c)
{
    const pad_attributes *a = c->attributes;
    REAL *y = c->y.data;
    if (!c->accumulate) {
        memset(y, 0, (size_t)reel_shape_size(*c->y.shape) * sizeof(REAL));
    }
    TYPED(write_part)(&c->x[0], c->y.stride, y + a->before * c->y.stride[a->axis], c->accumulate);
}

#endif
