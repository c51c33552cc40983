/* clip.c: gradients of limited size. */
#ifndef REAL
#include <string.h>

#include "../graph/run/lanes.h"
#include "update.h"

/* The sum of squares is taken over a fixed number of parts, added in order: the norm does not
 * depend on how many threads there are. */
enum { PARTS = 64, SMALL = 1 << 15 };

#define KERNELS_OF "../optim/clip.c"
#include "../ops/both_types.h"

typedef struct {
    void (*squares)(const void *x, size_t n, double scale, double *sum);
    double (*largest)(const void *x, size_t n);
    void (*scale)(void *x, size_t n, double factor);
    void (*clamp)(void *x, size_t n, double limit);
} kernels;

static const kernels of_type[] = {
    [REEL_F32] = { squares_f32, largest_f32, scale_f32, clamp_f32 },
    [REEL_F64] = { squares_f64, largest_f64, scale_f64, clamp_f64 },
};

typedef struct {
    reel_tape *tape;
    char *data;
    size_t count;
} gradients;

/* Where part i of PARTS begins, at a multiple of LANES. */
static size_t part_begin(const gradients *g, int i)
{
    size_t width = (g->count / PARTS + LANES) / LANES * LANES, begin = (size_t)i * width;
    return begin < g->count ? begin : g->count;
}

static double sum_of_squares(const gradients *g, double scale)
{
    const kernels *k = &of_type[g->tape->options.dtype];
    double part[PARTS], sum = 0;
#pragma omp parallel for schedule(static) num_threads(g->tape->threads) if (g->count > SMALL)
    for (int i = 0; i < PARTS; i++) {
        size_t begin = part_begin(g, i), end = part_begin(g, i + 1);
        k->squares(g->data + begin * g->tape->element, end - begin, scale, &part[i]);
    }
    for (int i = 0; i < PARTS; i++) {
        sum += part[i];
    }
    return sum;
}

/* Squares of numbers beyond 1e±154 leave the range of double: then once more, relative to the
 * largest. */
static double norm_of(const gradients *g)
{
    double sum = sum_of_squares(g, 1);
    if (isfinite(sum) && sum > 1e-280) {
        return sqrt(sum);
    }
    double largest = of_type[g->tape->options.dtype].largest(g->data, g->count);
    if (!isfinite(largest) || largest == 0) {
        return largest;
    }
    return ldexp(sqrt(sum_of_squares(g, ldexp(1, -ilogb(largest)))), ilogb(largest));
}

static void scale_all(const gradients *g, double factor)
{
#pragma omp parallel for schedule(static) num_threads(g->tape->threads) if (g->count > SMALL)
    for (int i = 0; i < PARTS; i++) {
        size_t begin = part_begin(g, i), end = part_begin(g, i + 1);
        of_type[g->tape->options.dtype].scale(g->data + begin * g->tape->element, end - begin,
                                              factor);
    }
}

void reel__scale_gradients(reel_tape *tape, reel_flat flat, double factor)
{
    gradients g = { .tape = tape, .data = flat.gradients, .count = flat.count };
    scale_all(&g, factor);
}

static bool begin(reel_tape *tape, const char *caller, double max, gradients *g)
{
    if (!(max >= 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, caller, "max is %g, must be at least 0", max);
    }
    reel_flat flat;
    if (reel_tape_status(tape) != REEL_OK || reel_flat_begin(tape, &flat) != REEL_OK) {
        return false;
    }
    *g = (gradients){ .tape = tape, .data = flat.gradients, .count = flat.count };
    return true;
}

double reel_clip_norm(reel_tape *tape, double max)
{
    gradients g;
    if (!begin(tape, "clip_norm", max, &g)) {
        return NAN;
    }
    double norm = norm_of(&g);
    if (!isfinite(norm)) {
        memset(g.data, 0, g.count * tape->element);
    } else if (norm > max) {
        scale_all(&g, max / norm);
    }
    reel_flat_end(tape, false);
    return norm;
}

reel_status reel_clip_value(reel_tape *tape, double max)
{
    gradients g;
    if (!begin(tape, "clip_value", max, &g)) {
        return reel_tape_status(tape);
    }
    of_type[tape->options.dtype].clamp(g.data, g.count, max);
    reel_flat_end(tape, false);
    return REEL_OK;
}

#else

CLONED(TYPED(squares), (const void *data, size_t n, double scale, double *sum),
       (data, n, scale, sum))
{
    const REAL *x = data;
    double lane[LANES] = { 0 }, total = 0;
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        LANE_BY_LANE
        for (size_t k = 0; k < LANES; k++) {
            double v = scale * (double)x[i + k];
            lane[k] += v * v;
        }
    }
    for (size_t i = whole; i < n; i++) {
        double v = scale * (double)x[i];
        lane[i - whole] += v * v;
    }
    for (size_t k = 0; k < LANES; k++) {
        total += lane[k];
    }
    *sum = total;
}

/* NaN wins. */
static double TYPED(largest)(const void *data, size_t n)
{
    const REAL *x = data;
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double size = fabs((double)x[i]);
        most = size > most || isnan(size) ? size : most;
        if (isnan(most)) {
            break;
        }
    }
    return most;
}

CLONED(TYPED(scale), (void *data, size_t n, double factor), (data, n, factor))
{
    REAL *x = data;
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        x[i] = (REAL)(factor * (double)x[i]);
    }
}

CLONED(TYPED(clamp), (void *data, size_t n, double limit), (data, n, limit))
{
    REAL *x = data, high = (REAL)limit;
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL below = x[i] > high ? high : x[i];
        x[i] = below < -high ? -high : below;
    }
}
#endif
