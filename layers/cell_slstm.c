/* cell_slstm.c: xLSTM's cell with scalar memories. */
#include "gates.h"

enum { GATES = 4, MOST_HEADS = 64 };
enum { H, C, N, M }; /* states */

typedef struct {
    reel__gates gates; /* W_h [hidden, 4·hidden/heads], one head's rows below another's */
    int heads;
    int64_t hidden;
    bool exponential_forget;
} slstm;

/* h·W_h for each head alone: own[k] is [batch, 4·hidden/heads]. Then gate by gate all heads. */
static void add_heads(const slstm *c, reel_var h, reel_var z[])
{
    int64_t d = c->hidden / c->heads;
    reel_var W_h = reel_probe(c->gates.W_h, "W_h"), own[MOST_HEADS], part[MOST_HEADS];
    for (int k = 0; k < c->heads; k++) {
        own[k] = reel_matmul(reel_slice(h, -1, k * d, (k + 1) * d),
                             reel_slice(W_h, 0, k * d, (k + 1) * d));
    }
    for (int gate = 0; gate < GATES; gate++) {
        for (int k = 0; k < c->heads; k++) {
            part[k] = reel_slice(own[k], -1, gate * d, (gate + 1) * d);
        }
        z[gate] = reel_add(z[gate], reel_concat_n(-1, c->heads, part));
    }
}

static void preactivations(const slstm *c, reel_var x, reel_var h, reel_var z[])
{
    if (c->heads == 1) {
        reel_split(reel__gate_sum(&c->gates, x, h), -1, GATES, z);
        return;
    }
    reel_split(reel_affine(x, c->gates.W_x, c->gates.b), -1, GATES, z);
    add_heads(c, h, z);
}

static reel_var log_forget(const slstm *c, reel_var f)
{
    return c->exponential_forget ? f : reel_neg(reel_softplus(reel_neg(f)));
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const slstm *c = self;
    reel_var z[GATES] = { x, x, x, x };
    preactivations(c, x, state[H], z);
    reel_var kept = reel_add(log_forget(c, z[1]), state[M]);
    reel_var empty = reel_equal(state[N], reel_scalar(x.tape, 0));
    reel_var m = reel_where(empty, z[0], reel_maximum(kept, z[0]));
    reel_var f = reel_exp(reel_sub(kept, m)), i = reel_exp(reel_sub(z[0], m));
    f = reel_where(empty, reel_scalar(x.tape, 0), f);
    state[C] = reel_add(reel_mul(f, state[C]), reel_mul(i, reel_tanh(z[2])));
    state[N] = reel_add(reel_mul(f, state[N]), i);
    state[M] = m;
    return state[H] = reel_mul(reel_sigmoid(z[3]), reel_div(state[C], state[N]));
}

/* ---- making one ---------------------------------------------------------------------------- */

/* Orthogonal, each gate of each head for itself. */
static bool fill_heads(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    reel_init block = reel_init_blocks(reel_orthogonal(1), GATES);
    int64_t heads = (int64_t)init->a, rows = shape.dim[0] / heads;
    bool filled = true;
    for (int64_t k = 0; k < heads && filled; k++, key.name_hash++) {
        reel_shape own = REEL_SHAPE(rows, shape.dim[1]);
        filled = block.fill(&block, key, own, out + k * rows * shape.dim[1]);
    }
    return filled;
}

static void add_parameters(slstm *c, reel_tape *tape, const char *name, int64_t in,
                           double forget_bias)
{
    int64_t hidden = c->hidden, wide = GATES * hidden;
    reel_init recurrent = { .fill = fill_heads, .a = c->heads };
    reel_init bias = reel__block_init(GATES, 1, reel__option(forget_bias, 1));
    reel_shape W_h = REEL_SHAPE(hidden, wide / c->heads);
    c->gates.W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, wide), reel_glorot());
    c->gates.W_h = reel__layer_param(tape, name, "W_h", W_h, recurrent);
    c->gates.b = reel__layer_param(tape, name, "b", REEL_SHAPE(wide), bias);
}

reel_cell reel_slstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                     reel_slstm_options options)
{
    int64_t heads = options.heads ? options.heads : 1;
    if (heads < 1 || heads > MOST_HEADS || hidden % heads != 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "slstm",
                  "heads is %lld, must divide hidden = %lld and be at most %d", (long long)heads,
                  (long long)hidden, MOST_HEADS);
        return (reel_cell){ 0 };
    }
    slstm *c = reel__cell_self(tape, "slstm", in, hidden, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    *c = (slstm){ .heads = (int)heads,
                  .hidden = hidden,
                  .exponential_forget = options.exponential_forget };
    add_parameters(c, tape, name, in, options.forget_bias);
    return (reel_cell){
        .self = c, .step = step, .states = 4, .width = { hidden, hidden, hidden, hidden }
    };
}
