/* CTC's best path and prefix beam search against the sum over all paths; a transducer's greedy
 * decoding against the walk over its lattice. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 21 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    reel_tape_clear(t);
}

/* ---- CTC ----------------------------------------------------------------------------------- */

enum { STEPS = 5, LABELS = 3, PATHS = 243 };

typedef struct {
    int32_t label[STEPS];
    int length;
    double p;
} labelling;

/* Sums the probabilities of all paths by what they spell; the likeliest labelling first. */
static int enumerate(const double log_p[], int32_t blank, labelling found[PATHS])
{
    int count = 0;
    for (int code = 0; code < PATHS; code++) {
        labelling l = { .p = 1 };
        int32_t last = blank;
        for (int t = 0, rest = code; t < STEPS; t++, rest /= LABELS) {
            int32_t k = rest % LABELS;
            l.p *= exp(log_p[t * LABELS + k]);
            if (k != blank && k != last) {
                l.label[l.length++] = k;
            }
            last = k;
        }
        int at = 0;
        while (at < count && (found[at].length != l.length ||
                              memcmp(found[at].label, l.label, sizeof l.label) != 0)) {
            at++;
        }
        if (at == count) {
            found[count++] = l;
        } else {
            found[at].p += l.p;
        }
    }
    for (int i = 1; i < count; i++) {
        for (int j = i; j > 0 && found[j].p > found[j - 1].p; j--) {
            labelling swap = found[j];
            found[j] = found[j - 1];
            found[j - 1] = swap;
        }
    }
    return count;
}

Test(decode_ctc, a_wide_beam_finds_all_labellings_in_order_with_their_whole_probability)
{
    for (int32_t blank = 0; blank < LABELS; blank++) {
        reel_tape *t = new_tape();
        reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 1, LABELS), reel_normal(0, 1.5));
        double log_p[STEPS * LABELS];
        labelling expected[PATHS];
        reel_read_f64(reel_log_softmax(x, -1), log_p, STEPS * LABELS);
        int count = enumerate(log_p, blank, expected);
        reel_decoded *found = reel_ctc_beam(
            x, NULL, (reel_ctc_beam_options){ .blank = blank, .beams = PATHS, .n_best = PATHS });
        cr_assert(found, "%s", reel_tape_error(t));
        for (int i = 0; i < PATHS; i++) {
            cr_assert_eq(found->lengths[i], i < count ? expected[i].length : -1);
            if (i < count) {
                cr_expect_float_eq(found->log_probabilities[i], log(expected[i].p), 1e-12);
                cr_expect_arr_eq(found->tokens + i * STEPS, expected[i].label,
                                 (size_t)expected[i].length * sizeof(int32_t));
            }
        }
        reel_decoded_free(found);
        expect_clean(t);
    }
}

static double dislikes_2(void *self, const int32_t *prefix, int64_t length, int32_t label)
{
    (void)self;
    return label == 2 ? -50 : length > 0 && prefix[length - 1] == label ? -0.1 : 0;
}

Test(decode_ctc, a_language_model_moves_the_ranking)
{
    reel_tape *t = new_tape();
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 1, LABELS), reel_normal(0, 1));
    double log_p[STEPS * LABELS], best = -INFINITY;
    labelling all[PATHS];
    reel_read_f64(reel_log_softmax(x, -1), log_p, STEPS * LABELS);
    int count = enumerate(log_p, 0, all);
    for (int i = 0; i < count; i++) {
        double score = log(all[i].p);
        for (int k = 0; k < all[i].length; k++) {
            score += dislikes_2(NULL, all[i].label, k, all[i].label[k]);
        }
        best = fmax(best, score);
    }
    reel_decoded *found =
        reel_ctc_beam(x, NULL, (reel_ctc_beam_options){ .beams = PATHS, .language = dislikes_2 });
    cr_assert(found);
    cr_expect_float_eq(found->scores[0], best, 1e-12);
    reel_decoded_free(found);
    expect_clean(t);
}

Test(decode_ctc, the_best_path_loses_its_repeats_and_blanks)
{
    enum { LONG = 7 };
    static const int32_t path[2][LONG] = { { 0, 1, 1, 0, 1, 2, 2 }, { 2, 2, 2, 0, 0, 1, 1 } };
    const int32_t lengths[] = { LONG, 4 };
    reel_tape *t = new_tape();
    double logits[LONG * 2 * LABELS] = { 0 };
    for (int i = 0; i < LONG * 2; i++) {
        logits[i * LABELS + path[i % 2][i / 2]] = 3;
    }
    reel_decoded *found =
        reel_ctc_greedy(reel_input_f64(t, REEL_SHAPE(LONG, 2, LABELS), logits), lengths, 0);
    cr_assert(found, "%s", reel_tape_error(t));
    const int32_t first[] = { 1, 1, 2 };
    cr_expect_eq(found->lengths[0], 3);
    cr_expect_arr_eq(found->tokens, first, sizeof first);
    cr_expect_eq(found->lengths[1], 1);
    cr_expect_eq(found->tokens[found->steps], 2);
    double each = 3 - log(exp(3) + 2);
    cr_expect_float_eq(found->log_probabilities[1], 4 * each, 1e-12);
    reel_decoded_free(found);
    expect_clean(t);
}

Test(decode_ctc, bad_arguments_of_ctc_decoding_are_named)
{
    reel_tape *t = new_tape();
    const int32_t lengths[] = { 6 };
    reel_var x = reel_fill(t, REEL_SHAPE(STEPS, 1, LABELS), 0);
    cr_expect_null(reel_ctc_greedy(x, lengths, 0));
    expect_error(t, "lengths[0] = 6 is outside 0 … 5");
    cr_expect_null(reel_ctc_greedy(x, NULL, 3));
    expect_error(t, "ctc_greedy at decode_ctc.c:");
    cr_expect_null(reel_ctc_beam(x, NULL, (reel_ctc_beam_options){ .beams = -1 }));
    expect_error(t, "beams is -1");
    cr_expect_null(reel_ctc_beam(x, NULL, (reel_ctc_beam_options){ .beams = 2, .n_best = 3 }));
    expect_error(t, "n_best is 3, must be in 1 … 2");
    cr_expect_null(reel_ctc_beam(reel_at(x, 0), NULL, (reel_ctc_beam_options){ 0 }));
    expect_error(t, "logits are [1,3], expected [steps, batch, labels]");
    expect_clean(t);
}

/* ---- the transducer ------------------------------------------------------------------------ */

enum { BATCH = 2, IN = 2, TIMES = 4, WORDS = 4, BLANK = 0 };

/* A prediction network that counts and remembers: state [batch, 1] = 2·state + label + 1. */
static reel_var predict(void *self, reel_var tokens, reel_var state[])
{
    (void)self;
    const double value[WORDS] = { 1, 2, 3, 4 };
    reel_var table = reel_input_f64(tokens.tape, REEL_SHAPE(WORDS, 1), value);
    return state[0] = reel_add(reel_scale(state[0], 2), reel_gather(table, tokens));
}

static double joint_logit(const double encoded[IN], double predicted, int k)
{
    double bias = k == BLANK ? 0.8 : 0;
    return 2 * sin((encoded[0] + predicted) * (k + 1) + encoded[1]) + bias;
}

static reel_var join(void *self, reel_var encoded, reel_var predicted)
{
    (void)self;
    const double factor[WORDS] = { 1, 2, 3, 4 }, bias[WORDS] = { 0.8 };
    reel_tape *t = encoded.tape;
    reel_var sum = reel_add(reel_slice(encoded, -1, 0, 1), predicted);
    reel_var angle = reel_mul(sum, reel_input_f64(t, REEL_SHAPE(WORDS), factor));
    reel_var wave = reel_sin(reel_add(angle, reel_slice(encoded, -1, 1, 2)));
    return reel_add(reel_scale(wave, 2), reel_input_f64(t, REEL_SHAPE(WORDS), bias));
}

/* What greedy decoding puts out for one row; returns the length. */
static int walk(const double encoded[], int steps, int most, int32_t out[])
{
    double state = 0;
    int32_t last = BLANK;
    int length = 0, symbols = 0;
    for (int t = 0; t < steps;) {
        double next = 2 * state + last + 1;
        int best = 0;
        for (int k = 1; k < WORDS; k++) {
            const double *e = encoded + t * IN;
            best = joint_logit(e, next, k) > joint_logit(e, next, best) ? k : best;
        }
        bool put_out = best != BLANK;
        if (put_out) {
            out[length++] = last = best;
            state = next;
            symbols++;
        }
        if (!put_out || symbols == most) {
            t++;
            symbols = 0;
        }
    }
    return length;
}

Test(decode_ctc, a_transducer_is_decoded_step_by_step_each_row_at_its_own_pace)
{
    reel_tape *t = new_tape();
    double numbers[BATCH * TIMES * IN];
    const int32_t lengths[BATCH] = { TIMES, 3 };
    reel_var encoded = reel_param(t, "e", REEL_SHAPE(BATCH, TIMES, IN), reel_normal(0, 2));
    reel_read_f64(encoded, numbers, BATCH * TIMES * IN);
    for (int most = 1; most <= 3; most++) {
        reel_decoder prediction = { .step = predict, .states = 1, .width = { 1 } };
        reel_decoded *found = reel_transducer_greedy(
            t, prediction, (reel_joint){ .apply = join }, encoded, lengths, NULL,
            (reel_transducer_greedy_options){ .blank = BLANK, .max_symbols = most });
        cr_assert(found, "%s", reel_tape_error(t));
        for (int b = 0; b < BATCH; b++) {
            int32_t expected[TIMES * 3];
            int length = walk(numbers + b * TIMES * IN, lengths[b], most, expected);
            cr_expect_eq(found->lengths[b], length, "row %d: %d labels, expected %d", b,
                         (int)found->lengths[b], length);
            cr_expect_arr_eq(found->tokens + b * found->steps, expected,
                             (size_t)length * sizeof(int32_t));
        }
        reel_decoded_free(found);
    }
    expect_clean(t);
}

static reel_var ignore_the_label(void *self, reel_var tokens, reel_var state[])
{
    (void)self;
    (void)tokens;
    return state[0];
}

Test(decode_ctc, bad_arguments_of_transducer_decoding_are_named)
{
    reel_tape *t = new_tape();
    reel_var encoded = reel_param(t, "e", REEL_SHAPE(BATCH, TIMES, IN), reel_zeros());
    reel_decoder prediction = { .step = predict, .states = 1, .width = { 1 } };
    reel_joint joint = { .apply = join };
    const int32_t bad[] = { 1, 5 };
    reel_transducer_greedy_options options = { 0 };
    cr_expect_null(reel_transducer_greedy(t, prediction, joint, encoded, bad, NULL, options));
    expect_error(t, "lengths[1] = 5 is outside 0 … 4");
    cr_expect_null(
        reel_transducer_greedy(t, prediction, (reel_joint){ 0 }, encoded, NULL, NULL, options));
    expect_error(t, "the joint network has no function");
    cr_expect_null(
        reel_transducer_greedy(t, prediction, joint, reel_at(encoded, 0), NULL, NULL, options));
    expect_error(t, "encoded is [4,2], expected [batch, steps, n], none empty");
    options.max_symbols = -1;
    cr_expect_null(reel_transducer_greedy(t, prediction, joint, encoded, NULL, NULL, options));
    expect_error(t, "max_symbols is -1");
    options = (reel_transducer_greedy_options){ .blank = 9 };
    cr_expect_null(reel_transducer_greedy(t, prediction, joint, encoded, NULL, NULL, options));
    expect_error(t, "index 9");
    prediction.step = ignore_the_label;
    cr_expect_null(reel_transducer_greedy(t, prediction, joint, encoded, NULL, NULL, options));
    expect_error(t, "transducer_greedy at decode_ctc.c:");
    cr_expect_null(reel_transducer_greedy(t, prediction, joint, encoded, NULL, NULL, options));
    expect_error(t, "blank = 9 is outside 0 … 3");
    expect_clean(t);
}
