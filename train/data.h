/* data.h: the data that models are trained on.
 *
 *     float x[2000][50][8], y[2000][1];
 *     reel_data X = REEL_DATA(&x[0][0][0], 2000, 50, 8);      // [rows, steps, features]
 *     reel_data Y = REEL_DATA(&y[0][0], 2000, 1);
 *     reel_fit(m, X, Y, (reel_fit_options){ .epochs = 50 });
 *
 * A reel_data is a view by value of an array that the program owns, row-major, rows (samples) on
 * the first axis and, where there are any, time steps on the second, as in Keras and NumPy; models
 * turn it into reel's time-major order themselves. One of its three pointers is set. REEL_DATA
 * takes float, double or int32_t; the same by hand is
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

/* What follows makes arrays of its own. They belong to the tape that is given, and are freed with
 * it; a misuse leaves a message there and returns data without a pointer. */

/* Rows rows[0 … n - 1] of data, lengths with them. */
REEL_API reel_data reel_data_take(reel_tape *, reel_data, int64_t n, const int64_t rows[]);

/* ---- tables (csv.c) ------------------------------------------------------------------------ */

/* Comma-separated values as RFC 4180 has them: quoted cells may hold separators, line ends and
 * doubled quotes; lines end in LF or CRLF. Every cell that is read is a number. */
typedef struct {
    int64_t rows, columns;
    const char *const *name; /* [columns]: the header's, or "column 0", … */
    const double *values;    /* [rows, columns] */
    int64_t text_count;      /* different cells of .text_column … */
    const char *const *text; /* … in the order of their numbers */
} reel_table;
typedef struct {
    char separator; /* 0: ',' */
    bool no_header;
    bool allow_missing;         /* empty cells, "NA" and "nan" are NaN, not errors */
    const char *const *columns; /* names to read, in this order, up to a NULL; NULL: all … */
    const char *skip;           /* … but this one; NULL: none */
    /* A column whose cells are texts, such as names of classes: its values are their numbers, from 0
     * in the order in which they first come. NULL: none. */
    const char *text_column;
} reel_csv_options;
/* NULL with an error for a file that cannot be read, rows of unequal length, and cells that are no
 * numbers: the message names row (from 0, below the header), line and column. */
REEL_API const reel_table *reel_read_csv(reel_tape *, const char *path, reel_csv_options);
/* Number of a column; -1 for none. */
REEL_API int64_t reel_table_find(const reel_table *, const char *name);
/* [rows, n], of the columns named; [rows, columns] for n 0. */
REEL_API reel_data reel_table_data(reel_tape *, const reel_table *, int n,
                                   const char *const names[]);

/* ---- files (data_file.c) ------------------------------------------------------------------- */

/* An array out of a file, by the path's ending: the numbers of a .csv, [rows, columns]; otherwise an
 * .npy, .npz or safetensors file, where `name` says which array, NULL the only one. Doubles stay
 * doubles, integers become int32, the other types float. A number that int32 does not hold is an
 * error that says where. */
REEL_API reel_data reel_read_data(reel_tape *, const char *path, const char *name);

/* ---- windows over time series (windows.c) --------------------------------------------------- */

/* As keras.utils.timeseries_dataset_from_array: of data [time, features] every window of
 * `sequence_length` steps, `sampling_rate` apart, that lies in start … end - 1, beginning each
 * `stride`; its target is the row of targets [time, …] at the window's first step. To forecast,
 * give targets as a slice: reel_data_slice(series, sequence_length, …). */
typedef struct {
    int64_t sequence_length; /* ≥ 1 */
    int64_t stride;          /* 0: 1 */
    int64_t sampling_rate;   /* 0: 1 */
    int64_t start, end;      /* rows of data; end 0: all */
} reel_timeseries_options;
typedef struct {
    reel_data x; /* [windows, sequence_length, features] */
    reel_data y; /* [windows, …], without a pointer when there are no targets */
} reel_dataset;
REEL_API reel_dataset reel_timeseries_dataset(reel_tape *, reel_data data, reel_data targets,
                                              reel_timeseries_options);
/* Windows of `steps` rows, and the `horizon` values of one column that follow each: x [windows,
 * steps, features], y [windows, horizon]. */
REEL_API reel_dataset reel_forecast_dataset(reel_tape *, reel_data series, int64_t steps,
                                            int64_t horizon, int64_t column);

/* ---- normalisers (normalizer.c) -------------------------------------------------------------- */

/* (x - center) / scale, of each feature, the last axis: mean and population standard deviation, or
 * minimum and range. A feature that does not change has the scale 1. Fit it on the data to train on
 * alone; the two arrays are its whole state, to be saved with the model. */
typedef enum { REEL_STANDARD, REEL_MIN_MAX } reel_normalizer_kind;
typedef struct {
    int64_t features;
    double *center, *scale; /* [features] */
} reel_normalizer;
/* .features is 0 with an error. What stands behind a row's length is left out. */
REEL_API reel_normalizer reel_normalizer_fit(reel_tape *, reel_normalizer_kind, reel_data);
REEL_API reel_data reel_normalize(reel_tape *, reel_normalizer, reel_data);
REEL_API reel_data reel_denormalize(reel_tape *, reel_normalizer, reel_data);
/* Numbers [count, features] in place. */
REEL_API void reel_denormalize_f32(reel_normalizer, float *, int64_t count);

/* ---- order, splits, folds (folds.c) ---------------------------------------------------------- */

/* 0 … n - 1 in the order that reel_fit gives epoch `epoch` (Fisher & Yates 1938, numbers by
 * Philox). */
REEL_API void reel_shuffle(int64_t order[], int64_t n, uint64_t seed, int epoch);
/* Fold `fold` of k: its rows are those to validate with, the others to train on. As scikit-learn's
 * KFold: consecutive rows, the first n % k folds one longer; with a seed, of shuffled rows. Returns
 * how many rows go to `validation`; -1 unless 2 ≤ k ≤ n and 0 ≤ fold < k. Both arrays have room
 * for n. */
REEL_API int64_t reel_k_fold(int64_t n, int k, int fold, const uint64_t *seed, int64_t train[],
                             int64_t validation[]);
/* An order in which batches hold rows of like length: rows sorted by length, in batches that are
 * shuffled. Of equal lengths the order changes with the epoch, too. */
REEL_API bool reel_bucket(reel_tape *, int64_t order[], int64_t n, const int32_t lengths[],
                          int64_t batch_size, uint64_t seed, int epoch);

/* ---- padding (pad.c) ------------------------------------------------------------------------- */

/* n sequences of lengths[i] steps of `features` numbers to one array [n, steps, features], zeros
 * behind each end; int32 sequences to [n, steps]. `steps` 0: the longest; what is longer loses its
 * end. The result's .lengths are set. */
REEL_API reel_data reel_pad_sequences(reel_tape *, int64_t n, const float *const sequence[],
                                      const int32_t lengths[], int64_t features, int64_t steps);
REEL_API reel_data reel_pad_symbols(reel_tape *, int64_t n, const int32_t *const sequence[],
                                    const int32_t lengths[], int64_t steps, int32_t padding);

/* ---- prefetching (prefetch.c) ---------------------------------------------------------------- */

/* A thread of its own makes the next items while the program works on this one. `next` writes one
 * item of `bytes`; false ends. */
typedef struct reel_prefetch reel_prefetch;
typedef bool (*reel_next_fn)(void *self, void *item);
/* Up to `depth` items wait. NULL when memory or threads are short. */
REEL_API reel_prefetch *reel_prefetch_new(reel_next_fn, void *self, size_t bytes, int depth);
REEL_API bool reel_prefetch_next(reel_prefetch *, void *item); /* false after the last */
REEL_API void reel_prefetch_free(reel_prefetch *);             /* waits for a `next` in progress */

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
