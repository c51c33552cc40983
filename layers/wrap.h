/* wrap.h: what wrappers share. Not installed. */
#ifndef REEL_WRAP_H
#define REEL_WRAP_H

#include "layer.h"

/* A dropout mask for one sequence. */
typedef struct {
    reel_var mask;
    uint32_t recording;     /* of the tape, when it was drawn */
    reel_var from, dropped; /* the latest, for what is the same in all steps */
} reel__sequence_mask;

/* v∘mask: a mask of v's shape, drawn if the sequence has none yet. */
reel_var reel__drop_by(reel__sequence_mask *, reel_var v, double p);

/* False, with an error of `layer`, for a probability outside [0, 1). */
bool reel__check_probability(reel_tape *, const char *layer, const char *what, double p);

/* Whether something can be made of the cell: false, with an error of `layer`. */
bool reel__check_inner(reel_tape *, const char *layer, reel_cell);
/* The same of n cells, n at least 1. */
bool reel__check_cells(reel_tape *, const char *layer, int n, const reel_cell cells[]);

/* A wrapper of one cell that keeps its states. NULL `self`: memory was short. */
reel_cell reel__wrap_one(reel_tape *, void *self,
                         reel_var (*step)(void *self, reel_var x, reel_var state[]),
                         void (*begin)(void *self), reel_cell inner);

/* reel_wrap of a cell that lives until the rewind. */
reel_cell reel__wrap_recorded(reel_tape *, reel_cell outer, reel_cell inner);

/* reel_token_cell, with errors of `layer`. (encoder_decoder.c) */
reel_cell reel__token_cell(reel_tape *, const char *layer, reel_token_model);

/* One step of a cell. */
static inline reel_var reel__step(const reel_cell *cell, reel_var x, reel_var state[])
{
    return cell->step(cell->self, x, state);
}

#endif
