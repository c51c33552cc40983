/* bridge.c: from an encoder's last states to a decoder's first. */
#include "wrap.h"

reel_bridge reel_bridge_new(reel_tape *tape, const char *name, int n, const int64_t from_width[],
                            reel_cell decoder, reel_bridge_options options)
{
    reel_bridge bridge = { 0 };
    int64_t width = 0;
    if (!reel__check_inner(tape, "bridge", decoder) || !reel__check_size(tape, "bridge", "n", n)) {
        return bridge;
    }
    if (!from_width) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "bridge", "%d widths and no list of them", n);
        return bridge;
    }
    for (int i = 0; i < n; i++) {
        if (!reel__check_size(tape, "bridge", "a width", from_width[i])) {
            return bridge;
        }
        width += from_width[i];
    }
    bool standard = options.activation == REEL_DEFAULT_ACTIVATION;
    reel_dense_options dense = { .activation = standard ? REEL_TANH : options.activation };
    for (int k = 0; k < decoder.states; k++) {
        char layer[256];
        snprintf(layer, sizeof layer, "%s.%d", name ? name : "", k);
        bridge.layer[k] = reel_dense(tape, layer, width, decoder.width[k], dense);
    }
    bridge.from = n;
    bridge.width = width;
    bridge.states = decoder.states;
    return bridge;
}

reel_status reel_bridge_apply(const reel_bridge *bridge, const reel_var from[], reel_var initial[])
{
    if (!bridge || bridge->from < 1) {
        return REEL_BAD_ARGUMENT;
    }
    reel_var all = reel_concat_n(-1, bridge->from, from);
    reel_shape shape = reel_shape_of(all);
    if (all.id != 0 && shape.dim[shape.rank - 1] != bridge->width) {
        reel_fail(all.tape, REEL_BAD_SHAPE, "bridge_apply",
                  "the states are %s together, expected [batch,%lld]", REEL_SHAPE_TEXT(shape),
                  (long long)bridge->width);
        all = reel__poisoned(all.tape);
    }
    for (int k = 0; k < bridge->states; k++) {
        initial[k] = all.id ? reel_apply(bridge->layer[k], all) : all;
    }
    bool good = all.id && (bridge->states == 0 || initial[bridge->states - 1].id);
    return good ? REEL_OK : all.tape ? reel_tape_status(all.tape) : REEL_BAD_HANDLE;
}
