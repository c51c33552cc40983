/* activate.c: the activations that options name. */
#include "layer.h"

static reel_var linear(reel_var x)
{
    return x;
}

static reel_var leaky_relu(reel_var x)
{
    return reel_leaky_relu(x, 0.01);
}

static reel_var elu(reel_var x)
{
    return reel_elu(x, 1);
}

static reel_var (*const functions[REEL_ACTIVATION_COUNT])(reel_var) = {
    [REEL_DEFAULT_ACTIVATION] = linear,
    [REEL_LINEAR] = linear,
    [REEL_TANH] = reel_tanh,
    [REEL_RELU] = reel_relu,
    [REEL_SIGMOID] = reel_sigmoid,
    [REEL_HARD_SIGMOID] = reel_hard_sigmoid,
    [REEL_LEAKY_RELU] = leaky_relu,
    [REEL_ELU] = elu,
    [REEL_SOFTPLUS] = reel_softplus,
    [REEL_GELU] = reel_gelu,
    [REEL_SILU] = reel_silu,
};

bool reel__check_activation(reel_tape *tape, const char *layer, reel_activation activation)
{
    if ((unsigned)activation < REEL_ACTIVATION_COUNT) {
        return true;
    }
    reel_fail(tape, REEL_BAD_ARGUMENT, layer, "there is no activation %d", (int)activation);
    return false;
}

reel_var reel_activate(reel_var x, reel_activation activation)
{
    if (!reel__check_activation(x.tape, "activate", activation)) {
        return reel__poisoned(x.tape);
    }
    return functions[activation](x);
}
