/* wrap_clip.c: a limit on what flows back from step to step. */
#include "wrap.h"

typedef struct {
    reel_cell inner;
    double bound;
} clip;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const clip *w = self;
    for (int k = 0; k < w->inner.states; k++) {
        state[k] = reel_clip_gradient(state[k], w->bound);
    }
    return reel__step(&w->inner, x, state);
}

reel_cell reel_clip_cell(reel_tape *tape, reel_cell cell, double bound)
{
    if (!reel__check_inner(tape, "clip_cell", cell)) {
        return (reel_cell){ 0 };
    }
    if (!(bound > 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "clip_cell", "the bound %g is not above 0", bound);
        return (reel_cell){ 0 };
    }
    clip *w = reel__layer_self(tape, sizeof *w);
    if (w) {
        *w = (clip){ .inner = cell, .bound = bound };
    }
    return reel__wrap_one(tape, w, step, NULL, cell);
}
