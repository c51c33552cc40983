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
    .slot_name = { "v" },
    .options_size = sizeof(reel_sgd_options),
    .momentum = offsetof(reel_sgd_options, momentum),
    .update = TYPED_PAIR(update_momentum),
};

reel_optimizer *reel_sgd(reel_tape *tape, reel_sgd_options options)
{
    if (!reel__optim_check(tape, "sgd", "momentum", options.momentum, 1)) {
        return NULL;
    }
    if (options.nesterov && options.momentum == 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "sgd", "nesterov needs a momentum");
        return NULL;
    }
    const reel_update_rule *rule = options.momentum > 0 ? &with_momentum : &plain;
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 0.01, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, rule, numbers, &options);
}

#else

CLONED(TYPED(step_plain),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL lr, REAL decay, REAL keep),
       (n, p, dp, lr, decay, keep))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        p[i] = keep * p[i] - lr * (dp[i] + decay * p[i]);
    }
}

static void TYPED(update_plain)(const reel_update *u)
{
    TYPED(step_plain)
    (u->count, u->values, u->gradients, (REAL)u->lr, (REAL)u->decay, (REAL)u->keep);
}

/* p -= lr·(direct·g + carried·v): plain momentum has 0 and 1, Nesterov's 1 and the momentum. */
typedef struct {
    REAL lr, decay, keep, momentum, direct, carried;
} TYPED(numbers);

CLONED(TYPED(step_momentum),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict v, TYPED(numbers) a),
       (n, p, dp, v, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i];
        v[i] = a.momentum * v[i] + g;
        p[i] = a.keep * p[i] - a.lr * (a.direct * g + a.carried * v[i]);
    }
}

static void TYPED(update_momentum)(const reel_update *u)
{
    const reel_sgd_options *options = u->options;
    TYPED(numbers)
    a = {
        .lr = (REAL)u->lr,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
        .momentum = (REAL)options->momentum,
        .direct = options->nesterov ? 1 : 0,
        .carried = options->nesterov ? (REAL)options->momentum : 1,
    };
    TYPED(step_momentum)(u->count, u->values, u->gradients, u->slot[0], a);
}
#endif
