/* Encoders and decoders: taught, driven token by token, fed with their own output, copying. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden_cells.h"

enum { BATCH = 3, IN = 2, HIDDEN = 4, VOCABULARY = 5 };

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 9 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void expect_error(reel_tape *t, const char *expected)
{
    cr_expect(strstr(reel_tape_error(t), expected), "\"%s\", expected \"%s\"", reel_tape_error(t),
              expected);
    reel_tape_clear(t);
    cr_expect_eq(reel_item(reel_scalar(t, 2)), 2, "the tape is usable");
}

static void fill(double *out, size_t n, double offset)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = sin(1.7 * (double)i + offset);
    }
}

static reel_var numbers(reel_tape *t, reel_shape shape, double offset)
{
    size_t n = (size_t)reel_shape_size(shape);
    double *values = malloc((n + 1) * sizeof *values);
    fill(values, n, offset);
    reel_var v = reel_input_f64(t, shape, values);
    free(values);
    return v;
}

static double *read_all(reel_var v, size_t *n)
{
    *n = (size_t)reel_shape_size(reel_shape_of(v));
    double *out = calloc(*n + 1, sizeof *out);
    cr_assert_eq(reel_read_f64(v, out, *n), REEL_OK, "%s", reel_tape_error(v.tape));
    return out;
}

static void expect_same(reel_var a, reel_var b, double tolerance, const char *what)
{
    size_t n, m;
    double *x = read_all(a, &n), *y = read_all(b, &m);
    cr_assert_eq(n, m, "%s: %zu and %zu numbers", what, n, m);
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(x[i] - y[i]) <= tolerance, "%s[%zu]: %g and %g", what, i, x[i], y[i]);
    }
    free(x);
    free(y);
}

static reel_cell lstm(reel_tape *t, const char *name, int64_t in)
{
    return reel_lstm(t, name, in, HIDDEN, (reel_lstm_options){ 0 });
}

static reel_token_model new_decoder(reel_tape *t)
{
    return (reel_token_model){
        .embedding = reel_embedding(t, "embedding", VOCABULARY, 3, (reel_embedding_options){ 0 }),
        .cell = reel_gru(t, "gru", 3, HIDDEN, (reel_gru_options){ 0 }),
        .output = reel_dense(t, "out", HIDDEN, VOCABULARY, (reel_dense_options){ 0 }),
    };
}

static const int32_t *tokens_of(int64_t n)
{
    static int32_t tokens[1024];
    for (int i = 0; i < n; i++) {
        tokens[i] = (i * 7 + i / 3) % VOCABULARY;
    }
    return tokens;
}

static reel_var some_tokens(reel_tape *t, int64_t steps, int64_t batch)
{
    return reel_indices(t, REEL_SHAPE(steps, batch), tokens_of(steps * batch));
}

Test(encoder_decoder, a_taught_decoder_and_one_driven_token_by_token_agree)
{
    reel_tape *t = new_tape();
    reel_token_model decoder = new_decoder(t);
    reel_var tokens = some_tokens(t, 6, BATCH), h = numbers(t, REEL_SHAPE(BATCH, HIDDEN), 0);
    reel_rollout taught =
        reel_unroll_tokens(decoder, tokens, (reel_teaching_options){ .initial = { h } });
    reel_cell step = reel_token_cell(t, decoder);
    reel_var state[] = { h };
    cr_expect_eq(step.states, 1);
    for (int64_t i = 0; i < 6; i++) {
        reel_var logits = step.step(step.self, reel_at(tokens, i), state);
        expect_same(logits, reel_at(taught.outputs, i), 1e-14, "logits");
    }
    expect_same(state[0], taught.state[0], 1e-14, "state");
    expect_clean(t);
}

Test(encoder_decoder, a_free_running_greedy_decoder_feeds_on_its_own_argmax)
{
    reel_tape *t = new_tape();
    reel_token_model decoder = new_decoder(t);
    reel_var tokens = some_tokens(t, 8, BATCH);
    reel_teaching_options options = { .teacher_forcing = REEL_ZERO, .greedy = true };
    reel_rollout r = reel_unroll_tokens(decoder, tokens, options);
    reel_cell step = reel_token_cell(t, decoder);
    reel_var state[] = { reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0) }, token = reel_at(tokens, 0);
    for (int64_t i = 0; i < 8; i++) {
        reel_var logits = step.step(step.self, token, state);
        expect_same(logits, reel_at(r.outputs, i), 1e-14, "logits");
        token = reel_argmax(logits, -1);
    }
    expect_clean(t);
}

static reel_var as_one_hot(void *self, reel_var tokens)
{
    (void)self;
    return reel_one_hot(tokens, 2);
}

/* Token 0 is the likeliest but for odds of 3 to 1. */
static reel_var biased(void *self, reel_var x)
{
    (void)self;
    static const double extra[] = { 1.0986122886681098, 0 };
    return reel_add(reel_scale(x, 0), reel_input_f64(x.tape, REEL_SHAPE(2), extra));
}

/* The state is the token that was fed. */
static reel_var remember(void *self, reel_var x, reel_var state[])
{
    (void)self;
    return state[0] = reel_probe(x, "fed");
}

static reel_token_model telling_decoder(void)
{
    return (reel_token_model){ .embedding = { .apply = as_one_hot },
                               .cell = { .step = remember, .states = 1, .width = { 2 } },
                               .output = { .apply = biased } };
}

enum { LONG = 20, WIDE = 300 };

/* The share of gold tokens, which are all 1, where its own are all 0; and the rows that stay with
 * one kind. */
static double share_of_gold(reel_teaching_options options, int *loyal)
{
    reel_tape *t = new_tape();
    int32_t ones[LONG * WIDE];
    for (int i = 0; i < LONG * WIDE; i++) {
        ones[i] = 1;
    }
    reel_watch(t, true);
    reel_unroll_tokens(telling_decoder(), reel_indices(t, REEL_SHAPE(LONG, WIDE), ones), options);
    size_t n;
    double *fed = read_all(reel_slice(reel_watched(t, "fed"), 0, 1, LONG), &n), total = 0;
    *loyal = 0;
    for (int row = 0; row < WIDE; row++) {
        double gold = 0;
        for (int step = 0; step < LONG - 1; step++) {
            gold += fed[2 * (step * WIDE + row) + 1];
        }
        *loyal += gold == 0 || gold == LONG - 1;
        total += gold / (LONG - 1) / WIDE;
    }
    free(fed);
    expect_clean(t);
    return total;
}

Test(encoder_decoder, scheduled_sampling_flips_a_coin_a_token_or_one_a_sentence)
{
    int loyal;
    reel_teaching_options tokens = { .teacher_forcing = 0.7, .greedy = true };
    cr_expect_float_eq(share_of_gold(tokens, &loyal), 0.7, 0.02);
    cr_expect_lt(loyal, WIDE / 20);
    reel_teaching_options sentences = { .teacher_forcing = 0.2, .greedy = true, .sentences = true };
    cr_expect_float_eq(share_of_gold(sentences, &loyal), 0.2, 0.07);
    cr_expect_eq(loyal, WIDE);
    cr_expect_eq(
        share_of_gold((reel_teaching_options){ .teacher_forcing = REEL_ZERO, .greedy = true },
                      &loyal),
        0);
    cr_expect_float_eq(share_of_gold((reel_teaching_options){ 0 }, &loyal), 1, 1e-12);
}

Test(encoder_decoder, tokens_of_its_own_are_drawn_from_its_softmax)
{
    reel_tape *t = new_tape();
    reel_token_model decoder = telling_decoder();
    int32_t *zeros = calloc(2 * 4000, sizeof *zeros);
    reel_var tokens = reel_indices(t, REEL_SHAPE(2, 4000), zeros);
    reel_rollout r = reel_unroll_tokens(decoder, tokens,
                                        (reel_teaching_options){ .teacher_forcing = REEL_ZERO });
    double ones = reel_item(reel_mean_all(reel_slice(r.state[0], 1, 1, 2)));
    cr_expect_float_eq(ones, 0.25, 0.03, "odds of 3 to 1: %g", ones);
    free(zeros);
    expect_clean(t);
}

Test(encoder_decoder, the_ratio_falls_as_in_bengio_2015)
{
    reel_sampling_options linear = { .rate = 0.01, .least = 0.25 };
    reel_sampling_options exponential = { .decay = REEL_EXPONENTIAL_DECAY, .rate = 0.9 };
    reel_sampling_options sigmoid = { .decay = REEL_INVERSE_SIGMOID_DECAY, .rate = 10 };
    cr_expect_eq(reel_sampling_ratio(linear, 0), 1);
    cr_expect_float_eq(reel_sampling_ratio(linear, 30), 0.7, 1e-15);
    cr_expect_eq(reel_sampling_ratio(linear, 1000), 0.25);
    cr_expect_float_eq(reel_sampling_ratio(exponential, 5), 0.59049, 1e-14);
    cr_expect_eq(reel_sampling_ratio(exponential, 1000000), REEL_ZERO);
    cr_expect_float_eq(reel_sampling_ratio(sigmoid, 20), 10 / (10 + exp(2)), 1e-14);
    sigmoid.rate = 0.5;
    exponential.rate = 2;
    cr_expect(isnan(reel_sampling_ratio(sigmoid, 1)) && isnan(reel_sampling_ratio(exponential, 1)));
    cr_expect(isnan(reel_sampling_ratio(linear, -1)));
}

Test(encoder_decoder, a_decoder_refuses_bad_tokens_and_ratios)
{
    reel_tape *t = new_tape();
    reel_token_model decoder = new_decoder(t), half = { .embedding = decoder.embedding };
    reel_unroll_tokens(decoder, numbers(t, REEL_SHAPE(3, 2), 0), (reel_teaching_options){ 0 });
    expect_error(t, "tokens are floating [3,2], expected int32 [steps, batch]");
    reel_var tokens = some_tokens(t, 3, 2);
    reel_unroll_tokens(decoder, tokens, (reel_teaching_options){ .teacher_forcing = 1.5 });
    expect_error(t, "teacher_forcing is 1.5, must be in [0, 1]");
    cr_expect_null(reel_token_cell(t, half).step);
    expect_error(t, "the decoder has no output layer");
    expect_clean(t);
}

Test(encoder_decoder, a_bridge_joins_states_of_different_sizes)
{
    reel_tape *t = new_tape();
    reel_cell forward = lstm(t, "f", IN), decoder = reel_gru(t, "d", 3, 7, (reel_gru_options){ 0 });
    static const int64_t widths[] = { HIDDEN, HIDDEN };
    reel_bridge bridge =
        reel_bridge_new(t, "bridge", 2, widths, decoder, (reel_bridge_options){ 0 });
    reel_rollout r =
        reel_unroll(forward, numbers(t, REEL_SHAPE(4, BATCH, IN), 0), (reel_unroll_options){ 0 });
    reel_var initial[REEL_MAX_STATES] = { { 0 } };
    cr_assert_eq(reel_bridge_apply(&bridge, r.state, initial), REEL_OK);
    reel_var all = reel_concat(-1, r.state[0], r.state[1]);
    expect_same(initial[0],
                reel_tanh(reel_affine(all, reel_find_param(t, "bridge.0.W"),
                                      reel_find_param(t, "bridge.0.b"))),
                1e-15, "tanh of an affine map");
    reel_var narrow[] = { r.state[0], reel_slice(r.state[1], 1, 0, 2) };
    reel_bridge_apply(&bridge, narrow, initial);
    expect_error(t, "the states are [3,6] together, expected [batch,8]");
    expect_clean(t);
}

typedef struct {
    reel_cell encoder;
    reel_token_model decoder;
    reel_bridge bridge;
} translator;

static reel_var translation_loss(reel_tape *t, void *self)
{
    static const int32_t source_lengths[] = { 3, 4 }, lengths[] = { 5, 2 };
    const translator *m = self;
    reel_unroll_options read = { .lengths = source_lengths };
    reel_rollout encoded = reel_unroll(m->encoder, reel_find_param(t, "x"), read);
    reel_teaching_options write = { .lengths = lengths };
    reel_bridge_apply(&m->bridge, encoded.state, write.initial);
    reel_rollout r = reel_unroll_tokens(m->decoder, some_tokens(t, 5, 2), write);
    reel_var targets = reel_pack_indices(t, 5, 2, tokens_of(10), lengths);
    return reel_cross_entropy(reel_pack(r.outputs, lengths), targets);
}

Test(encoder_decoder, an_encoder_a_bridge_and_a_decoder_check_to_second_order)
{
    static const int64_t widths[] = { HIDDEN, HIDDEN };
    reel_tape *t = new_tape();
    translator m = { .encoder = lstm(t, "encoder", IN), .decoder = new_decoder(t) };
    m.bridge = reel_bridge_new(t, "bridge", 2, widths, m.decoder.cell, (reel_bridge_options){ 0 });
    reel_param(t, "x", REEL_SHAPE(4, 2, IN), reel_normal(0, 1));
    reel_gradcheck_report report;
    reel_gradcheck_options options = { .order = 2, .directions = 6 };
    cr_expect(reel_gradcheck(t, translation_loss, &m, options, &report), "%s", report.message);
    expect_clean(t);
}

Test(encoder_decoder, copying_mixes_the_source_into_the_vocabulary_as_see_2017)
{
    reel_tape *t = new_tape();
    golden_case at = { "structure.txt", "pointer" };
    static const int32_t source[] = { 0, 5, 3, 3, 5, 6, 3, 0 }, chosen[] = { 3, 5 };
    reel_var logits = golden_param(t, at, "logits"), scores = golden_param(t, at, "scores");
    reel_var gate = golden_param(t, at, "gate"), weights = reel_softmax(scores, -1);
    reel_var log_p = reel_copy_log_probabilities(logits, weights, reel_sigmoid(gate), source, 7);
    expect_same(reel_sum(reel_exp(log_p), -1), reel_fill(t, REEL_SHAPE(2), 1), 1e-14, "total");
    reel_var picked = reel_pick(log_p, reel_indices(t, REEL_SHAPE(2), chosen));
    cr_expect_lt(golden_distance(at, "picked", picked), 1e-13);
    reel_backward(reel_sum_all(picked));
    cr_expect_lt(golden_gradient_distance(at, logits), 1e-12);
    cr_expect_lt(golden_gradient_distance(at, scores), 1e-12);
    cr_expect_lt(golden_gradient_distance(at, gate), 1e-12);
    reel_copy_log_probabilities(logits, weights, reel_sigmoid(gate), source, 6);
    expect_error(t, "source[5] = 6 is outside -1 … 5");
    expect_clean(t);
}
