/* Unrolling: padding, states, edges of the shapes, misuse, and backpropagation through time by
 * hand. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reel.h"

enum { STEPS = 5, BATCH = 3, IN = 2, HIDDEN = 4 };

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 11 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

/* Deterministic numbers in about [-1, 1]. */
static double *numbers(size_t n)
{
    double *out = malloc((n + 1) * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        out[i] = sin(1.7 * (double)i + 0.3 * (double)(i % 7));
    }
    return out;
}

static reel_var input(reel_tape *t, reel_shape shape)
{
    double *values = numbers((size_t)reel_shape_size(shape));
    reel_var v = reel_input_f64(t, shape, values);
    free(values);
    return v;
}

static double *read_all(reel_var v, size_t *n)
{
    *n = (size_t)reel_shape_size(reel_shape_of(v));
    double *out = calloc(*n + 1, sizeof *out);
    cr_assert_eq(reel_read_f64(v, out, *n), REEL_OK, "%s", reel_tape_error(v.tape));
    return out;
}

static void expect_same(reel_var a, reel_var b, double tolerance, const char *what)
{
    size_t n, m;
    double *x = read_all(a, &n), *y = read_all(b, &m);
    cr_assert_eq(n, m, "%s: %zu and %zu numbers", what, n, m);
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(x[i] - y[i]) <= tolerance, "%s[%zu]: %g and %g", what, i, x[i], y[i]);
    }
    free(x);
    free(y);
}

static void expect_shape(reel_var v, reel_shape expected)
{
    cr_expect(reel_shape_equal(reel_shape_of(v), expected), "%s, expected %s",
              REEL_SHAPE_TEXT(reel_shape_of(v)), REEL_SHAPE_TEXT(expected));
}

/* ---- backpropagation through time by hand --------------------------------------------------- */

/* h_t = tanh(x_t·W_x + h_{t-1}·W_h + b), loss = Σ u_t·h_t; one row, written out as in a textbook.
 * */
enum { LONG = 200 };
typedef struct {
    double W_x[IN][HIDDEN], W_h[HIDDEN][HIDDEN], b[HIDDEN];
} rnn_numbers;

static void hand_forward(const rnn_numbers *p, const double *x, double h[][HIDDEN])
{
    for (int t = 0; t < LONG; t++) {
        for (int j = 0; j < HIDDEN; j++) {
            double z = p->b[j];
            for (int i = 0; i < IN; i++) {
                z += x[t * IN + i] * p->W_x[i][j];
            }
            for (int i = 0; t > 0 && i < HIDDEN; i++) {
                z += h[t - 1][i] * p->W_h[i][j];
            }
            h[t][j] = tanh(z);
        }
    }
}

static void hand_backward(const rnn_numbers *p, const double *x, const double *u,
                          double h[][HIDDEN], rnn_numbers *d)
{
    double dh[HIDDEN] = { 0 };
    for (int t = LONG - 1; t >= 0; t--) {
        double before[HIDDEN] = { 0 };
        for (int j = 0; j < HIDDEN; j++) {
            double dz = (dh[j] + u[t * HIDDEN + j]) * (1 - h[t][j] * h[t][j]);
            d->b[j] += dz;
            for (int i = 0; i < IN; i++) {
                d->W_x[i][j] += x[t * IN + i] * dz;
            }
            for (int i = 0; i < HIDDEN; i++) {
                d->W_h[i][j] += t > 0 ? h[t - 1][i] * dz : 0;
                before[i] += p->W_h[i][j] * dz;
            }
        }
        memcpy(dh, before, sizeof dh);
    }
}

static void expect_gradient(reel_tape *t, const char *name, const double *expected, size_t n)
{
    double gradient[HIDDEN * HIDDEN];
    cr_assert_eq(reel_read_grad_f64(reel_find_param(t, name), gradient, n), REEL_OK);
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(gradient[i] - expected[i]) <= 1e-11 * (1 + fabs(expected[i])),
                  "%s[%zu]: %.17g, by hand %.17g", name, i, gradient[i], expected[i]);
    }
}

Test(unroll, gradients_through_200_steps_are_those_written_by_hand)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_rnn(t, "rnn", IN, HIDDEN, (reel_rnn_options){ 0 });
    rnn_numbers p, d = { 0 };
    reel_read_f64(reel_find_param(t, "rnn.W_x"), &p.W_x[0][0], IN * HIDDEN);
    reel_read_f64(reel_find_param(t, "rnn.W_h"), &p.W_h[0][0], HIDDEN * HIDDEN);
    reel_read_f64(reel_find_param(t, "rnn.b"), p.b, HIDDEN);
    double *x = numbers(LONG * IN), *u = numbers(LONG * HIDDEN);
    static double h[LONG][HIDDEN];
    hand_forward(&p, x, h);
    hand_backward(&p, x, u, h, &d);

    reel_rollout r = reel_unroll(cell, reel_input_f64(t, REEL_SHAPE(LONG, 1, IN), x),
                                 (reel_unroll_options){ 0 });
    reel_var weights = reel_input_f64(t, REEL_SHAPE(LONG, 1, HIDDEN), u);
    reel_backward(reel_sum_all(reel_mul(r.outputs, weights)));
    expect_gradient(t, "rnn.W_x", &d.W_x[0][0], IN * HIDDEN);
    expect_gradient(t, "rnn.W_h", &d.W_h[0][0], HIDDEN * HIDDEN);
    expect_gradient(t, "rnn.b", d.b, HIDDEN);
    free(x);
    free(u);
    expect_clean(t);
}

/* ---- padding ------------------------------------------------------------------------------- */

static const int32_t lengths[BATCH] = { 2, 5, 0 };

/* x with `filler` wherever a row is over */
static reel_var padded_input(reel_tape *t, double filler)
{
    double *x = numbers(STEPS * BATCH * IN);
    for (int i = 0; i < STEPS * BATCH * IN; i++) {
        int step = i / (BATCH * IN), row = i / IN % BATCH;
        x[i] = step < lengths[row] ? x[i] : filler;
    }
    reel_var v = reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_zeros());
    reel_write_param_f64(v, x, STEPS * BATCH * IN);
    free(x);
    return v;
}

/* Loss and all gradients of an LSTM over padded data, one after another. */
static double *padded_run(double filler, bool reverse, size_t *n)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ .layer_norm = true });
    reel_unroll_options options = { .lengths = lengths, .reverse = reverse };
    reel_rollout r = reel_unroll(cell, padded_input(t, filler), options);
    reel_var loss = reel_add(reel_sum_all(reel_square(r.outputs)), reel_sum_all(r.state[1]));
    reel_backward(loss);
    double *out = calloc(1024, sizeof *out);
    out[0] = reel_item(loss);
    *n = 1;
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var p = reel_param_at(t, i);
        size_t count = (size_t)reel_shape_size(reel_shape_of(p));
        cr_assert(*n + count <= 1024);
        cr_assert_eq(reel_read_grad_f64(p, out + *n, count), REEL_OK);
        *n += count;
    }
    expect_clean(t);
    return out;
}

Test(unroll, what_stands_in_the_padding_never_matters)
{
    static const double fillers[] = { NAN, INFINITY, -INFINITY, 1e300 };
    for (int i = 0; i < 8; i++) {
        size_t n;
        double *zero = padded_run(0, i % 2, &n), *other = padded_run(fillers[i / 2], i % 2, &n);
        cr_expect(memcmp(zero, other, n * sizeof *zero) == 0, "padding %g", fillers[i / 2]);
        free(zero);
        free(other);
    }
}

static bool is_finite(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            return false;
        }
    }
    return true;
}

Test(unroll, padding_of_nan_leaves_finite_gradients)
{
    size_t n;
    double *run = padded_run(NAN, false, &n);
    cr_expect(is_finite(run, n));
    free(run);
}

Test(unroll, padded_outputs_are_zero_and_states_stay)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_gru(t, "gru", IN, HIDDEN, (reel_gru_options){ 0 });
    reel_unroll_options options = { .lengths = lengths,
                                    .all_states = true,
                                    .initial = { input(t, REEL_SHAPE(BATCH, HIDDEN)) } };
    reel_rollout r = reel_unroll(cell, padded_input(t, 9), options);
    reel_var ended = reel_slice(r.outputs, 0, 2, STEPS); /* row 0 after its 2 steps */
    cr_expect_eq(reel_item(reel_max_all(reel_abs(reel_slice(ended, 1, 0, 1)))), 0);
    for (int step = 1; step < STEPS; step++) {
        expect_same(reel_slice(reel_at(r.states[0], step), 0, 0, 1),
                    reel_slice(r.state[0], 0, 0, 1), 0, "state of row 0");
    }
    expect_same(reel_slice(r.state[0], 0, 2, 3), reel_slice(options.initial[0], 0, 2, 3), 0,
                "state of an empty row");
    expect_same(reel_at(r.states[0], -1), r.state[0], 0, "last of all states");
    expect_clean(t);
}

Test(unroll, full_lengths_change_nothing)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_var x = input(t, REEL_SHAPE(STEPS, BATCH, IN));
    const int32_t full[BATCH] = { STEPS, STEPS, STEPS };
    reel_rollout a = reel_unroll(cell, x, (reel_unroll_options){ 0 });
    reel_rollout b = reel_unroll(cell, x, (reel_unroll_options){ .lengths = full });
    expect_same(a.outputs, b.outputs, 0, "outputs");
    expect_same(a.state[1], b.state[1], 0, "state");
    expect_clean(t);
}

static uint64_t hash_with(const int32_t *given)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_unroll(cell, input(t, REEL_SHAPE(STEPS, BATCH, IN)),
                (reel_unroll_options){ .lengths = given });
    uint64_t hash = reel_structure_hash(t);
    expect_clean(t);
    return hash;
}

Test(unroll, the_structure_does_not_depend_on_the_lengths)
{
    const int32_t others[BATCH] = { 5, 5, 5 };
    cr_expect_eq(hash_with(lengths), hash_with(others));
}

/* ---- shapes at the edge -------------------------------------------------------------------- */

static void expect_edge(int64_t steps, int64_t batch, const int32_t *given)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ .projection = 3 });
    reel_unroll_options options = { .lengths = given, .all_states = true };
    reel_rollout r = reel_unroll(cell, input(t, REEL_SHAPE(steps, batch, IN)), options);
    expect_shape(r.outputs, REEL_SHAPE(steps, batch, 3));
    expect_shape(r.state[0], REEL_SHAPE(batch, 3));
    expect_shape(r.state[1], REEL_SHAPE(batch, HIDDEN));
    expect_shape(r.states[1], REEL_SHAPE(steps, batch, HIDDEN));
    reel_var loss = reel_add(reel_sum_all(r.outputs), reel_sum_all(r.state[1]));
    reel_backward(loss);
    cr_expect(isfinite(reel_item(loss)));
    expect_clean(t);
}

Test(unroll, no_steps_one_step_no_rows_one_row)
{
    const int32_t zeros[BATCH] = { 0 };
    for (int64_t steps = 0; steps <= 1; steps++) {
        for (int64_t batch = 0; batch <= 1; batch++) {
            expect_edge(steps, batch, NULL);
            expect_edge(steps, batch, zeros);
        }
    }
    expect_edge(0, BATCH, zeros);
    expect_edge(STEPS, 0, zeros);
}

/* ---- cells of all kinds -------------------------------------------------------------------- */

static reel_var double_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    (void)state;
    return reel_scale(x, 2);
}

Test(unroll, a_cell_may_have_no_state)
{
    reel_tape *t = new_tape();
    reel_var x = input(t, REEL_SHAPE(STEPS, BATCH, IN));
    reel_rollout r = reel_unroll((reel_cell){ .step = double_step }, x, (reel_unroll_options){ 0 });
    expect_same(r.outputs, reel_scale(x, 2), 0, "outputs");
    expect_clean(t);
}

/* Sums x into each of eight states, k + 1 times; the output is none of them. */
static reel_var summing_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    for (int k = 0; k < REEL_MAX_STATES; k++) {
        state[k] = reel_add(state[k], reel_scale(x, k + 1));
    }
    return reel_concat(-1, state[7], x, x);
}

static reel_cell summing_cell(void)
{
    reel_cell cell = { .step = summing_step, .states = REEL_MAX_STATES };
    for (int k = 0; k < REEL_MAX_STATES; k++) {
        cell.width[k] = IN;
    }
    return cell;
}

Test(unroll, a_cell_may_have_eight_states_and_another_output)
{
    reel_tape *t = new_tape();
    reel_var x = input(t, REEL_SHAPE(STEPS, BATCH, IN));
    reel_rollout r = reel_unroll(summing_cell(), x, (reel_unroll_options){ .all_states = true });
    expect_shape(r.outputs, REEL_SHAPE(STEPS, BATCH, 3 * IN));
    expect_same(r.state[4], reel_scale(reel_sum(x, 0), 5), 1e-14, "state 4");
    expect_same(r.states[1], reel_scale(reel_cumsum(x, 0), 2), 1e-14, "all states 1");
    expect_clean(t);
}

Test(unroll, windows_joined_by_their_states_are_one_sequence)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_var x = input(t, REEL_SHAPE(STEPS, BATCH, IN));
    reel_rollout whole = reel_unroll(cell, x, (reel_unroll_options){ 0 });
    reel_rollout a = reel_unroll(cell, reel_slice(x, 0, 0, 2), (reel_unroll_options){ 0 });
    reel_unroll_options next = { .initial = { a.state[0], a.state[1] } };
    reel_rollout b = reel_unroll(cell, reel_slice(x, 0, 2, STEPS), next);
    expect_same(reel_concat(0, a.outputs, b.outputs), whole.outputs, 1e-15, "outputs");
    expect_clean(t);
}

/* ---- second derivatives -------------------------------------------------------------------- */

typedef struct {
    reel_cell cell;
} checked;

static reel_var checked_loss(reel_tape *t, void *self)
{
    const checked *c = self;
    const double resets[STEPS * BATCH] = { [4] = 1, [6] = 1 };
    reel_unroll_options options = {
        .lengths = lengths,
        .reverse = true,
        .resets = reel_input_f64(t, REEL_SHAPE(STEPS, BATCH), resets),
    };
    reel_rollout r = reel_unroll(c->cell, input(t, REEL_SHAPE(STEPS, BATCH, IN)), options);
    return reel_add(reel_mean_all(reel_square(r.outputs)), reel_mean_all(r.state[0]));
}

static void expect_gradcheck(reel_tape *t, reel_cell cell)
{
    checked c = { cell };
    reel_gradcheck_report report;
    reel_gradcheck_options options = { .order = 2 };
    bool passed = reel_gradcheck(t, checked_loss, &c, options, &report);
    cr_expect(passed, "%s: %zu of %zu differ, worst %g (%s)", report.worst.parameter, report.failed,
              report.compared, report.worst_relative_error, report.message);
    expect_clean(t);
}

Test(unroll, first_and_second_derivatives_of_every_cell_are_right)
{
    reel_tape *t = new_tape();
    expect_gradcheck(t, reel_rnn(t, "rnn", IN, 3, (reel_rnn_options){ 0 }));
    t = new_tape();
    expect_gradcheck(t, reel_gru(t, "gru", IN, 3, (reel_gru_options){ 0 }));
    t = new_tape();
    expect_gradcheck(t, reel_gru(t, "gru", IN, 3, (reel_gru_options){ .reset_after = true }));
    t = new_tape();
    expect_gradcheck(t, reel_lstm(t, "lstm", IN, 3, (reel_lstm_options){ 0 }));
    t = new_tape();
    reel_lstm_options all = { .peephole = true, .layer_norm = true, .projection = 2 };
    expect_gradcheck(t, reel_lstm(t, "lstm", IN, 3, all));
}

/* ---- misuse -------------------------------------------------------------------------------- */

/* The tape reports `text` of unroll and can be used again once cleared. */
static void expect_error(reel_tape *t, reel_rollout r, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, ": %s", text);
    const char *error = reel_tape_error(t);
    size_t length = strlen(full), got = strlen(error);
    cr_expect(got >= length && strcmp(error + got - length, full) == 0, "\"%s\", expected \"%s\"",
              error, text);
    cr_expect(strncmp(error, "unroll at unroll.c:", 19) == 0, "%s", error);
    cr_expect_eq(reel_shape_of(r.outputs).rank, -1);
    reel_tape_clear(t);
    cr_expect_eq(reel_item(reel_add(reel_scalar(t, 1), reel_scalar(t, 2))), 3);
    expect_clean(t);
}

static reel_tape *with_cell(reel_cell *cell, reel_var *x)
{
    reel_tape *t = new_tape();
    *cell = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 });
    *x = input(t, REEL_SHAPE(STEPS, BATCH, IN));
    return t;
}

static void expect_option_error(reel_unroll_options options, const char *text)
{
    reel_cell cell;
    reel_var x;
    reel_tape *t = with_cell(&cell, &x);
    expect_error(t, reel_unroll(cell, x, options), text);
}

Test(unroll, a_length_out_of_range_is_named)
{
    expect_option_error((reel_unroll_options){ .lengths = (const int32_t[]){ 1, 2, 9 } },
                        "lengths[2] = 9 is outside 0 … 5");
    expect_option_error((reel_unroll_options){ .lengths = (const int32_t[]){ 1, -1, 5 } },
                        "lengths[1] = -1 is outside 0 … 5");
}

Test(unroll, x_must_have_three_axes)
{
    reel_cell cell;
    reel_var x;
    reel_tape *t = with_cell(&cell, &x);
    expect_error(t, reel_unroll(cell, reel_at(x, 0), (reel_unroll_options){ 0 }),
                 "x is [3,2], expected [steps, batch, in]");
}

Test(unroll, initial_states_and_resets_must_fit)
{
    reel_cell cell;
    reel_var x;
    reel_tape *t = with_cell(&cell, &x);
    reel_unroll_options initial = { .initial = { [1] = input(t, REEL_SHAPE(BATCH, 7)) } };
    expect_error(t, reel_unroll(cell, x, initial), "initial[1] is [3,7], expected [3,4]");
    t = with_cell(&cell, &x);
    reel_unroll_options resets = { .resets = input(t, REEL_SHAPE(BATCH, STEPS)) };
    expect_error(t, reel_unroll(cell, x, resets), "resets are [3,5], expected [5,3]");
}

static void expect_cell_error(reel_cell cell, const char *text)
{
    reel_tape *t = new_tape();
    reel_var x = input(t, REEL_SHAPE(STEPS, BATCH, IN));
    expect_error(t, reel_unroll(cell, x, (reel_unroll_options){ 0 }), text);
}

static reel_var absent_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    (void)x;
    (void)state;
    return (reel_var){ 0 };
}

static reel_var poisoned_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    (void)state;
    return (reel_var){ .tape = x.tape };
}

static reel_var growing_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    return state[0] = reel_concat(-1, state[0], x);
}

static reel_var flat_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    (void)state;
    return reel_sum(x, -1);
}

static reel_var forgetful_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    state[0] = (reel_var){ 0 };
    return x;
}

/* One column more at each step. */
static reel_var widening_step(void *self, reel_var x, reel_var state[])
{
    int *calls = self;
    (void)state;
    return reel_pad(x, -1, 0, (*calls)++);
}

Test(unroll, what_a_cell_does_wrong_is_named_with_its_step)
{
    int calls = 0;
    expect_cell_error((reel_cell){ .states = 1 }, "the cell has no step function");
    expect_cell_error((reel_cell){ .step = double_step, .states = 9 },
                      "cell.states = 9 is outside 0 … 8");
    expect_cell_error((reel_cell){ .step = double_step, .states = -1 },
                      "cell.states = -1 is outside 0 … 8");
    expect_cell_error((reel_cell){ .step = double_step, .states = 1, .width = { -3 } },
                      "cell.width[0] = -3 is negative");
    expect_cell_error((reel_cell){ .step = absent_step },
                      "step 0: the cell gave an absent handle as the output");
    expect_cell_error((reel_cell){ .step = poisoned_step },
                      "step 0: the cell gave a poisoned handle as the output");
    expect_cell_error((reel_cell){ .step = forgetful_step, .states = 1, .width = { 3 } },
                      "step 0: the cell gave an absent handle as state[0]");
    expect_cell_error((reel_cell){ .step = growing_step, .states = 1, .width = { 3 } },
                      "step 0: state[0] became [3,5], expected [3,3]");
    expect_cell_error((reel_cell){ .step = flat_step },
                      "step 0: the output is [3], expected [3,width]");
    expect_cell_error((reel_cell){ .self = &calls, .step = widening_step },
                      "the output is [3,3] at step 1, but [3,2] at step 0");
}

static reel_var failing_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    return state[0] = reel_matmul(state[0], x);
}

Test(unroll, an_error_inside_a_step_keeps_its_own_place)
{
    reel_tape *t = new_tape();
    reel_var x = input(t, REEL_SHAPE(STEPS, BATCH, IN));
    reel_cell cell = { .step = failing_step, .states = 1, .width = { 7 } };
    reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
    cr_expect_eq(reel_shape_of(r.state[0]).rank, -1);
    cr_expect(strncmp(reel_tape_error(t), "matmul at unroll.c:", 19) == 0, "%s",
              reel_tape_error(t));
    reel_tape_free(t);
}
