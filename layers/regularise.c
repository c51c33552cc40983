/* regularise.c: penalties on outputs along time. */
#include "loss.h"

/* The mean of v² over the steps that count; lengths of v's own steps, `less` fewer than given. */
static reel_var mean_square(const char *name, reel_var v, double factor, const int32_t *lengths,
                            int32_t less)
{
    reel_shape shape = reel_shape_of(v);
    reel_var square = reel_square(v);
    if (!lengths) {
        return reel_scale(reel_mean_all(square), factor);
    }
    double counted = 0;
    int64_t batch = shape.dim[1];
    size_t bytes = (size_t)batch * sizeof(double);
    double *ends = bytes ? reel__resize(v.tape, NULL, 0, bytes) : NULL;
    if (!reel__check_lengths(v.tape, name, "lengths", lengths, batch, shape.dim[0] + less) ||
        (bytes && !ends)) {
        reel__resize(v.tape, ends, ends ? bytes : 0, 0);
        return reel__poisoned(v.tape);
    }
    for (int64_t row = 0; row < batch; row++) {
        ends[row] = lengths[row] > less ? lengths[row] - less : 0;
        counted += ends[row];
    }
    reel_var end = reel_input_f64(v.tape, REEL_SHAPE(1, batch, 1), ends);
    reel__resize(v.tape, ends, bytes, 0);
    reel_var ones = reel_fill(v.tape, REEL_SHAPE(shape.dim[0], 1, 1), 1);
    reel_var valid = reel_less_equal(reel_cumsum(ones, 0), end);
    reel_var total = reel_sum_all(reel_where(valid, square, reel_scalar(v.tape, 0)));
    double numbers = counted * (double)shape.dim[2];
    return reel_scale(total, numbers > 0 ? factor / numbers : 0);
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
