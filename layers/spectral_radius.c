/* spectral_radius.c: power iteration on matrices that need not be symmetric.
 *
 * With a leading pair of complex eigenvalues the vector turns for ever, but its norm still grows by
 * |λ| a step on the average over many. */
#include <math.h>

#include "layer.h"

enum { WARM_UP = 200, ITERATIONS = 1000 };

/* y = x·W, W being a block of n columns of rows that are `stride` long. */
static double multiply(int64_t n, const double *x, const double *W, int64_t stride, double *y)
{
    double square = 0;
    for (int64_t j = 0; j < n; j++) {
        y[j] = 0;
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            y[j] += x[i] * W[i * stride + j];
        }
    }
    for (int64_t j = 0; j < n; j++) {
        square += y[j] * y[j];
    }
    return sqrt(square);
}

static double growth(int64_t n, const double *W, int64_t stride, double *x, double *y)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = 1 + sin(1.3 * (double)i); /* any direction that no structure is orthogonal to */
    }
    for (int k = 0; k < WARM_UP + ITERATIONS; k++) {
        double norm = multiply(n, x, W, stride, y);
        if (!(norm > 0 && isfinite(norm))) {
            return norm;
        }
        for (int64_t i = 0; i < n; i++) {
            x[i] = y[i] / norm;
        }
        total += k >= WARM_UP ? log(norm) : 0;
    }
    return exp(total / ITERATIONS);
}

reel_status reel_spectral_radius(reel_var W, int blocks, double radius[])
{
    reel_shape shape = reel_shape_of(W);
    if (W.id == 0) {
        return W.tape ? reel_tape_status(W.tape) : REEL_BAD_HANDLE;
    }
    if (shape.rank != 2 || blocks < 1 || shape.dim[0] * blocks != shape.dim[1]) {
        reel_fail(W.tape, REEL_BAD_SHAPE, "spectral_radius", "W is %s, expected %d square blocks",
                  REEL_SHAPE_TEXT(shape), blocks);
        return REEL_BAD_SHAPE;
    }
    if (!radius) {
        reel_fail(W.tape, REEL_BAD_ARGUMENT, "spectral_radius", "radius is NULL");
        return REEL_BAD_ARGUMENT;
    }
    int64_t n = shape.dim[0];
    size_t numbers = (size_t)(n * shape.dim[1]), bytes = (numbers + 2 * (size_t)n) * sizeof(double);
    double *memory = bytes ? reel__resize(W.tape, NULL, 0, bytes) : NULL;
    if (bytes && !memory) {
        return REEL_OUT_OF_MEMORY;
    }
    reel_status status = reel_read_f64(W, memory, numbers);
    for (int b = 0; status == REEL_OK && b < blocks; b++) {
        double *x = memory + numbers;
        radius[b] = n ? growth(n, memory + b * n, shape.dim[1], x, x + n) : 0;
    }
    reel__resize(W.tape, memory, bytes, 0);
    return status;
}
