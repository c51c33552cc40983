/* planner_cells.c: every cell of layers.h under every choice of passes, in every way of unrolling, first
 * and second derivatives: planned against eager. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/tape.h"
#include "reel.h"

enum { STEPS = 7, BATCH = 3, IN = 4, HIDDEN = 5, CLASSES = 6 };

/* ---- cells ----------------------------------------------------------------------------------- */

static reel_cell rnn(reel_tape *t, const char *name, int64_t in)
{
    return reel_rnn(t, name, in, HIDDEN, (reel_rnn_options){ 0 });
}

static reel_cell rnn_elu(reel_tape *t, const char *name, int64_t in)
{
    return reel_rnn(t, name, in, HIDDEN, (reel_rnn_options){ .activation = REEL_ELU });
}

static reel_cell lstm(reel_tape *t, const char *name, int64_t in)
{
    return reel_lstm(t, name, in, HIDDEN, (reel_lstm_options){ 0 });
}

static reel_cell lstm_peephole(reel_tape *t, const char *name, int64_t in)
{
    return reel_lstm(t, name, in, HIDDEN, (reel_lstm_options){ .peephole = true });
}

static reel_cell lstm_norm(reel_tape *t, const char *name, int64_t in)
{
    return reel_lstm(t, name, in, HIDDEN,
                     (reel_lstm_options){ .layer_norm = true, .epsilon = 0.1 });
}

static reel_cell lstm_projection(reel_tape *t, const char *name, int64_t in)
{
    return reel_lstm(t, name, in, HIDDEN, (reel_lstm_options){ .projection = 3, .peephole = true });
}

static reel_cell gru(reel_tape *t, const char *name, int64_t in)
{
    return reel_gru(t, name, in, HIDDEN, (reel_gru_options){ 0 });
}

static reel_cell gru_after(reel_tape *t, const char *name, int64_t in)
{
    return reel_gru(t, name, in, HIDDEN, (reel_gru_options){ .reset_after = true });
}

/* The tutorials' LSTM: four gates, each a product with [h, x]. */
typedef struct {
    reel_var W[4], b[4];
} naive_lstm;

static reel_var naive_step(void *self, reel_var x, reel_var state[])
{
    naive_lstm *c = self;
    reel_var hx = reel_concat(-1, state[0], x), gate[4];
    for (int k = 0; k < 4; k++) {
        gate[k] = reel_affine(hx, c->W[k], c->b[k]);
    }
    reel_var kept = reel_mul(reel_sigmoid(gate[0]), state[1]);
    state[1] = reel_add(kept, reel_mul(reel_sigmoid(gate[1]), reel_tanh(gate[2])));
    return state[0] = reel_mul(reel_sigmoid(gate[3]), reel_tanh(state[1]));
}

static reel_cell naive(reel_tape *t, const char *name, int64_t in)
{
    naive_lstm *c = reel__tape_store(t, sizeof *c);
    for (int k = 0; k < 4; k++) {
        char label[64];
        snprintf(label, sizeof label, "%s.W%d", name, k);
        c->W[k] = reel_param(t, label, REEL_SHAPE(HIDDEN + in, HIDDEN), reel_glorot());
        snprintf(label, sizeof label, "%s.b%d", name, k);
        c->b[k] = reel_param(t, label, REEL_SHAPE(HIDDEN), reel_zeros());
    }
    return (reel_cell){ .self = c, .step = naive_step, .states = 2, .width = { HIDDEN, HIDDEN } };
}

static const struct {
    const char *name;
    reel_cell (*make)(reel_tape *, const char *name, int64_t in);
} cells[] = {
    { "rnn", rnn },
    { "rnn with elu", rnn_elu },
    { "lstm", lstm },
    { "lstm with peepholes", lstm_peephole },
    { "lstm with layer norm", lstm_norm },
    { "lstm with projection", lstm_projection },
    { "gru", gru },
    { "gru, reset after", gru_after },
    { "naive lstm", naive },
};
enum { CELLS = sizeof cells / sizeof cells[0] };

/* ---- architectures --------------------------------------------------------------------------- */

typedef struct {
    reel_tape *t;
    reel_cell cell[2]; /* of IN and of HIDDEN columns */
    int64_t width;     /* of a cell's output */
    reel_var x;
} model;

static reel_var plain(const model *m)
{
    return reel_unroll(m->cell[0], m->x, (reel_unroll_options){ 0 }).outputs;
}

static reel_var with_lengths(const model *m)
{
    const int32_t lengths[BATCH] = { 5, 0, STEPS };
    reel_rollout r = reel_unroll(m->cell[0], m->x,
                                 (reel_unroll_options){ .lengths = lengths, .all_states = true });
    return reel_add(r.outputs, reel_mean_all(r.states[0]));
}

static reel_var with_resets(const model *m)
{
    const double resets[STEPS * BATCH] = { 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0 };
    reel_var v = reel_input_f64(m->t, REEL_SHAPE(STEPS, BATCH), resets);
    reel_rollout r = reel_unroll(m->cell[0], m->x, (reel_unroll_options){ .resets = v });
    return reel_mul(r.outputs, reel_tanh(r.state[0]));
}

static reel_var both_directions(const model *m)
{
    reel_var there = reel_unroll(m->cell[0], m->x, (reel_unroll_options){ 0 }).outputs;
    reel_var back = reel_unroll(m->cell[0], m->x, (reel_unroll_options){ .reverse = true }).outputs;
    return reel_mul(there, back);
}

static reel_var stacked(const model *m)
{
    reel_var below = reel_unroll(m->cell[0], m->x, (reel_unroll_options){ 0 }).outputs;
    below = reel_dropout(below, 0.3);
    return reel_unroll(m->cell[1], below, (reel_unroll_options){ .reverse = true }).outputs;
}

/* Encoder and decoder: the second starts in the first's last state. */
static reel_var handed_over(const model *m)
{
    reel_rollout first = reel_unroll(m->cell[0], m->x, (reel_unroll_options){ 0 });
    reel_unroll_options options = { 0 };
    for (int k = 0; k < m->cell[0].states; k++) {
        options.initial[k] = first.state[k];
    }
    return reel_unroll(m->cell[0], reel_flip(m->x, 0), options).outputs;
}

static const struct {
    const char *name;
    reel_var (*outputs)(const model *);
} architectures[] = {
    { "plain", plain },
    { "with lengths", with_lengths },
    { "with resets", with_resets },
    { "in both directions", both_directions },
    { "stacked", stacked },
    { "handed over", handed_over },
};
enum { ARCHITECTURES = sizeof architectures / sizeof architectures[0] };

/* ---- one training step ----------------------------------------------------------------------- */

typedef struct {
    size_t n;
    double at[4096];
} gradients;

static model make_model(reel_tape *t, int cell)
{
    model m = { .t = t };
    reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_normal(0, 1));
    m.cell[0] = cells[cell].make(t, "first", IN);
    m.width = strcmp(cells[cell].name, "lstm with projection") == 0 ? 3 : HIDDEN;
    m.cell[1] = cells[cell].make(t, "second", m.width);
    reel_param(t, "out", REEL_SHAPE(m.width, CLASSES), reel_glorot());
    return m;
}

/* Loss, and gradients one behind the other; `order` 2 puts the gradient of x into the loss. */
static double train(model *m, int architecture, int order, gradients *out)
{
    static const int32_t targets[STEPS * BATCH] = { 1, 0, 5, 2, 3, 4, 0, 0, 1, 2, 2, 3, 5, 4 };
    reel_tape *t = m->t;
    reel_rewind(t);
    reel_zero_grad(t);
    m->x = reel_find_param(t, "x");
    reel_var logits =
        reel_matmul(architectures[architecture].outputs(m), reel_find_param(t, "out"));
    reel_var loss = reel_cross_entropy(logits, reel_indices(t, REEL_SHAPE(STEPS, BATCH), targets));
    if (order == 2) {
        loss = reel_add(loss, reel_mean_all(reel_square(reel_gradient(loss, m->x))));
    }
    reel_backward(loss);
    out->n = 0;
    for (size_t k = 0; k < reel_param_count(t); k++) {
        size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, k)));
        cr_assert_leq(out->n + n, sizeof out->at / sizeof out->at[0]);
        reel_read_grad_f64(reel_param_at(t, k), out->at + out->n, n);
        out->n += n;
    }
    return reel_item(loss);
}

static reel_tape *new_tape(const char *plan, bool eager)
{
    return reel_tape_new((reel_tape_options){
        .dtype = REEL_F64, .seed = 9, .threads = 1, .plan = plan, .eager = eager });
}

static void expect_alike(int cell, int architecture, int order, const char *plan)
{
    reel_tape *tape[2] = { new_tape(plan, false), new_tape(NULL, true) };
    gradients got, expected;
    model m[2] = { make_model(tape[0], cell), make_model(tape[1], cell) };
    double worst = 0;
    for (int again = 0; again < 2; again++) {
        double a = train(&m[0], architecture, order, &got);
        double b = train(&m[1], architecture, order, &expected);
        worst = fmax(worst, fabs(a - b));
        for (size_t i = 0; i < expected.n; i++) {
            worst = fmax(worst, fabs(got.at[i] - expected.at[i]));
        }
    }
    cr_expect_leq(worst, 1e-12, "%s, %s, order %d, plan \"%s\": off by %g", cells[cell].name,
                  architectures[architecture].name, order, plan ? plan : "", worst);
    cr_expect_str_eq(reel_tape_error(tape[0]), "", "%s, %s: %s", cells[cell].name,
                     architectures[architecture].name, reel_tape_error(tape[0]));
    cr_expect_str_eq(reel_tape_error(tape[1]), "");
    reel_tape_free(tape[0]);
    reel_tape_free(tape[1]);
}

static struct criterion_test_params every_cell(void)
{
    static int numbers[CELLS];
    for (int i = 0; i < CELLS; i++) {
        numbers[i] = i;
    }
    return cr_make_param_array(int, numbers, CELLS);
}

ParameterizedTestParameters(planner_cells, train_alike_whatever_the_passes)
{
    return every_cell();
}

ParameterizedTest(int *cell, planner_cells, train_alike_whatever_the_passes, .timeout = 280)
{
    static const char *const plans[] = { NULL, "-roll", "-split", "-hoist", "-sink", "-all" };
    for (int architecture = 0; architecture < ARCHITECTURES; architecture++) {
        for (size_t k = 0; k < sizeof plans / sizeof plans[0]; k++) {
            expect_alike(*cell, architecture, 1, plans[k]);
        }
        expect_alike(*cell, architecture, 2, NULL);
    }
}

/* ---- updates --------------------------------------------------------------------------------- */

/* Weights change under what a plan keeps about them. */
ParameterizedTestParameters(planner_cells, reach_the_same_weights)
{
    return every_cell();
}

ParameterizedTest(int *cell, planner_cells, reach_the_same_weights, .timeout = 280)
{
    enum { UPDATES = 8 };
    reel_tape *tape[2] = { new_tape(NULL, false), new_tape(NULL, true) };
    double loss[2];
    for (int i = 0; i < 2; i++) {
        model m = make_model(tape[i], *cell);
        reel_optimizer *sgd = reel_sgd(tape[i], (reel_sgd_options){ .lr = 0.1, .momentum = 0.5 });
        gradients ignored;
        for (int k = 0; k < UPDATES; k++) {
            loss[i] = train(&m, k % ARCHITECTURES, 1, &ignored);
            reel_optimizer_step(sgd);
        }
    }
    cr_expect_float_eq(loss[0], loss[1], 1e-11, "%s: %.17g planned, %.17g eager", cells[*cell].name,
                       loss[0], loss[1]);
    for (int i = 0; i < 2; i++) {
        cr_expect_str_eq(reel_tape_error(tape[i]), "");
        reel_tape_free(tape[i]);
    }
}
