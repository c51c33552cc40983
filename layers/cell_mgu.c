/* cell_mgu.c: the minimal gated unit. */
#include "gates.h"

typedef struct {
    reel__gates gates;
    int64_t hidden;
} mgu;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const mgu *c = self;
    int64_t H = c->hidden;
    reel_var h = state[0], W_h = reel_probe(c->gates.W_h, "W_h"), from_x[2] = { x, x };
    reel_split(reel_affine(x, c->gates.W_x, c->gates.b), -1, 2, from_x);
    reel_var from_h = reel_matmul(h, reel_slice(W_h, -1, 0, H));
    reel_var f = reel_sigmoid(reel_add(from_x[0], from_h));
    reel_var from_fh = reel_matmul(reel_mul(f, h), reel_slice(W_h, -1, H, 2 * H));
    return state[0] = reel__blend(f, h, reel_tanh(reel_add(from_x[1], from_fh)));
}

reel_cell reel_mgu(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                   reel_mgu_options options)
{
    mgu *c = reel__cell_self(tape, "mgu", in, hidden, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    reel_init b = reel__block_init(2, 0, options.forget_bias);
    *c = (mgu){ reel__gate_params(tape, name, in, hidden, 2, b), hidden };
    return (reel_cell){ .self = c, .step = step, .states = 1, .width = { hidden } };
}
