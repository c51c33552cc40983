/* Outputs for many classes: adaptive softmax against PyTorch (golden/outputs.py), the rest against
 * sums over all classes. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "graph/tape.h"
#include "layers/huffman.h"
#include "support/golden_cells.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void expect_near(double distance, const char *name, const char *what)
{
    cr_expect(distance <= 1e-12, "%s, %s: off by %g", name, what, distance);
}

static void expect_all_gradients(reel_tape *t, golden_case at)
{
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var parameter = reel_param_at(t, i);
        expect_near(golden_gradient_distance(at, parameter), at.name, reel_param_name(parameter));
    }
}

static const reel_class_loss_options plain = { 0 };

/* ---- adaptive softmax ------------------------------------------------------------------------ */

static void expect_adaptive(const char *name, int64_t classes, int clusters, const int64_t *cutoffs,
                            reel_adaptive_softmax_options options)
{
    reel_tape *t = new_tape();
    golden_case at = { "outputs.txt", name };
    reel_class_output out = reel_adaptive_softmax(t, "a", 8, classes, clusters, cutoffs, options);
    golden_write_params(t, at);
    reel_var x = golden_param(t, at, "x");
    reel_var loss = reel_class_loss(x, golden_indices(t, at, "targets"), out, plain);
    reel_backward(loss);
    expect_near(golden_distance(at, "loss", loss), name, "loss");
    expect_near(golden_distance(at, "log_p", reel_class_log_probabilities(x, out)), name, "log p");
    expect_all_gradients(t, at);
    expect_clean(t);
}

Test(outputs, adaptive_softmax_is_torchs)
{
    expect_adaptive("adaptive", 12, 2, (const int64_t[]){ 3, 7 },
                    (reel_adaptive_softmax_options){ 0 });
    expect_adaptive("adaptive_bias", 9, 1, (const int64_t[]){ 4 },
                    (reel_adaptive_softmax_options){ .div_value = 2, .head_bias = true });
    expect_adaptive("adaptive_many", 10, 3, (const int64_t[]){ 1, 2, 4 },
                    (reel_adaptive_softmax_options){ .div_value = 2 });
    expect_adaptive("adaptive_head_only", 6, 1, (const int64_t[]){ 3 },
                    (reel_adaptive_softmax_options){ 0 });
}

Test(outputs, the_structure_of_adaptive_softmax_hardly_depends_on_the_targets)
{
    const int64_t cutoffs[] = { 2, 4 };
    const int32_t first[] = { 0, 1, 2, 3, 4, 5 }, second[] = { 5, 5, 5, 0, 0, 2 };
    reel_tape *t = new_tape();
    reel_class_output out =
        reel_adaptive_softmax(t, "a", 8, 6, 2, cutoffs, (reel_adaptive_softmax_options){ 0 });
    uint64_t hash[2];
    for (int i = 0; i < 2; i++) {
        reel_rewind(t);
        reel_var targets = reel_indices(t, REEL_SHAPE(6), i ? second : first);
        reel_class_loss(reel_fill(t, REEL_SHAPE(6, 8), 1), targets, out, plain);
        hash[i] = reel_structure_hash(t);
    }
    cr_expect_eq(hash[0], hash[1]);
    expect_clean(t);
}

/* ---- every output for many classes ----------------------------------------------------------- */

enum { CLASSES = 7, IN = 3, ROWS = 4, OUTPUTS = 5 };

static const double counts[CLASSES] = { 50, 20, 20, 5, 3, 1, 1 };

static reel_class_output output(reel_tape *t, int which)
{
    reel_sampled_options few = { .samples = 5 }, counted = { .samples = 5, .distribution = counts };
    switch (which) {
    case 0:
        return reel_adaptive_softmax(t, "o", IN, CLASSES, 2, (const int64_t[]){ 2, 4 },
                                     (reel_adaptive_softmax_options){ .div_value = 1.5 });
    case 1:
        return reel_hierarchical_softmax(t, "o", IN, CLASSES, counts);
    case 2:
        return reel_hierarchical_softmax(t, "o", IN, CLASSES, NULL);
    case 3:
        return reel_sampled_softmax(t, "o", IN, CLASSES, few);
    default:
        return reel_nce(t, "o", IN, CLASSES, counted);
    }
}

static reel_var add_x(reel_tape *t)
{
    return reel_param(t, "x", REEL_SHAPE(2, ROWS / 2, IN), reel_normal(0, 1));
}

static void spread(reel_tape *t, double scale)
{
    double numbers[CLASSES * (IN + 2)];
    for (size_t p = 0; p < reel_param_count(t); p++) {
        reel_var v = reel_param_at(t, p);
        size_t n = (size_t)reel_shape_size(reel_shape_of(v));
        for (size_t i = 0; i < n; i++) {
            numbers[i] = scale * sin(1.7 * (double)(i + 3 * p) + 0.3);
        }
        cr_assert_eq(reel_write_param_f64(v, numbers, n), REEL_OK);
    }
}

Test(outputs, probabilities_sum_to_one_and_the_loss_is_the_targets)
{
    for (int which = 0; which < OUTPUTS; which++) {
        reel_tape *t = new_tape();
        reel_set_training(t, false);
        reel_class_output out = output(t, which);
        reel_var x = add_x(t);
        spread(t, 1.5);
        double log_p[ROWS * CLASSES];
        reel_var all = reel_class_log_probabilities(x, out);
        cr_assert_eq(reel_read_f64(all, log_p, ROWS * CLASSES), REEL_OK, "%s", reel_tape_error(t));
        for (int row = 0; row < ROWS; row++) {
            double sum = 0;
            for (int k = 0; k < CLASSES; k++) {
                sum += exp(log_p[row * CLASSES + k]);
            }
            cr_expect_float_eq(sum, 1, 1e-13, "output %d: %g", which, sum);
        }
        for (int32_t k = 0; k < CLASSES; k++) {
            const int32_t targets[ROWS] = { k, (k + 1) % CLASSES, 0, k };
            double expected = 0;
            for (int row = 0; row < ROWS; row++) {
                expected -= log_p[row * CLASSES + targets[row]] / ROWS;
            }
            reel_var loss =
                reel_class_loss(x, reel_indices(t, REEL_SHAPE(2, 2), targets), out, plain);
            cr_expect_float_eq(reel_item(loss), expected, 1e-13, "output %d, class %d", which, k);
        }
        expect_clean(t);
    }
}

static reel_var loss_of_output(reel_tape *t, void *self)
{
    const int32_t targets[ROWS] = { 6, 0, 3, 1 };
    const float mask[ROWS] = { 1, 0.5f, 0, 2 };
    reel_class_loss_options options = { .mask = reel_input(t, REEL_SHAPE(2, 2), mask) };
    t->stream = 11; /* the same samples in every recording */
    return reel_class_loss(reel_find_param(t, "x"), reel_indices(t, REEL_SHAPE(2, 2), targets),
                           *(reel_class_output *)self, options);
}

Test(outputs, first_and_second_derivatives_of_every_output_are_right)
{
    for (int which = 0; which < OUTPUTS; which++) {
        reel_tape *t = new_tape();
        reel_class_output out = output(t, which);
        add_x(t);
        reel_gradcheck_report report;
        bool passed =
            reel_gradcheck(t, loss_of_output, &out,
                           (reel_gradcheck_options){ .order = 2, .directions = 6 }, &report);
        cr_expect(passed, "output %d: %zu of %zu differ, worst %g (%s)", which, report.failed,
                  report.compared, report.worst_relative_error, report.message);
        expect_clean(t);
    }
}

Test(outputs, nothing_gets_out_of_a_masked_position)
{
    for (int which = 0; which < OUTPUTS; which++) {
        double loss[2], gradient[2][ROWS * IN];
        for (int i = 0; i < 2; i++) {
            reel_tape *t = new_tape();
            reel_class_output out = output(t, which);
            reel_var x = add_x(t);
            double numbers[ROWS * IN] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1 };
            numbers[6] = numbers[7] = numbers[8] = i ? NAN : 0;
            reel_write_param_f64(x, numbers, ROWS * IN);
            reel_var v = loss_of_output(t, &out);
            reel_backward(v);
            loss[i] = reel_item(v);
            reel_read_grad_f64(x, gradient[i], ROWS * IN);
            cr_expect(isfinite(loss[i]) && gradient[i][7] == 0, "output %d", which);
            expect_clean(t);
        }
        cr_expect_eq(loss[0], loss[1]);
        cr_expect_arr_eq(gradient[0], gradient[1], sizeof gradient[0]);
    }
}

Test(outputs, a_loss_of_no_positions_is_zero)
{
    for (int which = 0; which < OUTPUTS; which++) {
        reel_tape *t = new_tape();
        reel_class_output out = output(t, which);
        reel_var none = reel_fill(t, REEL_SHAPE(0, IN), 0);
        reel_var loss = reel_class_loss(none, reel_indices(t, REEL_SHAPE(0), NULL), out, plain);
        cr_expect_eq(reel_item(loss), 0);
        const int32_t targets[] = { 0, 1 };
        reel_class_loss_options nothing = { .mask = reel_fill(t, REEL_SHAPE(2), 0) };
        loss = reel_class_loss(reel_fill(t, REEL_SHAPE(2, IN), 1),
                               reel_indices(t, REEL_SHAPE(2), targets), out, nothing);
        cr_expect_eq(reel_item(loss), 0);
        expect_clean(t);
    }
}

/* ---- the tree -------------------------------------------------------------------------------- */

static int64_t length_of_code(const reel__code *code, int64_t k)
{
    int64_t length = 0;
    while (length < code->depth && code->turn[k * code->depth + length] != 0) {
        length++;
    }
    return length;
}

Test(outputs, huffmans_code_is_as_long_as_counts_say)
{
    /* a textbook's example (Cormen et al. 2009, section 16.3) */
    const double frequency[] = { 45, 13, 12, 16, 9, 5 };
    const int64_t expected[] = { 1, 3, 3, 3, 4, 4 };
    reel_tape *t = new_tape();
    reel__code code;
    cr_assert(reel__huffman(t, 6, frequency, &code));
    cr_expect_eq(code.depth, 4);
    for (int k = 0; k < 6; k++) {
        cr_expect_eq(length_of_code(&code, k), expected[k]);
    }
    cr_assert(reel__huffman(t, 1000, NULL, &code));
    cr_expect_eq(code.depth, 10);
    cr_expect_geq(length_of_code(&code, 500), 9);
    cr_assert(reel__huffman(t, 2, NULL, &code));
    cr_expect_eq(code.depth, 1);
    expect_clean(t);
}

/* ---- sampled losses -------------------------------------------------------------------------- */

/* One row x = 1 and W = 0: the logits are the biases. */
static reel_var biased_loss(reel_tape *t, reel_class_output out, int32_t target)
{
    return reel_class_loss(reel_fill(t, REEL_SHAPE(1, IN), 1),
                           reel_indices(t, REEL_SHAPE(1), &target), out, plain);
}

static const double biases[CLASSES] = { 0.5, -1, 2, 0.1, 1.5, -0.3, 1 };

static void set_biases(reel_tape *t)
{
    static const double zeros[CLASSES * IN] = { 0 };
    reel_write_param_f64(reel_find_param(t, "o.W"), zeros, CLASSES * IN);
    reel_write_param_f64(reel_find_param(t, "o.b"), biases, CLASSES);
}

static double total(void)
{
    double sum = 0;
    for (int k = 0; k < CLASSES; k++) {
        sum += exp(biases[k]);
    }
    return sum;
}

/* log-uniform as written down, and counts */
static double q(bool counted, int k)
{
    return counted ? counts[k] / 100 : log((k + 2.0) / (k + 1.0)) / log(CLASSES + 1.0);
}

Test(outputs, the_sum_of_sampled_softmax_is_on_average_the_whole_sum)
{
    for (int counted = 0; counted < 2; counted++) {
        reel_tape *t = new_tape();
        reel_sampled_options options = { .samples = 20, .distribution = counted ? counts : NULL };
        reel_class_output out = reel_sampled_softmax(t, "o", IN, CLASSES, options);
        set_biases(t);
        double mean = 0, variance = 0;
        enum { DRAWS = 2000 };
        for (int k = 0; k < CLASSES; k++) {
            double share = k == 4 ? 0 : exp(biases[k]);
            variance += share * share / q(counted, k) / 20;
        }
        for (int i = 0; i < DRAWS; i++) {
            reel_rewind(t);
            mean += exp(reel_item(biased_loss(t, out, 4)) + biases[4]) / DRAWS;
        }
        cr_expect(fabs(mean - total()) < 3 * sqrt(variance / DRAWS), "%g, expected %g", mean,
                  total());
        expect_clean(t);
    }
}

Test(outputs, many_samples_give_the_full_softmaxs_loss_and_gradient)
{
    reel_tape *t = new_tape();
    reel_class_output out =
        reel_sampled_softmax(t, "o", IN, CLASSES, (reel_sampled_options){ .samples = 50000 });
    set_biases(t);
    reel_var loss = biased_loss(t, out, 1);
    reel_backward(loss);
    double gradient[CLASSES];
    cr_expect_float_eq(reel_item(loss), log(total()) - biases[1], 0.02);
    reel_read_grad_f64(reel_find_param(t, "o.b"), gradient, CLASSES);
    for (int k = 0; k < CLASSES; k++) {
        double expected = exp(biases[k]) / total() - (k == 1);
        cr_expect_float_eq(gradient[k], expected, 0.01, "[%d]: %g, expected %g", k, gradient[k],
                           expected);
    }
    expect_clean(t);
}

static double softplus(double z)
{
    return log1p(exp(z));
}

Test(outputs, noise_contrastive_estimation_is_on_average_what_enumeration_says)
{
    for (int counted = 0; counted < 2; counted++) {
        reel_tape *t = new_tape();
        enum { SAMPLES = 50000 };
        reel_sampled_options options = { .samples = SAMPLES,
                                         .distribution = counted ? counts : NULL };
        reel_class_output out = reel_nce(t, "o", IN, CLASSES, options);
        set_biases(t);
        double expected = softplus(log(SAMPLES * q(counted, 2)) - biases[2]), squares = 0;
        for (int k = 0; k < CLASSES; k++) {
            double of_class = softplus(biases[k] - log(SAMPLES * q(counted, k)));
            expected += SAMPLES * q(counted, k) * of_class;
            squares += SAMPLES * q(counted, k) * of_class * of_class;
        }
        double loss = reel_item(biased_loss(t, out, 2));
        cr_expect(fabs(loss - expected) < 3 * sqrt(squares), "%g, expected %g", loss, expected);
        expect_clean(t);
    }
}

Test(outputs, samples_differ_from_call_to_call_and_not_from_run_to_run)
{
    double loss[2][2];
    for (int run = 0; run < 2; run++) {
        reel_tape *t = new_tape();
        reel_class_output out =
            reel_sampled_softmax(t, "o", IN, CLASSES, (reel_sampled_options){ .samples = 3 });
        set_biases(t);
        loss[run][0] = reel_item(biased_loss(t, out, 1));
        loss[run][1] = reel_item(biased_loss(t, out, 1));
        expect_clean(t);
    }
    cr_expect_neq(loss[0][0], loss[0][1]);
    cr_expect_arr_eq(loss[0], loss[1], sizeof loss[0]);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "at outputs.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(outputs, bad_options_are_named)
{
    reel_tape *t = new_tape();
    const reel_adaptive_softmax_options none = { 0 };
    reel_adaptive_softmax(t, "a", 8, 10, 0, (const int64_t[]){ 3 }, none);
    expect_error(t, "0 clusters, must be 1 … 16");
    reel_adaptive_softmax(t, "a", 8, 10, 1, NULL, none);
    expect_error(t, "1 clusters without cutoffs");
    reel_adaptive_softmax(t, "a", 8, 10, 2, (const int64_t[]){ 3, 3 }, none);
    expect_error(t, "cutoffs[1] = 3 is outside 4 … 9");
    reel_adaptive_softmax(t, "a", 8, 10, 1, (const int64_t[]){ 10 }, none);
    expect_error(t, "cutoffs[0] = 10 is outside 1 … 9");
    reel_adaptive_softmax(t, "a", 8, 10, 1, (const int64_t[]){ 3 },
                          (reel_adaptive_softmax_options){ .div_value = 0.5 });
    expect_error(t, "div_value is 0.5, must be at least 1");
    reel_hierarchical_softmax(t, "a", 8, 1, NULL);
    expect_error(t, "classes is 1, must be at least 2");
    reel_hierarchical_softmax(t, "a", 8, 2, (const double[]){ 1, NAN });
    expect_error(t, "counts[1] is nan, must be at least 0");
    reel_sampled_softmax(t, "a", 8, 2, (reel_sampled_options){ .samples = -1 });
    expect_error(t, "samples is -1, must be at least 1");
    reel_nce(t, "a", 8, 2, (reel_sampled_options){ .distribution = (const double[]){ 1, 0 } });
    expect_error(t, "distribution[1] is 0, must be greater than 0");
    cr_expect_null(reel_nce(t, "a", 0, 2, (reel_sampled_options){ 0 }).loss);
    expect_error(t, "in is 0, must be at least 1");
    cr_expect_eq(reel_param_count(t), 0);
    expect_clean(t);
}

Test(outputs, bad_targets_and_shapes_are_named)
{
    for (int which = 0; which < OUTPUTS; which++) {
        reel_tape *t = new_tape();
        reel_class_output out = output(t, which);
        const int32_t targets[] = { 0, CLASSES }, negative[] = { 0, -1 };
        reel_var x = reel_fill(t, REEL_SHAPE(2, IN), 0);
        reel_class_loss(x, reel_indices(t, REEL_SHAPE(2), targets), out, plain);
        expect_error(t, "target 7 at position 1 is outside 0 … 6");
        reel_class_loss(x, reel_indices(t, REEL_SHAPE(2), negative), out, plain);
        expect_error(t, "target -1 at position 1 is outside 0 … 6");
        reel_class_loss(x, reel_indices(t, REEL_SHAPE(1, 2), negative), out, plain);
        expect_error(t, "targets is [1,2], expected [2]");
        reel_class_loss(x, reel_fill(t, REEL_SHAPE(2), 0), out, plain);
        expect_error(t, "targets are numbers, must be indices (reel_indices)");
        reel_class_loss(reel_fill(t, REEL_SHAPE(2, 5), 0), x, out, plain);
        expect_error(t, "x is [2,5], expected [..., 3]");
        reel_class_log_probabilities(reel_fill(t, REEL_SHAPE(2, 5), 0), out);
        expect_error(t, "x is [2,5], expected [..., 3]");
        reel_class_loss_options masked = { .mask = x };
        reel_class_loss(x, reel_indices(t, REEL_SHAPE(2), targets), out, masked);
        expect_error(t, "mask is [2,3], expected [2]");
        reel_class_loss(x, reel_indices(t, REEL_SHAPE(2), targets), (reel_class_output){ 0 },
                        plain);
        expect_error(t, "the output has no functions");
        expect_clean(t);
    }
}
