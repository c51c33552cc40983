/* cumulate.c: cumsum, the running sum along an axis. */
#ifndef REAL
#include <math.h>

#include "kernel.h"
#include "ops.h"
#include "reduce.h"

#define KERNELS_OF "cumulate.c"
#include "both_types.h"

/* The running sum from the other end. */
static void cumsum_vjp(reel_vjp_call *c)
{
    int axis = (int)((const along_attributes *)c->attributes)->axis;
    c->dx[0] = reel_flip(reel_cumsum(reel_flip(c->dy, axis), axis), axis);
}

#undef ALONG
#define DOWN(axis)                                                                                 \
    .attributes = &(const along_attributes)                                                        \
    {                                                                                              \
        axis                                                                                       \
    }

static const reel_sample cumsum_samples[] = {
    { "along rows", 1, { { .shape = REEL_AXES(3, 5) } }, DOWN(1) },
    { "down columns", 1, { { .shape = REEL_AXES(5, 3) } }, DOWN(0) },
    { "the middle axis of four", 1, { { .shape = REEL_AXES(2, 3, 2, 2) } }, DOWN(-3) },
    { "a vector", 1, { { .shape = REEL_AXES(6) } }, DOWN(-1) },
    { "an axis of one", 1, { { .shape = REEL_AXES(4, 1) } }, DOWN(1) },
    { "nothing", 1, { { .shape = REEL_AXES(3, 0) } }, DOWN(1) },
    { "infinity and what follows",
      1,
      { { .shape = REEL_AXES(4), .values = (const double[]){ 1, INFINITY, 2, -INFINITY } } },
      DOWN(0),
      .no_gradcheck = "differences of infinities" },
    { "an axis too far",
      1,
      { { .shape = REEL_AXES(4, 5) } },
      DOWN(-3),
      .fails = "axis -3 is outside [4,5]" },
    { 0 },
};

REEL_OP(cumsum) = {
    .name = "cumsum",
    .by_rows = reel__rows_beside_axis,
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc = "The running sum along `axis`: y[i] = x[0] + … + x[i]. Accumulated in double.",
    .attributes = reel__along_fields,
    .attribute_size = sizeof(along_attributes),
    .shape = reel__along_shape,
    .kernel = TYPED_PAIR(cumsum),
    .vjp = cumsum_vjp,
    .in_place = true,
    .linear = 1,
    .samples = cumsum_samples,
};

reel_var reel_cumsum(reel_var v, int axis)
{
    return reel_record(&reel__op_cumsum, 1, &v, &(along_attributes){ axis });
}

#else /* read once for each type */

static void TYPED(cumsum_rows)(const void *in, void *out, int64_t rows, int64_t n)
{
    const REAL *x = in;
    REAL *y = out;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        double total = 0;
        for (int64_t i = 0; i < n; i++) {
            total += (double)x[i];
            y[i] = (REAL)total;
        }
    }
}

CLONED(TYPED(cumsum_columns), (const void *in, void *out, int64_t n, int64_t stride, int64_t width),
       (in, out, n, stride, width))
{
    const REAL *x = in;
    REAL *y = out;
    double total[COLUMNS] = { 0 };
    for (int64_t i = 0; i < n; i++) {
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            total[c] += (double)x[i * stride + c];
            y[i * stride + c] = (REAL)total[c];
        }
    }
}

static void TYPED(cumsum)(const reel_kernel_call *c)
{
    static const reel__axis_kernel kernel = { TYPED(cumsum_rows), TYPED(cumsum_columns),
                                              sizeof(REAL), sizeof(REAL), true };
    reel__run_along_axis(c, ((const along_attributes *)c->attributes)->axis, &kernel);
}

#endif
