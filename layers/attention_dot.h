/* attention_dot.h: what scaled dot-product attention is called with from within. Not installed. */
#ifndef REEL_ATTENTION_DOT_H
#define REEL_ATTENTION_DOT_H

#include "layer.h"

typedef struct {
    const char *name; /* in errors */
    reel_var q, k, v; /* [..., queries, d], [..., keys, d], [..., keys, any] */
    reel_attention_mask mask;
    reel_var valid; /* [..., 1, keys]: 0 for padding, or absent */
    double scale;   /* 0: 1/√d */
    double dropout;
    reel_shape scores; /* set by the call */
} reel__dot_product;

reel_attended reel__dot_product_attention(reel__dot_product *);

#endif
