/* program.h: the body of a loop as instructions, and what a finished plan consists of. Made by
 * graph/plan/compile.c, run by loop.c.
 *
 *     for copy e = 0 … steps - 1:
 *         group 0   gemm   local 0 [rows, 256] = part 2, one copy back · weight 0
 *         group 1   tile   local 0 = add(input 3, local 0)
 *                   tile   part 0, columns 0 … 63 = sigmoid(local 0, columns 0 … 63)   …
 *
 * Where no row of the batch depends on another, each thread runs all copies for its own rows. A
 * group is run block of rows by block of rows, so that what its instructions hand to each other
 * stays in the first-level cache. Nothing here refers to a tape: a program serves every recording
 * of the same structure. / */
#ifndef REEL_RUN_PROGRAM_H
#define REEL_RUN_PROGRAM_H

#include "../op.h"

#define REEL__PROGRAM_INPUTS 8

/* ---- where values lie ------------------------------------------------------------------------ */

typedef enum {
    REEL__IN_INPUT, /* a value from outside */
    REEL__IN_TABLE, /* one of a list of them, a different one for each copy */
    REEL__IN_PART,  /* a buffer with all copies, which may be read from outside */
    REEL__IN_RING,  /* a buffer with the last few copies */
    REEL__IN_LOCAL  /* the thread's own, for one copy */
} reel__place_kind;

/* Element (i, j, …) of copy e lies `offset` + e·`step` + i·stride[0] + j·stride[1] + … elements
 * into input, table, part, ring or local `number`; in a ring, e counts from `shift` and wraps. */
typedef struct {
    reel__place_kind kind;
    uint32_t number;
    int64_t offset, step, shift;
    int64_t stride[REEL_MAX_RANK];
} reel__place;

#define REEL__PART_LEAD 4
#define REEL__ALL_ZEROS UINT32_MAX
typedef struct {
    int64_t unit;   /* elements of a copy */
    int64_t copies; /* steps + lead, or as many as a ring holds: a power of two */
    int64_t first;  /* elements in front of copy 0 */
    int64_t step;   /* from copy to copy: -unit where the last copy lies first */
    uint32_t lead;  /* copies before the first; they hold these inputs, or zeros */
    uint32_t initial[REEL__PART_LEAD];
    bool ring;
} reel__part;

typedef struct {
    int64_t width; /* elements of a row, or of all of it where it has no rows */
    bool rowed;    /* one for each of the thread's rows */
    bool in_block; /* … of the block's rows */
} reel__local;

/* Elements of a row, or of all of it where there are no rows. */
static inline int64_t reel__row_width(int64_t rows, const reel_shape *shape, bool rowed)
{
    int64_t size = reel_shape_size(*shape);
    return rowed && rows > 0 ? size / rows : size;
}

/* ---- instructions ---------------------------------------------------------------------------- */

typedef enum { REEL__TILE, REEL__GEMM, REEL__KERNEL, REEL__COPY } reel__instruction_kind;

typedef struct {
    reel__place place;
    reel_shape shape;
    bool rowed;    /* axis 0 is the batch */
    bool index;    /* holds int32 */
    bool spread;   /* of a tile: one number a row stands for all columns … */
    bool constant; /* … the same in all rows and copies */
    uint32_t fill; /* … spread out in this local */
} reel__operand;

typedef struct {
    reel__instruction_kind kind;
    const reel_op *op;
    const void *attributes;         /* the same in all copies; … */
    const char *attributes_by_copy; /* … or one behind the other; … */
    const uint32_t *nodes;          /* of all copies, for errors; or NULL */
    size_t attribute_step;
    int64_t begin, end; /* the copies it runs in */
    bool rowed, accumulate;
    uint32_t weight; /* of a product */
    uint32_t inputs;
    reel__operand y, *x;
} reel__instruction;

/* Of a product: rows of the factor that lie within one row of the batch. */
static inline int64_t reel__inner_rows(const reel__instruction *n)
{
    int64_t rows = 1;
    for (int axis = 1; axis < n->y.shape.rank - 1; axis++) {
        rows *= n->y.shape.dim[axis];
    }
    return rows;
}

typedef struct {
    uint32_t first, count;
    int64_t block; /* rows at a time; 0: all */
} reel__group;

/* The right factor [k,n] of a product, or its transpose, packed before the loop starts. */
typedef struct {
    uint32_t input;
    bool transposed;
    int64_t k, n;
} reel__weight;

typedef struct {
    uint32_t *input; /* [steps] */
} reel__table;

typedef struct {
    int64_t steps, rows;
    bool by_rows;              /* rows are independent */
    const reel_op *mixes_rows; /* what prevents that; NULL: there are no rows */
    double work;               /* multiplications and element-wise operations of all copies */
    uint32_t inputs, parts, locals, weights, tables, instructions, groups;
    bool *input_strided; /* may lie in any way; the others are made contiguous */
    reel__part *part;
    reel__local *local;
    reel__weight *weight;
    reel__table *table;
    reel__instruction *instruction;
    reel__group *group;
    uint32_t ranges; /* hidden nodes that stand for parts */
    struct {
        uint32_t node, part;
        int64_t copy; /* the first in memory */
    } * range;
} reel__program;

/* The attributes of a loop's node. */
typedef struct {
    const reel__program *program;
    const uint32_t *range_nodes; /* [program->ranges]; REEL__NONE: nobody reads it */
} reel__loop_attributes;

/* A loop's node, and the nodes that stand for what it makes. */
extern const reel_op reel__loop_op, reel__part_op;

#endif
