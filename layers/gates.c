/* gates.c: what cells with gates share. */
#include "gates.h"

void *reel__cell_self(reel_tape *tape, const char *cell, int64_t in, int64_t hidden, size_t bytes)
{
    bool good =
        reel__check_size(tape, cell, "in", in) && reel__check_size(tape, cell, "hidden", hidden);
    return good ? reel__layer_self(tape, bytes) : NULL;
}

static bool fill_block(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    (void)key;
    int64_t n = reel_shape_size(shape), block = n / init->blocks;
    for (int64_t k = 0; k < n; k++) {
        out[k] = k / block == (int64_t)init->b ? init->a : 0;
    }
    return true;
}

reel_init reel__block_init(int blocks, int which, double value)
{
    return (reel_init){ .fill = fill_block, .a = value, .b = which, .blocks = blocks };
}

reel__gates reel__gate_params(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                              int gates, reel_init b)
{
    int64_t wide = gates * hidden;
    reel_init recurrent = reel_init_blocks(reel_orthogonal(1), gates);
    return (reel__gates){
        .W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, wide), reel_glorot()),
        .W_h = reel__layer_param(tape, name, "W_h", REEL_SHAPE(hidden, wide), recurrent),
        .b = reel__layer_param(tape, name, "b", REEL_SHAPE(wide), b),
    };
}

reel_var reel__gate_sum(const reel__gates *g, reel_var x, reel_var h)
{
    return reel_add(reel_affine(x, g->W_x, g->b), reel_matmul(h, reel_probe(g->W_h, "W_h")));
}

reel_var reel__peep(reel_var gate, reel_var W_c, reel_var c, int64_t which)
{
    if (reel__is_absent(W_c)) {
        return gate;
    }
    reel_shape shape = reel_shape_of(c);
    int64_t width = shape.rank > 0 ? shape.dim[shape.rank - 1] : 0; /* c may be poisoned */
    return reel_add(gate, reel_mul(c, reel_slice(W_c, -1, which * width, (which + 1) * width)));
}

reel_var reel__lstm_update(reel_var z, reel_var W_c, reel_var *c)
{
    reel_var gate[4] = { z, z, z, z }, old = *c;
    reel_split(z, -1, 4, gate);
    reel_var i = reel_sigmoid(reel__peep(gate[0], W_c, old, 0));
    reel_var f = reel_sigmoid(reel__peep(gate[1], W_c, old, 1));
    *c = reel_add(reel_mul(f, old), reel_mul(i, reel_tanh(gate[2])));
    return reel_mul(reel_sigmoid(reel__peep(gate[3], W_c, *c, 2)), reel_tanh(*c));
}
