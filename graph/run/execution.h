/* execution.h: what the executor's files share while targets are evaluated. Not installed.
 *
 *     schedule.c   finds what the targets need and who reads it
 *     chain.c      finds element-wise nodes that need not be stored, and runs them with their reader
 *     node.c       runs one node: its inputs, its memory, its kernel
 *     loop.c       runs a loop that the planner made of many nodes; bound.c, a thread's share of it
 *     wavefront.c  runs two loops side by side, the second of which reads the first
 *     evaluate.c   runs all of them in order, and says what is asked for
 *     pace.c       chooses between all threads and one, by the time a plan takes
 *
 * Four lists lie beside the nodes meanwhile: uses[i], how many scheduled readers node i still has
 * (targets and held values have REEL__PINNED added, so they never fall to 0); into[i], the
 * accumulate node that i's result is only ever added to; placed[i], the join that i may write its
 * result into; chained[i], whether its reader computes i by the way. All are zeros between evaluations. Where the planner redirected a node, the executor
 * reads the other one.
 */
#ifndef REEL_RUN_EXECUTION_H
#define REEL_RUN_EXECUTION_H

#include "../tape.h"
#include "program.h"
#include "strides.h"

#define REEL__PINNED 0x40000000u

/* Where a node writes: slot `slot` of join node `join` - 1, whose inputs lie one behind the other.
 */
typedef struct {
    uint32_t join, slot;
} reel__placement;

/* The expression that ends with a node: its own op and those of inputs that wait for it. */
typedef struct {
    uint32_t at; /* place in the order, from 1 on */
    uint8_t steps, leaves;
    bool waits; /* for its only reader, which computes it tile by tile */
} reel__chained;

typedef struct {
    reel_tape *t;
    reel__evaluate_options options;
    uint32_t first, last; /* the nodes that were visited lie between these */
    uint32_t *uses, *into;
    reel__placement *placed;
    reel__chained *chained;
    bool retain, saw_dropped;
} reel__execution;

/* ---- schedule.c ---------------------------------------------------------------------------- */

bool reel__schedule(reel__execution *, size_t n, const uint32_t targets[]);
void reel__place_inputs(const reel__execution *, uint32_t join);
/* Cleans up behind the run, which went well or not. */
void reel__unschedule(reel__execution *, bool fine);
bool reel__is_scheduled(const reel__execution *, uint32_t index);
/* The node whose value stands for this one's; and that of input i. */
uint32_t reel__actual(const reel__execution *, uint32_t index);
uint32_t reel__input_of(const reel__execution *, const reel__node *, uint32_t i);

/* ---- chain.c ------------------------------------------------------------------------------- */

void reel__find_chains(reel__execution *);
static inline bool reel__ends_chain(const reel__execution *e, uint32_t index)
{
    return e->chained[index].steps > 1;
}
/* What the expression reads, to be asked who may hand over its memory. */
uint32_t reel__chain_leaves(const reel__execution *, uint32_t index,
                            uint32_t leaf[REEL__WALK_INPUTS]);
/* Computes it to y, or adds it there. */
bool reel__run_chain(const reel__execution *, uint32_t index, void *y, bool accumulate);

/* ---- loop.c -------------------------------------------------------------------------------- */

/* Runs a loop's node: what it makes are the values of the hidden nodes that read it. */
bool reel__run_loop(reel__execution *, uint32_t index);
/* It has too few rows to share out. */
bool reel__leaves_threads_idle(reel__execution *, uint32_t index);
/* Two such loops, neither of which reads the other. */
bool reel__run_two_loops(reel__execution *, const uint32_t index[2]);

/* ---- wavefront.c --------------------------------------------------------------------------- */

/* Runs order[0], a loop that leaves threads idle, together with the first loop among the following
 * `count` - 1 nodes that reads what it makes, step by step, and with what lies between; or order[0]
 * alone. `done` false: nothing was run. */
bool reel__run_wavefront(reel__execution *, const uint32_t order[], size_t count, bool *done);

/* ---- node.c -------------------------------------------------------------------------------- */

bool reel__run_node(reel__execution *, uint32_t index);
/* What node `index` reads is there. */
bool reel__is_ready(const reel__execution *, uint32_t index);
/* A node recorded before a parameter was written means the old parameter, which is gone: an error. */
bool reel__check_fresh(const reel__execution *, uint32_t index);
/* Counts node `index` as a reader of its inputs that is done. */
void reel__release_inputs(reel__execution *, uint32_t index);
/* The same in parts, on one thread: takes memory for the output; a view; rows [from, to), along axis
 * 0, of an output that depends on the same rows of the inputs. */
bool reel__take_output(reel__execution *, uint32_t index);
bool reel__run_view(reel__execution *, uint32_t index);
bool reel__run_rows(reel__execution *, uint32_t index, int64_t from, int64_t to);
/* Copies a strided value to a buffer of its own. */
bool reel__pack_operand(reel_tape *, uint32_t input, reel_tensor *, reel__buffer **packed);

#endif
