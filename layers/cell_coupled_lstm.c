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
    bool peephole = !reel__is_absent(c->W_c);
    int64_t hidden = reel_shape_of(old).dim[1];
    reel_split(reel__gate_sum(&c->gates, x, state[0]), -1, 3, z);
    if (peephole) {
        z[0] = reel_add(z[0], reel_mul(old, reel_slice(c->W_c, 0, 0, hidden)));
    }
    state[1] = reel__blend(reel_sigmoid(z[0]), old, reel_tanh(z[1]));
    if (peephole) {
        reel_var p_o = reel_slice(c->W_c, 0, hidden, 2 * hidden);
        z[2] = reel_add(z[2], reel_mul(state[1], p_o));
    }
    return state[0] = reel_mul(reel_sigmoid(z[2]), reel_tanh(state[1]));
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
