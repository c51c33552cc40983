/* fit_padding.c: batches of padded sequences are as long as their longest row, and everything else is
 * as if they were not. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"

enum { ROWS = 24, STEPS = 12, FEATURES = 3, EPOCHS = 4, BATCH = 5 };

/* Rows of 0 … 9 steps, of 12 that the data has; padding is NaN: whatever is read of it shows. */
static double x[ROWS][STEPS][FEATURES], y[ROWS][STEPS][1], last[ROWS][1];
static int32_t lengths[ROWS];

static void fill(void)
{
    for (int r = 0; r < ROWS; r++) {
        lengths[r] = r * 7 % 10;
        last[r][0] = 0;
        for (int s = 0; s < STEPS; s++) {
            double sum = 0;
            for (int k = 0; k < FEATURES; k++) {
                x[r][s][k] = s < lengths[r] ? sin(r + 0.7 * s + 2 * k) : NAN;
                sum += x[r][s][k];
            }
            y[r][s][0] = s < lengths[r] ? tanh(sum) : NAN;
            last[r][0] += s < lengths[r] ? 0.3 * sum : 0;
        }
    }
}

static reel_tape *new_tape(void)
{
    fill();
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5, .threads = 1 });
}

/* ---- what a model gets to see ---------------------------------------------------------------- */

static int64_t most_steps; /* that one of the functions below was given */

static void note(reel_var v)
{
    int64_t steps = reel_shape_of(v).dim[0];
    most_steps = steps > most_steps ? steps : most_steps;
}

static reel_var squares(reel_var prediction, reel_var target)
{
    note(prediction);
    return reel_mean(reel_square(reel_sub(prediction, target)), -1);
}

/* With it, a model might count steps, and gets them all. */
static reel_var identity(void *self, reel_var v)
{
    (void)self;
    return v;
}

typedef enum { OUTPUTS, LAST_STEP, BOTH_DIRECTIONS, WITH_DROPOUT, KINDS } model_kind;

static reel_model *model_of(reel_tape *t, model_kind kind, bool with_function)
{
    const reel_layer_spec gru = REEL_GRU(4, .return_sequences = true, .name = "gru");
    const reel_layer_spec recurrent[KINDS] = {
        [OUTPUTS] = gru,
        [LAST_STEP] = REEL_LSTM(4, .name = "lstm"),
        [BOTH_DIRECTIONS] = REEL_BIDIRECTIONAL(gru, .name = "both", .return_sequences = true),
        [WITH_DROPOUT] = REEL_GRU(4, .return_sequences = true, .dropout = 0.4, .name = "gru"),
    };
    reel_layer_spec layers[] = { REEL_FUNCTION(identity), recurrent[kind],
                                 REEL_DROPOUT(0.25, .name = "dropout"),
                                 REEL_DENSE(1, .name = "dense") };
    if (kind != WITH_DROPOUT) {
        layers[2] = layers[3];
    }
    int n = kind == WITH_DROPOUT ? 4 : 3, first = with_function ? 0 : 1;
    reel_model *m = reel_sequential_n(t, n - first, layers + first);
    reel_compile(m, (reel_compile_options){
                        .lr = 0.02, .loss_function = squares, .metrics = { "mae", "r2" } });
    return m;
}

static reel_data inputs(void)
{
    reel_data data = REEL_DATA(&x[0][0][0], ROWS, STEPS, FEATURES);
    data.lengths = lengths;
    return data;
}

static reel_data targets(model_kind kind)
{
    reel_data data = kind == LAST_STEP ? REEL_DATA(&last[0][0], ROWS, 1)
                                       : REEL_DATA(&y[0][0][0], ROWS, STEPS, 1);
    data.lengths = kind == LAST_STEP ? NULL : lengths;
    return data;
}

static reel_history *train(reel_model *m, model_kind kind, bool bucket)
{
    reel_data of_validation = inputs(), wanted = targets(kind);
    reel_fit_options options = { .epochs = EPOCHS,
                                 .batch_size = BATCH,
                                 .bucket = bucket,
                                 .seed = 3,
                                 .validation_x = of_validation,
                                 .validation_y = wanted };
    return reel_fit(m, inputs(), wanted, options);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void expect_equal_curves(const reel_history *a, const reel_history *b, int kind)
{
    static const char *const names[] = { "loss", "mae", "r2", "val_loss", "val_mae", "val_r2" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int e = 0; e < EPOCHS; e++) {
            double one = reel_history_at(a, names[i], e), other = reel_history_at(b, names[i], e);
            cr_expect_lt(fabs(one - other), 1e-12 * (1 + fabs(one)), "%d: %s, epoch %d: %g and %g",
                         kind, names[i], e, one, other);
        }
    }
}

Test(fit_padding, steps_behind_the_longest_row_are_left_out_and_nothing_changes)
{
    for (model_kind kind = 0; kind < KINDS; kind++) {
        for (int bucket = 0; bucket < 2; bucket++) {
            reel_tape *one = new_tape(), *other = new_tape();
            most_steps = 0;
            reel_model *m = model_of(one, kind, false);
            reel_history *trimmed = train(m, kind, bucket);
            cr_assert_not_null(trimmed, "%s", reel_tape_error(one));
            cr_expect_eq(most_steps, kind == LAST_STEP ? BATCH : 9);
            reel_history *whole = train(model_of(other, kind, true), kind, bucket);
            cr_assert_not_null(whole, "%s", reel_tape_error(other));
            cr_expect_eq(most_steps, kind == LAST_STEP ? BATCH : STEPS);
            expect_equal_curves(trimmed, whole, (int)kind);
            reel_tape_free(one);
            reel_tape_free(other);
        }
    }
}

Test(fit_padding, predictions_have_all_the_steps_of_the_data)
{
    reel_tape *t = new_tape();
    reel_model *m = model_of(t, OUTPUTS, false);
    static double out[ROWS][STEPS];
    reel_data some = reel_data_slice(inputs(), 0, 1);
    for (int s = 0; s < STEPS; s++) {
        out[0][s] = NAN;
    }
    cr_assert_not_null(train(m, OUTPUTS, false));
    cr_expect_eq(lengths[0], 0);
    cr_expect_eq(reel_predict_f64(m, some, &out[0][0], STEPS), REEL_OK, "%s", reel_tape_error(t));
    for (int s = 0; s < STEPS; s++) {
        cr_expect(isfinite(out[0][s]));
    }
    reel_tape_free(t);
}

typedef struct {
    reel_cell cell;
    reel_layer out;
} functional;

static reel_var outputs_of(reel_tape *t, void *self, reel_batch *batch)
{
    (void)t;
    const functional *f = self;
    note(batch->x);
    batch->sequence = true;
    reel_unroll_options options = { .lengths = batch->lengths };
    return reel_apply(f->out, reel_unroll(f->cell, batch->x, options).outputs);
}

Test(fit_padding, a_functional_model_gets_fewer_steps_where_it_says_that_it_takes_any_number)
{
    reel_history *history[2];
    reel_tape *tapes[2];
    for (int any = 0; any < 2; any++) {
        reel_tape *t = tapes[any] = new_tape();
        static functional f;
        f.cell = reel_gru(t, "gru", FEATURES, 4, (reel_gru_options){ 0 });
        f.out = reel_dense(t, "out", 4, 1, (reel_dense_options){ 0 });
        reel_model *m = reel_model_new(t, outputs_of, &f);
        reel_compile(m, (reel_compile_options){
                            .loss = "mse", .metrics = { "mae", "r2" }, .any_steps = any });
        most_steps = 0;
        history[any] = train(m, OUTPUTS, true);
        cr_assert_not_null(history[any], "%s", reel_tape_error(t));
        cr_expect_eq(most_steps, any ? 9 : STEPS);
    }
    expect_equal_curves(history[0], history[1], (int)KINDS);
    reel_tape_free(tapes[0]);
    reel_tape_free(tapes[1]);
}

Test(fit_padding, what_does_not_fit_is_said_in_the_datas_own_numbers)
{
    reel_tape *t = new_tape();
    reel_model *m = model_of(t, OUTPUTS, false);
    reel_data wrong = inputs();
    cr_expect_null(
        reel_fit(m, inputs(), wrong, (reel_fit_options){ .batch_size = BATCH, .allow_nan = true }));
    cr_expect(strstr(reel_tape_error(t), "Y is [24,12,3], expected [24,12,1]"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    reel_data bare = reel_data_slice(REEL_DATA(&last[0][0], ROWS, 1), 0, ROWS);
    reel_model *dense = reel_sequential(t, REEL_DENSE(1, .name = "other"));
    reel_compile(dense, (reel_compile_options){ .loss = "mse" });
    cr_expect_null(reel_fit(dense, bare, bare, (reel_fit_options){ .bucket = true }));
    cr_expect(strstr(reel_tape_error(t), "bucket: the rows of X have no lengths"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_null(
        reel_fit(m, inputs(), targets(OUTPUTS),
                 (reel_fit_options){ .bucket = true, .no_shuffle = true, .batch_size = BATCH }));
    cr_expect(strstr(reel_tape_error(t), "bucket: no_shuffle asks for another order"), "%s",
              reel_tape_error(t));
    reel_tape_free(t);
}
