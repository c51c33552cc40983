/* dense.c: the fully connected layer. */
#include "layer.h"

typedef struct {
    reel_var W, b; /* b absent without bias */
    reel_activation activation;
} dense;

static reel_var apply(void *self, reel_var x)
{
    const dense *layer = self;
    bool biased = !reel__is_absent(layer->b);
    reel_var y = biased ? reel_affine(x, layer->W, layer->b) : reel_matmul(x, layer->W);
    return reel_activate(y, layer->activation);
}

reel_layer reel_dense(reel_tape *tape, const char *name, int64_t in, int64_t out,
                      reel_dense_options options)
{
    if (!reel__check_size(tape, "dense", "in", in) ||
        !reel__check_size(tape, "dense", "out", out) ||
        !reel__check_activation(tape, "dense", options.activation)) {
        return (reel_layer){ 0 };
    }
    dense *layer = reel__layer_self(tape, sizeof *layer);
    if (!layer) {
        return (reel_layer){ 0 };
    }
    reel_init W = reel__init_option(options.W, reel_glorot());
    reel_init b = reel__init_option(options.b, reel_zeros());
    layer->activation = options.activation;
    layer->W = reel__layer_param(tape, name, "W", REEL_SHAPE(in, out), W);
    if (!options.no_bias) {
        layer->b = reel__layer_param(tape, name, "b", REEL_SHAPE(out), b);
    }
    return (reel_layer){ .self = layer, .apply = apply };
}
