/* reduce.c: what the ops along one axis share. */
#include "reduce.h"
#include "../graph/run/subnormal.h"
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

bool reel__rows_beside_axis(const void *attributes, int inputs, const reel_shape *const x[])
{
    (void)inputs, (void)x;
    return ((const along_attributes *)attributes)->axis != 0;
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

typedef struct {
    const reel__axis_kernel *kernel;
    reel__axis_layout layout;
    const char *x;
    char *y;
    int64_t tasks, together; /* rows a task, or 0 where a task is a tile of columns */
} axis_job;

static void run_rows(const axis_job *j, int64_t task)
{
    int64_t n = j->layout.length, begin = task * j->together, rows = j->layout.outer - begin;
    size_t y_row = (j->kernel->keeps_length ? (size_t)n : 1) * j->kernel->y_element;
    j->kernel->rows(j->x + (size_t)(begin * n) * j->kernel->x_element, j->y + (size_t)begin * y_row,
                    rows < j->together ? rows : j->together, n);
}

static void run_columns(const axis_job *j, int64_t task)
{
    int64_t n = j->layout.length, inner = j->layout.inner;
    int64_t tiles = (inner + COLUMNS - 1) / COLUMNS;
    int64_t outer = task / tiles, column = task % tiles * COLUMNS;
    int64_t x_offset = outer * n * inner + column;
    int64_t y_offset = j->kernel->keeps_length ? x_offset : outer * inner + column;
    j->kernel->columns(j->x + (size_t)x_offset * j->kernel->x_element,
                       j->y + (size_t)y_offset * j->kernel->y_element, n, inner,
                       inner - column < COLUMNS ? inner - column : COLUMNS);
}

static void run_task(const axis_job *j, int64_t task)
{
    (j->layout.inner == 1 ? run_rows : run_columns)(j, task);
}

void reel__run_along_axis(const reel_kernel_call *c, int64_t axis, const reel__axis_kernel *kernel)
{
    axis_job j = { kernel, reel__layout_along(c->x[0].shape, axis), c->x[0].data, c->y.data, 0, 0 };
    int64_t n = j.layout.length;
    if (j.layout.inner == 1) {
        j.together = 1 + REEL__PARALLEL_ELEMENTS / 8 / (n + 1);
        j.tasks = (j.layout.outer + j.together - 1) / j.together;
    } else {
        j.tasks = j.layout.outer * ((j.layout.inner + COLUMNS - 1) / COLUMNS);
    }
    if (c->threads < 2 || j.layout.outer * n * j.layout.inner < REEL__PARALLEL_ELEMENTS) {
        for (int64_t task = 0; task < j.tasks; task++) {
            run_task(&j, task);
        }
        return;
    }
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(c->threads) schedule(static)
    for (int64_t task = 0; task < j.tasks; task++) {
        reel__float_mode own = reel__float_mode_use(mode);
        run_task(&j, task);
        reel__float_mode_use(own);
    }
}
