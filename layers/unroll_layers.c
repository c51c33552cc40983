/* unroll_layers.c: recurrent layers one after another, each over the whole sequence. */
#include <string.h>

#include "skip.h"
#include "wrap.h"

static reel_bidirectional_rollout run_layer(const reel_recurrent_layer *layer, reel_var x, int k,
                                            const reel_unroll_layers_options *options)
{
    reel_bidirectional_options both = { .merge = layer->merge,
                                        .lengths = options->lengths,
                                        .resets = options->resets,
                                        .all_states = options->all_states };
    if (options->initial) {
        memcpy(both.forward, options->initial[k].forward, sizeof both.forward);
        memcpy(both.backward, options->initial[k].backward, sizeof both.backward);
    }
    if (layer->backward.step) {
        return reel_bidirectional(layer->cell, layer->backward, x, both);
    }
    reel_unroll_options one = { .lengths = both.lengths,
                                .resets = both.resets,
                                .all_states = both.all_states };
    memcpy(one.initial, both.forward, sizeof one.initial);
    reel_bidirectional_rollout out = { .forward = reel_unroll(layer->cell, x, one) };
    out.outputs = out.forward.outputs;
    return out;
}

/* Says of a layer's error which layer it was. */
static reel_var blame(reel_tape *tape, int layer, reel_shape input)
{
    char text[512];
    reel_status status = reel_tape_status(tape);
    snprintf(text, sizeof text, "%s", reel_tape_error(tape));
    reel_tape_clear(tape);
    return reel_fail(tape, status, "unroll_layers", "layer %d on %s: %s", layer,
                     REEL_SHAPE_TEXT(input), text);
}

static reel_var between(reel_var x, reel_stack_options options)
{
    return options.variational ? reel_variational_dropout(x, options.dropout)
                               : reel_dropout(x, options.dropout);
}

static bool check(reel_tape *tape, int n, const reel_recurrent_layer layers[],
                  reel_stack_options options)
{
    if (n < 1 || !layers) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "unroll_layers", "%d layers, must be at least 1", n);
        return false;
    }
    for (int k = 0; k < n; k++) {
        if (layers[k].backward.step && layers[k].merge == REEL_MERGE_SEPARATE) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "unroll_layers",
                      "layer %d leaves its directions separate: there is no one output", k);
            return false;
        }
    }
    return reel__check_probability(tape, "unroll_layers", "dropout", options.dropout);
}

reel_var reel_unroll_layers(int n, const reel_recurrent_layer layers[], reel_var x,
                            reel_unroll_layers_options options, reel_bidirectional_rollout layer[])
{
    if (!x.tape || !check(x.tape, n, layers, options.between)) {
        return reel__poisoned(x.tape);
    }
    bool was_good = reel_tape_status(x.tape) == REEL_OK;
    for (int k = 0; k < n; k++) {
        reel_var below = k > 0 ? between(x, options.between) : x;
        reel_bidirectional_rollout out = run_layer(&layers[k], below, k, &options);
        if (k > 0 && options.between.residual) {
            out.outputs = reel__add_skip("residual", out.outputs, x);
        }
        if (layer) {
            layer[k] = out;
        }
        if (was_good && out.outputs.id == 0 && x.id) {
            return blame(x.tape, k, reel_shape_of(x));
        }
        x = out.outputs;
    }
    return x;
}
