/* attention_additive.h: the energy that additive and monotonic attention share. Not installed. */
#ifndef REEL_ATTENTION_ADDITIVE_H
#define REEL_ATTENTION_ADDITIVE_H

#include "layer.h"

/* e_i = tanh(s·W_q + h_i·W_m + b)·v */
typedef struct {
    reel_var W_q, W_m, b, v;
} reel__additive;

bool reel__additive_check(reel_tape *, const char *kind, int64_t query, int64_t memory,
                          int64_t width);
/* False when a parameter could not be made. */
bool reel__additive_make(reel__additive *, reel_tape *, const char *name, int64_t query,
                         int64_t memory, int64_t width);

/* [batch, steps, width]: what does not depend on the query */
reel_var reel__additive_keys(const reel__additive *, reel_var values);
/* [batch, steps, width]: what the tanh is of */
reel_var reel__additive_inside(const reel__additive *, reel_var keys, reel_var query);

#endif
