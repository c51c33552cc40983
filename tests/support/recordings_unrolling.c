/* recordings_unrolling.c: ways to run cells over sequences and trees. */
#include "layers/cells.h"
#include "layers/sequence.h"
#include "layers/structure.h"
#include "ops/ops.h"
#include "support/recordings.h"

/* ---- unrolling ------------------------------------------------------------------------------- */

static void unroll_from_a_state(recording *r)
{
    reel_cell cell = reel_lstm(r->t, "cell", IN, HIDDEN, (reel_lstm_options){ 0 });
    stir(r);
    reel_var x = take_steps(r, IN);
    reel_unroll_options options = { .lengths = recorded_lengths, .all_states = true };
    options.initial[0] = take(r, REEL_SHAPE(BATCH, HIDDEN));
    options.initial[1] = take(r, REEL_SHAPE(BATCH, HIDDEN));
    options.resets = reel_greater(take(r, REEL_SHAPE(STEPS, BATCH)), reel_scalar(r->t, 1));
    reel_rollout rollout = reel_unroll(cell, x, options);
    put_rollout(r, cell, rollout);
    put(r, rollout.states[0]);
    put(r, rollout.states[1]);
}

static void unroll_parallel(recording *r)
{
    reel_cell cell = reel_lru(r->t, "cell", IN, HIDDEN, (reel_lru_options){ .out = 5 });
    stir(r);
    reel_unroll_options options = { .lengths = recorded_lengths };
    put_rollout(r, cell, reel_unroll_parallel(cell, take_steps(r, IN), options));
}

static void unroll_parallel_real(recording *r)
{
    reel_cell cell = reel_qrnn(r->t, "cell", IN, HIDDEN, (reel_qrnn_options){ .kernel = 3 });
    stir(r);
    put_rollout(r, cell, reel_unroll_parallel(cell, take_steps(r, IN), (reel_unroll_options){ 0 }));
}

static void bidirectional(recording *r)
{
    reel_cell forward = reel_lstm(r->t, "cell", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_cell backward = reel_gru(r->t, "backward", IN, HIDDEN, (reel_gru_options){ 0 });
    stir(r);
    reel_var x = take_steps(r, IN);
    for (int merge = 0; merge < REEL_MERGE_SEPARATE; merge++) {
        reel_bidirectional_options options = { .merge = (reel_merge)merge,
                                               .lengths = recorded_lengths };
        put(r, reel_bidirectional(forward, backward, x, options).outputs);
    }
}

static void unroll_layers(recording *r)
{
    reel_recurrent_layer layers[] = {
        { .cell = reel_gru(r->t, "cell", IN, 5, (reel_gru_options){ 0 }),
          .backward = reel_gru(r->t, "back", IN, 5, (reel_gru_options){ 0 }) },
        { .cell = reel_lstm(r->t, "upper", 10, 10, (reel_lstm_options){ 0 }) },
    };
    stir(r);
    reel_unroll_layers_options options = { .lengths = recorded_lengths,
                                           .between = { .dropout = 0.4, .residual = true } };
    put(r, reel_unroll_layers(2, layers, take_steps(r, IN), options, NULL));
}

static void unroll_carried(recording *r)
{
    reel_cell cell = reel_gru(r->t, "cell", IN, HIDDEN, (reel_gru_options){ 0 });
    reel_carry *carry = reel_carry_new(r->t, cell, BATCH);
    stir(r);
    put_rollout(
        r, cell,
        reel_unroll_carried(carry, take_steps(r, IN), (reel_unroll_options){ 0 }, REEL_ALL_STEPS));
}

static void learned_state(recording *r)
{
    reel_cell cell = reel_lstm(r->t, "cell", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_learned_state start = reel_learned_state_new(r->t, "start", cell);
    stir(r);
    reel_unroll_options options = { 0 };
    reel_learned_state_rows(&start, BATCH, options.initial);
    put_rollout(r, cell, reel_unroll(cell, take_steps(r, IN), options));
}

static void unroll_tokens(recording *r)
{
    reel_token_model model = {
        .embedding = reel_embedding(r->t, "words", 9, IN, (reel_embedding_options){ 0 }),
        .cell = reel_gru(r->t, "cell", IN, HIDDEN, (reel_gru_options){ 0 }),
        .output = reel_dense(r->t, "out", HIDDEN, 9, (reel_dense_options){ 0 }),
    };
    stir(r);
    reel_var tokens = take_indices(r, REEL_SHAPE(STEPS, BATCH), 9);
    put(r, reel_unroll_tokens(model, tokens, (reel_teaching_options){ .lengths = recorded_lengths })
               .outputs);
    put(r,
        reel_unroll_tokens(model, tokens,
                           (reel_teaching_options){ .teacher_forcing = REEL_ZERO, .greedy = true })
            .outputs);
    reel_cell cell = reel_token_cell(r->t, model);
    reel_var state[] = { take(r, REEL_SHAPE(BATCH, HIDDEN)) };
    put(r, cell.step(cell.self, take_indices(r, REEL_SHAPE(BATCH), 9), state));
    put(r, state[0]);
}

static void watched(recording *r)
{
    reel_cell cell = reel_lstm(r->t, "cell", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_watch(r->t, true);
    reel_unroll(cell, take_steps(r, IN), (reel_unroll_options){ 0 });
    put(r, reel_watched(r->t, "f"));
}

static void tree(recording *r)
{
    static const int32_t parent[STEPS] = { 2, 2, 5, 4, 5, -1 };
    reel_tree_cell cell = reel_tree_lstm(r->t, "tree", IN, HIDDEN, (reel_tree_lstm_options){ 0 });
    stir(r);
    reel_tree_state all = reel_tree_fold(cell, take_steps(r, IN), parent);
    put(r, all.h);
    put(r, all.c);
}

static void tree_node(recording *r)
{
    reel_tree_cell cell = reel_tree_lstm(r->t, "tree", IN, HIDDEN, (reel_tree_lstm_options){ 0 });
    stir(r);
    reel_tree_state leaf = reel_tree_node(cell, take(r, REEL_SHAPE(BATCH, IN)), 0, NULL);
    reel_tree_state root = reel_tree_node(cell, take(r, REEL_SHAPE(BATCH, IN)), 1, &leaf);
    put(r, root.h);
    put(r, root.c);
}

static void bridge(recording *r)
{
    static const int64_t widths[] = { 3, 5 };
    reel_cell decoder = reel_lstm(r->t, "cell", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_bridge b = reel_bridge_new(r->t, "bridge", 2, widths, decoder, (reel_bridge_options){ 0 });
    stir(r);
    reel_var from[] = { take(r, REEL_SHAPE(BATCH, 3)), take(r, REEL_SHAPE(BATCH, 5)) };
    reel_var initial[REEL_MAX_STATES];
    reel_bridge_apply(&b, from, initial);
    put(r, initial[0]);
    put(r, initial[1]);
}

const recording_row recordings_of_unrolling[] = {
    { "reel_unroll", NULL, unroll_from_a_state },
    { "reel_unroll_parallel", NULL, unroll_parallel },
    { "reel_unroll_parallel-qrnn", NULL, unroll_parallel_real },
    { "reel_bidirectional", NULL, bidirectional },
    { "reel_unroll_layers", NULL, unroll_layers },
    { "reel_unroll_carried", NULL, unroll_carried },
    { "reel_learned_state_rows", NULL, learned_state },
    { "reel_unroll_tokens", "reel_token_cell", unroll_tokens },
    { "reel_watched", "reel_probe", watched },
    { "reel_tree_fold", "reel_tree_lstm", tree },
    { "reel_tree_node", NULL, tree_node },
    { "reel_bridge_apply", NULL, bridge },
    { 0 },
};
