/* per_example.c: the gradient of each row's loss by itself. */
#include "layer.h"

/* Row after row's gradients in the n variables go to list[i·batch + row]. */
static reel_status sweep_rows(reel_var losses, int n, const reel_var x[], reel_var *list)
{
    int64_t batch = reel_shape_of(losses).dim[0];
    for (int64_t row = 0; row < batch; row++) {
        reel_var *of_row = list + (int64_t)n * batch;
        reel_status status = reel_gradients(reel_at(losses, row), n, x, of_row);
        if (status != REEL_OK) {
            return status;
        }
        for (int i = 0; i < n; i++) {
            list[i * batch + row] = of_row[i];
        }
    }
    return REEL_OK;
}

reel_status reel_per_example_gradients(reel_var losses, int n, const reel_var x[], reel_var out[])
{
    reel_tape *tape = losses.tape;
    reel_shape shape = reel_shape_of(losses);
    if (losses.id == 0 || shape.rank != 1 || shape.dim[0] < 1 || n < 0 || (n > 0 && (!x || !out))) {
        reel_fail(tape, REEL_BAD_SHAPE, "per_example_gradients", "losses are %s, expected [batch]",
                  REEL_SHAPE_TEXT(shape));
        return tape ? reel_tape_status(tape) : REEL_BAD_HANDLE;
    }
    int64_t batch = shape.dim[0];
    size_t bytes = (size_t)n * ((size_t)batch + 1) * sizeof(reel_var);
    reel_var *list = bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (bytes && !list) {
        return REEL_OUT_OF_MEMORY;
    }
    reel_status status = sweep_rows(losses, n, x, list);
    for (int i = 0; i < n; i++) {
        out[i] = status == REEL_OK ? reel_stack_n(0, (int)batch, list + i * batch)
                                   : reel__poisoned(tape);
    }
    reel__resize(tape, list, bytes, 0);
    return status;
}
