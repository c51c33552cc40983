/* bound.h: a program with addresses in place of numbers, and how one thread runs it. Not installed. */
#ifndef REEL_RUN_BOUND_H
#define REEL_RUN_BOUND_H

#include "../tape.h"
#include "program.h"

#define REEL__MOST_TEAM 256

/* What a run of a program has to do with; the same for all threads. */
typedef struct {
    reel_tape *t;
    size_t element;
    reel_tensor *input;
    char ***table;
    char **part;
    const void **weight;
    int kernel_threads;
} reel__bindings;

/* The first error of a thread; copy is INT64_MAX where there is none. */
typedef struct {
    int64_t copy;
    uint32_t node;
    char text[512];
} reel__loop_error;

/* The rows of thread `part` of a team, in copies [from, to). */
typedef struct {
    int part, team;
    int64_t from, to;
} reel__share;

/* Bytes of memory that each of `team` threads needs, a multiple of 64. */
size_t reel__bound_size(const reel__program *, const reel__bindings *, int team);
/* Nothing in the memory outlasts a copy, so that one may stop behind any and go on later. */
void reel__run_bound(const reel__program *, const reel__bindings *, reel__share, char *memory,
                     reel__loop_error *);

#endif
