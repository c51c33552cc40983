/* Averages of parameters, groups, clipping of parts, micro-batches. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reel.h"

static reel_tape *new_tape(reel_dtype dtype)
{
    return reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 5 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static reel_var scalar_param(reel_tape *t, const char *name, double value)
{
    return reel_param(t, name, REEL_SHAPE(), reel_constant(value));
}

static void write(reel_tape *t, const char *name, double value)
{
    cr_assert_eq(reel_write_param_f64(reel_find_param(t, name), &value, 1), REEL_OK);
}

static double value_of(reel_tape *t, const char *name)
{
    return reel_item(reel_find_param(t, name));
}

static void expect_error(reel_tape *t, reel_status status, const char *text)
{
    cr_expect_eq(reel_tape_status(t), status);
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    reel_tape_clear(t);
}

/* ---- averages ------------------------------------------------------------------------------ */

Test(averages, ema_starts_at_the_values_and_follows_them)
{
    reel_tape *t = new_tape(REEL_F64);
    scalar_param(t, "p", 1);
    reel_average *ema = reel_ema(t, 0.75);
    double expected = 1;
    cr_assert_eq(reel_average_update(ema), REEL_OK);
    for (int i = 2; i < 6; i++) {
        write(t, "p", i * i);
        cr_assert_eq(reel_average_update(ema), REEL_OK);
        expected = 0.75 * expected + 0.25 * i * i;
    }
    cr_assert_eq(reel_average_apply(ema), REEL_OK);
    cr_expect_float_eq(value_of(t, "p"), expected, 1e-13);
    cr_assert_eq(reel_average_restore(ema), REEL_OK);
    cr_expect_eq(value_of(t, "p"), 25);
    cr_assert_eq(reel_average_apply(ema), REEL_OK);
    cr_expect_float_eq(value_of(t, "p"), expected, 1e-13);
    expect_clean(t);
}

Test(averages, swa_is_the_mean_and_a_parameter_made_later_has_its_own)
{
    reel_tape *t = new_tape(REEL_F32);
    scalar_param(t, "p", 1);
    reel_average *swa = reel_swa(t);
    reel_average_update(swa);
    write(t, "p", 3);
    reel_average_update(swa);
    scalar_param(t, "late", 10);
    write(t, "p", 8);
    reel_average_update(swa);
    write(t, "late", 20);
    write(t, "p", 0);
    reel_average_update(swa);
    cr_assert_eq(reel_average_apply(swa), REEL_OK);
    cr_expect_float_eq(value_of(t, "p"), 3, 1e-6);
    cr_expect_float_eq(value_of(t, "late"), 15, 1e-6);
    reel_average_restore(swa);
    cr_expect_eq(value_of(t, "late"), 20);
    expect_clean(t);
}

Test(averages, many_elements_are_averaged_whatever_the_threads)
{
    enum { MANY = 100003 };
    for (int threads = 1; threads <= 2; threads++) {
        reel_tape *t = reel_tape_new((reel_tape_options){ .threads = threads, .seed = 2 });
        reel_var p = reel_param(t, "p", REEL_SHAPE(MANY), reel_constant(1));
        reel_average *swa = reel_swa(t);
        reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 1 });
        for (int i = 0; i < 3; i++) {
            reel_rewind(t);
            reel_backward(reel_sum_all(p));
            reel_optimizer_step(sgd);
            reel_average_update(swa);
        }
        reel_average_apply(swa);
        cr_expect_float_eq(reel_item(reel_min_all(p)), -1, 1e-6);
        cr_expect_float_eq(reel_item(reel_max_all(p)), -1, 1e-6);
        expect_clean(t);
    }
}

Test(averages, a_saved_average_is_restored)
{
    reel_tape *t = new_tape(REEL_F64), *other = new_tape(REEL_F32);
    scalar_param(t, "p", 4);
    scalar_param(other, "p", 0);
    reel_average *saved = reel_swa(t), *restored = reel_swa(other);
    reel_average_update(saved);
    write(t, "p", 8);
    reel_average_update(saved);
    cr_expect_eq(reel_average_state_count(saved), 2);
    for (size_t i = 0; i < 2; i++) {
        reel_state_entry entry;
        cr_assert_eq(reel_average_state_at(saved, i, &entry), REEL_OK);
        cr_assert_eq(reel_average_state_set(restored, &entry), REEL_OK, "%s",
                     reel_tape_error(other));
    }
    reel_average_update(restored);
    reel_average_apply(restored);
    cr_expect_float_eq(value_of(other, "p"), 4, 1e-6);
    reel_average_restore(restored);
    reel_state_entry wrong = { .name = "q/average" };
    cr_expect_eq(reel_average_state_set(restored, &wrong), REEL_NOT_FOUND);
    reel_tape_free(t);
    reel_tape_free(other);
}

Test(averages, what_is_out_of_order_is_an_error)
{
    reel_tape *t = new_tape(REEL_F64);
    scalar_param(t, "p", 1);
    cr_expect_null(reel_ema(t, 1));
    expect_error(t, REEL_BAD_ARGUMENT, "decay is 1, must be in [0, 1)");
    reel_average *swa = reel_swa(t);
    cr_expect_eq(reel_average_restore(swa), REEL_BAD_ARGUMENT);
    expect_error(t, REEL_BAD_ARGUMENT, "the averages are not in place");
    reel_average_update(swa);
    reel_average_apply(swa);
    cr_expect_eq(reel_average_update(swa), REEL_BAD_ARGUMENT);
    expect_error(t, REEL_BAD_ARGUMENT, "call reel_average_restore before");
    reel_average_free(swa);
    cr_expect_eq(reel_average_update(swa), REEL_BAD_HANDLE);
    cr_expect_eq(reel_average_apply(NULL), REEL_BAD_HANDLE);
    expect_clean(t);
}

/* ---- NT-ASGD ------------------------------------------------------------------------------- */

/* The trigger of AWD-LSTM's training script, in the words of the paper's code. */
static bool script_triggers(const double *losses, int count, int window)
{
    double best = INFINITY;
    for (int i = 0; i < count - 1 - window; i++) {
        best = fmin(best, losses[i]);
    }
    return count - 1 > window && losses[count - 1] > best;
}

Test(nt_asgd, averaging_begins_when_a_loss_is_worse_than_the_best_before_the_window)
{
    static const double losses[] = { 9, 8, 7, 7.5, 6.9, 6.8, 7.2, 6.7, 6.95, 6.6, 8, 6 };
    enum { COUNT = sizeof losses / sizeof *losses };
    for (int window = 1; window < 6; window++) {
        reel_tape *t = new_tape(REEL_F64);
        scalar_param(t, "p", 0);
        reel_optimizer *o = reel_nt_asgd(t, (reel_nt_asgd_options){ .window = window });
        bool expected = false;
        for (int i = 0; i < COUNT; i++) {
            expected = expected || script_triggers(losses, i + 1, window);
            cr_expect_eq(reel_nt_asgd_report(o, losses[i]), expected, "window %d, report %d",
                         window, i);
        }
        expect_clean(t);
    }
}

Test(nt_asgd, the_mean_is_that_of_the_parameters_since_the_trigger)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var p = scalar_param(t, "p", 10);
    reel_optimizer *o = reel_nt_asgd(t, (reel_nt_asgd_options){ .lr = 1, .window = 1 });
    for (int step = 0; step < 6; step++) {
        reel_rewind(t);
        reel_backward(p);
        cr_assert_eq(reel_optimizer_step(o), REEL_OK);
        if (step == 2) { /* the third report is worse than the first */
            reel_nt_asgd_exchange(o);
            cr_expect_eq(value_of(t, "p"), 7, "no mean yet");
            reel_nt_asgd_exchange(o);
            reel_nt_asgd_report(o, 1);
            reel_nt_asgd_report(o, 1);
            cr_expect(reel_nt_asgd_report(o, 2));
        }
    }
    reel_nt_asgd_exchange(o);
    cr_expect_eq(value_of(t, "p"), (6 + 5 + 4) / 3.0);
    reel_nt_asgd_exchange(o);
    cr_expect_eq(value_of(t, "p"), 4);
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ 0 });
    cr_expect_not(reel_nt_asgd_report(sgd, 1));
    expect_error(t, REEL_BAD_ARGUMENT, "sgd does not average");
    cr_expect_null(reel_nt_asgd(t, (reel_nt_asgd_options){ .window = 99 }));
    expect_error(t, REEL_BAD_ARGUMENT, "window is 99, must be in 1");
    expect_clean(t);
}

/* ---- groups -------------------------------------------------------------------------------- */

static void one_step(reel_tape *t, reel_optimizer *o, const char *const names[], int n)
{
    reel_rewind(t);
    reel_var loss = reel_scalar(t, 0);
    for (int i = 0; i < n; i++) {
        loss = reel_add(loss, reel_find_param(t, names[i]));
    }
    reel_backward(loss);
    cr_assert_eq(reel_optimizer_step(o), REEL_OK, "%s", reel_tape_error(t));
}

Test(groups, settings_go_to_the_parameters_whose_names_match)
{
    static const char *const names[] = { "encoder.W", "encoder.b", "out.W", "out.b", "out.b2" };
    reel_tape *t = new_tape(REEL_F64);
    for (int i = 0; i < 4; i++) {
        scalar_param(t, names[i], 10);
    }
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 1, .weight_decay = 0.1 });
    cr_expect_eq(
        reel_optimizer_group(sgd, "*.b", (reel_group_options){ .weight_decay = REEL_ZERO }), 2);
    cr_expect_eq(reel_optimizer_group(sgd, "encoder.*", (reel_group_options){ .frozen = true }), 2);
    cr_expect_eq(reel_optimizer_group(sgd, "out.b?", (reel_group_options){ .lr = 0.5 }), 0);
    scalar_param(t, names[4], 10);
    one_step(t, sgd, names, 5);
    cr_expect_eq(value_of(t, "encoder.W"), 10);
    cr_expect_eq(value_of(t, "encoder.b"), 10);
    cr_expect_float_eq(value_of(t, "out.W"), 8, 1e-14);
    cr_expect_float_eq(value_of(t, "out.b"), 9, 1e-14);
    cr_expect_float_eq(value_of(t, "out.b2"), 9, 1e-14); /* half of 1 + 0.1·10 */
    double gradient;
    reel_read_grad_f64(reel_find_param(t, "encoder.W"), &gradient, 1);
    cr_expect_eq(gradient, 0);
    expect_clean(t);
}

/* Adam's first step is lr, whatever the gradient; of the wrong age it is not. */
Test(groups, a_thawed_parameter_is_as_young_as_it_was)
{
    static const char *const names[] = { "a", "b" };
    reel_tape *t = new_tape(REEL_F64);
    scalar_param(t, "a", 0);
    scalar_param(t, "b", 0);
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 0.5, .eps = 1e-30 });
    reel_optimizer_group(adam, "b", (reel_group_options){ .frozen = true });
    one_step(t, adam, names, 2);
    one_step(t, adam, names, 2);
    cr_expect_eq(value_of(t, "b"), 0);
    reel_optimizer_group(adam, "b", (reel_group_options){ .lr_factor = 0.5 });
    one_step(t, adam, names, 2);
    cr_expect_float_eq(value_of(t, "a"), -1.5, 1e-12);
    cr_expect_float_eq(value_of(t, "b"), -0.25, 1e-12);
    expect_clean(t);
}

Test(groups, a_groups_lr_follows_the_schedule)
{
    static const char *const names[] = { "a", "b" };
    reel_tape *t = new_tape(REEL_F64);
    scalar_param(t, "a", 0);
    scalar_param(t, "b", 0);
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 1 });
    reel_optimizer_schedule(sgd, reel_exponential_lr(0.5));
    reel_schedule_step(sgd);
    reel_optimizer_group(sgd, "b", (reel_group_options){ .lr = 4 });
    one_step(t, sgd, names, 2);
    cr_expect_eq(value_of(t, "a"), -0.5);
    cr_expect_eq(value_of(t, "b"), -2);
    expect_clean(t);
}

Test(groups, decoupled_decay_shrinks_the_values_beside_the_update)
{
    static const char *const names[] = { "a" };
    reel_tape *t = new_tape(REEL_F64);
    scalar_param(t, "a", 10);
    reel_optimizer *sgd = reel_sgd(
        t,
        (reel_sgd_options){ .lr = 0.5, .momentum = 0.5, .weight_decay = 0.1, .decoupled = true });
    one_step(t, sgd, names, 1);
    cr_expect_float_eq(value_of(t, "a"), 10 * 0.95 - 0.5, 1e-14);
    one_step(t, sgd, names, 1);
    cr_expect_float_eq(value_of(t, "a"), 9 * 0.95 - 0.5 * 1.5, 1e-14);
    expect_clean(t);
}

Test(groups, settings_out_of_range_are_refused)
{
    reel_tape *t = new_tape(REEL_F64);
    scalar_param(t, "a", 1);
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 1 });
    cr_expect_eq(reel_optimizer_group(sgd, "", (reel_group_options){ 0 }), -1);
    expect_error(t, REEL_BAD_ARGUMENT, "a group needs a pattern");
    cr_expect_eq(reel_optimizer_group(sgd, "a", (reel_group_options){ .lr = -1 }), -1);
    expect_error(t, REEL_BAD_ARGUMENT, "lr is -1");
    cr_expect_eq(reel_optimizer_group(sgd, "a", (reel_group_options){ .lr = 1, .lr_factor = 2 }),
                 -1);
    expect_error(t, REEL_BAD_ARGUMENT, "give one of them");
    cr_expect_eq(reel_optimizer_group(NULL, "a", (reel_group_options){ 0 }), -1);
    expect_clean(t);
}

/* ---- clipping of parts ---------------------------------------------------------------------- */

static const float gradients[6] = { 3, 0.5f, 0, 4, 0.5f, 0 };

/* W [2, 3] with these gradients, whose columns have the norms 5, √0.5, 0; b with `extra`. */
static reel_tape *with_gradients(reel_dtype dtype, double extra)
{
    reel_tape *t = new_tape(dtype);
    reel_var W = reel_param(t, "W", REEL_SHAPE(2, 3), reel_constant(2));
    reel_var b = scalar_param(t, "b", 0);
    reel_var g = reel_input(t, REEL_SHAPE(2, 3), gradients);
    reel_backward(reel_add(reel_sum_all(reel_mul(W, g)), reel_scale(b, extra)));
    return t;
}

static void expect_gradients(reel_tape *t, const double expected[6], double extra)
{
    double W[6], b;
    cr_assert_eq(reel_read_grad_f64(reel_find_param(t, "W"), W, 6), REEL_OK);
    reel_read_grad_f64(reel_find_param(t, "b"), &b, 1);
    for (int i = 0; i < 6; i++) {
        cr_expect_float_eq(W[i], expected[i], 1e-6, "%d: %g, expected %g", i, W[i], expected[i]);
    }
    cr_expect_float_eq(b, extra, 1e-6, "%g", b);
    expect_clean(t);
}

Test(clip_parts, each_parameter_is_limited_for_itself)
{
    double norm = sqrt(25.5), expected[6];
    for (int i = 0; i < 6; i++) {
        expected[i] = gradients[i] / norm;
    }
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = with_gradients((reel_dtype)dtype, -0.5);
        cr_expect_eq(reel_clip_norm_each(t, 1), REEL_OK);
        expect_gradients(t, expected, -0.5);
    }
    reel_tape *t = with_gradients(REEL_F64, INFINITY);
    reel_clip_norm_each(t, 1);
    expect_gradients(t, expected, 0);
}

/* Each column's weights have the norm √8; b's is taken as eps. */
Test(clip_parts, adaptive_clipping_limits_a_unit_by_its_weights)
{
    double most = 0.1 * sqrt(8), second = most / sqrt(0.5);
    double expected[6] = { 3 * most / 5, 0.5 * second, 0, 4 * most / 5, 0.5 * second, 0 };
    for (int dtype = 0; dtype < 2; dtype++) {
        reel_tape *t = with_gradients((reel_dtype)dtype, 5);
        reel_clip_adaptive_options options = { .share = 0.1, .eps = 0.5 };
        cr_expect_eq(reel_clip_adaptive(t, options), REEL_OK);
        expect_gradients(t, expected, 0.05);
    }
}

Test(clip_parts, limits_out_of_range_are_refused_and_change_nothing)
{
    double unchanged[6];
    reel_tape *t = with_gradients(REEL_F64, 1);
    for (int i = 0; i < 6; i++) {
        unchanged[i] = gradients[i];
    }
    cr_expect_eq(reel_clip_norm_each(t, NAN), REEL_BAD_ARGUMENT);
    expect_error(t, REEL_BAD_ARGUMENT, "max is nan, must be at least 0");
    cr_expect_eq(reel_clip_adaptive(t, (reel_clip_adaptive_options){ .share = -1 }),
                 REEL_BAD_ARGUMENT);
    expect_error(t, REEL_BAD_ARGUMENT, "share is -1, must be greater than 0");
    cr_expect_eq(reel_clip_norm_each(NULL, 1), REEL_BAD_HANDLE);
    expect_gradients(t, unchanged, 1);
}

/* ---- micro-batches -------------------------------------------------------------------------- */

enum { ROWS = 12, INPUTS = 3 };

static reel_var mean_loss(reel_tape *t, const double *x, int first, int end)
{
    reel_var W = reel_find_param(t, "W");
    reel_var rows = reel_input_f64(t, REEL_SHAPE(end - first, INPUTS), x + first * INPUTS);
    return reel_mean_all(reel_square(reel_tanh(reel_matmul(rows, W))));
}

Test(microbatches, unequal_parts_give_the_gradient_of_the_whole)
{
    static const int cuts[] = { 0, 5, 6, 6, 12 };
    double x[ROWS * INPUTS], whole[INPUTS * 2], parts[INPUTS * 2];
    reel_tape *t = new_tape(REEL_F64);
    reel_var W = reel_param(t, "W", REEL_SHAPE(INPUTS, 2), reel_normal(0, 1));
    for (int i = 0; i < ROWS * INPUTS; i++) {
        x[i] = sin(i * 1.7);
    }
    reel_backward(mean_loss(t, x, 0, ROWS));
    reel_read_grad_f64(W, whole, INPUTS * 2);
    reel_zero_grad(t);
    reel_microbatches batch = { 0 };
    for (int i = 0; i < 4; i++) {
        reel_rewind(t);
        int n = cuts[i + 1] - cuts[i];
        reel_var loss = n ? mean_loss(t, x, cuts[i], cuts[i + 1]) : reel_scalar(t, 0);
        cr_assert_eq(reel_microbatch(&batch, loss, n), REEL_OK, "%s", reel_tape_error(t));
    }
    cr_expect_eq(batch.count, ROWS);
    cr_assert_eq(reel_microbatch_end(&batch, t), REEL_OK);
    cr_expect_eq(batch.count, 0);
    reel_read_grad_f64(W, parts, INPUTS * 2);
    for (int i = 0; i < INPUTS * 2; i++) {
        cr_expect_float_eq(parts[i], whole[i], 1e-15, "%d: %.17g, expected %.17g", i, parts[i],
                           whole[i]);
    }
    cr_expect_eq(reel_microbatch(&batch, reel_sum_all(W), -1), REEL_BAD_ARGUMENT);
    expect_error(t, REEL_BAD_ARGUMENT, "count is -1, must be finite and at least 0");
    cr_expect_eq(batch.count, 0);
    expect_clean(t);
}
