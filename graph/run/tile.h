/* tile.h: the inner loop of every product of ours: a few rows of C by a few vectors of columns,
 * kept in registers while a block of the inner dimension passes. Not installed.
 *
 * Each element of C is one chain of sums in the order of the inner dimension, carried on through C
 * from one block to the next, so its bits depend neither on the shape of the tile nor on where the
 * blocks begin.
 */
#ifndef REEL_TILE_H
#define REEL_TILE_H

#include <stdbool.h>

#include "gemm.h"

#define REEL__TILE_ROWS 14   /* at most, for any instruction set */
#define REEL__TILE_BYTES 128 /* at most, of a row of one panel */

typedef struct {
    int64_t depth;
    const void *a; /* rows a_step elements apart; or interleaved: [depth][a_step] */
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
    /* Few rows leave registers for several panels at a time: by rows, of 2 and, where there are
     * enough, of 4 panels. */
    reel__tile_function two[4], four[4];
} reel__tile_kind;

const reel__tile_kind *reel__tile_kind_of(reel_dtype);

/* A few rows, where the tile points, by panels of which `columns` columns are in C. */
void reel__run_tiles(const reel__tile_kind *, int rows, reel__tile, int64_t columns,
                     bool interleaved);
/* `depth` rows of B, `columns` ≤ width of them, filled up with zeros. */
void reel__pack_panel(const reel__tile_kind *, int64_t depth, int64_t columns, const char *b,
                      int64_t row_stride, int64_t column_stride, char *out);

static inline int64_t reel__smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
/* Into how many pieces of at most `most`. */
static inline int64_t reel__pieces(int64_t n, int64_t most)
{
    return (n + most - 1) / most;
}

/* Rows and columns of C that one thread computes. */
typedef struct {
    int64_t row, rows, column, columns;
} reel__area;
/* Into how many areas a product is worth sharing out: 1, or fewer, where it is none. */
int reel__areas_of(const reel__tile_kind *, const reel__gemm_call *, int threads);
/* Whole tiles' rows or whole panels, whichever there are more of. */
reel__area reel__area_at(const reel__tile_kind *, const reel__gemm_call *, int part, int parts);

/* One block of the inner dimension. The blocks are of one size, or a last one could be too short to
 * be worth reading C again. */
typedef struct {
    int64_t start, depth;
} reel__span;
static inline reel__span reel__block_at(int64_t k, int64_t blocks, int64_t block)
{
    int64_t start = k * block / blocks;
    return (reel__span){ start, k * (block + 1) / blocks - start };
}

/* Panels that all rows of A pass before the next ones are read stay in the second-level cache
 * meanwhile, with room for A and C beside them. */
#define REEL__GROUP_BYTES 262144
/* A thread costs a few microseconds: each gets at least so many multiplications. */
#define REEL__WORK_A_THREAD 500000.0

#endif
