/* Every allocation of a fit fails once: an error, no crash, no leak. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "support/failing_memory.h"

enum { ROWS = 10, STEPS = 5, SYMBOLS = 7 };

static double train(reel_tape *t)
{
    static const int32_t lengths[ROWS] = { 5, 0, 4, 1, 2, 3, 5, 5, 1, 2 };
    static const double class_weights[] = { 1, 2, 0.5 };
    int32_t x[ROWS][STEPS], y[ROWS][STEPS];
    for (int i = 0; i < ROWS * STEPS; i++) {
        (&x[0][0])[i] = i * 5 % SYMBOLS;
        (&y[0][0])[i] = i * 5 % SYMBOLS % 3;
    }
    reel_model *m = reel_sequential(t, REEL_EMBEDDING(SYMBOLS, 4),
                                    REEL_BIDIRECTIONAL(REEL_GRU(3, .return_sequences = true)),
                                    REEL_DROPOUT(0.2), REEL_LAYER_NORM(), REEL_DENSE(3));
    reel_compile(m, (reel_compile_options){
                        .loss = "cross_entropy", .metrics = { "accuracy" }, .clip_norm = 1 });
    reel_data X = REEL_DATA(&x[0][0], ROWS, STEPS), Y = REEL_DATA(&y[0][0], ROWS, STEPS);
    X.lengths = lengths;
    reel_fit_options o = { .epochs = 2,
                           .batch_size = 3,
                           .validation_split = 0.3,
                           .class_weights = class_weights,
                           .classes = 3 };
    if (m) {
        o.callbacks[0] = reel_early_stopping(
            m, (reel_early_stopping_options){ .patience = 5, .restore_best = true });
        o.callbacks[1] = reel_reduce_lr_on_plateau(m, (reel_reduce_lr_options){ 0 });
    }
    return reel_history_at(reel_fit(m, X, Y, o), "val_accuracy", -1);
}

/* Returns whether the refused request came up at all. */
static bool run(long fail_at)
{
    failing_memory memory = { .fail_at = fail_at };
    reel_tape *t = reel_tape_new((reel_tape_options){
        .seed = 1, .threads = 1, .allocator = { failing_memory_resize, &memory } });
    if (t) {
        double accuracy = train(t);
        bool refused = memory.calls > fail_at && fail_at >= 0;
        cr_expect_eq(reel_tape_status(t), refused ? REEL_OUT_OF_MEMORY : REEL_OK, "request %ld: %s",
                     fail_at, reel_tape_error(t));
        cr_expect(refused ? isnan(accuracy) : accuracy >= 0, "request %ld: %g", fail_at, accuracy);
        reel_tape_free(t);
    }
    cr_expect_eq(memory.held, 0, "request %ld: %zu bytes left", fail_at, memory.held);
    return memory.calls > fail_at;
}

Test(fit_out_of_memory, a_fit_survives_every_refused_request)
{
    cr_assert(run(-1));
    for (long fail_at = 0; run(fail_at); fail_at++) {
        cr_assert_lt(fail_at, 100000);
    }
}
