/* adagrad.c: Adagrad (Duchi et al. 2011). */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

#define KERNELS_OF "../optim/adagrad.c"
#include "../ops/both_types.h"

static const reel_update_rule rule = {
    .name = "adagrad",
    .slots = 1,
    .slot_name = { "sum" },
    .options_size = sizeof(reel_adagrad_options),
    .update = TYPED_PAIR(update),
};

reel_optimizer *reel_adagrad(reel_tape *tape, reel_adagrad_options options)
{
    options.eps = options.eps == 0 ? 1e-10 : options.eps;
    if (!reel__optim_check(tape, "adagrad", "lr_decay", options.lr_decay, INFINITY) ||
        !reel__optim_check(tape, "adagrad", "initial", options.initial, INFINITY) ||
        !reel__optim_check_eps(tape, "adagrad", options.eps)) {
        return NULL;
    }
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 0.01, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, &rule, numbers, &options);
}

#else

typedef struct {
    REAL rate, initial, eps, decay, keep; /* initial: 0 from the second step on */
} TYPED(numbers);

CLONED(TYPED(step),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict sum, TYPED(numbers) a),
       (n, p, dp, sum, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i];
        sum[i] += a.initial + g * g;
        p[i] = a.keep * p[i] - a.rate * g / (sqrt(sum[i]) + a.eps);
    }
}

static void TYPED(update)(const reel_update *u)
{
    const reel_adagrad_options *o = u->options;
    TYPED(numbers)
    a = {
        .rate = (REAL)(u->lr / (1 + (double)(u->step - 1) * o->lr_decay)),
        .initial = u->step == 1 ? (REAL)o->initial : 0,
        .eps = (REAL)o->eps,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
    };
    TYPED(step)(u->count, u->values, u->gradients, u->slot[0], a);
}
#endif
