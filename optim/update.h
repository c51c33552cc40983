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

/* Elements of a run: what one thread takes at a time. */
enum { REEL__RUN = 8192 };

#endif
