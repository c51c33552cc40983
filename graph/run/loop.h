/* loop.h: one run of a loop's program, piece by piece, for those who run two at once. Not installed.
 *
 *     reel__loop_run r = reel__loop_start(e, node);
 *     bool fine = reel__loop_prepare(&r) && reel__loop_take_memory(&r, 1);
 *     if (fine) {
 *         reel__loop_fill_leads(&r);
 *         reel__run_bound(r.g, &r.b, share, reel__loop_memory(&r), &error);
 *         fine = reel__loop_report(&r, &error);
 *     }
 *     reel__loop_finish(&r, fine);
 */
#ifndef REEL_RUN_LOOP_H
#define REEL_RUN_LOOP_H

#include "bound.h"
#include "execution.h"

typedef struct {
    reel__execution *e;
    uint32_t node;
    const reel__program *g;
    reel__bindings b;
    reel__buffer **held; /* what is given back at the end */
    size_t held_count, held_room;
    reel__buffer **part_buffer;
    void *block;
    size_t block_bytes;
    size_t bytes; /* of memory for a thread */
} reel__loop_run;

reel__loop_run reel__loop_start(reel__execution *, uint32_t index);
/* Finds what the program reads, packs weights, and takes memory for what it makes. */
bool reel__loop_prepare(reel__loop_run *);
/* Memory for each thread of a team. */
bool reel__loop_take_memory(reel__loop_run *, int team);
char *reel__loop_memory(const reel__loop_run *);
/* Copies what stands before the first copy, which the inputs must hold by then. */
void reel__loop_fill_leads(reel__loop_run *);
/* The hidden nodes that stand for parts share their buffers; no longer. */
void reel__loop_hand_out(reel__loop_run *);
void reel__loop_take_back(reel__loop_run *);
bool reel__loop_report(const reel__loop_run *, const reel__loop_error *);
/* Hands out the parts, if all went well, and gives back the rest. */
void reel__loop_finish(reel__loop_run *, bool fine);

#endif
