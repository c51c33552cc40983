/* strides.h: walking strided memory, for the executor and for kernels that read views. */
#ifndef REEL_RUN_STRIDES_H
#define REEL_RUN_STRIDES_H

#include "../op.h"

#define REEL__WALK_INPUTS 8

/* The joined axes of a shape, and each input's stride along them. */
typedef struct {
    int inputs, rank;
    int64_t size;
    int64_t dim[REEL_MAX_RANK];
    int64_t stride[REEL__WALK_INPUTS][REEL_MAX_RANK];
} reel__walk;

typedef struct {
    int64_t at[REEL_MAX_RANK];
    int64_t offset[REEL__WALK_INPUTS]; /* in elements */
} reel__cursor;

void reel__walk_join(reel__walk *, const reel_shape *, int inputs, const int64_t *const stride[]);
void reel__walk_seek(const reel__walk *, int64_t position, reel__cursor *);
/* Forward by n elements, which must not pass the end of the innermost row. */
void reel__walk_advance(const reel__walk *, int64_t n, reel__cursor *);
/* The strides of a contiguous tensor. */
void reel__dense_strides(const reel_shape *, int64_t stride[]);
/* What follows in one block of memory begins on 64 bytes, too. */
static inline size_t reel__aligned(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}
void reel__gather_run(const void *from, int64_t stride, int64_t n, size_t element, void *out);

/* Copies a strided tensor to contiguous memory. */
void reel__pack(const reel_tensor *, size_t element, void *out, int threads);

/* Into how many parts n elements are worth splitting: a thread costs a few microseconds. */
#define REEL__ELEMENTS_A_THREAD 16384
static inline int reel__parts(int64_t n, int threads)
{
    int64_t parts = n / REEL__ELEMENTS_A_THREAD;
    return parts < 1 ? 1 : parts < threads ? (int)parts : threads;
}

#endif
