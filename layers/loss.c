/* loss.c: regression losses and binary cross-entropy. For cross-entropy see cross_entropy.c. */
#include "loss.h"

reel_var reel_mse(reel_var prediction, reel_var target)
{
    if (!reel__check_same_shape("mse", prediction, target)) {
        return reel__poisoned(prediction.tape);
    }
    return reel__reduce_loss("mse", reel_square(reel_sub(prediction, target)), REEL_REDUCE_MEAN);
}

reel_var reel_mae(reel_var prediction, reel_var target)
{
    if (!reel__check_same_shape("mae", prediction, target)) {
        return reel__poisoned(prediction.tape);
    }
    return reel__reduce_loss("mae", reel_abs(reel_sub(prediction, target)), REEL_REDUCE_MEAN);
}

reel_var reel_huber(reel_var prediction, reel_var target, double delta)
{
    if (!(delta > 0)) {
        return reel_fail(prediction.tape, REEL_BAD_ARGUMENT, "huber",
                         "delta is %g, must be greater than 0", delta);
    }
    if (!reel__check_same_shape("huber", prediction, target)) {
        return reel__poisoned(prediction.tape);
    }
    reel_var distance = reel_abs(reel_sub(prediction, target));
    reel_var near = reel_scale(reel_square(distance), 0.5);
    reel_var far = reel_scale(reel_shift(distance, -0.5 * delta), delta);
    reel_var limit = reel_scalar(prediction.tape, delta);
    return reel__reduce_loss("huber", reel_where(reel_less_equal(distance, limit), near, far),
                             REEL_REDUCE_MEAN);
}

/* -log σ(z) = softplus(-z) and -log(1 - σ(z)) = softplus(z): neither cancels for any z, and xmul
 * keeps 0·infinity away. */
reel_var reel_binary_cross_entropy_with_logits(reel_var logits, reel_var targets)
{
    if (!reel__check_same_shape("binary_cross_entropy_with_logits", logits, targets)) {
        return reel__poisoned(logits.tape);
    }
    reel_var zeros = reel_shift(reel_neg(targets), 1);
    reel_var positive = reel_xmul(targets, reel_softplus(reel_neg(logits)));
    return reel__reduce_loss("binary_cross_entropy_with_logits",
                             reel_add(positive, reel_xmul(zeros, reel_softplus(logits))),
                             REEL_REDUCE_MEAN);
}
