/* broadcast.c: the graph's own three operations: accumulate, sum_to, expand.
 *
 * Reverse mode needs them whatever the ops are: where a value is used twice its gradients are
 * accumulated; the adjoint of broadcasting is a sum over the axes; and the adjoint of that is
 * broadcasting.
 */
#include <string.h>

#include "op.h"
#include "run/strides.h"
#include "run/sum.h"

typedef struct {
    reel_shape shape;
} shape_attributes;

static const reel_attribute shape_attribute[] = {
    { "shape", REEL_ATTRIBUTE_SHAPE, offsetof(shape_attributes, shape) },
    { 0 },
};

/* ---- accumulate ---------------------------------------------------------------------------- */

static bool same_shape(reel_shape_call *c)
{
    if (!reel_shape_equal(*c->x[0], *c->x[1])) {
        return reel_shape_fail(c, "shapes differ: %s and %s", REEL_SHAPE_TEXT(*c->x[0]),
                               REEL_SHAPE_TEXT(*c->x[1]));
    }
    c->y = *c->x[0];
    return true;
}

static void accumulate_vjp(reel_vjp_call *c)
{
    c->dx[0] = c->dy;
    c->dx[1] = c->dy;
}

static const reel_sample accumulate_samples[] = {
    { "a matrix", 2, .x = { { .shape = REEL_AXES(3, 4) }, { .shape = REEL_AXES(3, 4) } } },
    { "scalars", 2, .x = { { .shape = REEL_NO_AXES }, { .shape = REEL_NO_AXES } } },
    { "five axes", 2,
      .x = { { .shape = REEL_AXES(2, 1, 3, 2, 2) }, { .shape = REEL_AXES(2, 1, 3, 2, 2) } } },
    { "nothing", 2, .x = { { .shape = REEL_AXES(0, 3) }, { .shape = REEL_AXES(0, 3) } } },
    { "no broadcasting",
      2,
      { { .shape = REEL_AXES(3, 4) }, { .shape = REEL_AXES(4) } },
      .fails = "shapes differ: [3,4] and [4]" },
    { 0 },
};

REEL_OP(accumulate) = {
    .name = "accumulate",
    .kind = REEL_ELEMENTWISE,
    .inputs = 2,
    .doc = "a + b of one shape. Reverse mode records it where a value is used more than once; the "
           "sum of the gradients is then built up in place.",
    .shape = same_shape,
    .tile = { reel__accumulate_f32, reel__accumulate_f64 },
    .vjp = accumulate_vjp,
    .in_place = true,
    .sums = true,
    .samples = accumulate_samples,
};

reel_var reel_accumulate(reel_var a, reel_var b)
{
    return reel_record(&reel__op_accumulate, 2, (reel_var[]){ a, b }, NULL);
}

/* ---- sum_to -------------------------------------------------------------------------------- */

static bool broadcasts_to(reel_shape from, reel_shape to)
{
    reel_shape both;
    return reel_broadcast(from, to, &both) && reel_shape_equal(both, to);
}

static bool sum_to_shape(reel_shape_call *c)
{
    const shape_attributes *a = c->attributes;
    if (!broadcasts_to(a->shape, *c->x[0])) {
        return reel_shape_fail(c, "%s does not broadcast to %s", REEL_SHAPE_TEXT(a->shape),
                               REEL_SHAPE_TEXT(*c->x[0]));
    }
    c->y = a->shape;
    return true;
}

/* Neighbouring axes that are all summed, or all kept, act as one; these runs alternate. */
typedef struct {
    int count;
    int64_t length[REEL_MAX_RANK];
    bool summed[REEL_MAX_RANK];
} axis_runs;

static axis_runs find_runs(const reel_shape *x, const reel_shape *y)
{
    axis_runs runs = { 0 };
    for (int i = 0, lead = x->rank - y->rank; i < x->rank; i++) {
        bool summed = i < lead || (y->dim[i - lead] == 1 && x->dim[i] != 1);
        bool continues = runs.count > 0 && runs.summed[runs.count - 1] == summed;
        if (x->dim[i] == 1) {
            continue;
        }
        if (continues) {
            runs.length[runs.count - 1] *= x->dim[i];
        } else {
            runs.length[runs.count] = x->dim[i];
            runs.summed[runs.count++] = summed;
        }
    }
    return runs;
}

/* One run is summed at a time, the last one first, until this returns false. */
static bool next_stage(axis_runs *runs, reel__axis_layout *layout)
{
    int last = runs->count - 1;
    while (last >= 0 && !runs->summed[last]) {
        last--;
    }
    if (last < 0) {
        return false;
    }
    *layout = (reel__axis_layout){ 1, runs->length[last], 1 };
    for (int i = 0; i < runs->count; i++) {
        if (i != last) {
            *(i < last ? &layout->outer : &layout->inner) *= runs->length[i];
        }
    }
    runs->length[last] = 1;
    runs->summed[last] = false;
    return true;
}

/* What lies between two stages alternates between two blocks; sums that were cut into parts want
 * a third. */
typedef struct {
    size_t between[2], parts;
} scratch_sizes;

static scratch_sizes measure_scratch(const reel_shape *x, const reel_shape *y, size_t element)
{
    axis_runs runs = find_runs(x, y);
    reel__axis_layout layout;
    scratch_sizes sizes = { { 0, 0 }, 0 };
    for (int stage = 0; next_stage(&runs, &layout); stage++) {
        size_t bytes = (size_t)(layout.outer * layout.inner) * element, parts;
        bytes = reel__aligned(bytes);
        if (bytes > sizes.between[stage % 2]) {
            sizes.between[stage % 2] = bytes;
        }
        parts = reel__sum_scratch(layout);
        sizes.parts = parts > sizes.parts ? parts : sizes.parts;
    }
    return sizes;
}

static size_t sum_to_scratch(const reel_kernel_call *c, size_t element)
{
    scratch_sizes sizes = measure_scratch(c->x[0].shape, c->y.shape, element);
    return sizes.between[0] + sizes.between[1] + sizes.parts;
}

typedef void (*sum_function)(const void *x, void *y, reel__axis_layout layout, bool accumulate,
                             int threads, double *scratch);

static void sum_f32(const void *x, void *y, reel__axis_layout layout, bool accumulate, int threads,
                    double *scratch)
{
    reel__sum_f32(x, y, layout, accumulate, threads, scratch);
}

static void sum_f64(const void *x, void *y, reel__axis_layout layout, bool accumulate, int threads,
                    double *scratch)
{
    reel__sum_f64(x, y, layout, accumulate, threads, scratch);
}

static void sum_to(const reel_kernel_call *c, size_t element, sum_function sum)
{
    axis_runs runs = find_runs(c->x[0].shape, c->y.shape);
    scratch_sizes sizes = measure_scratch(c->x[0].shape, c->y.shape, element);
    char *between[2] = { c->scratch, (char *)c->scratch + sizes.between[0] };
    double *parts = (double *)(between[1] + sizes.between[1]);

    reel__axis_layout layout, next;
    if (!next_stage(&runs, &layout)) {
        layout = (reel__axis_layout){ 1, 1, reel_shape_size(*c->y.shape) };
    }
    const void *x = c->x[0].data;
    int stage = 0;
    for (; next_stage(&runs, &next); layout = next, stage++) {
        sum(x, between[stage % 2], layout, false, c->threads, parts);
        x = between[stage % 2];
    }
    sum(x, c->y.data, layout, c->accumulate, c->threads, parts);
}

static void sum_to_f32(const reel_kernel_call *c)
{
    sum_to(c, sizeof(float), sum_f32);
}

static void sum_to_f64(const reel_kernel_call *c)
{
    sum_to(c, sizeof(double), sum_f64);
}

static void sum_to_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_expand(c->dy, reel_shape_of(c->x[0]));
}

static double input_size(int inputs, const reel_shape *const x[], const reel_shape *y)
{
    (void)inputs, (void)y;
    return (double)reel_shape_size(*x[0]);
}

#define TO_SHAPE(...)                                                                              \
    &(const shape_attributes)                                                                      \
    {                                                                                              \
        REEL_AXES(__VA_ARGS__)                                                                     \
    }

static const reel_sample sum_to_samples[] = {
    { "a row", 1, { { .shape = REEL_AXES(5, 4) } }, .attributes = TO_SHAPE(4) },
    { "a column", 1, { { .shape = REEL_AXES(5, 4) } }, .attributes = TO_SHAPE(5, 1) },
    { "a scalar",
      1,
      { { .shape = REEL_AXES(2, 3, 2) } },
      .attributes = &(const shape_attributes){ REEL_NO_AXES } },
    { "every other axis",
      1,
      { { .shape = REEL_AXES(2, 3, 2, 4, 2) } },
      .attributes = TO_SHAPE(3, 1, 4, 1) },
    { "the middle", 1, { { .shape = REEL_AXES(3, 4, 5) } }, .attributes = TO_SHAPE(3, 1, 5) },
    { "its own shape", 1, { { .shape = REEL_AXES(2, 3) } }, .attributes = TO_SHAPE(2, 3) },
    { "a leading one", 1, { { .shape = REEL_AXES(1, 2, 3) } }, .attributes = TO_SHAPE(2, 3) },
    { "an empty axis sums to zeros",
      1,
      { { .shape = REEL_AXES(0, 3) } },
      .attributes = TO_SHAPE(1, 3) },
    { "an empty axis stays", 1, { { .shape = REEL_AXES(4, 0) } }, .attributes = TO_SHAPE(1, 0) },
    { "another length",
      1,
      { { .shape = REEL_AXES(5, 4) } },
      .attributes = TO_SHAPE(3, 4),
      .fails = "[3,4] does not broadcast to [5,4]" },
    { "more axes",
      1,
      { { .shape = REEL_AXES(4) } },
      .attributes = TO_SHAPE(1, 4),
      .fails = "[1,4] does not broadcast to [4]" },
    { 0 },
};

/* The steps are one more axis to sum away. */
static reel_var sum_to_sum_over(const reel_lift_call *c)
{
    reel_shape shape = ((const shape_attributes *)c->attributes)->shape;
    return c->stacked[0] ? reel_sum_to(c->x[0], shape) : (reel_var){ c->x[0].tape, 0 };
}

static bool sum_to_keeps_rows(const void *attributes, int inputs, const reel_shape *const x[])
{
    const reel_shape *y = &((const shape_attributes *)attributes)->shape;
    (void)inputs;
    return y->rank == x[0]->rank && y->rank > 0 && y->dim[0] == x[0]->dim[0];
}

/* In one stage, that is. */
static bool sum_to_sums_along(const void *attributes, const reel_shape *x, int64_t layout[3])
{
    axis_runs runs = find_runs(x, &((const shape_attributes *)attributes)->shape);
    reel__axis_layout along, rest;
    if (!next_stage(&runs, &along) || next_stage(&runs, &rest)) {
        return false;
    }
    layout[0] = along.outer;
    layout[1] = along.length;
    layout[2] = along.inner;
    return true;
}

REEL_OP(sum_to) = {
    .name = "sum_to",
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc = "The sum over the axes along which `shape` broadcasts to x: what broadcasting is in "
           "reverse. Summed as sum does.",
    .attributes = shape_attribute,
    .attribute_size = sizeof(shape_attributes),
    .sum_over = sum_to_sum_over,
    .by_rows = sum_to_keeps_rows,
    .shape = sum_to_shape,
    .kernel = { sum_to_f32, sum_to_f64 },
    .scratch = sum_to_scratch,
    .vjp = sum_to_vjp,
    .accumulates = true,
    .sums_along = sum_to_sums_along,
    .flops = input_size,
    .linear = 1,
    .samples = sum_to_samples,
};

static reel_var record_with_shape(const reel_op *op, reel_var v, reel_shape shape)
{
    if (reel_shape_equal(reel_shape_of(v), shape)) {
        return v;
    }
    shape_attributes attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.shape.rank = shape.rank;
    for (int i = 0; i < shape.rank && i < REEL_MAX_RANK; i++) {
        attributes.shape.dim[i] = shape.dim[i];
    }
    return reel_record(op, 1, &v, &attributes);
}

reel_var reel_sum_to(reel_var v, reel_shape shape)
{
    return record_with_shape(&reel__op_sum_to, v, shape);
}

/* ---- expand -------------------------------------------------------------------------------- */

static bool expand_shape(reel_shape_call *c)
{
    const shape_attributes *a = c->attributes;
    if (!broadcasts_to(*c->x[0], a->shape)) {
        return reel_shape_fail(c, "%s does not broadcast to %s", REEL_SHAPE_TEXT(*c->x[0]),
                               REEL_SHAPE_TEXT(a->shape));
    }
    c->y = a->shape;
    return true;
}

static bool expand_view(const void *attributes, const reel_shape *x_shape, const int64_t x_stride[],
                        const reel_shape *y_shape, int64_t *offset, int64_t y_stride[])
{
    (void)attributes;
    *offset = 0;
    for (int i = 0, lead = y_shape->rank - x_shape->rank; i < y_shape->rank; i++) {
        bool repeated = i < lead || x_shape->dim[i - lead] != y_shape->dim[i];
        y_stride[i] = repeated ? 0 : x_stride[i - lead];
    }
    return true;
}

static void expand_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_sum_to(c->dy, reel_shape_of(c->x[0]));
}

static const reel_sample expand_samples[] = {
    { "a row", 1, { { .shape = REEL_AXES(4) } }, .attributes = TO_SHAPE(3, 4) },
    { "a column", 1, { { .shape = REEL_AXES(3, 1) } }, .attributes = TO_SHAPE(3, 4) },
    { "a scalar", 1, { { .shape = REEL_NO_AXES } }, .attributes = TO_SHAPE(2, 3) },
    { "every other axis",
      1,
      { { .shape = REEL_AXES(3, 1, 4, 1) } },
      .attributes = TO_SHAPE(2, 3, 2, 4, 2) },
    { "its own shape", 1, { { .shape = REEL_AXES(2, 3) } }, .attributes = TO_SHAPE(2, 3) },
    { "to nothing", 1, { { .shape = REEL_AXES(1, 3) } }, .attributes = TO_SHAPE(0, 3) },
    { "another length",
      1,
      { { .shape = REEL_AXES(3, 4) } },
      .attributes = TO_SHAPE(5, 4),
      .fails = "[3,4] does not broadcast to [5,4]" },
    { "fewer axes",
      1,
      { { .shape = REEL_AXES(1, 4) } },
      .attributes = TO_SHAPE(4),
      .fails = "[1,4] does not broadcast to [4]" },
    { 0 },
};

REEL_OP(expand) = {
    .name = "expand",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "x broadcast to `shape`, as NumPy's broadcast_to. A view: no data moves.",
    .attributes = shape_attribute,
    .attribute_size = sizeof(shape_attributes),
    .shape = expand_shape,
    .view = expand_view,
    .vjp = expand_vjp,
    .samples = expand_samples,
};

reel_var reel_expand(reel_var v, reel_shape shape)
{
    return record_with_shape(&reel__op_expand, v, shape);
}
