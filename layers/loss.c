/* loss.c: regression losses and binary cross-entropy. For cross-entropy see cross_entropy.c. */
#include "layer.h"

static bool same_shape(const char *loss, reel_var prediction, reel_var target)
{
    reel_tape *tape = prediction.tape;
    if (!reel__check_handle(tape, loss, prediction) || !reel__check_handle(tape, loss, target)) {
        return false;
    }
    reel_shape a = reel_shape_of(prediction), b = reel_shape_of(target);
    if (reel_shape_equal(a, b)) {
        return true;
    }
    reel_fail(tape, REEL_BAD_SHAPE, loss, "shapes differ: %s and %s", REEL_SHAPE_TEXT(a),
              REEL_SHAPE_TEXT(b));
    return false;
}

/* 0 for no elements, where a mean would be 0/0 */
static reel_var mean(reel_var v)
{
    int64_t count = reel_shape_size(reel_shape_of(v));
    return reel_scale(reel_sum_all(v), count > 0 ? 1.0 / (double)count : 1.0);
}

reel_var reel_mse(reel_var prediction, reel_var target)
{
    if (!same_shape("mse", prediction, target)) {
        return reel__poisoned(prediction.tape);
    }
    return mean(reel_square(reel_sub(prediction, target)));
}

reel_var reel_mae(reel_var prediction, reel_var target)
{
    if (!same_shape("mae", prediction, target)) {
        return reel__poisoned(prediction.tape);
    }
    return mean(reel_abs(reel_sub(prediction, target)));
}

reel_var reel_huber(reel_var prediction, reel_var target, double delta)
{
    if (!(delta > 0)) {
        return reel_fail(prediction.tape, REEL_BAD_ARGUMENT, "huber",
                         "delta is %g, must be greater than 0", delta);
    }
    if (!same_shape("huber", prediction, target)) {
        return reel__poisoned(prediction.tape);
    }
    reel_var distance = reel_abs(reel_sub(prediction, target));
    reel_var near = reel_scale(reel_square(distance), 0.5);
    reel_var far = reel_scale(reel_shift(distance, -0.5 * delta), delta);
    reel_var limit = reel_scalar(prediction.tape, delta);
    return mean(reel_where(reel_less_equal(distance, limit), near, far));
}

/* -log σ(z) = softplus(-z) and -log(1 - σ(z)) = softplus(z): neither cancels for any z, and xmul
 * keeps 0·infinity away. */
reel_var reel_binary_cross_entropy_with_logits(reel_var logits, reel_var targets)
{
    if (!same_shape("binary_cross_entropy_with_logits", logits, targets)) {
        return reel__poisoned(logits.tape);
    }
    reel_var zeros = reel_shift(reel_neg(targets), 1);
    reel_var positive = reel_xmul(targets, reel_softplus(reel_neg(logits)));
    return mean(reel_add(positive, reel_xmul(zeros, reel_softplus(logits))));
}
