/* sum.h: summation, shared by the graph's own sum_to and by the reductions of ops/. Not installed.
 *
 * A tensor is seen as [outer, length, inner] and summed along `length`. Runs of 16 elements are
 * added in the tensor's own type; their sums are added in double, with the rounding error carried
 * along where the type is double (Neumaier 1974). The error does not grow with the length: 10^7
 * numbers of f32 are summed to 2e-7 relative. The order of additions depends on the shape alone,
 * never on the threads.
 */
#ifndef REEL_SUM_H
#define REEL_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t outer, length, inner;
} reel__axis_layout;

/* Bytes of scratch that the two functions below want. */
size_t reel__sum_scratch(reel__axis_layout);

/* y [outer, inner] = Σ x, or += where `accumulate`. */
void reel__sum_f32(const float *x, float *y, reel__axis_layout, bool accumulate, int threads,
                   double *scratch);
void reel__sum_f64(const double *x, double *y, reel__axis_layout, bool accumulate, int threads,
                   double *scratch);

/* The same of numbers that nobody stored: `make` writes n of them, from element `begin` on, to out. */
typedef struct {
    void (*make)(const void *self, int64_t begin, int64_t n, void *out);
    const void *self;
} reel__sum_terms;
void reel__sum_made_f32(const reel__sum_terms *, float *y, reel__axis_layout, bool accumulate,
                        int threads, double *scratch);
void reel__sum_made_f64(const reel__sum_terms *, double *y, reel__axis_layout, bool accumulate,
                        int threads, double *scratch);

/* y += x, element by element: the tile kernels of accumulate. */
void reel__accumulate_f32(size_t n, const void *const x[], void *y, const void *attributes);
void reel__accumulate_f64(size_t n, const void *const x[], void *y, const void *attributes);

/* Work on fewer elements than this is not worth waking other threads. */
#define REEL__PARALLEL_ELEMENTS 65536

#endif
