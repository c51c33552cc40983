/* nt_asgd.c: SGD that starts to average when validation stops to improve (Merity et al. 2018). */
#ifndef REAL
#include "optimizer.h"

#define KERNELS_OF "../optim/nt_asgd.c"
#include "../ops/both_types.h"

/* The options, and what is remembered of the reports. */
typedef struct {
    reel_nt_asgd_options given;
    double triggered, reports;
    double best;                        /* of the reports that left the window */
    double recent[REEL_NT_ASGD_WINDOW]; /* report i at i modulo the window */
} memory;

/* How many parameters are in the mean, this step's included. */
static double carry(const void *options, int64_t step, double before)
{
    (void)step;
    return ((const memory *)options)->triggered != 0 ? before + 1 : 0;
}

#define NUMBER(field, count)                                                                       \
    {                                                                                              \
#field, offsetof(memory, field), count                                                     \
    }
static const reel_update_rule rule = {
    .name = "nt_asgd",
    .slots = 1,
    .slot_name = { "mean" },
    .options_size = sizeof(memory),
    .update = TYPED_PAIR(update),
    .carry = carry,
    .numbers = 4,
    .number = { NUMBER(triggered, 1), NUMBER(reports, 1), NUMBER(best, 1),
                NUMBER(recent, REEL_NT_ASGD_WINDOW) },
};

reel_optimizer *reel_nt_asgd(reel_tape *tape, reel_nt_asgd_options options)
{
    options.window = options.window == 0 ? 5 : options.window;
    if (options.window < 1 || options.window > REEL_NT_ASGD_WINDOW) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "nt_asgd", "window is %d, must be in 1 … %d",
                  options.window, REEL_NT_ASGD_WINDOW);
        return NULL;
    }
    memory start = { .given = options, .best = INFINITY };
    reel__optimizer_numbers numbers =
        reel__optim_numbers(options.lr, 30, options.weight_decay, options.decoupled);
    return reel__optimizer_new(tape, &rule, numbers, &start);
}

static memory *memory_of(reel_optimizer *optimizer, const char *caller)
{
    if (!reel__optimizer_usable(optimizer, caller)) {
        return NULL;
    }
    if (optimizer->rule != &rule) {
        reel_fail(optimizer->tape, REEL_BAD_ARGUMENT, caller, "%s does not average",
                  optimizer->rule->name);
        return NULL;
    }
    return optimizer->options;
}

bool reel_nt_asgd_report(reel_optimizer *optimizer, double validation_loss)
{
    memory *m = memory_of(optimizer, "nt_asgd_report");
    if (!m) {
        return false;
    }
    if (m->reports > m->given.window && !(validation_loss <= m->best)) {
        m->triggered = 1;
    }
    double *slot = &m->recent[(size_t)m->reports % (size_t)m->given.window];
    if (m->reports >= m->given.window && *slot < m->best) {
        m->best = *slot;
    }
    *slot = validation_loss;
    m->reports++;
    return m->triggered != 0;
}

reel_status reel_nt_asgd_exchange(reel_optimizer *optimizer)
{
    reel_flat flat;
    memory *m = memory_of(optimizer, "nt_asgd_exchange");
    if (!m || reel_flat_begin(optimizer->tape, &flat) != REEL_OK) {
        return optimizer ? reel_tape_status(optimizer->tape) : REEL_BAD_HANDLE;
    }
    size_t element = optimizer->tape->element;
    for (size_t i = 0; i < optimizer->members.count; i++) {
        const reel__param *param = reel__param_entry(optimizer->tape, (uint32_t)i);
        if (reel__member_at(optimizer, i)->carried > 0) {
            reel__exchange((char *)flat.values + param->offset * element,
                           reel__slot_at(optimizer, 0, param->offset), param->count * element);
        }
    }
    reel_flat_end(optimizer->tape, true);
    return REEL_OK;
}

#else

/* share 0: there is no mean yet, and what is there stays. */
CLONED(TYPED(step),
       (size_t n, REAL *restrict p, const REAL *restrict dp, REAL *restrict mean, REAL lr,
        REAL decay, REAL keep, REAL share),
       (n, p, dp, mean, lr, decay, keep, share))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        p[i] = keep * p[i] - lr * (dp[i] + decay * p[i]);
        mean[i] += share * (p[i] - mean[i]);
    }
}

static void TYPED(update)(const reel_update *u)
{
    TYPED(step)
    (u->count, u->values, u->gradients, u->slot[0], (REAL)u->lr, (REAL)u->decay, (REAL)u->keep,
     u->carried > 0 ? (REAL)(1 / u->carried) : 0);
}
#endif
