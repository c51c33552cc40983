/* Mixture densities against PyTorch (golden/outputs.py), and what their samples look like. */
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

static void expect_all_gradients(reel_tape *t, golden_case at)
{
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var parameter = reel_param_at(t, i);
        expect_near(golden_gradient_distance(at, parameter), at.name, reel_param_name(parameter));
    }
}

/* ---- mixtures -------------------------------------------------------------------------------- */

static void expect_mixture(const char *name, reel_mixture_options options)
{
    reel_tape *t = new_tape();
    golden_case at = { "outputs.txt", name };
    reel_var raw = golden_param(t, at, "raw"), target = golden_param(t, at, "target");
    options.mask = golden_has(at, "mask") ? golden_input(t, at, "mask") : (reel_var){ 0 };
    reel_var loss = reel_mixture_loss(raw, target, options);
    reel_backward(loss);
    expect_near(golden_distance(at, "loss", loss), name, "loss");
    expect_near(golden_distance(at, "mean", reel_mixture_mean(raw, options)), name, "mean");
    expect_all_gradients(t, at);
    expect_clean(t);
}

Test(mixture_density, mixtures_are_torchs)
{
    expect_mixture("mixture_1", (reel_mixture_options){ .components = 1 });
    expect_mixture("mixture_3_4", (reel_mixture_options){ .components = 3, .width = 4 });
    expect_mixture("mixture_mask", (reel_mixture_options){ .components = 2, .width = 3 });
    expect_mixture("mixture_correlated",
                   (reel_mixture_options){ .components = 3, .width = 2, .correlated = true });
}

static reel_var loss_of_mixture(reel_tape *t, void *self)
{
    return reel_mixture_loss(reel_find_param(t, "raw"), reel_find_param(t, "target"),
                             *(reel_mixture_options *)self);
}

Test(mixture_density, first_and_second_derivatives_of_mixtures_are_right)
{
    reel_mixture_options options = { .components = 2, .width = 2 };
    for (int correlated = 0; correlated < 2; correlated++) {
        reel_tape *t = new_tape();
        options.correlated = correlated;
        reel_param(t, "raw", REEL_SHAPE(3, reel_mixture_inputs(options)), reel_normal(0, 1));
        reel_param(t, "target", REEL_SHAPE(3, 2), reel_normal(0, 1));
        reel_gradcheck_report report;
        bool passed = reel_gradcheck(t, loss_of_mixture, &options,
                                     (reel_gradcheck_options){ .order = 2 }, &report);
        cr_expect(passed, "%zu of %zu differ, worst %g (%s)", report.failed, report.compared,
                  report.worst_relative_error, report.message);
        expect_clean(t);
    }
}

Test(mixture_density, strong_correlations_and_masked_nan_stay_finite)
{
    reel_tape *t = new_tape();
    const double numbers[] = { 0, 0, 0, 0, 0, 25, NAN, NAN, NAN, NAN, NAN, NAN };
    const double targets[] = { 1, 1, NAN, 0 };
    const float mask[] = { 1, 0 };
    reel_mixture_options options = {
        .components = 1, .width = 2, .correlated = true, .mask = reel_input(t, REEL_SHAPE(2), mask)
    };
    reel_var raw = reel_param(t, "raw", REEL_SHAPE(2, 6), reel_zeros());
    reel_write_param_f64(raw, numbers, 12);
    reel_var loss = reel_mixture_loss(raw, reel_input_f64(t, REEL_SHAPE(2, 2), targets), options);
    reel_backward(loss);
    double gradient[12];
    reel_read_grad_f64(raw, gradient, 12);
    cr_expect(isfinite(reel_item(loss)), "%g", reel_item(loss));
    for (int i = 0; i < 12; i++) {
        cr_expect(i < 6 ? isfinite(gradient[i]) : gradient[i] == 0, "[%d]: %g", i, gradient[i]);
    }
    expect_clean(t);
}

enum { DRAWN = 20000 };

/* Two components, 3/4 at (1, -1) and 1/4 at (-3, 5), deviations 0.5 and 0.25, correlated 0.8. */
static reel_var two_components(reel_tape *t)
{
    const double r = atanh(0.8), a = log(0.5), b = log(0.25);
    const double one[] = { log(3.0), 0, 1, -1, -3, 5, a, b, a, b, r, r };
    return reel_expand(reel_input_f64(t, REEL_SHAPE(1, 12), one), REEL_SHAPE(DRAWN, 12));
}

Test(mixture_density, samples_of_a_mixture_have_its_weights_means_and_correlations)
{
    static double draw[DRAWN][2];
    reel_tape *t = new_tape();
    reel_mixture_options options = { .components = 2, .width = 2, .correlated = true };
    reel_var sample = reel_mixture_sample(two_components(t), options);
    cr_assert_eq(reel_read_f64(sample, &draw[0][0], 2 * DRAWN), REEL_OK);
    double first = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < DRAWN; i++) {
        if (draw[i][0] > draw[i][1]) {
            double dx = draw[i][0] - 1, dy = draw[i][1] + 1;
            first++, x += dx, y += dy, xx += dx * dx, yy += dy * dy, xy += dx * dy;
        }
    }
    cr_expect_float_eq(first / DRAWN, 0.75, 0.01);
    cr_expect_float_eq(x / first, 0, 0.02);
    cr_expect_float_eq(y / first, 0, 0.01);
    cr_expect_float_eq(sqrt(xx / first), 0.5, 0.01);
    cr_expect_float_eq(sqrt(yy / first), 0.25, 0.005);
    cr_expect_float_eq(xy / sqrt(xx * yy), 0.8, 0.02);
    expect_clean(t);
}

Test(mixture_density, the_bias_of_samples_makes_them_tidier)
{
    static double draw[DRAWN][2];
    reel_tape *t = new_tape();
    reel_mixture_options options = { .components = 2, .width = 2, .correlated = true, .bias = 2 };
    reel_var sample = reel_mixture_sample(two_components(t), options);
    cr_assert_eq(reel_read_f64(sample, &draw[0][0], 2 * DRAWN), REEL_OK);
    double first = 0, xx = 0;
    for (int i = 0; i < DRAWN; i++) {
        if (draw[i][0] > draw[i][1]) {
            first++, xx += (draw[i][0] - 1) * (draw[i][0] - 1);
        }
    }
    cr_expect_float_eq(first / DRAWN, 27.0 / 28, 0.01);
    cr_expect_float_eq(sqrt(xx / first), 0.5 * exp(-2), 0.002);
    expect_clean(t);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "at mixture_density.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(mixture_density, misuse_of_mixtures_is_named)
{
    reel_tape *t = new_tape();
    reel_var raw = reel_fill(t, REEL_SHAPE(4, 6), 0), target = reel_fill(t, REEL_SHAPE(4), 0);
    cr_expect_eq(reel_mixture_inputs((reel_mixture_options){ .components = 2 }), 6);
    cr_expect_eq(reel_mixture_inputs((reel_mixture_options){ 0 }), 0);
    reel_mixture_loss(raw, target, (reel_mixture_options){ 0 });
    expect_error(t, "components 0, width 1, bias 0 do not make a mixture");
    reel_mixture_mean(raw,
                      (reel_mixture_options){ .components = 1, .width = 3, .correlated = true });
    expect_error(t, "do not make a mixture");
    reel_mixture_sample(raw, (reel_mixture_options){ .components = 3 });
    expect_error(t, "raw is [4,6], expected [..., 9]");
    reel_mixture_loss(raw, target, (reel_mixture_options){ .components = 2 });
    expect_error(t, "target is [4], expected [4,1]");
    reel_mixture_loss(raw, reel_unsqueeze(target, -1),
                      (reel_mixture_options){ .components = 2, .mask = raw });
    expect_error(t, "mask is [4,6], expected [4]");
    expect_clean(t);
}
