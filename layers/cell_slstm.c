/* cell_slstm.c: xLSTM's cell with scalar memories. */
#include "gates.h"

typedef struct {
    reel__gates gates;
    bool exponential_forget;
} slstm;

enum { H, C, N, M }; /* states */

static reel_var log_forget(const slstm *c, reel_var f)
{
    return c->exponential_forget ? f : reel_neg(reel_softplus(reel_neg(f)));
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const slstm *c = self;
    reel_var z[4] = { x, x, x, x };
    reel_split(reel__gate_sum(&c->gates, x, state[H]), -1, 4, z);
    reel_var kept = reel_add(log_forget(c, z[1]), state[M]);
    reel_var empty = reel_equal(state[N], reel_scalar(x.tape, 0));
    reel_var m = reel_where(empty, z[0], reel_maximum(kept, z[0]));
    reel_var f = reel_exp(reel_sub(kept, m)), i = reel_exp(reel_sub(z[0], m));
    f = reel_where(empty, reel_scalar(x.tape, 0), f);
    state[C] = reel_add(reel_mul(f, state[C]), reel_mul(i, reel_tanh(z[2])));
    state[N] = reel_add(reel_mul(f, state[N]), i);
    state[M] = m;
    return state[H] = reel_mul(reel_sigmoid(z[3]), reel_div(state[C], state[N]));
}

reel_cell reel_slstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                     reel_slstm_options options)
{
    slstm *c = reel__cell_self(tape, "slstm", in, hidden, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    reel_init b = reel__block_init(4, 1, reel__option(options.forget_bias, 1));
    *c = (slstm){ reel__gate_params(tape, name, in, hidden, 4, b), options.exponential_forget };
    return (reel_cell){
        .self = c, .step = step, .states = 4, .width = { hidden, hidden, hidden, hidden }
    };
}
