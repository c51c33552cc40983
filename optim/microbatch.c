/* microbatch.c: the gradient of a batch from that of its parts. */
#include "../ops/ops.h"
#include "vectors.h"

reel_status reel_microbatch(reel_microbatches *parts, reel_var mean_loss, double count)
{
    reel_tape *tape = mean_loss.tape;
    if (!parts || !tape) {
        return REEL_BAD_HANDLE;
    }
    if (!(count >= 0 && isfinite(count))) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "microbatch",
                  "count is %g, must be finite and at least 0", count);
    }
    if (reel_tape_status(tape) == REEL_OK && count > 0) {
        reel_backward(reel_scale(mean_loss, count));
    }
    if (reel_tape_status(tape) == REEL_OK) {
        parts->count += count;
    }
    return reel_tape_status(tape);
}

reel_status reel_microbatch_end(reel_microbatches *parts, reel_tape *tape)
{
    reel_flat flat;
    if (!parts || !tape) {
        return REEL_BAD_HANDLE;
    }
    if (reel_tape_status(tape) != REEL_OK || reel_flat_begin(tape, &flat) != REEL_OK) {
        return reel_tape_status(tape);
    }
    double factor = parts->count > 0 ? 1 / parts->count : 1;
    reel__combine(tape, flat.count, factor, flat.gradients, 0, flat.gradients);
    reel_flat_end(tape, false);
    parts->count = 0;
    return REEL_OK;
}
