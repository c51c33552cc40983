/* regularise.c: penalties on outputs along time. */
#include "lengths.h"

/* The mean of v² over the steps that count; v lacks the first `missing` steps, which the lengths
 * include. */
static reel_var mean_square(const char *name, reel_var v, double factor, const int32_t *lengths,
                            int64_t missing)
{
    reel_shape shape = reel_shape_of(v);
    reel_var mask = { 0 };
    if (lengths) {
        int64_t steps = missing + shape.dim[0];
        mask = reel__length_mask(v.tape, name, steps, shape.dim[1], lengths, 2);
        mask = missing > 0 ? reel_slice(mask, 0, missing, steps) : mask;
    }
    return reel_scale(reel_masked_mean(reel_square(v), mask), factor);
}

static bool is_sequence(const char *name, reel_var h)
{
    if (h.id != 0 && reel_shape_of(h).rank != 3) {
        reel_fail(h.tape, REEL_BAD_SHAPE, name, "h is %s, expected [steps, batch, width]",
                  REEL_SHAPE_TEXT(reel_shape_of(h)));
        return false;
    }
    return h.id != 0;
}

reel_var reel_activation_penalty(reel_var h, double alpha, const int32_t *lengths)
{
    if (!is_sequence("activation_penalty", h)) {
        return reel__poisoned(h.tape);
    }
    return mean_square("activation_penalty", h, alpha, lengths, 0);
}

reel_var reel_temporal_penalty(reel_var h, double beta, const int32_t *lengths)
{
    if (!is_sequence("temporal_penalty", h)) {
        return reel__poisoned(h.tape);
    }
    int64_t steps = reel_shape_of(h).dim[0];
    if (steps < 2) {
        return reel_scalar(h.tape, 0);
    }
    reel_var change = reel_sub(reel_slice(h, 0, 1, steps), reel_slice(h, 0, 0, steps - 1));
    return mean_square("temporal_penalty", change, beta, lengths, 1);
}
