/* cell_mlstm.c: xLSTM's cell with a matrix for a memory. */
#include <math.h>

#include "gates.h"

typedef struct {
    reel_var W_x, b;
    int64_t hidden, heads;
} mlstm;

enum { C, N, M }; /* states */

/* Columns as [batch, heads, rows, columns] */
static reel_var heads_of(const mlstm *c, reel_var v, int64_t rows, int64_t columns)
{
    return reel_reshape(v, REEL_SHAPE(-1, c->heads, rows, columns));
}

static reel_var flat(reel_var v, int64_t width)
{
    return reel_reshape(v, REEL_SHAPE(-1, width));
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const mlstm *c = self;
    int64_t H = c->hidden, d = H / c->heads;
    reel_var xs = reel_affine(x, c->W_x, c->b), part[4] = { x, x, x, x }, gate[2] = { x, x };
    reel_split(reel_slice(xs, -1, 0, 4 * H), -1, 4, part);
    reel_split(reel_slice(xs, -1, 4 * H, 4 * H + 2 * c->heads), -1, 2, gate);
    reel_var kept = reel_sub(state[M], reel_softplus(reel_neg(gate[1])));
    reel_var m = reel_maximum(kept, gate[0]);
    reel_var f = heads_of(c, reel_exp(reel_sub(kept, m)), 1, 1);
    reel_var i = heads_of(c, reel_exp(reel_sub(gate[0], m)), 1, 1);
    reel_var q = heads_of(c, part[0], 1, d), v = heads_of(c, part[2], 1, d);
    reel_var k = reel_mul(i, reel_scale(heads_of(c, part[1], 1, d), 1 / sqrt((double)d)));
    reel_var memory = reel_mul(f, heads_of(c, state[C], d, d));
    memory = reel_add(memory, reel_mul(reel_reshape(k, REEL_SHAPE(-1, c->heads, d, 1)), v));
    reel_var n = reel_add(reel_mul(f, heads_of(c, state[N], 1, d)), k);
    reel_var weight = reel_abs(reel_sum_keep(reel_mul(q, n), -1));
    weight = reel_maximum(weight, heads_of(c, reel_exp(reel_neg(m)), 1, 1));
    state[C] = flat(memory, H * d);
    state[N] = flat(n, H);
    state[M] = m;
    reel_var read = flat(reel_div(reel_matmul(q, memory), weight), H);
    return reel_mul(reel_sigmoid(part[3]), read);
}

/* b: zero but for the forget gates, `a` columns before the end and as many; from 3 to 6. */
static bool fill_bias(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    (void)key;
    int64_t heads = (int64_t)init->a, first = shape.dim[0] - heads;
    for (int64_t k = 0; k < shape.dim[0]; k++) {
        out[k] =
            k < first ? 0 : 3 + (heads > 1 ? 3.0 * (double)(k - first) / (double)(heads - 1) : 0);
    }
    return true;
}

reel_cell reel_mlstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                     reel_mlstm_options options)
{
    int64_t heads = options.heads ? options.heads : 1;
    if (heads < 1 || hidden % heads != 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "mlstm", "heads is %lld, must divide hidden = %lld",
                  (long long)heads, (long long)hidden);
        return (reel_cell){ 0 };
    }
    mlstm *c = reel__cell_self(tape, "mlstm", in, hidden, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    int64_t wide = 4 * hidden + 2 * heads;
    reel_init bias = { .fill = fill_bias, .a = (double)heads };
    c->hidden = hidden;
    c->heads = heads;
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, wide), reel_glorot());
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(wide), bias);
    return (reel_cell){
        .self = c, .step = step, .states = 3, .width = { hidden * (hidden / heads), hidden, heads }
    };
}
