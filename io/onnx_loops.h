/* onnx_loops.h: the loops of a recording that become ONNX's Scan. Not installed.
 *
 * The planner's roll pass finds them; here they are cut to the copies that are whole, and it is
 * found out what the outputs need of them: items of the body, values of earlier copies (states) and
 * items that nodes outside read (stacks).
 */
#ifndef REEL_ONNX_LOOPS_H
#define REEL_ONNX_LOOPS_H

#include "../graph/plan/plan.h"
#include "listing.h"

/* An item of the body, to the export. */
typedef struct {
    bool live;                           /* the outputs need it */
    bool stacked;                        /* nodes outside read copies of it */
    bool last_read;                      /* … or the last one */
    uint32_t lag;                        /* copies look back at this many before */
    const char *name;                    /* in the body */
    const char *stack;                   /* outside, [copies, …] */
    const char *last;                    /* outside, of the last copy; NULL: only in the stack */
    const char *before[REEL__MOST_LEAD]; /* in the body: of copy - 1 - k */
} reel__onnx_item;

typedef struct {
    bool scanned;       /* false: it stays unrolled */
    int64_t begin, end; /* copies that the Scan runs */
    reel__onnx_item *item;
} reel__onnx_loop;

typedef struct {
    reel__listing *list;
    reel__plan plan;
    uint32_t *position;    /* [nodes] in the list; REEL__NONE */
    bool *needed;          /* [list] outside of loops */
    reel__onnx_loop *loop; /* [plan.loop_count] */
} reel__onnx_loops;

/* Without `fold` there are none. False when memory is short. Free it in either case. */
bool reel__onnx_find_loops(reel__onnx_loops *, reel__listing *, bool fold);
void reel__onnx_free_loops(reel__onnx_loops *);

/* The loop that computes the item of the list, or REEL__NONE; where in it. */
uint32_t reel__onnx_loop_of(const reel__onnx_loops *, uint32_t position, uint32_t *item,
                            int64_t *copy);

/* What copy `copy` of an item reads as input i: a position in the list. */
uint32_t reel__onnx_read_by(const reel__onnx_loops *, uint32_t loop, uint32_t item, uint32_t i,
                            int64_t copy);
/* Whether all copies read the same numbers there, each given as a constant of its own. */
bool reel__onnx_is_constant(const reel__onnx_loops *, uint32_t loop, uint32_t item, uint32_t i);
/* A value of copy begin - 1 - back. */
uint32_t reel__onnx_before(const reel__onnx_loops *, uint32_t loop, uint32_t item, uint32_t back);
/* An item that picks one index of axis 0 of the same thing in every copy; the index in *at. */
bool reel__onnx_picks(const reel__onnx_loops *, uint32_t loop, uint32_t item, int64_t copy,
                      int64_t *at);

/* Calls `each` for every position of the list, outside of the loop, that its live items read. */
bool reel__onnx_each_read(const reel__onnx_loops *, uint32_t loop,
                          bool (*each)(void *self, uint32_t position), void *self);

#endif
