/* cell_gru.c: the gated recurrent unit, with the reset before or after the recurrent product. */
#include "layer.h"

enum { GATES = 3 };

typedef struct {
    reel_var W_x, W_h, b;
    reel_var b_h; /* with the reset after the product, or absent */
    int64_t hidden;
} gru;

/* (1 - z)∘n + z∘h */
static reel_var blend(reel_var z, reel_var n, reel_var h)
{
    return reel_add(n, reel_mul(z, reel_sub(h, n)));
}

static reel_var step_reset_before(void *self, reel_var x, reel_var state[])
{
    const gru *c = self;
    int64_t both = 2 * c->hidden;
    reel_var h = state[0], xs = reel_affine(x, c->W_x, c->b), gate[2];
    reel_var from_h = reel_matmul(h, reel_slice(c->W_h, -1, 0, both));
    reel_var rz = reel_sigmoid(reel_add(reel_slice(xs, -1, 0, both), from_h));
    reel_split(rz, -1, 2, gate);
    reel_var W_hn = reel_slice(c->W_h, -1, both, GATES * c->hidden);
    reel_var x_n = reel_slice(xs, -1, both, GATES * c->hidden);
    reel_var n = reel_tanh(reel_add(x_n, reel_matmul(reel_mul(gate[0], h), W_hn)));
    return state[0] = blend(gate[1], n, h);
}

static reel_var step_reset_after(void *self, reel_var x, reel_var state[])
{
    const gru *c = self;
    reel_var h = state[0], from_x[GATES], from_h[GATES];
    reel_split(reel_affine(x, c->W_x, c->b), -1, GATES, from_x);
    reel_split(reel_matmul(h, c->W_h), -1, GATES, from_h);
    reel_var r = reel_sigmoid(reel_add(from_x[0], from_h[0]));
    reel_var z = reel_sigmoid(reel_add(from_x[1], from_h[1]));
    reel_var n = reel_tanh(reel_add(from_x[2], reel_mul(r, reel_add(from_h[2], c->b_h))));
    return state[0] = blend(z, n, h);
}

reel_cell reel_gru(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                   reel_gru_options options)
{
    if (!reel__check_size(tape, "gru", "in", in) ||
        !reel__check_size(tape, "gru", "hidden", hidden)) {
        return (reel_cell){ 0 };
    }
    gru *c = reel__layer_self(tape, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    int64_t wide = GATES * hidden;
    reel_init recurrent = reel_init_blocks(reel_orthogonal(1), GATES);
    c->hidden = hidden;
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, wide), reel_glorot());
    c->W_h = reel__layer_param(tape, name, "W_h", REEL_SHAPE(hidden, wide), recurrent);
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(wide), reel_zeros());
    if (options.reset_after) {
        c->b_h = reel__layer_param(tape, name, "b_h", REEL_SHAPE(hidden), reel_zeros());
    }
    return (reel_cell){ .self = c,
                        .step = options.reset_after ? step_reset_after : step_reset_before,
                        .states = 1,
                        .width = { hidden } };
}
