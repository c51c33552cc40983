/* Every allocation of the sequence losses and of decoding fails once: an error, no crash, no leak,
 * and the tape still works afterwards. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "support/decoder.h"
#include "support/failing_memory.h"

/* ---- what is run --------------------------------------------------------------------------- */

static void losses(reel_tape *t)
{
    const int32_t label[] = { 1, 1, 2, 3 }, lengths[] = { 4, 3 }, tags[8] = { 0, 1, 2, 3 };
    reel_var x = reel_param(t, "x", REEL_SHAPE(4, 2, 4), reel_normal(0, 1));
    reel_var y = reel_param(t, "y", REEL_SHAPE(2, 4, 3, 4), reel_normal(0, 1));
    reel_crf crf = reel_crf_new(t, "crf", 4);
    reel_var targets = reel_indices(t, REEL_SHAPE(2, 2), label);
    reel_var loss = reel_ctc(x, targets, lengths, NULL, (reel_ctc_options){ 0 });
    loss =
        reel_add(loss, reel_transducer(y, targets, lengths, NULL, (reel_transducer_options){ 0 }));
    loss = reel_add(loss, reel_crf_loss(crf, x, reel_indices(t, REEL_SHAPE(4, 2), tags), lengths,
                                        REEL_REDUCE_MEAN));
    reel_backward(loss);
    reel_item(loss);
    int32_t best[8];
    reel_crf_viterbi(crf, x, lengths, best, NULL);
    reel_decoded_free(reel_ctc_greedy(x, lengths, 0));
    reel_decoded_free(reel_ctc_beam(x, lengths, (reel_ctc_beam_options){ .beams = 9 }));
}

static void decoding(reel_tape *t)
{
    counting c = { 0 };
    reel_var initial[DECODER_STATES];
    initial_states(t, 0, 2, initial);
    reel_decode_options options = { .max_length = 4, .beams = 3, .end = 4, .no_repeat = 2 };
    reel_decoded_free(reel_decode_beam(t, counting_decoder(&c), 2, initial, options));
    initial_states(t, 0, 2, initial);
    reel_decoded_free(reel_decode_sample(t, counting_decoder(&c), 2, initial, options));
}

static reel_var predict(void *self, reel_var tokens, reel_var state[])
{
    (void)self;
    return state[0] = reel_add(state[0], reel_one_hot(tokens, 3));
}

static reel_var join(void *self, reel_var encoded, reel_var predicted)
{
    (void)self;
    return reel_sin(reel_add(encoded, predicted));
}

static void transducing(reel_tape *t)
{
    reel_decoder prediction = { .step = predict, .states = 1, .width = { 3 } };
    reel_joint joint = { .apply = join };
    reel_var x = reel_param(t, "x", REEL_SHAPE(2, 3, 3), reel_normal(0, 1));
    reel_transducer_greedy_options greedy = { .max_symbols = 2 };
    reel_transducer_beam_options beam = { .max_symbols = 2, .beams = 3, .n_best = 2 };
    reel_decoded_free(reel_transducer_greedy(t, prediction, joint, x, NULL, NULL, greedy));
    reel_decoded_free(reel_transducer_beam(t, prediction, joint, x, NULL, NULL, beam));
}

/* Returns whether the refused request came up at all. */
static bool run(void (*program)(reel_tape *), long fail_at)
{
    failing_memory memory = { .fail_at = fail_at };
    reel_tape *t =
        reel_tape_new((reel_tape_options){ .dtype = REEL_F64,
                                           .seed = 1,
                                           .threads = 1,
                                           .allocator = { failing_memory_resize, &memory } });
    bool refused = true;
    if (t) {
        program(t);
        refused = memory.calls > fail_at;
        cr_expect_eq(reel_tape_status(t), refused ? REEL_OUT_OF_MEMORY : REEL_OK, "request %ld: %s",
                     fail_at, reel_tape_error(t));
        memory.fail_at = -1;
        reel_tape_clear(t);
        reel_rewind(t);
        cr_expect_eq(reel_item(reel_scale(reel_scalar(t, 3), 2)), 6, "request %ld: %s", fail_at,
                     reel_tape_error(t));
        reel_tape_free(t);
    }
    cr_expect_eq(memory.held, 0, "request %ld: %zu bytes are lost", fail_at, memory.held);
    return refused;
}

Test(sequences_out_of_memory, every_request_of_the_losses_may_be_refused)
{
    long request = 0;
    while (run(losses, request)) {
        request++;
    }
    cr_expect_gt(request, 20);
}

Test(sequences_out_of_memory, every_request_of_decoding_may_be_refused)
{
    long request = 0;
    while (run(decoding, request)) {
        request++;
    }
    cr_expect_gt(request, 20);
}

Test(sequences_out_of_memory, every_request_of_decoding_a_transducer_may_be_refused)
{
    long request = 0;
    while (run(transducing, request)) {
        request++;
    }
    cr_expect_gt(request, 20);
}
