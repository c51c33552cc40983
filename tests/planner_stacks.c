/* planner_stacks.c: loops that run side by side where the batch is too small to be shared out: two
 * directions, and the layers of a stack, the second of which reads what the first makes. On two
 * threads against eager, and against one thread to the bit. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/tape.h"
#include "support/failing_memory.h"

enum { STEPS = 70, BATCH = 1, WIDTH = 24, LAYERS = 3 };

static reel_var unroll(reel_tape *t, reel_cell cell, reel_var x, bool reverse)
{
    (void)t;
    return reel_unroll(cell, x, (reel_unroll_options){ .reverse = reverse }).outputs;
}

static reel_cell lstm(reel_tape *t, const char *name, int64_t in)
{
    return reel_lstm(t, name, in, WIDTH, (reel_lstm_options){ 0 });
}

static reel_cell gru(reel_tape *t, const char *name, int64_t in)
{
    return reel_gru(t, name, in, WIDTH, (reel_gru_options){ 0 });
}

/* ---- networks -------------------------------------------------------------------------------- */

static reel_var stack(reel_tape *t, reel_var x)
{
    reel_var h = unroll(t, lstm(t, "1", WIDTH), x, false);
    h = unroll(t, lstm(t, "2", WIDTH), h, false);
    return unroll(t, gru(t, "3", WIDTH), h, false);
}

static reel_var residual_stack(reel_tape *t, reel_var x)
{
    reel_var h = reel_add(x, unroll(t, lstm(t, "1", WIDTH), x, false));
    return reel_add(h, unroll(t, lstm(t, "2", WIDTH), h, false));
}

/* Between the layers something that keeps to the rows of each step, and more than one product. */
static reel_var stack_with_layers_between(reel_tape *t, reel_var x)
{
    reel_var W = reel_param(t, "W", REEL_SHAPE(WIDTH, WIDTH), reel_glorot());
    reel_var h = unroll(t, gru(t, "1", WIDTH), x, false);
    h = reel_softmax(reel_tanh(reel_matmul(h, W)), -1);
    h = reel_layer_norm(reel_matmul(h, W), (reel_var){ 0 }, (reel_var){ 0 }, 0.1);
    return unroll(t, lstm(t, "2", 2 * WIDTH), reel_concat(-1, h, reel_square(h)), false);
}

/* The second layer starts where the first one ends. */
static reel_var opposite_directions(reel_tape *t, reel_var x)
{
    reel_var h = unroll(t, lstm(t, "1", WIDTH), x, false);
    return unroll(t, lstm(t, "2", WIDTH), h, true);
}

static reel_var backwards_stack(reel_tape *t, reel_var x)
{
    reel_var h = unroll(t, lstm(t, "1", WIDTH), x, true);
    return unroll(t, lstm(t, "2", WIDTH), h, true);
}

static reel_var bidirectional_stack(reel_tape *t, reel_var x)
{
    reel_var h = reel_concat(-1, unroll(t, lstm(t, "1f", WIDTH), x, false),
                             unroll(t, lstm(t, "1b", WIDTH), x, true));
    return reel_add(unroll(t, lstm(t, "2f", 2 * WIDTH), h, false),
                    unroll(t, lstm(t, "2b", 2 * WIDTH), h, true));
}

/* The second layer reads every second step of the first, shifted by three. */
static reel_var slower_layer(reel_tape *t, reel_var x)
{
    reel_var h = unroll(t, lstm(t, "1", WIDTH), x, false);
    h = reel_reshape(reel_slice(h, 0, 3, STEPS - 1), REEL_SHAPE((STEPS - 4) / 2, BATCH, 2 * WIDTH));
    return unroll(t, lstm(t, "2", 2 * WIDTH), h, false);
}

/* Every step of the second layer sees all of the first. */
static reel_var mixed_steps(reel_tape *t, reel_var x)
{
    reel_var h = unroll(t, lstm(t, "1", WIDTH), x, false);
    h = reel_add(h, reel_mean_keep(h, 0));
    return unroll(t, lstm(t, "2", WIDTH), h, false);
}

static reel_var stack_with_dropout(reel_tape *t, reel_var x)
{
    reel_var h = reel_dropout(unroll(t, lstm(t, "1", WIDTH), x, false), 0.3);
    return unroll(t, lstm(t, "2", WIDTH), h, false);
}

/* Layer 2's first state is layer 1's last one: an encoder and its decoder. */
static reel_var encoder_and_decoder(reel_tape *t, reel_var x)
{
    reel_rollout r = reel_unroll(lstm(t, "1", WIDTH), x, (reel_unroll_options){ 0 });
    reel_unroll_options start = { .initial = { r.state[0], r.state[1] } };
    return reel_unroll(lstm(t, "2", WIDTH), reel_sin(r.outputs), start).outputs;
}

typedef struct {
    const char *name;
    reel_var (*network)(reel_tape *, reel_var);
    uint64_t pairs; /* at least, in a step */
} sample;

static const sample samples[] = {
    { "stack", stack, 2 },
    { "residual stack", residual_stack, 1 },
    { "stack with layers between", stack_with_layers_between, 2 },
    { "opposite directions", opposite_directions, 0 },
    { "backwards stack", backwards_stack, 2 },
    { "bidirectional stack", bidirectional_stack, 2 },
    { "slower layer", slower_layer, 0 },
    { "mixed steps", mixed_steps, 0 },
    { "stack with dropout", stack_with_dropout, 0 },
    { "encoder and decoder", encoder_and_decoder, 0 },
};

/* ---- a step of training ------------------------------------------------------------------------ */

typedef struct {
    double loss, *gradient;
    size_t count;
    uint64_t pairs;
} result;

static result run(const sample *s, reel_tape_options options)
{
    options.dtype = REEL_F64;
    options.seed = 11;
    reel_tape *t = reel_tape_new(options);
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, WIDTH), reel_normal(0, 1));
    result r = { 0 };
    reel_var loss = reel_mean_all(reel_square(s->network(t, x)));
    reel_backward(loss);
    r.loss = reel_item(loss);
    r.count = reel_tape_statistics_of(t).parameters;
    r.gradient = calloc(r.count, sizeof *r.gradient);
    size_t at = 0;
    for (size_t k = 0; k < reel_param_count(t); k++) {
        size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, k)));
        reel_read_grad_f64(reel_param_at(t, k), r.gradient + at, n);
        at += n;
    }
    cr_expect_eq(at, r.count);
    r.pairs = reel_tape_statistics_of(t).pairs;
    cr_expect_str_eq(reel_tape_error(t), "", "%s: %s", s->name, reel_tape_error(t));
    reel_tape_free(t);
    return r;
}

static double distance(const result *a, const result *b)
{
    double most = fabs(a->loss - b->loss);
    for (size_t i = 0; i < a->count; i++) {
        double d = fabs(a->gradient[i] - b->gradient[i]);
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}

Test(planner_stacks, layers_side_by_side_compute_what_eager_computes)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        result eager = run(&samples[i], (reel_tape_options){ .threads = 1, .eager = true });
        result two = run(&samples[i], (reel_tape_options){ .threads = 2 });
        cr_expect_lt(distance(&eager, &two), 1e-12, "%s: off by %g", samples[i].name,
                     distance(&eager, &two));
        cr_expect_geq(two.pairs, samples[i].pairs, "%s: %d pairs of loops", samples[i].name,
                      (int)two.pairs);
        free(eager.gradient);
        free(two.gradient);
    }
}

Test(planner_stacks, which_thread_is_faster_does_not_show)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        result first = run(&samples[i], (reel_tape_options){ .threads = 2 });
        for (int k = 0; k < 5; k++) {
            result again = run(&samples[i], (reel_tape_options){ .threads = 2 });
            cr_expect_eq(
                memcmp(first.gradient, again.gradient, first.count * sizeof *first.gradient), 0,
                "%s", samples[i].name);
            free(again.gradient);
        }
        free(first.gradient);
    }
}

Test(planner_stacks, no_loop_has_a_partner_on_one_thread)
{
    result one = run(&samples[0], (reel_tape_options){ .threads = 1 });
    cr_expect_eq(one.pairs, 0);
    free(one.gradient);
}

/* ---- out of memory ----------------------------------------------------------------------------- */

static double read_loss(reel_tape *t)
{
    reel_rewind(t);
    return reel_item(reel_mean_all(reel_square(reel_find_param(t, "x"))));
}

Test(planner_stacks, a_failed_allocation_in_a_pair_is_an_error_and_nothing_is_lost)
{
    bool reached = true;
    long pairs = 0;
    for (long fail_at = 0; reached; fail_at += fail_at < 100 ? 7 : 3) {
        failing_memory memory = { .fail_at = -1 };
        reel_tape *t =
            reel_tape_new((reel_tape_options){ .dtype = REEL_F64,
                                               .seed = 1,
                                               .threads = 2,
                                               .allocator = { failing_memory_resize, &memory } });
        reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, WIDTH), reel_normal(0, 1));
        reel_var loss = reel_mean_all(reel_square(stack(t, x)));
        reel_backward(loss);
        memory.fail_at = memory.calls + fail_at;
        double value = reel_item(loss);
        reached = memory.calls > memory.fail_at;
        pairs += (long)reel_tape_statistics_of(t).pairs;
        cr_expect_eq(reel_tape_status(t), reached ? REEL_OUT_OF_MEMORY : REEL_OK, "%ld: %s",
                     fail_at, reel_tape_error(t));
        cr_expect_eq(isnan(value) != 0, reached);
        memory.fail_at = -1;
        reel_tape_clear(t);
        cr_expect(isfinite(read_loss(t)), "%ld", fail_at);
        reel_tape_free(t);
        cr_expect_eq(memory.held, 0, "%ld: %zu bytes", fail_at, memory.held);
    }
    cr_expect_gt(pairs, 0);
}
