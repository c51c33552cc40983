/* reduce.h: what the ops along one axis share: attributes, shape rule, layout, samples, and the
 * loop that deals out their work. Not installed.
 *
 * Along its axis a tensor is [outer, length, inner]. A kernel sees it either as rows (inner == 1),
 * which it works off one after the other, or as tiles of columns, in which it runs along `inner` so
 * that the compiler can vectorise it.
 */
#ifndef REEL_REDUCE_H
#define REEL_REDUCE_H

#include "../graph/op.h"
#include "../graph/run/sum.h"

typedef struct {
    int64_t axis, keep;
} reduction_attributes;
extern const reel_attribute reel__reduction_fields[];

/* For ops that keep the shape: softmax, cumsum. */
typedef struct {
    int64_t axis;
} along_attributes;
extern const reel_attribute reel__along_fields[];
bool reel__along_shape(reel_shape_call *);

/* For ops whose attributes begin with the axis: rows are independent along any but the first. */
bool reel__rows_beside_axis(const void *attributes, int inputs, const reel_shape *const x[]);

/* The axis goes, or becomes 1. */
bool reel__reduction_shape(reel_shape_call *);
/* The same for an op that has no value for an empty axis: "`what` of an empty axis: [3,0]". */
bool reel__nonempty_reduction_shape(reel_shape_call *, const char *what);
/* One operation an element of the input. */
double reel__input_size(int inputs, const reel_shape *const x[], const reel_shape *y);
reel__axis_layout reel__layout_along(const reel_shape *, int64_t axis);

reel_var reel__reduce(const reel_op *, reel_var v, int axis, bool keep);
reel_var reel__reduce_all(const reel_op *, reel_var v);
/* v as a vector; v itself when it is one or is no value at all. */
reel_var reel__flatten(reel_var v);
/* In a reduction's VJP: y or dy with the axis kept as 1. */
reel_var reel__kept(const reel_vjp_call *, reel_var);
/* For ops that are composed: the length of an axis, or false after an error that names `op`. A
 * bad handle passes with length 0: what is recorded next reports it. */
bool reel__axis_length(reel_var v, int axis, const char *op, int64_t *length);

/* ---- kernels along an axis ----------------------------------------------------------------- */

#define COLUMNS 128
typedef struct {
    /* `rows` rows of n elements each; outputs are dense as well */
    void (*rows)(const void *x, void *y, int64_t rows, int64_t n);
    /* n rows of `width` ≤ COLUMNS elements, `stride` apart; outputs too where there are n of
     * them */
    void (*columns)(const void *x, void *y, int64_t n, int64_t stride, int64_t width);
    size_t x_element, y_element;
    bool keeps_length; /* y is as long as x, rather than 1 */
} reel__axis_kernel;
void reel__run_along_axis(const reel_kernel_call *, int64_t axis, const reel__axis_kernel *);

/* ---- samples that every reduction can take ------------------------------------------------- */

#define ALONG(...)                                                                                 \
    .attributes = &(const reduction_attributes)                                                    \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

#define REDUCTION_SAMPLES                                                                          \
    { "rows", 1, { { .shape = REEL_AXES(3, 5) } }, ALONG(1, 0) },                                  \
        { "columns", 1, { { .shape = REEL_AXES(5, 3) } }, ALONG(0, 0) },                           \
        { "the middle axis of four", 1, { { .shape = REEL_AXES(2, 4, 2, 3) } }, ALONG(1, 0) },     \
        { "a negative axis, kept", 1, { { .shape = REEL_AXES(2, 3, 4) } }, ALONG(-2, 1) },         \
        { "a vector", 1, { { .shape = REEL_AXES(6) } }, ALONG(0, 0) },                             \
        { "an axis of one", 1, { { .shape = REEL_AXES(4, 1) } }, ALONG(1, 0) },                    \
        { "longer than a vector register", 1, { { .shape = REEL_AXES(2, 71) } }, ALONG(1, 0) },    \
        { "more columns than a vector register",                                                   \
          1,                                                                                       \
          { { .shape = REEL_AXES(3, 37) } },                                                       \
          ALONG(0, 1) },                                                                           \
        { "no rows", 1, { { .shape = REEL_AXES(0, 3) } }, ALONG(1, 0) },                           \
        { "an axis too far",                                                                       \
          1,                                                                                       \
          { { .shape = REEL_AXES(4, 5) } },                                                        \
          ALONG(2, 0),                                                                             \
          .fails = "axis 2 is outside [4,5]" },                                                    \
    {                                                                                              \
        "an axis of a scalar", 1, { { .shape = REEL_NO_AXES } }, ALONG(-1, 0),                     \
            .fails = "axis -1 is outside []"                                                       \
    }

#endif
