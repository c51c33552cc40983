/* deep_transition.c: several layers between one state and the next. */
#include "layer.h"

typedef struct {
    reel_deep_transition_options options;
    reel_var W_x;
    int depth;
    struct {
        char name[16]; /* "R_1": by which it can be dropped */
        reel_var R, b;
    } layer[];
} transition;

static reel_var squash(const transition *c, reel_var z, reel_var s)
{
    if (!c->options.highway) {
        return reel_activate(z, c->options.activation);
    }
    reel_var part[2];
    reel_split(z, -1, 2, part);
    reel_var change = reel_sub(reel_tanh(part[0]), s);
    return reel_add(s, reel_mul(reel_sigmoid(part[1]), change));
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const transition *c = self;
    for (int l = 0; l < c->depth; l++) {
        reel_var from_h = reel_matmul(state[0], reel_probe(c->layer[l].R, c->layer[l].name));
        reel_var rest = l == 0 ? reel_affine(x, c->W_x, c->layer[0].b) : c->layer[l].b;
        state[0] = squash(c, reel_add(from_h, rest), state[0]);
    }
    return state[0];
}

/* The second half of b, the gate's, starts elsewhere than at zero. */
static bool fill_bias(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    (void)key;
    for (int64_t k = 0; k < shape.dim[0]; k++) {
        out[k] = k < shape.dim[0] / 2 ? 0 : init->a;
    }
    return true;
}

static bool check(reel_tape *tape, int64_t in, int64_t hidden, int depth,
                  reel_deep_transition_options options)
{
    return reel__check_size(tape, "deep_transition", "in", in) &&
           reel__check_size(tape, "deep_transition", "hidden", hidden) &&
           reel__check_size(tape, "deep_transition", "depth", depth) &&
           reel__check_activation(tape, "deep_transition", options.activation);
}

reel_cell reel_deep_transition(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                               int depth, reel_deep_transition_options options)
{
    transition *c = NULL;
    if (check(tape, in, hidden, depth, options)) {
        c = reel__layer_self(tape, sizeof *c + (size_t)depth * sizeof *c->layer);
    }
    if (!c) {
        return (reel_cell){ 0 };
    }
    int64_t wide = options.highway ? 2 * hidden : hidden;
    reel_init start = reel_init_blocks(reel_orthogonal(1), options.highway ? 2 : 1);
    reel_init bias = options.highway
                         ? (reel_init){ .fill = fill_bias, .a = reel__option(options.bias, -2) }
                         : reel_zeros();
    c->options = options;
    if (options.activation == REEL_DEFAULT_ACTIVATION) {
        c->options.activation = REEL_TANH;
    }
    c->depth = depth;
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, wide), reel_glorot());
    for (int l = 0; l < depth; l++) {
        char *R = c->layer[l].name, b[16];
        snprintf(R, sizeof c->layer[l].name, "R_%d", l + 1);
        snprintf(b, sizeof b, "b_%d", l + 1);
        c->layer[l].R = reel__layer_param(tape, name, R, REEL_SHAPE(hidden, wide), start);
        c->layer[l].b = reel__layer_param(tape, name, b, REEL_SHAPE(wide), bias);
    }
    return (reel_cell){ .self = c, .step = step, .states = 1, .width = { hidden } };
}
