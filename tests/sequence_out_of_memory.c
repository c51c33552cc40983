/* Every allocation of a step with wrappers, carried states, probes and a flow fails once: an
 * error, no crash, no leak. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "support/failing_memory.h"

enum { STEPS = 5, BATCH = 2, IN = 3, HIDDEN = 4 };

static reel_cell wrapped(reel_tape *t)
{
    reel_cell cell = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 });
    cell = reel_weight_drop(t, cell, "W_h", 0.5);
    cell = reel_zoneout(t, cell, (reel_zoneout_options){ .probability = { 0.1, 0.2 } });
    cell = reel_scope(t, "layer", cell);
    return reel_dropout_cell(t, cell,
                             (reel_dropout_cell_options){ .state = 0.2, .variational = true });
}

static reel_cell make_gru(reel_tape *t, const char *name, void *self)
{
    (void)self;
    return reel_gru(t, name, IN, HIDDEN, (reel_gru_options){ 0 });
}

/* The mean of an ensemble's members. */
static reel_var voted(reel_tape *t, reel_var x)
{
    reel_cell all = reel_ensemble(t, "e", 2, make_gru, NULL, (reel_ensemble_options){ 0 });
    return reel_mean_all(reel_members(reel_unroll(all, x, (reel_unroll_options){ 0 }).outputs, 2));
}

static void work(reel_tape *t)
{
    static const int32_t lengths[BATCH] = { 5, 2 }, segment[] = { 0, 0, 0, 1, 1, 1, 1, -1, 2, -1 };
    reel_cell cell = wrapped(t);
    reel_carry *carry = reel_carry_new(t, cell, BATCH);
    reel_watch(t, true);
    reel_var x = reel_random_normal(t, REEL_SHAPE(STEPS, BATCH, IN), 0, 1);
    reel_unroll_options options = { .all_states = true, .lengths = lengths };
    reel_flow_layer layer = { .name = "lstm", .W_h = reel_find_param(t, "lstm.W_h") };
    layer.rollout = reel_unroll_carried(carry, x, options, 3);
    reel_var y = layer.rollout.outputs;
    reel_var loss = reel_add(reel_mean_all(reel_square(reel_pack(y, lengths))),
                             reel_temporal_penalty(y, 1, lengths));
    loss = reel_add(loss, reel_sum_all(reel_pool_segments(y, segment, 3, REEL_SEGMENT_MEAN)));
    reel_backward(reel_add(loss, voted(t, x)));
    reel_flow_free(reel_flow_new(loss, 1, &layer));
    reel_var losses = reel_mean(reel_at(y, 0), -1), W = layer.W_h, each;
    reel_per_example_gradients(losses, 1, &W, &each);
    reel_carry_save(carry);
}

/* Returns whether the refused request came up at all. */
static bool run(long fail_at)
{
    failing_memory memory = { .fail_at = fail_at };
    reel_tape *t = reel_tape_new((reel_tape_options){
        .seed = 1, .threads = 1, .allocator = { failing_memory_resize, &memory } });
    if (t) {
        work(t);
        bool refused = fail_at >= 0 && memory.calls > fail_at;
        cr_expect_eq(reel_tape_status(t), refused ? REEL_OUT_OF_MEMORY : REEL_OK, "request %ld: %s",
                     fail_at, reel_tape_error(t));
        reel_tape_clear(t);
        reel_rewind(t);
        cr_expect_eq(reel_item(reel_scalar(t, 2)), 2);
    }
    reel_tape_free(t);
    cr_expect_eq(memory.held, 0u, "request %ld: %zu bytes are left", fail_at, memory.held);
    return fail_at >= 0 && memory.calls > fail_at;
}

Test(sequence_out_of_memory, every_refused_request_is_an_error_and_nothing_else)
{
    cr_assert_not(run(-1));
    long fail_at = 0;
    while (run(fail_at)) {
        fail_at++;
    }
    cr_expect_gt(fail_at, 30);
}
