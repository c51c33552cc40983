/* Windows, carried states, gradients of a step and of a row, packing, what is seen inside a
 * cell. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden_cells.h"

enum { STEPS = 12, BATCH = 3, IN = 2, HIDDEN = 4 };

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 9 });
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

static void fill(double *out, size_t n, double offset)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = sin(1.7 * (double)i + offset);
    }
}

static reel_var numbers(reel_tape *t, reel_shape shape, double offset)
{
    size_t n = (size_t)reel_shape_size(shape);
    double *values = malloc((n + 1) * sizeof *values);
    fill(values, n, offset);
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

static reel_cell lstm(reel_tape *t, const char *name, int64_t in)
{
    return reel_lstm(t, name, in, HIDDEN, (reel_lstm_options){ 0 });
}

/* ---- windows --------------------------------------------------------------------------------- */

Test(sequence, windows_cover_the_sequence_once_and_reach_back_as_far_as_asked)
{
    static const int64_t k[][2] = { { 1, 1 }, { 3, 0 }, { 5, 5 }, { 2, 7 }, { 4, 6 }, { 20, 30 } };
    for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
        reel_window w = { .steps = STEPS, .stride = k[i][0], .reach = k[i][1] };
        int64_t covered = 0, reach = k[i][1] ? k[i][1] : k[i][0], next = 0;
        while (reel_next_window(&w)) {
            cr_expect_eq(w.fresh, covered);
            cr_expect_eq(w.begin, next, "the state carried is the one that the window begins with");
            cr_expect(w.begin <= w.fresh && w.fresh < w.end && w.end <= STEPS);
            cr_expect(w.begin == 0 || w.end == STEPS || w.end - w.begin == reach);
            cr_expect(w.carry >= 0 && w.carry <= w.end - w.begin);
            next = w.begin + w.carry;
            covered = w.end;
        }
        cr_expect_eq(covered, STEPS);
    }
    cr_expect_not(reel_next_window(&(reel_window){ .steps = 5, .stride = 0 }));
    cr_expect_not(reel_next_window(&(reel_window){ .steps = 5, .stride = 3, .reach = 2 }));
    cr_expect_not(reel_next_window(&(reel_window){ .stride = 3 }));
}

static const double *all_steps(void)
{
    static double x[STEPS * BATCH * IN];
    fill(x, STEPS * BATCH * IN, 0);
    return x;
}

/* Gradients of W_h summed over the windows; the outputs of what is fresh go to `outputs`. */
static void run_windows(int64_t stride, int64_t reach, double *gradient, double *outputs)
{
    reel_tape *t = new_tape();
    reel_cell cell = lstm(t, "lstm", IN);
    reel_carry *carry = reel_carry_new(t, cell, BATCH);
    reel_window w = { .steps = STEPS, .stride = stride, .reach = reach };
    while (reel_next_window(&w)) {
        reel_rewind(t);
        const double *from = all_steps() + w.begin * BATCH * IN;
        reel_var x = reel_input_f64(t, REEL_SHAPE(w.end - w.begin, BATCH, IN), from);
        reel_rollout r = reel_unroll_carried(carry, x, (reel_unroll_options){ 0 }, w.carry);
        reel_var fresh = reel_slice(r.outputs, 0, w.fresh - w.begin, w.end - w.begin);
        reel_backward(reel_sum_all(reel_square(fresh)));
        cr_assert_eq(reel_read_f64(fresh, outputs + w.fresh * BATCH * HIDDEN,
                                   (size_t)(w.end - w.fresh) * BATCH * HIDDEN),
                     REEL_OK, "%s", reel_tape_error(t));
        cr_assert_eq(reel_carry_save(carry), REEL_OK, "%s", reel_tape_error(t));
    }
    reel_read_grad_f64(reel_find_param(t, "lstm.W_h"), gradient, 4 * HIDDEN * HIDDEN);
    expect_clean(t);
}

static double greatest_difference(const double *a, const double *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs(a[i] - b[i]));
    }
    return worst;
}

enum { GRADIENT = 4 * HIDDEN * HIDDEN, OUTPUTS = STEPS * BATCH * HIDDEN };

Test(sequence, truncation_beyond_the_sequence_is_full_backpropagation)
{
    double full[GRADIENT], far[GRADIENT], y[OUTPUTS], z[OUTPUTS];
    run_windows(STEPS, STEPS, full, y);
    run_windows(1, STEPS, far, z);
    cr_expect_lt(greatest_difference(y, z, OUTPUTS), 1e-13);
    cr_expect_lt(greatest_difference(full, far, GRADIENT), 1e-12, "k1 = 1, k2 = T");
    run_windows(5, 100, far, z);
    cr_expect_lt(greatest_difference(full, far, GRADIENT), 1e-12, "k1 = 5, k2 > T");
}

Test(sequence, stateful_windows_give_the_unbroken_sequence_and_another_gradient)
{
    double full[GRADIENT], cut[GRADIENT], y[OUTPUTS], z[OUTPUTS];
    static const int64_t k[][2] = { { 1, 1 }, { 4, 4 }, { 5, 5 }, { 2, 3 }, { 3, 7 } };
    run_windows(STEPS, STEPS, full, y);
    for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
        run_windows(k[i][0], k[i][1], cut, z);
        cr_expect_lt(greatest_difference(y, z, OUTPUTS), 1e-13, "k1 = %lld", (long long)k[i][0]);
        cr_expect_gt(greatest_difference(full, cut, GRADIENT), 1e-4);
    }
}

Test(sequence, a_carry_is_reset_row_by_row)
{
    reel_tape *t = new_tape();
    reel_carry *carry = reel_carry_new(t, lstm(t, "lstm", IN), BATCH);
    static const bool second[BATCH] = { false, true, false };
    static const double h[HIDDEN] = { 1, 2, 3, 4 }, c[HIDDEN] = { 5, 6, 7, 8 };
    const double *const start[] = { h, c };
    double before[BATCH * HIDDEN], after[BATCH * HIDDEN];
    reel_unroll_carried(carry, numbers(t, REEL_SHAPE(4, BATCH, IN), 0), (reel_unroll_options){ 0 },
                        REEL_ALL_STEPS);
    cr_assert_eq(reel_carry_save(carry), REEL_OK);
    reel_var state[2];
    reel_carry_states(carry, state);
    reel_read_f64(state[1], before, BATCH * HIDDEN);
    reel_carry_reset(carry, second, start);
    reel_carry_states(carry, state);
    reel_read_f64(state[1], after, BATCH * HIDDEN);
    for (int i = 0; i < BATCH * HIDDEN; i++) {
        cr_expect_eq(after[i], i / HIDDEN == 1 ? c[i % HIDDEN] : before[i]);
    }
    reel_carry_reset(carry, NULL, NULL);
    reel_carry_states(carry, state);
    cr_expect_eq(reel_item(reel_sum_all(reel_abs(reel_add(state[0], state[1])))), 0);
    expect_clean(t);
}

Test(sequence, a_carry_refuses_what_does_not_fit_and_keeps_its_numbers)
{
    reel_tape *t = new_tape();
    reel_cell cell = lstm(t, "lstm", IN);
    cr_expect_null(reel_carry_new(t, cell, 0));
    expect_error(t, "batch is 0, must be at least 1");
    cr_expect_null(reel_carry_new(t, cell, INT64_MAX / 4));
    expect_error(t, "cell.width[0] = 4 with a batch of");
    cr_expect_null(reel_carry_new(t, (reel_cell){ 0 }, 3));
    expect_error(t, "the cell has no step function");
    reel_carry *carry = reel_carry_new(t, cell, BATCH);
    cr_expect_eq(reel_carry_save(carry), REEL_BAD_ARGUMENT);
    expect_error(t, "nothing was unrolled since the last save");
    reel_unroll_carried(carry, numbers(t, REEL_SHAPE(4, 2, IN), 0), (reel_unroll_options){ 0 }, 1);
    expect_error(t, "x is [4,2,2], expected [steps,3,in]");
    reel_unroll_carried(carry, numbers(t, REEL_SHAPE(4, 3, IN), 0), (reel_unroll_options){ 0 }, 5);
    expect_error(t, "the state after 5 steps of 4");
    expect_clean(t);
}

Test(sequence, a_detached_state_passes_values_and_no_gradient)
{
    reel_tape *t = new_tape();
    reel_var W = reel_param(t, "W", REEL_SHAPE(2), reel_constant(3)), state[] = { W, reel_exp(W) };
    reel_detach(2, state);
    expect_same(state[0], W, 0, "value");
    reel_backward(reel_sum_all(reel_add(W, reel_mul(state[0], state[1]))));
    double gradient[2];
    reel_read_grad_f64(W, gradient, 2);
    cr_expect_eq(gradient[0], 1);
    expect_clean(t);
}

/* ---- gradients ------------------------------------------------------------------------------- */

Test(sequence, a_clipped_gradient_is_clamped_in_every_step_and_the_value_untouched)
{
    reel_tape *t = new_tape();
    reel_var w = reel_param(t, "w", REEL_SHAPE(), reel_constant(2)), h = reel_scalar(t, 1);
    for (int step = 0; step < 4; step++) {
        h = reel_mul(reel_clip_gradient(h, 1.5), w); /* dh doubles each step back, cut at 1.5 */
    }
    cr_expect_eq(reel_item(h), 16);
    /* dL/dh_4 = 1, then min(2, 1.5), and again; dL/dw = Σ dL/dh_t·h_{t-1} */
    cr_expect_float_eq(reel_item(reel_gradient(h, w)), 1 * 8 + 1.5 * 4 + 1.5 * 2 + 1.5 * 1, 1e-14);
    expect_clean(t);
}

/* h' = w·h, without input */
static reel_var grow(void *self, reel_var x, reel_var state[])
{
    (void)x;
    return state[0] = reel_mul(state[0], *(const reel_var *)self);
}

Test(sequence, a_cell_that_clips_does_so_in_every_step_of_an_unroll)
{
    reel_tape *t = new_tape();
    reel_var w = reel_param(t, "w", REEL_SHAPE(), reel_constant(2));
    reel_cell cell = { .self = &w, .step = grow, .states = 1, .width = { 1 } };
    reel_unroll_options one = { .initial = { reel_fill(t, REEL_SHAPE(1, 1), 1) } };
    reel_var x = reel_fill(t, REEL_SHAPE(6, 1, 1), 0);
    reel_var y = reel_sum_all(reel_unroll(reel_clip_cell(t, cell, 1.5), x, one).state[0]);
    cr_expect_eq(reel_item(y), 64);
    cr_expect_float_eq(reel_item(reel_gradient(y, w)), 32 + 1.5 * (16 + 8 + 4 + 2 + 1), 1e-13);
    cr_expect_null(reel_clip_cell(t, cell, 0).step);
    expect_error(t, "the bound 0 is not above 0");
    expect_clean(t);
}

Test(sequence, gradients_of_single_examples_add_up_and_are_each_rows_own)
{
    reel_tape *t = new_tape();
    reel_cell cell = lstm(t, "lstm", IN);
    reel_var x = numbers(t, REEL_SHAPE(5, BATCH, IN), 1), W = reel_find_param(t, "lstm.W_h");
    reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
    reel_var losses = reel_sum(reel_square(r.state[0]), -1), each;
    cr_assert_eq(reel_per_example_gradients(losses, 1, &W, &each), REEL_OK);
    cr_expect_eq(reel_shape_of(each).dim[0], BATCH);
    expect_same(reel_sum(each, 0), reel_gradient(reel_sum_all(losses), W), 1e-13, "sum");
    for (int row = 0; row < BATCH; row++) {
        reel_rollout one =
            reel_unroll(cell, reel_slice(x, 1, row, row + 1), (reel_unroll_options){ 0 });
        reel_var alone = reel_gradient(reel_sum_all(reel_square(one.state[0])), W);
        expect_same(reel_at(each, row), alone, 1e-13, "a row alone");
    }
    reel_per_example_gradients(reel_scalar(t, 1), 1, &W, &each);
    expect_error(t, "losses are [], expected [batch]");
    expect_clean(t);
}

Test(sequence, learned_initial_states_are_trained_by_every_row)
{
    reel_tape *t = new_tape();
    reel_cell cell = lstm(t, "lstm", IN);
    reel_learned_state learned = reel_learned_state_new(t, "start", cell);
    reel_unroll_options options = { 0 };
    cr_assert_eq(reel_learned_state_rows(&learned, BATCH, options.initial), REEL_OK);
    cr_expect(reel_shape_equal(reel_shape_of(options.initial[1]), REEL_SHAPE(BATCH, HIDDEN)));
    reel_rollout r = reel_unroll(cell, numbers(t, REEL_SHAPE(3, BATCH, IN), 0), options);
    reel_var loss = reel_sum_all(r.outputs), all = reel_gradient(loss, options.initial[1]);
    expect_same(reel_gradient(loss, reel_find_param(t, "start.state_1")), reel_sum(all, 0), 1e-14,
                "gradient");
    expect_clean(t);
}

Test(sequence, penalties_on_outputs_are_as_written_out_with_and_without_padding)
{
    static const int32_t lengths[] = { 3, 6, 1, 5 };
    reel_tape *t = new_tape();
    golden_case at = { "structure.txt", "penalties" };
    reel_var h = golden_param(t, at, "h");
    reel_var ar = reel_activation_penalty(h, 2, lengths);
    reel_var tar = reel_temporal_penalty(h, 0.5, lengths);
    cr_expect_lt(golden_distance(at, "ar", ar), 1e-13);
    cr_expect_lt(golden_distance(at, "tar", tar), 1e-13);
    cr_expect_lt(golden_distance(at, "ar_all", reel_activation_penalty(h, 2, NULL)), 1e-13);
    cr_expect_lt(golden_distance(at, "tar_all", reel_temporal_penalty(h, 0.5, NULL)), 1e-13);
    reel_backward(reel_add(ar, tar));
    cr_expect_lt(golden_gradient_distance(at, h), 1e-13);
    reel_var one = reel_fill(t, REEL_SHAPE(1, 4, 3), 2);
    cr_expect_eq(reel_item(reel_temporal_penalty(one, 1, NULL)), 0);
    static const int32_t none[] = { 0, 0, 0, 0 }, bad[] = { 0, 0, 9, 0 };
    cr_expect_eq(reel_item(reel_activation_penalty(one, 1, none)), 0);
    reel_activation_penalty(one, 1, bad);
    expect_error(t, "lengths[2] = 9 is outside 0 … 1");
    expect_clean(t);
}

/* ---- packing and time scales ----------------------------------------------------------------- */

Test(sequence, packing_keeps_the_steps_that_count_and_unpacking_puts_them_back)
{
    static const int32_t lengths[BATCH] = { 2, 4, 0 };
    reel_tape *t = new_tape();
    reel_var x = numbers(t, REEL_SHAPE(4, BATCH, IN), 0);
    reel_var rows = reel_pack(x, lengths);
    cr_assert(reel_shape_equal(reel_shape_of(rows), REEL_SHAPE(6, IN)));
    expect_same(reel_at(rows, 4), reel_at(reel_at(x, 2), 1), 0, "step 2 of row 1");
    reel_var back = reel_unpack(rows, 4, BATCH, lengths);
    expect_same(reel_slice(back, 1, 1, 2), reel_slice(x, 1, 1, 2), 0, "the row without padding");
    cr_expect_eq(reel_item(reel_sum_all(reel_abs(reel_slice(back, 1, 2, 3)))), 0);
    expect_same(reel_pack(back, lengths), rows, 0, "packed again");
    reel_unpack(rows, 4, BATCH, (const int32_t[]){ 2, 3, 0 });
    expect_error(t, "rows are [6,2], but lengths add up to 5");
    reel_pack(x, (const int32_t[]){ 2, -1, 0 });
    expect_error(t, "lengths[1] = -1 is outside 0 … 4");
    static const int32_t symbols[] = { 10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42 };
    static const int32_t expected[] = { 10, 11, 20, 21, 31, 41 };
    int32_t packed[6];
    reel_read_indices(reel_pack_indices(t, 4, BATCH, symbols, lengths), packed, 6);
    cr_expect_arr_eq(packed, expected, sizeof expected);
    reel_pack_indices(t, 4, BATCH, symbols, (const int32_t[]){ 2, 5, 0 });
    expect_error(t, "lengths[1] = 5 is outside 0 … 4");
    expect_clean(t);
}

Test(sequence, segments_are_pooled_by_last_step_sum_and_mean)
{
    /* two rows of five steps: words of 2 and 2 letters and a blank; one word of three letters */
    static const int32_t segment[] = { 0, 0, 0, 0, -1, 0, 1, -1, 1, -1 };
    reel_tape *t = new_tape();
    reel_var x = numbers(t, REEL_SHAPE(5, 2, IN), 0), steps[5], rows[2];
    for (int i = 0; i < 5; i++) {
        steps[i] = reel_slice(reel_at(x, i), 0, 0, 1);
    }
    rows[0] = reel_add(steps[0], steps[1]);
    rows[1] = reel_add(steps[3], steps[4]);
    reel_var sum = reel_pool_segments(x, segment, 2, REEL_SEGMENT_SUM);
    reel_var mean = reel_pool_segments(x, segment, 2, REEL_SEGMENT_MEAN);
    reel_var last = reel_pool_segments(x, segment, 2, REEL_SEGMENT_LAST);
    cr_assert(reel_shape_equal(reel_shape_of(sum), REEL_SHAPE(2, 2, IN)));
    for (int word = 0; word < 2; word++) {
        reel_var of_sum = reel_slice(reel_at(sum, word), 0, 0, 1);
        expect_same(of_sum, rows[word], 1e-15, "sum");
        expect_same(reel_slice(reel_at(mean, word), 0, 0, 1), reel_scale(rows[word], 0.5), 1e-15,
                    "mean");
        expect_same(reel_slice(reel_at(last, word), 0, 0, 1), steps[word ? 4 : 1], 0, "last");
    }
    cr_expect_eq(reel_item(reel_sum_all(reel_abs(reel_slice(reel_at(mean, 1), 0, 1, 2)))), 0,
                 "the second row has no second word");
    reel_pool_segments(x, (const int32_t[]){ 0, 0, 0, 2, 0, 0, 0, 0, 0, 0 }, 2, REEL_SEGMENT_SUM);
    expect_error(t, "segment[3] = 2 is outside -1 … 1");
    reel_pool_segments(x, segment, INT64_MAX, REEL_SEGMENT_SUM);
    expect_error(t, "are more than indices can count");
    expect_clean(t);
}

static reel_var hierarchy(reel_tape *t, void *self)
{
    static const int32_t segment[] = { 0, 0, 0, 0, -1, 0, 1, -1, 1, -1 }, words[] = { 2, 1 };
    const reel_cell *cell = self;
    reel_rollout letters =
        reel_unroll(cell[0], reel_find_param(t, "x"), (reel_unroll_options){ 0 });
    reel_var x = reel_pool_segments(letters.outputs, segment, 2, REEL_SEGMENT_LAST);
    reel_rollout sentence = reel_unroll(cell[1], x, (reel_unroll_options){ .lengths = words });
    reel_var mean = reel_pool_segments(letters.outputs, segment, 2, REEL_SEGMENT_MEAN);
    return reel_add(reel_sum_all(reel_square(sentence.state[0])), reel_mean_all(reel_square(mean)));
}

Test(sequence, a_word_encoder_under_a_sentence_encoder_checks_to_second_order)
{
    reel_tape *t = new_tape();
    reel_cell cells[] = { lstm(t, "letters", IN), lstm(t, "words", HIDDEN) };
    reel_param(t, "x", REEL_SHAPE(5, 2, IN), reel_normal(0, 1));
    reel_gradcheck_report report;
    reel_gradcheck_options options = { .order = 2, .directions = 6 };
    cr_expect(reel_gradcheck(t, hierarchy, cells, options, &report), "%s", report.message);
    expect_clean(t);
}

/* ---- probes ---------------------------------------------------------------------------------- */

Test(sequence, gates_are_seen_by_name_and_layer_without_changing_anything)
{
    reel_tape *t = new_tape();
    reel_cell cells[] = { reel_scope(t, "low", lstm(t, "a", IN)),
                          reel_scope(t, "high",
                                     reel_gru(t, "b", HIDDEN, 3, (reel_gru_options){ 0 })) };
    reel_cell stack = reel_stack_cells(t, 2, cells, (reel_stack_options){ 0 });
    reel_var x = numbers(t, REEL_SHAPE(5, BATCH, IN), 0);
    reel_rollout unseen = reel_unroll(stack, x, (reel_unroll_options){ 0 });
    size_t before = reel_node_count(t);
    reel_unroll(stack, x, (reel_unroll_options){ 0 });
    size_t nodes = reel_node_count(t) - before;
    reel_watch(t, true);
    before = reel_node_count(t);
    reel_rollout seen = reel_unroll(stack, x, (reel_unroll_options){ .all_states = true });
    cr_expect_eq(reel_node_count(t) - before, nodes + 3, "but for the stacks of three states");
    expect_same(seen.outputs, unseen.outputs, 0, "outputs");
    static const char *const names[] = { "low.i",  "low.f",  "low.g", "low.o",
                                         "high.r", "high.z", "high.n" };
    for (int k = 0; k < 7; k++) {
        cr_expect_str_eq(reel_watched_name(t, k), names[k]);
    }
    cr_expect_null(reel_watched_name(t, 7));
    /* c' = f∘c + i∘g, from what was seen */
    reel_var c = reel_slice(seen.states[1], 0, 0, 4), next = reel_slice(seen.states[1], 0, 1, 5);
    reel_var f = reel_slice(reel_watched(t, "low.f"), 0, 1, 5);
    reel_var i = reel_slice(reel_watched(t, "low.i"), 0, 1, 5);
    reel_var g = reel_slice(reel_watched(t, "low.g"), 0, 1, 5);
    expect_same(reel_add(reel_mul(f, c), reel_mul(i, g)), next, 1e-15, "the cell's equation");
    reel_watched(t, "low.z");
    expect_error(t, "no value \"low.z\" came by");
    reel_rewind(t);
    cr_expect_null(reel_watched_name(t, 0), "a rewind forgets");
    expect_clean(t);
}
