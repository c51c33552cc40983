/* loss_margin.c: hinge losses and the focal loss. */
#include "loss.h"

static reel_var relu_of(reel_var v, bool squared)
{
    reel_var positive = reel_relu(v);
    return squared ? reel_square(positive) : positive;
}

reel_var reel_hinge(reel_var scores, reel_var targets, reel_hinge_options options)
{
    if (!reel__check_same_shape("hinge", scores, targets)) {
        return reel__poisoned(scores.tape);
    }
    double margin = reel__option(options.margin, 1);
    reel_var short_of = reel_shift(reel_neg(reel_mul(targets, scores)), margin);
    return reel__reduce_loss("hinge", relu_of(short_of, options.squared), options.reduction);
}

reel_var reel_multi_margin(reel_var scores, reel_var targets, reel_multi_margin_options options)
{
    if (!reel__check_class_targets("multi_margin", scores, targets)) {
        return reel__poisoned(scores.tape);
    }
    reel_shape shape = reel_shape_of(scores);
    int64_t classes = shape.dim[shape.rank - 1];
    double margin = reel__option(options.margin, 1);
    reel_var given = reel_unsqueeze(reel_pick(scores, targets), -1);
    reel_var excess = reel_shift(reel_sub(scores, given), margin);
    reel_var zero = reel_scalar(scores.tape, 0);
    reel_var terms =
        relu_of(reel_where(reel_one_hot(targets, classes), zero, excess), options.squared);
    reel_var losses = options.crammer_singer
                          ? reel_max(terms, -1)
                          : reel_scale(reel_sum(terms, -1), 1.0 / (double)classes);
    return reel__reduce_loss("multi_margin", losses, options.reduction);
}

/* ---- focal (Lin et al. 2017) --------------------------------------------------------------- */

static bool check_focal(const char *loss, reel_tape *tape, const reel_focal_options *options)
{
    if (options->gamma >= 0 && options->alpha >= 0 && options->alpha <= 1) {
        return true;
    }
    reel_fail(tape, REEL_BAD_ARGUMENT, loss,
              "gamma is %g and alpha %g, must be at least 0 and in [0, 1]", options->gamma,
              options->alpha);
    return false;
}

/* (1 - p)^γ·nll for nll = -log p and log_rest = log(1 - p), which keeps the digits that 1 - p would
 * lose. */
static reel_var focused(reel_var nll, reel_var log_rest, double gamma)
{
    if (gamma == 0) {
        return nll;
    }
    return reel_mul(reel_exp(reel_scale(log_rest, gamma)), nll);
}

reel_var reel_focal(reel_var logits, reel_var targets, reel_focal_options options)
{
    if (!reel__check_same_shape("focal", logits, targets) ||
        !check_focal("focal", logits.tape, &options)) {
        return reel__poisoned(logits.tape);
    }
    /* z for target 1, -z for target 0: p = σ(sign·z) is the target's probability */
    reel_var sign = reel_shift(reel_scale(targets, 2), -1);
    reel_var z = reel_mul(sign, logits);
    reel_var nll = reel_softplus(reel_neg(z)), log_rest = reel_neg(reel_softplus(z));
    reel_var losses = focused(nll, log_rest, reel__option(options.gamma, 2));
    if (options.alpha > 0) {
        reel_var weight = reel_shift(reel_scale(targets, 2 * options.alpha - 1), 1 - options.alpha);
        losses = reel_mul(weight, losses);
    }
    return reel__reduce_loss("focal", losses, options.reduction);
}

/* log Σ of the others' probabilities. A finite floor for the target's own leaves the derivatives
 * finite where there are no others. */
static reel_var log_of_others(reel_var log_p, reel_var targets)
{
    reel_shape shape = reel_shape_of(log_p);
    reel_var mark = reel_one_hot(targets, shape.dim[shape.rank - 1]);
    reel_var none = reel_scalar(log_p.tape, -1e30);
    return reel_logsumexp(reel_where(mark, none, log_p), -1);
}

reel_var reel_focal_softmax(reel_var logits, reel_var targets, reel_focal_options options)
{
    if (!reel__check_class_targets("focal_softmax", logits, targets) ||
        !check_focal("focal_softmax", logits.tape, &options)) {
        return reel__poisoned(logits.tape);
    }
    if (options.alpha != 0) {
        return reel_fail(logits.tape, REEL_BAD_ARGUMENT, "focal_softmax",
                         "alpha is %g, must be 0: it belongs to two classes", options.alpha);
    }
    reel_var log_p = reel_log_softmax(logits, -1);
    reel_var nll = reel_neg(reel_pick(log_p, targets));
    reel_var losses = focused(nll, log_of_others(log_p, targets), reel__option(options.gamma, 2));
    return reel__reduce_loss("focal_softmax", losses, options.reduction);
}
