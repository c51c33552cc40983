/* wrap_norm.c: layer norm before or after a cell. */
#include "wrap.h"

typedef struct {
    reel_cell inner;
    reel_var gain, bias;
    reel_norm_cell_options options;
} norm;

static reel_var normalised(const norm *w, reel_var v)
{
    return reel_layer_norm(v, w->gain, w->bias, w->options.epsilon);
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const norm *w = self;
    if (w->options.input) {
        return reel__step(&w->inner, normalised(w, x), state);
    }
    return normalised(w, reel__step(&w->inner, x, state));
}

reel_cell reel_norm_cell(reel_tape *tape, const char *name, reel_cell cell, int64_t width,
                         reel_norm_cell_options options)
{
    if (!reel__check_inner(tape, "norm_cell", cell) ||
        !reel__check_size(tape, "norm_cell", "width", width)) {
        return (reel_cell){ 0 };
    }
    if (!(options.epsilon >= 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "norm_cell", "epsilon is %g, must be at least 0",
                  options.epsilon);
        return (reel_cell){ 0 };
    }
    norm *w = reel__layer_self(tape, sizeof *w);
    if (w) {
        w->inner = cell;
        w->options = options;
        w->gain = reel__layer_param(tape, name, "gain", REEL_SHAPE(width), reel_constant(1));
        w->bias = reel__layer_param(tape, name, "bias", REEL_SHAPE(width), reel_zeros());
    }
    return reel__wrap_one(tape, w, step, NULL, cell);
}
