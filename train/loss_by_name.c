/* loss_by_name.c: losses as reel_compile knows them. Each gives one number for each position, which
 * weights and lengths then scale; where Keras and PyTorch differ, a name means what it means at home. */
#include <math.h>
#include <string.h>

#include "../optim/names.h"
#include "training.h"

/* What Keras keeps probabilities away from 0 and 1 by. */
#define KERAS_EPSILON 1e-7

/* ---- regression ---------------------------------------------------------------------------- */

static reel_var mse(reel_var p, reel_var y)
{
    return reel_mean(reel_square(reel_sub(p, y)), -1);
}

static reel_var mae(reel_var p, reel_var y)
{
    return reel_mean(reel_abs(reel_sub(p, y)), -1);
}

static reel_var mape(reel_var p, reel_var y)
{
    reel_var size = reel_maximum(reel_abs(y), reel_scalar(y.tape, KERAS_EPSILON));
    return reel_scale(reel_mean(reel_div(reel_abs(reel_sub(p, y)), size), -1), 100);
}

/* log(1 + v) of what is not negative */
static reel_var log_of(reel_var v)
{
    return reel_log1p(reel_maximum(v, reel_scalar(v.tape, KERAS_EPSILON)));
}

static reel_var msle(reel_var p, reel_var y)
{
    return mse(log_of(p), log_of(y));
}

static reel_var huber(reel_var p, reel_var y)
{
    reel_var distance = reel_abs(reel_sub(p, y)), one = reel_scalar(p.tape, 1);
    reel_var near = reel_scale(reel_square(distance), 0.5), far = reel_shift(distance, -0.5);
    return reel_mean(reel_where(reel_less_equal(distance, one), near, far), -1);
}

/* log cosh d = d + log(1 + e^(-2d)) - log 2 */
static reel_var log_cosh(reel_var p, reel_var y)
{
    reel_var d = reel_sub(p, y);
    return reel_mean(reel_shift(reel_add(d, reel_softplus(reel_scale(d, -2))), -log(2)), -1);
}

static reel_var poisson(reel_var p, reel_var y)
{
    return reel_mean(reel_sub(p, reel_mul(y, reel_log(reel_shift(p, KERAS_EPSILON)))), -1);
}

/* targets -1 and 1, or 0 and 1 as Keras takes them: 0 means -1 */
static reel_var hinge(reel_var p, reel_var y)
{
    reel_var zero = reel_scalar(p.tape, 0);
    reel_var sign = reel_where(reel_equal(y, zero), reel_scalar(p.tape, -1), y);
    return reel_mean(reel_relu(reel_shift(reel_neg(reel_mul(sign, p)), 1)), -1);
}

/* ---- classification ------------------------------------------------------------------------ */

/* -log p of the class, or of the distribution y */
static reel_var of_log_p(reel_var log_p, reel_var y)
{
    if (reel_is_index(y)) {
        return reel_neg(reel_pick(log_p, y));
    }
    return reel_neg(reel_sum(reel_xmul(y, log_p), -1));
}

static reel_var cross_entropy(reel_var logits, reel_var y)
{
    return of_log_p(reel_log_softmax(logits, -1), y);
}

static reel_var log_of_clipped(reel_var p)
{
    return reel_log(reel_clamp(p, KERAS_EPSILON, 1 - KERAS_EPSILON));
}

static reel_var categorical(reel_var p, reel_var y)
{
    return of_log_p(log_of_clipped(reel_div(p, reel_sum_keep(p, -1))), y);
}

/* Keras takes the logits back out of the clipped probabilities here, so these are divided by their
 * sum after the clipping. */
static reel_var sparse_categorical(reel_var p, reel_var y)
{
    return of_log_p(reel_log_softmax(log_of_clipped(p), -1), y);
}

static reel_var opposite(reel_var v)
{
    return reel_shift(reel_neg(v), 1);
}

static reel_var binary(reel_var p, reel_var y)
{
    reel_var q = reel_clamp(p, KERAS_EPSILON, 1 - KERAS_EPSILON);
    reel_var positive = reel_mul(y, reel_log(q));
    reel_var negative = reel_mul(opposite(y), reel_log(opposite(q)));
    return reel_neg(reel_mean(reel_add(positive, negative), -1));
}

static reel_var binary_of_logits(reel_var z, reel_var y)
{
    reel_var positive = reel_xmul(y, reel_softplus(reel_neg(z)));
    return reel_mean(reel_add(positive, reel_xmul(opposite(y), reel_softplus(z))), -1);
}

/* ---- the table ----------------------------------------------------------------------------- */

static const reel__loss losses[] = {
    { "mse", "mean_squared_error", mse, false },
    { "mae", "mean_absolute_error", mae, false },
    { "mape", "mean_absolute_percentage_error", mape, false },
    { "msle", "mean_squared_logarithmic_error", msle, false },
    { "huber", "huber_loss", huber, false },
    { "log_cosh", "logcosh", log_cosh, false },
    { "poisson", "poisson_loss", poisson, false },
    { "hinge", "hinge_loss", hinge, false },
    { "cross_entropy", "cross_entropy_with_logits", cross_entropy, true },
    { "sparse_categorical_crossentropy", "sparse_categorical_cross_entropy", sparse_categorical,
      true },
    { "categorical_crossentropy", "categorical_cross_entropy", categorical, true },
    { "binary_crossentropy", "binary_cross_entropy", binary, false },
    { "binary_cross_entropy_with_logits", "bce_with_logits", binary_of_logits, false },
};
enum { LOSSES = sizeof losses / sizeof *losses };

static const char *known(size_t i)
{
    return i < LOSSES ? losses[i].name : NULL;
}

const reel__loss *reel__loss_by_name(reel_tape *tape, const char *name)
{
    char text[700];
    for (int i = 0; i < LOSSES; i++) {
        if (strcmp(name, losses[i].name) == 0 || strcmp(name, losses[i].long_name) == 0) {
            return &losses[i];
        }
    }
    reel__unknown_name(text, sizeof text, "loss", name, known);
    reel_fail(tape, REEL_NOT_FOUND, "compile", "%s", text);
    return NULL;
}
