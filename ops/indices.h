/* indices.h: how the ops that are addressed by an index tensor check it. Not installed.
 *
 * Both checks are told what the indices point into: n `what` of `whose`, as in "index 7 at position
 * 3 is outside the table's 5 rows".
 */
#ifndef REEL_INDICES_H
#define REEL_INDICES_H

#include <inttypes.h>

#include "../graph/op.h"

#define REEL__OUTSIDE "index %" PRId32 " at position %" PRId64 " is outside %s %" PRId64 " %s"

/* Position of the first index outside 0 … n-1, or count. */
static inline int64_t reel__first_outside(const int32_t *index, int64_t count, int64_t n)
{
    for (int64_t i = 0; i < count; i++) {
        if (index[i] < 0 || index[i] >= n) {
            return i;
        }
    }
    return count;
}

/* For a shape rule: input k's indices, as far as they are known, lie in 0 … n-1. */
static inline bool reel__indices_fit(reel_shape_call *c, int k, const char *whose, int64_t n,
                                     const char *what)
{
    const int32_t *index = c->indices[k];
    int64_t count = reel_shape_size(*c->x[k]);
    int64_t i = index == NULL ? count : reel__first_outside(index, count, n);
    return i == count ||
           reel_argument_fail(c, REEL_BAD_INDEX, REEL__OUTSIDE, index[i], i, whose, n, what);
}

/* For a kernel: the same, of indices that only now are known. */
static inline bool reel__indices_hold(const reel_kernel_call *c, int k, const char *whose,
                                      int64_t n, const char *what)
{
    const int32_t *index = c->x[k].data;
    int64_t count = reel_shape_size(*c->x[k].shape);
    int64_t i = reel__first_outside(index, count, n);
    if (i < count) {
        reel_kernel_fail(c, REEL__OUTSIDE, index[i], i, whose, n, what);
    }
    return i == count;
}

/* For a shape rule: the attribute `name` is a length that an axis can have. */
static inline bool reel__length_fits(reel_shape_call *c, const char *name, int64_t length)
{
    return length >= 0 ||
           reel_argument_fail(c, REEL_BAD_ARGUMENT, "%s %" PRId64 " is negative", name, length);
}

#endif
