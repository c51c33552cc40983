/* Cells against PyTorch: outputs, states and all gradients (golden/cells.py). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/cell_case.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 3 });
}

static void expect_case(reel_tape *t, const char *name, reel_cell cell, bool reverse)
{
    cell_case_expect(t, (golden_case){ "cells.txt", name }, cell,
                     (cell_case_options){ .reverse = reverse });
    reel_tape_free(t);
}

enum { IN = 2, HIDDEN = 3 };

static void expect_rnn(const char *name, reel_rnn_options options)
{
    reel_tape *t = new_tape();
    expect_case(t, name, reel_rnn(t, "cell", IN, HIDDEN, options), false);
}

static void expect_lstm(const char *name, bool reverse, reel_lstm_options options)
{
    reel_tape *t = new_tape();
    expect_case(t, name, reel_lstm(t, "cell", IN, HIDDEN, options), reverse);
}

static void expect_gru(const char *name, bool reverse, reel_gru_options options)
{
    reel_tape *t = new_tape();
    expect_case(t, name, reel_gru(t, "cell", IN, HIDDEN, options), reverse);
}

/* ---- whole sequences ----------------------------------------------------------------------- */

Test(cells, a_tanh_rnn_is_torch_nn_RNN)
{
    expect_rnn("rnn_tanh", (reel_rnn_options){ 0 });
}

Test(cells, a_relu_rnn_is_torch_nn_RNN)
{
    expect_rnn("rnn_relu", (reel_rnn_options){ .activation = REEL_RELU });
}

Test(cells, an_lstm_is_torch_nn_LSTM)
{
    expect_lstm("lstm", false, (reel_lstm_options){ 0 });
}

Test(cells, an_lstm_with_projection_is_torch_nn_LSTM_with_proj_size)
{
    expect_lstm("lstm_projection", false, (reel_lstm_options){ .projection = 2 });
}

Test(cells, a_gru_with_reset_after_is_torch_nn_GRU)
{
    expect_gru("gru_reset_after", false, (reel_gru_options){ .reset_after = true });
}

Test(cells, a_gru_with_reset_before_is_the_one_of_Cho_2014)
{
    expect_gru("gru_reset_before", false, (reel_gru_options){ 0 });
}

Test(cells, peepholes_are_those_of_Gers_2000)
{
    expect_lstm("lstm_peephole", false, (reel_lstm_options){ .peephole = true });
}

Test(cells, layer_norm_is_that_of_Ba_2016)
{
    expect_lstm("lstm_layer_norm", false, (reel_lstm_options){ .layer_norm = true });
}

Test(cells, the_variants_of_the_lstm_combine)
{
    expect_lstm("lstm_all_variants", false,
                (reel_lstm_options){ .peephole = true, .layer_norm = true, .projection = 2 });
}

/* ---- lengths, directions, resets ----------------------------------------------------------- */

Test(cells, lengths_are_torch_packed_sequences)
{
    expect_lstm("lstm_packed", false, (reel_lstm_options){ 0 });
    expect_gru("gru_packed", false, (reel_gru_options){ .reset_after = true });
    expect_rnn("rnn_packed", (reel_rnn_options){ 0 });
}

Test(cells, reverse_is_a_flipped_input)
{
    expect_lstm("lstm_flipped", true, (reel_lstm_options){ 0 });
}

Test(cells, reverse_with_lengths_starts_at_each_rows_last_valid_step)
{
    expect_lstm("lstm_reverse_lengths", true, (reel_lstm_options){ 0 });
}

Test(cells, resets_return_a_row_to_its_initial_state)
{
    expect_lstm("lstm_resets", false, (reel_lstm_options){ 0 });
    expect_lstm("lstm_reverse_resets", true, (reel_lstm_options){ 0 });
}

Test(cells, lengths_resets_and_reverse_combine)
{
    expect_gru("gru_everything", true, (reel_gru_options){ 0 });
}

Test(cells, rows_may_be_empty)
{
    expect_gru("gru_empty_rows", false, (reel_gru_options){ 0 });
}

Test(cells, a_batch_may_be_one_row)
{
    expect_lstm("lstm_one_row", false, (reel_lstm_options){ 0 });
}

Test(cells, two_directions_are_a_bidirectional_torch_nn_LSTM)
{
    reel_tape *t = new_tape();
    golden_case at = { "cells.txt", "lstm_bidirectional" };
    reel_cell forward = reel_lstm(t, "forward", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_cell backward = reel_lstm(t, "backward", IN, HIDDEN, (reel_lstm_options){ 0 });
    golden_write_params(t, at);
    int32_t *lengths = cell_case_lengths(at);
    reel_var x = golden_param(t, at, "x");
    reel_rollout a = reel_unroll(forward, x, (reel_unroll_options){ .lengths = lengths });
    reel_rollout b =
        reel_unroll(backward, x, (reel_unroll_options){ .lengths = lengths, .reverse = true });
    reel_var outputs = reel_concat(-1, a.outputs, b.outputs);
    reel_var loss = cell_case_weighted(t, at, "u", outputs);
    static const char *const weights[] = { "v0", "v1", "v2", "v3" };
    const reel_var state[] = { a.state[0], a.state[1], b.state[0], b.state[1] };
    for (int k = 0; k < 4; k++) {
        loss = reel_add(loss, cell_case_weighted(t, at, weights[k], state[k]));
    }
    reel_backward(loss);
    cr_expect_leq(golden_distance(at, "outputs", outputs), CELL_CASE_TOLERANCE);
    cell_case_expect_gradients(t, at);
    cr_expect_str_eq(reel_tape_error(t), "");
    free(lengths);
    reel_tape_free(t);
}

/* ---- how cells start ----------------------------------------------------------------------- */

static void read_param(reel_tape *t, const char *name, double *out, size_t n)
{
    cr_assert_eq(reel_read_f64(reel_find_param(t, name), out, n), REEL_OK, "%s",
                 reel_tape_error(t));
}

static void expect_forget_bias(reel_lstm_options options, double expected)
{
    reel_tape *t = new_tape();
    double b[4 * HIDDEN];
    reel_lstm(t, "cell", IN, HIDDEN, options);
    read_param(t, "cell.b", b, 4 * HIDDEN);
    for (int i = 0; i < 4 * HIDDEN; i++) {
        cr_expect_eq(b[i], i / HIDDEN == 1 ? expected : 0, "b[%d] is %g", i, b[i]);
    }
    reel_tape_free(t);
}

Test(cells, the_forget_gate_starts_open)
{
    expect_forget_bias((reel_lstm_options){ 0 }, 1);
    expect_forget_bias((reel_lstm_options){ .forget_bias = -2.5 }, -2.5);
    expect_forget_bias((reel_lstm_options){ .forget_bias = REEL_ZERO }, 0);
}

static double column_product(const double *W, int columns, int a, int b)
{
    double sum = 0;
    for (int row = 0; row < HIDDEN; row++) {
        sum += W[row * columns + a] * W[row * columns + b];
    }
    return sum;
}

Test(cells, each_gates_block_of_W_h_starts_orthogonal)
{
    enum { COLUMNS = 3 * HIDDEN };
    reel_tape *t = new_tape();
    double W[HIDDEN * COLUMNS];
    reel_gru(t, "cell", IN, HIDDEN, (reel_gru_options){ 0 });
    read_param(t, "cell.W_h", W, HIDDEN * COLUMNS);
    for (int i = 0; i < COLUMNS; i++) {
        for (int j = i / HIDDEN * HIDDEN; j <= i; j++) {
            cr_expect_float_eq(column_product(W, COLUMNS, i, j), i == j, 1e-12, "%d, %d", i, j);
        }
    }
    reel_tape_free(t);
}

Test(cells, bad_sizes_and_options_make_no_cell)
{
    static const struct {
        int64_t in, hidden, projection;
        const char *error;
    } cases[] = {
        { 0, 3, 0, "in is 0, must be at least 1" },
        { 2, -1, 0, "hidden is -1, must be at least 1" },
        { 2, 3, -4, "projection is -4, must be at least 0" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reel_tape *t = new_tape();
        reel_lstm_options options = { .projection = cases[i].projection };
        reel_cell cell = reel_lstm(t, "cell", cases[i].in, cases[i].hidden, options);
        cr_expect_null(cell.step);
        cr_expect_eq(reel_tape_status(t), REEL_BAD_ARGUMENT);
        cr_expect(strstr(reel_tape_error(t), cases[i].error), "%s", reel_tape_error(t));
        cr_expect_eq(reel_param_count(t), 0);
        reel_tape_free(t);
    }
}

Test(cells, an_unknown_activation_is_an_error)
{
    reel_tape *t = new_tape();
    reel_rnn(t, "cell", IN, HIDDEN, (reel_rnn_options){ .activation = (reel_activation)99 });
    cr_expect(strstr(reel_tape_error(t), "there is no activation 99"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}

Test(cells, a_name_used_twice_is_an_error)
{
    reel_tape *t = new_tape();
    reel_rnn(t, "cell", IN, HIDDEN, (reel_rnn_options){ 0 });
    reel_rnn(t, "cell", IN, HIDDEN, (reel_rnn_options){ 0 });
    cr_expect(strstr(reel_tape_error(t), "cell.W_x exists already"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}
