/* Every allocation of a training step fails once: an error, no crash, no leak, and the tape still
 * works afterwards. */
#include <criterion/criterion.h>

#include "support/failing_memory.h"

typedef struct {
    reel_layer embedding, out;
    reel_cell lstm;
    reel_optimizer *adam;
} model;

enum { STEPS = 7, BATCH = 3, SYMBOLS = 11, WIDTH = 5 };

static model make(reel_tape *t)
{
    reel_lstm_options lstm = { .peephole = true, .layer_norm = true, .projection = 3 };
    return (model){
        .embedding = reel_embedding(t, "embedding", SYMBOLS, WIDTH,
                                    (reel_embedding_options){ .padded = true }),
        .lstm = reel_lstm(t, "lstm", WIDTH, WIDTH, lstm),
        .out = reel_dense(t, "out", 3, SYMBOLS, (reel_dense_options){ 0 }),
        .adam = reel_adam(t, (reel_adam_options){ 0 }),
    };
}

static double train(reel_tape *t, const model *m)
{
    static const int32_t lengths[BATCH] = { 7, 0, 4 };
    int32_t symbols[STEPS * BATCH];
    for (int i = 0; i < STEPS * BATCH; i++) {
        symbols[i] = i * 5 % SYMBOLS;
    }
    reel_var targets = reel_indices(t, REEL_SHAPE(STEPS, BATCH), symbols);
    reel_var x = reel_apply(m->embedding, targets);
    reel_rollout r = reel_unroll(m->lstm, x, (reel_unroll_options){ .lengths = lengths });
    reel_cross_entropy_options options = { .ignore = true, .ignore_index = 3 };
    reel_var loss = reel_cross_entropy_ex(reel_apply(m->out, r.outputs), targets, options);
    reel_backward(loss);
    reel_clip_norm(t, 1);
    reel_optimizer_step(m->adam);
    return reel_item(loss);
}

/* Returns whether the refused request came up at all. */
static bool run(long fail_at)
{
    failing_memory memory = { .fail_at = fail_at };
    reel_tape *t = reel_tape_new((reel_tape_options){
        .seed = 1, .threads = 1, .allocator = { failing_memory_resize, &memory } });
    if (t) {
        model m = make(t);
        double loss = train(t, &m);
        bool refused = memory.calls > fail_at && fail_at >= 0;
        cr_expect_eq(reel_tape_status(t), refused ? REEL_OUT_OF_MEMORY : REEL_OK, "request %ld: %s",
                     fail_at, reel_tape_error(t));
        cr_expect(refused || loss > 0, "request %ld: loss %g", fail_at, loss);
        reel_tape_clear(t);
        reel_rewind(t);
        cr_expect_eq(reel_item(reel_add(reel_scalar(t, 1), reel_scalar(t, 2))), 3,
                     "request %ld: %s", fail_at, reel_tape_error(t));
        reel_tape_free(t);
    }
    cr_expect_eq(memory.held, 0, "request %ld: %zu bytes left", fail_at, memory.held);
    return memory.calls > fail_at;
}

Test(training_out_of_memory, a_training_step_survives_every_refused_request)
{
    cr_assert(run(-1));
    for (long fail_at = 0; run(fail_at); fail_at++) {
        cr_assert_lt(fail_at, 100000);
    }
}
