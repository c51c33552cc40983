/* Search over hyperparameters and the learning-rate finder. */
#define _DEFAULT_SOURCE
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reel.h"

typedef struct {
    int calls, budgets[64], numbers[64];
    double lr[64];
    int stop_after; /* later trials fail */
} witness;

/* Best at lr 0.01 and 64 units, and better with more epochs. */
static double run(void *self, const reel_trial *trial)
{
    witness *w = self;
    w->budgets[w->calls] = trial->budget;
    w->numbers[w->calls] = trial->number;
    w->lr[w->calls++] = reel_trial_value(trial, "lr");
    double units = reel_trial_value(trial, "units");
    if (w->stop_after && w->calls > w->stop_after) {
        return NAN;
    }
    return fabs(log10(reel_trial_value(trial, "lr")) + 2) + fabs(log2(units) - 6) +
           1.0 / trial->budget;
}

static const reel_search_option units = { "units", .values = { 16, 32, 64 }, .count = 3 };
static const reel_search_option rate = { "lr", .lo = 1e-4, .hi = 1, .log = true };

Test(search, grid_tries_every_combination)
{
    witness w = { 0 };
    reel_search_options o = { .grid = true };
    o.options[0] = units;
    o.options[1] = (reel_search_option){ "lr", .values = { 1e-1, 1e-2 }, .count = 2 };
    reel_search_result r = reel_search(run, &w, o);
    cr_assert_eq(r.status, REEL_OK, "%s", r.message);
    cr_expect_eq(r.run, 6);
    cr_expect_eq(reel_trial_value(&r.best, "units"), 64);
    cr_expect_eq(reel_trial_value(&r.best, "lr"), 1e-2);
    cr_expect_eq(r.score, 1);
    cr_expect(isnan(reel_trial_value(&r.best, "momentum")));
}

Test(search, random_settings_depend_on_the_seed_and_lie_in_their_range)
{
    witness w = { 0 }, again = { 0 }, other = { 0 };
    reel_search_options o = { .trials = 40, .seed = 5, .options = { rate, units } };
    reel_search(run, &w, o);
    reel_search(run, &again, o);
    o.seed = 6;
    reel_search(run, &other, o);
    int below = 0;
    for (int i = 0; i < 40; i++) {
        cr_expect(w.lr[i] >= 1e-4 && w.lr[i] <= 1);
        below += w.lr[i] < 1e-2;
    }
    cr_expect(below > 10 && below < 30, "%d of 40 below the logarithm's middle", below);
    cr_expect_eq(memcmp(w.lr, again.lr, sizeof w.lr), 0);
    cr_expect_neq(memcmp(w.lr, other.lr, sizeof w.lr), 0);
}

Test(search, halving_gives_the_better_ones_more)
{
    witness w = { 0 };
    reel_search_options o = {
        .trials = 9, .keep_one_in = 3, .budget = 2, .options = { rate, units }
    };
    reel_search_result r = reel_search(run, &w, o);
    cr_assert_eq(r.status, REEL_OK, "%s", r.message);
    cr_expect_eq(w.calls, 9 + 3 + 1);
    cr_expect(w.budgets[8] == 2 && w.budgets[9] == 6 && w.budgets[12] == 18);
    cr_expect_eq(r.best.number, w.numbers[12]);
    cr_expect_eq(w.numbers[12], w.numbers[9], "the best of three goes on");
    cr_expect_eq(r.best.budget, 18);
}

Test(search, a_search_goes_on_where_its_results_end)
{
    char path[] = "/tmp/reel_search_XXXXXX";
    close(mkstemp(path));
    unlink(path);
    witness whole = { 0 }, first = { 0 }, rest = { 0 }, none = { 0 };
    reel_search_options o = { .trials = 6, .options = { rate, units } };
    reel_search_result expected = reel_search(run, &whole, o);
    o.results = path;
    o.trials = 4;
    reel_search(run, &first, o);
    FILE *file = fopen(path, "a");
    fputs("4\t1\t0.0", file); /* a line that was cut off */
    fclose(file);
    o.trials = 6;
    reel_search_result r = reel_search(run, &rest, o);
    cr_assert_eq(r.status, REEL_OK, "%s", r.message);
    cr_expect(r.resumed == 4 && r.run == 2 && rest.calls == 2);
    cr_expect_eq(r.score, expected.score);
    cr_expect_eq(r.best.number, expected.best.number);
    r = reel_search(run, &none, o);
    cr_expect(r.resumed == 6 && none.calls == 0 && r.score == expected.score);
    o.seed = 99;
    r = reel_search(run, &none, o);
    cr_expect_eq(r.status, REEL_BAD_FILE);
    cr_expect(strstr(r.message, "is of another search: setting 0 differs"), "%s", r.message);
    unlink(path);
}

Test(search, a_trial_that_fails_is_the_worst)
{
    witness w = { .stop_after = 1 };
    reel_search_options o = { .trials = 3, .options = { rate, units } };
    reel_search_result r = reel_search(run, &w, o);
    cr_expect(r.status == REEL_OK && r.best.number == 0 && isfinite(r.score));
}

Test(search, options_that_cannot_be_are_refused)
{
    witness w = { 0 };
    reel_search_result r = reel_search(run, &w, (reel_search_options){ .trials = 3 });
    cr_expect_eq(r.status, REEL_BAD_ARGUMENT);
    r = reel_search(run, &w, (reel_search_options){ .grid = true, .options = { rate } });
    cr_expect_str_eq(r.message, "option lr of a grid has no values");
    r = reel_search(run, &w,
                    (reel_search_options){ .trials = 1, .options = { { "a", .lo = 2, .hi = 1 } } });
    cr_expect_str_eq(r.message, "option a lies in [2, 1]");
    r = reel_search(
        run, &w,
        (reel_search_options){ .trials = 1, .results = "/nowhere/r", .options = { rate } });
    cr_expect_eq(r.status, REEL_FILE_ERROR);
    r = reel_search(
        run, &w,
        (reel_search_options){ .trials = 1, .results = "/dev/full", .options = { rate, units } });
    cr_expect_str_eq(r.message, "cannot write /dev/full");
}

/* ---- the learning-rate finder ---------------------------------------------------------------- */

/* Least squares: SGD on mse over x² with mean 1/3 diverges where lr exceeds about 3. */
Test(search, finder_stops_where_the_loss_explodes_and_puts_everything_back)
{
    static float x[64][1], y[64][1];
    for (int i = 0; i < 64; i++) {
        x[i][0] = (float)(i - 32) / 32;
        y[i][0] = 2 * x[i][0];
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 2 });
    reel_model *m = reel_sequential(t, REEL_DENSE(1));
    reel_compile(m, (reel_compile_options){ .optimizer = "sgd", .lr = 0.5, .loss = "mse" });
    reel_data X = REEL_DATA(&x[0][0], 64, 1), Y = REEL_DATA(&y[0][0], 64, 1);
    double before = reel_evaluate(m, X, Y, (reel_evaluate_options){ 0 }).loss;
    reel_lr_finder_options o = { .lo = 1e-3, .hi = 100, .steps = 60, .batch_size = 16 };
    reel_lr_finding f = reel_find_lr(m, X, Y, o);
    cr_assert(f.count > 10 && f.count < 60, "%d points; %s", f.count, reel_tape_error(t));
    cr_expect(fabs(f.rate[0] - 1e-3) < 1e-12);
    cr_expect(fabs(f.rate[1] / f.rate[0] - pow(1e5, 1.0 / 59)) < 1e-9);
    cr_expect(f.suggestion > 0.02 && f.suggestion < 3, "%g", f.suggestion);
    cr_expect(f.rate[f.count - 1] > 2 && f.rate[f.count - 1] < 60, "%g", f.rate[f.count - 1]);
    cr_expect_eq(reel_evaluate(m, X, Y, (reel_evaluate_options){ 0 }).loss, before);
    cr_expect_eq(reel_optimizer_lr(reel_model_optimizer(m)), 0.5);
    o.lo = 200;
    cr_expect_eq(reel_find_lr(m, X, Y, o).count, 0);
    cr_expect(strstr(reel_tape_error(t), "rates from 200 to 100"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}
