/* planner_loops.c: loops as programs: which are found, what a plan is reused for, and what reading,
 * recording and limits in between change: nothing but the time. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/tape.h"
#include "reel.h"

enum { STEPS = 20, BATCH = 3, IN = 4, HIDDEN = 5 };

static reel_tape *new_tape(reel_tape_options options)
{
    options.dtype = REEL_F64;
    options.seed = 5;
    options.threads = options.threads ? options.threads : 1;
    reel_tape *t = reel_tape_new(options);
    reel_param(t, "W", REEL_SHAPE(IN + HIDDEN, HIDDEN), reel_glorot());
    reel_param(t, "b", REEL_SHAPE(HIDDEN), reel_normal(0, 1));
    reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_normal(0, 1));
    return t;
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

/* h = tanh([h, x]·W + b), in plain C, without a mark. */
static reel_var plain_loop(reel_tape *t, int steps)
{
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0), outputs[STEPS];
    reel_var W = reel_find_param(t, "W"), b = reel_find_param(t, "b"), x = reel_find_param(t, "x");
    for (int k = 0; k < steps; k++) {
        h = reel_tanh(reel_affine(reel_concat(-1, h, reel_at(x, k)), W, b));
        outputs[k] = h;
    }
    return reel_mean_all(reel_square(reel_stack_n(0, steps, outputs)));
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    reel_tape *t = self;
    return state[0] = reel_tanh(reel_affine(reel_concat(-1, state[0], x), reel_find_param(t, "W"),
                                            reel_find_param(t, "b")));
}

static reel_var unrolled(reel_tape *t, int steps)
{
    reel_cell cell = { .self = t, .step = step, .states = 1, .width = { HIDDEN } };
    reel_var x = reel_slice(reel_find_param(t, "x"), 0, 0, steps);
    return reel_mean_all(reel_square(reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs));
}

typedef struct {
    double loss, gradient[(IN + HIDDEN) * HIDDEN], dx[STEPS * BATCH * IN];
} numbers;

static void read_gradients(reel_tape *t, numbers *n)
{
    reel_read_grad_f64(reel_find_param(t, "W"), n->gradient, (IN + HIDDEN) * HIDDEN);
    reel_read_grad_f64(reel_find_param(t, "x"), n->dx, STEPS * BATCH * IN);
}

static numbers train(reel_tape *t, reel_var (*loss_of)(reel_tape *, int), int steps)
{
    numbers n;
    reel_rewind(t);
    reel_zero_grad(t);
    reel_var loss = loss_of(t, steps);
    reel_backward(loss);
    n.loss = reel_item(loss);
    read_gradients(t, &n);
    return n;
}

static void expect_near(const numbers *a, const numbers *b)
{
    cr_expect_float_eq(a->loss, b->loss, 1e-12);
    for (size_t i = 0; i < (IN + HIDDEN) * HIDDEN; i++) {
        cr_expect_float_eq(a->gradient[i], b->gradient[i], 1e-12, "W[%zu]", i);
    }
    for (size_t i = 0; i < STEPS * BATCH * IN; i++) {
        cr_expect_float_eq(a->dx[i], b->dx[i], 1e-12, "x[%zu]", i);
    }
}

static numbers eagerly(reel_var (*loss_of)(reel_tape *, int), int steps)
{
    reel_tape *t = new_tape((reel_tape_options){ .eager = true });
    numbers n = train(t, loss_of, steps);
    expect_clean(t);
    return n;
}

/* ---- what is found --------------------------------------------------------------------------- */

Test(planner_loops, a_plain_c_loop_is_found_forwards_and_backwards)
{
    reel_tape *t = new_tape((reel_tape_options){ 0 });
    numbers expected = eagerly(plain_loop, STEPS), got = train(t, plain_loop, STEPS);
    expect_near(&got, &expected);
    cr_expect_geq(t->planned.loops, 2);
    cr_expect_geq(t->planned.copies, 2 * STEPS - 4);
    cr_expect_gt(t->planned.hoisted, 0);
    cr_expect_gt(t->planned.sunk, 0);
    expect_clean(t);
}

/* All of the T steps, those at the ends included, run inside loops: what runs beside them does not
 * grow with T. */
static uint64_t nodes_in_order(int steps)
{
    reel_tape *t = new_tape((reel_tape_options){ 0 });
    train(t, unrolled, steps);
    uint64_t n = t->plan->order_count;
    expect_clean(t);
    return n;
}

Test(planner_loops, what_runs_beside_loops_does_not_grow_with_the_steps)
{
    cr_expect_eq(nodes_in_order(STEPS), nodes_in_order(STEPS / 2));
}

/* ---- what is reused -------------------------------------------------------------------------- */

Test(planner_loops, lengths_that_come_again_are_not_planned_again)
{
    reel_tape *t = new_tape((reel_tape_options){ 0 });
    static const int lengths[] = { 12, 20, 12, 16, 20, 12, 16 };
    const reel__stored *plans[STEPS + 1] = { NULL };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        numbers expected = eagerly(unrolled, lengths[i]), got = train(t, unrolled, lengths[i]);
        expect_near(&got, &expected);
        if (plans[lengths[i]]) {
            cr_expect_eq(t->plans, plans[lengths[i]], "length %d", lengths[i]);
        }
        plans[lengths[i]] = t->plans;
    }
    expect_clean(t);
}

/* The second time the backward pass is not recorded, and nobody can tell. */
Test(planner_loops, a_backward_pass_that_is_not_recorded_counts_as_if_it_were)
{
    reel_tape *t = new_tape((reel_tape_options){ 0 });
    numbers n[3];
    size_t nodes[3], recorded[3];
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) {
        reel_rewind(t);
        reel_zero_grad(t);
        reel_var loss = unrolled(t, STEPS);
        reel_backward(loss);
        nodes[i] = reel_node_count(t);
        recorded[i] = t->nodes.count;
        hash[i] = reel_structure_hash(t);
        n[i].loss = reel_item(loss);
        read_gradients(t, &n[i]);
        cr_expect_eq(memcmp(&n[i], &n[0], sizeof n[0]), 0, "round %d", i);
        cr_expect_eq(nodes[i], nodes[0]);
        cr_expect_eq(hash[i], hash[0]);
    }
    cr_expect_lt(2 * recorded[1], recorded[0]);
    expect_clean(t);
}

Test(planner_loops, what_is_asked_for_beside_a_deferred_backward_pass_is_right)
{
    reel_tape *t = new_tape((reel_tape_options){ 0 });
    numbers expected = eagerly(unrolled, STEPS);
    for (int i = 0; i < 6; i++) {
        numbers n;
        reel_rewind(t);
        reel_zero_grad(t);
        reel_var loss = unrolled(t, STEPS);
        reel_backward(loss);
        reel_var doubled = i % 3 ? reel_scale(loss, 2) : loss;
        if (i == 4) {
            reel_backward(loss); /* twice */
        }
        n.loss = reel_item(doubled) / (i % 3 ? 2 : 1);
        read_gradients(t, &n);
        for (size_t k = 0; i == 4 && k < (IN + HIDDEN) * HIDDEN; k++) {
            n.gradient[k] /= 2;
        }
        for (size_t k = 0; i == 4 && k < STEPS * BATCH * IN; k++) {
            n.dx[k] /= 2;
        }
        expect_near(&n, &expected);
    }
    expect_clean(t);
}

/* ---- threads and limits ---------------------------------------------------------------------- */

static reel_var wide(reel_tape *t, int steps)
{
    (void)steps;
    reel_cell cell =
        reel_lstm(t, reel_param_count(t) > 3 ? "again" : "lstm", IN, 64, (reel_lstm_options){ 0 });
    reel_var x = reel_reshape(reel_concat(1, reel_find_param(t, "x"), reel_find_param(t, "x"),
                                          reel_find_param(t, "x"), reel_find_param(t, "x")),
                              REEL_SHAPE(STEPS, 4 * BATCH, IN));
    return reel_mean_all(reel_square(reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs));
}

Test(planner_loops, threads_that_share_the_rows_give_the_bits_of_one)
{
    numbers n[2];
    for (int i = 0; i < 2; i++) {
        reel_tape *t = new_tape((reel_tape_options){ .threads = 1 + i });
        n[i].loss = reel_item(wide(t, STEPS));
        expect_clean(t);
    }
    cr_expect_eq(memcmp(&n[0].loss, &n[1].loss, sizeof n[0].loss), 0, "%.17g and %.17g", n[0].loss,
                 n[1].loss);
}

/* Both directions over a batch of one row: too little for two threads each, enough for one each. */
enum { ROW_STEPS = 50, WIDE = 48 };

static numbers both_directions(int threads)
{
    reel_tape *t = new_tape((reel_tape_options){ .threads = threads });
    reel_cell forward = reel_lstm(t, "forward", WIDE, WIDE, (reel_lstm_options){ 0 });
    reel_cell backward = reel_gru(t, "backward", WIDE, WIDE, (reel_gru_options){ 0 });
    reel_var x = reel_param(t, "wide", REEL_SHAPE(ROW_STEPS, 1, WIDE), reel_normal(0, 1));
    numbers n = { 0 };
    for (int i = 0; i < 3; i++) {
        reel_rewind(t);
        reel_zero_grad(t);
        reel_rollout a = reel_unroll(forward, x, (reel_unroll_options){ 0 });
        reel_rollout b = reel_unroll(backward, x, (reel_unroll_options){ .reverse = true });
        reel_var loss = reel_mean_all(reel_square(reel_concat(-1, a.outputs, b.outputs)));
        reel_backward(loss);
        n.loss = reel_item(loss);
    }
    double all[ROW_STEPS * WIDE];
    reel_read_grad_f64(x, all, ROW_STEPS * WIDE);
    memcpy(n.dx, all, sizeof n.dx);
    expect_clean(t);
    return n;
}

Test(planner_loops, directions_that_run_side_by_side_give_the_bits_of_one_thread)
{
    numbers one = both_directions(1), two = both_directions(2);
    cr_expect_eq(memcmp(&one, &two, sizeof one), 0, "%.17g and %.17g", one.loss, two.loss);
}

enum { LONG = 400 };

static double long_step(size_t limit, size_t *peak, double gradient[HIDDEN])
{
    reel_tape *t = reel_tape_new(
        (reel_tape_options){ .dtype = REEL_F64, .seed = 5, .threads = 1, .memory_limit = limit });
    reel_cell cell = reel_lstm(t, "lstm", IN, 16, (reel_lstm_options){ 0 });
    static float zeros[LONG * IN];
    for (int i = 0; i < LONG * IN; i++) {
        zeros[i] = (float)(i % 7) - 3;
    }
    reel_var x = reel_input(t, REEL_SHAPE(LONG, 1, IN), zeros);
    reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
    reel_var loss = reel_sum_all(reel_square(r.state[0]));
    reel_backward(loss);
    double value = reel_item(loss), all[4 * 16];
    cr_expect_eq(reel_read_grad_f64(reel_find_param(t, "lstm.b"), all, 4 * 16), REEL_OK, "%s",
                 reel_tape_error(t));
    memcpy(gradient, all, HIDDEN * sizeof *gradient);
    *peak = reel_tape_statistics_of(t).bytes_peak;
    expect_clean(t);
    return value;
}

Test(planner_loops, under_a_memory_limit_steps_are_computed_twice_rather_than_kept)
{
    size_t free_peak, limited_peak;
    double gradient[2][HIDDEN];
    double expected = long_step(0, &free_peak, gradient[0]);
    double got = long_step(free_peak / 4, &limited_peak, gradient[1]);
    cr_expect_float_eq(got, expected, 1e-12);
    for (int i = 0; i < HIDDEN; i++) {
        cr_expect_float_eq(gradient[1][i], gradient[0][i], 1e-12 * (1 + fabs(gradient[0][i])));
    }
    cr_expect_lt(4 * limited_peak, free_peak, "%zu of %zu bytes", limited_peak, free_peak);
}
