/* time_distributed.c: one layer at every step. */
#include "layer.h"

reel_var reel_time_distributed(reel_layer layer, reel_var x)
{
    reel_shape shape = reel_shape_of(x);
    if (shape.rank < 2) {
        return shape.rank < 0 && x.id == 0
                   ? reel__poisoned(x.tape)
                   : reel_fail(x.tape, REEL_BAD_SHAPE, "time_distributed",
                               "x is %s, expected [steps, batch, …]", REEL_SHAPE_TEXT(shape));
    }
    reel_shape rows = { .rank = shape.rank - 1 };
    rows.dim[0] = shape.dim[0] * shape.dim[1];
    for (int axis = 1; axis < rows.rank; axis++) {
        rows.dim[axis] = shape.dim[axis + 1];
    }
    reel_var y = reel_apply(layer, reel_reshape(x, rows));
    reel_shape flat = reel_shape_of(y), out = { .rank = flat.rank + 1 };
    if (flat.rank < 0) {
        return y;
    }
    if (flat.rank < 1 || flat.rank == REEL_MAX_RANK || flat.dim[0] != rows.dim[0]) {
        return reel_fail(x.tape, REEL_BAD_SHAPE, "time_distributed",
                         "the layer made %s of %lld rows", REEL_SHAPE_TEXT(flat),
                         (long long)rows.dim[0]);
    }
    out.dim[0] = shape.dim[0];
    out.dim[1] = shape.dim[1];
    for (int axis = 1; axis < flat.rank; axis++) {
        out.dim[axis + 1] = flat.dim[axis];
    }
    return reel_reshape(y, out);
}
