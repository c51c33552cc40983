/* cell_lstm.c: the LSTM and its variants. Each variant adds parameters, and a line to the step
 * where they are present. */
#include "gates.h"

enum { GATES = 4 };

typedef struct {
    reel_var W_x, W_h, b;
    reel_var W_c;                            /* peepholes, or absent */
    reel_var gain_x, gain_h, gain_c, bias_c; /* layer norm, or absent */
    reel_var W_p;                            /* projection, or absent */
    double epsilon;
} lstm;

/* [batch, 4·hidden] before the peepholes */
static reel_var preactivation(const lstm *c, reel_var x, reel_var h)
{
    reel_var W_h = reel_probe(c->W_h, "W_h");
    if (reel__is_absent(c->gain_x)) {
        return reel_add(reel_affine(x, c->W_x, c->b), reel_matmul(h, W_h));
    }
    reel_var from_x = reel_layer_norm(reel_matmul(x, c->W_x), c->gain_x, c->b, c->epsilon);
    reel_var from_h = reel_layer_norm(reel_matmul(h, W_h), c->gain_h, (reel_var){ 0 }, c->epsilon);
    return reel_add(from_x, from_h);
}

static reel_var squashed(const lstm *c, reel_var cell)
{
    if (!reel__is_absent(c->gain_c)) {
        cell = reel_layer_norm(cell, c->gain_c, c->bias_c, c->epsilon);
    }
    return reel_tanh(cell);
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const lstm *c = self;
    reel_var old = state[1], z[GATES];
    reel_split(preactivation(c, x, state[0]), -1, GATES, z);
    reel_var i = reel_probe(reel_sigmoid(reel__peep(z[0], c->W_c, old, 0)), "i");
    reel_var f = reel_probe(reel_sigmoid(reel__peep(z[1], c->W_c, old, 1)), "f");
    reel_var g = reel_probe(reel_tanh(z[2]), "g");
    reel_var cell = reel_add(reel_mul(f, old), reel_mul(i, g));
    reel_var o = reel_probe(reel_sigmoid(reel__peep(z[3], c->W_c, cell, 2)), "o");
    reel_var h = reel_mul(o, squashed(c, cell));
    state[1] = cell;
    return state[0] = reel__is_absent(c->W_p) ? h : reel_matmul(h, c->W_p);
}

/* ---- making one ---------------------------------------------------------------------------- */

static void add_parameters(lstm *c, reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                           reel_lstm_options options)
{
    int64_t out = options.projection ? options.projection : hidden, wide = GATES * hidden;
    reel_init bias = reel__block_init(GATES, 1, reel__option(options.forget_bias, 1));
    reel_init recurrent = reel_init_blocks(reel_orthogonal(1), GATES);
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, wide), reel_glorot());
    c->W_h = reel__layer_param(tape, name, "W_h", REEL_SHAPE(out, wide), recurrent);
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(wide), bias);
    if (options.peephole) {
        c->W_c = reel__layer_param(tape, name, "W_c", REEL_SHAPE(3 * hidden), reel_zeros());
    }
    if (options.layer_norm) {
        reel_init one = reel_constant(1);
        c->gain_x = reel__layer_param(tape, name, "gain_x", REEL_SHAPE(wide), one);
        c->gain_h = reel__layer_param(tape, name, "gain_h", REEL_SHAPE(wide), one);
        c->gain_c = reel__layer_param(tape, name, "gain_c", REEL_SHAPE(hidden), one);
        c->bias_c = reel__layer_param(tape, name, "bias_c", REEL_SHAPE(hidden), reel_zeros());
    }
    if (options.projection) {
        c->W_p = reel__layer_param(tape, name, "W_p", REEL_SHAPE(hidden, out), reel_glorot());
    }
    c->epsilon = options.epsilon;
}

static bool check(reel_tape *tape, int64_t in, int64_t hidden, reel_lstm_options options)
{
    if (!reel__check_size(tape, "lstm", "in", in) ||
        !reel__check_size(tape, "lstm", "hidden", hidden)) {
        return false;
    }
    if (options.projection < 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "lstm", "projection is %lld, must be at least 0",
                  (long long)options.projection);
        return false;
    }
    if (!(options.epsilon >= 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "lstm", "epsilon is %g, must be at least 0",
                  options.epsilon);
        return false;
    }
    return true;
}

reel_cell reel_lstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                    reel_lstm_options options)
{
    lstm *c = check(tape, in, hidden, options) ? reel__layer_self(tape, sizeof *c) : NULL;
    if (!c) {
        return (reel_cell){ 0 };
    }
    add_parameters(c, tape, name, in, hidden, options);
    int64_t out = options.projection ? options.projection : hidden;
    return (reel_cell){ .self = c, .step = step, .states = 2, .width = { out, hidden } };
}
