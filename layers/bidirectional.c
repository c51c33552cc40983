/* bidirectional.c: two cells over one sequence, one from each end. */
#include <string.h>

#include "rollout.h"

static reel_var concatenated(reel_var a, reel_var b)
{
    return reel_concat(-1, a, b);
}

static reel_var average(reel_var a, reel_var b)
{
    return reel_scale(reel_add(a, b), 0.5);
}

static reel_var (*const merges[REEL_MERGE_COUNT])(reel_var, reel_var) = {
    [REEL_MERGE_CONCAT] = concatenated, [REEL_MERGE_SUM] = reel_add,
    [REEL_MERGE_AVERAGE] = average,     [REEL_MERGE_MULTIPLY] = reel_mul,
    [REEL_MERGE_SEPARATE] = NULL,
};

reel_var reel__merge_directions(reel_merge merge, reel_var a, reel_var b)
{
    reel_shape of_a = reel_shape_of(a), of_b = reel_shape_of(b);
    if (merge == REEL_MERGE_SEPARATE) {
        return (reel_var){ 0 };
    }
    if (a.id == 0 || b.id == 0) {
        return reel__poisoned(a.tape);
    }
    if (merge != REEL_MERGE_CONCAT && !reel_shape_equal(of_a, of_b)) {
        return reel_fail(a.tape, REEL_BAD_SHAPE, "bidirectional",
                         "outputs are %s forward and %s backward: only concat and separate allow "
                         "different widths",
                         REEL_SHAPE_TEXT(of_a), REEL_SHAPE_TEXT(of_b));
    }
    return merges[merge](a, b);
}

/* Backwards, a step that ends an episode is where the state starts anew: one before the next. */
static reel_var resets_from_behind(reel_var resets)
{
    reel_shape shape = reel_shape_of(resets);
    if (reel__is_absent(resets) || resets.id == 0 || shape.rank != 2 || shape.dim[0] < 1) {
        return resets;
    }
    return reel_pad(reel_slice(resets, 0, 1, shape.dim[0]), 0, 0, 1);
}

static reel_bidirectional_rollout nothing(reel_tape *tape)
{
    reel_var bad = reel__poisoned(tape);
    reel_bidirectional_rollout out = { .outputs = bad };
    out.forward.outputs = out.backward.outputs = bad;
    for (int k = 0; k < REEL_MAX_STATES; k++) {
        out.forward.state[k] = out.forward.states[k] = bad;
        out.backward.state[k] = out.backward.states[k] = bad;
    }
    return out;
}

reel_bidirectional_rollout reel_bidirectional(reel_cell forward, reel_cell backward, reel_var x,
                                              reel_bidirectional_options options)
{
    if ((unsigned)options.merge >= REEL_MERGE_COUNT) {
        reel_fail(x.tape, REEL_BAD_ARGUMENT, "bidirectional", "there is no merge %d",
                  (int)options.merge);
        return nothing(x.tape);
    }
    reel_unroll_options ahead = { .lengths = options.lengths,
                                  .resets = options.resets,
                                  .all_states = options.all_states };
    reel_unroll_options back = ahead;
    back.reverse = true;
    back.resets = resets_from_behind(options.resets);
    memcpy(ahead.initial, options.forward, sizeof ahead.initial);
    memcpy(back.initial, options.backward, sizeof back.initial);
    reel_bidirectional_rollout out = { .forward = reel_unroll(forward, x, ahead),
                                       .backward = reel_unroll(backward, x, back) };
    out.outputs = reel__merge_directions(options.merge, out.forward.outputs, out.backward.outputs);
    return out;
}
