/* planner_hazards.c: what a plan must survive: parameters that change, memory that runs short, shapes
 * at the edge, marks without sense, wrong names of passes. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/tape.h"
#include "reel.h"

enum { STEPS = 8, BATCH = 2, IN = 3, HIDDEN = 4, X_SIZE = STEPS * BATCH * IN };

/* ---- a program ------------------------------------------------------------------------------- */

static reel_tape *new_tape(const char *plan, bool eager)
{
    return reel_tape_new((reel_tape_options){
        .dtype = REEL_F64, .seed = 5, .threads = 1, .plan = plan, .eager = eager });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static reel_var param(reel_tape *t, const char *name)
{
    return reel_find_param(t, name);
}

static bool add_params(reel_tape *t)
{
    return reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_normal(0, 1)).id &&
           reel_param(t, "W", REEL_SHAPE(HIDDEN + IN, HIDDEN), reel_glorot()).id &&
           reel_param(t, "V", REEL_SHAPE(IN, HIDDEN), reel_glorot()).id &&
           reel_param(t, "b", REEL_SHAPE(HIDDEN), reel_normal(0, 1)).id;
}

typedef struct {
    reel_tape *tape;
    reel_var hoisted[STEPS];
    int steps;
} cell_self;

/* Something for each pass: a product to split, one to hoist, and their gradients to sink. */
static reel_var cell_step(void *self, reel_var x, reel_var state[])
{
    cell_self *c = self;
    reel_var z =
        reel_affine(reel_concat(-1, state[0], x), param(c->tape, "W"), param(c->tape, "b"));
    reel_var v = reel_matmul(x, param(c->tape, "V"));
    if (c->steps < STEPS) {
        c->hoisted[c->steps++] = v;
    }
    return state[0] = reel_add(reel_mul(reel_sigmoid(z), reel_tanh(v)), reel_scale(state[0], 0.5));
}

static reel_rollout run_cell(reel_tape *t, cell_self *self)
{
    *self = (cell_self){ .tape = t };
    reel_cell cell = { .self = self, .step = cell_step, .states = 1, .width = { HIDDEN } };
    return reel_unroll(cell, param(t, "x"), (reel_unroll_options){ 0 });
}

static reel_var loss_of(reel_var v)
{
    return reel_mean_all(reel_square(v));
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
    expect_refused(
        "-hoits", "plan: \"-hoits\" is not -NAME of a pass; the names are all, roll, split, hoist, "
                  "sink");
    expect_refused("hoist",
                   "plan: \"hoist\" is not -NAME of a pass; the names are all, roll, split, hoist, "
                   "sink");
    expect_refused(
        "-roll,-,-sink",
        "plan: \"-\" is not -NAME of a pass; the names are all, roll, split, hoist, sink");
    reel_tape *t = new_tape("-all,-sink", false);
    expect_clean(t);
    expect_clean(new_tape("", false));
}

Test(planner_hazards, the_environment_chooses_passes_unless_the_program_does)
{
    setenv("REEL_PLAN", "-nothing", 1);
    expect_refused(NULL,
                   "plan: \"-nothing\" is not -NAME of a pass; the names are all, roll, split, "
                   "hoist, sink");
    expect_clean(new_tape("-sink", false));
    setenv("REEL_PLAN", "-all", 1);
    reel_tape *t = new_tape(NULL, false);
    add_params(t);
    reel_item(cell_loss(t));
    cr_expect_eq(t->hidden, 0);
    expect_clean(t);
    unsetenv("REEL_PLAN");
}

/* ---- shapes at the edge ---------------------------------------------------------------------- */

typedef reel_var (*loss_fn)(reel_tape *);

/* Loss and all gradients on a planned tape are those on an eager one, and no error comes up. */
static void expect_as_eager(loss_fn make)
{
    double loss[2], gradient[2][4096];
    size_t used[2];
    for (int eager = 0; eager < 2; eager++) {
        reel_tape *t = new_tape(NULL, eager);
        reel_var v = make(t);
        reel_backward(v);
        loss[eager] = reel_item(v);
        used[eager] = 0;
        for (size_t k = 0; k < reel_param_count(t); k++) {
            size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, k)));
            cr_assert_leq(used[eager] + n, 4096);
            reel_read_grad_f64(reel_param_at(t, k), gradient[eager] + used[eager], n);
            used[eager] += n;
        }
        cr_expect_str_eq(reel_tape_error(t), "", "%s: %s", eager ? "eager" : "planned",
                         reel_tape_error(t));
        reel_tape_free(t);
    }
    cr_expect_float_eq(loss[0], loss[1], 1e-12);
    for (size_t i = 0; i < used[0]; i++) {
        cr_expect_float_eq(gradient[0][i], gradient[1][i], 1e-12, "gradient %zu", i);
    }
}

static reel_var network_of(reel_tape *t, int64_t batch, int64_t in, int64_t hidden)
{
    reel_param(t, "x", REEL_SHAPE(STEPS, batch, in), reel_normal(0, 1));
    reel_param(t, "W", REEL_SHAPE(hidden + in, hidden), reel_normal(0, 0.5));
    reel_param(t, "V", REEL_SHAPE(in, hidden), reel_normal(0, 0.5));
    reel_param(t, "b", REEL_SHAPE(hidden), reel_normal(0, 0.5));
    cell_self self = { .tape = t };
    reel_cell cell = { .self = &self, .step = cell_step, .states = 1, .width = { hidden } };
    return reel_sum_all(
        reel_square(reel_unroll(cell, param(t, "x"), (reel_unroll_options){ 0 }).outputs));
}

static reel_var no_rows(reel_tape *t)
{
    return network_of(t, 0, IN, HIDDEN);
}

static reel_var no_input_columns(reel_tape *t)
{
    return network_of(t, BATCH, 0, HIDDEN);
}

static reel_var no_hidden_columns(reel_tape *t)
{
    return network_of(t, BATCH, IN, 0);
}

static reel_var one_of_each(reel_tape *t)
{
    return network_of(t, 1, 1, 1);
}

Test(planner_hazards, axes_of_no_length_and_of_one)
{
    expect_as_eager(no_rows);
    expect_as_eager(no_input_columns);
    expect_as_eager(no_hidden_columns);
    expect_as_eager(one_of_each);
}

/* Products whose gradients have no room for one more axis. */
static reel_var products_of_rank_eight(reel_tape *t)
{
    reel_var W = reel_param(t, "W", REEL_SHAPE(1, 1, 1, 1, 1, 1, 3, 3), reel_orthogonal(1));
    reel_var h = reel_param(t, "h", REEL_SHAPE(1, 1, 1, 1, 1, 1, 2, 3), reel_normal(0, 1));
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        h = reel_tanh(reel_add(reel_matmul(h, W), reel_sin(h)));
        reel_step_end(t);
    }
    return reel_sum_all(reel_square(h));
}

/* The same of a sum that a program carries by itself. */
static reel_var sum_of_rank_eight(reel_tape *t)
{
    reel_var a = reel_param(t, "a", REEL_SHAPE(1, 1, 1, 1, 1, 1, 2, 3), reel_normal(0, 1));
    reel_var b = reel_param(t, "b", REEL_SHAPE(1, 1, 1, 1, 1, 1, 2, 2), reel_normal(0, 1));
    reel_var sum = reel_fill(t, REEL_SHAPE(1, 1, 1, 1, 1, 1, 3, 2), 0.2);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        a = reel_tanh(reel_sin(reel_cos(reel_scale(a, 1.1))));
        b = reel_tanh(reel_sin(reel_cos(reel_scale(b, 0.9))));
        reel_matmul_options options = { .transpose_a = true };
        sum = reel_accumulate(sum, reel_matmul_ex(a, b, options));
        reel_step_end(t);
    }
    return loss_of(sum);
}

Test(planner_hazards, values_of_the_highest_rank)
{
    expect_as_eager(products_of_rank_eight);
    expect_as_eager(sum_of_rank_eight);
}

static reel_var batches_of_matrices(reel_tape *t)
{
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 2, 3, 4), reel_normal(0, 1));
    reel_var W = reel_param(t, "W", REEL_SHAPE(2, 9, 5), reel_normal(0, 0.4));
    reel_var V = reel_param(t, "V", REEL_SHAPE(4, 5), reel_normal(0, 0.4));
    reel_var h = reel_fill(t, REEL_SHAPE(2, 3, 5), 0.2);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        h = reel_tanh(reel_add(reel_matmul(reel_concat(2, h, reel_at(x, s)), W),
                               reel_matmul(reel_at(x, s), V)));
        reel_step_end(t);
    }
    return loss_of(h);
}

static reel_var vectors(reel_tape *t)
{
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 4), reel_normal(0, 1));
    reel_var W = reel_param(t, "W", REEL_SHAPE(7, 3), reel_normal(0, 0.4));
    reel_var V = reel_param(t, "V", REEL_SHAPE(4), reel_normal(0, 0.4));
    reel_var h = reel_fill(t, REEL_SHAPE(3), 0.2);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        reel_var gate = reel_matmul(reel_at(x, s), V);
        h = reel_mul(reel_tanh(reel_matmul(reel_concat(0, h, reel_at(x, s)), W)), gate);
        reel_step_end(t);
    }
    return loss_of(h);
}

Test(planner_hazards, products_that_are_not_of_two_matrices)
{
    expect_as_eager(batches_of_matrices);
    expect_as_eager(vectors);
}

/* Steps alike in everything but where the seam of a concatenation lies. */
static reel_var seams_that_move(reel_tape *t)
{
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 2, 3), reel_normal(0, 1));
    reel_var W = reel_param(t, "W", REEL_SHAPE(3 + 5 + 4, 4), reel_normal(0, 0.4));
    reel_var parts = reel_param(t, "parts", REEL_SHAPE(2, 5), reel_normal(0, 1));
    reel_var left[STEPS], right[STEPS], h = reel_fill(t, REEL_SHAPE(2, 4), 0.2);
    for (int s = 0; s < STEPS; s++) {
        left[s] = reel_slice(parts, 1, 0, 1 + s % 3);
        right[s] = reel_slice(parts, 1, 1 + s % 3, 5);
    }
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        reel_var all = reel_concat(1, reel_at(x, s), left[s], right[s], h);
        h = reel_tanh(reel_scale(reel_matmul(all, W), 0.8));
        reel_step_end(t);
    }
    return loss_of(h);
}

static reel_var parts_without_columns(reel_tape *t)
{
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, 2, 3), reel_normal(0, 1));
    reel_var W = reel_param(t, "W", REEL_SHAPE(7, 4), reel_normal(0, 0.4));
    reel_var nothing = reel_param(t, "nothing", REEL_SHAPE(2, 0), reel_zeros());
    reel_var h = reel_fill(t, REEL_SHAPE(2, 4), 0.2);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        reel_var all = reel_concat(1, nothing, reel_at(x, s), nothing, h);
        h = reel_tanh(reel_scale(reel_matmul(all, W), 0.8));
        reel_step_end(t);
    }
    return loss_of(h);
}

Test(planner_hazards, concatenations_of_odd_parts)
{
    expect_as_eager(seams_that_move);
    expect_as_eager(parts_without_columns);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static int64_t mark_of(int kind, int s)
{
    switch (kind) {
    case 0:
        return INT64_MAX - s;
    case 1:
        return INT64_MIN + s;
    case 2:
        return s % 2 ? INT64_MAX : INT64_MIN;
    case 3:
        return 7;
    case 4:
        return s * 3;
    default:
        return s < 4 ? s : 6 - s;
    }
}

static int mark_kind; /* of the loop below; set by the test, which runs in a process of its own */

static reel_var oddly_marked(reel_tape *t)
{
    add_params(t);
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0.2), x = param(t, "x");
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, mark_of(mark_kind, s));
        reel_var all = reel_concat(1, reel_at(x, s), h);
        h = reel_tanh(reel_affine(all, param(t, "W"), param(t, "b")));
        h = reel_add(h, reel_matmul(reel_at(x, s), param(t, "V")));
        if (s % 2) {
            reel_step_end(t);
            reel_step_end(t); /* one too many */
        } else if (mark_kind != 3) {
            reel_step_end(t);
        }
    }
    return loss_of(h);
}

Test(planner_hazards, marks_are_only_hints)
{
    for (mark_kind = 0; mark_kind < 6; mark_kind++) {
        expect_as_eager(oddly_marked);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct {
    size_t calls, bytes, fail_at;
    bool failed;
} meter;

static void *metered_resize(void *self, void *old, size_t old_size, size_t new_size)
{
    meter *m = self;
    if (new_size == 0) {
        m->bytes -= old_size;
        free(old);
        return NULL;
    }
    if (m->fail_at && ++m->calls == m->fail_at) {
        m->failed = true;
        return NULL;
    }
    void *block = realloc(old, new_size);
    m->bytes += new_size - old_size;
    return block;
}

/* Reads what planned tapes recompute, redirect and keep; NAN where a read fails. */
static double read_everything(reel_tape *t, reel_var loss, const cell_self *self)
{
    double sum = reel_item(loss), v[BATCH * HIDDEN], gradient[(HIDDEN + IN) * HIDDEN];
    for (int s = 0; s < STEPS; s += 3) {
        sum += reel_read_f64(self->hoisted[s], v, BATCH * HIDDEN) == REEL_OK ? v[s] : (double)NAN;
    }
    reel_zero_grad(t);
    reel_backward(loss);
    bool fine = reel_read_grad_f64(param(t, "W"), gradient, (HIDDEN + IN) * HIDDEN) == REEL_OK;
    return sum + (fine ? gradient[5] : (double)NAN);
}

static double record_and_read(reel_tape *t, reel_var *loss, cell_self *self)
{
    reel_rewind(t);
    *loss = loss_of(run_cell(t, self).outputs);
    return read_everything(t, *loss, self);
}

static reel_tape *metered_tape(meter *m, size_t limit)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64,
                                                      .seed = 5,
                                                      .threads = 1,
                                                      .allocator = { metered_resize, m },
                                                      .memory_limit = limit });
    if (t && !add_params(t)) {
        reel_tape_free(t);
        t = NULL;
    }
    return t;
}

static double expected_sum(void)
{
    meter m = { 0 };
    reel_tape *t = metered_tape(&m, 0);
    cell_self self;
    reel_var loss;
    double sum = record_and_read(t, &loss, &self);
    cr_expect_gt(t->hidden, 0);
    expect_clean(t);
    cr_assert(isfinite(sum));
    return sum;
}

/* The tape without the failure gives the right numbers at once, on the recording that failed where it
 * is whole, and on a new one. */
static void expect_recovery(reel_tape *t, reel_var loss, const cell_self *self, double expected,
                            size_t which)
{
    reel_tape_clear(t);
    if (loss.id && self->steps == STEPS) {
        double again = read_everything(t, loss, self);
        cr_expect_float_eq(again, expected, 1e-12,
                           "the same recording after %zu: %.17g, not %.17g; %s", which, again,
                           expected, reel_tape_error(t));
        reel_tape_clear(t);
    }
    cell_self other;
    double anew = record_and_read(t, &loss, &other);
    cr_expect_float_eq(anew, expected, 1e-12, "a new recording after %zu: %.17g, not %.17g; %s",
                       which, anew, expected, reel_tape_error(t));
}

Test(planner_hazards, every_request_for_memory_may_fail)
{
    double expected = expected_sum();
    bool failed = true;
    size_t k = 1;
    for (; failed; k++) {
        meter m = { .fail_at = k };
        reel_tape *t = metered_tape(&m, 0);
        failed = m.failed;
        if (t) {
            cell_self self;
            reel_var loss;
            double sum = record_and_read(t, &loss, &self);
            failed = m.failed;
            m.fail_at = 0;
            cr_expect(failed ? reel_tape_status(t) == REEL_OUT_OF_MEMORY : sum == expected,
                      "request %zu: %.17g, %s", k, sum, reel_tape_error(t));
            expect_recovery(t, loss, &self, expected, k);
            reel_tape_free(t);
        }
        cr_expect_eq(m.bytes, 0, "request %zu: %zu bytes lost", k, m.bytes);
    }
    cr_expect_gt(k, 40);
}

Test(planner_hazards, under_a_memory_limit_there_is_the_right_number_or_an_error)
{
    double expected = expected_sum();
    size_t good = 0, refused = 0;
    for (size_t limit = 1024; good < 4; limit += 512) {
        cr_assert_lt(limit, 1 << 20);
        meter m = { 0 };
        reel_tape *t = metered_tape(&m, limit);
        cr_assert(t);
        cell_self self;
        reel_var loss;
        double sum = record_and_read(t, &loss, &self);
        if (reel_tape_status(t) == REEL_OK) {
            cr_expect_float_eq(sum, expected, 1e-12, "limit %zu", limit);
            cr_expect_leq(reel_tape_statistics_of(t).bytes_peak, limit);
            good++;
        } else {
            cr_expect_eq(reel_tape_status(t), REEL_MEMORY_LIMIT, "%s", reel_tape_error(t));
            refused++;
        }
        reel_tape_clear(t);
        reel_rewind(t);
        cr_expect_float_eq(reel_item(reel_sum_all(reel_fill(t, REEL_SHAPE(3), 2))), 6, 0);
        reel_tape_free(t);
        cr_expect_eq(m.bytes, 0);
    }
    cr_expect_gt(refused, 2);
}
