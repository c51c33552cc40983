/* emit_ops.h: the C of each op, and the pieces it is put together from. Not installed. */
#ifndef REEL_EMIT_OPS_H
#define REEL_EMIT_OPS_H

#include <stdio.h>

#include "recorded.h"

typedef struct {
    FILE *out;
    const reel__listing *list;
    const reel_recorded *recorded;
    const char *name;
} reel__emitter;

bool reel__emit_knows(const reel_op *);
/* The functions that the listed ops call. */
void reel__emit_helpers(const reel__emitter *);
/* The statements of one call. */
void reel__emit_op(const reel__emitter *, uint32_t position);
/* The dense copy of its input that a view has its memory for. */
void reel__emit_copy(const reel__emitter *, uint32_t position);

/* "c3[0", to be ended by "]": the first element of x. */
void reel__emit_base(const reel__emitter *, const reel__listed *x);
/* x's element: its axis i is loop variable axis[i], or fixed at 0 where that is -1. */
void reel__emit_element(const reel__emitter *, const reel__listed *x, const int axis[]);
/* The same where x broadcasts to the `rank` axes of the loops. */
void reel__emit_broadcast(const reel__emitter *, const reel__listed *x, int rank);
/* A loop over i0, i1, … for each axis that is longer than 1, without one of them. */
void reel__emit_loops(const reel__emitter *, const reel_shape *, int without);
void reel__emit_number(FILE *, double);

#endif
