/* A transducer's greedy decoding against the walk over its lattice, its beam search against the sum
 * over all alignments of all labellings. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
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

/* ---- greedy --------------------------------------------------------------------------------- */

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

Test(decode_transducer, a_transducer_is_decoded_step_by_step_each_row_at_its_own_pace)
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

/* ---- beam search ---------------------------------------------------------------------------- */

enum { LONGEST = 6, LABELLINGS = 1093 }; /* of three labels, 0 … LONGEST of them */

typedef struct {
    int32_t label[LONGEST];
    int length;
    double p;
} labelling;

typedef struct {
    const double *encoded;
    int steps, most;
    const labelling *of;
} lattice;

/* The probability of label k, or the blank, at step t after the first u labels. */
static double p_of(const lattice *l, int t, int u, int k)
{
    double state = 0, total = 0;
    for (int i = 0; i <= u; i++) {
        state = 2 * state + (i ? l->of->label[i - 1] : BLANK) + 1;
    }
    for (int j = 0; j < WORDS; j++) {
        total += exp(joint_logit(l->encoded + t * IN, state, j));
    }
    return exp(joint_logit(l->encoded + t * IN, state, k)) / total;
}

/* Of all alignments from here, `symbols` labels having been put out at step t. */
static double rest(const lattice *l, int t, int u, int symbols)
{
    if (t == l->steps) {
        return u == l->of->length;
    }
    double p = p_of(l, t, u, BLANK) * rest(l, t + 1, u, 0);
    if (u < l->of->length && symbols < l->most) {
        p += p_of(l, t, u, l->of->label[u]) * rest(l, t, u + 1, symbols + 1);
    }
    return p;
}

static int likelier_first(const void *a, const void *b)
{
    double x = ((const labelling *)a)->p, y = ((const labelling *)b)->p;
    return (x < y) - (x > y);
}

/* Every labelling, the likeliest first. */
static void enumerate(const double *encoded, int steps, int most, labelling all[LABELLINGS])
{
    int count = 1;
    all[0] = (labelling){ .length = 0 };
    for (int i = 0; count < LABELLINGS; i++) {
        for (int32_t k = 1; k < WORDS; k++) {
            all[count] = all[i];
            all[count].label[all[count].length++] = k;
            count++;
        }
    }
    for (int i = 0; i < LABELLINGS; i++) {
        lattice l = { encoded, steps, most, &all[i] };
        all[i].p = rest(&l, 0, 0, 0);
    }
    qsort(all, LABELLINGS, sizeof *all, likelier_first);
}

static reel_decoded *search(reel_var encoded, const int32_t lengths[],
                            reel_transducer_beam_options options)
{
    reel_decoder prediction = { .step = predict, .states = 1, .width = { 1 } };
    return reel_transducer_beam(encoded.tape, prediction, (reel_joint){ .apply = join }, encoded,
                                lengths, NULL, options);
}

Test(decode_transducer, a_wide_beam_finds_the_likeliest_of_all_labellings_and_their_probabilities)
{
    enum { BEST = 6, STEPS = 3 };
    reel_tape *t = new_tape();
    double numbers[BATCH * STEPS * IN];
    const int32_t lengths[BATCH] = { STEPS, 2 };
    reel_var encoded = reel_param(t, "e", REEL_SHAPE(BATCH, STEPS, IN), reel_normal(0, 2));
    reel_read_f64(encoded, numbers, BATCH * STEPS * IN);
    static labelling all[LABELLINGS];
    for (int most = 1; most <= 2; most++) {
        reel_decoded *found =
            search(encoded, lengths,
                   (reel_transducer_beam_options){
                       .blank = BLANK, .max_symbols = most, .beams = LABELLINGS, .n_best = BEST });
        cr_assert(found, "%s", reel_tape_error(t));
        for (int i = 0; i < BATCH * BEST; i++) {
            int row = i / BEST;
            if (i % BEST == 0) {
                enumerate(numbers + row * STEPS * IN, lengths[row], most, all);
            }
            const labelling *expected = &all[i % BEST];
            cr_expect_float_eq(exp(found->log_probabilities[i]), expected->p, 1e-12,
                               "at most %d, row %d, best %d: %g, expected %g", most, row, i % BEST,
                               exp(found->log_probabilities[i]), expected->p);
            cr_assert_eq(found->lengths[i], expected->length);
            cr_expect_arr_eq(found->tokens + i * found->steps, expected->label,
                             (size_t)expected->length * sizeof(int32_t));
        }
        reel_decoded_free(found);
    }
    expect_clean(t);
}

Test(decode_transducer, a_narrow_beam_never_says_more_than_the_whole_and_grows_towards_it)
{
    enum { STEPS = 3 };
    reel_tape *t = new_tape();
    double numbers[STEPS * IN], before = -INFINITY;
    reel_var encoded = reel_param(t, "e", REEL_SHAPE(1, STEPS, IN), reel_normal(0, 1));
    reel_read_f64(encoded, numbers, STEPS * IN);
    for (int beams = 1; beams <= 256; beams *= 4) {
        reel_decoded *found = search(
            encoded, NULL, (reel_transducer_beam_options){ .max_symbols = 2, .beams = beams });
        cr_assert(found, "%s", reel_tape_error(t));
        labelling one = { .length = (int)found->lengths[0] };
        memcpy(one.label, found->tokens, (size_t)one.length * sizeof *one.label);
        lattice l = { numbers, STEPS, 2, &one };
        double log_p = found->log_probabilities[0];
        cr_expect_leq(log_p, log(rest(&l, 0, 0, 0)) + 1e-12);
        cr_expect_geq(log_p, before - 1e-12, "%d beams: %g after %g", beams, log_p, before);
        before = log_p;
        reel_decoded_free(found);
    }
    expect_clean(t);
}

Test(decode_transducer, a_row_in_a_batch_is_searched_as_if_alone)
{
    reel_tape *t = new_tape();
    double numbers[BATCH * TIMES * IN];
    const int32_t lengths[BATCH] = { 2, TIMES };
    reel_var encoded = reel_param(t, "e", REEL_SHAPE(BATCH, TIMES, IN), reel_normal(0, 2));
    reel_read_f64(encoded, numbers, BATCH * TIMES * IN);
    reel_transducer_beam_options options = { .beams = 3, .n_best = 3, .per_label = true };
    reel_decoded *both = search(encoded, lengths, options);
    cr_assert(both, "%s", reel_tape_error(t));
    for (int row = 0; row < BATCH; row++) {
        reel_shape shape = REEL_SHAPE(1, lengths[row], IN);
        reel_var alone = reel_input_f64(t, shape, numbers + row * TIMES * IN);
        reel_decoded *one = search(alone, NULL, options);
        cr_assert(one, "%s", reel_tape_error(t));
        for (int i = 0; i < 3; i++) {
            int at = row * 3 + i;
            cr_assert_eq(both->lengths[at], one->lengths[i]);
            cr_expect_arr_eq(both->tokens + at * both->steps, one->tokens + i * one->steps,
                             (size_t)(one->lengths[i] > 0 ? one->lengths[i] : 0) * sizeof(int32_t));
            cr_expect_float_eq(both->log_probabilities[at], one->log_probabilities[i], 1e-12);
            double per_label = one->log_probabilities[i] / fmax(1, (double)one->lengths[i]);
            cr_expect_float_eq(one->scores[i], per_label, 1e-12);
            cr_expect(i == 0 || one->scores[i] <= one->scores[i - 1]);
        }
        reel_decoded_free(one);
    }
    reel_decoded_free(both);
    expect_clean(t);
}

Test(decode_transducer, without_steps_there_is_the_empty_labelling_alone)
{
    reel_tape *t = new_tape();
    const int32_t lengths[BATCH] = { 0, 1 };
    reel_var encoded = reel_param(t, "e", REEL_SHAPE(BATCH, TIMES, IN), reel_normal(0, 2));
    reel_decoded *found = search(encoded, lengths, (reel_transducer_beam_options){ .n_best = 2 });
    cr_assert(found, "%s", reel_tape_error(t));
    cr_expect_eq(found->lengths[0], 0);
    cr_expect_eq(found->log_probabilities[0], 0);
    cr_expect_eq(found->lengths[1], -1, "there is no second one");
    reel_decoded_free(found);
    expect_clean(t);
}

/* ---- misuse --------------------------------------------------------------------------------- */

static reel_var ignore_the_label(void *self, reel_var tokens, reel_var state[])
{
    (void)self;
    (void)tokens;
    return state[0];
}

Test(decode_transducer, bad_arguments_of_transducer_decoding_are_named)
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
    expect_error(t, "transducer_greedy at decode_transducer.c:");
    cr_expect_null(reel_transducer_greedy(t, prediction, joint, encoded, NULL, NULL, options));
    expect_error(t, "blank = 9 is outside 0 … 3");
    expect_clean(t);
}

Test(decode_transducer, bad_arguments_of_beam_search_are_named)
{
    reel_tape *t = new_tape();
    reel_var encoded = reel_param(t, "e", REEL_SHAPE(BATCH, TIMES, IN), reel_zeros());
    cr_expect_null(search(encoded, NULL, (reel_transducer_beam_options){ .beams = -1 }));
    expect_error(t, "transducer_beam at decode_transducer.c:");
    cr_expect_null(search(encoded, NULL, (reel_transducer_beam_options){ .beams = 100000 }));
    expect_error(t, "beams is 100000, must be in 1 … 65536");
    cr_expect_null(
        search(encoded, NULL, (reel_transducer_beam_options){ .beams = 2, .n_best = 3 }));
    expect_error(t, "n_best is 3, must be in 1 … 2");
    cr_expect_null(search(encoded, NULL, (reel_transducer_beam_options){ .max_symbols = -2 }));
    expect_error(t, "max_symbols is -2, must be at least 1");
    cr_expect_null(search(
        encoded, NULL, (reel_transducer_beam_options){ .beams = 65536, .max_symbols = 1 << 20 }));
    expect_error(t, "65536 beams with 1048576 symbols a step are too many for a batch of 2");
    cr_expect_null(search(encoded, NULL, (reel_transducer_beam_options){ .blank = -1 }));
    expect_error(t, "index -1");
    const int32_t bad[] = { -1, 2 };
    cr_expect_null(search(encoded, bad, (reel_transducer_beam_options){ 0 }));
    expect_error(t, "lengths[0] = -1 is outside 0 … 4");
    cr_expect_eq(reel_item(reel_scalar(t, 2)), 2, "the tape is usable");
    expect_clean(t);
}
