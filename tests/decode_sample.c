/* Greedy decoding and sampling against plain C: the likeliest tokens, frequencies, and what may
 * follow what. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "support/decoder.h"

enum { LONGEST = 8 };

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

/* ---- what may follow ----------------------------------------------------------------------- */

static void only_even(void *self, int64_t row, const int32_t *prefix, int64_t length, double *log_p)
{
    int *calls = self;
    cr_expect(row >= 0 && row < DECODER_BATCH && length < LONGEST &&
              (length == 0 || prefix[0] % 2 == 0));
    log_p[1] = log_p[3] = -INFINITY;
    ++*calls;
}

Test(decode_sample, a_callback_constrains_every_way_of_decoding)
{
    const decode_function ways[] = { reel_decode_greedy, reel_decode_beam, reel_decode_sample };
    for (int way = 0; way < 3; way++) {
        reel_tape *t = new_tape();
        int calls = 0;
        reel_decode_options o = { .max_length = 5,
                                  .beams = 3,
                                  .n_best = 3,
                                  .samples = 4,
                                  .constrain = only_even,
                                  .constrain_self = &calls };
        reel_decoded *found = decode_batch(t, ways[way], o);
        for (int i = 0; i < DECODER_BATCH * found->best * found->steps; i++) {
            cr_expect_eq(found->tokens[i] % 2, 0);
        }
        cr_expect_gt(calls, 0);
        reel_decoded_free(found);
        expect_clean(t);
    }
}

Test(decode_sample, lengths_stay_between_their_bounds)
{
    reel_tape *t = new_tape();
    reel_decode_options o = { .max_length = 6, .min_length = 4, .beams = 3, .n_best = 3 };
    reel_decoded *found = decode_batch(t, reel_decode_beam, o);
    for (int i = 0; i < DECODER_BATCH * 3; i++) {
        cr_expect(found->lengths[i] >= 4 && found->lengths[i] <= 6);
    }
    reel_decoded_free(found);
    o.endless = true;
    found = decode_batch(t, reel_decode_greedy, o);
    for (int b = 0; b < DECODER_BATCH; b++) {
        cr_expect_eq(found->lengths[b], 6);
    }
    reel_decoded_free(found);
    expect_clean(t);
}

Test(decode_sample, no_repeat_leaves_no_pair_of_tokens_twice)
{
    reel_tape *t = new_tape();
    reel_decode_options o = {
        .max_length = LONGEST, .endless = true, .no_repeat = 2, .samples = 8
    };
    reel_decoded *found = decode_batch(t, reel_decode_sample, o);
    for (int i = 0; i < DECODER_BATCH * 8; i++) {
        const int32_t *token = found->tokens + i * found->steps;
        for (int a = 0; a + 1 < LONGEST; a++) {
            for (int b = a + 1; b + 1 < LONGEST; b++) {
                cr_expect(token[a] != token[b] || token[a + 1] != token[b + 1]);
            }
        }
    }
    reel_decoded_free(found);
    expect_clean(t);
}

Test(decode_sample, a_repetition_penalty_multiplies_the_log_probability_of_what_occurred)
{
    reel_tape *t = new_tape();
    reel_decode_options o = { .max_length = 6, .endless = true, .repetition_penalty = 1.7 };
    reel_decoded *found = decode_batch(t, reel_decode_greedy, o);
    for (int b = 0; b < DECODER_BATCH; b++) {
        const int32_t *token = found->tokens + b * found->steps;
        double total = 0;
        for (int i = 0; i < 6; i++) {
            double log_p[VOCABULARY], alignment[SOURCE], best = -INFINITY;
            model_log_p(b, decoder_starts[b], token, i, log_p, alignment);
            for (int k = 0; k < VOCABULARY; k++) {
                bool seen = false;
                for (int j = 0; j < i; j++) {
                    seen = seen || token[j] == k;
                }
                log_p[k] *= seen ? 1.7 : 1;
                best = fmax(best, log_p[k]);
            }
            cr_expect_eq(log_p[token[i]], best, "row %d, token %d", b, i);
            total += best;
        }
        cr_expect_float_eq(found->log_probabilities[b], total, 1e-9);
    }
    reel_decoded_free(found);
    expect_clean(t);
}

/* ---- greedy and sampling ------------------------------------------------------------------- */

Test(decode_sample, greedy_takes_the_likeliest_token_each_time)
{
    reel_tape *t = new_tape();
    reel_decoded *found =
        decode_batch(t, reel_decode_greedy, (reel_decode_options){ .max_length = 7 });
    for (int b = 0; b < DECODER_BATCH; b++) {
        const int32_t *token = found->tokens + b * found->steps;
        for (int i = 0; i < found->lengths[b]; i++) {
            double log_p[VOCABULARY], alignment[SOURCE];
            model_log_p(b, decoder_starts[b], token, i, log_p, alignment);
            for (int k = 0; k < VOCABULARY; k++) {
                cr_expect(log_p[k] <= log_p[token[i]]);
            }
            cr_expect_eq(token[i] == DECODER_END,
                         i + 1 == found->lengths[b] && found->lengths[b] < 7);
        }
    }
    reel_decoded_free(found);
    expect_clean(t);
}

/* How often each token was drawn as the first one, for row 0. */
static void draw_first(reel_decode_options o, int count[VOCABULARY])
{
    reel_tape *t = new_tape();
    o.max_length = 1;
    o.samples = 6000;
    reel_decoded *found = decode_batch(t, reel_decode_sample, o);
    memset(count, 0, VOCABULARY * sizeof *count);
    for (int i = 0; i < o.samples; i++) {
        count[found->tokens[i]]++;
    }
    reel_decoded_free(found);
    expect_clean(t);
}

/* Frequencies against p within five standard deviations. */
static void expect_frequencies(const int count[VOCABULARY], const double p[VOCABULARY])
{
    for (int k = 0; k < VOCABULARY; k++) {
        double expected = 6000 * p[k], deviation = sqrt(expected * (1 - p[k]));
        cr_expect(fabs(count[k] - expected) <= 5 * deviation, "token %d: %d times, expected %g", k,
                  count[k], expected);
    }
}

static void renormalise(double p[VOCABULARY])
{
    double total = 0;
    for (int k = 0; k < VOCABULARY; k++) {
        total += p[k];
    }
    for (int k = 0; k < VOCABULARY; k++) {
        p[k] /= total;
    }
}

/* p with all but the `kept` greatest at zero */
static void keep_greatest(double p[VOCABULARY], int kept)
{
    double copy[VOCABULARY];
    memcpy(copy, p, sizeof copy);
    for (int k = 0; k < VOCABULARY; k++) {
        int greater = 0;
        for (int j = 0; j < VOCABULARY; j++) {
            greater += copy[j] > copy[k];
        }
        p[k] = greater < kept ? p[k] : 0;
    }
    renormalise(p);
}

Test(decode_sample, samples_are_as_frequent_as_the_softmax_says)
{
    for (int way = 0; way < 4; way++) {
        double p[VOCABULARY], alignment[SOURCE];
        int count[VOCABULARY];
        reel_decode_options o = { .seed = 11 };
        model_log_p(0, decoder_starts[0], NULL, 0, p, alignment);
        o.temperature = way == 1 ? 2.5 : 1;
        for (int k = 0; k < VOCABULARY; k++) {
            p[k] = exp(p[k] / o.temperature);
        }
        renormalise(p);
        if (way == 2) {
            o.top_k = 2;
            keep_greatest(p, 2);
        } else if (way == 3) {
            double greatest[VOCABULARY];
            memcpy(greatest, p, sizeof greatest);
            keep_greatest(greatest, 3);
            double three = 0;
            for (int k = 0; k < VOCABULARY; k++) {
                three += greatest[k] > 0 ? p[k] : 0;
            }
            o.top_p = three - 1e-9; /* so that three are the fewest */
            memcpy(p, greatest, sizeof p);
        }
        draw_first(o, count);
        expect_frequencies(count, p);
    }
}

Test(decode_sample, equal_seeds_draw_equal_samples_and_others_do_not)
{
    reel_tape *t = new_tape();
    reel_decode_options o = { .max_length = 8, .endless = true, .samples = 5, .seed = 3 };
    reel_decoded *a = decode_batch(t, reel_decode_sample, o),
                 *b = decode_batch(t, reel_decode_sample, o);
    o.seed = 4;
    reel_decoded *c = decode_batch(t, reel_decode_sample, o);
    size_t bytes = DECODER_BATCH * 5 * 8 * sizeof(int32_t);
    cr_expect_eq(memcmp(a->tokens, b->tokens, bytes), 0);
    cr_expect_neq(memcmp(a->tokens, c->tokens, bytes), 0);
    reel_decoded_free(a);
    reel_decoded_free(b);
    reel_decoded_free(c);
    expect_clean(t);
}
