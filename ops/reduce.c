/* reduce.c: what the ops along one axis share. */
#include "reduce.h"
#include "ops.h"

const reel_attribute reel__reduction_fields[] = {
    { "axis", REEL_ATTRIBUTE_INT, offsetof(reduction_attributes, axis) },
    { "keep", REEL_ATTRIBUTE_INT, offsetof(reduction_attributes, keep) },
    { 0 },
};

const reel_attribute reel__along_fields[] = {
    { "axis", REEL_ATTRIBUTE_INT, offsetof(along_attributes, axis) },
    { 0 },
};

bool reel__along_shape(reel_shape_call *c)
{
    along_attributes *a = c->attributes;
    c->y = *c->x[0];
    return reel_normalise_axis(c, &a->axis, *c->x[0]);
}

bool reel__reduction_shape(reel_shape_call *c)
{
    reduction_attributes *a = c->attributes;
    const reel_shape *x = c->x[0];
    if (!reel_normalise_axis(c, &a->axis, *x)) {
        return false;
    }
    c->y.rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (i != a->axis) {
            c->y.dim[c->y.rank++] = x->dim[i];
        } else if (a->keep) {
            c->y.dim[c->y.rank++] = 1;
        }
    }
    return true;
}

bool reel__nonempty_reduction_shape(reel_shape_call *c, const char *what)
{
    const reduction_attributes *a = c->attributes;
    if (!reel__reduction_shape(c)) {
        return false;
    }
    if (c->x[0]->dim[a->axis] == 0) {
        return reel_shape_fail(c, "%s of an empty axis: %s", what, REEL_SHAPE_TEXT(*c->x[0]));
    }
    return true;
}

double reel__input_size(int inputs, const reel_shape *const x[], const reel_shape *y)
{
    (void)inputs, (void)y;
    return (double)reel_shape_size(*x[0]);
}

reel__axis_layout reel__layout_along(const reel_shape *shape, int64_t axis)
{
    reel__axis_layout layout = { 1, shape->dim[axis], 1 };
    for (int i = 0; i < shape->rank; i++) {
        if (i != axis) {
            *(i < axis ? &layout.outer : &layout.inner) *= shape->dim[i];
        }
    }
    return layout;
}

reel_var reel__reduce(const reel_op *op, reel_var v, int axis, bool keep)
{
    return reel_record(op, 1, &v, &(reduction_attributes){ axis, keep });
}

reel_var reel__flatten(reel_var v)
{
    reel_shape shape = reel_shape_of(v);
    return shape.rank < 0 || shape.rank == 1 ? v
                                             : reel_reshape(v, REEL_SHAPE(reel_shape_size(shape)));
}

reel_var reel__reduce_all(const reel_op *op, reel_var v)
{
    return reel__reduce(op, reel__flatten(v), 0, false);
}

reel_var reel__kept(const reel_vjp_call *c, reel_var v)
{
    const reduction_attributes *a = c->attributes;
    return a->keep ? v : reel_unsqueeze(v, (int)a->axis);
}

bool reel__axis_length(reel_var v, int axis, const char *op, int64_t *length)
{
    reel_shape shape = reel_shape_of(v);
    *length = 0;
    if (shape.rank < 0) {
        return true;
    }
    if (axis < -shape.rank || axis >= shape.rank) {
        reel_fail(v.tape, REEL_BAD_ARGUMENT, op, "axis %d is outside %s", axis,
                  REEL_SHAPE_TEXT(shape));
        return false;
    }
    *length = shape.dim[axis < 0 ? axis + shape.rank : axis];
    return true;
}

/* ---- the loop over rows and tiles ---------------------------------------------------------- */

static void run_rows(const reel_kernel_call *c, reel__axis_layout layout,
                     const reel__axis_kernel *k)
{
    int64_t n = layout.length, rows = layout.outer;
    int64_t together =
        n >= REEL__PARALLEL_ELEMENTS / 4 ? 1 : REEL__PARALLEL_ELEMENTS / 4 / (n + 1) + 1;
    size_t x_row = (size_t)n * k->x_element;
    size_t y_row = (k->keeps_length ? (size_t)n : 1) * k->y_element;
    const char *x = c->x[0].data;
    char *y = c->y.data;
#pragma omp parallel for num_threads(c->threads) if (rows * n >= REEL__PARALLEL_ELEMENTS)
    for (int64_t r = 0; r < rows; r += together) {
        k->rows(x + (size_t)r * x_row, y + (size_t)r * y_row,
                rows - r < together ? rows - r : together, n);
    }
}

static void run_columns(const reel_kernel_call *c, reel__axis_layout layout,
                        const reel__axis_kernel *k)
{
    int64_t n = layout.length, inner = layout.inner;
    int64_t tiles = (inner + COLUMNS - 1) / COLUMNS;
    int64_t y_length = k->keeps_length ? n : 1;
    const char *x = c->x[0].data;
    char *y = c->y.data;
    bool parallel = layout.outer * n * inner >= REEL__PARALLEL_ELEMENTS;
#pragma omp parallel for num_threads(c->threads) if (parallel)
    for (int64_t task = 0; task < layout.outer * tiles; task++) {
        int64_t outer = task / tiles, column = task % tiles * COLUMNS;
        int64_t width = inner - column < COLUMNS ? inner - column : COLUMNS;
        k->columns(x + (size_t)(outer * n * inner + column) * k->x_element,
                   y + (size_t)(outer * y_length * inner + column) * k->y_element, n, inner, width);
    }
}

void reel__run_along_axis(const reel_kernel_call *c, int64_t axis, const reel__axis_kernel *k)
{
    reel__axis_layout layout = reel__layout_along(c->x[0].shape, axis);
    (layout.inner == 1 ? run_rows : run_columns)(c, layout, k);
}
