/* planner_passes.c: what each pass finds and what it must leave alone. A loop is recorded by hand, so
 * that each test can say which sums and products it holds. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/tape.h"
#include "reel.h"

enum { STEPS = 9, BATCH = 2, IN = 3, HIDDEN = 4 };

/* ---- tapes ----------------------------------------------------------------------------------- */

static reel_tape *new_tape(const char *plan)
{
    return reel_tape_new(
        (reel_tape_options){ .dtype = REEL_F64, .seed = 5, .threads = 1, .plan = plan });
}

static reel_tape *eager_tape(void)
{
    return reel_tape_new(
        (reel_tape_options){ .dtype = REEL_F64, .seed = 5, .threads = 1, .eager = true });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void add_params(reel_tape *t)
{
    reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_normal(0, 1));
    reel_param(t, "W_x", REEL_SHAPE(IN, HIDDEN), reel_glorot());
    reel_param(t, "W_h", REEL_SHAPE(HIDDEN, HIDDEN), reel_orthogonal(1));
    reel_param(t, "W", REEL_SHAPE(HIDDEN + IN, HIDDEN), reel_glorot());
    reel_param(t, "b", REEL_SHAPE(HIDDEN), reel_normal(0, 1));
}

static reel_var param(reel_tape *t, const char *name)
{
    return reel_find_param(t, name);
}

/* ---- numbers --------------------------------------------------------------------------------- */

enum { ROOM = 512 };
typedef struct {
    size_t n;
    double at[ROOM];
} numbers;

static numbers read_numbers(reel_var v)
{
    numbers out = { .n = (size_t)reel_shape_size(reel_shape_of(v)) };
    cr_assert_leq(out.n, ROOM);
    cr_expect_eq(reel_read_f64(v, out.at, out.n), REEL_OK, "%s", reel_tape_error(v.tape));
    return out;
}

static numbers gradient_of(reel_tape *t, const char *name)
{
    reel_var v = param(t, name);
    numbers out = { .n = (size_t)reel_shape_size(reel_shape_of(v)) };
    cr_assert_leq(out.n, ROOM);
    cr_expect_eq(reel_read_grad_f64(v, out.at, out.n), REEL_OK, "%s", reel_tape_error(t));
    return out;
}

static void expect_near(const numbers *got, const numbers *expected, const char *what)
{
    cr_assert_eq(got->n, expected->n, "%s: %zu numbers, expected %zu", what, got->n, expected->n);
    for (size_t i = 0; i < got->n; i++) {
        double tolerance = 1e-11 * (1 + fabs(expected->at[i]));
        cr_expect(fabs(got->at[i] - expected->at[i]) <= tolerance, "%s[%zu]: %.17g, expected %.17g",
                  what, i, got->at[i], expected->at[i]);
    }
}

static void expect_same_gradients(reel_tape *t, reel_tape *reference)
{
    for (size_t k = 0; k < reel_param_count(reference); k++) {
        const char *name = reel_param_name(reel_param_at(reference, k));
        numbers got = gradient_of(t, name), expected = gradient_of(reference, name);
        expect_near(&got, &expected, name);
    }
}

/* ---- a recurrent network, written out -------------------------------------------------------- */

typedef struct {
    reel_var h[STEPS], z[STEPS]; /* states; products of x, or of [h, x] */
    reel_var outputs;
} network;

/* h = tanh(x·W_x + h·W_h + b) */
static network run_network(reel_tape *t, int steps)
{
    network n = { 0 };
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0.1);
    for (int s = 0; s < steps; s++) {
        reel_step_begin(t, s);
        n.z[s] = reel_matmul(reel_at(param(t, "x"), s), param(t, "W_x"));
        h = n.h[s] = reel_tanh(reel_add(reel_affine(h, param(t, "W_h"), param(t, "b")), n.z[s]));
        reel_step_end(t);
    }
    n.outputs = reel_stack_n(0, steps, n.h);
    return n;
}

/* h = tanh([h, x]·W + b) */
static network run_joined_network(reel_tape *t, int steps)
{
    network n = { 0 };
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0.1);
    for (int s = 0; s < steps; s++) {
        reel_step_begin(t, s);
        n.z[s] = reel_matmul(reel_concat(-1, h, reel_at(param(t, "x"), s)), param(t, "W"));
        h = n.h[s] = reel_tanh(reel_add(n.z[s], param(t, "b")));
        reel_step_end(t);
    }
    n.outputs = reel_stack_n(0, steps, n.h);
    return n;
}

typedef network (*network_fn)(reel_tape *, int steps);

static reel_var loss_of(reel_var outputs)
{
    return reel_mean_all(reel_square(outputs));
}

/* How many kernels a forward and backward pass took. */
static uint64_t count_kernels(network_fn run, const char *plan)
{
    reel_tape *t = new_tape(plan);
    add_params(t);
    reel_var loss = loss_of(run(t, STEPS).outputs);
    reel_backward(loss);
    reel_item(loss);
    uint64_t kernels = reel_tape_statistics_of(t).kernels;
    expect_clean(t);
    return kernels;
}

/* ---- what the passes find -------------------------------------------------------------------- */

Test(planner_passes, products_of_the_input_run_once_for_all_steps)
{
    uint64_t without = count_kernels(run_network, "-hoist");
    uint64_t with = count_kernels(run_network, NULL);
    cr_expect_leq(with + STEPS - 1, without, "%d kernels with hoist, %d without", (int)with,
                  (int)without);
}

Test(planner_passes, gradients_of_weights_are_one_product_over_all_steps)
{
    uint64_t without = count_kernels(run_network, "-sink");
    uint64_t with = count_kernels(run_network, NULL);
    cr_expect_lt(with + STEPS, without, "%d kernels with sink, %d without", (int)with,
                 (int)without);
}

static void expect_found(network_fn run, unsigned split, unsigned hoisted, unsigned least_sunk)
{
    reel_tape *t = new_tape(NULL);
    add_params(t);
    reel_var loss = loss_of(run(t, STEPS).outputs);
    reel_backward(loss);
    reel_item(loss);
    cr_expect_geq(t->planned.loops, 2, "%u loops", t->planned.loops);
    cr_expect_geq(t->planned.copies, 2 * STEPS - 4, "%u copies", t->planned.copies);
    cr_expect_eq(t->planned.split, split, "%u split", t->planned.split);
    cr_expect_eq(t->planned.hoisted, hoisted, "%u hoisted", t->planned.hoisted);
    cr_expect_geq(t->planned.sunk, least_sunk, "%u sunk", t->planned.sunk);
    expect_clean(t);
}

Test(planner_passes, a_hand_written_loop_is_found)
{
    expect_found(run_network, 0, 2, 2);
}

Test(planner_passes, a_product_of_a_concatenation_is_split)
{
    expect_found(run_joined_network, 2, 2, 1);
}

Test(planner_passes, reading_a_loss_again_plans_nothing_new)
{
    reel_tape *t = new_tape(NULL);
    add_params(t);
    reel_var loss = loss_of(run_network(t, STEPS).outputs);
    reel_backward(loss);
    double first = reel_item(loss);
    size_t nodes = t->nodes.count;
    cr_expect_eq(reel_item(loss), first);
    cr_expect_eq(t->nodes.count, nodes);
    expect_clean(t);
}

/* ---- what they leave alone ------------------------------------------------------------------- */

/* S = Σ aᵀ·b, kept as a carried sum as a reverse sweep would record it. */
static reel_var carried_sum(reel_tape *t, int steps, reel_var sum[])
{
    reel_var s = reel_fill(t, REEL_SHAPE(IN, HIDDEN), 0.5);
    reel_var y = reel_tanh(reel_matmul(param(t, "x"), param(t, "W_x")));
    for (int k = 0; k < steps; k++) {
        reel_step_begin(t, k);
        reel_var a = reel_sin(reel_at(param(t, "x"), k)), b = reel_square(reel_at(y, k));
        reel_var product =
            reel_matmul_ex(a, reel_exp(reel_neg(b)), (reel_matmul_options){ .transpose_a = true });
        s = sum[k] = reel_accumulate(s, product);
        for (int i = 0; i < 4; i++) {
            b = reel_cos(b); /* the loop must be worth a plan */
        }
        reel_step_end(t);
    }
    return s;
}

static void expect_sum(int read_between, bool early, unsigned sunk)
{
    reel_tape *t = new_tape(NULL), *reference = eager_tape();
    add_params(t);
    add_params(reference);
    reel_var sum[2][STEPS];
    reel_var got = carried_sum(t, STEPS, sum[0]);
    reel_var expected = carried_sum(reference, STEPS, sum[1]);
    if (read_between >= 0 && !early) {
        got = reel_add(got, sum[0][read_between]);
        expected = reel_add(expected, sum[1][read_between]);
    } else if (read_between >= 0) {
        reel_keep(sum[0][read_between]);
    }
    numbers x = read_numbers(got), y = read_numbers(expected);
    expect_near(&x, &y, "the sum");
    cr_expect_eq(t->planned.sunk, sunk, "%u sunk", t->planned.sunk);
    for (int k = 0; k < STEPS; k++) {
        x = read_numbers(sum[0][k]);
        y = read_numbers(sum[1][k]);
        expect_near(&x, &y, "a part of the sum");
    }
    expect_clean(t);
    expect_clean(reference);
}

Test(planner_passes, a_carried_sum_of_products_sinks)
{
    expect_sum(-1, false, 1);
}

Test(planner_passes, a_sum_that_is_read_in_between_does_not_sink)
{
    expect_sum(4, false, 0);
    expect_sum(4, true, 0);
}

/* Which step's factor the step `k` of a sum reads. */
static int step_read(int pattern, int k)
{
    switch (pattern) {
    case 0:
        return k;
    case 1:
        return STEPS - 1 - k;
    case 2:
        return k < 2 ? k : STEPS + 1 - k; /* begins as if in order */
    case 3:
        return k == STEPS - 1 ? 0 : k;
    case 4:
        return k / 2;
    default:
        return k < 3 ? k : 3;
    }
}

/* Σ aᵀ·b with a from one loop and b from another; from the third step on the a's may be of another kind. */
static reel_var sum_over_two_loops(reel_tape *t, int pattern, bool other_kind)
{
    reel_var a[STEPS], other[STEPS], s = reel_fill(t, REEL_SHAPE(IN, HIDDEN), 0.5);
    for (int k = 0; k < STEPS; k++) {
        reel_step_begin(t, k);
        a[k] = reel_sin(reel_at(param(t, "x"), k));
        other[k] = reel_cos(reel_tanh(a[k]));
        reel_step_end(t);
    }
    reel_var y = reel_tanh(reel_matmul(param(t, "x"), param(t, "W_x")));
    for (int k = 0; k < STEPS; k++) {
        reel_step_begin(t, k);
        reel_var *from = other_kind && k > 2 ? other : a;
        reel_var b = reel_cos(reel_cos(reel_exp(reel_neg(reel_square(reel_at(y, k))))));
        reel_matmul_options options = { .transpose_a = true };
        s = reel_accumulate(s, reel_matmul_ex(from[step_read(pattern, k)], b, options));
        reel_step_end(t);
    }
    return reel_add(s, reel_matmul(reel_expand(reel_mean_all(reel_stack_n(0, STEPS, other)),
                                               REEL_SHAPE(IN, HIDDEN)),
                                   param(t, "W_h")));
}

Test(planner_passes, sums_that_read_steps_out_of_order_are_right)
{
    for (int pattern = 0; pattern < 6; pattern++) {
        for (int other_kind = 0; other_kind < 2; other_kind++) {
            reel_tape *t = new_tape(NULL), *reference = eager_tape();
            add_params(t);
            add_params(reference);
            numbers got = read_numbers(sum_over_two_loops(t, pattern, other_kind));
            numbers expected = read_numbers(sum_over_two_loops(reference, pattern, other_kind));
            expect_near(&got, &expected, "the sum");
            cr_expect_eq(t->planned.sunk, pattern == 0 && !other_kind, "pattern %d", pattern);
            expect_clean(t);
            expect_clean(reference);
        }
    }
}

/* Every other step turns its square weight over: alike in op and shapes, not in attributes. */
static reel_var turning_loss(reel_tape *t)
{
    reel_var y = reel_tanh(reel_matmul(param(t, "x"), param(t, "W_x")));
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0.1);
    for (int k = 0; k < STEPS; k++) {
        reel_step_begin(t, k);
        reel_matmul_options options = { .transpose_b = k % 2 };
        reel_var z = reel_matmul_ex(reel_at(y, k), param(t, "W_h"), options);
        h = reel_tanh(reel_add(z, reel_sin(reel_mul(h, reel_sigmoid(h)))));
        reel_step_end(t);
    }
    return loss_of(h);
}

Test(planner_passes, products_that_differ_in_their_attributes_stay_in_the_loop)
{
    reel_tape *t = new_tape(NULL), *reference = eager_tape();
    add_params(t);
    add_params(reference);
    reel_backward(turning_loss(t));
    reel_backward(turning_loss(reference));
    expect_same_gradients(t, reference);
    cr_expect_eq(t->planned.hoisted, 0);
    expect_clean(t);
    expect_clean(reference);
}

Test(planner_passes, a_carried_product_stays_in_the_loop)
{
    reel_tape *t = new_tape(NULL);
    add_params(t);
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0.3);
    for (int s = 0; s < STEPS; s++) {
        reel_step_begin(t, s);
        h = reel_matmul(h, param(t, "W_h"));
        for (int i = 0; i < 8; i++) {
            h = reel_tanh(reel_scale(h, 0.9));
        }
        reel_step_end(t);
    }
    reel_item(loss_of(h));
    cr_expect_eq(t->planned.loops, 1);
    cr_expect_eq(t->planned.hoisted, 0);
    cr_expect_eq(t->planned.split, 0);
    expect_clean(t);
}

Test(planner_passes, short_recordings_are_run_as_they_are)
{
    reel_tape *t = new_tape(NULL);
    add_params(t);
    reel_item(loss_of(run_network(t, 2).outputs));
    cr_expect_eq(t->hidden, 0);
    expect_clean(t);
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* The network with one step that differs from the others; -1: none does. */
static reel_var uneven_loss(reel_tape *t, int steps, int odd)
{
    reel_var h = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0.1), sum = reel_scalar(t, 0);
    for (int s = 0; s < steps; s++) {
        reel_step_begin(t, s);
        h = s == odd ? reel_sin(reel_shift(h, 1)) : h;
        reel_var z = reel_matmul(reel_concat(-1, h, reel_at(param(t, "x"), s)), param(t, "W"));
        h = reel_mul(reel_sigmoid(reel_add(z, param(t, "b"))), reel_tanh(z));
        h = reel_add(h, reel_matmul(reel_at(param(t, "x"), s), param(t, "W_x")));
        reel_step_end(t);
        sum = s % 3 == 0 ? reel_add(sum, loss_of(h)) : sum;
    }
    return reel_add(sum, loss_of(h));
}

Test(planner_passes, loops_of_every_length_and_with_odd_steps_give_the_same)
{
    for (int steps = 1; steps <= STEPS; steps++) {
        for (int odd = -1; odd < steps; odd++) {
            reel_tape *t = new_tape(NULL), *reference = eager_tape();
            add_params(t);
            add_params(reference);
            reel_backward(uneven_loss(t, steps, odd));
            reel_backward(uneven_loss(reference, steps, odd));
            expect_same_gradients(t, reference);
            expect_clean(t);
            expect_clean(reference);
        }
    }
}

/* ---- weights that others read ---------------------------------------------------------------- */

static reel_var entangled_loss(reel_tape *t)
{
    reel_var decay = loss_of(param(t, "W_h"));
    network first = run_network(t, STEPS), second = run_joined_network(t, STEPS);
    reel_var both = reel_matmul(reel_add(first.outputs, second.outputs), param(t, "W_h"));
    reel_var rows = reel_matmul(first.z[3], reel_slice(param(t, "W"), 0, 0, HIDDEN));
    return reel_add(reel_add(loss_of(both), decay), reel_add(loss_of(rows), loss_of(first.z[5])));
}

Test(planner_passes, weights_used_inside_and_outside_of_loops_get_both_gradients)
{
    reel_tape *t = new_tape(NULL), *reference = eager_tape();
    add_params(t);
    add_params(reference);
    reel_backward(entangled_loss(t));
    reel_backward(entangled_loss(reference));
    expect_same_gradients(t, reference);
    cr_expect_gt(t->planned.sunk, 0);
    cr_expect_gt(t->planned.split, 0);
    expect_clean(t);
    expect_clean(reference);
}

/* ---- values in the middle -------------------------------------------------------------------- */

static void expect_middle(network_fn run, bool before, bool after)
{
    reel_tape *t = new_tape(NULL), *reference = eager_tape();
    add_params(t);
    add_params(reference);
    network got = run(t, STEPS), expected = run(reference, STEPS);
    for (int when = 0; when < 2; when++) {
        for (int s = STEPS - 1; s >= 0 && (when ? after : before); s -= 2) {
            numbers x = read_numbers(got.z[s]), y = read_numbers(expected.z[s]);
            expect_near(&x, &y, "z");
            x = read_numbers(got.h[s]);
            y = read_numbers(expected.h[s]);
            expect_near(&x, &y, "h");
        }
        reel_var loss = loss_of(got.outputs);
        reel_backward(loss);
        reel_backward(loss_of(expected.outputs));
        reel_item(loss);
    }
    expect_same_gradients(t, reference);
    expect_clean(t);
    expect_clean(reference);
}

Test(planner_passes, values_inside_a_loop_can_be_read_before_and_after_it_was_planned)
{
    for (int when = 0; when < 4; when++) {
        expect_middle(run_network, when & 1, when & 2);
        expect_middle(run_joined_network, when & 1, when & 2);
    }
}

Test(planner_passes, values_read_later_are_those_that_were_computed_first)
{
    for (int joined = 0; joined < 2; joined++) {
        reel_tape *t = new_tape(NULL), *kept = new_tape(NULL);
        add_params(t);
        add_params(kept);
        network one = joined ? run_joined_network(t, STEPS) : run_network(t, STEPS);
        network other = joined ? run_joined_network(kept, STEPS) : run_network(kept, STEPS);
        for (int s = 0; s < STEPS; s++) {
            reel_keep(other.h[s]);
        }
        reel_item(loss_of(one.outputs));
        reel_item(loss_of(other.outputs));
        for (int s = STEPS - 1; s >= 0; s--) {
            numbers x = read_numbers(one.h[s]), y = read_numbers(other.h[s]);
            cr_expect_arr_eq(x.at, y.at, x.n * sizeof(double), "step %d", s);
        }
        expect_clean(t);
        expect_clean(kept);
    }
}
