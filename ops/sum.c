/* sum.c: sum, and the mean made of it. */
#include <math.h>

#include "ops.h"
#include "reduce.h"

static size_t sum_scratch(const reel_kernel_call *c, size_t element)
{
    const reduction_attributes *a = c->attributes;
    (void)element;
    return reel__sum_scratch(reel__layout_along(c->x[0].shape, a->axis));
}

static void sum_f32(const reel_kernel_call *c)
{
    const reduction_attributes *a = c->attributes;
    reel__sum_f32(c->x[0].data, c->y.data, reel__layout_along(c->x[0].shape, a->axis),
                  c->accumulate, c->threads, c->scratch);
}

static void sum_f64(const reel_kernel_call *c)
{
    const reduction_attributes *a = c->attributes;
    reel__sum_f64(c->x[0].data, c->y.data, reel__layout_along(c->x[0].shape, a->axis),
                  c->accumulate, c->threads, c->scratch);
}

static bool sums_along(const void *attributes, const reel_shape *x, int64_t layout[3])
{
    reel__axis_layout along =
        reel__layout_along(x, ((const reduction_attributes *)attributes)->axis);
    layout[0] = along.outer;
    layout[1] = along.length;
    layout[2] = along.inner;
    return true;
}

static void sum_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_expand(reel__kept(c, c->dy), reel_shape_of(c->x[0]));
}

static const reel_sample sum_samples[] = {
    REDUCTION_SAMPLES,
    { "an empty axis sums to zeros", 1, { { .shape = REEL_AXES(3, 0) } }, ALONG(1, 0) },
    { "large numbers cancel",
      1,
      { { .shape = REEL_AXES(4), .values = (const double[]){ 1e15, 1, -1e15, 1 } } },
      ALONG(0, 0),
      .no_gradcheck = "differences of 1e15 have no digits left",
      .f32_rtol = 1 },
    { "infinity stays infinity",
      1,
      { { .shape = REEL_AXES(2, 2), .values = (const double[]){ INFINITY, 1, -INFINITY, 2 } } },
      ALONG(1, 0),
      .no_gradcheck = "differences of infinities" },
    { "opposite infinities, and NaN",
      1,
      { { .shape = REEL_AXES(2, 2), .values = (const double[]){ INFINITY, -INFINITY, NAN, 2 } } },
      ALONG(1, 0),
      .no_gradcheck = "differences of infinities" },
    { 0 },
};

REEL_OP(sum) = {
    .name = "sum",
    .by_rows = reel__rows_beside_axis,
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc =
        "The sum along `axis`, which goes, or stays as 1 with `keep`. Stretches of 16 elements are "
        "added in the tensor's type, their sums in double with the rounding error carried along "
        "(Neumaier 1974), so that the error does not grow with the length. 0 for an empty axis.",
    .attributes = reel__reduction_fields,
    .attribute_size = sizeof(reduction_attributes),
    .shape = reel__reduction_shape,
    .kernel = { sum_f32, sum_f64 },
    .scratch = sum_scratch,
    .vjp = sum_vjp,
    .accumulates = true,
    .sums_along = sums_along,
    .flops = reel__input_size,
    .linear = 1,
    .samples = sum_samples,
};

reel_var reel_sum(reel_var v, int axis)
{
    return reel__reduce(&reel__op_sum, v, axis, false);
}

reel_var reel_sum_keep(reel_var v, int axis)
{
    return reel__reduce(&reel__op_sum, v, axis, true);
}

reel_var reel_sum_all(reel_var v)
{
    return reel__reduce_all(&reel__op_sum, v);
}

/* ---- mean ---------------------------------------------------------------------------------- */

/* Nothing has the mean 0·infinity = NaN. */
static reel_var mean(reel_var v, int axis, bool keep)
{
    int64_t n;
    if (!reel__axis_length(v, axis, "mean", &n)) {
        return (reel_var){ v.tape, 0 };
    }
    return reel_scale(reel__reduce(&reel__op_sum, v, axis, keep), 1 / (double)n);
}

reel_var reel_mean(reel_var v, int axis)
{
    return mean(v, axis, false);
}

reel_var reel_mean_keep(reel_var v, int axis)
{
    return mean(v, axis, true);
}

reel_var reel_mean_all(reel_var v)
{
    return mean(reel__flatten(v), 0, false);
}
