/* Models: what layers make of shapes, how parameters are called, summary and picture. */
#define _DEFAULT_SOURCE
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reel.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 6 });
}

static void expect_error(reel_tape *t, const char *part)
{
    cr_expect(strstr(reel_tape_error(t), part), "\"%s\" lacks \"%s\"", reel_tape_error(t), part);
    reel_tape_free(t);
}

static double numbers[2 * 6 * 3];

static reel_data sequences(void)
{
    for (int i = 0; i < 36; i++) {
        numbers[i] = sin(1 + 2.5 * i);
    }
    return REEL_DATA(numbers, 2, 6, 3);
}

static void read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s", path);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void expect_shape(reel_model *m, reel_data x, reel_shape expected)
{
    reel_shape shape = reel_predict_shape(m, x);
    cr_expect(reel_shape_equal(shape, expected), "%s, expected %s; %s", REEL_SHAPE_TEXT(shape),
              REEL_SHAPE_TEXT(expected), reel_tape_error(reel_model_tape(m)));
}

static reel_cell small_gru(reel_tape *t, const char *name, int64_t in, void *self)
{
    return reel_gru(t, name, in, *(int64_t *)self, (reel_gru_options){ 0 });
}

static reel_var doubled(void *self, reel_var x)
{
    (void)self;
    return reel_scale(x, 2);
}

Test(model, layers_give_kerass_shapes)
{
    static const int32_t symbols[] = { 1, 2, 0, 4, 3, 1 };
    int64_t units = 7;
    reel_data x = sequences(), s = REEL_DATA(symbols, 2, 3);
    reel_tape *t = new_tape();
    expect_shape(reel_sequential(t, REEL_LSTM(5)), x, REEL_SHAPE(2, 5));
    expect_shape(reel_sequential(t, REEL_GRU(5, .return_sequences = true)), x, REEL_SHAPE(2, 6, 5));
    expect_shape(reel_sequential(t, REEL_BIDIRECTIONAL(REEL_RNN(5))), x, REEL_SHAPE(2, 10));
    expect_shape(reel_sequential(t, REEL_BIDIRECTIONAL(REEL_LSTM(5, .return_sequences = true),
                                                       .merge = REEL_MERGE_SUM)),
                 x, REEL_SHAPE(2, 6, 5));
    expect_shape(reel_sequential(t, REEL_EMBEDDING(5, 4), REEL_LSTM(3)), s, REEL_SHAPE(2, 3));
    expect_shape(reel_sequential(t, REEL_EMBEDDING(5, 4), REEL_FLATTEN()), s, REEL_SHAPE(2, 12));
    expect_shape(reel_sequential(t, REEL_CELL(small_gru, .self = &units)), x, REEL_SHAPE(2, 7));
    expect_shape(reel_sequential(t, REEL_TIME_DISTRIBUTED(REEL_DENSE(4))), x, REEL_SHAPE(2, 6, 4));
    expect_shape(reel_sequential(t, REEL_LAYER_NORM(), REEL_DROPOUT(0.5), REEL_FUNCTION(doubled),
                                 REEL_ACTIVATION(REEL_TANH), REEL_SOFTMAX_LAYER()),
                 x, REEL_SHAPE(2, 6, 3));
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void expect_equal(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++) {
        cr_expect(fabs(a[i] - b[i]) < 1e-12, "[%d]: %g and %g", i, a[i], b[i]);
    }
}

Test(model, a_layer_is_the_layer_of_layers_h_on_data_turned_time_major)
{
    reel_data x = sequences();
    reel_tape *t = new_tape();
    double time_major[36], by_model[2 * 6 * 4], by_hand[6 * 2 * 4];
    for (int i = 0; i < 36; i++) {
        time_major[(i / 3 % 6 * 2 + i / 18) * 3 + i % 3] = numbers[i];
    }
    reel_model *m = reel_sequential(t, REEL_LSTM(4, .return_sequences = true, .name = "a"));
    cr_assert_eq(reel_predict_f64(m, x, by_model, 48), REEL_OK, "%s", reel_tape_error(t));
    reel_tape *u = new_tape();
    reel_cell cell = reel_lstm(u, "a", 3, 4, (reel_lstm_options){ 0 });
    reel_var v = reel_input_f64(u, REEL_SHAPE(6, 2, 3), time_major);
    reel_read_f64(reel_transpose(reel_unroll(cell, v, (reel_unroll_options){ 0 }).outputs, 0, 1),
                  by_hand, 48);
    expect_equal(by_model, by_hand, 48);
    reel_tape_free(t);
    reel_tape_free(u);
}

/* The cell by its maker gives the state by itself; here the layer must look for the last step. */
Test(model, the_last_output_is_that_of_each_rows_own_last_step)
{
    static const int32_t lengths[] = { 2, 6 };
    for (int backwards = 0; backwards < 2; backwards++) {
        reel_data x = sequences();
        x.lengths = lengths;
        int64_t units = 4;
        double by_cell[8], by_kind[8];
        for (int way = 0; way < 2; way++) {
            reel_tape *t = new_tape();
            reel_layer_spec cell = REEL_CELL(small_gru, .self = &units, .reverse = backwards),
                            gru = REEL_GRU(4, .reverse = backwards);
            reel_model *m = reel_sequential(t, way ? gru : cell);
            reel_predict_f64(m, x, way ? by_kind : by_cell, 8);
            cr_expect_str_eq(reel_tape_error(t), "");
            reel_tape_free(t);
        }
        expect_equal(by_cell, by_kind, 8);
    }
}

Test(model, predictions_do_not_depend_on_what_stands_in_the_padding)
{
    static const int32_t lengths[] = { 2, 5 };
    double first[2], second[2];
    reel_data x = sequences();
    reel_tape *t = new_tape();
    x.lengths = lengths;
    reel_model *m = reel_sequential(t, REEL_BIDIRECTIONAL(REEL_LSTM(4, .return_sequences = true)),
                                    REEL_GRU(3), REEL_DENSE(1));
    reel_predict_f64(m, x, first, 2);
    numbers[7] = NAN;
    numbers[35] = 1e9;
    reel_predict_f64(m, x, second, 2);
    cr_expect_str_eq(reel_tape_error(t), "");
    expect_equal(first, second, 2);
    reel_tape_free(t);
}

/* ---- names ----------------------------------------------------------------------------------- */

Test(model, parameters_are_named_after_the_layers_place_or_name)
{
    static const char *const names[] = { "layer_0.forward.W_x",
                                         "layer_0.forward.W_h",
                                         "layer_0.forward.b",
                                         "layer_0.backward.W_x",
                                         "layer_0.backward.W_h",
                                         "layer_0.backward.b",
                                         "out.W",
                                         "out.b",
                                         "model_1.layer_0.W",
                                         "model_1.layer_0.b" };
    reel_tape *t = new_tape();
    reel_model *m =
        reel_sequential(t, REEL_BIDIRECTIONAL(REEL_RNN(2)), REEL_DENSE(1, .name = "out"));
    cr_expect_null(reel_sequential(t, REEL_DENSE(0)), "what could not be made has no number");
    reel_tape_clear(t);
    reel_model *other = reel_sequential(t, REEL_DENSE(1));
    cr_assert_eq(reel_model_build(m, REEL_SHAPE(0, 3), false), REEL_OK, "%s", reel_tape_error(t));
    reel_model_build(other, REEL_SHAPE(3), false);
    cr_assert_eq(reel_param_count(t), 10);
    for (size_t i = 0; i < 10; i++) {
        cr_expect_str_eq(reel_param_name(reel_param_at(t, i)), names[i]);
    }
    reel_tape_free(t);
}

/* ---- summary and picture --------------------------------------------------------------------- */

/* The numbers of parameters are Keras's. */
static const char summary[] =
    "Model: \"sequential\"\n"
    "┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓\n"
    "┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃\n"
    "┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩\n"
    "│ layer_0 (LSTM)                  │ (None, 64)             │        18,688 │\n"
    "├─────────────────────────────────┼────────────────────────┼───────────────┤\n"
    "│ layer_1 (Dense)                 │ (None, 32)             │         2,080 │\n"
    "├─────────────────────────────────┼────────────────────────┼───────────────┤\n"
    "│ layer_2 (Dense)                 │ (None, 1)              │            33 │\n"
    "└─────────────────────────────────┴────────────────────────┴───────────────┘\n"
    " Total params: 20,801 (81.25 KB)\n";

Test(model, summary_is_the_table_of_keras)
{
    char text[4096];
    FILE *file = tmpfile();
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_model *m = reel_sequential(t, REEL_LSTM(64, .input = REEL_SHAPE(50, 8)),
                                    REEL_DENSE(32, .activation = REEL_RELU), REEL_DENSE(1));
    reel_summary(m, file);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    cr_expect_str_eq(text, summary);
    cr_expect_eq(reel_model_parameters(m), 20801);
    fclose(file);
    reel_tape_free(t);
}

Test(model, picture_shows_layers_and_shapes)
{
    char text[4096], path[] = "/tmp/reel_model_XXXXXX.dot";
    close(mkstemps(path, 4));
    reel_tape *t = new_tape();
    reel_model *m = reel_sequential(t, REEL_LSTM(4, .input = REEL_SHAPE(50, 8)), REEL_DENSE(1));
    cr_assert_eq(reel_plot_model(m, path), REEL_OK, "%s", reel_tape_error(t));
    read_file(path, text, sizeof text);
    cr_expect(strstr(text, "n0 [label=\"layer_0\\nLSTM\\n208 parameters\"]"), "%s", text);
    cr_expect(strstr(text, "data -> n0 [label=\" [rows, 50, 8]\"]"), "%s", text);
    cr_expect(strstr(text, "n1 -> outputs [label=\" [rows, 1]\"]"), "%s", text);
    unlink(path);
    reel_plot_model(m, "model.bmp");
    expect_error(t, "the path must end in .svg, .png, .pdf or .dot: model.bmp");
}

static reel_var last_of_gru(reel_tape *t, void *self, reel_batch *batch)
{
    (void)t;
    const reel_cell *cell = self;
    return reel_unroll(*cell, batch->x, (reel_unroll_options){ .lengths = batch->lengths })
        .state[0];
}

Test(model, picture_of_a_functional_model_is_what_it_records_with_its_loops_folded)
{
    static char text[65536];
    static float x[4][20][2], out[4][3];
    char path[] = "/tmp/reel_model_XXXXXX.dot";
    close(mkstemps(path, 4));
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_cell cell = reel_gru(t, "gru", 2, 3, (reel_gru_options){ 0 });
    reel_model *m = reel_model_new(t, last_of_gru, &cell);
    cr_expect_eq(reel_plot_model(m, path), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "is drawn as it was recorded: fit it or predict first"),
              "%s", reel_tape_error(t));
    reel_tape_clear(t);
    cr_assert_eq(reel_predict(m, REEL_DATA(&x[0][0][0], 4, 20, 2), &out[0][0], 12), REEL_OK, "%s",
                 reel_tape_error(t));
    cr_assert_eq(reel_plot_model(m, path), REEL_OK, "%s", reel_tape_error(t));
    read_file(path, text, sizeof text);
    cr_expect(strstr(text, "20 steps"), "%s", text);
    cr_expect(strstr(text, "gru.W_h\\n[3,9]"), "%s", text);
    cr_expect(strstr(text, "[4,3]"), "%s", text);
    unlink(path);
    reel_tape_free(t);
}

/* ---- bad input ------------------------------------------------------------------------------- */

static void expect_no_model(reel_layer_spec layer, const char *message)
{
    reel_tape *t = new_tape();
    cr_expect_null(reel_sequential(t, layer));
    cr_expect(strstr(reel_tape_error(t), "model.c:"), "%s", reel_tape_error(t));
    expect_error(t, message);
}

static void expect_no_build(reel_layer_spec layer, reel_shape row, bool symbols,
                            const char *message)
{
    reel_tape *t = new_tape();
    reel_model *m = reel_sequential(t, REEL_ACTIVATION(REEL_LINEAR), layer);
    cr_assert_not_null(m, "%s", reel_tape_error(t));
    cr_expect_neq(reel_model_build(m, row, symbols), REEL_OK);
    expect_error(t, message);
}

Test(model, a_layer_that_cannot_be_is_refused_by_name)
{
    expect_no_model(REEL_LSTM(0), "LSTM at");
    expect_no_model(REEL_LSTM(0), "units is 0, must be at least 1");
    expect_no_model(REEL_DROPOUT(1), "the rate of layer_0 is 1, must be in [0, 1)");
    expect_no_model(REEL_CELL(NULL), "layer_0 has no function that makes the cell");
    expect_no_model(REEL_BIDIRECTIONAL(REEL_DENSE(3)), "what layer_0 holds must be recurrent");
    expect_no_model((reel_layer_spec){ .kind = REEL_LAYER_KINDS }, "there is no kind of layer");
    expect_no_build(REEL_LSTM(3), REEL_SHAPE(8), false,
                    "layer_1 needs [rows, steps, features], its input is [1,8]");
    expect_no_build(REEL_EMBEDDING(3, 2), REEL_SHAPE(8), false, "needs int32 symbols");
    expect_no_build(REEL_TIME_DISTRIBUTED(REEL_DENSE(1)), REEL_SHAPE(8), false, "needs sequences");
    reel_tape *t = new_tape();
    cr_expect_null(reel_sequential(t, REEL_DENSE(1, .name = "a"), REEL_DENSE(1, .name = "a")));
    expect_error(t, "layers 0 and 1 are both called a");
}

Test(model, predicting_into_the_wrong_room_names_both_sizes)
{
    double out[3];
    reel_tape *t = new_tape();
    reel_model *m = reel_sequential(t, REEL_LSTM(2), REEL_DENSE(1));
    cr_expect_neq(reel_predict_f64(m, sequences(), out, 3), REEL_OK);
    expect_error(t, "n is 3, the outputs are 2 numbers");
}
