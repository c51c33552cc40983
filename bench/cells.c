/* cells.c: the cells. Parameters start as bench_fill makes them, some around another number than 0. */
#include "cells.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

/* peers/common.py has the same. */
static const struct {
    const char *name;
    float around;
} centres[] = {
    { "gain", 1 },   { "gain_x", 1 }, { "gain_h", 1 },
    { "gain_c", 1 }, { "period", 3 }, { "open", 0.3F },
};

static void fill(const bench_model *m, const char *name, reel_var v)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    float *numbers = bench_allocate(n * sizeof *numbers);
    bench_fill(name, bench_scale(name, m->hidden), n, numbers);
    for (size_t k = 0; k < sizeof centres / sizeof centres[0]; k++) {
        for (size_t i = 0; strcmp(name, centres[k].name) == 0 && i < n; i++) {
            numbers[i] += centres[k].around;
        }
    }
    reel_write_param(v, numbers, n);
    free(numbers);
}

static reel_var parameter(bench_model *m, const char *name, reel_shape shape)
{
    reel_var v = reel_param(m->tape, name, shape, reel_zeros());
    fill(m, name, v);
    return v;
}

/* ---- the library's ------------------------------------------------------------------------- */

void bench_refill(bench_model *m)
{
    for (size_t k = 0; k < reel_param_count(m->tape); k++) {
        reel_var v = reel_param_at(m->tape, k);
        const char *name = strchr(reel_param_name(v), '.');
        if (name) {
            fill(m, name + 1, v);
        }
    }
}

static void make_lstm(bench_model *m)
{
    m->cell = reel_lstm(m->tape, "cell", m->in, m->hidden, (reel_lstm_options){ 0 });
    bench_refill(m);
}

static void make_gru(bench_model *m)
{
    m->cell =
        reel_gru(m->tape, "cell", m->in, m->hidden, (reel_gru_options){ .reset_after = true });
    bench_refill(m);
}

static void make_rnn(bench_model *m)
{
    m->cell = reel_rnn(m->tape, "cell", m->in, m->hidden, (reel_rnn_options){ 0 });
    bench_refill(m);
}

/* ---- the LSTM of every tutorial: four gates, each its own product of [h, x] ------------------ */

static reel_var naive_step(void *self, reel_var x, reel_var state[])
{
    const bench_model *m = self;
    const reel_var *W = m->p, *b = m->p + 4;
    reel_var hx = reel_concat(-1, state[0], x);
    reel_var i = reel_sigmoid(reel_affine(hx, W[0], b[0]));
    reel_var f = reel_sigmoid(reel_affine(hx, W[1], b[1]));
    reel_var g = reel_tanh(reel_affine(hx, W[2], b[2]));
    reel_var o = reel_sigmoid(reel_affine(hx, W[3], b[3]));
    state[1] = reel_add(reel_mul(f, state[1]), reel_mul(i, g));
    return state[0] = reel_mul(o, reel_tanh(state[1]));
}

/* Copies gate k of the merged [rows, 4·hidden] to [rows, hidden]. */
static void copy_gate(const float *merged, int64_t rows, int64_t hidden, int k, float *out)
{
    for (int64_t r = 0; r < rows; r++) {
        memcpy(out + r * hidden, merged + (r * 4 + k) * hidden, (size_t)hidden * sizeof *out);
    }
}

/* The numbers are those of the merged form. */
static void make_naive(bench_model *m)
{
    static const char *const names[8] = { "W_i", "W_f", "W_g", "W_o", "b_i", "b_f", "b_g", "b_o" };
    int64_t H = m->hidden, I = m->in;
    float *W_x = bench_allocate((size_t)(I * 4 * H) * sizeof(float));
    float *W_h = bench_allocate((size_t)(H * 4 * H) * sizeof(float));
    float *b = bench_allocate((size_t)(4 * H) * sizeof(float));
    float *W = bench_allocate((size_t)((H + I) * H) * sizeof(float));
    bench_fill("W_x", bench_scale("W_x", H), (size_t)(I * 4 * H), W_x);
    bench_fill("W_h", bench_scale("W_h", H), (size_t)(H * 4 * H), W_h);
    bench_fill("b", bench_scale("b", H), (size_t)(4 * H), b);
    for (int k = 0; k < 4; k++) {
        m->p[k] = reel_param(m->tape, names[k], REEL_SHAPE(H + I, H), reel_zeros());
        m->p[4 + k] = reel_param(m->tape, names[4 + k], REEL_SHAPE(H), reel_zeros());
        copy_gate(W_h, H, H, k, W);
        copy_gate(W_x, I, H, k, W + H * H);
        reel_write_param(m->p[k], W, (size_t)((H + I) * H));
        reel_write_param(m->p[4 + k], b + k * H, (size_t)H);
    }
    free(W_x);
    free(W_h);
    free(b);
    free(W);
    m->cell = (reel_cell){ .self = m, .step = naive_step, .states = 2, .width = { H, H } };
}

/* ---- an LSTM in a plain loop: no unroll, no marks, h and c are C variables ------------------- */

enum { W_X, W_H, B, GAIN, P_I = GAIN, P_F, P_O, W_Q, W_A, MEMORY };

static void make_weights(bench_model *m, int64_t gates)
{
    int64_t wide = gates * m->hidden;
    m->p[W_X] = parameter(m, "W_x", REEL_SHAPE(m->in, wide));
    m->p[W_H] = parameter(m, "W_h", REEL_SHAPE(m->hidden, wide));
    m->p[B] = parameter(m, "b", REEL_SHAPE(wide));
}

static reel_var run_loop(bench_model *m, reel_var x)
{
    int64_t steps = reel_shape_of(x).dim[0];
    reel_var *outputs = bench_allocate((size_t)steps * sizeof *outputs);
    reel_var h = reel_fill(m->tape, REEL_SHAPE(m->batch, m->hidden), 0), c = h;
    for (int64_t t = 0; t < steps; t++) {
        reel_var z[4];
        reel_var from_x = reel_affine(reel_at(x, t), m->p[W_X], m->p[B]);
        reel_split(reel_add(from_x, reel_matmul(h, m->p[W_H])), -1, 4, z);
        c = reel_add(reel_mul(reel_sigmoid(z[1]), c),
                     reel_mul(reel_sigmoid(z[0]), reel_tanh(z[2])));
        h = reel_mul(reel_sigmoid(z[3]), reel_tanh(c));
        outputs[t] = h;
    }
    reel_var stacked = reel_stack_n(0, (int)steps, outputs);
    free(outputs);
    return stacked;
}

static void make_loop(bench_model *m)
{
    make_weights(m, 4);
    m->run = run_loop;
}

/* ---- peephole LSTM (Gers & Schmidhuber 2000) ------------------------------------------------- */

static reel_var peephole_step(void *self, reel_var x, reel_var state[])
{
    const bench_model *m = self;
    reel_var c = state[1], z[4];
    reel_var from_x = reel_affine(x, m->p[W_X], m->p[B]);
    reel_split(reel_add(from_x, reel_matmul(state[0], m->p[W_H])), -1, 4, z);
    reel_var i = reel_sigmoid(reel_add(z[0], reel_mul(c, m->p[P_I])));
    reel_var f = reel_sigmoid(reel_add(z[1], reel_mul(c, m->p[P_F])));
    c = reel_add(reel_mul(f, c), reel_mul(i, reel_tanh(z[2])));
    reel_var o = reel_sigmoid(reel_add(z[3], reel_mul(c, m->p[P_O])));
    state[1] = c;
    return state[0] = reel_mul(o, reel_tanh(c));
}

static void make_peephole(bench_model *m)
{
    make_weights(m, 4);
    m->p[P_I] = parameter(m, "p_i", REEL_SHAPE(m->hidden));
    m->p[P_F] = parameter(m, "p_f", REEL_SHAPE(m->hidden));
    m->p[P_O] = parameter(m, "p_o", REEL_SHAPE(m->hidden));
    m->cell = (reel_cell){
        .self = m, .step = peephole_step, .states = 2, .width = { m->hidden, m->hidden }
    };
}

/* ---- LSTM with layer norm on the gates (after Ba et al. 2016) -------------------------------- */

static reel_var norm_step(void *self, reel_var x, reel_var state[])
{
    const bench_model *m = self;
    reel_var z[4];
    reel_var sum = reel_add(reel_matmul(x, m->p[W_X]), reel_matmul(state[0], m->p[W_H]));
    reel_split(reel_layer_norm(sum, m->p[GAIN], m->p[B], 0), -1, 4, z);
    state[1] = reel_add(reel_mul(reel_sigmoid(z[1]), state[1]),
                        reel_mul(reel_sigmoid(z[0]), reel_tanh(z[2])));
    return state[0] = reel_mul(reel_sigmoid(z[3]), reel_tanh(state[1]));
}

static void make_norm(bench_model *m)
{
    make_weights(m, 4);
    m->p[GAIN] = parameter(m, "gain", REEL_SHAPE(4 * m->hidden));
    m->cell =
        (reel_cell){ .self = m, .step = norm_step, .states = 2, .width = { m->hidden, m->hidden } };
}

/* ---- minimal gated unit (Zhou et al. 2016) --------------------------------------------------- */

enum { U_F = W_H, U_N = W_Q };

static reel_var minimal_step(void *self, reel_var x, reel_var state[])
{
    const bench_model *m = self;
    reel_var h = state[0], from_x[2];
    reel_split(reel_affine(x, m->p[W_X], m->p[B]), -1, 2, from_x);
    reel_var f = reel_sigmoid(reel_add(from_x[0], reel_matmul(h, m->p[U_F])));
    reel_var n = reel_tanh(reel_add(from_x[1], reel_matmul(reel_mul(f, h), m->p[U_N])));
    return state[0] = reel_add(h, reel_mul(f, reel_sub(n, h)));
}

static void make_minimal(bench_model *m)
{
    int64_t H = m->hidden;
    m->p[W_X] = parameter(m, "W_x", REEL_SHAPE(m->in, 2 * H));
    m->p[B] = parameter(m, "b", REEL_SHAPE(2 * H));
    m->p[U_F] = parameter(m, "U_f", REEL_SHAPE(H, H));
    m->p[U_N] = parameter(m, "U_n", REEL_SHAPE(H, H));
    m->cell = (reel_cell){ .self = m, .step = minimal_step, .states = 1, .width = { H } };
}

/* ---- LSTM that attends to a memory outside, [batch, slots, width] (Luong et al. 2015) -------- */

static reel_var attention_step(void *self, reel_var x, reel_var state[])
{
    const bench_model *m = self;
    int64_t H = m->hidden;
    reel_var z[4], memory = m->p[MEMORY];
    reel_var query = reel_reshape(reel_matmul(state[0], m->p[W_Q]), REEL_SHAPE(m->batch, H, 1));
    reel_var weights = reel_softmax(reel_matmul(memory, query), 1); /* [batch, slots, 1] */
    reel_var context =
        reel_reshape(reel_matmul(reel_transpose(weights, 1, 2), memory), REEL_SHAPE(m->batch, H));
    reel_var from_x = reel_affine(x, m->p[W_X], m->p[B]);
    reel_var from_state =
        reel_add(reel_matmul(state[0], m->p[W_H]), reel_matmul(context, m->p[W_A]));
    reel_split(reel_add(from_x, from_state), -1, 4, z);
    state[1] = reel_add(reel_mul(reel_sigmoid(z[1]), state[1]),
                        reel_mul(reel_sigmoid(z[0]), reel_tanh(z[2])));
    return state[0] = reel_mul(reel_sigmoid(z[3]), reel_tanh(state[1]));
}

static void make_attention(bench_model *m)
{
    int64_t H = m->hidden;
    make_weights(m, 4);
    m->p[W_Q] = parameter(m, "W_q", REEL_SHAPE(H, H));
    m->p[W_A] = parameter(m, "W_a", REEL_SHAPE(H, 4 * H));
    m->p[MEMORY] = parameter(m, "memory", REEL_SHAPE(m->batch, BENCH_SLOTS, H));
    m->cell = (reel_cell){ .self = m, .step = attention_step, .states = 2, .width = { H, H } };
}

/* ---- structure around a plain LSTM ----------------------------------------------------------- */

static reel_var run_both_ways(bench_model *m, reel_var x)
{
    return reel_bidirectional(m->cell, m->second, x, (reel_bidirectional_options){ 0 }).outputs;
}

static void make_both_ways(bench_model *m)
{
    make_lstm(m);
    m->second = reel_lstm(m->tape, "second", m->in, m->hidden, (reel_lstm_options){ 0 });
    bench_refill(m);
    m->run = run_both_ways;
}

static reel_var run_layers(bench_model *m, reel_var x)
{
    const reel_recurrent_layer layer[2] = { { .cell = m->cell }, { .cell = m->second } };
    return reel_unroll_layers(2, layer, x, (reel_unroll_layers_options){ 0 }, NULL);
}

/* As many inputs as hidden units, or the second layer would not fit the products in the table. */
static void make_layers(bench_model *m)
{
    make_lstm(m);
    m->second = reel_lstm(m->tape, "second", m->hidden, m->hidden, (reel_lstm_options){ 0 });
    bench_refill(m);
    m->run = run_layers;
}

/* Rows end one after the other over the last quarter of the steps, so that little is saved. */
static reel_var run_lengths(bench_model *m, reel_var x)
{
    int64_t steps = reel_shape_of(x).dim[0];
    int32_t *lengths = bench_allocate((size_t)m->batch * sizeof *lengths);
    for (int64_t b = 0; b < m->batch; b++) {
        lengths[b] = (int32_t)(steps - steps / 4 * b / m->batch);
    }
    reel_rollout r = reel_unroll(m->cell, x, (reel_unroll_options){ .lengths = lengths });
    free(lengths);
    return r.outputs;
}

static void make_lengths(bench_model *m)
{
    make_lstm(m);
    m->run = run_lengths;
}

static void make_variational(bench_model *m)
{
    reel_dropout_cell_options half = { .state = 0.5, .variational = true };
    make_lstm(m);
    m->cell = reel_dropout_cell(m->tape, m->cell, half);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* How many [in, hidden] and [hidden, hidden] products a row needs in a step, and vectors of the
 * memory. */
static const struct {
    const char *name;
    void (*make)(bench_model *);
    int from_input, from_state, from_memory;
} table[] = {
    { "naive-lstm", make_naive, 4, 4, 0 },
    { "lstm", make_lstm, 4, 4, 0 },
    { "gru", make_gru, 3, 3, 0 },
    { "rnn", make_rnn, 1, 1, 0 },
    { "loop-lstm", make_loop, 4, 4, 0 },
    { "peephole", make_peephole, 4, 4, 0 },
    { "layer-norm", make_norm, 4, 4, 0 },
    { "minimal", make_minimal, 2, 2, 0 },
    { "attention", make_attention, 4, 9, 2 },
    { "bidirectional", make_both_ways, 8, 8, 0 },
    { "two-layers", make_layers, 4, 12, 0 },
    { "lengths", make_lengths, 4, 4, 0 },
    { "variational", make_variational, 4, 4, 0 },
};

static reel_var run_cell(bench_model *m, reel_var x)
{
    return reel_unroll(m->cell, x, (reel_unroll_options){ 0 }).outputs;
}

bool bench_cell_make(const char *name, bench_model *m)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) == 0) {
            m->run = run_cell;
            m->products = (double)m->hidden *
                          (double)(table[i].from_input * m->in + table[i].from_state * m->hidden +
                                   table[i].from_memory * BENCH_SLOTS);
            table[i].make(m);
            return true;
        }
    }
    m->run = run_cell;
    bool found = bench_library_cell_make(name, m);
    if (!found) {
        fprintf(stderr, "there is no cell called %s\n", name);
    }
    return found;
}

reel_var bench_cell_run(bench_model *m, reel_var x)
{
    return m->run(m, x);
}
