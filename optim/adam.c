/* adam.c: Adam (Kingma & Ba 2015). */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

#define KERNELS_OF "../optim/adam.c"
#include "../ops/both_types.h"

static const reel_update_rule rule = {
    .name = "adam",
    .slots = 2,
    .options_size = sizeof(reel_adam_options),
    .update = TYPED_PAIR(update),
};

reel_optimizer *reel_adam(reel_tape *tape, reel_adam_options options)
{
    options.beta1 = reel__optim_option(options.beta1, 0.9);
    options.beta2 = reel__optim_option(options.beta2, 0.999);
    options.eps = options.eps == 0 ? 1e-8 : options.eps;
    if (!reel__optim_check(tape, "adam", "beta1", options.beta1, 1) ||
        !reel__optim_check(tape, "adam", "beta2", options.beta2, 1) ||
        !reel__optim_check(tape, "adam", "weight_decay", options.weight_decay, INFINITY)) {
        return NULL;
    }
    if (!((float)options.eps > 0)) { /* 0/0 in what never had a gradient */
        reel_fail(tape, REEL_BAD_ARGUMENT, "adam", "eps is %g, must be greater than 0",
                  options.eps);
        return NULL;
    }
    return reel_optimizer_new(tape, &rule, reel__optim_option(options.lr, 1e-3), &options);
}

#else

typedef struct {
    REAL rate, beta1, beta2, new1, new2, correction, eps, decay;
} TYPED(numbers);

CLONED(TYPED(step),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict m, REAL *restrict v,
        TYPED(numbers) a),
       (n, p, dp, m, v, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i];
        m[i] = a.beta1 * m[i] + a.new1 * g;
        v[i] = a.beta2 * v[i] + a.new2 * g * g;
        p[i] -= a.rate * m[i] / (sqrt(v[i]) * a.correction + a.eps);
    }
}

static void TYPED(update)(const reel_update *u)
{
    const reel_adam_options *o = u->options;
    double step = (double)u->step;
    TYPED(numbers)
    a = {
        .rate = (REAL)(u->lr / (1 - pow(o->beta1, step))),
        .beta1 = (REAL)o->beta1,
        .beta2 = (REAL)o->beta2,
        .new1 = (REAL)(1 - o->beta1),
        .new2 = (REAL)(1 - o->beta2),
        .correction = (REAL)(1 / sqrt(1 - pow(o->beta2, step))),
        .eps = (REAL)o->eps,
        .decay = (REAL)o->weight_decay,
    };
    TYPED(step)(u->count, u->values, u->gradients, u->slot[0], u->slot[1], a);
}
#endif
