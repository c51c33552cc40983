/* cell_indrnn.c: the independently recurrent network. */
#include <math.h>

#include "gates.h"

typedef struct {
    reel_var W_x, w_h, b;
    reel_activation activation;
} indrnn;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const indrnn *c = self;
    reel_var z = reel_add(reel_affine(x, c->W_x, c->b), reel_mul(state[0], c->w_h));
    return state[0] = reel_activate(z, c->activation);
}

static bool check(reel_tape *tape, reel_indrnn_options options)
{
    if (options.steps < 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "indrnn", "steps is %lld, must be at least 0",
                  (long long)options.steps);
        return false;
    }
    return reel__check_activation(tape, "indrnn", options.activation);
}

reel_cell reel_indrnn(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                      reel_indrnn_options options)
{
    bool good = check(tape, options);
    indrnn *c = good ? reel__cell_self(tape, "indrnn", in, hidden, sizeof *c) : NULL;
    if (!c) {
        return (reel_cell){ 0 };
    }
    bool standard = options.activation == REEL_DEFAULT_ACTIVATION;
    double most = options.steps ? pow(2, 1 / (double)options.steps) : 1;
    c->activation = standard ? REEL_RELU : options.activation;
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, hidden), reel_glorot());
    c->w_h = reel__layer_param(tape, name, "w_h", REEL_SHAPE(hidden), reel_uniform(0, most));
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(hidden), reel_zeros());
    return (reel_cell){ .self = c, .step = step, .states = 1, .width = { hidden } };
}
