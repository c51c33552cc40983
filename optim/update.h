/* update.h: what the files of optim/ share. Not installed. */
#ifndef REEL_UPDATE_H
#define REEL_UPDATE_H

#include <math.h>

#include "../graph/tape.h"
#include "../ops/kernel.h"
#include "optim.h"

/* An option where 0 means `standard` and REEL_ZERO means 0. */
static inline double reel__optim_option(double value, double standard)
{
    if (value == 0) {
        return standard;
    }
    return value == REEL_ZERO ? 0 : value;
}

/* An option that must lie in [0, below); false with "adam: beta1 is 2, must be in [0, 1)". */
static inline bool reel__optim_check(reel_tape *tape, const char *rule, const char *option,
                                     double value, double below)
{
    if (value >= 0 && value < below) {
        return true;
    }
    reel_fail(tape, REEL_BAD_ARGUMENT, rule, "%s is %g, must be in [0, %g)", option, value, below);
    return false;
}

/* What is divided by must be above 0 in the tape's type, too: 0/0 in what never had a gradient. */
static inline bool reel__optim_check_eps(reel_tape *tape, const char *rule, double eps)
{
    if ((float)eps > 0 && isfinite(eps)) {
        return true;
    }
    reel_fail(tape, REEL_BAD_ARGUMENT, rule, "eps is %g, must be greater than 0", eps);
    return false;
}

typedef struct {
    double lr, weight_decay;
    bool decoupled;
    int slots; /* 0: the rule's */
} reel__optimizer_numbers;

static inline reel__optimizer_numbers reel__optim_numbers(double lr, double standard_lr,
                                                          double weight_decay, bool decoupled)
{
    return (reel__optimizer_numbers){ .lr = reel__optim_option(lr, standard_lr),
                                      .weight_decay = reel__optim_option(weight_decay, 0),
                                      .decoupled = decoupled };
}

/* reel_optimizer_new with what a group may change. */
reel_optimizer *reel__optimizer_new(reel_tape *, const reel_update_rule *, reel__optimizer_numbers,
                                    const void *options);

/* `*` in the pattern stands for any characters, `?` for one. */
bool reel__glob(const char *pattern, const char *text);

/* Elements of a run: what one thread takes at a time. */
enum { REEL__RUN = 8192 };

#endif
