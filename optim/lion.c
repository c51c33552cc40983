/* lion.c: the sign of an interpolated momentum (Chen et al. 2023). */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

#define KERNELS_OF "../optim/lion.c"
#include "../ops/both_types.h"

static const reel_update_rule rule = {
    .name = "lion",
    .slots = 1,
    .slot_name = { "m" },
    .options_size = sizeof(reel_lion_options),
    .momentum = offsetof(reel_lion_options, beta1),
    .update = TYPED_PAIR(update),
};

reel_optimizer *reel_lion(reel_tape *tape, reel_lion_options options)
{
    options.beta1 = reel__optim_option(options.beta1, 0.9);
    options.beta2 = reel__optim_option(options.beta2, 0.99);
    if (!reel__optim_check(tape, "lion", "beta1", options.beta1, 1) ||
        !reel__optim_check(tape, "lion", "beta2", options.beta2, 1)) {
        return NULL;
    }
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 1e-4, options.weight_decay, true);
    return reel__optimizer_new(tape, &rule, numbers, &options);
}

#else

typedef struct {
    REAL lr, beta1, beta2, new1, new2, keep;
} TYPED(numbers);

CLONED(TYPED(step),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict m, TYPED(numbers) a),
       (n, p, dp, m, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL c = a.beta1 * m[i] + a.new1 * dp[i];
        REAL sign = c > 0 ? 1 : c < 0 ? -1 : c; /* NaN stays */
        m[i] = a.beta2 * m[i] + a.new2 * dp[i];
        p[i] = a.keep * p[i] - a.lr * sign;
    }
}

static void TYPED(update)(const reel_update *u)
{
    const reel_lion_options *o = u->options;
    TYPED(numbers)
    a = {
        .lr = (REAL)u->lr,
        .beta1 = (REAL)o->beta1,
        .beta2 = (REAL)o->beta2,
        .new1 = (REAL)(1 - o->beta1),
        .new2 = (REAL)(1 - o->beta2),
        .keep = (REAL)u->keep,
    };
    TYPED(step)(u->count, u->values, u->gradients, u->slot[0], a);
}
#endif
