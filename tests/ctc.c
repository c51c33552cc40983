/* CTC against PyTorch (golden/sequence_losses.py), against the sum over all paths, and its
 * edges. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

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
    cr_expect(distance <= 1e-11, "%s, %s: off by %g", name, what, distance);
}

/* ---- against PyTorch ----------------------------------------------------------------------- */

static void read_lengths(golden_case at, const char *label, int32_t *out)
{
    golden_row row;
    cr_assert(golden_find(at.file, at.name, label, &row));
    for (size_t i = 0; i < row.count; i++) {
        out[i] = (int32_t)row.values[i];
    }
    golden_free(&row);
}

static void expect_ctc(const char *name, reel_ctc_options options)
{
    reel_tape *t = new_tape();
    golden_case at = { "sequence_losses.txt", name };
    int32_t inputs[8], targets[8];
    read_lengths(at, "input_lengths", inputs);
    read_lengths(at, "target_lengths", targets);
    reel_var logits = golden_param(t, at, "logits");
    reel_var loss = reel_ctc(logits, golden_indices(t, at, "targets"), inputs, targets, options);
    reel_var weighted = loss;
    if (golden_has(at, "upstream")) {
        weighted = reel_sum_all(reel_mul(loss, golden_input(t, at, "upstream")));
    }
    reel_backward(weighted);
    expect_near(golden_distance(at, "loss", loss), name, "loss");
    expect_near(golden_gradient_distance(at, logits), name, "gradient");
    expect_clean(t);
}

Test(ctc, losses_and_gradients_are_torchs)
{
    expect_ctc("ctc_mean", (reel_ctc_options){ 0 });
    expect_ctc("ctc_sum", (reel_ctc_options){ .reduction = REEL_REDUCE_SUM });
    expect_ctc("ctc_none", (reel_ctc_options){ .reduction = REEL_REDUCE_NONE });
    expect_ctc("ctc_blank_last", (reel_ctc_options){ .blank = 4, .reduction = REEL_REDUCE_SUM });
    expect_ctc("ctc_tight", (reel_ctc_options){ 0 });
    expect_ctc("ctc_zero_infinity", (reel_ctc_options){ .zero_infinity = true });
    expect_ctc("ctc_zero_infinity_sum",
               (reel_ctc_options){ .zero_infinity = true, .reduction = REEL_REDUCE_SUM });
    expect_ctc("ctc_long", (reel_ctc_options){ 0 });
}

/* ---- against all paths --------------------------------------------------------------------- */

#define STEPS 5
#define LABELS 3

static bool spells(const int *path, int steps, const int32_t *target, int length)
{
    int found = 0, last = 0;
    for (int t = 0; t < steps; t++) {
        if (path[t] != 0 && path[t] != last) {
            if (found == length || target[found] != path[t]) {
                return false;
            }
            found++;
        }
        last = path[t];
    }
    return found == length;
}

/* The probability of the target, summed over all LABELS^steps paths. */
static double enumerate(const double p[][LABELS], int steps, const int32_t *target, int length)
{
    int paths = 1, path[STEPS];
    double total = 0;
    for (int t = 0; t < steps; t++) {
        paths *= LABELS;
    }
    for (int i = 0; i < paths; i++) {
        double product = 1;
        for (int t = 0, rest = i; t < steps; t++, rest /= LABELS) {
            path[t] = rest % LABELS;
            product *= p[t][path[t]];
        }
        total += spells(path, steps, target, length) ? product : 0;
    }
    return total;
}

static double loss_of(reel_tape *t, const double p[][LABELS], int32_t steps, const int32_t *target,
                      int32_t length)
{
    double log_p[STEPS * LABELS];
    for (int i = 0; i < STEPS * LABELS; i++) {
        log_p[i] = log(p[i / LABELS][i % LABELS]);
    }
    reel_var x = reel_input_f64(t, REEL_SHAPE(STEPS, 1, LABELS), log_p);
    reel_var loss =
        reel_ctc(x, reel_indices(t, REEL_SHAPE(1, STEPS), target), &steps, &length,
                 (reel_ctc_options){ .log_probabilities = true, .reduction = REEL_REDUCE_NONE });
    double value = NAN;
    reel_read_f64(loss, &value, 1);
    return value;
}

Test(ctc, the_loss_is_minus_log_of_the_sum_over_all_paths)
{
    static const double p[STEPS][LABELS] = { { 0.5, 0.3, 0.2 },
                                             { 0.1, 0.6, 0.3 },
                                             { 0.2, 0.2, 0.6 },
                                             { 0.7, 0.1, 0.2 },
                                             { 0.4, 0.4, 0.2 } };
    reel_tape *t = new_tape();
    for (int32_t steps = 0; steps <= STEPS; steps++) {
        for (int length = 0; length <= STEPS; length++) {
            for (int code = 0; code < 1 << length; code++) {
                int32_t target[STEPS] = { 0 };
                for (int i = 0; i < length; i++) {
                    target[i] = 1 + (code >> i & 1);
                }
                double expected = -log(enumerate(p, steps, target, length));
                double loss = loss_of(t, p, steps, target, length);
                cr_expect(loss == expected || fabs(loss - expected) < 1e-12,
                          "%d steps, %d labels, code %d: %g, expected %g", steps, length, code,
                          loss, expected);
                reel_rewind(t);
            }
        }
    }
    expect_clean(t);
}

Test(ctc, a_probability_of_0_is_no_obstacle)
{
    static const double p[STEPS][LABELS] = {
        { 0, 1, 0 }, { 0.5, 0, 0.5 }, { 0.2, 0.2, 0.6 }, { 1, 0, 0 }, { 0, 0.4, 0.6 }
    };
    reel_tape *t = new_tape();
    const int32_t target[STEPS] = { 1, 2, 2 };
    double loss = loss_of(t, p, STEPS, target, 3);
    cr_expect_float_eq(loss, -log(enumerate(p, STEPS, target, 3)), 1e-12, "%g", loss);
    expect_clean(t);
}

/* ---- edges --------------------------------------------------------------------------------- */

static void expect_zero_gradient(reel_var v, size_t begin, size_t end)
{
    double gradient[256];
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    cr_assert_eq(reel_read_grad_f64(v, gradient, n), REEL_OK, "%s", reel_tape_error(v.tape));
    for (size_t i = begin; i < end; i++) {
        cr_expect_eq(gradient[i], 0, "[%zu]: %g", i, gradient[i]);
    }
}

Test(ctc, a_target_that_does_not_fit_costs_infinity_and_gives_zero_gradient)
{
    const int32_t label[] = { 1, 1, 1 };
    for (int zero = 0; zero < 2; zero++) {
        reel_tape *t = new_tape();
        reel_var x = reel_param(t, "x", REEL_SHAPE(4, 1, 3), reel_normal(0, 1));
        reel_var loss = reel_ctc(x, reel_indices(t, REEL_SHAPE(1, 3), label), NULL, NULL,
                                 (reel_ctc_options){ .zero_infinity = zero });
        reel_backward(loss);
        cr_expect_eq(reel_item(loss), zero ? 0 : INFINITY);
        expect_zero_gradient(x, 0, 12);
        expect_clean(t);
    }
}

Test(ctc, padding_never_gets_in_even_as_NaN)
{
    reel_tape *t = new_tape();
    reel_var x = reel_param(t, "x", REEL_SHAPE(6, 2, 3), reel_normal(0, 1));
    double numbers[36];
    reel_read_f64(x, numbers, 36);
    for (int i = 0; i < 9; i++) {
        numbers[18 + 6 * (i / 3) + i % 3] = NAN; /* row 0 from step 3 on */
    }
    reel_write_param_f64(x, numbers, 36);
    const int32_t label[] = { 2, -7, 1, 2 }, steps[] = { 3, 6 }, lengths[] = { 1, 2 };
    reel_ctc_options options = { .reduction = REEL_REDUCE_SUM };
    reel_var padded =
        reel_ctc(x, reel_indices(t, REEL_SHAPE(2, 2), label), steps, lengths, options);
    reel_var first = reel_slice(reel_slice(x, 0, 0, 3), 1, 0, 1), second = reel_slice(x, 1, 1, 2);
    reel_var alone = reel_ctc(first, reel_indices(t, REEL_SHAPE(1, 1), label), NULL, NULL, options);
    alone = reel_add(
        alone, reel_ctc(second, reel_indices(t, REEL_SHAPE(1, 2), label + 2), NULL, NULL, options));
    cr_expect_float_eq(reel_item(padded), reel_item(alone), 1e-12);
    reel_backward(padded);
    expect_zero_gradient(x, 18, 21);
    expect_zero_gradient(x, 30, 33);
    expect_clean(t);
}

Test(ctc, no_steps_and_no_labels_are_legal)
{
    reel_tape *t = new_tape();
    reel_var none = reel_param(t, "none", REEL_SHAPE(0, 2, 3), reel_zeros());
    reel_var x = reel_param(t, "x", REEL_SHAPE(2, 2, 3), reel_zeros());
    reel_ctc_options options = { .reduction = REEL_REDUCE_SUM };
    reel_var empty = reel_indices(t, REEL_SHAPE(2, 0), NULL);
    cr_expect_eq(reel_item(reel_ctc(none, empty, NULL, NULL, options)), 0);
    double blanks = reel_item(reel_ctc(x, empty, NULL, NULL, options));
    cr_expect_float_eq(blanks, 4 * log(3), 1e-12);
    expect_clean(t);
}

/* ---- derivatives --------------------------------------------------------------------------- */

static reel_var some_ctc(reel_tape *t, void *self)
{
    (void)self;
    const int32_t label[] = { 1, 1, 2, 2, 1, 0, 3, 3, 3 }, steps[] = { 6, 4, 4 },
                  lengths[] = { 3, 2, 3 };
    const double upstream[] = { 1.5, -0.5, 1 };
    reel_var losses =
        reel_ctc(reel_find_param(t, "x"), reel_indices(t, REEL_SHAPE(3, 3), label), steps, lengths,
                 (reel_ctc_options){ .reduction = REEL_REDUCE_NONE, .zero_infinity = true });
    return reel_sum_all(reel_mul(losses, reel_input_f64(t, REEL_SHAPE(3), upstream)));
}

Test(ctc, first_and_second_derivatives_are_right)
{
    for (int flat = 0; flat < 2; flat++) { /* equal logits: ties everywhere */
        reel_tape *t = new_tape();
        reel_param(t, "x", REEL_SHAPE(6, 3, 4), flat ? reel_zeros() : reel_normal(0, 1));
        reel_gradcheck_report report;
        bool passed =
            reel_gradcheck(t, some_ctc, NULL, (reel_gradcheck_options){ .order = 2 }, &report);
        cr_expect(passed, "%zu of %zu differ, worst %g (%s)", report.failed, report.compared,
                  report.worst_relative_error, report.message);
        expect_clean(t);
    }
}

/* ---- misuse -------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "ctc at ctc.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(ctc, bad_arguments_are_named_and_the_tape_goes_on)
{
    reel_tape *t = new_tape();
    const int32_t label[] = { 1, 2, 3, 1 }, good[] = { 2, 2 }, bad[] = { 2, 9 },
                  minus[] = { -1, 2 };
    reel_ctc_options options = { 0 };
    reel_var x = reel_param(t, "x", REEL_SHAPE(5, 2, 4), reel_normal(0, 1));
    reel_var targets = reel_indices(t, REEL_SHAPE(2, 2), label);
    reel_ctc(x, targets, bad, good, options);
    expect_error(t, "input_lengths[1] = 9 is outside 0 … 5");
    reel_ctc(x, targets, minus, good, options);
    expect_error(t, "input_lengths[0] = -1 is outside 0 … 5");
    reel_ctc(x, targets, good, bad, options);
    expect_error(t, "target_lengths[1] = 9 is outside 0 … 2");
    reel_ctc(x, reel_indices(t, REEL_SHAPE(1, 4), label), good, NULL, options);
    expect_error(t, "targets are [1,4], expected [batch, longest] = [2,4]");
    reel_ctc(x, reel_indices(t, REEL_SHAPE(4), label), good, NULL, options);
    expect_error(t, "targets are [4], expected [batch, longest]");
    reel_ctc(x, reel_fill(t, REEL_SHAPE(2, 2), 1), good, good, options);
    expect_error(t, "targets are numbers, must be indices (reel_indices)");
    reel_ctc(x, targets, good, good, (reel_ctc_options){ .blank = 3 });
    expect_error(t, "targets[1,0] = 3 is the blank");
    reel_ctc(x, targets, good, good, (reel_ctc_options){ .blank = 4 });
    expect_error(t, "blank = 4 is outside 0 … 3");
    reel_ctc(reel_slice(x, 2, 0, 3), targets, good, good, options);
    expect_error(t, "targets[1,0] = 3 is outside 0 … 2");
    reel_ctc(reel_at(x, 0), targets, good, good, options);
    expect_error(t, "logits are [2,4], expected [steps, batch, labels]");
    reel_ctc(reel_fill(t, REEL_SHAPE(5, 0, 4), 0), reel_indices(t, REEL_SHAPE(0, 2), NULL), NULL,
             NULL, options);
    expect_error(t, "the batch is empty: logits are [5,0,4]");
    reel_ctc(x, targets, good, good, (reel_ctc_options){ .reduction = (reel_reduction)7 });
    expect_error(t, "reduction 7 is none of REEL_REDUCE_…");
    cr_expect(isfinite(reel_item(reel_ctc(x, targets, NULL, NULL, options))));
    expect_clean(t);
}
