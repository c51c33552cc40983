/* tile.h: the inner loop of every product of ours: a few rows of C by a few vectors of columns,
 * kept in registers while a block of the inner dimension passes. Not installed.
 *
 * Each element of C is one chain of sums in the order of the inner dimension, carried on through C
 * from one block to the next, so its bits depend neither on the shape of the tile nor on where the
 * blocks begin.
 */
#ifndef REEL_TILE_H
#define REEL_TILE_H

#include "../graph.h"

#define REEL__TILE_ROWS 14   /* at most, for any instruction set */
#define REEL__TILE_BYTES 128 /* at most, of a row of one panel */

typedef struct {
    int64_t depth;
    const void *a; /* rows a_step elements apart; or interleaved, [depth][rows] */
    int64_t a_step;
    const void *b; /* panels b_panel elements apart, their rows b_step */
    int64_t b_step, b_panel;
    void *c;
    int64_t c_step;
    bool add; /* to what is in C, which is not read otherwise */
} reel__tile;

typedef void (*reel__tile_function)(const reel__tile *);

/* What one instruction set is good at, for one type. */
typedef struct {
    int rows, width; /* of the largest tile, in elements: its columns are one panel */
    int depth; /* of a block: `rows` rows of A and what passes of B stay in the nearest cache */
    size_t element;
    reel__tile_function plain[REEL__TILE_ROWS + 1], interleaved[REEL__TILE_ROWS + 1];
    /* Few rows leave registers for several panels at a time: by rows, of 2 and 4 panels. */
    reel__tile_function two[4], four[4];
} reel__tile_kind;

const reel__tile_kind *reel__tile_kind_of(reel_dtype);

#endif
