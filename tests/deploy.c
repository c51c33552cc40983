/* deploy.c: a frozen program gives what the tape gives, step by step, and keeps its state. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/deploy.h"
#include "ops/ops.h"
#include "optim/optim.h"
#include "support/failing_memory.h"

enum { STEPS = 5, BATCH = 3, IN = 4, HIDDEN = 6, OUT = 2 };

static reel_cell make_cell(reel_tape *t, int which)
{
    switch (which) {
    case 0:
        return reel_rnn(t, "cell", IN, HIDDEN, (reel_rnn_options){ .activation = REEL_RELU });
    case 1:
        return reel_gru(t, "cell", IN, HIDDEN, (reel_gru_options){ 0 });
    case 2:
        return reel_gru(t, "cell", IN, HIDDEN, (reel_gru_options){ .reset_after = true });
    case 3:
        return reel_lstm(t, "cell", IN, HIDDEN, (reel_lstm_options){ 0 });
    default:
        return reel_lstm(
            t, "cell", IN, HIDDEN,
            (reel_lstm_options){ .peephole = true, .layer_norm = true, .projection = 5 });
    }
}

typedef struct {
    reel_tape *t;
    reel_cell cell;
    reel_layer out;
    float x[STEPS * BATCH * IN], y[STEPS * BATCH * OUT];
} model;

static void make_model(model *m, int which, reel_dtype dtype)
{
    m->t = reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 3, .threads = 1 });
    m->cell = make_cell(m->t, which);
    m->out = reel_dense(m->t, "out", m->cell.width[0], OUT, (reel_dense_options){ 0 });
    for (int i = 0; i < STEPS * BATCH * IN; i++) {
        m->x[i] = (float)sin(i * 1.7);
    }
    reel_var x = reel_input(m->t, REEL_SHAPE(STEPS, BATCH, IN), m->x);
    reel_rollout r = reel_unroll(m->cell, x, (reel_unroll_options){ 0 });
    reel_read(reel_apply(m->out, r.outputs), m->y, STEPS * BATCH * OUT);
    reel_rewind(m->t);
}

static reel_frozen *freeze(model *m, reel_freeze_options options)
{
    reel_recorded step;
    reel_record_step(m->t, m->cell, BATCH, IN, m->out, &step);
    reel_frozen *f = reel_freeze(m->t, step, options);
    cr_assert(f, "%s", reel_tape_error(m->t));
    return f;
}

/* The largest difference to the unrolled outputs. */
static double difference(const model *m, reel_frozen *f)
{
    float y[BATCH * OUT];
    double worst = 0;
    for (int s = 0; s < STEPS; s++) {
        cr_assert_eq(reel_frozen_step(f, m->x + s * BATCH * IN, y), REEL_OK);
        for (int i = 0; i < BATCH * OUT; i++) {
            worst = fmax(worst, fabs((double)y[i] - (double)m->y[s * BATCH * OUT + i]));
        }
    }
    return worst;
}

Test(deploy, a_frozen_step_of_every_cell_gives_what_unrolling_gives)
{
    for (int which = 0; which < 5; which++) {
        for (int wide = 0; wide < 2; wide++) {
            model m;
            make_model(&m, which, wide ? REEL_F64 : REEL_F32);
            reel_frozen *f = freeze(&m, (reel_freeze_options){ 0 });
            double found = difference(&m, f);
            cr_assert(found < 1e-6, "cell %d, %s: %g", which, wide ? "f64" : "f32", found);
            reel_frozen_free(f);
            reel_tape_free(m.t);
        }
    }
}

Test(deploy, resetting_returns_to_the_states_of_the_beginning)
{
    model m;
    make_model(&m, 3, REEL_F32);
    reel_frozen *f = freeze(&m, (reel_freeze_options){ 0 });
    difference(&m, f);
    cr_assert(difference(&m, f) > 1e-3, "the state was kept");
    reel_frozen_reset(f);
    cr_assert(difference(&m, f) < 1e-6);
    reel_frozen_free(f);
    reel_tape_free(m.t);
}

Test(deploy, a_state_is_read_and_written)
{
    model m;
    make_model(&m, 1, REEL_F64);
    reel_frozen *f = freeze(&m, (reel_freeze_options){ 0 });
    float y[BATCH * OUT], again[BATCH * OUT], h[BATCH * HIDDEN];
    reel_frozen_step(f, m.x, y);
    cr_assert_eq(reel_frozen_read_state(f, 0, h, BATCH * HIDDEN), REEL_OK);
    reel_frozen_step(f, m.x + BATCH * IN, y);
    reel_frozen_reset(f);
    cr_assert_eq(reel_frozen_write_state(f, 0, h, BATCH * HIDDEN), REEL_OK);
    reel_frozen_step(f, m.x + BATCH * IN, again);
    for (int i = 0; i < BATCH * OUT; i++) {
        cr_assert(fabs((double)y[i] - (double)again[i]) < 1e-6);
    }
    cr_assert_eq(reel_frozen_read_state(f, 0, h, 1), REEL_BAD_ARGUMENT);
    cr_assert_eq(reel_frozen_read_state(f, 1, h, BATCH * HIDDEN), REEL_BAD_ARGUMENT);
    reel_frozen_free(f);
    reel_tape_free(m.t);
}

Test(deploy, a_frozen_program_outlives_the_tape_and_later_changes_of_its_parameters)
{
    model m;
    make_model(&m, 2, REEL_F32);
    reel_frozen *f = freeze(&m, (reel_freeze_options){ 0 });
    float zeros[HIDDEN * OUT] = { 0 };
    reel_write_param(reel_find_param(m.t, "out.W"), zeros, HIDDEN * OUT);
    reel_tape_free(m.t);
    cr_assert(difference(&m, f) < 1e-6);
    reel_frozen_free(f);
}

Test(deploy, int8_weights_report_an_error_within_half_a_step_and_stay_near)
{
    model m;
    make_model(&m, 3, REEL_F32);
    reel_frozen *f = freeze(&m, (reel_freeze_options){ .int8 = true });
    reel_frozen_report report = reel_frozen_report_of(f);
    cr_assert_eq(report.quantised, 3);
    cr_assert(report.weight_error > 0 && report.weight_error <= 1.0 / 254 + 1e-6);
    double found = difference(&m, f);
    cr_assert(found > 0 && found < 0.03, "%g", found);
    reel_frozen_free(f);
    reel_tape_free(m.t);
}

Test(deploy, int8_is_refused_on_an_f64_tape)
{
    model m;
    make_model(&m, 0, REEL_F64);
    reel_recorded step;
    reel_record_step(m.t, m.cell, BATCH, IN, m.out, &step);
    cr_assert(reel_freeze(m.t, step, (reel_freeze_options){ .int8 = true }) == NULL);
    cr_assert(strstr(reel_tape_error(m.t), "int8 weights are for f32 tapes"));
    reel_tape_free(m.t);
}

Test(deploy, several_inputs_indices_and_swapped_states_work)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    float table[] = { 1, 2, 3, 4, 5, 6 }, first[] = { 10, 20 }, second[] = { 30, 40 };
    reel_var a = reel_input(t, REEL_SHAPE(2), first), b = reel_input(t, REEL_SHAPE(2), second);
    reel_var rows = reel_indices(t, REEL_SHAPE(1), (int32_t[]){ 0 });
    reel_var scale = reel_scalar(t, 1);
    reel_var picked = reel_gather(reel_input(t, REEL_SHAPE(3, 2), table), rows);
    reel_recorded r = { .inputs = 2,
                        .outputs = 2,
                        .states = 2,
                        .input = { rows, scale },
                        .output = { reel_mul(reel_add(picked, a), scale), reel_argmax(picked, 1) },
                        .state = { a, b },
                        .next = { b, a } };
    reel_frozen *f = reel_freeze(t, r, (reel_freeze_options){ 0 });
    cr_assert(f, "%s", reel_tape_error(t));
    float y[2], factor = 2;
    int32_t row = 2, largest = -1;
    void *out[] = { y, &largest };
    const void *in[] = { &row, &factor };
    reel_frozen_run(f, in, out);
    cr_assert(y[0] == 30 && y[1] == 52 && largest == 1);
    reel_frozen_run(f, in, out);
    cr_assert(y[0] == 70 && y[1] == 92, "the states changed places");
    row = 3;
    cr_assert_eq(reel_frozen_run(f, in, out), REEL_BAD_INDEX);
    row = 0;
    reel_frozen_run(f, in, out);
    cr_assert(y[0] == 22 && y[1] == 44, "an error leaves the states alone");
    reel_frozen_free(f);
    reel_tape_free(t);
}

static void expect_refusal(reel_tape *t, reel_recorded r, const char *message)
{
    cr_assert(reel_freeze(t, r, (reel_freeze_options){ 0 }) == NULL);
    cr_assert(strstr(reel_tape_error(t), message), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(deploy, what_cannot_be_frozen_is_an_error_that_says_why)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    float two[] = { 1, 2 };
    reel_var x = reel_input(t, REEL_SHAPE(2), two);
    reel_recorded r = { .inputs = 1, .outputs = 1, .input = { x }, .output = { x } };
    r.output[0] = reel_dropout(x, 0.5);
    expect_refusal(t, r, "dropout_mask draws at random");
    r.output[0] = x;
    r.states = 1;
    r.state[0] = reel_input(t, REEL_SHAPE(2), two);
    r.next[0] = reel_scalar(t, 1);
    expect_refusal(t, r, "state 0 is [2] and becomes []");
    r.next[0] = r.state[0] = x;
    expect_refusal(t, r, "input 1 was given before");
    r.states = 17;
    expect_refusal(t, r, "1 inputs, 1 outputs, 17 states");
    reel_record_step(t, (reel_cell){ 0 }, 1, 1, (reel_layer){ 0 }, &r);
    cr_assert(strstr(reel_tape_error(t), "record_step"));
    reel_tape_free(t);
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Freezes an LSTM of 64 in, 128 hidden, 64 out and frees its tape; what then is held. */
static size_t held_by_frozen(reel_freeze_options options, reel_frozen_report *report)
{
    failing_memory memory = { .fail_at = -1 };
    reel_tape *t = reel_tape_new((reel_tape_options){
        .threads = 1, .allocator = { .self = &memory, .resize = failing_memory_resize } });
    reel_cell cell = reel_lstm(t, "cell", 64, 128, (reel_lstm_options){ 0 });
    reel_layer out = reel_dense(t, "out", 128, 64, (reel_dense_options){ 0 });
    reel_recorded step;
    reel_record_step(t, cell, 1, 64, out, &step);
    reel_frozen *f = reel_freeze(t, step, options);
    cr_assert(f, "%s", reel_tape_error(t));
    reel_tape_free(t);
    size_t held = memory.held;
    *report = reel_frozen_report_of(f);
    reel_frozen_free(f);
    cr_expect_eq(memory.held, 0);
    return held;
}

Test(deploy, a_frozen_program_holds_its_matrices_once_and_int8_in_a_quarter_of_the_bytes)
{
    enum {
        MATRICES = (64 + 128) * 512 + 128 * 64,
        BIASES = 512 + 64,
        REST = 64 << 10
    }; /* the calls */
    reel_frozen_report report;
    size_t floats = held_by_frozen((reel_freeze_options){ 0 }, &report);
    cr_expect_eq(floats, report.bytes);
    cr_expect_lt(floats, (MATRICES + BIASES) * sizeof(float) + REST, "%zu", floats);
    cr_expect_geq(report.weight_bytes, (MATRICES + BIASES) * sizeof(float));
    size_t bytes = held_by_frozen((reel_freeze_options){ .int8 = true }, &report);
    cr_expect_eq(bytes, report.bytes);
    cr_expect_lt(bytes, MATRICES + 4 * BIASES * sizeof(float) + REST, "%zu", bytes);
    cr_expect_lt(report.weight_bytes, MATRICES + 4 * BIASES * sizeof(float));
}

/* ---- what int8 costs ------------------------------------------------------------------------- */

enum { SYMBOLS = 8, LENGTH = 512, UNITS = 32 };

/* Symbols that count upwards by 1 and, now and then, by 3. */
static void fill_symbols(int32_t *symbols, int n)
{
    uint32_t state = 9;
    for (int i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        int32_t before = i ? symbols[i - 1] : 0;
        symbols[i] = (before + (state >> 28 == 0 ? 3 : 1)) % SYMBOLS;
    }
}

/* The mean cross-entropy of a frozen program's logits, step by step. */
static double loss_of(reel_frozen *f, const int32_t *symbols, int n)
{
    double loss = 0;
    for (int i = 0; i + 1 < n; i++) {
        float x[SYMBOLS] = { 0 }, logits[SYMBOLS];
        double sum = 0;
        x[symbols[i]] = 1;
        cr_assert_eq(reel_frozen_step(f, x, logits), REEL_OK);
        for (int k = 0; k < SYMBOLS; k++) {
            sum += exp((double)logits[k]);
        }
        loss += log(sum) - (double)logits[symbols[i + 1]];
    }
    return loss / (n - 1);
}

Test(deploy, int8_weights_of_a_trained_model_cost_a_hundredth_of_its_loss)
{
    static int32_t symbols[LENGTH + 1], others[1000];
    fill_symbols(symbols, LENGTH + 1);
    fill_symbols(others, 1000);
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 3, .threads = 1 });
    reel_cell cell = reel_gru(t, "cell", SYMBOLS, UNITS, (reel_gru_options){ 0 });
    reel_layer out = reel_dense(t, "out", UNITS, SYMBOLS, (reel_dense_options){ 0 });
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 0.01 });
    for (int i = 0; i < 150; i++) {
        reel_rewind(t);
        reel_var x = reel_one_hot(reel_indices(t, REEL_SHAPE(LENGTH, 1), symbols), SYMBOLS);
        reel_var y = reel_apply(out, reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs);
        reel_var targets = reel_indices(t, REEL_SHAPE(LENGTH, 1), symbols + 1);
        reel_backward(reel_cross_entropy(y, targets));
        reel_optimizer_step(adam);
    }
    reel_recorded step;
    reel_record_step(t, cell, 1, SYMBOLS, out, &step);
    double loss[2];
    for (int int8 = 0; int8 < 2; int8++) {
        reel_frozen *f = reel_freeze(t, step, (reel_freeze_options){ .int8 = int8 });
        cr_assert(f, "%s", reel_tape_error(t));
        loss[int8] = loss_of(f, others, 1000);
        reel_frozen_free(f);
    }
    reel_tape_free(t);
    cr_expect(loss[0] < 0.4, "%g is learnt", loss[0]);
    cr_expect(fabs(loss[1] - loss[0]) < 0.01 * loss[0], "%g, with int8 %g", loss[0], loss[1]);
}
