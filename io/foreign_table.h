/* foreign_table.h: how the layers of others map to reel's, as data. Not installed. */
#ifndef REEL_FOREIGN_TABLE_H
#define REEL_FOREIGN_TABLE_H

#include "foreign.h"

/* How a tensor of theirs goes with a parameter of ours, seen as a matrix [rows, blocks·width] or a
 * vector [blocks·width]. */
typedef struct {
    const char *tape, *file; /* "W_x", "weight_ih" */
    const char *numbered;    /* its place in Keras's .weights.h5 */
    /* Which block of theirs each block of ours is: "102" of 3; '.' where there is none. NULL:
     * "0" */
    const char *blocks;
    int of; /* blocks of theirs; 0: 1 */
    bool transposed;
    int row,
        rows;   /* a vector of ours is this row of their matrix; rows 0: theirs is a vector, too */
    bool added; /* their sum is ours; an export writes zeros */
    bool optional; /* on the tape */
    bool bias;     /* zeros where the file has none */
    /* Keras writes [rows, heads, width/heads], or [heads, rows/heads, width] */
    enum { WHOLE, SPLIT_LAST, SPLIT_FIRST } heads;
} reel__foreign_rule;

/* Several of one name: the first one that the tape's parameters suit. */
typedef struct {
    reel_framework framework;
    const char *name;
    bool numbered_layers; /* their names end in _l0, _l0_reverse */
    const reel__foreign_rule *rules;
} reel__foreign_kind;

extern const reel__foreign_kind reel__foreign_kinds[]; /* up to one without a name */

#endif
