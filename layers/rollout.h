/* rollout.h: what the ways of running a cell over time share: the checks of what comes in, and the
 * mask made of lengths. Not installed. */
#ifndef REEL_ROLLOUT_H
#define REEL_ROLLOUT_H

#include "layer.h"

typedef struct {
    reel_tape *tape;
    const char *name; /* in errors */
    reel_cell cell;
    reel_var x; /* [steps, batch, in], zeros in the padding */
    int64_t steps, batch;
    reel_var zero;
    reel_var mask;   /* [steps, batch, 1], 1 in valid steps, or absent */
    reel_var resets; /* [steps, batch, 1], or absent */
    reel_var initial[REEL_MAX_STATES];
} reel__rollout;

/* Fills in all below x; false after an error. */
bool reel__rollout_begin(reel__rollout *, const reel_unroll_options *);
/* Outputs of both directions as one; an absent handle for REEL_MERGE_SEPARATE. (bidirectional.c) */
reel_var reel__merge_directions(reel_merge, reel_var forward, reel_var backward);
/* Poisoned handles throughout. */
reel_rollout reel__rollout_poisoned(const reel__rollout *);

#endif
