/* cell_sru.c: the simple recurrent unit. */
#include <math.h>

#include "gates.h"

typedef struct {
    reel_var W_x, v, b;
    int64_t hidden;
    bool projects; /* x is not as wide as h */
    double scale;
} sru;

/* σ of the columns of f and r, together */
static reel_var gates(const sru *c, reel_var xs)
{
    return reel_add(reel_slice(xs, -1, c->hidden, 3 * c->hidden), c->b);
}

static reel_var skip(const sru *c, reel_var x)
{
    reel_var W_s = c->projects ? reel_slice(c->W_x, -1, 3 * c->hidden, 4 * c->hidden) : x;
    return reel_scale(c->projects ? reel_matmul(x, W_s) : x, c->scale);
}

/* ---- the paper's, whose gates see c ---------------------------------------------------------- */

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const sru *c = self;
    int64_t H = c->hidden;
    reel_var xs = reel_matmul(x, reel_slice(c->W_x, -1, 0, 3 * H)), f_r[2] = { x, x };
    reel_var seen = reel_mul(reel_concat(-1, state[0], state[0]), c->v);
    reel_split(reel_sigmoid(reel_add(gates(c, xs), seen)), -1, 2, f_r);
    state[0] = reel__blend(f_r[0], reel_slice(xs, -1, 0, H), state[0]);
    return reel__blend(f_r[1], skip(c, x), state[0]);
}

/* ---- the linear one -------------------------------------------------------------------------- */

static reel_linear_terms terms(void *self, reel_var x)
{
    const sru *c = self;
    int64_t H = c->hidden;
    reel_var xs = reel_matmul(x, reel_slice(c->W_x, -1, 0, 3 * H)), f_r[2] = { x, x };
    reel_split(gates(c, xs), -1, 2, f_r);
    reel_var rest = reel_sigmoid(reel_neg(f_r[0]));
    return (reel_linear_terms){ .decay = reel_sigmoid(f_r[0]),
                                .drive = reel_mul(rest, reel_slice(xs, -1, 0, H)),
                                .gate = reel_sigmoid(f_r[1]) };
}

static reel_var output(void *self, reel_var x, reel_var h, reel_var gate)
{
    return reel__blend(gate, skip(self, x), h);
}

/* ---- making one ------------------------------------------------------------------------------ */

static void add_parameters(sru *c, reel_tape *tape, const char *name, int64_t in,
                           reel_sru_options options)
{
    int64_t H = c->hidden, wide = (c->projects ? 4 : 3) * H;
    double limit = sqrt(3 / (double)in), small = 1 / sqrt((double)H);
    reel_shape pair = REEL_SHAPE(2 * H);
    reel_init b = reel__block_init(2, 1, options.highway_bias);
    c->W_x =
        reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, wide), reel_uniform(-limit, limit));
    if (!options.linear) {
        c->v = reel__layer_param(tape, name, "v", pair, reel_uniform(-small, small));
    }
    c->b = reel__layer_param(tape, name, "b", pair, b);
    c->scale = sqrt(1 + 2 * exp(options.highway_bias));
}

reel_cell reel_sru(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                   reel_sru_options options)
{
    sru *c = reel__cell_self(tape, "sru", in, hidden, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    c->hidden = hidden;
    c->projects = in != hidden;
    add_parameters(c, tape, name, in, options);
    if (!options.linear) {
        return (reel_cell){ .self = c, .step = step, .states = 1, .width = { hidden } };
    }
    return reel_linear(
        tape, (reel_linear_cell){ .self = c, .width = hidden, .terms = terms, .output = output });
}
