/* masked_mean.c: means over the positions that count. */
#include "loss.h"

#define FAIL(tape, status, ...) reel_fail(tape, status, "masked_mean", __VA_ARGS__)

/* [a, b, 1, 1] of [a, b], to stand beside [a, b, c, d] */
static reel_var beside(reel_var mask, int rank)
{
    reel_shape shape = reel_shape_of(mask);
    while (shape.rank < rank) {
        shape.dim[shape.rank++] = 1;
    }
    return reel_reshape(mask, shape);
}

static bool check(reel_var values, reel_var mask)
{
    reel_tape *tape = values.tape;
    if (!reel__check_handle(tape, "masked_mean", values) ||
        !reel__check_handle(tape, "masked_mean", mask)) {
        return false;
    }
    reel_shape all = reel_shape_of(values), shape = reel_shape_of(mask), first = all;
    first.rank = shape.rank < all.rank ? shape.rank : all.rank;
    if (!reel_is_index(mask) && reel_shape_equal(shape, first)) {
        return true;
    }
    FAIL(tape, REEL_BAD_SHAPE, "mask is %s%s, expected the first axes of values %s",
         reel_is_index(mask) ? "indices " : "", REEL_SHAPE_TEXT(shape), REEL_SHAPE_TEXT(all));
    return false;
}

reel_var reel_masked_mean(reel_var values, reel_var mask)
{
    if (!check(values, mask)) {
        return reel__poisoned(values.tape);
    }
    int64_t all = reel_shape_size(reel_shape_of(values)), positions;
    positions = reel_shape_size(reel_shape_of(mask));
    double each = positions > 0 ? (double)all / (double)positions : 1;
    reel_var zero = reel_scalar(values.tape, 0), one = reel_scalar(values.tape, 1);
    reel_var weight = beside(mask, reel_shape_of(values).rank);
    reel_var counted = reel_mul(reel_where(weight, values, zero), weight);
    reel_var total = reel_scale(reel_sum_all(mask), each);
    total = reel_where(reel_equal(total, zero), one, total);
    return reel_div(reel_sum_all(counted), total);
}

reel_var reel_length_mask(reel_tape *tape, int64_t steps, int64_t batch, const int32_t *lengths)
{
    if (steps < 0 || batch < 0 || steps > INT32_MAX || batch > INT32_MAX) {
        return reel_fail(tape, REEL_BAD_SHAPE, "length_mask", "steps %lld, batch %lld",
                         (long long)steps, (long long)batch);
    }
    if (!tape || !reel__check_lengths(tape, "length_mask", "lengths", lengths, batch, steps)) {
        return reel__poisoned(tape);
    }
    size_t bytes = (size_t)(steps + batch + 1) * sizeof(double);
    double *step = reel__resize(tape, NULL, 0, bytes), *end = step ? step + steps : NULL;
    if (!step) {
        return reel__poisoned(tape);
    }
    for (int64_t t = 0; t < steps; t++) {
        step[t] = (double)t;
    }
    for (int64_t row = 0; row < batch; row++) {
        end[row] = (double)reel__length_at(lengths, row, steps);
    }
    reel_var mask = reel_less(reel_input_f64(tape, REEL_SHAPE(steps, 1), step),
                              reel_input_f64(tape, REEL_SHAPE(1, batch), end));
    reel__resize(tape, step, bytes, 0);
    return mask;
}
