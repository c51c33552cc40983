/* planner_hazards.c: parameters that change under a plan, recordings that are read and planned
 * more than once, names of passes that do not exist. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/planned_cell.h"

enum { X_SIZE = STEPS * BATCH * IN };

/* ---- a program ------------------------------------------------------------------------------- */

static reel_tape *new_tape(const char *plan, bool eager)
{
    return reel_tape_new((reel_tape_options){
        .dtype = REEL_F64, .seed = 5, .threads = 1, .plan = plan, .eager = eager });
}

static reel_var cell_loss(reel_tape *t)
{
    cell_self self;
    return loss_of(run_cell(t, &self).outputs);
}

/* ---- parameters that change ------------------------------------------------------------------ */

static void change_param(reel_tape *t, const char *name)
{
    double numbers[X_SIZE];
    reel_var v = param(t, name);
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    reel_read_f64(v, numbers, n);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = 2 * numbers[i] + 1;
    }
    cr_expect_eq(reel_write_param_f64(v, numbers, n), REEL_OK, "%s", reel_tape_error(t));
}

static void expect_stale(reel_tape *t, const char *parameter)
{
    cr_expect_eq(reel_tape_status(t), REEL_STALE_VALUE, "%s", reel_tape_error(t));
    cr_expect(strstr(reel_tape_error(t), parameter), "no %s in: %s", parameter, reel_tape_error(t));
    cr_expect(strstr(reel_tape_error(t), "reel_keep"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(planner_hazards, a_loss_never_read_before_a_write_is_an_error)
{
    reel_tape *t = new_tape(NULL, false);
    add_params(t);
    reel_var loss = cell_loss(t);
    change_param(t, "W");
    cr_expect(isnan(reel_item(loss)));
    expect_stale(t, "W");
    expect_clean(t);
}

Test(planner_hazards, planned_values_not_held_are_errors_after_a_write)
{
    reel_tape *t = new_tape(NULL, false);
    add_params(t);
    cell_self self;
    reel_var loss = loss_of(run_cell(t, &self).outputs);
    reel_item(loss);
    cr_expect_gt(t->hidden, 0);
    change_param(t, "V");
    double v[BATCH * HIDDEN];
    cr_expect_eq(reel_read_f64(self.hoisted[4], v, BATCH * HIDDEN), REEL_STALE_VALUE);
    expect_stale(t, "V");
    expect_clean(t);
}

/* What the forward pass read is gone. A gradient that does not need it is right, others are errors. */
static void expect_old_gradient_or_error(const char *name, bool eager)
{
    enum { SIZE = (HIDDEN + IN) * HIDDEN };
    double before[SIZE], after[SIZE];
    reel_tape *t = new_tape(NULL, eager);
    add_params(t);
    reel_backward(cell_loss(t));
    reel_read_grad_f64(param(t, "W"), before, SIZE);
    reel_rewind(t);
    reel_zero_grad(t);
    reel_var loss = cell_loss(t);
    reel_item(loss);
    change_param(t, name);
    reel_backward(loss);
    if (reel_tape_status(t) != REEL_OK ||
        reel_read_grad_f64(param(t, "W"), after, SIZE) != REEL_OK) {
        expect_stale(t, name);
    } else {
        for (int i = 0; i < SIZE; i++) {
            cr_assert_float_eq(after[i], before[i], 1e-12, "%s written, %s: %g, not %g", name,
                               eager ? "eager" : "planned", after[i], before[i]);
        }
    }
    expect_clean(t);
}

Test(planner_hazards, a_write_between_forward_and_backward_never_gives_new_numbers)
{
    static const char *const names[] = { "W", "V", "b", "x" };
    for (size_t i = 0; i < 4; i++) {
        expect_old_gradient_or_error(names[i], false);
        expect_old_gradient_or_error(names[i], true);
    }
}

Test(planner_hazards, kept_values_survive_an_optimiser_step)
{
    double got[2][STEPS * BATCH * HIDDEN], state[2][BATCH * HIDDEN];
    for (int eager = 0; eager < 2; eager++) {
        reel_tape *t = new_tape(NULL, eager);
        add_params(t);
        reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 0.1 });
        cell_self self;
        reel_rollout r = run_cell(t, &self);
        for (int s = 0; s < STEPS; s++) {
            reel_keep(self.hoisted[s]);
        }
        reel_keep(r.state[0]);
        reel_var loss = loss_of(r.outputs);
        reel_backward(loss);
        cr_expect_eq(reel_optimizer_step(sgd), REEL_OK);
        for (int s = STEPS - 1; s >= 0; s--) {
            reel_read_f64(self.hoisted[s], got[eager] + s * BATCH * HIDDEN, BATCH * HIDDEN);
        }
        reel_read_f64(r.state[0], state[eager], BATCH * HIDDEN);
        cr_expect(isfinite(reel_item(loss)));
        expect_clean(t);
    }
    for (int i = 0; i < STEPS * BATCH * HIDDEN; i++) {
        cr_expect_float_eq(got[0][i], got[1][i], 1e-12, "product %d", i);
    }
    for (int i = 0; i < BATCH * HIDDEN; i++) {
        cr_expect_float_eq(state[0][i], state[1][i], 1e-12, "state %d", i);
    }
}

/* A step of a parameter is a view of it; kept, it must be no longer. */
Test(planner_hazards, views_of_parameters_hold_what_they_showed_or_nothing)
{
    for (int eager = 0; eager < 2; eager++) {
        reel_tape *t = new_tape(NULL, eager);
        add_params(t);
        double before[BATCH * IN], after[BATCH * IN];
        reel_var step = reel_at(param(t, "x"), 3), part = reel_slice(step, 1, 1, 3);
        reel_read_f64(step, before, BATCH * IN);
        reel_read_f64(part, after, BATCH * 2);
        reel_keep(step);
        change_param(t, "x");
        cr_expect_eq(reel_read_f64(step, after, BATCH * IN), REEL_OK, "%s", reel_tape_error(t));
        cr_expect_arr_eq(after, before, sizeof before);
        if (reel_read_f64(part, after, BATCH * 2) == REEL_OK) {
            cr_expect_eq(after[0], before[1]);
        }
        reel_tape_clear(t);
        reel_tape_free(t);
    }
}

/* ---- the same recording read and planned twice ----------------------------------------------- */

/* Two chains that take turns: each step reads the state of the step before the last. */
static reel_var turn_step(void *self, reel_var x, reel_var state[])
{
    reel_tape *t = self;
    reel_var z = reel_matmul(reel_concat(-1, state[0], x), param(t, "W"));
    for (int i = 0; i < 6; i++) {
        z = reel_sin(reel_scale(z, 1.1)); /* enough nodes to be worth a plan */
    }
    state[0] = state[1];
    return state[1] = reel_tanh(reel_add(z, param(t, "b")));
}

/* The second read asks for one chain only, so that the tape holds what was hoisted for all steps though not
 * each step of it; the gradients then need the other chain. */
Test(planner_hazards, what_one_plan_computed_is_whole_when_another_reads_it)
{
    enum { SIZE = (HIDDEN + IN) * HIDDEN };
    double final[2][2][BATCH * HIDDEN], gradient[2][SIZE];
    for (int eager = 0; eager < 2; eager++) {
        reel_tape *t = new_tape(NULL, eager);
        add_params(t);
        reel_cell cell = { .self = t, .step = turn_step, .states = 2, .width = { HIDDEN, HIDDEN } };
        reel_rollout r = reel_unroll(cell, param(t, "x"), (reel_unroll_options){ 0 });
        reel_item(loss_of(r.outputs));
        cr_expect_eq(t->planned.split, !eager);
        reel_read_f64(reel_scale(r.state[1], 1), final[eager][0], BATCH * HIDDEN);
        reel_backward(loss_of(r.outputs));
        reel_read_grad_f64(param(t, "W"), gradient[eager], SIZE);
        for (int k = 0; k < 2; k++) {
            reel_read_f64(reel_scale(r.state[k], 1), final[eager][k], BATCH * HIDDEN);
        }
        expect_clean(t);
    }
    for (int i = 0; i < BATCH * HIDDEN; i++) {
        cr_expect_float_eq(final[0][0][i], final[1][0][i], 1e-12);
        cr_expect_float_eq(final[0][1][i], final[1][1][i], 1e-12);
    }
    for (int i = 0; i < SIZE; i++) {
        cr_expect_float_eq(gradient[0][i], gradient[1][i], 1e-12);
    }
}

Test(planner_hazards, a_reading_at_every_step_keeps_the_tape_small)
{
    enum { LONG = 300 };
    reel_tape *t = new_tape(NULL, false);
    add_params(t);
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0);
    for (int s = 0; s < LONG; s++) {
        reel_step_begin(t, s);
        reel_var x = reel_at(param(t, "x"), s % STEPS);
        h = reel_tanh(reel_affine(reel_concat(-1, h, x), param(t, "W"), param(t, "b")));
        reel_step_end(t);
        cr_expect(isfinite(reel_item(loss_of(h))));
    }
    cr_expect_lt(t->nodes.count, 4 * reel_node_count(t), "%zu nodes, %zu recorded", t->nodes.count,
                 reel_node_count(t));
    expect_clean(t);
}

Test(planner_hazards, the_structure_of_a_tape_does_not_depend_on_what_is_read)
{
    reel_tape *t = new_tape(NULL, false), *unread = new_tape(NULL, false);
    add_params(t);
    add_params(unread);
    reel_var loss = cell_loss(t), same = cell_loss(unread);
    reel_item(loss);
    reel_backward(loss);
    reel_backward(same);
    cr_expect_eq(reel_node_count(t), reel_node_count(unread));
    cr_expect_eq(reel_structure_hash(t), reel_structure_hash(unread));
    expect_clean(t);
    expect_clean(unread);
}

Test(planner_hazards, looking_at_a_planned_tape_disturbs_nothing)
{
    FILE *nowhere = tmpfile();
    cr_assert(nowhere);
    reel_tape *t = new_tape(NULL, false);
    add_params(t);
    reel_var loss = cell_loss(t);
    double expected = reel_item(loss);
    cr_expect_eq(reel_find_nan(loss), REEL_OK);
    reel_backward(loss);
    reel_explain(loss, nowhere);
    reel_draw(loss, nowhere);
    cr_expect_eq(reel_item(loss), expected);
    cr_expect_eq(reel_find_nan(loss), REEL_OK);
    reel_explain(loss, nowhere);
    cr_expect_eq(reel_item(cell_loss(t)), expected);
    fclose(nowhere);
    expect_clean(t);
}

/* ---- names of passes ------------------------------------------------------------------------- */

static void expect_refused(const char *plan, const char *message)
{
    reel_tape *t = new_tape(plan, false);
    cr_expect_eq(reel_tape_status(t), REEL_BAD_ARGUMENT);
    cr_expect_str_eq(reel_tape_error(t), message);
    reel_tape_free(t);
}

Test(planner_hazards, an_unknown_pass_is_an_error_that_lists_the_names)
{
    unsetenv("REEL_PLAN");
    expect_refused("-hoits",
                   "plan: \"-hoits\" is not -NAME of a pass; the names are all, roll, simplify, "
                   "carry, merge, split, place, hoist, sink, fuse, cache");
    expect_refused("hoist",
                   "plan: \"hoist\" is not -NAME of a pass; the names are all, roll, simplify, "
                   "carry, merge, split, place, hoist, sink, fuse, cache");
    expect_refused("-roll,-,-sink",
                   "plan: \"-\" is not -NAME of a pass; the names are all, roll, "
                   "simplify, carry, merge, split, place, hoist, sink, fuse, cache");
    reel_tape *t = new_tape("-all,-sink", false);
    expect_clean(t);
    expect_clean(new_tape("", false));
}

Test(planner_hazards, the_environment_chooses_passes_unless_the_program_does)
{
    setenv("REEL_PLAN", "-nothing", 1);
    expect_refused(NULL,
                   "plan: \"-nothing\" is not -NAME of a pass; the names are all, roll, simplify, "
                   "carry, merge, split, place, hoist, sink, fuse, cache");
    expect_clean(new_tape("-sink", false));
    setenv("REEL_PLAN", "-all", 1);
    reel_tape *t = new_tape(NULL, false);
    add_params(t);
    reel_item(cell_loss(t));
    cr_expect_eq(t->hidden, 0);
    expect_clean(t);
    unsetenv("REEL_PLAN");
}
