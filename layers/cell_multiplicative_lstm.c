/* cell_multiplicative_lstm.c: the LSTM whose recurrent weights depend on the input. */
#include "gates.h"

typedef struct {
    reel__gates gates;
    reel_var W_xm, W_hm;
} multiplicative_lstm;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const multiplicative_lstm *c = self;
    reel_var m = reel_mul(reel_matmul(x, c->W_xm), reel_matmul(state[0], c->W_hm));
    reel_var z = reel__gate_sum(&c->gates, x, m);
    return state[0] = reel__lstm_update(z, (reel_var){ 0 }, &state[1]);
}

reel_cell reel_multiplicative_lstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                                   reel_multiplicative_lstm_options options)
{
    multiplicative_lstm *c = reel__cell_self(tape, "multiplicative_lstm", in, hidden, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    reel_init b = reel__block_init(4, 1, reel__option(options.forget_bias, 1));
    reel_shape square = REEL_SHAPE(hidden, hidden);
    c->gates = reel__gate_params(tape, name, in, hidden, 4, b);
    c->W_xm = reel__layer_param(tape, name, "W_xm", REEL_SHAPE(in, hidden), reel_glorot());
    c->W_hm = reel__layer_param(tape, name, "W_hm", square, reel_orthogonal(1));
    return (reel_cell){ .self = c, .step = step, .states = 2, .width = { hidden, hidden } };
}
