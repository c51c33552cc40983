/* The losses of elements of losses.h against PyTorch, their derivatives and what they refuse. */
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

/* ---- against PyTorch ----------------------------------------------------------------------- */

/* a, b, c: golden inputs, those there are; y: targets as numbers, k: as indices */
typedef struct {
    reel_var a, b, c, y, k;
} inputs;

static reel_var hinge(inputs in)
{
    return reel_hinge(in.a, in.y, (reel_hinge_options){ 0 });
}

static reel_var hinge_squared(inputs in)
{
    return reel_hinge(
        in.a, in.y,
        (reel_hinge_options){ .margin = 0.5, .squared = true, .reduction = REEL_REDUCE_SUM });
}

static reel_var multi_margin(inputs in)
{
    return reel_multi_margin(in.a, in.k, (reel_multi_margin_options){ 0 });
}

static reel_var multi_margin_squared(inputs in)
{
    return reel_multi_margin(in.a, in.k,
                             (reel_multi_margin_options){
                                 .margin = 0.7, .squared = true, .reduction = REEL_REDUCE_SUM });
}

static reel_var focal(inputs in)
{
    return reel_focal(in.a, in.y, (reel_focal_options){ .alpha = 0.25 });
}

static reel_var focal_gamma(inputs in)
{
    return reel_focal(in.a, in.y, (reel_focal_options){ .gamma = 0.5 });
}

static reel_var focal_softmax(inputs in)
{
    return reel_focal_softmax(in.a, in.k, (reel_focal_options){ 0 });
}

static reel_var kl_mean(inputs in)
{
    return reel_kl_divergence(in.a, in.b, REEL_REDUCE_MEAN);
}

static reel_var kl_none(inputs in)
{
    return reel_kl_divergence(in.a, in.b, REEL_REDUCE_NONE);
}

static reel_var smooth_l1(inputs in)
{
    return reel_smooth_l1(in.a, in.b, 0.7, REEL_REDUCE_MEAN);
}

static reel_var poisson(inputs in)
{
    return reel_poisson_nll(in.a, in.b, REEL_REDUCE_MEAN);
}

static reel_var gaussian(inputs in)
{
    return reel_gaussian_nll(in.a, in.b, in.c, REEL_REDUCE_MEAN);
}

static reel_var cosine_similarity(inputs in)
{
    return reel_cosine_similarity(in.a, in.b);
}

static reel_var cosine_embedding(inputs in)
{
    return reel_cosine_embedding(in.a, in.b, in.y, -0.2, REEL_REDUCE_MEAN);
}

static reel_var triplet(inputs in)
{
    return reel_triplet(in.a, in.b, in.c, 0.8, REEL_REDUCE_MEAN);
}

static const struct {
    const char *name;
    reel_var (*loss)(inputs);
} losses[] = {
    { "hinge", hinge },
    { "hinge_squared", hinge_squared },
    { "multi_margin", multi_margin },
    { "multi_margin_squared", multi_margin_squared },
    { "focal", focal },
    { "focal_gamma", focal_gamma },
    { "focal_softmax", focal_softmax },
    { "kl_mean", kl_mean },
    { "kl_none", kl_none },
    { "smooth_l1", smooth_l1 },
    { "poisson", poisson },
    { "gaussian", gaussian },
    { "cosine_similarity", cosine_similarity },
    { "cosine_embedding", cosine_embedding },
    { "triplet", triplet },
};
enum { LOSSES = sizeof losses / sizeof losses[0] };

static reel_var param_of(reel_tape *t, golden_case at, const char *label)
{
    return golden_has(at, label) ? golden_param(t, at, label) : (reel_var){ 0 };
}

static inputs inputs_of(reel_tape *t, golden_case at)
{
    inputs in = { param_of(t, at, "a"), param_of(t, at, "b"), param_of(t, at, "c") };
    if (golden_has(at, "targets")) {
        in.y = golden_input(t, at, "targets");
        in.k = golden_indices(t, at, "targets");
    }
    return in;
}

Test(loss_elements, losses_and_gradients_are_torchs)
{
    for (int i = 0; i < LOSSES; i++) {
        reel_tape *t = new_tape();
        golden_case at = { "sequence_losses.txt", losses[i].name };
        reel_var loss = losses[i].loss(inputs_of(t, at));
        double distance = golden_distance(at, "loss", loss);
        cr_expect(distance < 1e-12, "%s: off by %g", at.name, distance);
        reel_backward(reel_sum_all(loss));
        for (size_t k = 0; k < reel_param_count(t); k++) {
            distance = golden_gradient_distance(at, reel_param_at(t, k));
            cr_expect(distance < 1e-11, "%s, gradient %zu: off by %g", at.name, k, distance);
        }
        expect_clean(t);
    }
}

static reel_var recorded_again(reel_tape *t, void *self)
{
    const int *i = self;
    golden_case at = { "sequence_losses.txt", losses[*i].name };
    inputs in = { 0 };
    reel_var *slot[] = { &in.a, &in.b, &in.c };
    for (size_t k = 0; k < reel_param_count(t); k++) {
        *slot[k] = reel_param_at(t, k);
    }
    if (golden_has(at, "targets")) {
        in.y = golden_input(t, at, "targets");
        in.k = golden_indices(t, at, "targets");
    }
    return reel_sum_all(reel_square(losses[*i].loss(in)));
}

Test(loss_elements, first_and_second_derivatives_are_right)
{
    for (int i = 0; i < LOSSES; i++) {
        reel_tape *t = new_tape();
        inputs_of(t, (golden_case){ "sequence_losses.txt", losses[i].name });
        reel_gradcheck_report report;
        bool passed =
            reel_gradcheck(t, recorded_again, &i, (reel_gradcheck_options){ .order = 2 }, &report);
        cr_expect(passed, "%s: %zu of %zu differ, worst %g (%s)", losses[i].name, report.failed,
                  report.compared, report.worst_relative_error, report.message);
        expect_clean(t);
    }
}

/* Those that PyTorch lacks. */
static reel_var the_others(reel_tape *t, void *self)
{
    (void)self;
    const int32_t classes[] = { 1, 0, 2 }, lengths[] = { 2, 0, 3 };
    const double marks[] = { 1, 0, 0 };
    reel_var a = reel_find_param(t, "a"), b = reel_find_param(t, "b");
    reel_var k = reel_indices(t, REEL_SHAPE(3), classes),
             y = reel_input_f64(t, REEL_SHAPE(3), marks);
    reel_multi_margin_options worst = { .crammer_singer = true, .squared = true };
    reel_var loss = reel_multi_margin(a, k, worst);
    loss = reel_add(loss, reel_contrastive(a, b, y, 3, REEL_REDUCE_SUM));
    loss = reel_add(loss, reel_masked_mean(reel_mul(a, b), reel_length_mask(t, 3, 3, lengths)));
    loss = reel_add(loss, reel_smooth_l1(a, b, REEL_ZERO, REEL_REDUCE_MEAN));
    return reel_add(
        loss, reel_kl_divergence(reel_log_softmax(a, -1), reel_softmax(b, -1), REEL_REDUCE_SUM));
}

Test(loss_elements, derivatives_of_those_that_PyTorch_lacks_are_right)
{
    reel_tape *t = new_tape();
    reel_param(t, "a", REEL_SHAPE(3, 3), reel_normal(0, 1));
    reel_param(t, "b", REEL_SHAPE(3, 3), reel_normal(0, 1));
    reel_gradcheck_report report;
    bool passed =
        reel_gradcheck(t, the_others, NULL, (reel_gradcheck_options){ .order = 2 }, &report);
    cr_expect(passed, "%zu of %zu differ, worst %g (%s)", report.failed, report.compared,
              report.worst_relative_error, report.message);
    expect_clean(t);
}

/* ---- what PyTorch has no numbers for ------------------------------------------------------- */

Test(loss_elements, crammer_and_singers_hinge_takes_the_worst_rival)
{
    reel_tape *t = new_tape();
    const double scores[] = { 1, 0.5, 2, 3, 0, 1 };
    const int32_t targets[] = { 0, 0 };
    reel_var losses_of_rows = reel_multi_margin(
        reel_input_f64(t, REEL_SHAPE(2, 3), scores), reel_indices(t, REEL_SHAPE(2), targets),
        (reel_multi_margin_options){ .crammer_singer = true, .reduction = REEL_REDUCE_NONE });
    double loss[2];
    reel_read_f64(losses_of_rows, loss, 2);
    cr_expect_eq(loss[0], 2); /* 1 - 1 + 2 */
    cr_expect_eq(loss[1], 0);
    expect_clean(t);
}

Test(loss_elements, contrastive_loss_pulls_pairs_together_and_pushes_others_to_the_margin)
{
    reel_tape *t = new_tape();
    const double a[] = { 0, 0, 0, 0, 0, 0 }, b[] = { 3, 4, 3, 4, 0.6, 0.8 }, y[] = { 1, 0, 0 };
    reel_var each = reel_contrastive(reel_input_f64(t, REEL_SHAPE(3, 2), a),
                                     reel_input_f64(t, REEL_SHAPE(3, 2), b),
                                     reel_input_f64(t, REEL_SHAPE(3), y), 2, REEL_REDUCE_NONE);
    double loss[3];
    reel_read_f64(each, loss, 3);
    cr_expect_float_eq(loss[0], 25, 1e-12);
    cr_expect_eq(loss[1], 0);
    cr_expect_float_eq(loss[2], 1, 1e-12);
    expect_clean(t);
}

Test(loss_elements, a_focal_loss_of_gamma_0_is_binary_cross_entropy)
{
    reel_tape *t = new_tape();
    const double z[] = { 0.3, -50, 800, -800 }, y[] = { 1, 0, 0, 1 };
    reel_var logits = reel_input_f64(t, REEL_SHAPE(4), z), targets;
    targets = reel_input_f64(t, REEL_SHAPE(4), y);
    reel_var loss = reel_focal(logits, targets, (reel_focal_options){ .gamma = REEL_ZERO });
    reel_var expected = reel_binary_cross_entropy_with_logits(logits, targets);
    cr_expect_float_eq(reel_item(loss), reel_item(expected), 1e-12);
    expect_clean(t);
}

Test(loss_elements, a_probability_of_0_adds_nothing_to_the_divergence)
{
    reel_tape *t = new_tape();
    const double p[] = { 0, 1 }, q[] = { -INFINITY, -0.5 };
    reel_var log_q = reel_param(t, "q", REEL_SHAPE(2), reel_zeros());
    reel_write_param_f64(log_q, q, 2);
    reel_var loss = reel_kl_divergence(log_q, reel_input_f64(t, REEL_SHAPE(2), p), REEL_REDUCE_SUM);
    cr_expect_eq(reel_item(loss), 0.5);
    reel_backward(loss);
    double gradient[2];
    reel_read_grad_f64(log_q, gradient, 2);
    cr_expect_eq(gradient[0], 0);
    cr_expect_eq(gradient[1], -1);
    expect_clean(t);
}

/* ---- masks --------------------------------------------------------------------------------- */

Test(loss_elements, a_masked_mean_is_that_of_what_counts)
{
    reel_tape *t = new_tape();
    const int32_t lengths[] = { 2, 0, 1 };
    const double numbers[] = { 1, NAN, 3, 5, NAN, NAN };
    const double wide[] = { 1, 3, NAN, 1, 2, 4, 5, 5, 0, NAN, NAN, NAN };
    reel_var mask = reel_length_mask(t, 2, 3, lengths);
    reel_var values = reel_param(t, "v", REEL_SHAPE(2, 3), reel_zeros());
    reel_write_param_f64(values, numbers, 6);
    reel_var mean = reel_masked_mean(values, mask);
    reel_backward(mean);
    cr_expect_eq(reel_item(mean), 3);
    double gradient[6];
    reel_read_grad_f64(values, gradient, 6);
    for (int i = 0; i < 6; i++) {
        cr_expect_float_eq(gradient[i], isnan(numbers[i]) ? 0 : 1.0 / 3, 1e-15);
    }
    mean = reel_masked_mean(reel_input_f64(t, REEL_SHAPE(2, 3, 2), wide), mask);
    cr_expect_eq(reel_item(mean), 20.0 / 6);
    mean = reel_masked_mean(values, reel_fill(t, REEL_SHAPE(2, 3), 0));
    cr_expect_eq(reel_item(mean), 0);
    expect_clean(t);
}

/* ---- misuse -------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "at loss_elements.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(loss_elements, bad_arguments_are_named)
{
    reel_tape *t = new_tape();
    const int32_t classes[] = { 0, 7 };
    reel_var a = reel_fill(t, REEL_SHAPE(2, 3), 0), b = reel_fill(t, REEL_SHAPE(2), 0);
    reel_var targets = reel_indices(t, REEL_SHAPE(2), classes);
    reel_hinge(a, b, (reel_hinge_options){ 0 });
    expect_error(t, "hinge at");
    reel_multi_margin(a, b, (reel_multi_margin_options){ 0 });
    expect_error(t, "targets are numbers, must be indices (reel_indices)");
    reel_multi_margin(a, targets, (reel_multi_margin_options){ 0 });
    expect_error(t, "index 7 at position 1");
    reel_focal(a, a, (reel_focal_options){ .gamma = -1 });
    expect_error(t, "gamma is -1 and alpha 0, must be at least 0 and in [0, 1]");
    reel_focal_softmax(a, targets, (reel_focal_options){ .alpha = 0.5 });
    expect_error(t, "alpha is 0.5, must be 0");
    reel_kl_divergence(a, b, REEL_REDUCE_MEAN);
    expect_error(t, "shapes differ: [2,3] and [2]");
    reel_smooth_l1(a, a, -1, REEL_REDUCE_MEAN);
    expect_error(t, "beta is -1, must be at least 0");
    reel_gaussian_nll(a, a, b, REEL_REDUCE_MEAN);
    expect_error(t, "shapes differ: [2,3] and [2]");
    reel_cosine_embedding(a, a, a, 0, REEL_REDUCE_MEAN);
    expect_error(t, "targets are [2,3], expected numbers [2]");
    reel_triplet(a, a, b, 1, REEL_REDUCE_MEAN);
    expect_error(t, "triplet at");
    reel_masked_mean(b, a);
    expect_error(t, "mask is [2,3], expected the first axes of values [2]");
    reel_length_mask(t, 4, 2, classes);
    expect_error(t, "lengths[1] = 7 is outside 0 … 4");
    reel_poisson_nll(a, a, (reel_reduction)-1);
    expect_error(t, "reduction -1 is none of REEL_REDUCE_…");
    expect_clean(t);
}
