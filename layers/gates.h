/* gates.h: what cells with gates share. Not installed. */
#ifndef REEL_GATES_H
#define REEL_GATES_H

#include "layer.h"

/* Memory for a cell, its two sizes checked; NULL after an error of `cell`. */
void *reel__cell_self(reel_tape *, const char *cell, int64_t in, int64_t hidden, size_t bytes);

/* NAME.W_x [in, gates·hidden], Glorot; NAME.W_h [hidden, gates·hidden], orthogonal gate by gate;
 * NAME.b [gates·hidden], zero but for one block. */
typedef struct {
    reel_var W_x, W_h, b;
} reel__gates;
reel__gates reel__gate_params(reel_tape *, const char *name, int64_t in, int64_t hidden, int gates,
                              reel_init b);
/* x·W_x + h·W_h + b, W_h going by that name past reel_probe */
reel_var reel__gate_sum(const reel__gates *, reel_var x, reel_var h);

/* A vector of equal blocks: `value` in block `which`, zero elsewhere. */
reel_init reel__block_init(int blocks, int which, double value);

/* gate + c∘p, p being part `which` of the peepholes W_c, parts as wide as c; `gate` where W_c is
 * absent. */
reel_var reel__peep(reel_var gate, reel_var W_c, reel_var c, int64_t which);

/* z's columns i, f, g, o, and c: *c becomes σ(f)∘c + σ(i)∘tanh(g), and σ(o)∘tanh(*c) returns. With
 * peepholes W_c (absent: none) [..., 3·width], the weights of i, f and o one after another, i and f
 * get c∘p and o gets the new c∘p. */
reel_var reel__lstm_update(reel_var z, reel_var W_c, reel_var *c);

/* (1 - z)∘a + z∘b */
static inline reel_var reel__blend(reel_var z, reel_var a, reel_var b)
{
    return reel_add(a, reel_mul(z, reel_sub(b, a)));
}

#endif
