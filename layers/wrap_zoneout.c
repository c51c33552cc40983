/* wrap_zoneout.c: states that stay as they were, at random. */
#include <string.h>

#include "wrap.h"

typedef struct {
    reel_cell inner;
    reel_zoneout_options options;
} zoneout;

static reel_var zone(double p, reel_var old, reel_var next)
{
    if (p == 0 || next.id == 0) {
        return next;
    }
    if (!reel_is_training(next.tape)) {
        return reel_add(next, reel_scale(reel_sub(old, next), p));
    }
    reel_var stays = reel_random_bernoulli(next.tape, reel_shape_of(next), p);
    return reel_where(stays, old, next);
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const zoneout *w = self;
    reel_var old[REEL_MAX_STATES];
    memcpy(old, state, (size_t)w->inner.states * sizeof *old);
    reel_var y = reel__step(&w->inner, x, state), output = y;
    for (int k = 0; k < w->inner.states; k++) {
        bool is_output = state[k].id == y.id;
        state[k] = zone(w->options.probability[k], old[k], state[k]);
        output = is_output ? state[k] : output;
    }
    return output;
}

reel_cell reel_zoneout(reel_tape *tape, reel_cell cell, reel_zoneout_options options)
{
    if (!reel__check_inner(tape, "zoneout", cell)) {
        return (reel_cell){ 0 };
    }
    for (int k = 0; k < REEL_MAX_STATES; k++) {
        char what[32];
        snprintf(what, sizeof what, "probability[%d]", k);
        if (!reel__check_probability(tape, "zoneout", what, options.probability[k])) {
            return (reel_cell){ 0 };
        }
    }
    zoneout *w = reel__layer_self(tape, sizeof *w);
    if (w) {
        *w = (zoneout){ .inner = cell, .options = options };
    }
    return reel__wrap_one(tape, w, step, NULL, cell);
}
