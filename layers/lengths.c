/* lengths.c: masks out of lengths, and means over what they leave. */
#include "lengths.h"

typedef double (*number)(const void *self, int64_t i);

static double counted(const void *self, int64_t i)
{
    (void)self;
    return (double)i;
}

static double length_of(const void *self, int64_t i)
{
    return ((const int32_t *)self)[i];
}

static reel_var leaf(reel_tape *tape, reel_shape shape, number at, const void *self)
{
    int64_t count = reel_shape_size(shape);
    size_t bytes = (size_t)count * sizeof(double);
    double *numbers = bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (bytes && !numbers) {
        return reel__poisoned(tape);
    }
    for (int64_t i = 0; i < count; i++) {
        numbers[i] = at(self, i);
    }
    reel_var v = reel_input_f64(tape, shape, numbers);
    reel__resize(tape, numbers, bytes, 0);
    return v;
}

reel_var reel__positions(reel_tape *tape, int64_t count)
{
    return leaf(tape, REEL_SHAPE(1, count), counted, NULL);
}

reel_var reel__lengths(reel_tape *tape, const char *layer, const int32_t *lengths, int64_t batch,
                       int64_t steps)
{
    for (int64_t row = 0; row < batch; row++) {
        if (lengths[row] < 0 || lengths[row] > steps) {
            return reel_fail(tape, REEL_BAD_ARGUMENT, layer,
                             "lengths[%lld] = %d is outside 0 … %lld", (long long)row,
                             (int)lengths[row], (long long)steps);
        }
    }
    return leaf(tape, REEL_SHAPE(batch, 1), length_of, lengths);
}

reel_var reel__masked_mean(reel_var each, reel_var mask)
{
    if (reel__is_absent(mask)) {
        int64_t count = reel_shape_size(reel_shape_of(each));
        return reel_scale(reel_sum_all(each), count > 0 ? 1.0 / (double)count : 1.0);
    }
    reel_var zero = reel_scalar(each.tape, 0), one = reel_scalar(each.tape, 1);
    reel_var total = reel_sum_all(mask);
    reel_var kept = reel_where(mask, reel_mul(mask, each), zero);
    return reel_div(reel_sum_all(kept), reel_where(total, total, one));
}

bool reel__check_shape(reel_tape *tape, const char *layer, const char *what, reel_var v,
                       reel_shape expected)
{
    if (!reel__check_handle(tape, layer, v)) {
        return false;
    }
    reel_shape shape = reel_shape_of(v);
    if (!reel_shape_equal(shape, expected)) {
        reel_fail(tape, REEL_BAD_SHAPE, layer, "%s is %s, expected %s", what,
                  REEL_SHAPE_TEXT(shape), REEL_SHAPE_TEXT(expected));
        return false;
    }
    return true;
}
