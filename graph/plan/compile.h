/* compile.h: what the files that turn a stage of a loop into a program share.
 *
 *     compile.c        what becomes of each item, in which order, in which groups
 *     rows.c           whether the rows of the batch are independent
 *     places.c         where what an item reads and makes lies
 *     instructions.c   the instructions of one item
 * / */
#ifndef REEL_PLAN_COMPILE_H
#define REEL_PLAN_COMPILE_H

#include "plan.h"

typedef enum {
    REEL__NOTHING,
    REEL__AS_VIEW,
    REEL__AS_TILE,
    REEL__AS_GEMM,
    REEL__AS_KERNEL,
    REEL__AS_JOIN,
    REEL__AS_TERM, /* added by the kernel to … */
    REEL__AS_SUM   /* … the sum that is carried along */
} reel__item_kind;

typedef struct {
    reel__item_kind kind;
    bool here, rowed, across, stored, placed, done;
    uint32_t term, sum; /* of a carried sum: what it adds, and where */
    reel__place place;
} reel__item_state;

typedef struct {
    reel__plan *p;
    uint32_t loop;
    int stage;
    reel__arena *arena; /* of the program */
    reel__program *g;
    reel__list *inputs;
    uint32_t *range_nodes;
    reel__item_state *state;
    int64_t rows; /* length of the batch axis; -1: there is none */
    uint32_t locals_room, instructions_room;
    bool by_rows;
    bool fits; /* false: no program can be made */
} reel__compiler;

static inline const reel__item *reel__compiled_item(const reel__compiler *c, uint32_t k)
{
    return reel__item_at(c->p, c->loop, k);
}

static inline const reel__node *reel__compiled_node(const reel__compiler *c, uint32_t k)
{
    return reel__template(c->p, reel__compiled_item(c, k));
}

static inline const reel_shape *reel__input_shape(const reel__compiler *c, uint32_t k, uint32_t i)
{
    return reel__item_input(c->p, reel__compiled_item(c, k), i);
}

static inline const reel__shape_entry *reel__compiled_shape(const reel__compiler *c, uint32_t k)
{
    return reel__shape_at(c->p->t, reel__compiled_node(c, k)->shape);
}

static inline bool reel__reads_index(const reel__compiler *c, uint32_t k, uint32_t i)
{
    return reel__node_at(c->p->t, reel__inputs_of(c->p->t, reel__compiled_node(c, k))[i])->flags &
           REEL__INDEX;
}

static inline bool reel__is_here(const reel__compiler *c, const reel__source *s)
{
    return s->kind == REEL__ITEM && s->loop == c->loop && c->state[s->item].here;
}

static inline bool reel__has_rows(const reel__compiler *c, const reel_shape *shape)
{
    return shape->rank > 0 && shape->dim[0] == c->rows;
}

/* ---- rows.c ---------------------------------------------------------------------------------- */

/* The length that most items have as their first axis. */
void reel__find_rows(reel__compiler *);
/* Rows are independent where each item's row depends on the same row of what it reads. */
void reel__classify_rows(reel__compiler *, uint32_t item);
/* Whether input i gives its row to the output's row. */
bool reel__reads_row(const reel__compiler *, uint32_t item, uint32_t i);

/* ---- places.c -------------------------------------------------------------------------------- */

/* Only the copy that comes last is read from outside. */
bool reel__is_ring(const reel__compiler *, const reel__item *);
/* A weight may lie in any way, so it is no input of anything else. */
uint32_t reel__add_input_anew(reel__compiler *, uint32_t node);
uint32_t reel__add_local(reel__compiler *, int64_t width, bool rowed);
/* All of a value of this shape, in a local of its own. */
reel__place reel__place_in_local(reel__compiler *, const reel_shape *, bool rowed);
/* Gives an item's result a place, where it has none yet. */
bool reel__find_place(reel__compiler *, uint32_t item);
/* The place of what input i reads. */
bool reel__place_of(reel__compiler *, uint32_t item, uint32_t i, reel__place *);

/* ---- instructions.c -------------------------------------------------------------------------- */

bool reel__add_instructions(reel__compiler *, uint32_t item);

#endif
