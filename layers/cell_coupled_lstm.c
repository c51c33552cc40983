/* cell_coupled_lstm.c: the LSTM with coupled input and forget gates. */
#include "gates.h"

typedef struct {
    reel__gates gates;
    reel_var W_c; /* peepholes, or absent */
} coupled_lstm;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const coupled_lstm *c = self;
    reel_var old = state[1], z[3] = { x, x, x };
    reel_split(reel__gate_sum(&c->gates, x, state[0]), -1, 3, z);
    reel_var i = reel_sigmoid(reel__peep(z[0], c->W_c, old, 0));
    state[1] = reel__blend(i, old, reel_tanh(z[1]));
    reel_var o = reel_sigmoid(reel__peep(z[2], c->W_c, state[1], 1));
    return state[0] = reel_mul(o, reel_tanh(state[1]));
}

reel_cell reel_coupled_lstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                            reel_coupled_lstm_options options)
{
    coupled_lstm *c = reel__cell_self(tape, "coupled_lstm", in, hidden, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    reel_init b = reel__block_init(3, 0, -reel__option(options.forget_bias, 1));
    c->gates = reel__gate_params(tape, name, in, hidden, 3, b);
    if (options.peephole) {
        c->W_c = reel__layer_param(tape, name, "W_c", REEL_SHAPE(2 * hidden), reel_zeros());
    }
    return (reel_cell){ .self = c, .step = step, .states = 2, .width = { hidden, hidden } };
}
