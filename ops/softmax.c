/* softmax.c: softmax, log_softmax and logsumexp, which share the shifted sum of exponentials. */
#ifndef REAL
#include <math.h>

#include "kernel.h"
#include "ops.h"
#include "reduce.h"
#include "vector_math.h"

#include "../graph/run/lanes.h"

#define KERNELS_OF "softmax.c"
#include "both_types.h"

#define DOWN(axis)                                                                                 \
    .attributes = &(const along_attributes)                                                        \
    {                                                                                              \
        axis                                                                                       \
    }

#define MASKED_ROWS                                                                                \
    (const double[])                                                                               \
    {                                                                                              \
        1, -INFINITY, 2, -INFINITY, -INFINITY, -INFINITY, 0, 0, 0                                  \
    }

#define SOFTMAX_SAMPLES                                                                            \
    { "rows", 1, { { .shape = REEL_AXES(3, 5) } }, DOWN(1) },                                      \
        { "columns", 1, { { .shape = REEL_AXES(5, 3) } }, DOWN(0) },                               \
        { "the middle axis of four", 1, { { .shape = REEL_AXES(2, 4, 2, 3) } }, DOWN(-3) },        \
        { "a vector", 1, { { .shape = REEL_AXES(6) } }, DOWN(-1) },                                \
        { "an axis of one", 1, { { .shape = REEL_AXES(4, 1) } }, DOWN(1) },                        \
        { "longer than a vector register", 1, { { .shape = REEL_AXES(2, 71) } }, DOWN(1) },        \
        { "more columns than a vector register", 1, { { .shape = REEL_AXES(3, 37) } }, DOWN(0) },  \
        { "nothing", 1, { { .shape = REEL_AXES(3, 0) } }, DOWN(1) },                               \
        { "far from zero",                                                                         \
          1,                                                                                       \
          { { .shape = REEL_AXES(2, 3),                                                            \
              .values = (const double[]){ 100, 101, 99, -50, -51, -49 } } },                       \
          DOWN(1) },                                                                               \
        { "large values",                                                                          \
          1,                                                                                       \
          { { .shape = REEL_AXES(2, 3),                                                            \
              .values = (const double[]){ 1e4, -1e4, 0, 1e4, 9999, 1e4 } } },                      \
          DOWN(1),                                                                                 \
          .no_gradcheck = "differences of 1e4 have too few digits left",                           \
          .f32_rtol = 1e-4 },                                                                      \
        { "masked entries, and a row of nothing else",                                             \
          1,                                                                                       \
          { { .shape = REEL_AXES(3, 3), .values = MASKED_ROWS } },                                 \
          DOWN(1),                                                                                 \
          .no_gradcheck = "differences of infinities" },                                           \
        { "masked entries down the columns",                                                       \
          1,                                                                                       \
          { { .shape = REEL_AXES(3, 3),                                                            \
              .values = (const double[]){ 1, -INFINITY, 0, -INFINITY, -INFINITY, 0, 2, -INFINITY,  \
                                          0 } } },                                                 \
          DOWN(0),                                                                                 \
          .no_gradcheck = "differences of infinities" },                                           \
        { "NaN spoils its row only",                                                               \
          1,                                                                                       \
          { { .shape = REEL_AXES(2, 2), .values = (const double[]){ NAN, 1, 2, 3 } } },            \
          DOWN(1),                                                                                 \
          .no_gradcheck = "NaN" },                                                                 \
    {                                                                                              \
        "an axis too far", 1, { { .shape = REEL_AXES(4, 5) } }, DOWN(2),                           \
            .fails = "axis 2 is outside [4,5]"                                                     \
    }

/* ---- softmax ------------------------------------------------------------------------------- */

/* dx = y∘(dy - Σ dy∘y) */
static void softmax_vjp(reel_vjp_call *c)
{
    int axis = (int)((const along_attributes *)c->attributes)->axis;
    reel_var mean = reel_sum_keep(reel_xmul(c->dy, c->y), axis);
    c->dx[0] = reel_xmul(reel_sub(c->dy, mean), c->y);
}

static const reel_sample softmax_samples[] = { SOFTMAX_SAMPLES, { 0 } };

REEL_OP(softmax) = {
    .name = "softmax",
    .by_rows = reel__rows_beside_axis,
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc =
        "exp(x) / Σ exp(x) along `axis`, the largest element taken off first, so that no x "
        "overflows. "
        "-infinity masks: such entries are 0 and get gradient 0; a row of nothing but them is all "
        "zeros. A row with +infinity has no softmax and holds NaN.",
    .attributes = reel__along_fields,
    .attribute_size = sizeof(along_attributes),
    .shape = reel__along_shape,
    .kernel = TYPED_PAIR(softmax),
    .vjp = softmax_vjp,
    .in_place = true,
    .samples = softmax_samples,
};

reel_var reel_softmax(reel_var v, int axis)
{
    return reel_record(&reel__op_softmax, 1, &v, &(along_attributes){ axis });
}

/* ---- log_softmax --------------------------------------------------------------------------- */

/* dx = dy - exp(y)·Σ dy, where dy counts as 0 at masked entries: a row of nothing else gets
 * zeros. */
static void log_softmax_vjp(reel_vjp_call *c)
{
    int axis = (int)((const along_attributes *)c->attributes)->axis;
    reel_var unmasked = reel_not_equal(c->y, reel_scalar(c->tape, -INFINITY));
    reel_var dy = reel_xmul(unmasked, c->dy);
    c->dx[0] = reel_sub(dy, reel_xmul(reel_sum_keep(dy, axis), reel_exp(c->y)));
}

static const reel_sample log_softmax_samples[] = { SOFTMAX_SAMPLES, { 0 } };

REEL_OP(log_softmax) = {
    .name = "log_softmax",
    .by_rows = reel__rows_beside_axis,
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc =
        "x - log Σ exp(x) along `axis`, the largest element taken off first. -infinity masks: such "
        "entries stay -infinity and get gradient 0, in a row of nothing else, too.",
    .attributes = reel__along_fields,
    .attribute_size = sizeof(along_attributes),
    .shape = reel__along_shape,
    .kernel = TYPED_PAIR(log_softmax),
    .vjp = log_softmax_vjp,
    .in_place = true,
    .samples = log_softmax_samples,
};

reel_var reel_log_softmax(reel_var v, int axis)
{
    return reel_record(&reel__op_log_softmax, 1, &v, &(along_attributes){ axis });
}

/* ---- logsumexp ----------------------------------------------------------------------------- */

static void logsumexp_vjp(reel_vjp_call *c)
{
    const reduction_attributes *a = c->attributes;
    c->dx[0] = reel_xmul(reel__kept(c, c->dy), reel_softmax(c->x[0], (int)a->axis));
}

static const reel_sample logsumexp_samples[] = {
    REDUCTION_SAMPLES,
    { "large values",
      1,
      { { .shape = REEL_AXES(2, 3),
          .values = (const double[]){ 1e4, -1e4, 0, -1e4, -9999, -1e4 } } },
      ALONG(1, 0),
      .no_gradcheck = "differences of 1e4 have too few digits left",
      .f32_rtol = 1e-4 },
    { "masked entries, and a row of nothing else",
      1,
      { { .shape = REEL_AXES(3, 3), .values = MASKED_ROWS } },
      ALONG(1, 0),
      .no_gradcheck = "differences of infinities" },
    { "infinity and NaN down the columns",
      1,
      { { .shape = REEL_AXES(2, 3),
          .values = (const double[]){ INFINITY, NAN, -INFINITY, 1, 2, -INFINITY } } },
      ALONG(0, 1),
      .no_gradcheck = "differences of infinities" },
    { "an empty axis", 1, { { .shape = REEL_AXES(2, 0) } }, ALONG(1, 0) },
    { 0 },
};

REEL_OP(logsumexp) = {
    .name = "logsumexp",
    .by_rows = reel__rows_beside_axis,
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc =
        "log Σ exp(x) along `axis`, which goes, or stays as 1 with `keep`; the largest element is "
        "taken off first, so that no x overflows. -infinity, with gradient 0, for a row of "
        "-infinity, and for an empty axis; +infinity for a row that holds it.",
    .attributes = reel__reduction_fields,
    .attribute_size = sizeof(reduction_attributes),
    .shape = reel__reduction_shape,
    .kernel = TYPED_PAIR(logsumexp),
    .vjp = logsumexp_vjp,
    .flops = reel__input_size,
    .samples = logsumexp_samples,
};

reel_var reel_logsumexp(reel_var v, int axis)
{
    return reel__reduce(&reel__op_logsumexp, v, axis, false);
}

reel_var reel_logsumexp_keep(reel_var v, int axis)
{
    return reel__reduce(&reel__op_logsumexp, v, axis, true);
}

reel_var reel_logsumexp_all(reel_var v)
{
    return reel__reduce_all(&reel__op_logsumexp, v);
}

#else /* read once for each type */

/* ---- rows ---------------------------------------------------------------------------------- */

/* exp(x) is taken of x - shift: the largest element, or 0 where that is not finite. */
ALWAYS_INLINE REAL TYPED(row_shift)(const REAL *x, int64_t n)
{
    REAL largest = n > 0 ? TYPED(row_extremum)(x, n, true) : 0;
    return isfinite(largest) ? largest : 0;
}

/* e[i] = exp(x[i] - shift) for n ≤ BLOCK elements; returns their sum. */
ALWAYS_INLINE double TYPED(exponentials)(const REAL *x, int64_t n, REAL shift, REAL *e)
{
    LOOP_WITHOUT_OVERLAP
    for (int64_t i = 0; i < n; i++) {
        e[i] = vector_exp(x[i] - shift);
    }
    return (double)TYPED(sum_block)(e, n);
}

ALWAYS_INLINE double TYPED(sum_of_exponentials)(const REAL *x, int64_t n, REAL shift)
{
    REAL e[BLOCK];
    double total = 0;
    for (int64_t i = 0; i < n; i += BLOCK) {
        total += TYPED(exponentials)(x + i, n - i < BLOCK ? n - i : BLOCK, shift, e);
    }
    return total;
}

CLONED(TYPED(softmax_rows), (const void *in, void *out, int64_t rows, int64_t n),
       (in, out, rows, n))
{
    const REAL *x = in;
    REAL *y = out;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        REAL shift = TYPED(row_shift)(x, n);
        double total = 0;
        for (int64_t i = 0; i < n; i += BLOCK) {
            total += TYPED(exponentials)(x + i, n - i < BLOCK ? n - i : BLOCK, shift, y + i);
        }
        REAL factor = total == 0 ? 0 : (REAL)(1 / total);
        for (int64_t i = 0; i < n; i++) {
            y[i] *= factor;
        }
    }
}

CLONED(TYPED(log_softmax_rows), (const void *in, void *out, int64_t rows, int64_t n),
       (in, out, rows, n))
{
    const REAL *x = in;
    REAL *y = out;
    for (int64_t r = 0; r < rows; r++, x += n, y += n) {
        REAL shift = TYPED(row_shift)(x, n);
        double total = TYPED(sum_of_exponentials)(x, n, shift);
        REAL log_total = total == 0 ? 0 : (REAL)log(total);
        LOOP_WITHOUT_OVERLAP
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[i] - shift - log_total;
        }
    }
}

CLONED(TYPED(logsumexp_rows), (const void *in, void *out, int64_t rows, int64_t n),
       (in, out, rows, n))
{
    const REAL *x = in;
    REAL *y = out;
    for (int64_t r = 0; r < rows; r++, x += n) {
        REAL shift = TYPED(row_shift)(x, n);
        y[r] = (REAL)((double)shift + log(TYPED(sum_of_exponentials)(x, n, shift)));
    }
}

/* ---- columns ------------------------------------------------------------------------------- */

ALWAYS_INLINE void TYPED(column_shifts)(const REAL *x, int64_t n, int64_t stride, int64_t width,
                                        REAL *shift)
{
    for (int64_t c = 0; c < width; c++) {
        shift[c] = n > 0 ? x[c] : 0;
    }
    for (int64_t i = 1; i < n; i++) {
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            shift[c] = TYPED(more_extreme)(x[i * stride + c], shift[c], true);
        }
    }
    for (int64_t c = 0; c < width; c++) {
        shift[c] = isfinite(shift[c]) ? shift[c] : 0;
    }
}

/* Sums of exp(x - shift); the exponentials themselves go to e, where it is given. */
ALWAYS_INLINE void TYPED(column_totals)(const REAL *x, int64_t n, int64_t stride, int64_t width,
                                        const REAL *shift, REAL *e, double *total)
{
    for (int64_t c = 0; c < width; c++) {
        total[c] = 0;
    }
    for (int64_t i = 0; i < n; i++) {
        REAL row[COLUMNS], *out = e ? e + i * stride : row;
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            out[c] = vector_exp(x[i * stride + c] - shift[c]);
        }
        for (int64_t c = 0; c < width; c++) {
            total[c] += (double)out[c];
        }
    }
}

CLONED(TYPED(softmax_columns),
       (const void *in, void *out, int64_t n, int64_t stride, int64_t width),
       (in, out, n, stride, width))
{
    REAL shift[COLUMNS], factor[COLUMNS], *y = out;
    double total[COLUMNS];
    TYPED(column_shifts)(in, n, stride, width, shift);
    TYPED(column_totals)(in, n, stride, width, shift, y, total);
    for (int64_t c = 0; c < width; c++) {
        factor[c] = total[c] == 0 ? 0 : (REAL)(1 / total[c]);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < width; c++) {
            y[i * stride + c] *= factor[c];
        }
    }
}

CLONED(TYPED(log_softmax_columns),
       (const void *in, void *out, int64_t n, int64_t stride, int64_t width),
       (in, out, n, stride, width))
{
    const REAL *x = in;
    REAL shift[COLUMNS], log_total[COLUMNS], *y = out;
    double total[COLUMNS];
    TYPED(column_shifts)(x, n, stride, width, shift);
    TYPED(column_totals)(x, n, stride, width, shift, NULL, total);
    for (int64_t c = 0; c < width; c++) {
        log_total[c] = total[c] == 0 ? 0 : (REAL)log(total[c]);
    }
    for (int64_t i = 0; i < n; i++) {
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            y[i * stride + c] = x[i * stride + c] - shift[c] - log_total[c];
        }
    }
}

CLONED(TYPED(logsumexp_columns),
       (const void *in, void *out, int64_t n, int64_t stride, int64_t width),
       (in, out, n, stride, width))
{
    REAL shift[COLUMNS], *y = out;
    double total[COLUMNS];
    TYPED(column_shifts)(in, n, stride, width, shift);
    TYPED(column_totals)(in, n, stride, width, shift, NULL, total);
    for (int64_t c = 0; c < width; c++) {
        y[c] = (REAL)((double)shift[c] + log(total[c]));
    }
}

/* ---- kernels ------------------------------------------------------------------------------- */

static void TYPED(softmax)(const reel_kernel_call *c)
{
    static const reel__axis_kernel kernel = { TYPED(softmax_rows), TYPED(softmax_columns),
                                              sizeof(REAL), sizeof(REAL), true };
    reel__run_along_axis(c, ((const along_attributes *)c->attributes)->axis, &kernel);
}

static void TYPED(log_softmax)(const reel_kernel_call *c)
{
    static const reel__axis_kernel kernel = { TYPED(log_softmax_rows), TYPED(log_softmax_columns),
                                              sizeof(REAL), sizeof(REAL), true };
    reel__run_along_axis(c, ((const along_attributes *)c->attributes)->axis, &kernel);
}

static void TYPED(logsumexp)(const reel_kernel_call *c)
{
    static const reel__axis_kernel kernel = { TYPED(logsumexp_rows), TYPED(logsumexp_columns),
                                              sizeof(REAL), sizeof(REAL), false };
    reel__run_along_axis(c, ((const reduction_attributes *)c->attributes)->axis, &kernel);
}

#endif
