/* extremum.c: max, min, argmax along an axis. */
#ifndef REAL
#include <math.h>

#include "kernel.h"
#include "ops.h"
#include "reduce.h"

#include "../graph/run/lanes.h"

#define KERNELS_OF "extremum.c"
#include "both_types.h"

/* ---- max, min ------------------------------------------------------------------------------ */

static bool max_shape(reel_shape_call *c)
{
    return reel__nonempty_reduction_shape(c, "maximum");
}

static bool min_shape(reel_shape_call *c)
{
    return reel__nonempty_reduction_shape(c, "minimum");
}

/* Each of the tied elements gets an even share. Which elements those are counts as constant. */
static void extremum_vjp(reel_vjp_call *c)
{
    const reduction_attributes *a = c->attributes;
    reel_var chosen = reel_equal(c->x[0], reel__kept(c, c->y));
    reel_var share = reel_div(chosen, reel_sum_keep(chosen, (int)a->axis));
    c->dx[0] = reel_xmul(reel__kept(c, c->dy), share);
}

#define TIED_VALUES                                                                                \
    (const double[])                                                                               \
    {                                                                                              \
        2, -1, 2, 0, 1, 2, -1, -1, -1, -3, -3, 0                                                   \
    }

#define EXTREMUM_SAMPLES                                                                           \
    { "ties",                                                                                      \
      1,                                                                                           \
      { { .shape = REEL_AXES(2, 6), .values = TIED_VALUES } },                                     \
      ALONG(1, 0),                                                                                 \
      .no_gradcheck = "a tie is a kink" },                                                         \
        { "NaN wins",                                                                              \
          1,                                                                                       \
          { { .shape = REEL_AXES(3, 2), .values = (const double[]){ 1, NAN, NAN, 2, 3, 4 } } },    \
          ALONG(0, 0),                                                                             \
          .no_gradcheck = "NaN" },                                                                 \
        { "NaN wins in a row",                                                                     \
          1,                                                                                       \
          { { .shape = REEL_AXES(2, 3), .values = (const double[]){ 1, NAN, 2, NAN, 3, 4 } } },    \
          ALONG(1, 0),                                                                             \
          .no_gradcheck = "NaN" },                                                                 \
    {                                                                                              \
        "infinities", 1,                                                                           \
            { { .shape = REEL_AXES(2, 2),                                                          \
                .values = (const double[]){ INFINITY, 1, -INFINITY, -INFINITY } } },               \
            ALONG(1, 0), .no_gradcheck = "differences of infinities"                               \
    }

static const reel_sample max_samples[] = {
    REDUCTION_SAMPLES,
    EXTREMUM_SAMPLES,
    { "an empty axis",
      1,
      { { .shape = REEL_AXES(3, 0) } },
      ALONG(1, 0),
      .fails = "maximum of an empty axis: [3,0]" },
    { 0 },
};

REEL_OP(max) = {
    .name = "max",
    .by_rows = reel__rows_beside_axis,
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc = "The largest element along `axis`, which goes, or stays as 1 with `keep`. A NaN wins. "
           "Elements that tie share the gradient evenly. An empty axis is an error.",
    .attributes = reel__reduction_fields,
    .attribute_size = sizeof(reduction_attributes),
    .shape = max_shape,
    .kernel = TYPED_PAIR(max),
    .vjp = extremum_vjp,
    .kinked = true,
    .flops = reel__input_size,
    .samples = max_samples,
};

static const reel_sample min_samples[] = {
    REDUCTION_SAMPLES,
    EXTREMUM_SAMPLES,
    { "an empty axis",
      1,
      { { .shape = REEL_AXES(3, 0) } },
      ALONG(1, 0),
      .fails = "minimum of an empty axis: [3,0]" },
    { 0 },
};

REEL_OP(min) = {
    .name = "min",
    .by_rows = reel__rows_beside_axis,
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc = "The smallest element along `axis`, which goes, or stays as 1 with `keep`. A NaN wins. "
           "Elements that tie share the gradient evenly. An empty axis is an error.",
    .attributes = reel__reduction_fields,
    .attribute_size = sizeof(reduction_attributes),
    .shape = min_shape,
    .kernel = TYPED_PAIR(min),
    .vjp = extremum_vjp,
    .kinked = true,
    .flops = reel__input_size,
    .samples = min_samples,
};

/* ---- argmax -------------------------------------------------------------------------------- */

static bool argmax_shape(reel_shape_call *c)
{
    const reduction_attributes *a = c->attributes;
    if (!max_shape(c)) {
        return false;
    }
    if (c->x[0]->dim[a->axis] > INT32_MAX) {
        return reel_shape_fail(c, "an axis of %s is longer than int32 counts",
                               REEL_SHAPE_TEXT(*c->x[0]));
    }
    return true;
}

static const reel_sample argmax_samples[] = {
    REDUCTION_SAMPLES,
    EXTREMUM_SAMPLES,
    { "an empty axis",
      1,
      { { .shape = REEL_AXES(0, 3) } },
      ALONG(0, 0),
      .fails = "maximum of an empty axis: [0,3]" },
    { 0 },
};

REEL_OP(argmax) = {
    .name = "argmax",
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc = "The index (int32) of the largest element along `axis`, which goes, or stays as 1 with "
           "`keep`: of the first one where several tie, of the first NaN where there is one. An "
           "empty axis is an error. Constant almost everywhere: its gradient is zero.",
    .attributes = reel__reduction_fields,
    .attribute_size = sizeof(reduction_attributes),
    .shape = argmax_shape,
    .kernel = TYPED_PAIR(argmax),
    .flat = true,
    .index_output = true,
    .flops = reel__input_size,
    .samples = argmax_samples,
};

/* ---- functions ----------------------------------------------------------------------------- */

reel_var reel_max(reel_var v, int axis)
{
    return reel__reduce(&reel__op_max, v, axis, false);
}

reel_var reel_max_keep(reel_var v, int axis)
{
    return reel__reduce(&reel__op_max, v, axis, true);
}

reel_var reel_max_all(reel_var v)
{
    return reel__reduce_all(&reel__op_max, v);
}

reel_var reel_min(reel_var v, int axis)
{
    return reel__reduce(&reel__op_min, v, axis, false);
}

reel_var reel_min_keep(reel_var v, int axis)
{
    return reel__reduce(&reel__op_min, v, axis, true);
}

reel_var reel_min_all(reel_var v)
{
    return reel__reduce_all(&reel__op_min, v);
}

reel_var reel_argmax(reel_var v, int axis)
{
    return reel__reduce(&reel__op_argmax, v, axis, false);
}

reel_var reel_argmax_keep(reel_var v, int axis)
{
    return reel__reduce(&reel__op_argmax, v, axis, true);
}

reel_var reel_argmax_all(reel_var v)
{
    return reel__reduce_all(&reel__op_argmax, v);
}

#else /* read once for each type */

ALWAYS_INLINE void TYPED(extremum_rows)(const REAL *x, REAL *y, int64_t rows, int64_t n,
                                        bool largest)
{
    for (int64_t r = 0; r < rows; r++) {
        y[r] = TYPED(row_extremum)(x + r * n, n, largest);
    }
}

ALWAYS_INLINE void TYPED(extremum_columns)(const REAL *x, REAL *y, int64_t n, int64_t stride,
                                           int64_t width, bool largest)
{
    REAL best[COLUMNS];
    for (int64_t c = 0; c < width; c++) {
        best[c] = x[c];
    }
    for (int64_t i = 1; i < n; i++) {
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            best[c] = TYPED(more_extreme)(x[i * stride + c], best[c], largest);
        }
    }
    for (int64_t c = 0; c < width; c++) {
        y[c] = best[c];
    }
}

CLONED(TYPED(max_rows), (const void *x, void *y, int64_t rows, int64_t n), (x, y, rows, n))
{
    TYPED(extremum_rows)(x, y, rows, n, true);
}

CLONED(TYPED(min_rows), (const void *x, void *y, int64_t rows, int64_t n), (x, y, rows, n))
{
    TYPED(extremum_rows)(x, y, rows, n, false);
}

CLONED(TYPED(max_columns), (const void *x, void *y, int64_t n, int64_t stride, int64_t width),
       (x, y, n, stride, width))
{
    TYPED(extremum_columns)(x, y, n, stride, width, true);
}

CLONED(TYPED(min_columns), (const void *x, void *y, int64_t n, int64_t stride, int64_t width),
       (x, y, n, stride, width))
{
    TYPED(extremum_columns)(x, y, n, stride, width, false);
}

CLONED(TYPED(argmax_rows), (const void *in, void *out, int64_t rows, int64_t n), (in, out, rows, n))
{
    const REAL *x = in;
    int32_t *y = out;
    for (int64_t r = 0; r < rows; r++, x += n) {
        REAL best = TYPED(row_extremum)(x, n, true);
        int32_t i = 0;
        while (x[i] != best && x[i] == x[i]) {
            i++;
        }
        y[r] = i;
    }
}

CLONED(TYPED(argmax_columns), (const void *in, void *out, int64_t n, int64_t stride, int64_t width),
       (in, out, n, stride, width))
{
    const REAL *x = in;
    int32_t *y = out, index[COLUMNS] = { 0 };
    REAL best[COLUMNS];
    for (int64_t c = 0; c < width; c++) {
        best[c] = x[c];
    }
    for (int32_t i = 1; i < n; i++) {
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            REAL v = x[i * stride + c];
            bool first_nan = v != v && best[c] == best[c];
            index[c] = v > best[c] || first_nan ? i : index[c];
            best[c] = v > best[c] || first_nan ? v : best[c];
        }
    }
    for (int64_t c = 0; c < width; c++) {
        y[c] = index[c];
    }
}

static void TYPED(max)(const reel_kernel_call *c)
{
    static const reel__axis_kernel kernel = { TYPED(max_rows), TYPED(max_columns), sizeof(REAL),
                                              sizeof(REAL), false };
    reel__run_along_axis(c, ((const reduction_attributes *)c->attributes)->axis, &kernel);
}

static void TYPED(min)(const reel_kernel_call *c)
{
    static const reel__axis_kernel kernel = { TYPED(min_rows), TYPED(min_columns), sizeof(REAL),
                                              sizeof(REAL), false };
    reel__run_along_axis(c, ((const reduction_attributes *)c->attributes)->axis, &kernel);
}

static void TYPED(argmax)(const reel_kernel_call *c)
{
    static const reel__axis_kernel kernel = { TYPED(argmax_rows), TYPED(argmax_columns),
                                              sizeof(REAL), sizeof(int32_t), false };
    reel__run_along_axis(c, ((const reduction_attributes *)c->attributes)->axis, &kernel);
}

#endif
