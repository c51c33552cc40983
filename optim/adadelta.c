/* adadelta.c: Adadelta (Zeiler 2012). */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

#define KERNELS_OF "../optim/adadelta.c"
#include "../ops/both_types.h"

static const reel_update_rule rule = {
    .name = "adadelta",
    .slots = 2,
    .slot_name = { "v", "delta" },
    .options_size = sizeof(reel_adadelta_options),
    .update = TYPED_PAIR(update),
};

reel_optimizer *reel_adadelta(reel_tape *tape, reel_adadelta_options options)
{
    options.rho = reel__optim_option(options.rho, 0.9);
    options.eps = options.eps == 0 ? 1e-6 : options.eps;
    if (!reel__optim_check(tape, "adadelta", "rho", options.rho, 1) ||
        !reel__optim_check_eps(tape, "adadelta", options.eps)) {
        return NULL;
    }
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 1, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, &rule, numbers, &options);
}

#else

typedef struct {
    REAL lr, rho, fresh, eps, decay, keep;
} TYPED(numbers);

CLONED(TYPED(step),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict v, REAL *restrict delta,
        TYPED(numbers) a),
       (n, p, dp, v, delta, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i];
        v[i] = a.rho * v[i] + a.fresh * g * g;
        REAL change = sqrt(delta[i] + a.eps) / sqrt(v[i] + a.eps) * g;
        delta[i] = a.rho * delta[i] + a.fresh * change * change;
        p[i] = a.keep * p[i] - a.lr * change;
    }
}

static void TYPED(update)(const reel_update *u)
{
    const reel_adadelta_options *o = u->options;
    TYPED(numbers)
    a = {
        .lr = (REAL)u->lr,
        .rho = (REAL)o->rho,
        .fresh = (REAL)(1 - o->rho),
        .eps = (REAL)o->eps,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
    };
    TYPED(step)(u->count, u->values, u->gradients, u->slot[0], u->slot[1], a);
}
#endif
