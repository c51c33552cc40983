/* lanes.h: reductions of a contiguous row in independent lanes, which a compiler turns into vectors
 * without being allowed to reorder floating-point sums. Not installed. For use inside CLONED
 * functions.
 */
#ifndef REAL
#ifndef REEL_LANES_H
#define REEL_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "clones.h"

#define LANES 32
#define FEW_LANES 8

/* gcc unrolls a short loop before it looks for vectors, and then finds none. */
#if defined(__GNUC__) && !defined(__clang__)
#define LANE_BY_LANE _Pragma("GCC unroll 1")
#else
#define LANE_BY_LANE
#endif
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

/* At most 16·lanes elements. */
ALWAYS_INLINE REAL TYPED(sum_in_lanes)(const REAL *x, int64_t n, int lanes)
{
    REAL lane[LANES] = { 0 };
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        LANE_BY_LANE
        for (int l = 0; l < lanes; l++) {
            lane[l] += x[i + l];
        }
    }
    for (int l = 0; i + l < n; l++) {
        lane[l] += x[i + l];
    }
    for (int half = lanes / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; l++) {
            lane[l] += lane[l + half];
        }
    }
    return lane[0];
}

/* At most BLOCK elements. */
ALWAYS_INLINE REAL TYPED(sum_block)(const REAL *x, int64_t n)
{
    return n < 4 * LANES ? TYPED(sum_in_lanes)(x, n, FEW_LANES) : TYPED(sum_in_lanes)(x, n, LANES);
}

/* A NaN wins, and stays. */
ALWAYS_INLINE REAL TYPED(more_extreme)(REAL x, REAL best, bool largest)
{
    return (largest ? x > best : x < best) || x != x ? x : best;
}

/* n ≥ lanes; the last stretch may overlap the one before, which no extremum minds. */
ALWAYS_INLINE REAL TYPED(extremum_in_lanes)(const REAL *x, int64_t n, int lanes, bool largest)
{
    REAL lane[LANES];
    LANE_BY_LANE
    for (int l = 0; l < lanes; l++) {
        lane[l] = x[l];
    }
    for (int64_t i = lanes; i + lanes <= n; i += lanes) {
        LANE_BY_LANE
        for (int l = 0; l < lanes; l++) {
            lane[l] = TYPED(more_extreme)(x[i + l], lane[l], largest);
        }
    }
    LANE_BY_LANE
    for (int l = 0; l < lanes; l++) {
        lane[l] = TYPED(more_extreme)(x[n - lanes + l], lane[l], largest);
    }
    for (int half = lanes / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; l++) {
            lane[l] = TYPED(more_extreme)(lane[l + half], lane[l], largest);
        }
    }
    return lane[0];
}

/* The largest, or smallest, of n ≥ 1 elements. */
ALWAYS_INLINE REAL TYPED(row_extremum)(const REAL *x, int64_t n, bool largest)
{
    if (n >= 4 * LANES) {
        return TYPED(extremum_in_lanes)(x, n, LANES, largest);
    }
    if (n >= FEW_LANES) {
        return TYPED(extremum_in_lanes)(x, n, FEW_LANES, largest);
    }
    REAL best = x[0];
    for (int64_t i = 1; i < n; i++) {
        best = TYPED(more_extreme)(x[i], best, largest);
    }
    return best;
}

#endif
