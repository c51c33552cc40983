/* cell_gru.c: the gated recurrent unit, with the reset before or after the recurrent product. */
#include "gates.h"

enum { GATES = 3 };

typedef struct {
    reel_var W_x, W_h, b;
    reel_var b_h;            /* with the reset after the product, or absent */
    reel_var gain_x, gain_h; /* layer norm, or absent */
    int64_t hidden;
    double epsilon;
} gru;

/* The gates' blocks [first, last) of a product, normalised where the cell has gains. */
static reel_var product(const gru *c, reel_var v, reel_var W, reel_var gain, int first, int last)
{
    int64_t begin = first * c->hidden, end = last * c->hidden;
    reel_var y = reel_matmul(v, reel_slice(W, -1, begin, end));
    if (reel__is_absent(gain)) {
        return y;
    }
    return reel_layer_norm(y, reel_slice(gain, 0, begin, end), (reel_var){ 0 }, c->epsilon);
}

/* [r z n] of x, with the bias */
static reel_var from_input(const gru *c, reel_var x)
{
    if (reel__is_absent(c->gain_x)) {
        return reel_affine(x, c->W_x, c->b);
    }
    reel_var r_z = product(c, x, c->W_x, c->gain_x, 0, 2);
    return reel_add(reel_concat(-1, r_z, product(c, x, c->W_x, c->gain_x, 2, 3)), c->b);
}

static reel_var step_reset_before(void *self, reel_var x, reel_var state[])
{
    const gru *c = self;
    int64_t both = 2 * c->hidden;
    reel_var h = state[0], xs = from_input(c, x), gate[2];
    reel_var W_h = reel_probe(c->W_h, "W_h");
    reel_var from_h = product(c, h, W_h, c->gain_h, 0, 2);
    reel_var rz = reel_sigmoid(reel_add(reel_slice(xs, -1, 0, both), from_h));
    reel_split(rz, -1, 2, gate);
    reel_var r = reel_probe(gate[0], "r"), z = reel_probe(gate[1], "z");
    reel_var x_n = reel_slice(xs, -1, both, GATES * c->hidden);
    reel_var h_n = product(c, reel_mul(r, h), W_h, c->gain_h, 2, 3);
    reel_var n = reel_probe(reel_tanh(reel_add(x_n, h_n)), "n");
    return state[0] = reel__blend(z, n, h);
}

static reel_var from_state(const gru *c, reel_var h)
{
    reel_var W_h = reel_probe(c->W_h, "W_h");
    if (reel__is_absent(c->gain_h)) {
        return reel_matmul(h, W_h);
    }
    return reel_concat(-1, product(c, h, W_h, c->gain_h, 0, 2),
                       product(c, h, W_h, c->gain_h, 2, 3));
}

static reel_var step_reset_after(void *self, reel_var x, reel_var state[])
{
    const gru *c = self;
    reel_var h = state[0], from_x[GATES], from_h[GATES];
    reel_split(from_input(c, x), -1, GATES, from_x);
    reel_split(from_state(c, h), -1, GATES, from_h);
    reel_var r = reel_probe(reel_sigmoid(reel_add(from_x[0], from_h[0])), "r");
    reel_var z = reel_probe(reel_sigmoid(reel_add(from_x[1], from_h[1])), "z");
    reel_var n = reel_tanh(reel_add(from_x[2], reel_mul(r, reel_add(from_h[2], c->b_h))));
    return state[0] = reel__blend(z, reel_probe(n, "n"), h);
}

static void add_parameters(gru *c, reel_tape *tape, const char *name, int64_t in,
                           reel_gru_options options)
{
    int64_t hidden = c->hidden, wide = GATES * hidden;
    reel_init recurrent = reel_init_blocks(reel_orthogonal(1), GATES);
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, wide), reel_glorot());
    c->W_h = reel__layer_param(tape, name, "W_h", REEL_SHAPE(hidden, wide), recurrent);
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(wide), reel_zeros());
    if (options.reset_after) {
        c->b_h = reel__layer_param(tape, name, "b_h", REEL_SHAPE(hidden), reel_zeros());
    }
    if (options.layer_norm) {
        reel_init one = reel_constant(1);
        c->gain_x = reel__layer_param(tape, name, "gain_x", REEL_SHAPE(wide), one);
        c->gain_h = reel__layer_param(tape, name, "gain_h", REEL_SHAPE(wide), one);
    }
    c->epsilon = options.epsilon;
}

reel_cell reel_gru(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                   reel_gru_options options)
{
    if (!reel__check_size(tape, "gru", "in", in) ||
        !reel__check_size(tape, "gru", "hidden", hidden)) {
        return (reel_cell){ 0 };
    }
    if (!(options.epsilon >= 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "gru", "epsilon is %g, must be at least 0",
                  options.epsilon);
        return (reel_cell){ 0 };
    }
    gru *c = reel__layer_self(tape, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    c->hidden = hidden;
    add_parameters(c, tape, name, in, options);
    return (reel_cell){ .self = c,
                        .step = options.reset_after ? step_reset_after : step_reset_before,
                        .states = 1,
                        .width = { hidden } };
}
