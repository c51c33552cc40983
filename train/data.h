/* data.h: the data that models are trained on.
 *
 *     float x[2000][50][8], y[2000][1];
 *     reel_data X = REEL_DATA(&x[0][0][0], 2000, 50, 8);      // [rows, steps, features]
 *     reel_data Y = REEL_DATA(&y[0][0], 2000, 1);
 *     reel_fit(m, X, Y, (reel_fit_options){ .epochs = 50 });
 *
 * A reel_data is a view by value of an array that the program owns, row-major, rows (samples) on
 * the first axis and, where there are any, time steps on the second, as in Keras and NumPy; models turn it
 * into reel's time-major order themselves. One of its three pointers is set. REEL_DATA takes float,
 * double or int32_t; the same by hand is
 *
 *     reel_data X = { .shape = REEL_SHAPE(2000, 50, 8), .f32 = &x[0][0][0] };
 *
 * and rows of unequal length are padded to one and say how long they are: X.lengths = lengths.
 */
#ifndef REEL_DATA_H
#define REEL_DATA_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- arrays (data.c) ----------------------------------------------------------------------- */

typedef struct {
    reel_shape shape; /* [rows], [rows, features], [rows, steps, features], … */
    const float *f32; /* one of these three */
    const double *f64;
    const int32_t *i32; /* symbols for an embedding, classes for a cross-entropy */
    /* [rows], each 0 … steps, or NULL: all rows have all steps. What stands behind a row's length
     * is padding: layers skip it, losses and metrics leave it out, NaN is allowed there. */
    const int32_t *lengths;
} reel_data;

REEL_API reel_data reel_data_f32(const float *, reel_shape);
REEL_API reel_data reel_data_f64(const double *, reel_shape);
REEL_API reel_data reel_data_i32(const int32_t *, reel_shape);

/* shape.dim[0]; 0 for a scalar */
REEL_API int64_t reel_data_rows(reel_data);
/* Rows begin … end - 1, a view; negative numbers count from the end, as in Python. An empty view
 * where they are out of range. */
REEL_API reel_data reel_data_slice(reel_data, int64_t begin, int64_t end);
/* Element `index` of the whole array as a double; NAN where there is none. */
REEL_API double reel_data_at(reel_data, int64_t index);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus
/* REEL_DATA(pointer, 2000, 50, 8) */
#define REEL_DATA(pointer, ...)                                                                    \
    _Generic((pointer),                                                                            \
        float *: reel_data_f32,                                                                    \
        const float *: reel_data_f32,                                                              \
        double *: reel_data_f64,                                                                   \
        const double *: reel_data_f64,                                                             \
        int32_t *: reel_data_i32,                                                                  \
        const int32_t *: reel_data_i32)((pointer), REEL_SHAPE(__VA_ARGS__))
#else
static inline reel_data reel_data_in_cpp(const float *values, reel_shape shape)
{
    return reel_data_f32(values, shape);
}
static inline reel_data reel_data_in_cpp(const double *values, reel_shape shape)
{
    return reel_data_f64(values, shape);
}
static inline reel_data reel_data_in_cpp(const int32_t *values, reel_shape shape)
{
    return reel_data_i32(values, shape);
}
#define REEL_DATA(pointer, ...) reel_data_in_cpp((pointer), REEL_SHAPE(__VA_ARGS__))
#endif

#endif
