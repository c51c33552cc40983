/* What an optimiser remembers: saved, restored, and refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reel.h"

static reel_tape *with_parameters(reel_dtype dtype)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 3 });
    reel_param(t, "W", REEL_SHAPE(3, 5), reel_normal(0, 1));
    reel_param(t, "b", REEL_SHAPE(5), reel_normal(0, 1));
    return t;
}

/* A loss whose gradient changes with the step. */
static void train(reel_tape *t, reel_optimizer *optimizer, int first, int end)
{
    for (int step = first; step < end; step++) {
        reel_rewind(t);
        reel_var W = reel_find_param(t, "W"), b = reel_find_param(t, "b");
        reel_var y = reel_add(reel_scale(reel_sin(W), 1 + step), b);
        reel_backward(reel_sum_all(reel_square(y)));
        cr_assert_eq(reel_optimizer_step(optimizer), REEL_OK, "%s", reel_tape_error(t));
    }
}

/* Copies parameters and state as a checkpoint would: by name, the last entry first. */
static void copy_all(reel_tape *from, reel_optimizer *saved, reel_tape *to,
                     reel_optimizer *restored)
{
    for (size_t i = 0; i < reel_param_count(from); i++) {
        double values[32];
        reel_var p = reel_param_at(from, i);
        size_t n = (size_t)reel_shape_size(reel_shape_of(p));
        cr_assert_eq(reel_read_f64(p, values, n), REEL_OK);
        reel_write_param_f64(reel_find_param(to, reel_param_name(p)), values, n);
    }
    for (size_t i = reel_optimizer_state_count(saved); i-- > 0;) {
        reel_state_entry entry;
        cr_assert_eq(reel_optimizer_state_at(saved, i, &entry), REEL_OK, "%s",
                     reel_tape_error(from));
        cr_assert_eq(reel_optimizer_state_set(restored, &entry), REEL_OK, "%s",
                     reel_tape_error(to));
    }
}

static void expect_same(reel_tape *a, reel_tape *b, const char *name)
{
    for (size_t i = 0; i < reel_param_count(a); i++) {
        double x[32], y[32];
        reel_var p = reel_param_at(a, i);
        size_t n = (size_t)reel_shape_size(reel_shape_of(p));
        reel_read_f64(p, x, n);
        reel_read_f64(reel_find_param(b, reel_param_name(p)), y, n);
        cr_expect_arr_eq(x, y, n * sizeof *x, "%s, %s", name, reel_param_name(p));
    }
}

Test(optimizer_state, training_goes_on_to_the_same_bits_whatever_the_rule)
{
    for (size_t i = 0; reel_optimizer_known(i); i++) {
        const char *name = reel_optimizer_known(i);
        if (strcmp(name, "lbfgs") == 0) {
            continue;
        }
        reel_tape *t = with_parameters(REEL_F32), *other = with_parameters(REEL_F32);
        reel_optimizer *whole = reel_optimizer_by_name(t, name, 0.01);
        train(t, whole, 0, 5);
        reel_optimizer *resumed = reel_optimizer_by_name(other, name, 0.5);
        copy_all(t, whole, other, resumed);
        cr_expect_eq(reel_optimizer_lr(resumed), 0.01);
        train(t, whole, 5, 9);
        train(other, resumed, 5, 9);
        expect_same(t, other, name);
        reel_tape_free(t);
        reel_tape_free(other);
    }
}

Test(optimizer_state, entries_are_named_after_their_parameters)
{
    reel_tape *t = with_parameters(REEL_F32);
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 0.25 });
    train(t, adam, 0, 3);
    int found = 0;
    for (size_t i = 0; i < reel_optimizer_state_count(adam); i++) {
        reel_state_entry entry;
        reel_optimizer_state_at(adam, i, &entry);
        if (strcmp(entry.name, "lr") == 0) {
            cr_expect_eq(*(const double *)entry.data, 0.25);
            found++;
        } else if (strcmp(entry.name, "W/step") == 0) {
            cr_expect_eq(entry.dtype, REEL_STATE_I64);
            cr_expect_eq(*(const int64_t *)entry.data, 3);
            found++;
        } else if (strcmp(entry.name, "W/v") == 0) {
            cr_expect_eq(entry.dtype, REEL_STATE_F32);
            cr_expect_eq(entry.count, 15);
            cr_expect(reel_shape_equal(entry.shape, REEL_SHAPE(3, 5)));
            cr_expect_gt(*(const float *)entry.data, 0);
            found++;
        }
    }
    cr_expect_eq(found, 3);
    reel_tape_free(t);
}

Test(optimizer_state, a_state_that_does_not_fit_is_refused_and_changes_nothing)
{
    reel_tape *t = with_parameters(REEL_F64);
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ 0 });
    const double numbers[15] = { 1 };
    const int64_t negative = -1;
    const struct {
        reel_state_entry entry;
        reel_status status;
        const char *text;
    } bad[] = {
        { { .name = "W/momentum", .count = 15, .data = (void *)numbers },
          REEL_NOT_FOUND,
          "adam has no state called W/momentum" },
        { { .name = "W/m", .dtype = REEL_STATE_F64, .count = 14, .data = (void *)numbers },
          REEL_BAD_ARGUMENT,
          "W/m: 14 numbers given, it holds 15" },
        { { .name = "W/step", .dtype = REEL_STATE_F64, .count = 1, .data = (void *)numbers },
          REEL_BAD_ARGUMENT,
          "W/step is a count: int64 expected" },
        { { .name = "b/step", .dtype = REEL_STATE_I64, .count = 1, .data = (void *)&negative },
          REEL_BAD_ARGUMENT,
          "b/step is -1, must be at least 0" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(reel_optimizer_state_set(adam, &bad[i].entry), bad[i].status);
        cr_expect(strstr(reel_tape_error(t), bad[i].text), "%s", reel_tape_error(t));
        reel_tape_clear(t);
    }
    reel_state_entry entry;
    cr_expect_eq(reel_optimizer_state_at(adam, 1000, &entry), REEL_BAD_INDEX);
    cr_expect_null(entry.name);
    reel_tape_free(t);
}

Test(optimizer_state, no_optimiser_is_made_of_an_unknown_name)
{
    reel_tape *t = with_parameters(REEL_F64);
    cr_expect_null(reel_optimizer_by_name(t, "adma", 0.1));
    cr_expect_eq(reel_tape_status(t), REEL_NOT_FOUND);
    cr_expect(strstr(reel_tape_error(t), "no optimiser is called \"adma\"; did you mean adam? "
                                         "Known: sgd, adam, adamw"),
              "%s", reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_null(reel_optimizer_by_name(t, NULL, 0.1));
    reel_tape_clear(t);
    cr_expect_null(reel_optimizer_by_name(t, "adam", -1));
    cr_expect(strstr(reel_tape_error(t), "lr is -1, must be finite"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}
