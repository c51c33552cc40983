/* nadam.c: Adam with Nesterov momentum (Dozat 2016). */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

static double momentum_at(const reel_nadam_options *o, double step)
{
    return o->beta1 * (1 - 0.5 * pow(0.96, step * o->momentum_decay));
}

#define KERNELS_OF "../optim/nadam.c"
#include "../ops/both_types.h"

/* The product of all momenta so far. */
static double carry(const void *options, int64_t step, double before)
{
    return (step == 1 ? 1 : before) * momentum_at(options, (double)step);
}

static const reel_update_rule rule = {
    .name = "nadam",
    .slots = 2,
    .slot_name = { "m", "v" },
    .options_size = sizeof(reel_nadam_options),
    .momentum = offsetof(reel_nadam_options, beta1),
    .update = TYPED_PAIR(update),
    .carry = carry,
};

reel_optimizer *reel_nadam(reel_tape *tape, reel_nadam_options options)
{
    options.beta1 = reel__optim_option(options.beta1, 0.9);
    options.beta2 = reel__optim_option(options.beta2, 0.999);
    options.eps = options.eps == 0 ? 1e-8 : options.eps;
    options.momentum_decay = reel__optim_option(options.momentum_decay, 4e-3);
    if (!reel__optim_check(tape, "nadam", "beta1", options.beta1, 1) ||
        !reel__optim_check(tape, "nadam", "beta2", options.beta2, 1) ||
        !reel__optim_check(tape, "nadam", "momentum_decay", options.momentum_decay, INFINITY) ||
        !reel__optim_check_eps(tape, "nadam", options.eps)) {
        return NULL;
    }
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 2e-3, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, &rule, numbers, &options);
}

#else

typedef struct {
    REAL of_gradient, of_mean, beta1, beta2, new1, new2, correction, eps, decay, keep;
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
        REAL size = sqrt(v[i]) * a.correction + a.eps;
        p[i] = a.keep * p[i] - (a.of_gradient * g + a.of_mean * m[i]) / size;
    }
}

static void TYPED(update)(const reel_update *u)
{
    const reel_nadam_options *o = u->options;
    double now = momentum_at(o, (double)u->step), next = momentum_at(o, (double)u->step + 1);
    TYPED(numbers)
    a = {
        .of_gradient = (REAL)(u->lr * (1 - now) / (1 - u->carried)),
        .of_mean = (REAL)(u->lr * next / (1 - u->carried * next)),
        .beta1 = (REAL)o->beta1,
        .beta2 = (REAL)o->beta2,
        .new1 = (REAL)(1 - o->beta1),
        .new2 = (REAL)(1 - o->beta2),
        .correction = (REAL)(1 / sqrt(1 - pow(o->beta2, (double)u->step))),
        .eps = (REAL)o->eps,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
    };
    TYPED(step)(u->count, u->values, u->gradients, u->slot[0], u->slot[1], a);
}
#endif
