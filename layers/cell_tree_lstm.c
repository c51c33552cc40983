/* cell_tree_lstm.c: the child-sum tree LSTM. The shape of the tree is the program's control
 * flow. */
#include "gates.h"

typedef struct {
    reel__gates gates;
    int64_t hidden;
} tree_lstm;

static reel_var columns(const tree_lstm *c, reel_var v, int64_t first, int64_t last)
{
    return reel_slice(v, -1, first * c->hidden, last * c->hidden);
}

/* σ(f) of one child; from_x [batch, hidden] is the node's own part. */
static reel_var forget(const tree_lstm *c, reel_var from_x, reel_var h)
{
    return reel_sigmoid(reel_add(from_x, reel_matmul(h, columns(c, c->gates.W_h, 1, 2))));
}

static reel_tree_state node(void *self, reel_var x, int children, const reel_tree_state child[])
{
    const tree_lstm *c = self;
    reel_var z = reel_affine(x, c->gates.W_x, c->gates.b), i = columns(c, z, 0, 1);
    reel_var g_o = columns(c, z, 2, 4), kept = { 0 }, h = { 0 };
    for (int k = 0; k < children; k++) {
        reel_var part = reel_mul(forget(c, columns(c, z, 1, 2), child[k].h), child[k].c);
        h = k ? reel_add(h, child[k].h) : child[k].h;
        kept = k ? reel_add(kept, part) : part;
    }
    if (children > 0) {
        i = reel_add(i, reel_matmul(h, columns(c, c->gates.W_h, 0, 1)));
        g_o = reel_add(g_o, reel_matmul(h, columns(c, c->gates.W_h, 2, 4)));
    }
    reel_tree_state out = { .c = reel_mul(reel_sigmoid(i), reel_tanh(columns(c, g_o, 0, 1))) };
    out.c = children > 0 ? reel_add(out.c, kept) : out.c;
    out.h = reel_mul(reel_sigmoid(columns(c, g_o, 1, 2)), reel_tanh(out.c));
    return out;
}

reel_tree_cell reel_tree_lstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                              reel_tree_lstm_options options)
{
    tree_lstm *c = reel__cell_self(tape, "tree_lstm", in, hidden, sizeof *c);
    if (!c) {
        return (reel_tree_cell){ 0 };
    }
    reel_init b = reel__block_init(4, 1, reel__option(options.forget_bias, 1));
    *c = (tree_lstm){ reel__gate_params(tape, name, in, hidden, 4, b), hidden };
    return (reel_tree_cell){ .self = c, .hidden = hidden, .node = node };
}
