/* vectors.c: sums and products over flat buffers. */
#ifndef REAL
#include "vectors.h"

#include "../graph/run/lanes.h"

/* Sums are over so many parts, added in order, whatever the threads. */
enum { VECTOR_PARTS = 64, VECTOR_SMALL = 1 << 15 };

#define KERNELS_OF "../optim/vectors.c"
#include "../ops/both_types.h"

static void (*const dot_of[])(size_t n, const void *x, const void *y,
                              double *sum) = TYPED_PAIR(dot);
static void (*const squares_of[])(size_t n, const void *x, double scale,
                                  double *sum) = TYPED_PAIR(squares);
static double (*const sizes_of[])(size_t n, const void *x) = TYPED_PAIR(sizes);
static double (*const largest_of[])(size_t n, const void *x) = TYPED_PAIR(largest);
static void (*const combine_of[])(size_t n, double a, const void *x, double b,
                                  void *y) = TYPED_PAIR(combine);

/* Where part i begins, at a multiple of LANES. */
static size_t part_begin(size_t n, int i)
{
    size_t begin = (size_t)i * ((n / VECTOR_PARTS + LANES) / LANES * LANES);
    return begin < n ? begin : n;
}

static const char *at(const reel_tape *tape, const void *x, size_t i)
{
    return (const char *)x + i * tape->element;
}

double reel__dot(const reel_tape *tape, size_t n, const void *x, const void *y)
{
    double part[VECTOR_PARTS], sum = 0;
#pragma omp parallel for schedule(static) num_threads(tape->threads) if (n > VECTOR_SMALL)
    for (int i = 0; i < VECTOR_PARTS; i++) {
        size_t begin = part_begin(n, i), end = part_begin(n, i + 1);
        dot_of[tape->options.dtype](end - begin, at(tape, x, begin), at(tape, y, begin), &part[i]);
    }
    for (int i = 0; i < VECTOR_PARTS; i++) {
        sum += part[i];
    }
    return sum;
}

double reel__sum_of_squares(const reel_tape *tape, size_t n, const void *x, double scale)
{
    double part[VECTOR_PARTS], sum = 0;
#pragma omp parallel for schedule(static) num_threads(tape->threads) if (n > VECTOR_SMALL)
    for (int i = 0; i < VECTOR_PARTS; i++) {
        size_t begin = part_begin(n, i), end = part_begin(n, i + 1);
        squares_of[tape->options.dtype](end - begin, at(tape, x, begin), scale, &part[i]);
    }
    for (int i = 0; i < VECTOR_PARTS; i++) {
        sum += part[i];
    }
    return sum;
}

double reel__sum_of_sizes(const reel_tape *tape, size_t n, const void *x)
{
    return sizes_of[tape->options.dtype](n, x);
}

double reel__largest_size(const reel_tape *tape, size_t n, const void *x)
{
    return largest_of[tape->options.dtype](n, x);
}

void reel__combine(const reel_tape *tape, size_t n, double a, const void *x, double b, void *y)
{
#pragma omp parallel for schedule(static) num_threads(tape->threads) if (n > VECTOR_SMALL)
    for (int i = 0; i < VECTOR_PARTS; i++) {
        size_t begin = part_begin(n, i), end = part_begin(n, i + 1);
        combine_of[tape->options.dtype](end - begin, a, at(tape, x, begin), b,
                                        (char *)y + begin * tape->element);
    }
}

#else

CLONED(TYPED(dot), (size_t n, const void *a, const void *b, double *sum), (n, a, b, sum))
{
    const REAL *x = a, *y = b;
    double lane[LANES] = { 0 }, total = 0;
    size_t whole = n - n % LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        LANE_BY_LANE
        for (size_t k = 0; k < LANES; k++) {
            lane[k] += (double)x[i + k] * (double)y[i + k];
        }
    }
    for (size_t i = whole; i < n; i++) {
        lane[i - whole] += (double)x[i] * (double)y[i];
    }
    for (size_t k = 0; k < LANES; k++) {
        total += lane[k];
    }
    *sum = total;
}

CLONED(TYPED(squares), (size_t n, const void *data, double scale, double *sum),
       (n, data, scale, sum))
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

static double TYPED(sizes)(size_t n, const void *data)
{
    const REAL *x = data;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += fabs((double)x[i]);
    }
    return sum;
}

static double TYPED(largest)(size_t n, const void *data)
{
    const REAL *x = data;
    double most = 0;
    for (size_t i = 0; i < n && !isnan(most); i++) {
        double size = fabs((double)x[i]);
        most = size > most || isnan(size) ? size : most;
    }
    return most;
}

CLONED(TYPED(combine), (size_t n, double a, const void *in, double b, void *out),
       (n, a, in, b, out))
{
    const REAL *x = in;
    REAL *y = out;
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        y[i] = (REAL)(a * (double)x[i] + (b == 0 ? 0 : b * (double)y[i]));
    }
}
#endif
