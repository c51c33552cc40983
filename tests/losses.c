/* Losses against PyTorch (golden/losses.py), and what PyTorch has no numbers for. */
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
    cr_expect(distance <= 1e-12, "%s, %s: off by %g", name, what, distance);
}

/* ---- against PyTorch ----------------------------------------------------------------------- */

static void expect_cross_entropy(const char *name, reel_cross_entropy_options options)
{
    reel_tape *t = new_tape();
    golden_case at = { "losses.txt", name };
    reel_var logits = golden_param(t, at, "logits"), targets = golden_indices(t, at, "targets");
    if (golden_has(at, "class_weights")) {
        options.class_weights = golden_input(t, at, "class_weights");
    }
    if (golden_has(at, "mask")) {
        options.mask = golden_input(t, at, "mask");
    }
    reel_var loss = reel_cross_entropy_ex(logits, targets, options);
    reel_backward(loss);
    expect_near(golden_distance(at, "loss", loss), name, "loss");
    expect_near(golden_gradient_distance(at, logits), name, "gradient");
    expect_clean(t);
}

#define IGNORING .ignore = true, .ignore_index = -100

Test(losses, cross_entropy_is_torchs_with_every_option)
{
    expect_cross_entropy("cross_entropy", (reel_cross_entropy_options){ 0 });
    expect_cross_entropy("cross_entropy_sum", (reel_cross_entropy_options){ .sum = true });
    expect_cross_entropy("cross_entropy_one_row", (reel_cross_entropy_options){ 0 });
    expect_cross_entropy("cross_entropy_ignore", (reel_cross_entropy_options){ IGNORING });
    expect_cross_entropy("cross_entropy_smooth",
                         (reel_cross_entropy_options){ .label_smoothing = 0.1 });
    expect_cross_entropy("cross_entropy_smooth_ignore",
                         (reel_cross_entropy_options){ IGNORING, .label_smoothing = 0.2 });
    expect_cross_entropy("cross_entropy_weights", (reel_cross_entropy_options){ 0 });
    expect_cross_entropy("cross_entropy_weights_ignore", (reel_cross_entropy_options){ IGNORING });
    expect_cross_entropy("cross_entropy_all_options",
                         (reel_cross_entropy_options){ IGNORING, .label_smoothing = 0.3 });
    expect_cross_entropy(
        "cross_entropy_all_options_sum",
        (reel_cross_entropy_options){ IGNORING, .label_smoothing = 0.3, .sum = true });
    expect_cross_entropy("cross_entropy_mask", (reel_cross_entropy_options){ 0 });
    expect_cross_entropy("cross_entropy_extreme", (reel_cross_entropy_options){ 0 });
}

static reel_var huber_of_0_7(reel_var prediction, reel_var target)
{
    return reel_huber(prediction, target, 0.7);
}

static void expect_pairwise(const char *name, reel_var (*loss_of)(reel_var, reel_var))
{
    reel_tape *t = new_tape();
    golden_case at = { "losses.txt", name };
    reel_var prediction = golden_param(t, at, "prediction"), target = golden_param(t, at, "target");
    reel_var loss = loss_of(prediction, target);
    reel_backward(loss);
    expect_near(golden_distance(at, "loss", loss), name, "loss");
    expect_near(golden_gradient_distance(at, prediction), name, "gradient");
    expect_near(golden_gradient_distance(at, target), name, "gradient of the target");
    expect_clean(t);
}

Test(losses, regression_losses_are_torchs)
{
    expect_pairwise("mse", reel_mse);
    expect_pairwise("mae", reel_mae);
    expect_pairwise("huber", huber_of_0_7);
    expect_pairwise("binary", reel_binary_cross_entropy_with_logits);
}

/* ---- what does not count ------------------------------------------------------------------- */

static const double logits_with_nan[] = { 1, 2, 0.5, NAN, INFINITY, -INFINITY, -1, 3, 0 };

static void expect_gradient(reel_tape *t, reel_var v, const double *expected, size_t n)
{
    double gradient[16];
    cr_assert_eq(reel_read_grad_f64(v, gradient, n), REEL_OK, "%s", reel_tape_error(t));
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(gradient[i] - expected[i]) < 1e-14, "[%zu]: %g, expected %g", i, gradient[i],
                  expected[i]);
    }
}

static double softmax(const double *row, int k)
{
    return exp(row[k]) / (exp(row[0]) + exp(row[1]) + exp(row[2]));
}

Test(losses, nothing_gets_out_of_an_ignored_position)
{
    static const float mask[] = { 1, 0, 1 };
    for (int by_mask = 0; by_mask < 2; by_mask++) {
        reel_tape *t = new_tape();
        reel_var logits = reel_param(t, "logits", REEL_SHAPE(3, 3), reel_zeros());
        reel_write_param_f64(logits, logits_with_nan, 9);
        const int32_t targets[] = { 0, by_mask ? 2 : -1, 1 };
        reel_cross_entropy_options options = { .ignore = !by_mask, .ignore_index = -1 };
        if (by_mask) {
            options.mask = reel_input(t, REEL_SHAPE(3), mask);
        }
        reel_var loss =
            reel_cross_entropy_ex(logits, reel_indices(t, REEL_SHAPE(3), targets), options);
        reel_backward(loss);
        const double *a = logits_with_nan, *b = logits_with_nan + 6;
        cr_expect_float_eq(reel_item(loss), -(log(softmax(a, 0)) + log(softmax(b, 1))) / 2, 1e-14);
        const double expected[] = {
            (softmax(a, 0) - 1) / 2, softmax(a, 1) / 2,       softmax(a, 2) / 2, 0, 0, 0,
            softmax(b, 0) / 2,       (softmax(b, 1) - 1) / 2, softmax(b, 2) / 2
        };
        expect_gradient(t, logits, expected, 9);
        expect_clean(t);
    }
}

Test(losses, all_targets_ignored_is_zero_with_zero_gradient)
{
    static const double zeros[6] = { 0 };
    reel_tape *t = new_tape();
    reel_var logits = reel_param(t, "logits", REEL_SHAPE(2, 3), reel_normal(0, 1));
    const int32_t targets[] = { -100, -100 };
    reel_cross_entropy_options options = { IGNORING, .label_smoothing = 0.1 };
    reel_var loss = reel_cross_entropy_ex(logits, reel_indices(t, REEL_SHAPE(2), targets), options);
    reel_backward(loss);
    cr_expect_eq(reel_item(loss), 0);
    expect_gradient(t, logits, zeros, 6);
    expect_clean(t);
}

Test(losses, the_masked_loss_of_a_padded_batch_is_the_loss_of_the_unpadded_one)
{
    reel_tape *t = new_tape();
    reel_var logits = reel_param(t, "logits", REEL_SHAPE(4, 3), reel_normal(0, 1));
    const int32_t targets[] = { 2, 0, 1, 1 };
    const float mask[] = { 1, 1, 1, 0 };
    reel_cross_entropy_options options = { .mask = reel_input(t, REEL_SHAPE(4), mask) };
    reel_var padded =
        reel_cross_entropy_ex(logits, reel_indices(t, REEL_SHAPE(4), targets), options);
    reel_var plain =
        reel_cross_entropy(reel_slice(logits, 0, 0, 3), reel_indices(t, REEL_SHAPE(3), targets));
    cr_expect_float_eq(reel_item(padded), reel_item(plain), 1e-15);
    expect_clean(t);
}

Test(losses, a_loss_of_nothing_is_zero)
{
    reel_tape *t = new_tape();
    reel_var none = reel_param(t, "none", REEL_SHAPE(0, 3), reel_zeros());
    cr_expect_eq(reel_item(reel_cross_entropy(none, reel_indices(t, REEL_SHAPE(0), NULL))), 0);
    cr_expect_eq(reel_item(reel_mse(none, none)), 0);
    cr_expect_eq(reel_item(reel_huber(none, none, 1)), 0);
    expect_clean(t);
}

Test(losses, binary_cross_entropy_holds_at_infinity)
{
    reel_tape *t = new_tape();
    const double z[] = { INFINITY, -INFINITY }, targets[] = { 1, 0 };
    reel_var logits = reel_input_f64(t, REEL_SHAPE(2), z);
    reel_var loss =
        reel_binary_cross_entropy_with_logits(logits, reel_input_f64(t, REEL_SHAPE(2), targets));
    cr_expect_eq(reel_item(loss), 0);
    expect_clean(t);
}

/* ---- derivatives --------------------------------------------------------------------------- */

static reel_var all_losses(reel_tape *t, void *self)
{
    (void)self;
    const int32_t targets[] = { 2, -7, 0, 3 };
    const double weights[] = { 1, 0.5, 2, 3 }, other[16] = { 0.3, -2, 0.1, 1.5, 0.2, 0.9, 3 };
    reel_var z = reel_find_param(t, "z"), half = reel_input_f64(t, REEL_SHAPE(4, 4), other);
    reel_cross_entropy_options options = {
        .ignore = true,
        .ignore_index = -7,
        .label_smoothing = 0.1,
        .class_weights = reel_input_f64(t, REEL_SHAPE(4), weights),
    };
    reel_var loss = reel_cross_entropy_ex(z, reel_indices(t, REEL_SHAPE(4), targets), options);
    loss = reel_add(loss, reel_mse(z, half));
    loss = reel_add(loss, reel_huber(z, half, 0.8));
    return reel_add(loss, reel_binary_cross_entropy_with_logits(z, reel_sigmoid(half)));
}

Test(losses, first_and_second_derivatives_are_right)
{
    reel_tape *t = new_tape();
    reel_param(t, "z", REEL_SHAPE(4, 4), reel_normal(0, 1));
    reel_gradcheck_report report;
    reel_gradcheck_options options = { .order = 2 };
    bool passed = reel_gradcheck(t, all_losses, NULL, options, &report);
    cr_expect(passed, "%zu of %zu differ, worst %g (%s)", report.failed, report.compared,
              report.worst_relative_error, report.message);
    expect_clean(t);
}

/* ---- misuse -------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "at losses.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(losses, shapes_that_do_not_fit_are_named)
{
    reel_tape *t = new_tape();
    reel_var a = reel_fill(t, REEL_SHAPE(4, 1), 0), b = reel_fill(t, REEL_SHAPE(4), 0);
    reel_mse(a, b);
    expect_error(t, "mse at");
    reel_mae(a, b);
    expect_error(t, "shapes differ: [4,1] and [4]");
    reel_huber(a, a, 0);
    expect_error(t, "delta is 0, must be greater than 0");
    reel_huber(a, b, 1);
    expect_error(t, "shapes differ: [4,1] and [4]");
    reel_binary_cross_entropy_with_logits(a, b);
    expect_error(t, "shapes differ: [4,1] and [4]");
    reel_mse(a, (reel_var){ 0 });
    expect_error(t, "a handle is absent");
    expect_clean(t);
}

Test(losses, bad_arguments_of_cross_entropy_are_named)
{
    reel_tape *t = new_tape();
    const int32_t numbers[] = { 0, 1, 2, 5 };
    reel_var z = reel_fill(t, REEL_SHAPE(4, 5), 0),
             targets = reel_indices(t, REEL_SHAPE(4), numbers);
    reel_cross_entropy(z, targets);
    expect_error(t, "index 5 at position 3");
    reel_cross_entropy(z, reel_indices(t, REEL_SHAPE(3), numbers));
    expect_error(t, "targets are [3], expected [4] for logits [4,5]");
    reel_cross_entropy(z, reel_fill(t, REEL_SHAPE(4), 0));
    expect_error(t, "targets are numbers, must be indices (reel_indices)");
    reel_cross_entropy(reel_scalar(t, 1), targets);
    expect_error(t, "logits are [], expected [..., classes]");
    reel_cross_entropy_ex(z, targets, (reel_cross_entropy_options){ .mask = z });
    expect_error(t, "mask is [4,5], expected [4] for logits [4,5]");
    reel_cross_entropy_ex(
        z, targets,
        (reel_cross_entropy_options){ .class_weights = reel_fill(t, REEL_SHAPE(4), 1) });
    expect_error(t, "class_weights are [4], expected [5] for logits [4,5]");
    reel_cross_entropy_ex(z, targets, (reel_cross_entropy_options){ .label_smoothing = 1.5 });
    expect_error(t, "label_smoothing is 1.5, must be in [0, 1]");
    expect_clean(t);
}
