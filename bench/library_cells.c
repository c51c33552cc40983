/* library_cells.c: the cells of layers/cells.h, and variants of layers/layers.h's, by name. Their likes
 * in PyTorch are in peers/torch_library_cells.py. */
#include "cells.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { HEADS = 4, PLACES = 16 }; /* of mLSTM; of a line that ConvLSTM runs over */

#define MAKE(function, cell_of, ...)                                                               \
    static void function(bench_model *m)                                                           \
    {                                                                                              \
        m->cell = cell_of(m->tape, "cell", m->in, m->hidden, (cell_of##_options){ __VA_ARGS__ });  \
    }

MAKE(make_peephole, reel_lstm, .peephole = true)
MAKE(make_norm_lstm, reel_lstm, .layer_norm = true)
MAKE(make_norm_gru, reel_gru, .layer_norm = true, .reset_after = true)
MAKE(make_coupled, reel_coupled_lstm, 0)
MAKE(make_multiplicative, reel_multiplicative_lstm, 0)
MAKE(make_phased, reel_phased_lstm, 0)
MAKE(make_slstm, reel_slstm, 0)
MAKE(make_mlstm, reel_mlstm, .heads = HEADS)
MAKE(make_mgu, reel_mgu, 0)
MAKE(make_indrnn, reel_indrnn, 0)
MAKE(make_clockwork, reel_clockwork, 0)
MAKE(make_sru, reel_sru, .linear = true)
MAKE(make_qrnn, reel_qrnn, 0)
MAKE(make_mingru, reel_mingru, 0)
MAKE(make_minlstm, reel_minlstm, 0)
MAKE(make_lru, reel_lru, 0)

static void make_projected(bench_model *m)
{
    reel_lstm_options half = { .projection = m->hidden / 2 };
    m->cell = reel_lstm(m->tape, "cell", m->in, m->hidden, half);
}

/* The inputs and hidden units of the row are those of all places together. */
static void make_conv(bench_model *m)
{
    reel_conv_lstm_options line = { .width = PLACES };
    m->cell = reel_conv_lstm(m->tape, "cell", m->in / PLACES, m->hidden / PLACES, line);
}

static reel_tree_cell *tree_of(bench_model *m)
{
    return m->cell.self;
}

/* A binary tree of as many nodes as there are steps, filled from the root down. */
static reel_var run_tree(bench_model *m, reel_var x)
{
    int32_t nodes = (int32_t)reel_shape_of(x).dim[0];
    int32_t *parent = bench_allocate((size_t)nodes * sizeof *parent);
    for (int32_t i = 0; i < nodes; i++) {
        parent[i] = i == nodes - 1 ? -1 : nodes - 1 - (nodes - 2 - i) / 2;
    }
    reel_tree_state all = reel_tree_fold(*tree_of(m), x, parent);
    free(parent);
    return all.h;
}

static void make_tree(bench_model *m)
{
    reel_tree_cell *tree = bench_allocate(sizeof *tree);
    *tree = reel_tree_lstm(m->tape, "cell", m->in, m->hidden, (reel_tree_lstm_options){ 0 });
    m->cell.self = tree;
    m->run = run_tree;
}

static reel_var run_parallel(bench_model *m, reel_var x)
{
    return reel_unroll_parallel(m->cell, x, (reel_unroll_options){ 0 }).outputs;
}

/* How many [in, hidden] and [hidden, hidden] products a row needs in a step. */
static const struct {
    const char *name;
    void (*make)(bench_model *);
    double from_input, from_state;
    bool parallel;
} table[] = {
    { "peephole-lstm", make_peephole, 4, 4 }, { "projected-lstm", make_projected, 4, 2.5 },
    { "norm-lstm", make_norm_lstm, 4, 4 },    { "norm-gru", make_norm_gru, 3, 3 },
    { "coupled-lstm", make_coupled, 3, 3 },   { "multiplicative-lstm", make_multiplicative, 5, 5 },
    { "phased-lstm", make_phased, 4, 4 },     { "slstm", make_slstm, 4, 4 },
    { "mlstm", make_mlstm, 4, 0.75 },         { "mgu", make_mgu, 2, 2 },
    { "indrnn", make_indrnn, 1, 0 },          { "clockwork", make_clockwork, 1, 0.625 },
    { "conv-lstm", make_conv, 0.75, 0.75 },   { "tree-lstm", make_tree, 4, 5 },
    { "sru", make_sru, 3, 0, true },          { "qrnn", make_qrnn, 6, 0, true },
    { "mingru", make_mingru, 2, 0, true },    { "minlstm", make_minlstm, 3, 0, true },
    { "lru", make_lru, 3, 2, true },
};

bool bench_library_cell_make(const char *name, bench_model *m)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) == 0) {
            m->products = (double)m->hidden * (table[i].from_input * (double)m->in +
                                               table[i].from_state * (double)m->hidden);
            m->run = table[i].parallel ? run_parallel : m->run;
            table[i].make(m);
            bench_refill(m);
            return true;
        }
    }
    return false;
}
