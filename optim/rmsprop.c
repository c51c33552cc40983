/* rmsprop.c: RMSprop (Tieleman & Hinton 2012), centred (Graves 2013), with momentum. */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

#define KERNELS_OF "../optim/rmsprop.c"
#include "../ops/both_types.h"

/* Slots that a variant does without are left out, and the loop is compiled for each. */
enum { CENTRED = 1, MOMENTUM = 2 };

#define RULE(variant, momentum_at, number, ...)                                                    \
    {                                                                                              \
        .name = "rmsprop", .slots = number, .slot_name = { __VA_ARGS__ },                          \
        .options_size = sizeof(reel_rmsprop_options), .update = TYPED_PAIR(variant),               \
        .momentum = (momentum_at)                                                                  \
    }

#define MOMENTUM_AT offsetof(reel_rmsprop_options, momentum)

static const reel_update_rule rules[] = {
    [0] = RULE(update_plain, 0, 1, "v"),
    [CENTRED] = RULE(update_centred, 0, 2, "v", "mean"),
    [MOMENTUM] = RULE(update_momentum, MOMENTUM_AT, 2, "v", "buffer"),
    [CENTRED | MOMENTUM] = RULE(update_both, MOMENTUM_AT, 3, "v", "mean", "buffer"),
};

reel_optimizer *reel_rmsprop(reel_tape *tape, reel_rmsprop_options options)
{
    options.alpha = reel__optim_option(options.alpha, 0.99);
    options.eps = options.eps == 0 ? 1e-8 : options.eps;
    if (!reel__optim_check(tape, "rmsprop", "alpha", options.alpha, 1) ||
        !reel__optim_check(tape, "rmsprop", "momentum", options.momentum, 1) ||
        !reel__optim_check_eps(tape, "rmsprop", options.eps)) {
        return NULL;
    }
    int variant = (options.centred ? CENTRED : 0) | (options.momentum > 0 ? MOMENTUM : 0);
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 0.01, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, &rules[variant], numbers, &options);
}

#else

typedef struct {
    REAL lr, alpha, fresh, eps, momentum, decay, keep;
} TYPED(numbers);

/* `mean` and `buffer` may be NULL, which is known where it is inlined. */
ALWAYS_INLINE void TYPED(step_all)(size_t n, REAL *restrict p, const REAL *restrict dp,
                                   REAL *restrict v, REAL *restrict mean, REAL *restrict buffer,
                                   TYPED(numbers) a)
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i];
        v[i] = a.alpha * v[i] + a.fresh * g * g;
        REAL variance = v[i];
        if (mean) {
            mean[i] = a.alpha * mean[i] + a.fresh * g;
            variance -= mean[i] * mean[i];
            variance = variance < 0 ? 0 : variance; /* rounding */
        }
        REAL change = g / (sqrt(variance) + a.eps);
        if (buffer) {
            change = buffer[i] = a.momentum * buffer[i] + change;
        }
        p[i] = a.keep * p[i] - a.lr * change;
    }
}

CLONED(TYPED(step_plain), (size_t n, REAL *p, const REAL *dp, REAL *const *slot, TYPED(numbers) a),
       (n, p, dp, slot, a))
{
    TYPED(step_all)(n, p, dp, slot[0], NULL, NULL, a);
}

CLONED(TYPED(step_centred),
       (size_t n, REAL *p, const REAL *dp, REAL *const *slot, TYPED(numbers) a),
       (n, p, dp, slot, a))
{
    TYPED(step_all)(n, p, dp, slot[0], slot[1], NULL, a);
}

CLONED(TYPED(step_momentum),
       (size_t n, REAL *p, const REAL *dp, REAL *const *slot, TYPED(numbers) a),
       (n, p, dp, slot, a))
{
    TYPED(step_all)(n, p, dp, slot[0], NULL, slot[1], a);
}

CLONED(TYPED(step_both), (size_t n, REAL *p, const REAL *dp, REAL *const *slot, TYPED(numbers) a),
       (n, p, dp, slot, a))
{
    TYPED(step_all)(n, p, dp, slot[0], slot[1], slot[2], a);
}

typedef void (*TYPED(stepper))(size_t n, REAL *p, const REAL *dp, REAL *const *slot,
                               TYPED(numbers) a);

static void TYPED(run)(const reel_update *u, TYPED(stepper) step)
{
    const reel_rmsprop_options *o = u->options;
    REAL *const slot[3] = { u->slot[0], u->slot[1], u->slot[2] };
    TYPED(numbers)
    a = {
        .lr = (REAL)u->lr,
        .alpha = (REAL)o->alpha,
        .fresh = (REAL)(1 - o->alpha),
        .eps = (REAL)o->eps,
        .momentum = (REAL)o->momentum,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
    };
    step(u->count, u->values, u->gradients, slot, a);
}

static void TYPED(update_plain)(const reel_update *u)
{
    TYPED(run)(u, TYPED(step_plain));
}

static void TYPED(update_centred)(const reel_update *u)
{
    TYPED(run)(u, TYPED(step_centred));
}

static void TYPED(update_momentum)(const reel_update *u)
{
    TYPED(run)(u, TYPED(step_momentum));
}

static void TYPED(update_both)(const reel_update *u)
{
    TYPED(run)(u, TYPED(step_both));
}
#endif
