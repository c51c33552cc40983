/* Ensembles: members in one loop against the same cells alone, their gradients, and misuse. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"

enum { MEMBERS = 3, STEPS = 5, BATCH = 4, IN = 2, HIDDEN = 3 };
static const int32_t lengths[BATCH] = { 5, 0, 3, 1 };

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void expect_error(reel_tape *t, const char *expected)
{
    cr_expect(strstr(reel_tape_error(t), expected), "\"%s\", expected \"%s\"", reel_tape_error(t),
              expected);
    reel_tape_clear(t);
    cr_expect_eq(reel_item(reel_scalar(t, 2)), 2, "the tape is usable");
}

static reel_cell make_lstm(reel_tape *t, const char *name, void *self)
{
    return reel_lstm(t, name, *(const int64_t *)self, HIDDEN, (reel_lstm_options){ 0 });
}

/* The member of an ensemble as a cell by itself, with the member's parameters. */
static reel_cell alone(reel_tape *t, int64_t in, const char *name, const char *member)
{
    static const char *const parts[] = { "W_x", "W_h", "b" };
    reel_cell cell = make_lstm(t, name, &in);
    for (int i = 0; i < 3; i++) {
        char full[64];
        double values[8 * HIDDEN * HIDDEN];
        snprintf(full, sizeof full, "%s.%s", member, parts[i]);
        reel_var from = reel_find_param(t, full);
        size_t n = (size_t)reel_shape_size(reel_shape_of(from));
        cr_assert_leq(n, sizeof values / sizeof *values);
        reel_read_f64(from, values, n);
        snprintf(full, sizeof full, "%s.%s", name, parts[i]);
        reel_write_param_f64(reel_find_param(t, full), values, n);
    }
    return cell;
}

static void expect_near(reel_var a, reel_var b, double tolerance, const char *what)
{
    double x[STEPS * BATCH * HIDDEN], y[STEPS * BATCH * HIDDEN];
    size_t n = (size_t)reel_shape_size(reel_shape_of(a));
    cr_assert_leq(n, sizeof x / sizeof *x);
    cr_assert_eq(reel_read_f64(a, x, n), REEL_OK, "%s", reel_tape_error(a.tape));
    cr_assert_eq(reel_read_f64(b, y, n), REEL_OK, "%s", reel_tape_error(a.tape));
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(x[i] - y[i]) <= tolerance, "%s[%zu]: %g and %g", what, i, x[i], y[i]);
    }
}

static void expect_same_gradient(reel_tape *t, const char *a, const char *b)
{
    double x[8 * HIDDEN * HIDDEN], y[8 * HIDDEN * HIDDEN], sum = 0;
    reel_var p = reel_find_param(t, a);
    size_t n = (size_t)reel_shape_size(reel_shape_of(p));
    reel_read_grad_f64(p, x, n);
    reel_read_grad_f64(reel_find_param(t, b), y, n);
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(x[i] - y[i]) <= 1e-14, "%s[%zu]: %g and %g", a, i, x[i], y[i]);
        sum += fabs(x[i]);
    }
    cr_expect_gt(sum, 0);
}

static reel_var new_input(reel_tape *t)
{
    return reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_normal(0, 1));
}

Test(ensemble, members_and_their_gradients_are_those_of_separate_cells)
{
    reel_tape *t = new_tape();
    int64_t in = IN;
    reel_unroll_options options = { .lengths = lengths };
    reel_cell all = reel_ensemble(t, "e", MEMBERS, make_lstm, &in, (reel_ensemble_options){ 0 });
    static const char *const member[] = { "e.0", "e.1", "e.2" }, *const name[] = { "a", "b", "c" };
    reel_cell one[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        one[i] = alone(t, IN, name[i], member[i]);
    }
    reel_var x = new_input(t), loss = reel_scalar(t, 0);
    reel_rollout r = reel_unroll(all, x, options);
    reel_var outputs = reel_members(r.outputs, MEMBERS), c = reel_members(r.state[1], MEMBERS);
    cr_expect(reel_shape_equal(reel_shape_of(outputs), REEL_SHAPE(MEMBERS, STEPS, BATCH, HIDDEN)));
    for (int i = 0; i < MEMBERS; i++) {
        reel_rollout separate = reel_unroll(one[i], x, options);
        expect_near(reel_at(outputs, i), separate.outputs, 1e-14, member[i]);
        expect_near(reel_at(c, i), separate.state[1], 1e-14, member[i]);
        reel_var both = reel_add(reel_sum_all(reel_square(separate.outputs)),
                                 reel_sum_all(reel_square(reel_at(outputs, i))));
        loss = reel_add(loss, both);
    }
    reel_backward(loss);
    static const char *const parts[][2] = {
        { "a.W_h", "e.0.W_h" }, { "b.W_x", "e.1.W_x" }, { "c.W_h", "e.2.W_h" }, { "c.b", "e.2.b" }
    };
    for (int i = 0; i < 4; i++) {
        expect_same_gradient(t, parts[i][0], parts[i][1]);
    }
    expect_clean(t);
}

Test(ensemble, apart_each_member_reads_columns_of_its_own)
{
    reel_tape *t = new_tape();
    int64_t in = IN, below = HIDDEN;
    reel_cell first = reel_ensemble(t, "e", MEMBERS, make_lstm, &in, (reel_ensemble_options){ 0 });
    reel_cell second =
        reel_ensemble(t, "f", MEMBERS, make_lstm, &below, (reel_ensemble_options){ .apart = true });
    reel_cell e1 = alone(t, IN, "a", "e.1"), f1 = alone(t, HIDDEN, "b", "f.1");
    reel_var x = new_input(t);
    reel_unroll_options options = { 0 };
    reel_var deep = reel_unroll(second, reel_unroll(first, x, options).outputs, options).outputs;
    reel_var one = reel_unroll(f1, reel_unroll(e1, x, options).outputs, options).outputs;
    expect_near(reel_at(reel_members(deep, MEMBERS), 1), one, 1e-14, "member 1");
    expect_clean(t);
}

static reel_var loss_of(reel_tape *t, void *self)
{
    static const double marks[STEPS * BATCH] = { [9] = 1 };
    reel_unroll_options options = { .resets = reel_input_f64(t, REEL_SHAPE(STEPS, BATCH), marks) };
    reel_rollout r = reel_unroll(*(const reel_cell *)self, reel_find_param(t, "x"), options);
    return reel_add(reel_mean_all(reel_square(r.outputs)), reel_mean_all(r.state[1]));
}

Test(ensemble, derivatives_of_both_orders_are_right_through_resets)
{
    reel_tape *t = new_tape();
    int64_t in = IN;
    reel_cell all = reel_ensemble(t, "e", 2, make_lstm, &in, (reel_ensemble_options){ 0 });
    new_input(t);
    reel_gradcheck_report report;
    bool passed = reel_gradcheck(t, loss_of, &all, (reel_gradcheck_options){ .order = 2 }, &report);
    cr_expect(passed, "%zu of %zu differ (%s)", report.failed, report.compared, report.message);
    expect_clean(t);
}

static reel_cell make_none(reel_tape *t, const char *name, void *self)
{
    (void)self;
    return reel_lstm(t, name, 0, HIDDEN, (reel_lstm_options){ 0 });
}

Test(ensemble, misuse_is_named)
{
    reel_tape *t = new_tape();
    int64_t in = IN;
    reel_ensemble_options options = { 0 };
    cr_expect_null(reel_ensemble(t, "e", 0, make_lstm, &in, options).step);
    expect_error(t, ": 0 members of e by a function");
    cr_expect_null(reel_ensemble(t, "e", 2, NULL, NULL, options).step);
    expect_error(t, ": 2 members of e by none");
    cr_expect_null(reel_ensemble(t, "e", 2, make_none, NULL, options).step);
    expect_error(t, "in is 0, must be at least 1");
    options.apart = true;
    reel_cell all = reel_ensemble(t, "e", MEMBERS, make_lstm, &in, options);
    reel_unroll(all, new_input(t), (reel_unroll_options){ 0 });
    expect_error(t, "x is [4,2], expected [batch, a multiple of 3 members]");
    reel_members(reel_find_param(t, "x"), 3);
    expect_error(t, "v is [5,4,2], expected [..., 3·width]");
    expect_clean(t);
}
