/* fit, evaluate and predict: against PyTorch and plain NumPy (golden/fit.py), and by their
 * rules. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "support/golden_cells.h"

enum { ROWS = 40, STEPS = 7, FEATURES = 3, EPOCHS = 3 };

static golden_row row_of(const char *name, const char *label)
{
    golden_row row;
    cr_assert(golden_find("fit.txt", name, label, &row), "%s %s", name, label);
    return row;
}

static reel_data data_of(golden_row row)
{
    return reel_data_f64(row.values, row.shape);
}

static reel_model *keras_program(reel_tape *t, const char *metric)
{
    reel_model *m =
        reel_sequential(t, REEL_LSTM(8), REEL_DENSE(4, .activation = REEL_RELU), REEL_DENSE(1));
    reel_compile(m, (reel_compile_options){
                        .optimizer = "adam", .lr = 0.01, .loss = "mse", .metrics = { metric } });
    return m;
}

static void expect_series(const reel_history *h, const char *series, const char *golden,
                          const char *label, double tolerance)
{
    golden_row expected = row_of(golden, label);
    for (int e = 0; e < EPOCHS; e++) {
        double got = reel_history_at(h, series, e), wanted = expected.values[e];
        cr_expect(fabs(got / wanted - 1) < tolerance, "%s of epoch %d: %.12g, PyTorch %.12g",
                  series, e, got, wanted);
    }
    golden_free(&expected);
}

/* ---- learning curves ------------------------------------------------------------------------- */

static void expect_curve(reel_dtype dtype, const char *golden, double split, bool weighted,
                         double tolerance)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype });
    golden_row x = row_of("curve", "x"), y = row_of("curve", "y"), w = row_of("curve", "weights");
    reel_model *m = keras_program(t, "mae");
    reel_model_build(m, REEL_SHAPE(STEPS, FEATURES), false);
    golden_write_params(t, (golden_case){ "fit.txt", "curve" });
    reel_fit_options options = { .epochs = EPOCHS,
                                 .batch_size = 16,
                                 .no_shuffle = true,
                                 .validation_split = split,
                                 .sample_weights = weighted ? w.values : NULL };
    reel_history *h = reel_fit(m, data_of(x), data_of(y), options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    cr_expect_eq(h->epochs, EPOCHS);
    expect_series(h, "loss", golden, "loss", tolerance);
    expect_series(h, "mae", golden, "mae", tolerance);
    if (split > 0) {
        expect_series(h, "val_loss", golden, "val_loss", tolerance);
    }
    cr_expect_eq(h->val_loss != NULL, split > 0);
    golden_free(&x);
    golden_free(&y);
    golden_free(&w);
    reel_tape_free(t);
}

Test(fit, learning_curve_is_torchs_from_the_same_weights_and_order)
{
    expect_curve(REEL_F32, "curve", 0, false, 1e-4);
    expect_curve(REEL_F64, "curve", 0, false, 1e-9);
}

Test(fit, validation_split_takes_the_last_rows_before_shuffling)
{
    expect_curve(REEL_F64, "curve_split", 0.3, false, 1e-9);
}

Test(fit, sample_weights_scale_each_rows_loss_and_no_metric)
{
    expect_curve(REEL_F64, "curve_weights", 0, true, 1e-9);
}

static void expect_numpy_losses(const char *name, reel_layer_spec recurrent)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64 });
    golden_row x = row_of(name, "x"), y = row_of(name, "y"), losses = row_of(name, "losses");
    reel_model *m = reel_sequential(t, recurrent, REEL_DENSE(1));
    reel_compile(
        m, (reel_compile_options){ .optimizer = "sgd", .lr = 0.1, .loss = "mse", .clip_value = 5 });
    reel_model_build(m, REEL_SHAPE(25, 1), false);
    golden_write_params(t, (golden_case){ "fit.txt", name });
    for (size_t step = 0; step < losses.count; step++) {
        double loss = reel_train_on_batch(m, data_of(x), data_of(y));
        cr_assert(fabs(loss - losses.values[step]) < 1e-6, "step %zu: %.9g, NumPy %.9g; %s", step,
                  loss, losses.values[step], reel_tape_error(t));
    }
    golden_free(&x);
    golden_free(&y);
    golden_free(&losses);
    reel_tape_free(t);
}

Test(fit, losses_of_the_plain_numpy_rnn_step_by_step)
{
    expect_numpy_losses("numpy_rnn", REEL_RNN(10, .return_sequences = true));
}

Test(fit, losses_of_the_plain_numpy_lstm_step_by_step)
{
    expect_numpy_losses("numpy_lstm", REEL_LSTM(10, .return_sequences = true));
}

/* ---- a small problem ------------------------------------------------------------------------- */

typedef struct {
    float x[ROWS][STEPS][FEATURES], y[ROWS][1];
} problem;

static void fill(problem *p)
{
    uint32_t state = 9;
    for (int i = 0; i < ROWS * STEPS * FEATURES; i++) {
        state = state * 1664525u + 1013904223u;
        (&p->x[0][0][0])[i] = (float)(state >> 8) / 16777216.0f - 0.5f;
    }
    for (int r = 0; r < ROWS; r++) {
        p->y[r][0] = p->x[r][STEPS - 1][0] - p->x[r][0][1];
    }
}

static problem small;
static reel_data X, Y;

static reel_tape *setup(void)
{
    fill(&small);
    X = REEL_DATA(&small.x[0][0][0], ROWS, STEPS, FEATURES);
    Y = REEL_DATA(&small.y[0][0], ROWS, 1);
    return reel_tape_new((reel_tape_options){ .seed = 4 });
}

static void expect_error(reel_tape *t, const char *part)
{
    cr_expect(strstr(reel_tape_error(t), part), "\"%s\" lacks \"%s\"", reel_tape_error(t), part);
    reel_tape_clear(t);
}

static double final_loss(reel_fit_options options)
{
    reel_tape *t = setup();
    reel_history *h = reel_fit(keras_program(t, NULL), X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    double loss = reel_history_at(h, "loss", -1);
    reel_tape_free(t);
    return loss;
}

Test(fit, shuffling_depends_on_the_seed_alone)
{
    double one = final_loss((reel_fit_options){ .epochs = 2, .batch_size = 8, .seed = 3 });
    cr_expect_eq(one, final_loss((reel_fit_options){ .epochs = 2, .batch_size = 8, .seed = 3 }));
    cr_expect_neq(one, final_loss((reel_fit_options){ .epochs = 2, .batch_size = 8, .seed = 5 }));
    cr_expect_neq(
        one, final_loss((reel_fit_options){ .epochs = 2, .batch_size = 8, .no_shuffle = true }));
}

Test(fit, a_batch_of_all_rows_is_the_same_whatever_the_order)
{
    double one = final_loss((reel_fit_options){ .epochs = 3, .batch_size = ROWS, .seed = 3 });
    double other = final_loss((reel_fit_options){ .epochs = 3, .batch_size = ROWS, .seed = 8 });
    cr_expect(fabs(one / other - 1) < 1e-5, "%g and %g", one, other);
}

Test(fit, evaluation_does_not_depend_on_the_batch_size)
{
    reel_tape *t = setup();
    reel_model *m = keras_program(t, "mae");
    reel_evaluation all = reel_evaluate(m, X, Y, (reel_evaluate_options){ .batch_size = ROWS });
    reel_evaluation some = reel_evaluate(m, X, Y, (reel_evaluate_options){ .batch_size = 7 });
    cr_expect_str_eq(reel_tape_error(t), "");
    cr_expect(fabs(all.loss / some.loss - 1) < 1e-5, "%g and %g", all.loss, some.loss);
    cr_expect(fabs(all.metric[0] / some.metric[0] - 1) < 1e-5);
    cr_expect_str_eq(all.name[0], "mae");
    reel_tape_free(t);
}

Test(fit, evaluation_is_the_loss_of_the_predictions)
{
    reel_tape *t = setup();
    reel_model *m = keras_program(t, NULL);
    float p[ROWS];
    double sum = 0;
    cr_assert_eq(reel_predict(m, X, p, ROWS), REEL_OK, "%s", reel_tape_error(t));
    for (int r = 0; r < ROWS; r++) {
        sum += (double)(p[r] - small.y[r][0]) * (double)(p[r] - small.y[r][0]);
    }
    double loss = reel_evaluate(m, X, Y, (reel_evaluate_options){ 0 }).loss;
    cr_expect(fabs(loss / (sum / ROWS) - 1) < 1e-5, "%g and %g", loss, sum / ROWS);
    reel_tape_free(t);
}

/* ---- lengths and weights --------------------------------------------------------------------- */

/* Padding is NaN: whatever is read of it shows. */
static void pad(int32_t lengths[ROWS], float y[ROWS][STEPS][1])
{
    for (int r = 0; r < ROWS; r++) {
        lengths[r] = r % (STEPS + 1);
        for (int s = 0; s < STEPS; s++) {
            y[r][s][0] = s < lengths[r] ? small.x[r][s][0] : NAN;
            for (int k = 0; k < FEATURES && s >= lengths[r]; k++) {
                small.x[r][s][k] = NAN;
            }
        }
    }
}

/* Σ over rows by themselves, each cut to its length */
static double sum_row_by_row(reel_model *m, const int32_t lengths[ROWS], float y[ROWS][STEPS][1])
{
    double sum = 0;
    for (int r = 0; r < ROWS; r++) {
        if (lengths[r] > 0) {
            reel_data x = REEL_DATA(&small.x[r][0][0], 1, lengths[r], FEATURES);
            reel_data target = REEL_DATA(&y[r][0][0], 1, lengths[r], 1);
            sum += reel_evaluate(m, x, target, (reel_evaluate_options){ 0 }).loss * lengths[r];
        }
    }
    return sum;
}

Test(fit, loss_of_padded_sequences_is_that_of_the_steps_that_are_there)
{
    static float y[ROWS][STEPS][1];
    int32_t lengths[ROWS];
    int total = 0;
    reel_tape *t = setup();
    pad(lengths, y);
    for (int r = 0; r < ROWS; r++) {
        total += lengths[r];
    }
    X.lengths = lengths;
    reel_data targets = REEL_DATA(&y[0][0][0], ROWS, STEPS, 1);
    targets.lengths = lengths;
    reel_model *m = reel_sequential(t, REEL_GRU(5, .return_sequences = true), REEL_DENSE(1));
    reel_compile(m, (reel_compile_options){ .loss = "mse", .metrics = { "mse" } });
    reel_evaluation e = reel_evaluate(m, X, targets, (reel_evaluate_options){ .batch_size = 9 });
    cr_assert_str_eq(reel_tape_error(t), "");
    double expected = sum_row_by_row(m, lengths, y) / total;
    cr_expect(fabs(e.loss / expected - 1) < 1e-5, "%g and %g; %s", e.loss, expected,
              reel_tape_error(t));
    cr_expect(fabs(e.metric[0] / expected - 1) < 1e-5);
    reel_history *h = reel_fit(m, X, targets, (reel_fit_options){ .epochs = 3 });
    cr_expect(h && isfinite(h->loss[2]), "%s", reel_tape_error(t));
    reel_tape_free(t);
}

/* By the formula: Σ weight of the class · -log softmax / rows */
Test(fit, class_weights_scale_the_loss_of_their_class)
{
    static const double weights[] = { 1, 0, 3 };
    static const float x[4][2] = { { 1, 0 }, { 0, 1 }, { 2, -1 }, { -1, 1 } };
    static const int32_t y[] = { 0, 1, 2, 2 };
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 2 });
    reel_model *m = reel_sequential(t, REEL_DENSE(3));
    reel_compile(m, (reel_compile_options){ .loss = "cross_entropy", .metrics = { "accuracy" } });
    reel_data inputs = REEL_DATA(&x[0][0], 4, 2), classes = REEL_DATA(y, 4);
    double logits[4][3], expected = 0;
    reel_predict_f64(m, inputs, &logits[0][0], 12);
    for (int r = 0; r < 4; r++) {
        double sum = exp(logits[r][0]) + exp(logits[r][1]) + exp(logits[r][2]);
        expected += weights[y[r]] * (log(sum) - logits[r][y[r]]) / 4;
    }
    reel_fit_options options = { .class_weights = weights, .classes = 3 };
    reel_history *h = reel_fit(m, inputs, classes, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    cr_expect(fabs(h->loss[0] - expected) < 1e-12, "%g and %g", h->loss[0], expected);
    options.classes = 2;
    cr_expect_null(reel_fit(m, inputs, classes, options));
    expect_error(t, "the weight of class 2 is not a number among 2 class_weights");
    reel_tape_free(t);
}

/* Metrics of metrics.h see the rows of all batches, padding left out. */
Test(fit, metrics_of_the_folder_are_known_by_name)
{
    static const float x[6][1] = { { 0 }, { 1 }, { 2 }, { 3 }, { 4 }, { 5 } };
    static const float y[6][1] = { { 0 }, { 2 }, { 1 }, { 3 }, { 5 }, { 4 } };
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64 });
    reel_model *m = reel_sequential(t, REEL_DENSE(1));
    reel_compile(m, (reel_compile_options){ .loss = "mse", .metrics = { "r2", "mse" } });
    reel_data X6 = REEL_DATA(&x[0][0], 6, 1), Y6 = REEL_DATA(&y[0][0], 6, 1);
    for (int again = 0; again < 2; again++) {
        reel_evaluation e = reel_evaluate(m, X6, Y6, (reel_evaluate_options){ .batch_size = 4 });
        cr_assert_eq(e.count, 2, "%s", reel_tape_error(t));
        double variance = 17.5 / 6; /* of y */
        cr_expect(fabs(e.metric[0] - (1 - e.metric[1] / variance)) < 1e-12, "%g", e.metric[0]);
    }
    reel_fit_options options = { .epochs = 2, .batch_size = 2, .validation_split = 0.4 };
    reel_history *h = reel_fit(m, X6, Y6, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    cr_expect(isfinite(reel_history_at(h, "r2", 1)) && isfinite(reel_history_at(h, "val_r2", 1)));
    reel_compile(m, (reel_compile_options){ .loss = "mse", .metrics = { "bleu" } });
    expect_error(t, "the metric bleu takes text, not predictions");
    reel_tape_free(t);
}

/* ---- a model of one's own -------------------------------------------------------------------- */

typedef struct {
    reel_cell cell;
    reel_layer out;
} own_model;

static reel_var own_outputs(reel_tape *t, void *self, reel_batch *batch)
{
    (void)t;
    const own_model *own = self;
    reel_rollout r =
        reel_unroll(own->cell, batch->x, (reel_unroll_options){ .lengths = batch->lengths });
    return reel_apply(own->out, r.state[0]);
}

static reel_var own_loss(reel_tape *t, void *self, reel_batch *batch)
{
    return reel_mse(own_outputs(t, self, batch), batch->y);
}

Test(fit, a_function_that_builds_outputs_or_the_loss_is_a_model)
{
    double losses[3];
    for (int way = 0; way < 3; way++) {
        reel_tape *t = setup();
        own_model own = { .cell = reel_lstm(t, "layer_0", FEATURES, 8, (reel_lstm_options){ 0 }),
                          .out = reel_dense(t, "layer_1", 8, 1, (reel_dense_options){ 0 }) };
        reel_model *m = reel_model_new(t, way ? own_loss : own_outputs, &own);
        if (way == 2) {
            m = reel_sequential(t, REEL_LSTM(8, .name = "a"), REEL_DENSE(1, .name = "b"));
            reel_model_build(m, REEL_SHAPE(STEPS, FEATURES), false);
            float numbers[512];
            static const char *const names[][2] = { { "layer_0.W_x", "a.W_x" },
                                                    { "layer_0.W_h", "a.W_h" },
                                                    { "layer_1.W", "b.W" } };
            for (int k = 0; k < 3; k++) {
                reel_var from = reel_find_param(t, names[k][0]),
                         to = reel_find_param(t, names[k][1]);
                size_t n = (size_t)reel_shape_size(reel_shape_of(from));
                reel_read(from, numbers, n);
                reel_write_param(to, numbers, n);
            }
        }
        reel_compile(m, (reel_compile_options){ .loss = way == 1 ? NULL : "mse" });
        reel_history *h = reel_fit(m, X, Y, (reel_fit_options){ .epochs = 2, .batch_size = 16 });
        cr_assert_not_null(h, "%s", reel_tape_error(t));
        losses[way] = h->loss[1];
        reel_tape_free(t);
    }
    cr_expect(fabs(losses[0] / losses[1] - 1) < 1e-5, "%g and %g", losses[0], losses[1]);
    cr_expect(fabs(losses[0] / losses[2] - 1) < 1e-5, "%g and %g", losses[0], losses[2]);
}

/* ---- bad input ------------------------------------------------------------------------------- */

Test(fit, misuse_is_an_error_that_names_the_value_and_leaves_the_model_alone)
{
    reel_tape *t = setup();
    reel_model *m = keras_program(t, NULL);
    double before = reel_evaluate(m, X, Y, (reel_evaluate_options){ 0 }).loss;
    const struct {
        reel_fit_options options;
        const char *message;
    } bad[] = {
        { { .batch_size = ROWS + 1 }, "batch_size is 41, more than the 40 rows to train on" },
        { { .batch_size = -1 }, "batch_size is -1, must be at least 1" },
        { { .epochs = -2 }, "epochs is -2, must be at least 1" },
        { { .validation_split = 1 }, "validation_split is 1, must be in [0, 1)" },
        { { .validation_split = 0.99 }, "validation_split of 0.99 leaves 0 of 40 rows" },
        { { .verbose = 3 }, "verbose is 3, must be 0, 1 or 2" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_null(reel_fit(m, X, Y, bad[i].options));
        expect_error(t, bad[i].message);
    }
    cr_expect_eq(before, reel_evaluate(m, X, Y, (reel_evaluate_options){ 0 }).loss);
    reel_tape_free(t);
}

static void expect_refused(reel_model *m, reel_data x, reel_data y, const char *message)
{
    reel_tape *t = reel_model_tape(m);
    cr_expect_null(reel_fit(m, x, y, (reel_fit_options){ 0 }));
    cr_expect(strstr(reel_tape_error(t), "fit.c:"), "%s", reel_tape_error(t));
    expect_error(t, message);
}

Test(fit, data_that_cannot_be_trained_on_is_refused_with_the_place)
{
    reel_tape *t = setup();
    reel_model *m = keras_program(t, NULL);
    expect_refused(m, (reel_data){ 0 }, Y, "X has no valid shape");
    expect_refused(m, REEL_DATA(&small.x[0][0][0], 0, STEPS, FEATURES), Y, "X is empty: [0,7,3]");
    expect_refused(m, reel_data_f32(NULL, REEL_SHAPE(4, 7, 3)), Y, "X has 0 data pointers");
    expect_refused(m, X, reel_data_slice(Y, 0, 30), "X has 40 rows and Y has 30");
    expect_refused(m, X, REEL_DATA(&small.x[0][0][0], ROWS, 2), "Y is [40,2], expected [40,1]");
    expect_refused(m, REEL_DATA(&small.x[0][0][0], ROWS, 21), Y, "rows are [21], the model was");
    small.x[3][2][1] = NAN;
    expect_refused(m, X, Y, "X is nan at row 3, step 2, column 1");
    small.x[3][2][1] = 0;
    small.y[7][0] = NAN;
    expect_refused(m, X, Y, "Y is nan at row 7, column 0");
    small.y[7][0] = 0;
    cr_expect_not_null(reel_fit(m, X, Y, (reel_fit_options){ 0 }), "%s", reel_tape_error(t));
    reel_tape_free(t);
}

Test(fit, unknown_names_list_the_known_and_the_nearest)
{
    reel_tape *t = setup();
    reel_model *m = reel_sequential(t, REEL_LSTM(4), REEL_DENSE(1));
    cr_expect_null(reel_fit(m, X, Y, (reel_fit_options){ 0 }));
    expect_error(t, "call reel_compile before");
    reel_compile(m, (reel_compile_options){ .loss = "mxe" });
    expect_error(t, "did you mean mse? Known: mse, mae, ");
    reel_compile(m, (reel_compile_options){ .loss = "mse", .metrics = { "acuracy" } });
    expect_error(t, "did you mean accuracy? Known: ");
    reel_compile(m, (reel_compile_options){ .loss = "mse", .optimizer = "adm" });
    expect_error(t, "adam");
    reel_compile(m, (reel_compile_options){ .loss = "mse", .lr = -1 });
    expect_error(t, "lr is -1");
    reel_compile(m, (reel_compile_options){ .optimizer = "adam" });
    expect_error(t, "a sequential model needs a loss");
    cr_expect_eq(reel_compile(m, (reel_compile_options){ .loss = "mse" }), REEL_OK);
    cr_expect_not_null(reel_fit(m, X, Y, (reel_fit_options){ 0 }), "%s", reel_tape_error(t));
    reel_tape_free(t);
}
