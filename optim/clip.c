/* clip.c: gradients of limited size, all together or element by element. */
#ifndef REAL
#include <string.h>

#include "vectors.h"

#define KERNELS_OF "../optim/clip.c"
#include "../ops/both_types.h"

static void (*const clamp_of[])(void *x, size_t n, double limit) = TYPED_PAIR(clamp);

/* Squares of numbers beyond 1e±154 leave the range of double: then once more, relative to the
 * largest. */
static double norm_of(const reel_tape *tape, reel_flat flat)
{
    double sum = reel__sum_of_squares(tape, flat.count, flat.gradients, 1);
    if (isfinite(sum) && sum > 1e-280) {
        return sqrt(sum);
    }
    double largest = reel__largest_size(tape, flat.count, flat.gradients);
    if (!isfinite(largest) || largest == 0) {
        return largest;
    }
    sum = reel__sum_of_squares(tape, flat.count, flat.gradients, ldexp(1, -ilogb(largest)));
    return ldexp(sqrt(sum), ilogb(largest));
}

static bool begin(reel_tape *tape, const char *caller, double max, reel_flat *flat)
{
    if (!(max >= 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, caller, "max is %g, must be at least 0", max);
    }
    return reel_tape_status(tape) == REEL_OK && reel_flat_begin(tape, flat) == REEL_OK;
}

double reel_clip_norm(reel_tape *tape, double max)
{
    reel_flat flat;
    if (!begin(tape, "clip_norm", max, &flat)) {
        return NAN;
    }
    double norm = norm_of(tape, flat);
    if (!isfinite(norm) && flat.count) {
        memset(flat.gradients, 0, flat.count * tape->element);
    } else if (norm > max) {
        reel__combine(tape, flat.count, max / norm, flat.gradients, 0, flat.gradients);
    }
    reel_flat_end(tape, false);
    return norm;
}

reel_status reel_clip_value(reel_tape *tape, double max)
{
    reel_flat flat;
    if (!begin(tape, "clip_value", max, &flat)) {
        return reel_tape_status(tape);
    }
    clamp_of[tape->options.dtype](flat.gradients, flat.count, max);
    reel_flat_end(tape, false);
    return REEL_OK;
}

#else

CLONED(TYPED(clamp), (void *data, size_t n, double limit), (data, n, limit))
{
    REAL *x = data, high = (REAL)limit;
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL below = x[i] > high ? high : x[i];
        x[i] = below < -high ? -high : below;
    }
}
#endif
