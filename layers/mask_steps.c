/* mask_steps.c: zeros in place of padding. */
#include "lengths.h"

reel_var reel_mask_steps(reel_var x, const int32_t *lengths)
{
    reel_tape *tape = x.tape;
    if (!reel__check_handle(tape, "mask_steps", x)) {
        return reel__poisoned(tape);
    }
    reel_shape shape = reel_shape_of(x);
    if (shape.rank < 2 || !lengths) {
        return reel_fail(tape, REEL_BAD_SHAPE, "mask_steps",
                         "x is %s, expected [steps, batch, …]%s", REEL_SHAPE_TEXT(shape),
                         lengths ? "" : ", and lengths are NULL");
    }
    reel_var ends = reel__lengths(tape, "mask_steps", lengths, shape.dim[1], shape.dim[0]);
    reel_var valid = reel_less(reel__positions(tape, shape.dim[0]), ends);
    reel_shape column = shape;
    for (int k = 2; k < shape.rank; k++) {
        column.dim[k] = 1;
    }
    valid = reel_reshape(reel_transpose(valid, 0, 1), column);
    return reel_where(valid, x, reel_scalar(tape, 0));
}
