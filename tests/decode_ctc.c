/* CTC's best path and prefix beam search against the sum over all paths. */
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
