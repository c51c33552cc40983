/* Optimisers against torch.optim (golden/optimizers.py), and clipping. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden_cells.h"

/* Of the steps, 0, 1, 9, 19, … are kept in the golden file. */
enum { STEPS = 100 };

static reel_tape *new_tape(reel_dtype dtype)
{
    return reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 5 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

/* ---- against PyTorch ----------------------------------------------------------------------- */

/* A loss whose gradient in `p` is row `step` of `gradients`. */
static reel_var with_gradient(reel_var p, reel_var gradients, int64_t step)
{
    return reel_sum_all(reel_mul(p, reel_at(gradients, step)));
}

/* Which of the kept steps this is; -1: none. */
static int64_t row_of(int64_t step)
{
    return step < 2 ? step : step % 10 == 9 ? 2 + step / 10 : -1;
}

static double distance_at(const char *name, reel_var p, int64_t step)
{
    golden_row row;
    cr_assert(golden_find("optimizers.txt", name, reel_param_name(p), &row));
    size_t n = (size_t)reel_shape_size(reel_shape_of(p));
    double values[32], worst = 0;
    cr_assert_eq(reel_read_f64(p, values, n), REEL_OK, "%s", reel_tape_error(p.tape));
    for (size_t i = 0; i < n; i++) {
        double d = fabs(values[i] - row.values[(size_t)row_of(step) * n + i]);
        worst = d <= worst ? worst : d;
    }
    golden_free(&row);
    return worst;
}

static void run_steps(reel_tape *t, const char *name, reel_optimizer *optimizer, double tolerance)
{
    golden_case given = { "optimizers.txt", "gradients" };
    reel_var a = reel_find_param(t, "a"), b = reel_find_param(t, "b");
    cr_assert_not_null(optimizer, "%s", reel_tape_error(t));
    for (int64_t step = 0; step < STEPS; step++) {
        reel_rewind(t);
        reel_backward(reel_add(with_gradient(a, golden_input(t, given, "a"), step),
                               with_gradient(b, golden_input(t, given, "b"), step)));
        cr_assert_eq(reel_optimizer_step(optimizer), REEL_OK, "%s", reel_tape_error(t));
        if (row_of(step) < 0) {
            continue;
        }
        double far = fmax(distance_at(name, a, step), distance_at(name, b, step));
        cr_expect(far <= tolerance, "%s, step %d: off by %g", name, (int)step, far);
    }
}

static reel_tape *with_parameters(reel_dtype dtype)
{
    reel_tape *t = new_tape(dtype);
    golden_case start = { "optimizers.txt", "start" };
    golden_param(t, start, "a");
    golden_param(t, start, "b");
    return t;
}

/* In f64 to rounding; in f32 to what a hundred steps make of it. */
#define EXPECT(make, options_type, name, ...)                                                      \
    do {                                                                                           \
        reel_tape *exact = with_parameters(REEL_F64), *rough = with_parameters(REEL_F32);          \
        run_steps(exact, name, make(exact, (options_type){ __VA_ARGS__ }), 1e-11);                 \
        run_steps(rough, name, make(rough, (options_type){ __VA_ARGS__ }), 1e-4);                  \
        expect_clean(exact);                                                                       \
        expect_clean(rough);                                                                       \
    } while (0)

#define EXPECT_SGD(...) EXPECT(reel_sgd, reel_sgd_options, __VA_ARGS__)
#define EXPECT_ADAM(...) EXPECT(reel_adam, reel_adam_options, __VA_ARGS__)

Test(optimizers, sgd_is_torchs)
{
    EXPECT_SGD("sgd", .lr = 0.1);
    EXPECT_SGD("sgd_decay", .lr = 0.1, .weight_decay = 0.05);
    EXPECT_SGD("sgd_momentum", .lr = 0.05, .momentum = 0.9);
    EXPECT_SGD("sgd_nesterov", .lr = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 0.01);
}

Test(optimizers, adam_is_torchs)
{
    EXPECT_ADAM("adam", 0);
    EXPECT_ADAM("adam_decay", .lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6,
                .weight_decay = 0.1);
    EXPECT_ADAM("adam_no_memory", .lr = 0.01, .beta1 = REEL_ZERO, .beta2 = 0.99);
    EXPECT_ADAM("adam_amsgrad", .lr = 0.05, .beta2 = 0.9, .amsgrad = true);
    EXPECT(reel_adamw, reel_adam_options, "adamw", .lr = 0.02);
}

Test(optimizers, adams_relatives_are_torchs)
{
    EXPECT(reel_nadam, reel_nadam_options, "nadam", 0);
    EXPECT(reel_nadam, reel_nadam_options, "nadam_decay", .lr = 0.02, .momentum_decay = 0.1,
           .weight_decay = 0.1, .decoupled = true);
    EXPECT(reel_radam, reel_radam_options, "radam", 0);
    EXPECT(reel_radam, reel_radam_options, "radam_decay", .lr = 0.02, .beta1 = 0.8, .beta2 = 0.9,
           .weight_decay = 0.1);
    EXPECT(reel_adamax, reel_adamax_options, "adamax", 0);
    EXPECT(reel_adamax, reel_adamax_options, "adamax_decay", .lr = 0.02, .beta1 = 0.8, .beta2 = 0.9,
           .weight_decay = 0.1);
}

Test(optimizers, rmsprop_adagrad_and_adadelta_are_torchs)
{
    EXPECT(reel_rmsprop, reel_rmsprop_options, "rmsprop", 0);
    EXPECT(reel_rmsprop, reel_rmsprop_options, "rmsprop_centred", .lr = 0.02, .alpha = 0.9,
           .centred = true, .weight_decay = 0.1);
    EXPECT(reel_rmsprop, reel_rmsprop_options, "rmsprop_momentum", .lr = 0.02, .momentum = 0.9);
    EXPECT(reel_rmsprop, reel_rmsprop_options, "rmsprop_both", .lr = 0.02, .momentum = 0.5,
           .centred = true, .eps = 0.1);
    EXPECT(reel_adagrad, reel_adagrad_options, "adagrad", 0);
    EXPECT(reel_adagrad, reel_adagrad_options, "adagrad_decay", .lr = 0.1, .lr_decay = 0.05,
           .initial = 0.5, .weight_decay = 0.1);
    EXPECT(reel_adadelta, reel_adadelta_options, "adadelta", 0);
    EXPECT(reel_adadelta, reel_adadelta_options, "adadelta_decay", .lr = 0.5, .rho = 0.95,
           .weight_decay = 0.1);
}

Test(optimizers, rprop_is_torchs_and_lion_its_papers)
{
    EXPECT(reel_rprop, reel_rprop_options, "rprop", 0);
    EXPECT(reel_rprop, reel_rprop_options, "rprop_sizes", .lr = 0.1, .shrink = 0.3, .grow = 1.5,
           .smallest = 1e-2, .largest = 0.3);
    EXPECT(reel_lion, reel_lion_options, "lion", .lr = 0.01, .weight_decay = 0.1);
}

/* ---- how they behave ----------------------------------------------------------------------- */

static reel_var scalar_param(reel_tape *t, const char *name, double value)
{
    return reel_param(t, name, REEL_SHAPE(), reel_constant(value));
}

Test(optimizers, a_step_zeroes_the_gradients)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var p = scalar_param(t, "p", 1);
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 0.5 });
    reel_backward(reel_scale(p, 3));
    double gradient;
    reel_read_grad_f64(p, &gradient, 1);
    cr_expect_eq(gradient, 3);
    reel_optimizer_step(sgd);
    reel_read_grad_f64(p, &gradient, 1);
    cr_expect_eq(gradient, 0);
    cr_expect_eq(reel_item(p), -0.5);
    expect_clean(t);
}

Test(optimizers, the_loss_may_be_read_after_the_step)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var p = scalar_param(t, "p", 2);
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 0.5 });
    reel_var loss = reel_square(p);
    reel_backward(loss);
    reel_optimizer_step(sgd);
    cr_expect_eq(reel_item(loss), 4);
    cr_expect_eq(reel_item(p), 0);
    expect_clean(t);
}

/* With gradients of constant size Adam's step is lr at any age; of the wrong age it is not. */
Test(optimizers, a_parameter_made_later_starts_its_own_count)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var p = scalar_param(t, "p", 0), late = p;
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 0.1, .eps = 1e-30 });
    for (int step = 0; step < 6; step++) {
        reel_rewind(t);
        if (step == 3) {
            late = scalar_param(t, "late", 0);
        }
        reel_backward(step < 3 ? reel_scale(p, 2)
                               : reel_add(reel_scale(p, 2), reel_scale(late, 5)));
        cr_assert_eq(reel_optimizer_step(adam), REEL_OK, "%s", reel_tape_error(t));
    }
    cr_expect_float_eq(reel_item(p), -0.6, 1e-12);
    cr_expect_float_eq(reel_item(late), -0.3, 1e-12);
    expect_clean(t);
}

Test(optimizers, the_learning_rate_can_be_changed)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var p = scalar_param(t, "p", 1);
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ 0 });
    cr_expect_eq(reel_optimizer_lr(sgd), 0.01);
    cr_expect_eq(reel_optimizer_set_lr(sgd, 2), REEL_OK);
    cr_expect_eq(reel_optimizer_lr(sgd), 2);
    reel_backward(p);
    reel_optimizer_step(sgd);
    cr_expect_eq(reel_item(p), -1);
    cr_expect_eq(reel_optimizer_set_lr(sgd, 0), REEL_OK);
    cr_expect_eq(reel_optimizer_set_lr(sgd, NAN), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "lr is nan, must be finite and at least 0"), "%s",
              reel_tape_error(t));
    cr_expect_eq(reel_optimizer_lr(sgd), 0);
    reel_tape_free(t);
}

Test(optimizers, no_step_is_taken_while_the_tape_has_an_error)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var p = scalar_param(t, "p", 1);
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 1, .weight_decay = 0.5 });
    reel_backward(reel_add(reel_fill(t, REEL_SHAPE(2), 0), reel_fill(t, REEL_SHAPE(3), 0)));
    cr_expect_eq(reel_optimizer_step(sgd), REEL_BAD_SHAPE);
    reel_tape_clear(t);
    cr_expect_eq(reel_item(p), 1);
    cr_expect_eq(reel_optimizer_step(sgd), REEL_OK);
    cr_expect_eq(reel_item(p), 0.5);
    expect_clean(t);
}

Test(optimizers, a_freed_optimiser_refuses_to_step)
{
    reel_tape *t = with_parameters(REEL_F32);
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ 0 });
    reel_optimizer_step(adam);
    reel_optimizer_free(adam);
    cr_expect_eq(reel_optimizer_step(adam), REEL_BAD_HANDLE);
    cr_expect(strstr(reel_tape_error(t), "the optimiser was freed"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}

Test(optimizers, nothing_is_an_optimiser_too)
{
    cr_expect_eq(reel_optimizer_step(NULL), REEL_BAD_HANDLE);
    cr_expect_eq(reel_optimizer_set_lr(NULL, 1), REEL_BAD_HANDLE);
    cr_expect(isnan(reel_optimizer_lr(NULL)));
    reel_optimizer_free(NULL);
}

static void expect_refused(reel_tape *t, reel_optimizer *optimizer, const char *text)
{
    cr_expect_null(optimizer);
    cr_expect_eq(reel_tape_status(t), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    reel_tape_clear(t);
}

Test(optimizers, options_out_of_range_are_named)
{
    reel_tape *t = new_tape(REEL_F64);
    expect_refused(t, reel_sgd(t, (reel_sgd_options){ .lr = -1 }),
                   "lr is -1, must be finite and greater than 0");
    expect_refused(t, reel_sgd(t, (reel_sgd_options){ .momentum = 1 }),
                   "momentum is 1, must be in [0, 1)");
    expect_refused(t, reel_sgd(t, (reel_sgd_options){ .nesterov = true }),
                   "nesterov needs a momentum");
    expect_refused(t, reel_sgd(t, (reel_sgd_options){ .weight_decay = NAN }),
                   "weight_decay is nan");
    expect_refused(t, reel_adam(t, (reel_adam_options){ .beta1 = -0.1 }),
                   "beta1 is -0.1, must be in [0, 1)");
    expect_refused(t, reel_adam(t, (reel_adam_options){ .beta2 = 1.5 }),
                   "beta2 is 1.5, must be in [0, 1)");
    expect_refused(t, reel_adam(t, (reel_adam_options){ .eps = REEL_ZERO }),
                   "must be greater than 0");
    expect_clean(t);
}

/* ---- many elements, own rules --------------------------------------------------------------- */

static void sign_f32(const reel_update *u)
{
    float *p = u->values;
    const float *dp = u->gradients;
    for (size_t i = 0; i < u->count; i++) {
        p[i] -= (float)u->lr * (float)((dp[i] > 0) - (dp[i] < 0));
    }
}

static void sign_f64(const reel_update *u)
{
    double *p = u->values;
    const double *dp = u->gradients;
    for (size_t i = 0; i < u->count; i++) {
        p[i] -= u->lr * ((dp[i] > 0) - (dp[i] < 0));
    }
}

Test(optimizers, a_program_may_bring_its_own_rule)
{
    static const reel_update_rule rule = { .name = "sign", .update = { sign_f32, sign_f64 } };
    enum { MANY = 100003 };
    reel_tape *t = new_tape(REEL_F32);
    reel_var p = reel_param(t, "p", REEL_SHAPE(MANY), reel_zeros());
    reel_optimizer *sign = reel_optimizer_new(t, &rule, 0.25, NULL);
    reel_backward(reel_sum_all(reel_scale(p, -7)));
    cr_assert_eq(reel_optimizer_step(sign), REEL_OK);
    cr_expect_eq(reel_item(reel_min_all(p)), 0.25);
    cr_expect_eq(reel_item(reel_max_all(p)), 0.25);
    expect_clean(t);
}

/* ---- clipping ------------------------------------------------------------------------------ */

/* Gradients `a` and `b` in two parameters. */
static reel_tape *with_gradients(reel_dtype dtype, double a, double b)
{
    reel_tape *t = new_tape(dtype);
    reel_backward(
        reel_add(reel_scale(scalar_param(t, "a", 0), a), reel_scale(scalar_param(t, "b", 0), b)));
    return t;
}

static double gradient_of(reel_tape *t, const char *name)
{
    double gradient = NAN;
    reel_read_grad_f64(reel_find_param(t, name), &gradient, 1);
    return gradient;
}

static void expect_clipped(reel_tape *t, double max, double norm, double a, double b)
{
    cr_expect_float_eq(reel_clip_norm(t, max), norm, 1e-13 * norm);
    cr_expect(fabs(gradient_of(t, "a") - a) <= 1e-7 * fabs(a), "%g", gradient_of(t, "a"));
    cr_expect(fabs(gradient_of(t, "b") - b) <= 1e-7 * fabs(b), "%g", gradient_of(t, "b"));
    expect_clean(t);
}

Test(clip, the_norm_of_all_gradients_together_is_limited)
{
    expect_clipped(with_gradients(REEL_F64, 3, -4), 1, 5, 0.6, -0.8);
    expect_clipped(with_gradients(REEL_F32, 3, -4), 1, 5, 0.6, -0.8);
}

Test(clip, a_norm_within_the_limit_changes_nothing)
{
    expect_clipped(with_gradients(REEL_F64, 3, -4), 5, 5, 3, -4);
    expect_clipped(with_gradients(REEL_F64, 0, 0), 1, 0, 0, 0);
}

Test(clip, a_norm_whose_square_overflows_or_underflows_is_right)
{
    expect_clipped(with_gradients(REEL_F64, 3e200, 4e200), 10, 5e200, 6, 8);
    expect_clipped(with_gradients(REEL_F64, 3e-200, 4e-200), 5e-201, 5e-200, 3e-201, 4e-201);
    expect_clipped(with_gradients(REEL_F32, 3e30, 4e30), 10, sqrt(pow(3e30f, 2) + pow(4e30f, 2)), 6,
                   8);
}

Test(clip, gradients_without_a_direction_become_zero_and_never_nan)
{
    static const double bad[] = { INFINITY, -INFINITY, NAN };
    for (int i = 0; i < 3; i++) {
        reel_tape *t = with_gradients(REEL_F64, bad[i], 2);
        double norm = reel_clip_norm(t, 1);
        cr_expect(i < 2 ? norm == INFINITY : isnan(norm), "%g", norm);
        cr_expect_eq(gradient_of(t, "a"), 0);
        cr_expect_eq(gradient_of(t, "b"), 0);
        expect_clean(t);
    }
}

Test(clip, the_norm_does_not_depend_on_the_number_of_threads)
{
    double norm[2];
    for (int threads = 1; threads <= 2; threads++) {
        reel_tape *t = reel_tape_new((reel_tape_options){ .threads = threads, .seed = 1 });
        reel_var p = reel_param(t, "p", REEL_SHAPE(100003), reel_normal(0, 1));
        reel_backward(reel_sum_all(reel_square(p)));
        norm[threads - 1] = reel_clip_norm(t, 1);
        expect_clean(t);
    }
    cr_expect_eq(norm[0], norm[1]);
    cr_expect_float_eq(norm[0], 2 * sqrt(100003.0), 5);
}

Test(clip, every_element_can_be_limited)
{
    reel_tape *t = with_gradients(REEL_F32, 3, -INFINITY);
    cr_expect_eq(reel_clip_value(t, 0.5), REEL_OK);
    cr_expect_eq(gradient_of(t, "a"), 0.5);
    cr_expect_eq(gradient_of(t, "b"), -0.5);
    expect_clean(t);
    t = with_gradients(REEL_F64, NAN, 0.25);
    reel_clip_value(t, 0.5);
    cr_expect(isnan(gradient_of(t, "a")));
    cr_expect_eq(gradient_of(t, "b"), 0.25);
    expect_clean(t);
}

Test(clip, a_negative_limit_is_an_error_and_changes_nothing)
{
    reel_tape *t = with_gradients(REEL_F64, 3, 4);
    cr_expect(isnan(reel_clip_norm(t, -1)));
    cr_expect(strstr(reel_tape_error(t), "max is -1, must be at least 0"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_eq(reel_clip_value(t, NAN), REEL_BAD_ARGUMENT);
    reel_tape_clear(t);
    cr_expect_eq(gradient_of(t, "a"), 3);
    expect_clean(t);
}
