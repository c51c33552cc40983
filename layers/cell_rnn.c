/* cell_rnn.c: the plain recurrent network. */
#include "layer.h"

typedef struct {
    reel_var W_x, W_h, b;
    reel_activation activation;
} rnn;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const rnn *c = self;
    reel_var z =
        reel_add(reel_affine(x, c->W_x, c->b), reel_matmul(state[0], reel_probe(c->W_h, "W_h")));
    return state[0] = reel_activate(z, c->activation);
}

reel_cell reel_rnn(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                   reel_rnn_options options)
{
    if (!reel__check_size(tape, "rnn", "in", in) ||
        !reel__check_size(tape, "rnn", "hidden", hidden) ||
        !reel__check_activation(tape, "rnn", options.activation)) {
        return (reel_cell){ 0 };
    }
    rnn *c = reel__layer_self(tape, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    bool standard = options.activation == REEL_DEFAULT_ACTIVATION;
    c->activation = standard ? REEL_TANH : options.activation;
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, hidden), reel_glorot());
    c->W_h = reel__layer_param(tape, name, "W_h", REEL_SHAPE(hidden, hidden), reel_orthogonal(1));
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(hidden), reel_zeros());
    return (reel_cell){ .self = c, .step = step, .states = 1, .width = { hidden } };
}
