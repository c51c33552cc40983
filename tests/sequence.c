/* Windows, carried states, decoders, packing and what is seen inside a cell. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden_cells.h"

enum { STEPS = 12, BATCH = 3, IN = 2, HIDDEN = 4, VOCABULARY = 5 };

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

/* ---- windows ------------------------------------------------------------------------------------ */

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

/* ---- gradients ---------------------------------------------------------------------------------- */

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

/* ---- packing and time scales ----------------------------------------------------------------------- */

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

/* ---- probes ------------------------------------------------------------------------------------------ */

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

/* ---- decoders ------------------------------------------------------------------------------------------ */

static reel_decoder new_decoder(reel_tape *t)
{
    return (reel_decoder){
        .embedding = reel_embedding(t, "embedding", VOCABULARY, 3, (reel_embedding_options){ 0 }),
        .cell = reel_gru(t, "gru", 3, HIDDEN, (reel_gru_options){ 0 }),
        .output = reel_dense(t, "out", HIDDEN, VOCABULARY, (reel_dense_options){ 0 }),
    };
}

static const int32_t *tokens_of(int64_t n)
{
    static int32_t tokens[1024];
    for (int i = 0; i < n; i++) {
        tokens[i] = (i * 7 + i / 3) % VOCABULARY;
    }
    return tokens;
}

static reel_var some_tokens(reel_tape *t, int64_t steps, int64_t batch)
{
    return reel_indices(t, REEL_SHAPE(steps, batch), tokens_of(steps * batch));
}

Test(sequence, a_taught_decoder_and_one_driven_token_by_token_agree)
{
    reel_tape *t = new_tape();
    reel_decoder decoder = new_decoder(t);
    reel_var tokens = some_tokens(t, 6, BATCH), h = numbers(t, REEL_SHAPE(BATCH, HIDDEN), 0);
    reel_rollout taught =
        reel_unroll_decoder(decoder, tokens, (reel_decode_options){ .initial = { h } });
    reel_cell step = reel_token_cell(t, decoder);
    reel_var state[] = { h };
    cr_expect_eq(step.states, 1);
    for (int64_t i = 0; i < 6; i++) {
        reel_var logits = step.step(step.self, reel_at(tokens, i), state);
        expect_same(logits, reel_at(taught.outputs, i), 1e-14, "logits");
    }
    expect_same(state[0], taught.state[0], 1e-14, "state");
    expect_clean(t);
}

Test(sequence, a_free_running_greedy_decoder_feeds_on_its_own_argmax)
{
    reel_tape *t = new_tape();
    reel_decoder decoder = new_decoder(t);
    reel_var tokens = some_tokens(t, 8, BATCH);
    reel_decode_options options = { .teacher_forcing = REEL_ZERO, .greedy = true };
    reel_rollout r = reel_unroll_decoder(decoder, tokens, options);
    reel_cell step = reel_token_cell(t, decoder);
    reel_var state[] = { reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0) }, token = reel_at(tokens, 0);
    for (int64_t i = 0; i < 8; i++) {
        reel_var logits = step.step(step.self, token, state);
        expect_same(logits, reel_at(r.outputs, i), 1e-14, "logits");
        token = reel_argmax(logits, -1);
    }
    expect_clean(t);
}

static reel_var as_one_hot(void *self, reel_var tokens)
{
    (void)self;
    return reel_one_hot(tokens, 2);
}

/* Token 0 is the likeliest but for odds of 3 to 1. */
static reel_var biased(void *self, reel_var x)
{
    (void)self;
    static const double extra[] = { 1.0986122886681098, 0 };
    return reel_add(reel_scale(x, 0), reel_input_f64(x.tape, REEL_SHAPE(2), extra));
}

/* The state is the token that was fed. */
static reel_var remember(void *self, reel_var x, reel_var state[])
{
    (void)self;
    return state[0] = reel_probe(x, "fed");
}

static reel_decoder telling_decoder(void)
{
    return (reel_decoder){ .embedding = { .apply = as_one_hot },
                           .cell = { .step = remember, .states = 1, .width = { 2 } },
                           .output = { .apply = biased } };
}

enum { LONG = 20, WIDE = 300 };

/* The share of gold tokens, which are all 1, where its own are all 0; and the rows that stay with one
 * kind. */
static double share_of_gold(reel_decode_options options, int *loyal)
{
    reel_tape *t = new_tape();
    int32_t ones[LONG * WIDE];
    for (int i = 0; i < LONG * WIDE; i++) {
        ones[i] = 1;
    }
    reel_watch(t, true);
    reel_unroll_decoder(telling_decoder(), reel_indices(t, REEL_SHAPE(LONG, WIDE), ones), options);
    size_t n;
    double *fed = read_all(reel_slice(reel_watched(t, "fed"), 0, 1, LONG), &n), total = 0;
    *loyal = 0;
    for (int row = 0; row < WIDE; row++) {
        double gold = 0;
        for (int step = 0; step < LONG - 1; step++) {
            gold += fed[2 * (step * WIDE + row) + 1];
        }
        *loyal += gold == 0 || gold == LONG - 1;
        total += gold / (LONG - 1) / WIDE;
    }
    free(fed);
    expect_clean(t);
    return total;
}

Test(sequence, scheduled_sampling_flips_a_coin_a_token_or_one_a_sentence)
{
    int loyal;
    reel_decode_options tokens = { .teacher_forcing = 0.7, .greedy = true };
    cr_expect_float_eq(share_of_gold(tokens, &loyal), 0.7, 0.02);
    cr_expect_lt(loyal, WIDE / 20);
    reel_decode_options sentences = { .teacher_forcing = 0.2, .greedy = true, .sentences = true };
    cr_expect_float_eq(share_of_gold(sentences, &loyal), 0.2, 0.07);
    cr_expect_eq(loyal, WIDE);
    cr_expect_eq(share_of_gold(
                     (reel_decode_options){ .teacher_forcing = REEL_ZERO, .greedy = true }, &loyal),
                 0);
    cr_expect_float_eq(share_of_gold((reel_decode_options){ 0 }, &loyal), 1, 1e-12);
}

Test(sequence, tokens_of_its_own_are_drawn_from_its_softmax)
{
    reel_tape *t = new_tape();
    reel_decoder decoder = telling_decoder();
    int32_t *zeros = calloc(2 * 4000, sizeof *zeros);
    reel_var tokens = reel_indices(t, REEL_SHAPE(2, 4000), zeros);
    reel_rollout r =
        reel_unroll_decoder(decoder, tokens, (reel_decode_options){ .teacher_forcing = REEL_ZERO });
    double ones = reel_item(reel_mean_all(reel_slice(r.state[0], 1, 1, 2)));
    cr_expect_float_eq(ones, 0.25, 0.03, "odds of 3 to 1: %g", ones);
    free(zeros);
    expect_clean(t);
}

Test(sequence, the_ratio_falls_as_in_bengio_2015)
{
    reel_sampling_options linear = { .rate = 0.01, .least = 0.25 };
    reel_sampling_options exponential = { .decay = REEL_EXPONENTIAL_DECAY, .rate = 0.9 };
    reel_sampling_options sigmoid = { .decay = REEL_INVERSE_SIGMOID_DECAY, .rate = 10 };
    cr_expect_eq(reel_sampling_ratio(linear, 0), 1);
    cr_expect_float_eq(reel_sampling_ratio(linear, 30), 0.7, 1e-15);
    cr_expect_eq(reel_sampling_ratio(linear, 1000), 0.25);
    cr_expect_float_eq(reel_sampling_ratio(exponential, 5), 0.59049, 1e-14);
    cr_expect_eq(reel_sampling_ratio(exponential, 1000000), REEL_ZERO);
    cr_expect_float_eq(reel_sampling_ratio(sigmoid, 20), 10 / (10 + exp(2)), 1e-14);
    sigmoid.rate = 0.5;
    exponential.rate = 2;
    cr_expect(isnan(reel_sampling_ratio(sigmoid, 1)) && isnan(reel_sampling_ratio(exponential, 1)));
    cr_expect(isnan(reel_sampling_ratio(linear, -1)));
}

Test(sequence, a_decoder_refuses_bad_tokens_and_ratios)
{
    reel_tape *t = new_tape();
    reel_decoder decoder = new_decoder(t), half = { .embedding = decoder.embedding };
    reel_unroll_decoder(decoder, numbers(t, REEL_SHAPE(3, 2), 0), (reel_decode_options){ 0 });
    expect_error(t, "tokens are floating [3,2], expected int32 [steps, batch]");
    reel_var tokens = some_tokens(t, 3, 2);
    reel_unroll_decoder(decoder, tokens, (reel_decode_options){ .teacher_forcing = 1.5 });
    expect_error(t, "teacher_forcing is 1.5, must be in [0, 1]");
    cr_expect_null(reel_token_cell(t, half).step);
    expect_error(t, "the decoder has no output layer");
    expect_clean(t);
}

Test(sequence, a_bridge_joins_states_of_different_sizes)
{
    reel_tape *t = new_tape();
    reel_cell forward = lstm(t, "f", IN), decoder = reel_gru(t, "d", 3, 7, (reel_gru_options){ 0 });
    static const int64_t widths[] = { HIDDEN, HIDDEN };
    reel_bridge bridge =
        reel_bridge_new(t, "bridge", 2, widths, decoder, (reel_bridge_options){ 0 });
    reel_rollout r =
        reel_unroll(forward, numbers(t, REEL_SHAPE(4, BATCH, IN), 0), (reel_unroll_options){ 0 });
    reel_var initial[REEL_MAX_STATES] = { { 0 } };
    cr_assert_eq(reel_bridge_apply(&bridge, r.state, initial), REEL_OK);
    reel_var all = reel_concat(-1, r.state[0], r.state[1]);
    expect_same(initial[0],
                reel_tanh(reel_affine(all, reel_find_param(t, "bridge.0.W"),
                                      reel_find_param(t, "bridge.0.b"))),
                1e-15, "tanh of an affine map");
    reel_var narrow[] = { r.state[0], reel_slice(r.state[1], 1, 0, 2) };
    reel_bridge_apply(&bridge, narrow, initial);
    expect_error(t, "the states are [3,6] together, expected [batch,8]");
    expect_clean(t);
}

typedef struct {
    reel_cell encoder;
    reel_decoder decoder;
    reel_bridge bridge;
} translator;

static reel_var translation_loss(reel_tape *t, void *self)
{
    static const int32_t source_lengths[] = { 3, 4 }, lengths[] = { 5, 2 };
    const translator *m = self;
    reel_unroll_options read = { .lengths = source_lengths };
    reel_rollout encoded = reel_unroll(m->encoder, reel_find_param(t, "x"), read);
    reel_decode_options write = { .lengths = lengths };
    reel_bridge_apply(&m->bridge, encoded.state, write.initial);
    reel_rollout r = reel_unroll_decoder(m->decoder, some_tokens(t, 5, 2), write);
    reel_var targets = reel_pack_indices(t, 5, 2, tokens_of(10), lengths);
    return reel_cross_entropy(reel_pack(r.outputs, lengths), targets);
}

Test(sequence, an_encoder_a_bridge_and_a_decoder_check_to_second_order)
{
    static const int64_t widths[] = { HIDDEN, HIDDEN };
    reel_tape *t = new_tape();
    translator m = { .encoder = lstm(t, "encoder", IN), .decoder = new_decoder(t) };
    m.bridge = reel_bridge_new(t, "bridge", 2, widths, m.decoder.cell, (reel_bridge_options){ 0 });
    reel_param(t, "x", REEL_SHAPE(4, 2, IN), reel_normal(0, 1));
    reel_gradcheck_report report;
    reel_gradcheck_options options = { .order = 2, .directions = 6 };
    cr_expect(reel_gradcheck(t, translation_loss, &m, options, &report), "%s", report.message);
    expect_clean(t);
}

Test(sequence, copying_mixes_the_source_into_the_vocabulary_as_see_2017)
{
    reel_tape *t = new_tape();
    golden_case at = { "structure.txt", "pointer" };
    static const int32_t source[] = { 0, 5, 3, 3, 5, 6, 3, 0 }, chosen[] = { 3, 5 };
    reel_var logits = golden_param(t, at, "logits"), scores = golden_param(t, at, "scores");
    reel_var gate = golden_param(t, at, "gate"), weights = reel_softmax(scores, -1);
    reel_var log_p = reel_copy_log_probabilities(logits, weights, reel_sigmoid(gate), source, 7);
    expect_same(reel_sum(reel_exp(log_p), -1), reel_fill(t, REEL_SHAPE(2), 1), 1e-14, "total");
    reel_var picked = reel_pick(log_p, reel_indices(t, REEL_SHAPE(2), chosen));
    cr_expect_lt(golden_distance(at, "picked", picked), 1e-13);
    reel_backward(reel_sum_all(picked));
    cr_expect_lt(golden_gradient_distance(at, logits), 1e-12);
    cr_expect_lt(golden_gradient_distance(at, scores), 1e-12);
    cr_expect_lt(golden_gradient_distance(at, gate), 1e-12);
    reel_copy_log_probabilities(logits, weights, reel_sigmoid(gate), source, 6);
    expect_error(t, "source[5] = 6 is outside -1 … 5");
    expect_clean(t);
}
