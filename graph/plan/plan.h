/* plan.h: what the planner's passes share.
 *
 * The planner never changes a recorded node. A pass records new, hidden nodes behind the
 * program's own and says in tape->redirect that a node's value is from now on that of a hidden
 * one; what is no longer read is no longer run. Passes know ops only by the hooks of their
 * entries (graph/op.h, "what the planner asks").
 *
 * A new pass is one file and one line in plan.c. / */
#ifndef REEL_PLAN_H
#define REEL_PLAN_H

#include "../tape.h"

/* T copies of one body: the nodes of T neighbouring steps that are alike, position by position. */
typedef struct {
    /* number of the first step; the copies are first … first + steps - 1 */
    int64_t first;
    int64_t steps;
    /* +1: recorded in ascending order, -1: in descending order, as a reverse sweep does */
    int direction;
    uint32_t length;  /* nodes in the body */
    uint32_t *member; /* [steps][length] */
    bool *varies;     /* [length]: the attributes differ from copy to copy */
    /* [length]: the node that stacks this position over the steps, or REEL__NONE */
    uint32_t *stack;
} reel__loop;

/* Where input j of every copy of one node comes from. */
typedef enum {
    REEL__IRREGULAR,
    REEL__INVARIANT, /* the same node for all copies */
    REEL__FAMILY,    /* copy s reads position `position` of `loop` at step s + shift */
    REEL__SLICES     /* copy s reads index s + shift of `node` along axis 0 */
} reel__relation_kind;
typedef struct {
    reel__relation_kind kind;
    uint32_t node, loop, position;
    int64_t shift;
} reel__relation;

typedef struct {
    reel_tape *t;
    uint32_t nodes;  /* the nodes that were there before this plan */
    uint32_t oldest; /* of the nodes to run */
    /* [nodes]: how many needed nodes read it; targets count as many; 0: not needed */
    uint32_t *readers;
    uint32_t *loop_of;  /* [nodes]: number of its loop, or REEL__NONE */
    uint32_t *position; /* [nodes]: in the body */
    int64_t *step;      /* [nodes] */
    reel__loop *loops;
    size_t loop_count, loop_capacity;
    reel__arena arena; /* of the lists above; dropped with the plan */
} reel__plan;

typedef bool (*reel__pass)(reel__plan *);

/* ---- roll.c -------------------------------------------------------------------------------- */

bool reel__roll(reel__plan *);
static inline uint32_t reel__member(const reel__loop *loop, int64_t s, uint32_t position)
{
    return loop->member[(size_t)s * loop->length + position];
}
reel__relation reel__relate(const reel__plan *, uint32_t loop, uint32_t position, uint32_t input);

/* ---- stack.c ------------------------------------------------------------------------------- */

/* The inputs of all copies as one variable with the steps in front; an invariant one as it is, with
 * *stacked false. A zero id: it cannot be had. */
reel_var reel__stacked(reel__plan *, uint32_t loop, const reel__relation *, bool *stacked);

/* ---- the passes ---------------------------------------------------------------------------- */

bool reel__pass_split(reel__plan *);
bool reel__pass_hoist(reel__plan *);
bool reel__pass_sink(reel__plan *);

/* ---- plan.c -------------------------------------------------------------------------------- */

/* Makes hidden node `to` the source of `from`'s value. */
bool reel__redirect(reel_tape *, uint32_t from, reel_var to);

#endif
