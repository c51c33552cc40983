/* Learning-rate schedules against torch.optim.lr_scheduler (golden/schedules.py). */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"
#include "support/golden.h"

static golden_row golden(const char *name, const char *label)
{
    golden_row row;
    cr_assert(golden_find("schedules.txt", name, label, &row), "%s", name);
    return row;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-13 + 1e-12 * fabs(b);
}

static reel_optimizer *optimizer_of(reel_tape *t)
{
    reel_param(t, "p", REEL_SHAPE(), reel_zeros());
    return reel_sgd(t, (reel_sgd_options){ .lr = 0.1 });
}

/* Asked from the last step to the first, and at an optimiser from the first to the last. */
static void expect_rates(const char *name, reel_schedule s)
{
    golden_row row = golden(name, "lr");
    cr_expect_geq(row.count, 40);
    for (size_t i = row.count; i-- > 0;) {
        double lr = reel_schedule_lr(&s, 0.1, (int64_t)i);
        cr_expect(near(lr, row.values[i]), "%s, step %zu: %.17g, expected %.17g", name, i, lr,
                  row.values[i]);
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_optimizer *sgd = optimizer_of(t);
    cr_assert_eq(reel_optimizer_schedule(sgd, s), REEL_OK, "%s", reel_tape_error(t));
    for (size_t i = 0; i < row.count; i++) {
        cr_expect(near(reel_optimizer_lr(sgd), row.values[i]), "%s, step %zu", name, i);
        cr_assert_eq(reel_schedule_step(sgd), REEL_OK, "%s", reel_tape_error(t));
    }
    golden_free(&row);
    reel_tape_free(t);
}

static double reciprocal(void *self, int64_t step)
{
    (void)self;
    return 1 / (1 + (double)step);
}

Test(schedules, every_rate_of_every_schedule_is_torchs)
{
    static const int64_t milestones[] = { 5, 20, 20, 41 };
    expect_rates("step", reel_step_lr(7, 0.5));
    expect_rates("multistep", reel_multistep_lr(4, milestones, 0.3));
    expect_rates("exponential", reel_exponential_lr(0.93));
    expect_rates("cosine", reel_cosine_lr(25, 0.01));
    expect_rates("restarts", reel_cosine_restarts_lr(9, 1, 0.01));
    expect_rates("restarts_longer", reel_cosine_restarts_lr(5, 2, 0.001));
    expect_rates("linear", reel_linear_lr(12, 0.25, 0.9));
    expect_rates("polynomial", reel_polynomial_lr(40, 2.5));
    expect_rates("function", reel_function_lr(reciprocal, NULL));
    expect_rates("inverse_sqrt", reel_inverse_sqrt_lr(8));
}

Test(schedules, one_cycle_is_torchs_in_two_phases_and_three)
{
    expect_rates("one_cycle",
                 reel_one_cycle_lr((reel_one_cycle_options){ .steps = 50, .highest = 0.5 }));
    expect_rates("one_cycle_linear", reel_one_cycle_lr((reel_one_cycle_options){
                                         .steps = 43,
                                         .highest = 0.5,
                                         .rise = 0.25,
                                         .start_factor = 10,
                                         .end_factor = 100,
                                         .linear = true,
                                     }));
    expect_rates("one_cycle_three", reel_one_cycle_lr((reel_one_cycle_options){
                                        .steps = 50, .highest = 0.5, .three_phases = true }));
}

/* ---- momentum that cycles ------------------------------------------------------------------- */

static reel_optimizer *cycled(reel_tape *t, const char *name)
{
    const double lr = 0.1;
#define IS(text) (strcmp(name, "cycle_" text) == 0)
    return IS("sgd") ? reel_sgd(t, (reel_sgd_options){ .lr = lr, .momentum = 0.5 })
           : IS("nesterov")
               ? reel_sgd(t, (reel_sgd_options){ .lr = lr, .momentum = 0.9, .nesterov = true })
           : IS("adam")  ? reel_adam(t, (reel_adam_options){ .lr = lr })
           : IS("adamw") ? reel_adamw(t, (reel_adam_options){ .lr = lr, .weight_decay = 0.1 })
           : IS("nadam") ? reel_nadam(t, (reel_nadam_options){ .lr = lr })
           : IS("radam") ? reel_radam(t, (reel_radam_options){ .lr = lr })
           : IS("adamax")
               ? reel_adamax(t, (reel_adamax_options){ .lr = lr })
               : reel_rmsprop(t,
                              (reel_rmsprop_options){ .lr = lr, .momentum = 0.9, .centred = true });
#undef IS
}

/* One update on (c/2)·(p - target)², c = 1, 2, 3. */
static void step_of_cycle(reel_tape *t, reel_optimizer *optimizer)
{
    static const double target[] = { 1, -1, 0.5 }, half[] = { 0.5, 1, 1.5 };
    reel_rewind(t);
    reel_var d = reel_sub(reel_find_param(t, "p"), reel_input_f64(t, REEL_SHAPE(3), target));
    reel_backward(reel_sum_all(reel_mul(reel_input_f64(t, REEL_SHAPE(3), half), reel_square(d))));
    cr_assert_eq(reel_optimizer_step(optimizer), REEL_OK, "%s", reel_tape_error(t));
}

static reel_tape *tape_of_cycle(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64 });
    reel_param(t, "p", REEL_SHAPE(3), reel_zeros());
    return t;
}

static void expect_cycle(const char *name, reel_one_cycle_options o)
{
    o.steps = 40, o.highest = 0.05, o.cycle_momentum = true;
    reel_schedule cycle = reel_one_cycle_lr(o);
    golden_row momentum = golden(name, "momentum"), path = golden(name, "path");
    reel_tape *t = tape_of_cycle();
    reel_optimizer *optimizer = cycled(t, name);
    cr_assert_eq(reel_optimizer_schedule(optimizer, cycle), REEL_OK, "%s", reel_tape_error(t));
    for (size_t i = 0; i < momentum.count; i++) {
        double p[3], now = reel_schedule_momentum(&cycle, (int64_t)i);
        cr_expect(near(now, momentum.values[i]), "%s, step %zu: %.17g", name, i, now);
        step_of_cycle(t, optimizer);
        reel_read_f64(reel_find_param(t, "p"), p, 3);
        for (size_t k = 0; k < 3; k++) {
            double off = fabs(p[k] - path.values[3 * i + k]);
            cr_expect_lt(off, 1e-12, "%s, step %zu: %.17g", name, i, p[k]);
        }
        reel_schedule_step(optimizer);
    }
    golden_free(&momentum);
    golden_free(&path);
    reel_tape_free(t);
}

Test(schedules, one_cycle_takes_the_momentum_down_and_up_as_torch_does)
{
    const reel_one_cycle_options plain = { 0 };
    expect_cycle("cycle_sgd", plain);
    expect_cycle("cycle_nesterov", (reel_one_cycle_options){ .three_phases = true,
                                                             .lowest_momentum = 0.6,
                                                             .highest_momentum = 0.8 });
    expect_cycle("cycle_adam", plain);
    expect_cycle("cycle_adamw", (reel_one_cycle_options){ .linear = true });
    expect_cycle("cycle_nadam", (reel_one_cycle_options){ .rise = 0.4 });
    expect_cycle("cycle_radam", plain);
    expect_cycle("cycle_adamax", plain);
    expect_cycle("cycle_rmsprop", plain);
}

Test(schedules, a_cycle_of_momentum_behind_a_warmup_waits_for_its_turn)
{
    reel_schedule cycle =
        reel_one_cycle_lr((reel_one_cycle_options){ .steps = 10, .cycle_momentum = true });
    const reel_schedule warm = reel_warmup_lr(5, 0.1, &cycle);
    const reel_schedule parts[] = { reel_exponential_lr(0.9), cycle };
    static const int64_t milestones[] = { 3 };
    const reel_schedule after = reel_sequential_lr(1, milestones, parts);
    cr_expect_eq(reel_schedule_momentum(&warm, 2), 0.95);
    cr_expect_eq(reel_schedule_momentum(&warm, 9), reel_schedule_momentum(&cycle, 4));
    cr_expect(isnan(reel_schedule_momentum(&after, 2)));
    cr_expect_eq(reel_schedule_momentum(&after, 7), reel_schedule_momentum(&cycle, 4));
    cr_expect(isnan(reel_schedule_momentum(&parts[0], 2)));
}

Test(schedules, an_optimiser_without_momentum_takes_no_cycle_of_it)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_optimizer *sgd = optimizer_of(t);
    reel_schedule cycle =
        reel_one_cycle_lr((reel_one_cycle_options){ .steps = 10, .cycle_momentum = true });
    cr_expect_eq(reel_optimizer_schedule(sgd, cycle), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "changes the momentum, and the optimiser has none"), "%s",
              reel_tape_error(t));
    cr_expect_eq(reel_optimizer_lr(sgd), 0.1);
    reel_tape_free(t);
}

Test(schedules, compositions_are_torchs)
{
    static const int64_t milestones[] = { 7, 30 };
    reel_schedule cosine = reel_cosine_lr(30, 0.01);
    expect_rates("warmup", reel_warmup_lr(6, 0.1, &cosine));
    const reel_schedule parts[] = { reel_linear_lr(1, 0.5, 0.5), reel_exponential_lr(0.9),
                                    reel_step_lr(4, 0.5) };
    expect_rates("sequential", reel_sequential_lr(2, milestones, parts));
}

static const reel_plateau_options plateaus[] = {
    { .patience = 2 },
    { .largest_is_best = true, .patience = 1, .factor = 0.5 },
    { .patience = REEL_ZERO, .threshold = 0.05, .absolute = true, .cooldown = 3, .factor = 0.7 },
    { .largest_is_best = true,
      .patience = 3,
      .threshold = 0.01,
      .absolute = true,
      .lowest = 0.004,
      .factor = 0.3 },
    { .patience = 1, .threshold = REEL_ZERO, .eps = 0.002, .factor = 0.6 },
};

Test(schedules, reduction_on_a_plateau_is_torchs_with_all_options)
{
    golden_row report = golden("plateau", "report");
    for (size_t k = 0; k < sizeof plateaus / sizeof *plateaus; k++) {
        char name[16];
        snprintf(name, sizeof name, "plateau%zu", k);
        golden_row row = golden(name, "lr");
        reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
        reel_optimizer *sgd = optimizer_of(t);
        cr_assert_eq(reel_optimizer_plateau(sgd, plateaus[k]), REEL_OK);
        for (size_t i = 0; i < row.count; i++) {
            cr_expect(near(reel_optimizer_lr(sgd), row.values[i]), "%s, step %zu: %g", name, i,
                      reel_optimizer_lr(sgd));
            cr_assert_eq(reel_schedule_report(sgd, report.values[i]), REEL_OK);
        }
        cr_expect_lt(row.values[row.count - 1], 0.1);
        golden_free(&row);
        reel_tape_free(t);
    }
    golden_free(&report);
}

/* ---- state --------------------------------------------------------------------------------- */

static void copy_state(reel_optimizer *from, reel_optimizer *to)
{
    for (size_t i = 0; i < reel_optimizer_state_count(from); i++) {
        reel_state_entry entry;
        cr_assert_eq(reel_optimizer_state_at(from, i, &entry), REEL_OK);
        cr_assert_eq(reel_optimizer_state_set(to, &entry), REEL_OK);
    }
}

Test(schedules, a_restored_schedule_goes_on_where_it_was)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_tape *other = reel_tape_new((reel_tape_options){ 0 });
    reel_optimizer *whole = optimizer_of(t), *resumed = optimizer_of(other);
    reel_optimizer_set_lr(resumed, 77);
    reel_optimizer *both[] = { whole, resumed };
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(reel_optimizer_schedule(both[i], reel_cosine_lr(20, 0)), REEL_OK);
        cr_assert_eq(reel_optimizer_plateau(both[i], plateaus[2]), REEL_OK);
    }
    for (int step = 0; step < 20; step++) {
        if (step == 7) {
            copy_state(whole, resumed);
        }
        reel_schedule_step(whole);
        reel_schedule_report(whole, 1 + step % 3);
        if (step >= 7) {
            reel_schedule_step(resumed);
            reel_schedule_report(resumed, 1 + step % 3);
            cr_expect_eq(reel_optimizer_lr(whole), reel_optimizer_lr(resumed), "step %d", step);
        }
    }
    reel_tape_free(t);
    reel_tape_free(other);
}

Test(schedules, a_restored_cycle_of_momentum_goes_on_where_it_was)
{
    reel_schedule cycle =
        reel_one_cycle_lr((reel_one_cycle_options){ .steps = 20, .cycle_momentum = true });
    reel_tape *t = tape_of_cycle(), *other = tape_of_cycle();
    reel_optimizer *whole = cycled(t, "cycle_adam"), *resumed = cycled(other, "cycle_adam");
    reel_optimizer_schedule(whole, cycle);
    reel_optimizer_schedule(resumed, cycle);
    double p[3], q[3];
    for (int step = 0; step < 20; step++) {
        if (step == 7) {
            copy_state(whole, resumed);
            reel_read_f64(reel_find_param(t, "p"), p, 3);
            reel_write_param_f64(reel_find_param(other, "p"), p, 3);
        }
        step_of_cycle(t, whole);
        reel_schedule_step(whole);
        if (step >= 7) {
            step_of_cycle(other, resumed);
            reel_schedule_step(resumed);
        }
    }
    reel_read_f64(reel_find_param(t, "p"), p, 3);
    reel_read_f64(reel_find_param(other, "p"), q, 3);
    cr_expect_arr_eq(p, q, sizeof p);
    reel_tape_free(t);
    reel_tape_free(other);
}

/* ---- misuse -------------------------------------------------------------------------------- */

static double negative(void *self, int64_t step)
{
    (void)self;
    return step < 2 ? 1 : -1;
}

Test(schedules, what_is_out_of_range_is_refused_where_it_is_attached)
{
    static const int64_t descending[] = { 5, 3 };
    const reel_schedule bad_parts[] = { reel_step_lr(2, 0.5), reel_step_lr(0, 0.5) };
    const reel_schedule bad[] = {
        reel_step_lr(0, 0.5),
        reel_step_lr(3, -1),
        reel_multistep_lr(2, descending, 0.1),
        reel_exponential_lr(NAN),
        reel_cosine_lr(0, 0),
        reel_cosine_lr(10, -1),
        reel_cosine_restarts_lr(4, 0, 0),
        reel_linear_lr(-3, 0, 1),
        reel_polynomial_lr(3, 0),
        reel_inverse_sqrt_lr(0),
        reel_function_lr(NULL, NULL),
        reel_one_cycle_lr((reel_one_cycle_options){ .steps = 10, .rise = 2 }),
        reel_one_cycle_lr((reel_one_cycle_options){ 0 }),
        reel_one_cycle_lr((reel_one_cycle_options){ .steps = 10, .highest_momentum = 1 }),
        reel_one_cycle_lr((reel_one_cycle_options){ .steps = 10, .lowest_momentum = 0.97 }),
        reel_warmup_lr(3, 0.1, NULL),
        reel_warmup_lr(3, 0.1, &bad_parts[1]),
        reel_sequential_lr(1, descending, bad_parts),
        { 0 },
    };
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_optimizer *sgd = optimizer_of(t);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect(isnan(reel_schedule_lr(&bad[i], 1, 3)), "%zu", i);
        cr_expect_eq(reel_optimizer_schedule(sgd, bad[i]), REEL_BAD_ARGUMENT, "%zu", i);
        cr_expect(strstr(reel_tape_error(t), bad[i].error ? bad[i].error : "is empty"), "%s",
                  reel_tape_error(t));
        reel_tape_clear(t);
    }
    cr_expect_eq(reel_optimizer_lr(sgd), 0.1);
    cr_expect_eq(reel_schedule_step(sgd), REEL_BAD_ARGUMENT);
    reel_tape_clear(t);
    cr_expect_eq(reel_schedule_report(sgd, 1), REEL_BAD_ARGUMENT);
    reel_tape_clear(t);
    cr_expect_eq(reel_optimizer_plateau(sgd, (reel_plateau_options){ .factor = 1.5 }),
                 REEL_BAD_ARGUMENT);
    reel_tape_free(t);
}

Test(schedules, a_rate_below_0_stops_the_schedule_where_it_is)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_optimizer *sgd = optimizer_of(t);
    reel_optimizer_schedule(sgd, reel_function_lr(negative, NULL));
    cr_expect_eq(reel_schedule_step(sgd), REEL_OK);
    cr_expect_eq(reel_schedule_step(sgd), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "the schedule's lr at step 2 is -0.1"), "%s",
              reel_tape_error(t));
    cr_expect_eq(reel_optimizer_lr(sgd), 0.1);
    cr_expect_eq(reel_schedule_step(NULL), REEL_BAD_HANDLE);
    reel_tape_free(t);
}
