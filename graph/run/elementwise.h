/* elementwise.h: element-wise work, tile by tile. Not installed. */
#ifndef REEL_RUN_ELEMENTWISE_H
#define REEL_RUN_ELEMENTWISE_H

#include "../tape.h"
#include "strides.h"

/* Of one input, or of what one step hands to another. */
#define REEL__TILE_BYTES 4096

/* One op. */
void reel__run_elementwise(const reel_op *, reel_dtype, size_t element, const reel_kernel_call *);

/* ---- expressions ----------------------------------------------------------------------------- */

/* Ops of one shape, each of which reads leaves and earlier steps; the last one's result is the
 * whole's. What lies between them never reaches memory. */
#define REEL__MOST_STEPS 8
typedef struct {
    reel_tile_kernel kernel;
    const void *attributes;
    int inputs;
    int in[REEL__WALK_INPUTS]; /* a step, or -1 - a leaf */
} reel__step;
typedef struct {
    const reel_shape *shape;
    int steps, leaves;
    reel__step step[REEL__MOST_STEPS];
    reel_tensor leaf[REEL__WALK_INPUTS]; /* broadcast to the shape */
} reel__expression;

void reel__run_expression(const reel__expression *, size_t element, void *y, int threads);

/* The same part by part. */
typedef struct {
    const reel__expression *expression; /* NULL: one op, … */
    reel_tile_kernel kernel;            /* … this one's */
    const void *attributes;
    int inputs;
    const reel_tensor *x;
    const reel_shape *shape;
    size_t element;
    reel__walk walk;
    bool direct[REEL__WALK_INPUTS]; /* lies as the output does */
    bool all_direct;
} reel__tiles;
void reel__plan_tiles(const reel__expression *, size_t element, reel__tiles *);
/* Elements [begin, begin + n) of the result, to y. */
void reel__make_tiles(const reel__tiles *, int64_t begin, int64_t n, void *y);

#endif
