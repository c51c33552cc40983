/* statistics.c: variance and Euclidean norm, composed of other ops. */
#include "ops.h"
#include "reduce.h"

/* ---- variance ------------------------------------------------------------------------------ */

/* The mean goes off first: the difference of E x² and (E x)² would lose the digits. */
static reel_var variance(reel_var v, int axis, bool keep)
{
    int64_t n;
    if (!reel__axis_length(v, axis, "variance", &n)) {
        return (reel_var){ v.tape, 0 };
    }
    reel_var square = reel_square(reel_sub(v, reel_mean_keep(v, axis)));
    return keep ? reel_mean_keep(square, axis) : reel_mean(square, axis);
}

reel_var reel_variance(reel_var v, int axis)
{
    return variance(v, axis, false);
}

reel_var reel_var_keep(reel_var v, int axis)
{
    return variance(v, axis, true);
}

reel_var reel_var_all(reel_var v)
{
    return variance(reel__flatten(v), 0, false);
}

/* ---- norm ---------------------------------------------------------------------------------- */

/* At 0 the root is taken of a constant 1 instead, so that every derivative is 0 there and none
 * is 0/0. */
static reel_var root_of_square(reel_var square)
{
    if (reel_shape_of(square).rank < 0) {
        return square;
    }
    reel_var zero = reel_scalar(square.tape, 0), one = reel_scalar(square.tape, 1);
    reel_var is_zero = reel_equal(square, zero);
    return reel_where(is_zero, zero, reel_sqrt(reel_where(is_zero, one, square)));
}

static reel_var norm(reel_var v, int axis, bool keep)
{
    int64_t n;
    if (!reel__axis_length(v, axis, "norm", &n)) {
        return (reel_var){ v.tape, 0 };
    }
    reel_var square = reel_square(v);
    return root_of_square(keep ? reel_sum_keep(square, axis) : reel_sum(square, axis));
}

reel_var reel_norm(reel_var v, int axis)
{
    return norm(v, axis, false);
}

reel_var reel_norm_keep(reel_var v, int axis)
{
    return norm(v, axis, true);
}

reel_var reel_norm_all(reel_var v)
{
    return norm(reel__flatten(v), 0, false);
}
