/* radam.c: Adam with a rectified start (Liu et al. 2020). */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

/* How far v can be trusted; 0: so few samples that its variance is infinite, and m is used
 * alone. */
static double rectification(double beta2, double step)
{
    double decayed = pow(beta2, step), most = 2 / (1 - beta2) - 1;
    double samples = most - 2 * step * decayed / (1 - decayed);
    if (!(samples > 5)) {
        return 0;
    }
    return sqrt((samples - 4) * (samples - 2) * most / ((most - 4) * (most - 2) * samples));
}

#define KERNELS_OF "../optim/radam.c"
#include "../ops/both_types.h"

static const reel_update_rule rule = {
    .name = "radam",
    .slots = 2,
    .slot_name = { "m", "v" },
    .options_size = sizeof(reel_radam_options),
    .momentum = offsetof(reel_radam_options, beta1),
    .update = TYPED_PAIR(update),
};

reel_optimizer *reel_radam(reel_tape *tape, reel_radam_options options)
{
    options.beta1 = reel__optim_option(options.beta1, 0.9);
    options.beta2 = reel__optim_option(options.beta2, 0.999);
    options.eps = options.eps == 0 ? 1e-8 : options.eps;
    if (!reel__optim_check(tape, "radam", "beta1", options.beta1, 1) ||
        !reel__optim_check(tape, "radam", "beta2", options.beta2, 1) ||
        !reel__optim_check_eps(tape, "radam", options.eps)) {
        return NULL;
    }
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 1e-3, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, &rule, numbers, &options);
}

#else

/* p -= lr·m·(rectified / (√v + eps) + alone): one of the two is 0. */
typedef struct {
    REAL rectified, alone, beta1, beta2, new1, new2, eps, decay, keep;
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
        p[i] = a.keep * p[i] - m[i] * (a.rectified / (sqrt(v[i]) + a.eps) + a.alone);
    }
}

static void TYPED(update)(const reel_update *u)
{
    const reel_radam_options *o = u->options;
    double step = (double)u->step, rectified = rectification(o->beta2, step);
    double rate = u->lr / (1 - pow(o->beta1, step));
    TYPED(numbers)
    a = {
        .rectified = (REAL)(rate * rectified * sqrt(1 - pow(o->beta2, step))),
        .alone = rectified > 0 ? 0 : (REAL)rate,
        .beta1 = (REAL)o->beta1,
        .beta2 = (REAL)o->beta2,
        .new1 = (REAL)(1 - o->beta1),
        .new2 = (REAL)(1 - o->beta2),
        .eps = (REAL)o->eps,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
    };
    TYPED(step)(u->count, u->values, u->gradients, u->slot[0], u->slot[1], a);
}
#endif
