/* L-BFGS against torch (golden/optimizers.py), and where it must stop. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"
#include "support/golden.h"

enum { CALLS = 12, N = 5 };

static const double start[N] = { -1.2, 1.0, -0.5, 0.8, 1.5 };

static reel_tape *new_tape(reel_dtype dtype)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype });
    reel_var x = reel_param(t, "x", REEL_SHAPE(N), reel_zeros());
    reel_write_param_f64(x, start, N);
    return t;
}

static reel_var rosenbrock(reel_tape *t, void *self)
{
    (void)self;
    reel_var x = reel_find_param(t, "x");
    reel_var a = reel_slice(x, 0, 0, N - 1), b = reel_slice(x, 0, 1, N);
    reel_var curve = reel_scale(reel_square(reel_sub(b, reel_square(a))), 100);
    return reel_sum_all(reel_add(curve, reel_square(reel_shift(reel_neg(a), 1))));
}

static void expect_near(double value, double expected, const char *name, int call)
{
    cr_expect(fabs(value - expected) <= 1e-6 * fmax(1, fabs(expected)),
              "%s, call %d: %.17g, expected %.17g", name, call, value, expected);
}

static void expect_torch(const char *name, reel_lbfgs_options options)
{
    golden_row x, loss;
    cr_assert(golden_find("optimizers.txt", name, "x", &x) &&
              golden_find("optimizers.txt", name, "loss", &loss));
    reel_tape *t = new_tape(REEL_F64);
    reel_optimizer *o = reel_lbfgs(t, options);
    for (int call = 0; call < CALLS; call++) {
        double values[N];
        expect_near(reel_lbfgs_step(o, rosenbrock, NULL), loss.values[call], name, call);
        reel_read_f64(reel_find_param(t, "x"), values, N);
        for (int i = 0; i < N; i++) {
            expect_near(values[i], x.values[call * N + i], name, call);
        }
    }
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
    golden_free(&x);
    golden_free(&loss);
}

Test(lbfgs, every_call_ends_where_torchs_does)
{
    expect_torch("lbfgs", (reel_lbfgs_options){ 0 });
    expect_torch("lbfgs_short", (reel_lbfgs_options){ .iterations = 3, .history = 2, .lr = 0.5 });
    expect_torch("lbfgs_single",
                 (reel_lbfgs_options){ .iterations = 1, .evaluations = 6, .history = 5 });
}

Test(lbfgs, it_finds_the_minimum_in_f32_too)
{
    reel_tape *t = new_tape(REEL_F32);
    reel_optimizer *o = reel_lbfgs(t, (reel_lbfgs_options){ 0 });
    double loss = INFINITY;
    for (int call = 0; call < 10; call++) {
        loss = reel_lbfgs_step(o, rosenbrock, NULL);
    }
    cr_expect_lt(loss, 1e-6);
    reel_tape_free(t);
}

static reel_var nowhere(reel_tape *t, void *self)
{
    int *calls = self;
    reel_var x = reel_find_param(t, "x");
    return ++*calls > 2 ? reel_matmul(x, reel_fill(t, REEL_SHAPE(3, 3), 1)) : rosenbrock(t, NULL);
}

Test(lbfgs, an_error_in_the_loss_leaves_the_parameters_as_they_were)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_optimizer *o = reel_lbfgs(t, (reel_lbfgs_options){ 0 });
    double values[N];
    int calls = 0;
    cr_expect(isnan(reel_lbfgs_step(o, nowhere, &calls)));
    cr_expect_eq(reel_tape_status(t), REEL_BAD_SHAPE);
    reel_tape_clear(t);
    reel_read_f64(reel_find_param(t, "x"), values, N);
    cr_expect_arr_eq(values, start, sizeof start);
    cr_expect_lt(reel_lbfgs_step(o, rosenbrock, NULL), 1e4);
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

/* √x has no value below 0: steps that go there are taken back. */
static reel_var square_root(reel_tape *t, void *self)
{
    (void)self;
    reel_var x = reel_find_param(t, "x");
    return reel_sum_all(reel_sub(x, reel_scale(reel_sqrt(x), 2)));
}

Test(lbfgs, a_step_to_where_the_loss_is_nan_is_shortened)
{
    static const double above[N] = { 2, 1, 0.5, 4, 3 };
    reel_tape *t = new_tape(REEL_F64);
    reel_write_param_f64(reel_find_param(t, "x"), above, N);
    reel_optimizer *o = reel_lbfgs(t, (reel_lbfgs_options){ .lr = 50 });
    for (int call = 0; call < 10; call++) {
        reel_lbfgs_step(o, square_root, NULL);
    }
    double values[N];
    reel_read_f64(reel_find_param(t, "x"), values, N);
    for (int i = 0; i < N; i++) {
        cr_expect_float_eq(values[i], 1, 1e-4, "%g", values[i]);
    }
    reel_tape_free(t);
}

Test(lbfgs, its_state_is_saved_and_restored)
{
    reel_tape *t = new_tape(REEL_F64), *other = new_tape(REEL_F64);
    reel_lbfgs_options options = { .iterations = 2, .history = 3 };
    reel_optimizer *whole = reel_lbfgs(t, options), *resumed = reel_lbfgs(other, options);
    for (int call = 0; call < 8; call++) {
        double values[N];
        double loss = reel_lbfgs_step(whole, rosenbrock, NULL);
        if (call > 3) {
            cr_expect_eq(reel_lbfgs_step(resumed, rosenbrock, NULL), loss);
        }
        for (size_t i = 0; call == 3 && i < reel_optimizer_state_count(whole); i++) {
            reel_state_entry entry;
            reel_optimizer_state_at(whole, i, &entry);
            cr_assert_eq(reel_optimizer_state_set(resumed, &entry), REEL_OK);
        }
        reel_read_f64(reel_find_param(t, "x"), values, N);
        if (call == 3) {
            reel_write_param_f64(reel_find_param(other, "x"), values, N);
        }
    }
    reel_tape_free(t);
    reel_tape_free(other);
}

Test(lbfgs, frozen_parameters_stay)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_optimizer *o = reel_lbfgs(t, (reel_lbfgs_options){ 0 });
    cr_expect_eq(reel_optimizer_group(o, "x", (reel_group_options){ .frozen = true }), 1);
    double values[N];
    reel_lbfgs_step(o, rosenbrock, NULL);
    reel_read_f64(reel_find_param(t, "x"), values, N);
    cr_expect_arr_eq(values, start, sizeof start);
    reel_tape_free(t);
}

Test(lbfgs, it_is_told_apart_from_the_others)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_optimizer *o = reel_lbfgs(t, (reel_lbfgs_options){ 0 });
    cr_expect_eq(reel_optimizer_step(o), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "call reel_lbfgs_step"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect(isnan(reel_lbfgs_step(reel_sgd(t, (reel_sgd_options){ 0 }), rosenbrock, NULL)));
    cr_expect(strstr(reel_tape_error(t), "call reel_optimizer_step"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_null(reel_lbfgs(t, (reel_lbfgs_options){ .history = 101 }));
    cr_expect(strstr(reel_tape_error(t), "history is 101, must be in 1"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}
