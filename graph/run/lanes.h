/* lanes.h: reductions of a contiguous row in independent lanes, which a compiler turns into vectors
 * without being allowed to reorder floating-point sums. Not installed. For use inside CLONED functions.
 */
#ifndef REAL
#ifndef REEL_LANES_H
#define REEL_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "clones.h"

#define LANES 32
/* The longest stretch that is summed in the tensor's own type: 16 additions in each lane. */
#define BLOCK (16 * LANES)

#define REAL float
#define TYPED(name) name##_f32
#include "lanes.h"
#undef REAL
#undef TYPED

#define REAL double
#define TYPED(name) name##_f64
#include "lanes.h"
#undef REAL
#undef TYPED

#endif
#else /* read once for each type */

/* At most BLOCK elements. */
ALWAYS_INLINE REAL TYPED(sum_block)(const REAL *x, int64_t n)
{
    REAL lane[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            lane[l] += x[i + l];
        }
    }
    for (int l = 0; i + l < n; l++) {
        lane[l] += x[i + l];
    }
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; l++) {
            lane[l] += lane[l + half];
        }
    }
    return lane[0];
}

/* A NaN wins, and stays. */
ALWAYS_INLINE REAL TYPED(more_extreme)(REAL x, REAL best, bool largest)
{
    return (largest ? x > best : x < best) || x != x ? x : best;
}

/* The largest, or smallest, of n ≥ 1 elements. */
ALWAYS_INLINE REAL TYPED(row_extremum)(const REAL *x, int64_t n, bool largest)
{
    REAL best = x[0];
    int64_t i = 0;
    if (n >= LANES) {
        REAL lane[LANES];
        for (int l = 0; l < LANES; l++) {
            lane[l] = x[l];
        }
        for (i = LANES; i + LANES <= n; i += LANES) {
            for (int l = 0; l < LANES; l++) {
                lane[l] = TYPED(more_extreme)(x[i + l], lane[l], largest);
            }
        }
        for (int half = LANES / 2; half > 0; half /= 2) {
            for (int l = 0; l < half; l++) {
                lane[l] = TYPED(more_extreme)(lane[l + half], lane[l], largest);
            }
        }
        best = lane[0];
    }
    for (; i < n; i++) {
        best = TYPED(more_extreme)(x[i], best, largest);
    }
    return best;
}

#endif
