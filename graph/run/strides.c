/* strides.c: walking strided memory. Axes that lie behind each other are joined first, so that
 * most tensors become one or two loops. */
#include "strides.h"

#include <string.h>

void reel__walk_join(reel__walk *walk, const reel_shape *shape, int inputs,
                     const int64_t *const stride[])
{
    walk->inputs = inputs;
    walk->rank = 0;
    walk->size = 1;
    for (int axis = 0; axis < shape->rank; axis++) {
        int64_t dim = shape->dim[axis];
        walk->size *= dim;
        if (dim == 1) {
            continue;
        }
        int last = walk->rank - 1;
        bool joins = last >= 0;
        for (int k = 0; k < inputs && joins; k++) {
            joins = walk->stride[k][last] == stride[k][axis] * dim;
        }
        if (!joins) {
            last = walk->rank++;
            walk->dim[last] = 1;
        }
        walk->dim[last] *= dim;
        for (int k = 0; k < inputs; k++) {
            walk->stride[k][last] = stride[k][axis];
        }
    }
    if (walk->rank == 0) {
        walk->rank = 1;
        walk->dim[0] = 1;
        for (int k = 0; k < inputs; k++) {
            walk->stride[k][0] = 1;
        }
    }
}

void reel__walk_seek(const reel__walk *walk, int64_t position, reel__cursor *cursor)
{
    memset(cursor, 0, sizeof *cursor);
    for (int axis = walk->rank - 1; axis >= 0; axis--) {
        cursor->at[axis] = position % walk->dim[axis];
        position /= walk->dim[axis];
        for (int k = 0; k < walk->inputs; k++) {
            cursor->offset[k] += cursor->at[axis] * walk->stride[k][axis];
        }
    }
}

void reel__walk_advance(const reel__walk *walk, int64_t n, reel__cursor *cursor)
{
    int axis = walk->rank - 1;
    cursor->at[axis] += n;
    for (int k = 0; k < walk->inputs; k++) {
        cursor->offset[k] += n * walk->stride[k][axis];
    }
    while (axis > 0 && cursor->at[axis] == walk->dim[axis]) {
        for (int k = 0; k < walk->inputs; k++) {
            cursor->offset[k] +=
                walk->stride[k][axis - 1] - walk->dim[axis] * walk->stride[k][axis];
        }
        cursor->at[axis] = 0;
        cursor->at[--axis]++;
    }
}

/* ---- copying ------------------------------------------------------------------------------- */

#define GATHER(type)                                                                               \
    {                                                                                              \
        const type *x = (const type *)from;                                                        \
        type *y = (type *)out;                                                                     \
        if (stride == 0) {                                                                         \
            for (int64_t i = 0; i < n; i++) {                                                      \
                y[i] = x[0];                                                                       \
            }                                                                                      \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                      \
                y[i] = x[i * stride];                                                              \
            }                                                                                      \
        }                                                                                          \
    }

void reel__dense_strides(const reel_shape *shape, int64_t stride[])
{
    int64_t next = 1;
    for (int k = shape->rank - 1; k >= 0; k--) {
        stride[k] = next;
        next *= shape->dim[k];
    }
}

void reel__gather_run(const void *from, int64_t stride, int64_t n, size_t element, void *out)
{
    if (stride == 1) {
        memcpy(out, from, (size_t)n * element);
    } else if (element == 4) {
        GATHER(int32_t)
    } else {
        GATHER(int64_t)
    }
}

static void pack_range(const reel__walk *walk, const char *from, size_t element, char *out,
                       int64_t begin, int64_t end)
{
    reel__cursor cursor;
    reel__walk_seek(walk, begin, &cursor);
    int inner = walk->rank - 1;
    while (begin < end) {
        int64_t n = walk->dim[inner] - cursor.at[inner];
        n = n < end - begin ? n : end - begin;
        reel__gather_run(from + cursor.offset[0] * (int64_t)element, walk->stride[0][inner], n,
                         element, out + begin * (int64_t)element);
        reel__walk_advance(walk, n, &cursor);
        begin += n;
    }
}

void reel__pack(const reel_tensor *x, size_t element, void *out, int threads)
{
    reel__walk walk;
    const int64_t *stride[1] = { x->stride };
    reel__walk_join(&walk, x->shape, 1, stride);
    if (walk.size == 0) {
        return;
    }
    int parts = reel__parts(walk.size, threads);
#pragma omp parallel for num_threads(parts) schedule(static) if (parts > 1)
    for (int p = 0; p < parts; p++) {
        pack_range(&walk, x->data, element, out, walk.size * p / parts,
                   walk.size * (p + 1) / parts);
    }
}
