/* quantise.c: int8 weights. A quarter of the bytes is what makes a product with few rows faster: it
 * waits for memory and nothing else. */
#include "quantise.h"

#include <math.h>
#include <string.h>

#include "../graph/run/clones.h"
#include "../graph/run/strides.h"

#define BAND 64 /* columns whose sums stay in registers */

static int64_t bands_of(int64_t columns)
{
    return (columns + BAND - 1) / BAND;
}

/* The scales come first, padded to whole bands. */
static size_t scale_bytes(int64_t columns)
{
    return (size_t)bands_of(columns) * BAND * sizeof(float);
}

size_t reel__quantised_size(int64_t depth, int64_t columns)
{
    return scale_bytes(columns) + (size_t)(bands_of(columns) * BAND * depth);
}

static float largest_of(const float *w, int64_t n, int64_t stride)
{
    float largest = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmaxf(largest, fabsf(w[i * stride]));
    }
    return largest;
}

double reel__quantise(const float *w, int64_t depth, int64_t columns, int64_t row_stride,
                      int64_t column_stride, void *out)
{
    float *scale = out;
    int8_t *q = (int8_t *)out + scale_bytes(columns);
    double worst = 0;
    memset(out, 0, reel__quantised_size(depth, columns));
    for (int64_t j = 0; j < columns; j++) {
        const float *column = w + j * column_stride;
        float largest = largest_of(column, depth, row_stride);
        scale[j] = largest / 127;
        for (int64_t k = 0; k < depth && largest > 0; k++) {
            float value = column[k * row_stride], rounded = rintf(value / scale[j]);
            q[(j / BAND * depth + k) * BAND + j % BAND] = (int8_t)rounded;
            worst = fmax(worst, fabs((double)value - (double)scale[j] * (double)rounded) /
                                    (double)largest);
        }
    }
    return worst;
}

/* Vectors of the compiler's, as wide as the widest there are; narrower ones take several. */
#define LANES 16
#define ROWS 8 /* of int8, made float before they are used */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), may_alias));

/* One row by one band, whose sums are registers. */
CLONED(multiply_band, (const float *x, const int8_t *q, int64_t depth, float *sum),
       (x, q, depth, sum))
{
    _Alignas(64) float w[ROWS * BAND];
    lanes a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
    for (int64_t first = 0; first < depth; first += ROWS) {
        int64_t rows = depth - first < ROWS ? depth - first : ROWS;
        LOOP_WITHOUT_OVERLAP
        for (int64_t i = 0; i < rows * BAND; i++) {
            w[i] = (float)q[first * BAND + i];
        }
        for (int64_t k = 0; k < rows; k++) {
            const lanes *row = (const lanes *)(const void *)(w + k * BAND);
            a += row[0] * x[first + k];
            b += row[1] * x[first + k];
            c += row[2] * x[first + k];
            d += row[3] * x[first + k];
        }
    }
    memcpy(sum, &a, sizeof a);
    memcpy(sum + LANES, &b, sizeof b);
    memcpy(sum + 2 * LANES, &c, sizeof c);
    memcpy(sum + 3 * LANES, &d, sizeof d);
}

void reel__multiply_quantised(const float *x, const void *quantised, float *y, int64_t rows,
                              int64_t depth, int64_t columns)
{
    const float *scale = quantised;
    const int8_t *q = (const int8_t *)quantised + scale_bytes(columns);
    float sum[BAND];
    for (int64_t first = 0; first < columns; first += BAND, q += BAND * depth) {
        int64_t n = columns - first < BAND ? columns - first : BAND;
        for (int64_t row = 0; row < rows; row++) {
            multiply_band(x + row * depth, q, depth, sum);
            for (int64_t l = 0; l < n; l++) {
                y[row * columns + first + l] = sum[l] * scale[first + l];
            }
        }
    }
}
