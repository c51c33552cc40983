/* gather.c: rows and elements addressed by an index tensor. Indices that are data are checked when
 * the call is recorded, computed ones (argmax) when it runs. The gradients add into place and touch
 * only the rows that were read, duplicates in the order of their positions: reproducible with any
 * number of threads.
 */
#ifndef REAL
#include <string.h>

#include "../graph/run/subnormal.h"
#include "indices.h"
#include "kernel.h"
#include "ops.h"

/* Below this many elements a team of threads costs more than it saves. */
enum { WORTH_THREADS = 1 << 16 };

/* [a..., b without its first `skip` axes...]; false with more than 8 axes. */
static bool join_shapes(reel_shape a, reel_shape b, int skip, reel_shape *out)
{
    *out = a;
    for (int k = skip; k < b.rank; k++) {
        if (out->rank == REEL_MAX_RANK) {
            return false;
        }
        out->dim[out->rank++] = b.dim[k];
    }
    return true;
}

static int64_t size_from(const reel_shape *shape, int axis)
{
    int64_t size = 1;
    for (int k = axis; k < shape->rank; k++) {
        size *= shape->dim[k];
    }
    return size;
}

#define KERNELS_OF "gather.c"
#include "both_types.h"

static reel_var scatter_rows(reel_var rows, reel_var indices, int64_t length);

/* ---- gather -------------------------------------------------------------------------------- */

static bool gather_shape(reel_shape_call *c)
{
    const reel_shape *table = c->x[0], *indices = c->x[1];
    if (!reel_normalise_axis(c, &(int64_t){ 0 }, *table)) {
        return false;
    }
    if (!join_shapes(*indices, *table, 1, &c->y)) {
        return reel_shape_fail(c, "rows of %s at %s have more than %d axes",
                               REEL_SHAPE_TEXT(*table), REEL_SHAPE_TEXT(*indices), REEL_MAX_RANK);
    }
    return reel__indices_fit(c, 1, "the table's", table->dim[0], "rows");
}

static void gather_vjp(reel_vjp_call *c)
{
    c->dx[0] = scatter_rows(c->dy, c->x[1], reel_shape_of(c->x[0]).dim[0]);
}

static const reel_sample gather_samples[] = {
    { "rows, some twice", 2,
      .x = { { .shape = REEL_AXES(5, 3) },
             { .shape = REEL_AXES(4), .values = (const double[]){ 4, 0, 4, 2 } } } },
    { "a batch of sequences", 2,
      .x = { { .shape = REEL_AXES(6, 2) }, { .shape = REEL_AXES(3, 4), .hi = 6 } } },
    { "one row", 2, .x = { { .shape = REEL_AXES(3, 2, 2) }, { .shape = REEL_NO_AXES, .hi = 3 } } },
    { "numbers of a vector", 2,
      .x = { { .shape = REEL_AXES(5) }, { .shape = REEL_AXES(2, 2), .hi = 5 } } },
    { "no indices", 2, .x = { { .shape = REEL_AXES(5, 3) }, { .shape = REEL_AXES(0) } } },
    { "empty rows", 2, .x = { { .shape = REEL_AXES(5, 0) }, { .shape = REEL_AXES(2), .hi = 5 } } },
    { "behind the last row", 2,
      .x = { { .shape = REEL_AXES(5, 3) },
             { .shape = REEL_AXES(2, 2), .values = (const double[]){ 0, 1, 2, 7 } } },
      .fails = "index 7 at position 3 is outside the table's 5 rows" },
    { "before the first row", 2,
      .x = { { .shape = REEL_AXES(5, 3) },
             { .shape = REEL_AXES(2), .values = (const double[]){ -1, 0 } } },
      .fails = "index -1 at position 0 is outside the table's 5 rows" },
    { "an empty table", 2,
      .x = { { .shape = REEL_AXES(0, 3) },
             { .shape = REEL_AXES(1), .values = (const double[]){ 0 } } },
      .fails = "index 0 at position 0 is outside the table's 0 rows" },
    { "too many axes", 2,
      .x = { { .shape = REEL_AXES(1, 1, 1, 1, 1) },
             { .shape = REEL_AXES(1, 1, 1, 1, 1), .hi = 1 } },
      .fails = "rows of [1,1,1,1,1] at [1,1,1,1,1] have more than 8 axes" },
    { "a scalar table", 2, .x = { { .shape = REEL_NO_AXES }, { .shape = REEL_AXES(1), .hi = 1 } },
      .fails = "axis 0 is outside []" },
    { 0 },
};

REEL_OP(gather) = {
    .name = "gather",
    .kind = REEL_GATHER,
    .inputs = 2,
    .doc = "Rows of a table [n, ...] at indices [i...]: [i..., ...], as NumPy's table[indices]; "
           "indices "
           "count from 0, and one outside 0 … n-1 is an error that names it.",
    .shape = gather_shape,
    .kernel = TYPED_PAIR(gather),
    .vjp = gather_vjp,
    .index_inputs = 1u << 1,
    .samples = gather_samples,
};

reel_var reel_gather(reel_var table, reel_var indices)
{
    return reel_record(&reel__op_gather, 2, (const reel_var[]){ table, indices }, NULL);
}

/* ---- scatter_rows: gather's transpose ------------------------------------------------------ */

typedef struct {
    int64_t length;
} scatter_rows_attributes;

static const reel_attribute scatter_rows_fields[] = {
    { "length", REEL_ATTRIBUTE_INT, offsetof(scatter_rows_attributes, length) },
    { 0 },
};

static bool scatter_rows_shape(reel_shape_call *c)
{
    const scatter_rows_attributes *a = c->attributes;
    const reel_shape *rows = c->x[0], *indices = c->x[1];
    reel_shape y = { .rank = 1, .dim = { a->length } }, expected;
    if (!join_shapes(*indices, *rows, indices->rank, &expected) ||
        !reel_shape_equal(*rows, expected)) {
        return reel_shape_fail(c, "rows %s do not begin with the indices' %s",
                               REEL_SHAPE_TEXT(*rows), REEL_SHAPE_TEXT(*indices));
    }
    if (!join_shapes(y, *rows, indices->rank, &c->y)) {
        return reel_shape_fail(c, "a table of %s has more than %d axes", REEL_SHAPE_TEXT(*rows),
                               REEL_MAX_RANK);
    }
    return reel__length_fits(c, "length", a->length) &&
           reel__indices_fit(c, 1, "the table's", a->length, "rows");
}

static void scatter_rows_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_gather(c->dy, c->x[1]);
}

static const reel_sample scatter_rows_samples[] = {
    { "rows, some twice", 2,
      .x = { { .shape = REEL_AXES(4, 3) },
             { .shape = REEL_AXES(4), .values = (const double[]){ 4, 0, 4, 2 } } },
      .attributes = &(const scatter_rows_attributes){ 5 } },
    { "a batch of sequences", 2,
      .x = { { .shape = REEL_AXES(3, 4, 2) }, { .shape = REEL_AXES(3, 4), .hi = 6 } },
      .attributes = &(const scatter_rows_attributes){ 6 } },
    { "one row", 2, .x = { { .shape = REEL_AXES(2, 2) }, { .shape = REEL_NO_AXES, .hi = 3 } },
      .attributes = &(const scatter_rows_attributes){ 3 } },
    { "nothing", 2, .x = { { .shape = REEL_AXES(0, 3) }, { .shape = REEL_AXES(0) } },
      .attributes = &(const scatter_rows_attributes){ 2 } },
    { "other rows", 2, .x = { { .shape = REEL_AXES(4, 5) }, { .shape = REEL_AXES(3), .hi = 3 } },
      .attributes = &(const scatter_rows_attributes){ 3 },
      .fails = "rows [4,5] do not begin with the indices' [3]" },
    { "behind the last row", 2,
      .x = { { .shape = REEL_AXES(2) },
             { .shape = REEL_AXES(2), .values = (const double[]){ 0, 3 } } },
      .attributes = &(const scatter_rows_attributes){ 3 },
      .fails = "index 3 at position 1 is outside the table's 3 rows" },
    { "a negative length", 2, .x = { { .shape = REEL_AXES(0) }, { .shape = REEL_AXES(0) } },
      .attributes = &(const scatter_rows_attributes){ -1 }, .fails = "length -1 is negative" },
    { 0 },
};

REEL_OP(scatter_rows) = {
    .name = "scatter_rows",
    .kind = REEL_GATHER,
    .inputs = 2,
    .doc = "A table of zeros with `length` rows, to which rows [i..., ...] are added at indices "
           "[i...]; "
           "rows of equal index add up. The gradient of gather.",
    .attributes = scatter_rows_fields,
    .attribute_size = sizeof(scatter_rows_attributes),
    .shape = scatter_rows_shape,
    .kernel = TYPED_PAIR(scatter_rows),
    .vjp = scatter_rows_vjp,
    .index_inputs = 1u << 1,
    .accumulates = true,
    .samples = scatter_rows_samples,
};

static reel_var scatter_rows(reel_var rows, reel_var indices, int64_t length)
{
    return reel_record(&reel__op_scatter_rows, 2, (const reel_var[]){ rows, indices },
                       &(scatter_rows_attributes){ length });
}

/* ---- scatter_add --------------------------------------------------------------------------- */

static bool scatter_add_shape(reel_shape_call *c)
{
    const reel_shape *v = c->x[0], *indices = c->x[1], *rows = c->x[2];
    reel_shape expected;
    c->y = *v;
    if (!reel_normalise_axis(c, &(int64_t){ 0 }, *v)) {
        return false;
    }
    if (!join_shapes(*indices, *v, 1, &expected) || !reel_shape_equal(*rows, expected)) {
        return reel_shape_fail(c, "rows %s do not fit rows of %s at %s", REEL_SHAPE_TEXT(*rows),
                               REEL_SHAPE_TEXT(*v), REEL_SHAPE_TEXT(*indices));
    }
    return reel__indices_fit(c, 1, "the table's", v->dim[0], "rows");
}

static void scatter_add_vjp(reel_vjp_call *c)
{
    if (c->needs[0]) {
        c->dx[0] = c->dy;
    }
    if (c->needs[2]) {
        c->dx[2] = reel_gather(c->dy, c->x[1]);
    }
}

static const reel_sample scatter_add_samples[] = {
    { "rows, some twice", 3,
      .x = { { .shape = REEL_AXES(5, 3) },
             { .shape = REEL_AXES(4), .values = (const double[]){ 4, 0, 4, 2 } },
             { .shape = REEL_AXES(4, 3) } } },
    { "a matrix of indices", 3,
      .x = { { .shape = REEL_AXES(3, 2) },
             { .shape = REEL_AXES(2, 2), .hi = 3 },
             { .shape = REEL_AXES(2, 2, 2) } } },
    { "one number", 3,
      .x = { { .shape = REEL_AXES(3) },
             { .shape = REEL_NO_AXES, .hi = 3 },
             { .shape = REEL_NO_AXES } } },
    { "no rows", 3,
      .x = { { .shape = REEL_AXES(3, 2) },
             { .shape = REEL_AXES(0) },
             { .shape = REEL_AXES(0, 2) } } },
    { "other rows", 3,
      .x = { { .shape = REEL_AXES(5, 2) },
             { .shape = REEL_AXES(3), .hi = 5 },
             { .shape = REEL_AXES(4, 2) } },
      .fails = "rows [4,2] do not fit rows of [5,2] at [3]" },
    { "behind the last row", 3,
      .x = { { .shape = REEL_AXES(5, 1) },
             { .shape = REEL_AXES(2), .values = (const double[]){ 5, 0 } },
             { .shape = REEL_AXES(2, 1) } },
      .fails = "index 5 at position 0 is outside the table's 5 rows" },
    { 0 },
};

REEL_OP(scatter_add) = {
    .name = "scatter_add",
    .kind = REEL_GATHER,
    .inputs = 3,
    .doc = "v [n, ...] with rows [i..., ...] added at indices [i...]; rows of equal index add up, "
           "in the "
           "order of their positions.",
    .shape = scatter_add_shape,
    .kernel = TYPED_PAIR(scatter_add),
    .vjp = scatter_add_vjp,
    .index_inputs = 1u << 1,
    .in_place = true,
    .samples = scatter_add_samples,
};

reel_var reel_scatter_add(reel_var v, reel_var indices, reel_var rows)
{
    return reel_record(&reel__op_scatter_add, 3, (const reel_var[]){ v, indices, rows }, NULL);
}

#else /* ---- kernels --------------------------------------------------------------------------- */

static void TYPED(gather)(const reel_kernel_call *c)
{
    const REAL *table = c->x[0].data;
    const int32_t *index = c->x[1].data;
    REAL *y = c->y.data;
    int64_t count = reel_shape_size(*c->x[1].shape), row = size_from(c->x[0].shape, 1);
    if (!reel__indices_hold(c, 1, "the table's", c->x[0].shape->dim[0], "rows")) {
        return;
    }
#pragma omp parallel for num_threads(c->threads) if (count * row > WORTH_THREADS)
    for (int64_t i = 0; i < count; i++) {
        memcpy(y + i * row, table + index[i] * row, (size_t)row * sizeof(REAL));
    }
}

CLONED(TYPED(add_row), (size_t n, const REAL *x, REAL *y), (n, x, y))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

/* Every part of the table belongs to one thread, which takes its rows in order. */
static void TYPED(add_rows)(const int32_t *index, int64_t count, int64_t row, const REAL *x,
                            REAL *y, int threads)
{
    int parts = count * row > WORTH_THREADS ? threads : 1;
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(parts) schedule(static, 1) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        reel__float_mode own = reel__float_mode_use(mode);
        for (int64_t i = 0; i < count; i++) {
            if (index[i] % parts == part) {
                TYPED(add_row)((size_t)row, x + i * row, y + index[i] * row);
            }
        }
        reel__float_mode_use(own);
    }
}

static void TYPED(scatter_rows)(const reel_kernel_call *c)
{
    int64_t count = reel_shape_size(*c->x[1].shape), row = size_from(c->y.shape, 1);
    if (!reel__indices_hold(c, 1, "the table's", c->y.shape->dim[0], "rows")) {
        return;
    }
    if (!c->accumulate) {
        memset(c->y.data, 0, (size_t)reel_shape_size(*c->y.shape) * sizeof(REAL));
    }
    TYPED(add_rows)(c->x[1].data, count, row, c->x[0].data, c->y.data, c->threads);
}

static void TYPED(scatter_add)(const reel_kernel_call *c)
{
    int64_t count = reel_shape_size(*c->x[1].shape), row = size_from(c->y.shape, 1);
    if (!reel__indices_hold(c, 1, "the table's", c->y.shape->dim[0], "rows")) {
        return;
    }
    if (c->y.data != c->x[0].data) {
        memcpy(c->y.data, c->x[0].data, (size_t)reel_shape_size(*c->y.shape) * sizeof(REAL));
    }
    TYPED(add_rows)(c->x[1].data, count, row, c->x[2].data, c->y.data, c->threads);
}

#endif
