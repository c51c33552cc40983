/* wavefront.h: what the files of the wavefront share. Not installed.
 *
 *     wavefront.c          finds a pair, and runs its two threads
 *     wavefront_between.c  the nodes between the loops: which there are, and their memory
 *     wavefront_demand.c   which rows and copies have to be there before others can be computed
 */
#ifndef REEL_RUN_WAVEFRONT_H
#define REEL_RUN_WAVEFRONT_H

#include <stdatomic.h>

#include "loop.h"

/* How many nodes may lie between two loops, and how many copies are run at a time: as many as make
 * a product of their rows worth its while. */
#define REEL__MOST_LINKS 64
#define REEL__CHUNK 16

/* What a node that depends on loop A is: the stack of something that A makes, a view, something that
 * is computed row by row, or nothing that B could follow. */
typedef enum {
    REEL__LINK_PART,
    REEL__LINK_VIEW,
    REEL__LINK_KERNEL,
    REEL__LINK_UNSUITABLE
} reel__link_kind;

typedef struct {
    uint32_t node;
    reel__link_kind kind;
    bool needed; /* by loop B */
} reel__link;

typedef struct {
    int64_t from, to;
} reel__rows;

typedef struct {
    reel__execution *e;
    reel__loop_run a, b;
    reel__link link[REEL__MOST_LINKS];
    int links;
    int64_t rows; /* of all that is computed between the loops */
    reel__rows computed;
    _Atomic int64_t done; /* of A's copies */
    reel__loop_error error[2];
    bool fine;
} reel__wavefront;

static inline int64_t reel__larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- wavefront_between.c --------------------------------------------------------------------- */

/* The first loop behind order[0] that depends on it, REEL__NONE if there is none; the nodes between
 * that depend on it, too, become links. */
uint32_t reel__find_second(reel__wavefront *, const uint32_t order[], size_t count);
/* The link of a node, or NULL. */
reel__link *reel__link_of(reel__wavefront *, uint32_t node);
/* Marks what B needs of the links; false where it needs something that is not there and will not be
 * made beside it, or needs it before its first copy. */
bool reel__choose_links(reel__wavefront *);
/* Memory for what lies between, which tells the addresses that B is going to read. */
bool reel__place_links(reel__wavefront *, bool *suits);
void reel__drop_links(reel__wavefront *);
/* B's inputs need not be copied before it starts. */
bool reel__second_reads_in_place(reel__wavefront *);

/* ---- wavefront_demand.c ----------------------------------------------------------------------- */

typedef struct {
    reel__rows rows; /* of what lies between */
    int64_t copies;  /* of A */
} reel__demand;

/* For copies [from, to) of B. */
reel__demand reel__demand_of(const reel__wavefront *, int64_t from, int64_t to);
/* A's copies for rows of what lies between. */
int64_t reel__copies_for_rows(reel__wavefront *, reel__rows);
/* As many of A's copies as make what lies there; 0 where it is nothing of A's. */
int64_t reel__copies_for(const reel__wavefront *, const char *address);
/* The row, of a value between the loops, that lies at an address; false: none. */
bool reel__row_at(const reel__wavefront *, const char *address, int64_t *row);
reel_tensor reel__operand_of(const reel__wavefront *, uint32_t node);
/* Bytes from one row to the next. */
int64_t reel__row_apart(const reel__wavefront *, const reel_tensor *);
/* B can begin before A has done half of it. */
bool reel__follows_soon(reel__wavefront *);

#endif
