/* sum.c: summation along one axis, in rows (inner == 1) and in columns, for f32 and f64. */
#ifndef REAL
#include <math.h>
#include <string.h>

#include "clones.h"
#include "lanes.h"
#include "subnormal.h"
#include "sum.h"

/* Rows of a column sum that are added in the tensor's own type. */
#define COLUMN_ROWS 16
/* Columns summed together: their totals stay in the first-level cache. */
#define TILE_WIDTH 256
/* Into how many parts a sum is cut that would otherwise leave threads idle. */
#define PARTS 16

/* A total in double with the rounding error of its additions (Neumaier 1974, with Knuth's
 * TwoSum). */
typedef struct {
    double sum, error;
} compensated;

ALWAYS_INLINE compensated add(compensated total, double term)
{
    double sum = total.sum + term;
    double shadow = sum - total.sum;
    total.error += (total.sum - (sum - shadow)) + (term - shadow);
    total.sum = sum;
    return total;
}

/* An infinite sum has a NaN for its error. */
ALWAYS_INLINE double value_of(compensated total)
{
    return isfinite(total.sum) ? total.sum + total.error : total.sum;
}

/* How the work is cut up; by the shape alone, so that the bits do not depend on the threads. */
typedef struct {
    reel__axis_layout layout;
    int64_t size, tiles, parts, part_length;
} sum_plan;

static sum_plan make_plan(reel__axis_layout layout)
{
    sum_plan plan = { .layout = layout, .parts = 1, .part_length = layout.length };
    plan.tiles = (layout.inner + TILE_WIDTH - 1) / TILE_WIDTH;
    plan.size = layout.outer * layout.length * layout.inner;
    if (plan.size >= 2 * REEL__PARALLEL_ELEMENTS && layout.outer * plan.tiles < PARTS &&
        layout.length >= PARTS * COLUMN_ROWS) {
        plan.part_length = (layout.length + PARTS - 1) / PARTS;
        plan.parts = (layout.length + plan.part_length - 1) / plan.part_length;
    }
    return plan;
}

size_t reel__sum_scratch(reel__axis_layout layout)
{
    sum_plan plan = make_plan(layout);
    return plan.parts == 1 ? 0
                           : (size_t)(plan.parts * layout.outer * layout.inner) * sizeof(double);
}

/* Where what is summed comes from: memory, or a function that makes it piece by piece. */
typedef struct {
    const void *data;
    const reel__sum_terms *terms;
} sum_source;

/* What is made at a time. */
#define PIECE (COLUMN_ROWS * TILE_WIDTH)

typedef struct {
    double sum[TILE_WIDTH], error[TILE_WIDTH];
} column_totals;

/* How many rows to look at together. */
static int64_t piece_of(const sum_source *x, int64_t rows, int64_t most)
{
    return x->terms == NULL || rows < most ? rows : most;
}

#define REAL float
#define TYPED(name) name##_f32
#define NEEDS_COMPENSATION false
#include "sum.c"
#undef REAL
#undef TYPED
#undef NEEDS_COMPENSATION

#define REAL double
#define TYPED(name) name##_f64
#define NEEDS_COMPENSATION true
#include "sum.c"
#undef REAL
#undef TYPED
#undef NEEDS_COMPENSATION

#else /* read once for each type */

CLONED(TYPED(accumulate_tile), (size_t n, const REAL *a, const REAL *b, REAL *y), (n, a, b, y))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        y[i] = a[i] + b[i];
    }
}

void TYPED(reel__accumulate)(size_t n, const void *const x[], void *y, const void *attributes)
{
    (void)attributes;
    TYPED(accumulate_tile)(n, x[0], x[1], y);
}

ALWAYS_INLINE compensated TYPED(add_run)(compensated total, REAL run)
{
    if (NEEDS_COMPENSATION) {
        return add(total, (double)run);
    }
    total.sum += (double)run;
    return total;
}

ALWAYS_INLINE void TYPED(store)(REAL *y, double total, bool accumulate)
{
    *y = accumulate ? (REAL)((double)*y + total) : (REAL)total;
}

/* ---- rows ---------------------------------------------------------------------------------- */

CLONED(TYPED(sum_row), (const REAL *x, int64_t n, compensated *out), (x, n, out))
{
    compensated total = *out;
    for (int64_t i = 0; i < n; i += BLOCK) {
        total = TYPED(add_run)(total, TYPED(sum_block)(x + i, n - i < BLOCK ? n - i : BLOCK));
    }
    *out = total;
}

/* Rows too short for lanes. */
CLONED(TYPED(sum_short_rows), (const REAL *x, int64_t rows, int64_t n, bool accumulate, REAL *y),
       (x, rows, n, accumulate, y))
{
    for (int64_t r = 0; r < rows; r++) {
        double total = 0;
        for (int64_t i = 0; i < n; i++) {
            total += (double)x[r * n + i];
        }
        TYPED(store)(y + r, total, accumulate);
    }
}

/* ---- columns ------------------------------------------------------------------------------- */

ALWAYS_INLINE REAL TYPED(sum_8)(const REAL *x, int64_t stride)
{
    return ((x[0] + x[stride]) + (x[2 * stride] + x[3 * stride])) +
           ((x[4 * stride] + x[5 * stride]) + (x[6 * stride] + x[7 * stride]));
}

/* total[c] += Σ_r x[r·stride + c] for `width` ≤ TILE_WIDTH columns. */
CLONED(TYPED(sum_columns),
       (const REAL *x, int64_t rows, int64_t stride, int64_t width, column_totals *out),
       (x, rows, stride, width, out))
{
    double *sum = out->sum, *error = out->error;
    int64_t r = 0;
    for (; r + COLUMN_ROWS <= rows; r += COLUMN_ROWS) {
        const REAL *first = x + r * stride;
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            REAL run =
                TYPED(sum_8)(first + c, stride) + TYPED(sum_8)(first + 8 * stride + c, stride);
            compensated total = TYPED(add_run)((compensated){ sum[c], error[c] }, run);
            sum[c] = total.sum;
            error[c] = total.error;
        }
    }
    for (; r < rows; r++) {
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            compensated total =
                TYPED(add_run)((compensated){ sum[c], error[c] }, x[r * stride + c]);
            sum[c] = total.sum;
            error[c] = total.error;
        }
    }
}

/* ---- pieces of what is summed ------------------------------------------------------------------ */

/* `rows` runs of `width` elements, `stride` apart, from element `begin` on: where they lie, or made
 * in the buffer, side by side. */
static const REAL *TYPED(look)(const sum_source *x, int64_t begin, int64_t rows, int64_t *stride,
                               int64_t width, REAL *buffer)
{
    if (x->terms == NULL) {
        return (const REAL *)x->data + begin;
    }
    if (*stride == width) {
        x->terms->make(x->terms->self, begin, rows * width, buffer);
    }
    for (int64_t r = 0; *stride != width && r < rows; r++) {
        x->terms->make(x->terms->self, begin + r * *stride, width, buffer + r * width);
    }
    *stride = width;
    return buffer;
}

static double TYPED(total_of_row)(const sum_source *x, int64_t begin, int64_t n, REAL *buffer)
{
    compensated total = { 0, 0 };
    int64_t piece = piece_of(x, n, PIECE);
    for (int64_t i = 0; i < n; i += piece) {
        int64_t length = n - i < piece ? n - i : piece, stride = length;
        TYPED(sum_row)(TYPED(look)(x, begin + i, 1, &stride, length, buffer), length, &total);
    }
    return value_of(total);
}

static void TYPED(total_of_columns)(const sum_source *x, int64_t begin, int64_t rows,
                                    int64_t stride, int64_t width, REAL *buffer,
                                    column_totals *total)
{
    memset(total->sum, 0, (size_t)width * sizeof *total->sum);
    memset(total->error, 0, (size_t)width * sizeof *total->error);
    int64_t piece = piece_of(x, rows, COLUMN_ROWS);
    for (int64_t r = 0; r < rows; r += piece) {
        int64_t n = rows - r < piece ? rows - r : piece, apart = stride;
        const REAL *at = TYPED(look)(x, begin + r * stride, n, &apart, width, buffer);
        TYPED(sum_columns)(at, n, apart, width, total);
    }
    for (int64_t c = 0; c < width; c++) {
        total->sum[c] = value_of((compensated){ total->sum[c], total->error[c] });
    }
}

/* Few columns: several rows side by side make a row wide enough for vectors. */
static void TYPED(total_of_narrow)(const sum_source *x, int64_t begin, int64_t rows, int64_t width,
                                   REAL *buffer, double *out)
{
    int64_t side_by_side = TILE_WIDTH / 2 / width, wide = side_by_side * width;
    int64_t whole = rows / side_by_side, rest = (rows - whole * side_by_side) * width;
    column_totals folded;
    TYPED(total_of_columns)(x, begin, whole, wide, wide, buffer, &folded);
    int64_t stride = rest;
    const REAL *at = TYPED(look)(x, begin + whole * wide, 1, &stride, rest, buffer);
    for (int64_t c = 0; c < width; c++) {
        compensated total = { 0, 0 };
        for (int64_t i = 0; i < side_by_side; i++) {
            total = add(total, folded.sum[i * width + c]);
        }
        for (int64_t i = c; i < rest; i += width) {
            total = add(total, (double)at[i]);
        }
        out[c] = value_of(total);
    }
}

/* ---- any layout ---------------------------------------------------------------------------- */

/* One part of one tile of columns, or of one row: `task` counts tiles, then parts, then outer. */
static void TYPED(sum_part)(const sum_source *x, const sum_plan *plan, int64_t task, double *out)
{
    _Alignas(64) REAL buffer[PIECE];
    int64_t inner = plan->layout.inner, length = plan->layout.length;
    int64_t column = task % plan->tiles * TILE_WIDTH;
    int64_t begin = task / plan->tiles % plan->parts * plan->part_length;
    int64_t rows = length - begin < plan->part_length ? length - begin : plan->part_length;
    int64_t first = (task / plan->tiles / plan->parts * length + begin) * inner + column;
    if (inner == 1) {
        *out = TYPED(total_of_row)(x, first, rows, buffer);
    } else if (inner <= TILE_WIDTH / 16 && rows >= TILE_WIDTH) {
        TYPED(total_of_narrow)(x, first, rows, inner, buffer, out);
    } else {
        int64_t width = inner - column < TILE_WIDTH ? inner - column : TILE_WIDTH;
        column_totals total;
        TYPED(total_of_columns)(x, first, rows, inner, width, buffer, &total);
        memcpy(out, total.sum, (size_t)width * sizeof *out);
    }
}

static void TYPED(sum_task)(const sum_source *x, REAL *y, const sum_plan *plan, bool accumulate,
                            int64_t task)
{
    double total[TILE_WIDTH];
    TYPED(sum_part)(x, plan, task, total);
    int64_t inner = plan->layout.inner, column = task % plan->tiles * TILE_WIDTH;
    REAL *out = y + task / plan->tiles * inner + column;
    for (int64_t c = 0; c < TILE_WIDTH && column + c < inner; c++) {
        TYPED(store)(out + c, total[c], accumulate);
    }
}

static void TYPED(sum_whole)(const sum_source *x, REAL *y, const sum_plan *plan, bool accumulate,
                             int threads)
{
    int64_t tasks = plan->layout.outer * plan->tiles;
    if (threads < 2 || plan->size < REEL__PARALLEL_ELEMENTS) {
        for (int64_t task = 0; task < tasks; task++) {
            TYPED(sum_task)(x, y, plan, accumulate, task);
        }
        return;
    }
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t task = 0; task < tasks; task++) {
        reel__float_mode own = reel__float_mode_use(mode);
        TYPED(sum_task)(x, y, plan, accumulate, task);
        reel__float_mode_use(own);
    }
}

static void TYPED(sum_many_short_rows)(const sum_source *x, REAL *y, reel__axis_layout layout,
                                       bool accumulate, int threads)
{
    int64_t rows = layout.outer, n = layout.length, most = REEL__PARALLEL_ELEMENTS / LANES;
    int parts = threads < 2 || rows <= most ? 1 : threads;
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(parts) schedule(static) if (parts > 1)
    for (int64_t r = 0; r < rows; r += most) {
        _Alignas(64) REAL buffer[PIECE];
        reel__float_mode own = reel__float_mode_use(mode);
        int64_t stop = rows - r < most ? rows : r + most, piece = PIECE / LANES;
        for (int64_t i = r; i < stop; i += piece) {
            int64_t count = stop - i < piece ? stop - i : piece, stride = n;
            const REAL *at = TYPED(look)(x, i * n, count, &stride, n, buffer);
            TYPED(sum_short_rows)(at, count, n, accumulate, y + i);
        }
        reel__float_mode_use(own);
    }
}

/* The parts' totals lie in scratch as [outer, parts, inner]. */
static void TYPED(sum_in_parts)(const sum_source *x, REAL *y, const sum_plan *plan, bool accumulate,
                                int threads, double *scratch)
{
    int64_t inner = plan->layout.inner, parts = plan->parts;
    int64_t tasks = plan->layout.outer * parts * plan->tiles;
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t task = 0; task < tasks; task++) {
        reel__float_mode own = reel__float_mode_use(mode);
        double *out = scratch + task / plan->tiles * inner + task % plan->tiles * TILE_WIDTH;
        TYPED(sum_part)(x, plan, task, out);
        reel__float_mode_use(own);
    }
    for (int64_t i = 0; i < plan->layout.outer * inner; i++) {
        const double *term = scratch + i / inner * parts * inner + i % inner;
        compensated total = { 0, 0 };
        for (int64_t part = 0; part < parts; part++) {
            total = add(total, term[part * inner]);
        }
        TYPED(store)(y + i, value_of(total), accumulate);
    }
}

static void TYPED(sum_any)(const sum_source *x, REAL *y, reel__axis_layout layout, bool accumulate,
                           int threads, double *scratch)
{
    sum_plan plan = make_plan(layout);
    if (plan.parts > 1) {
        TYPED(sum_in_parts)(x, y, &plan, accumulate, threads, scratch);
    } else if (layout.inner == 1 && layout.length <= LANES) {
        TYPED(sum_many_short_rows)(x, y, layout, accumulate, threads);
    } else {
        TYPED(sum_whole)(x, y, &plan, accumulate, threads);
    }
}

void TYPED(reel__sum)(const REAL *x, REAL *y, reel__axis_layout layout, bool accumulate,
                      int threads, double *scratch)
{
    TYPED(sum_any)(&(sum_source){ .data = x }, y, layout, accumulate, threads, scratch);
}

void TYPED(reel__sum_made)(const reel__sum_terms *terms, REAL *y, reel__axis_layout layout,
                           bool accumulate, int threads, double *scratch)
{
    TYPED(sum_any)(&(sum_source){ .terms = terms }, y, layout, accumulate, threads, scratch);
}

#endif
