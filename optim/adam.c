/* adam.c: Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019), AMSGrad (Reddi et al.
 * 2018). */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

#define KERNELS_OF "../optim/adam.c"
#include "../ops/both_types.h"

static const reel_update_rule plain = {
    .name = "adam",
    .slots = 2,
    .slot_name = { "m", "v" },
    .options_size = sizeof(reel_adam_options),
    .momentum = offsetof(reel_adam_options, beta1),
    .update = TYPED_PAIR(update_plain),
};

static const reel_update_rule amsgrad = {
    .name = "adam",
    .slots = 3,
    .slot_name = { "m", "v", "v_max" },
    .options_size = sizeof(reel_adam_options),
    .momentum = offsetof(reel_adam_options, beta1),
    .update = TYPED_PAIR(update_amsgrad),
};

reel_optimizer *reel_adam(reel_tape *tape, reel_adam_options options)
{
    options.beta1 = reel__optim_option(options.beta1, 0.9);
    options.beta2 = reel__optim_option(options.beta2, 0.999);
    options.eps = options.eps == 0 ? 1e-8 : options.eps;
    if (!reel__optim_check(tape, "adam", "beta1", options.beta1, 1) ||
        !reel__optim_check(tape, "adam", "beta2", options.beta2, 1) ||
        !reel__optim_check_eps(tape, "adam", options.eps)) {
        return NULL;
    }
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 1e-3, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, options.amsgrad ? &amsgrad : &plain, numbers, &options);
}

reel_optimizer *reel_adamw(reel_tape *tape, reel_adam_options options)
{
    options.weight_decay = options.weight_decay == 0 ? 0.01 : options.weight_decay;
    options.decoupled = true;
    return reel_adam(tape, options);
}

#else

typedef struct {
    REAL rate, beta1, beta2, new1, new2, correction, eps, decay, keep;
} TYPED(numbers);

CLONED(TYPED(step_plain),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict m, REAL *restrict v,
        TYPED(numbers) a),
       (n, p, dp, m, v, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i];
        m[i] = a.beta1 * m[i] + a.new1 * g;
        v[i] = a.beta2 * v[i] + a.new2 * g * g;
        p[i] = a.keep * p[i] - a.rate * m[i] / (sqrt(v[i]) * a.correction + a.eps);
    }
}

CLONED(TYPED(step_amsgrad),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict m, REAL *restrict v,
        REAL *restrict v_max, TYPED(numbers) a),
       (n, p, dp, m, v, v_max, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i];
        m[i] = a.beta1 * m[i] + a.new1 * g;
        v[i] = a.beta2 * v[i] + a.new2 * g * g;
        v_max[i] = v[i] > v_max[i] || v[i] != v[i] ? v[i] : v_max[i];
        p[i] = a.keep * p[i] - a.rate * m[i] / (sqrt(v_max[i]) * a.correction + a.eps);
    }
}

static TYPED(numbers) TYPED(numbers_of)(const reel_update *u)
{
    const reel_adam_options *o = u->options;
    double step = (double)u->step;
    return (TYPED(numbers)){
        .rate = (REAL)(u->lr / (1 - pow(o->beta1, step))),
        .beta1 = (REAL)o->beta1,
        .beta2 = (REAL)o->beta2,
        .new1 = (REAL)(1 - o->beta1),
        .new2 = (REAL)(1 - o->beta2),
        .correction = (REAL)(1 / sqrt(1 - pow(o->beta2, step))),
        .eps = (REAL)o->eps,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
    };
}

static void TYPED(update_plain)(const reel_update *u)
{
    TYPED(step_plain)
    (u->count, u->values, u->gradients, u->slot[0], u->slot[1], TYPED(numbers_of)(u));
}

static void TYPED(update_amsgrad)(const reel_update *u)
{
    TYPED(step_amsgrad)
    (u->count, u->values, u->gradients, u->slot[0], u->slot[1], u->slot[2], TYPED(numbers_of)(u));
}
#endif
