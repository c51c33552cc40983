/* sgd.c: stochastic gradient descent with momentum. */
#ifndef REAL
#include "update.h"

#define KERNELS_OF "../optim/sgd.c"
#include "../ops/both_types.h"

static const reel_update_rule plain = {
    .name = "sgd",
    .slots = 0,
    .options_size = sizeof(reel_sgd_options),
    .update = TYPED_PAIR(update_plain),
};

static const reel_update_rule with_momentum = {
    .name = "sgd",
    .slots = 1,
    .options_size = sizeof(reel_sgd_options),
    .update = TYPED_PAIR(update_momentum),
};

reel_optimizer *reel_sgd(reel_tape *tape, reel_sgd_options options)
{
    if (!reel__optim_check(tape, "sgd", "momentum", options.momentum, 1) ||
        !reel__optim_check(tape, "sgd", "weight_decay", options.weight_decay, INFINITY)) {
        return NULL;
    }
    if (options.nesterov && options.momentum == 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "sgd", "nesterov needs a momentum");
        return NULL;
    }
    const reel_update_rule *rule = options.momentum > 0 ? &with_momentum : &plain;
    return reel_optimizer_new(tape, rule, reel__optim_option(options.lr, 0.01), &options);
}

#else

CLONED(TYPED(step_plain),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL lr, REAL decay),
       (n, p, dp, lr, decay))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        p[i] -= lr * (dp[i] + decay * p[i]);
    }
}

static void TYPED(update_plain)(const reel_update *u)
{
    const reel_sgd_options *options = u->options;
    TYPED(step_plain)(u->count, u->values, u->gradients, (REAL)u->lr, (REAL)options->weight_decay);
}

/* p -= lr·(direct·g + carried·v): plain momentum has 0 and 1, Nesterov's 1 and the momentum. */
CLONED(TYPED(step_momentum),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict v, REAL lr, REAL decay,
        REAL momentum, REAL direct, REAL carried),
       (n, p, dp, v, lr, decay, momentum, direct, carried))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + decay * p[i];
        v[i] = momentum * v[i] + g;
        p[i] -= lr * (direct * g + carried * v[i]);
    }
}

static void TYPED(update_momentum)(const reel_update *u)
{
    const reel_sgd_options *options = u->options;
    REAL momentum = (REAL)options->momentum;
    REAL direct = options->nesterov ? 1 : 0, carried = options->nesterov ? momentum : 1;
    TYPED(step_momentum)
    (u->count, u->values, u->gradients, u->slot[0], (REAL)u->lr, (REAL)options->weight_decay,
     momentum, direct, carried);
}
#endif
