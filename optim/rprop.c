/* rprop.c: resilient backpropagation (Riedmiller & Braun 1993), for whole-batch gradients. */
#ifndef REAL
#include <tgmath.h>

#include "update.h"

#define KERNELS_OF "../optim/rprop.c"
#include "../ops/both_types.h"

static const reel_update_rule rule = {
    .name = "rprop",
    .slots = 2,
    .slot_name = { "gradient", "size" },
    .options_size = sizeof(reel_rprop_options),
    .update = TYPED_PAIR(update),
};

reel_optimizer *reel_rprop(reel_tape *tape, reel_rprop_options options)
{
    options.shrink = reel__optim_option(options.shrink, 0.5);
    options.grow = options.grow == 0 ? 1.2 : options.grow;
    options.smallest = reel__optim_option(options.smallest, 1e-6);
    options.largest = options.largest == 0 ? 50 : options.largest;
    if (!reel__optim_check(tape, "rprop", "shrink", options.shrink, 1) ||
        !reel__optim_check(tape, "rprop", "smallest", options.smallest, INFINITY)) {
        return NULL;
    }
    if (!(options.grow > 1 && isfinite(options.grow)) || !(options.largest >= options.smallest)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "rprop",
                  "grow is %g, must be above 1; largest is %g, must be at least smallest, %g",
                  options.grow, options.largest, options.smallest);
        return NULL;
    }
    reel__optimizer_numbers numbers = reel__optim_numbers(options.lr, 0.01, 0, false);
    return reel__optimizer_new(tape, &rule, numbers, &options);
}

#else

typedef struct {
    REAL first, grow, shrink, smallest, largest, decay, keep; /* first: 0 from the second step on */
} TYPED(numbers);

/* An element whose gradient changed its sign waits for a step. */
CLONED(TYPED(step),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict last,
        REAL *restrict size, TYPED(numbers) a),
       (n, p, dp, last, size, a))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        REAL g = dp[i] + a.decay * p[i], agreement = g * last[i];
        REAL factor = agreement > 0 ? a.grow : agreement < 0 ? a.shrink : 1;
        REAL wanted = (size[i] + a.first) * factor;
        REAL above = wanted < a.smallest ? a.smallest : wanted;
        size[i] = above > a.largest ? a.largest : above;
        REAL used = agreement < 0 ? 0 : g, sign = used > 0 ? 1 : used < 0 ? -1 : used;
        p[i] = a.keep * p[i] - sign * size[i];
        last[i] = used;
    }
}

static void TYPED(update)(const reel_update *u)
{
    const reel_rprop_options *o = u->options;
    TYPED(numbers)
    a = {
        .first = u->step == 1 ? (REAL)u->lr : 0,
        .grow = (REAL)o->grow,
        .shrink = (REAL)o->shrink,
        .smallest = (REAL)o->smallest,
        .largest = (REAL)o->largest,
        .decay = (REAL)u->decay,
        .keep = (REAL)u->keep,
    };
    TYPED(step)(u->count, u->values, u->gradients, u->slot[0], u->slot[1], a);
}
#endif
