/* masked_mean.c: means over the positions that count. */
#include "layer.h"

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
    if (!reel__check_handle(tape, "masked_mean", values)) {
        return false;
    }
    if (reel__is_absent(mask)) {
        return true;
    }
    if (!reel__check_handle(tape, "masked_mean", mask)) {
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

static reel_var mean_of_all(reel_var values)
{
    int64_t count = reel_shape_size(reel_shape_of(values));
    return reel_scale(reel_sum_all(values), count > 0 ? 1.0 / (double)count : 1.0);
}

reel_var reel_masked_mean(reel_var values, reel_var mask)
{
    if (!check(values, mask)) {
        return reel__poisoned(values.tape);
    }
    if (reel__is_absent(mask)) {
        return mean_of_all(values);
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
