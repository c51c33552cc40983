/* clip_units.c: gradients of limited size, each parameter or unit for itself. */
#ifndef REAL
#include <string.h>

#include "update.h"

#define KERNELS_OF "../optim/clip_units.c"
#include "../ops/both_types.h"

/* [rows, columns], row-major. Adds the squares of each column; multiplies each column. */
typedef struct {
    void (*squares)(const void *x, size_t rows, size_t columns, double *sum);
    void (*scale)(void *x, size_t rows, size_t columns, const double *factor);
} kernels;

static const kernels of_type[] = {
    [REEL_F32] = { squares_f32, scale_f32 },
    [REEL_F64] = { squares_f64, scale_f64 },
};

/* A parameter as rows of units. */
typedef struct {
    size_t rows, columns, offset; /* offset in bytes */
} matrix;

static matrix matrix_of(const reel_tape *tape, const reel__param *param, bool units)
{
    size_t last =
        param->shape.rank > 1 && units ? (size_t)param->shape.dim[param->shape.rank - 1] : 1;
    return (matrix){ last ? param->count / last : 0, last, param->offset * tape->element };
}

/* What a norm is multiplied by so that it is at most `limit`. */
static double factor_of(double norm, double limit)
{
    return !isfinite(norm) ? 0 : norm > limit ? limit / norm : 1;
}

/* A sum of squares may have left the range of double: what is left then is not clipped well, but to
 * zero. Factor 0 writes zeros, also in place of NaN. */
static void clip_matrix(reel_tape *tape, reel_flat flat, matrix m, double share, double eps,
                        double *norms)
{
    const kernels *k = &of_type[tape->options.dtype];
    double *weights = norms + m.columns;
    memset(norms, 0, 2 * m.columns * sizeof *norms);
    k->squares((char *)flat.gradients + m.offset, m.rows, m.columns, norms);
    if (eps > 0) {
        k->squares((char *)flat.values + m.offset, m.rows, m.columns, weights);
    }
    bool any = false;
    for (size_t c = 0; c < m.columns; c++) {
        double limit = eps > 0 ? share * fmax(sqrt(weights[c]), eps) : share;
        norms[c] = factor_of(sqrt(norms[c]), limit);
        any = any || norms[c] != 1;
    }
    if (any) {
        k->scale((char *)flat.gradients + m.offset, m.rows, m.columns, norms);
    }
}

/* With eps 0, `share` is the limit itself. */
static reel_status clip_all(reel_tape *tape, bool units, double share, double eps)
{
    reel_flat flat;
    size_t widest = 1;
    if (reel_tape_status(tape) != REEL_OK || reel_flat_begin(tape, &flat) != REEL_OK) {
        return reel_tape_status(tape);
    }
    for (uint32_t i = 0; i < tape->params.count; i++) {
        size_t columns = matrix_of(tape, reel__param_entry(tape, i), units).columns;
        widest = columns > widest ? columns : widest;
    }
    double *norms = reel__scratch(tape, 2 * widest * sizeof *norms);
    if (!norms) {
        return reel_tape_status(tape);
    }
    for (uint32_t i = 0; i < tape->params.count; i++) {
        matrix m = matrix_of(tape, reel__param_entry(tape, i), units);
        clip_matrix(tape, flat, m, share, eps, norms);
    }
    reel_flat_end(tape, false);
    return REEL_OK;
}

reel_status reel_clip_norm_each(reel_tape *tape, double max)
{
    if (!tape) {
        return REEL_BAD_HANDLE;
    }
    if (!(max >= 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "clip_norm_each", "max is %g, must be at least 0", max);
    }
    return clip_all(tape, false, max, 0);
}

reel_status reel_clip_adaptive(reel_tape *tape, reel_clip_adaptive_options options)
{
    if (!tape) {
        return REEL_BAD_HANDLE;
    }
    options.share = options.share == 0 ? 0.01 : options.share;
    options.eps = options.eps == 0 ? 1e-3 : options.eps;
    if (!(options.share > 0 && isfinite(options.share)) ||
        !reel__optim_check_eps(tape, "clip_adaptive", options.eps)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "clip_adaptive", "share is %g, must be greater than 0",
                  options.share);
    }
    return clip_all(tape, true, options.share, options.eps);
}

#else

static void TYPED(squares)(const void *data, size_t rows, size_t columns, double *sum)
{
    const REAL *x = data;
    for (size_t r = 0; r < rows; r++, x += columns) {
        for (size_t c = 0; c < columns; c++) {
            sum[c] += (double)x[c] * (double)x[c];
        }
    }
}

static void TYPED(scale)(void *data, size_t rows, size_t columns, const double *factor)
{
    REAL *x = data;
    for (size_t r = 0; r < rows; r++, x += columns) {
        for (size_t c = 0; c < columns; c++) {
            x[c] = factor[c] == 0 ? 0 : (REAL)(factor[c] * (double)x[c]);
        }
    }
}
#endif
