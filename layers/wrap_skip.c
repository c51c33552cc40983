/* wrap_skip.c: the input beside the cell, added (residual) or chosen by a gate (highway). */
#include "skip.h"
#include "wrap.h"

reel_var reel__add_skip(const char *layer, reel_var y, reel_var x)
{
    reel_shape of_x = reel_shape_of(x), of_y = reel_shape_of(y);
    if (x.id == 0 || y.id == 0) {
        return reel__poisoned(x.tape);
    }
    if (!reel_shape_equal(of_x, of_y)) {
        return reel_fail(x.tape, REEL_BAD_SHAPE, layer,
                         "the input is %s and the output %s: a skip connection needs equal widths",
                         REEL_SHAPE_TEXT(of_x), REEL_SHAPE_TEXT(of_y));
    }
    return reel_add(y, x);
}

typedef struct {
    reel_cell inner;
    reel_var W, b; /* absent without a gate */
} skip;

static reel_var step_residual(void *self, reel_var x, reel_var state[])
{
    const skip *w = self;
    return reel__add_skip("residual", reel__step(&w->inner, x, state), x);
}

reel_cell reel_residual(reel_tape *tape, reel_cell cell)
{
    skip *w = reel__check_inner(tape, "residual", cell) ? reel__layer_self(tape, sizeof *w) : NULL;
    if (w) {
        w->inner = cell;
    }
    return reel__wrap_one(tape, w, step_residual, NULL, cell);
}

/* x + t∘(cell(x) - x) */
static reel_var step_highway(void *self, reel_var x, reel_var state[])
{
    const skip *w = self;
    reel_var gate = reel_sigmoid(reel_affine(x, w->W, w->b));
    reel_var change = reel__add_skip("highway", reel__step(&w->inner, x, state), reel_neg(x));
    return reel_add(x, reel_mul(gate, change));
}

reel_cell reel_highway(reel_tape *tape, const char *name, reel_cell cell, int64_t width,
                       reel_highway_options options)
{
    if (!reel__check_inner(tape, "highway", cell) ||
        !reel__check_size(tape, "highway", "width", width)) {
        return (reel_cell){ 0 };
    }
    skip *w = reel__layer_self(tape, sizeof *w);
    if (w) {
        reel_init bias = reel_constant(reel__option(options.bias, -2));
        w->inner = cell;
        w->W = reel__layer_param(tape, name, "W_t", REEL_SHAPE(width, width), reel_glorot());
        w->b = reel__layer_param(tape, name, "b_t", REEL_SHAPE(width), bias);
    }
    return reel__wrap_one(tape, w, step_highway, NULL, cell);
}
