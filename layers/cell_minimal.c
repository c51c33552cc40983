/* cell_minimal.c: minGRU and minLSTM, gated units whose gates do not see the state. */
#include "gates.h"

typedef struct {
    reel_var W_x, b;
    bool positive;
} minimal;

/* The candidate: n, or the paper's g(n) > 0. */
static reel_var candidate(const minimal *c, reel_var n)
{
    if (!c->positive) {
        return n;
    }
    return reel_where(reel_less(n, reel_scalar(n.tape, 0)), reel_sigmoid(n), reel_shift(n, 0.5));
}

static reel_linear_terms gru_terms(void *self, reel_var x)
{
    const minimal *c = self;
    reel_var part[2] = { x, x };
    reel_split(reel_affine(x, c->W_x, c->b), -1, 2, part);
    return (reel_linear_terms){
        .decay = reel_sigmoid(reel_neg(part[0])),
        .drive = reel_mul(reel_sigmoid(part[0]), candidate(c, part[1])),
    };
}

/* σ(f) / (σ(f) + σ(i)) is σ(log σ(f) - log σ(i)), which holds however small both are. */
static reel_linear_terms lstm_terms(void *self, reel_var x)
{
    const minimal *c = self;
    reel_var part[3] = { x, x, x };
    reel_split(reel_affine(x, c->W_x, c->b), -1, 3, part);
    reel_var balance = reel_sub(reel_softplus(reel_neg(part[1])), reel_softplus(reel_neg(part[0])));
    return (reel_linear_terms){
        .decay = reel_sigmoid(balance),
        .drive = reel_mul(reel_sigmoid(reel_neg(balance)), candidate(c, part[2])),
    };
}

static reel_cell make(reel_tape *tape, const char *name, const char *cell, int64_t in,
                      int64_t hidden, const reel_linear_cell *as, minimal start, reel_init b)
{
    minimal *c = reel__cell_self(tape, cell, in, hidden, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    reel_linear_cell linear = *as;
    reel_shape shape = REEL_SHAPE(in, b.blocks * hidden);
    *c = start;
    c->W_x = reel__layer_param(tape, name, "W_x", shape, reel_glorot());
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(b.blocks * hidden), b);
    linear.self = c;
    linear.width = hidden;
    return reel_linear(tape, linear);
}

reel_cell reel_mingru(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                      reel_mingru_options options)
{
    return make(tape, name, "mingru", in, hidden, &(reel_linear_cell){ .terms = gru_terms },
                (minimal){ .positive = options.positive }, reel__block_init(2, 0, 0));
}

reel_cell reel_minlstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                       reel_minlstm_options options)
{
    return make(tape, name, "minlstm", in, hidden, &(reel_linear_cell){ .terms = lstm_terms },
                (minimal){ .positive = options.positive },
                reel__block_init(3, 0, options.forget_bias));
}
