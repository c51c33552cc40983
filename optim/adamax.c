/* adamax.c: Adam by the infinity norm (Kingma & Ba 2015, section 7). */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

#define KERNELS_OF "../optim/adamax.c"
#include "../ops/both_types.h"

static const reel_update_rule rule = {
    .name = "adamax",
    .slots = 2,
    .slot_name = { "m", "u" },
    .options_size = sizeof(reel_adamax_options),
    .momentum = offsetof(reel_adamax_options, beta1),
    .update = TYPED_PAIR(update),
};

reel_optimizer *reel_adamax(reel_tape *tape, reel_adamax_options options)
{
    options.beta1 = reel__optim_option(options.beta1, 0.9);
    options.beta2 = reel__optim_option(options.beta2, 0.999);
    options.eps = options.eps == 0 ? 1e-8 : options.eps;
    if (!reel__optim_check(tape, "adamax", "beta1", options.beta1, 1) ||
        !reel__optim_check(tape, "adamax", "beta2", options.beta2, 1) ||
        !reel__optim_check_eps(tape, "adamax", options.eps)) {
        return NULL;
    }
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 2e-3, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, &rule, numbers, &options);
}

#else

typedef struct {
    REAL rate, beta1, beta2, new1, eps, decay, keep;
} TYPED(numbers);

CLONED(TYPED(step),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict m, REAL *restrict u,
        TYPED(numbers) a),
       (n, p, dp, m, u, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i], before = a.beta2 * u[i], now = fabs(g) + a.eps;
        m[i] = a.beta1 * m[i] + a.new1 * g;
        u[i] = now > before || now != now ? now : before;
        p[i] = a.keep * p[i] - a.rate * m[i] / u[i];
    }
}

static void TYPED(update)(const reel_update *u)
{
    const reel_adamax_options *o = u->options;
    TYPED(numbers)
    a = {
        .rate = (REAL)(u->lr / (1 - pow(o->beta1, (double)u->step))),
        .beta1 = (REAL)o->beta1,
        .beta2 = (REAL)o->beta2,
        .new1 = (REAL)(1 - o->beta1),
        .eps = (REAL)o->eps,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
    };
    TYPED(step)(u->count, u->values, u->gradients, u->slot[0], u->slot[1], a);
}
#endif
