/* Beam search against exhaustive search and a naive beam search in plain C; decoders of every
 * kind, and what decoding refuses. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "support/decoder.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

enum { LONGEST = 8 };

/* ---- hypotheses in plain C ----------------------------------------------------------------- */

typedef struct {
    int32_t token[LONGEST];
    int length;
    bool ended;
    double log_p, score, coverage[SOURCE];
} hypothesis;

static hypothesis extended(const hypothesis *h, int32_t token, double log_p,
                           const double *alignment, const reel_decode_options *o)
{
    hypothesis e = *h;
    e.token[e.length++] = token;
    e.ended = token == DECODER_END;
    e.log_p += log_p;
    e.score = e.log_p / pow((5.0 + e.length) / 6, o->length_penalty);
    for (int i = 0; i < SOURCE; i++) {
        e.coverage[i] += alignment[i];
        e.score +=
            o->coverage_penalty * (o->coverage_penalty > 0 ? log(fmin(e.coverage[i], 1)) : 0);
    }
    return e;
}

static void insert_by(double key, hypothesis h, double keys[], hypothesis list[], int *count)
{
    int at = (*count)++;
    for (; at > 0 && keys[at - 1] < key; at--) {
        keys[at] = keys[at - 1];
        list[at] = list[at - 1];
    }
    keys[at] = key;
    list[at] = h;
}

/* All hypotheses that start with h, the best score first. */
static void enumerate(int b, const hypothesis *h, const reel_decode_options *o, double keys[],
                      hypothesis all[], int *count)
{
    double log_p[VOCABULARY], alignment[SOURCE];
    if (h->ended || h->length == o->max_length) {
        insert_by(h->score, *h, keys, all, count);
        return;
    }
    model_log_p(b, decoder_starts[b], h->token, h->length, log_p, alignment);
    for (int32_t k = 0; k < VOCABULARY; k++) {
        hypothesis e = extended(h, k, log_p[k], alignment, o);
        enumerate(b, &e, o, keys, all, count);
    }
}

/* Beam search as decode.h describes it, with no thought of speed and no early end. */
static void naive_beam(int b, const reel_decode_options *o, double keys[], hypothesis finished[],
                       int *count)
{
    hypothesis live[VOCABULARY] = { { .length = 0 } };
    int lives = 1;
    for (int step = 0; step < o->max_length; step++) {
        hypothesis next[VOCABULARY * VOCABULARY];
        double next_keys[VOCABULARY * VOCABULARY], log_p[VOCABULARY], alignment[SOURCE];
        int nexts = 0;
        for (int i = 0; i < lives; i++) {
            model_log_p(b, decoder_starts[b], live[i].token, live[i].length, log_p, alignment);
            for (int32_t k = 0; k < VOCABULARY; k++) {
                hypothesis e = extended(&live[i], k, log_p[k], alignment, o);
                insert_by(e.log_p, e, next_keys, next, &nexts);
            }
        }
        lives = 0;
        for (int i = 0; i < nexts && lives < o->beams; i++) {
            if (next[i].ended) {
                insert_by(next[i].score, next[i], keys, finished, count);
            } else {
                live[lives++] = next[i];
            }
        }
    }
    for (int i = 0; i < lives; i++) {
        insert_by(live[i].score, live[i], keys, finished, count);
    }
}

static void expect_hypothesis(const reel_decoded *d, int b, int i, const hypothesis *h)
{
    int64_t at = b * d->best + i;
    const int32_t *token = d->tokens + at * d->steps;
    cr_assert_eq(d->lengths[at], h->length, "row %d, number %d: length %d, expected %d", b, i,
                 (int)d->lengths[at], h->length);
    for (int k = 0; k < d->steps; k++) {
        cr_expect_eq(token[k], k < h->length ? h->token[k] : DECODER_END, "row %d, number %d, [%d]",
                     b, i, k);
    }
    cr_expect_float_eq(d->log_probabilities[at], h->log_p, 1e-9);
    cr_expect_float_eq(d->scores[at], h->score, 1e-9);
}

/* ---- beam search --------------------------------------------------------------------------- */

Test(decode, a_beam_as_wide_as_the_vocabulary_finds_the_best_of_all_pairs_of_tokens)
{
    const double penalties[][2] = { { 0, 0 }, { 0.6, 0 }, { 2, 0 }, { 1, 0.3 } };
    for (int p = 0; p < 4; p++) {
        reel_tape *t = new_tape();
        reel_decode_options o = { .max_length = 2,
                                  .beams = VOCABULARY,
                                  .n_best = VOCABULARY,
                                  .length_penalty = penalties[p][0],
                                  .coverage_penalty = penalties[p][1] };
        reel_decoded *found = decode_batch(t, reel_decode_beam, o);
        for (int b = 0; b < DECODER_BATCH; b++) {
            hypothesis all[32], none = { .length = 0 };
            double keys[32];
            int count = 0;
            enumerate(b, &none, &o, keys, all, &count);
            /* with a coverage penalty scores do not order as log p does: only the best is sure */
            for (int i = 0; i < (o.coverage_penalty > 0 ? 1 : o.n_best); i++) {
                expect_hypothesis(found, b, i, &all[i]);
            }
        }
        reel_decoded_free(found);
        expect_clean(t);
    }
}

Test(decode, beams_are_those_of_a_naive_search_whatever_the_penalties)
{
    for (int beams = 1; beams <= VOCABULARY; beams++) {
        for (int penalty = 0; penalty < 3; penalty++) {
            reel_tape *t = new_tape();
            reel_decode_options o = { .max_length = 6,
                                      .beams = beams,
                                      .n_best = beams,
                                      .length_penalty = 0.8 * penalty,
                                      .coverage_penalty = penalty == 2 ? 0.4 : 0 };
            reel_decoded *found = decode_batch(t, reel_decode_beam, o);
            for (int b = 0; b < DECODER_BATCH; b++) {
                hypothesis finished[64];
                double keys[64];
                int count = 0;
                naive_beam(b, &o, keys, finished, &count);
                for (int i = 0; i < beams; i++) {
                    expect_hypothesis(found, b, i, &finished[i]);
                }
            }
            reel_decoded_free(found);
            expect_clean(t);
        }
    }
}

Test(decode, a_batch_finds_what_its_rows_find_alone)
{
    reel_tape *t = new_tape();
    reel_decode_options o = { .max_length = 7, .beams = 3, .n_best = 2, .length_penalty = 1 };
    reel_decoded *together = decode_batch(t, reel_decode_beam, o);
    for (int b = 0; b < DECODER_BATCH; b++) {
        counting c = { 0 };
        reel_var initial[DECODER_STATES];
        initial_states(t, b, 1, initial);
        o.start = decoder_starts[b];
        o.end = DECODER_END;
        reel_decoded *alone = reel_decode_beam(t, counting_decoder(&c), 1, initial, o);
        cr_assert(alone, "%s", reel_tape_error(t));
        for (int i = 0; i < 2; i++) {
            cr_expect_eq(alone->lengths[i], together->lengths[2 * b + i]);
            cr_expect_eq(alone->scores[i], together->scores[2 * b + i]);
            cr_expect_arr_eq(alone->tokens + i * alone->steps,
                             together->tokens + (2 * b + i) * together->steps,
                             (size_t)alone->lengths[i] * sizeof(int32_t));
        }
        reel_decoded_free(alone);
    }
    reel_decoded_free(together);
    expect_clean(t);
}

Test(decode, alignments_are_those_of_the_steps_that_chose_the_tokens)
{
    reel_tape *t = new_tape();
    reel_decode_options o = { .max_length = 5, .beams = 4, .n_best = 4 };
    reel_decoded *found = decode_batch(t, reel_decode_beam, o);
    cr_assert_eq(found->source, SOURCE);
    for (int at = 0; at < DECODER_BATCH * 4; at++) {
        const int32_t *token = found->tokens + at * found->steps;
        for (int i = 0; i < found->lengths[at]; i++) {
            double log_p[VOCABULARY], alignment[SOURCE];
            model_log_p(at / 4, decoder_starts[at / 4], token, i, log_p, alignment);
            for (int k = 0; k < SOURCE; k++) {
                cr_expect_float_eq(found->alignments[(at * found->steps + i) * SOURCE + k],
                                   alignment[k], 1e-9);
            }
        }
    }
    reel_decoded_free(found);
    expect_clean(t);
}

Test(decode, coverage_counts_the_places_of_the_source_that_are_no_padding)
{
    reel_tape *t = new_tape();
    const int32_t two[DECODER_BATCH] = { 2, 0, 3 };
    reel_decode_options o = {
        .max_length = 4, .beams = 1, .coverage_penalty = 0.5, .source_lengths = two, .endless = true
    };
    reel_decoded *found = decode_batch(t, reel_decode_beam, o);
    for (int b = 0; b < DECODER_BATCH; b++) {
        double expected = found->log_probabilities[b];
        for (int i = 0; i < two[b]; i++) {
            double sum = 0;
            for (int step = 0; step < 4; step++) {
                sum += found->alignments[(b * 4 + step) * SOURCE + i];
            }
            expected += 0.5 * log(fmin(sum, 1));
        }
        cr_expect_float_eq(found->scores[b], expected, 1e-9);
    }
    reel_decoded_free(found);
    expect_clean(t);
}

Test(decode, early_stopping_takes_the_first_that_are_finished)
{
    reel_tape *t = new_tape();
    reel_decode_options o = { .max_length = LONGEST, .beams = 2, .n_best = 2 };
    reel_decoded *full = decode_batch(t, reel_decode_beam, o);
    o.early_stopping = true;
    reel_decoded *early = decode_batch(t, reel_decode_beam, o);
    for (int b = 0; b < DECODER_BATCH; b++) {
        cr_expect(early->scores[2 * b] <= full->scores[2 * b]);
        cr_expect(early->lengths[2 * b] > 0);
    }
    reel_decoded_free(full);
    reel_decoded_free(early);
    expect_clean(t);
}

Test(decode, groups_without_diversity_search_alike_and_with_it_apart)
{
    reel_tape *t = new_tape();
    reel_decode_options o = { .max_length = 4, .beams = 2, .n_best = 2 };
    reel_decoded *two = decode_batch(t, reel_decode_beam, o);
    o.beams = o.n_best = 4;
    o.groups = 2;
    reel_decoded *twice = decode_batch(t, reel_decode_beam, o);
    o.beams = o.n_best = 2;
    o.diversity = 1e6;
    o.endless = true; /* a hypothesis of each group remains */
    reel_decoded *apart = decode_batch(t, reel_decode_beam, o);
    for (int b = 0; b < DECODER_BATCH; b++) {
        const int32_t *first = apart->tokens + 2 * b * 4, *second = first + 4;
        for (int i = 0; i < 4; i++) {
            cr_expect_eq(twice->scores[4 * b + i], two->scores[2 * b + i / 2]);
            cr_expect_neq(first[i], second[i], "row %d, step %d: both groups chose alike", b, i);
        }
    }
    reel_decoded_free(two);
    reel_decoded_free(twice);
    reel_decoded_free(apart);
    expect_clean(t);
}

/* ---- steps and states ---------------------------------------------------------------------- */

Test(decode, each_token_costs_one_step_of_constant_size)
{
    reel_tape *t = new_tape();
    size_t nodes[2];
    for (int i = 0; i < 2; i++) {
        counting c = { 0 };
        reel_var initial[DECODER_STATES];
        initial_states(t, 0, DECODER_BATCH, initial);
        reel_decode_options o = { .max_length = i ? 40 : 4, .endless = true, .beams = 2 };
        reel_decoded *found = reel_decode_beam(t, counting_decoder(&c), DECODER_BATCH, initial, o);
        cr_assert(found, "%s", reel_tape_error(t));
        cr_expect_eq(c.steps, o.max_length);
        nodes[i] = c.nodes;
        reel_decoded_free(found);
    }
    cr_expect_eq(nodes[0], nodes[1]);
    expect_clean(t);
}

Test(decode, a_cell_between_an_embedding_and_an_output_layer_is_a_decoder)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 8 });
    reel_layer embedding = reel_embedding(t, "in", 7, 4, (reel_embedding_options){ 0 });
    reel_cell cell = reel_lstm(t, "lstm", 4, 6, (reel_lstm_options){ 0 });
    reel_layer out = reel_dense(t, "out", 6, 7, (reel_dense_options){ 0 });
    reel_decoder decoder = reel_cell_decoder(t, embedding, cell, out);
    reel_decode_options o = { .start = 1, .end = 0, .max_length = 9, .beams = 4 };
    o.beams = 8;
    cr_expect_null(reel_decode_beam(t, decoder, 2, NULL, o));
    cr_expect(strstr(reel_tape_error(t), "decode_beam at decode.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
    o.beams = 4;
    reel_decoded *found = reel_decode_beam(t, decoder, 2, NULL, o);
    cr_assert(found, "%s", reel_tape_error(t));
    /* the same hypothesis read by the unrolled cell has the same probability */
    int32_t input[9] = { 1 }, length = found->lengths[0];
    for (int i = 1; i < length; i++) {
        input[i] = found->tokens[i - 1];
    }
    reel_var x = reel_apply(embedding, reel_indices(t, REEL_SHAPE(length, 1), input));
    reel_var logits = reel_apply(out, reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs);
    reel_var targets = reel_indices(t, REEL_SHAPE(length, 1), found->tokens);
    double nll = length * reel_item(reel_cross_entropy(logits, targets));
    cr_expect_float_eq(found->log_probabilities[0], -nll, 1e-4);
    cr_expect_eq(found->scores[0], found->scores[1]);
    reel_decoded_free(found);
    expect_clean(t);
}

/* ---- misuse -------------------------------------------------------------------------------- */

static void expect_failure(decode_function how, reel_decode_options options, const char *text)
{
    reel_tape *t = new_tape();
    counting c = { 0 };
    reel_var initial[DECODER_STATES];
    initial_states(t, 0, DECODER_BATCH, initial);
    reel_decoded *found = how(t, counting_decoder(&c), DECODER_BATCH, initial, options);
    cr_expect_null(found);
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    reel_tape_clear(t);
    reel_decoded_free(decode_batch(t, how, (reel_decode_options){ .max_length = 3 }));
    expect_clean(t);
}

Test(decode, bad_options_are_named_and_the_tape_goes_on)
{
    expect_failure(reel_decode_beam, (reel_decode_options){ .beams = 6, .max_length = 3 },
                   "beams is 6, more than the vocabulary's 5 tokens");
    expect_failure(reel_decode_beam, (reel_decode_options){ .beams = -1 }, "beams is -1");
    expect_failure(reel_decode_beam, (reel_decode_options){ .beams = 2, .n_best = 3 },
                   "n_best is 3, must be in 1 … 2");
    expect_failure(reel_decode_beam, (reel_decode_options){ .beams = 4, .groups = 3 },
                   "beams is 4, must be a multiple of groups, 3");
    expect_failure(reel_decode_beam, (reel_decode_options){ .length_penalty = -1 },
                   "length_penalty is -1");
    const int32_t bad[DECODER_BATCH] = { 1, 4, 0 };
    expect_failure(reel_decode_beam, (reel_decode_options){ .source_lengths = bad },
                   "source_lengths[1] = 4 is outside 0 … 3");
    expect_failure(reel_decode_greedy, (reel_decode_options){ .max_length = -2 },
                   "max_length is -2");
    expect_failure(reel_decode_greedy, (reel_decode_options){ .max_length = 2, .min_length = 3 },
                   "min_length is 3, must be in 0 … 2");
    expect_failure(reel_decode_greedy, (reel_decode_options){ .end = 9 },
                   "end = 9 is outside the vocabulary's 0 … 4");
    expect_failure(reel_decode_sample, (reel_decode_options){ .temperature = -1 },
                   "temperature is -1");
    expect_failure(reel_decode_sample, (reel_decode_options){ .top_p = 1.5 }, "top_p is 1.5");
    expect_failure(reel_decode_sample, (reel_decode_options){ .samples = -3 }, "samples is -3");
    expect_failure(reel_decode_sample, (reel_decode_options){ .start = 77 }, "index 77");
}

static reel_var breaks_its_state(void *self, reel_var tokens, reel_var state[])
{
    (void)self;
    state[0] = reel_concat(0, state[0], state[0]);
    return reel_fill(tokens.tape, REEL_SHAPE(reel_shape_of(tokens).dim[0], 4), 0);
}

static reel_var gives_no_logits(void *self, reel_var tokens, reel_var state[])
{
    (void)self;
    (void)state;
    return reel_fill(tokens.tape, REEL_SHAPE(4), 0);
}

static reel_var gives_NaN(void *self, reel_var tokens, reel_var state[])
{
    (void)self;
    (void)state;
    return reel_fill(tokens.tape, REEL_SHAPE(reel_shape_of(tokens).dim[0], 4), NAN);
}

static void expect_bad_decoder(reel_decoder decoder, int64_t batch, const char *text)
{
    reel_tape *t = new_tape();
    reel_var initial = reel_fill(t, REEL_SHAPE(2, 3), 0);
    cr_expect_null(reel_decode_beam(t, decoder, batch, &initial,
                                    (reel_decode_options){ .beams = 2, .max_length = 3 }));
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    reel_tape_free(t);
}

Test(decode, what_is_wrong_with_a_decoder_is_named)
{
    expect_bad_decoder((reel_decoder){ .states = 1 }, 2, "the decoder has no step function");
    expect_bad_decoder((reel_decoder){ .step = gives_NaN, .states = 1 }, 0,
                       "the batch is empty: batch = 0");
    expect_bad_decoder((reel_decoder){ .step = gives_NaN, .states = 1 }, 3,
                       "initial[0] is [2,3], expected [3, ...]");
    expect_bad_decoder((reel_decoder){ .step = gives_NaN, .states = 9 }, 2,
                       "decoder.states = 9 is outside 0 … 8");
    expect_bad_decoder((reel_decoder){ .step = gives_NaN, .states = 1, .constants = 2 }, 2,
                       "decoder.constants = 2 is outside 0 … 1");
    expect_bad_decoder((reel_decoder){ .step = breaks_its_state, .states = 1 }, 2,
                       "state[0] became [8,3], expected [4,3]");
    expect_bad_decoder((reel_decoder){ .step = gives_no_logits, .states = 1 }, 2,
                       "the step's logits are [4], expected [4, vocabulary]");
    expect_bad_decoder((reel_decoder){ .step = gives_NaN, .states = 1 }, 2,
                       "token 0: the logits of row 0 are NaN");
    reel_tape *t = new_tape();
    reel_decoder none =
        reel_cell_decoder(t, (reel_layer){ 0 }, (reel_cell){ 0 }, (reel_layer){ 0 });
    cr_expect(!none.step && strstr(reel_tape_error(t), "cell_decoder"));
    reel_tape_free(t);
}
