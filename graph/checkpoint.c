/* checkpoint.c: the op that marks where recomputation starts (Chen et al. 2016).
 *
 * It is an identity; sweep.c gives the derivatives below the last checkpoint copies of the nodes
 * between two checkpoints, so that only the checkpoints themselves live from forward to backward:
 *
 *     before   x → a → b → checkpoint → c → loss, and the backward pass reads a, b
 *     after    the same, but the backward pass reads a', b', recorded behind the forward pass
 */
#include <string.h>

#include "tape.h"

static bool checkpoint_shape(reel_shape_call *c)
{
    c->y = *c->x[0];
    return true;
}

static void checkpoint_f32(const reel_kernel_call *c)
{
    memcpy(c->y.data, c->x[0].data, (size_t)reel_shape_size(*c->y.shape) * sizeof(float));
}

static void checkpoint_f64(const reel_kernel_call *c)
{
    memcpy(c->y.data, c->x[0].data, (size_t)reel_shape_size(*c->y.shape) * sizeof(double));
}

static void checkpoint_vjp(reel_vjp_call *c)
{
    c->dx[0] = c->dy;
}

static const reel_sample checkpoint_samples[] = {
    { "a matrix", 1, { { REEL_AXES(3, 4) } } },
    { "a scalar", 1, { { REEL_NO_AXES } } },
    { "nothing", 1, { { REEL_AXES(0, 2) } } },
    { 0 },
};

REEL_OP(checkpoint) = {
    .name = "checkpoint",
    .kind = REEL_OTHER,
    .inputs = 1,
    .doc = "y = x. Nodes between two checkpoints are computed again for the backward pass instead "
           "of being "
           "kept (Chen et al. 2016).",
    .shape = checkpoint_shape,
    .kernel = { checkpoint_f32, checkpoint_f64 },
    .in_place = true,
    .vjp = checkpoint_vjp,
    .samples = checkpoint_samples,
};

/* The prototype stands among the operations, in ops/ops.h. */
REEL_API reel_var reel_checkpoint(reel_var v)
{
    return reel_record(&reel__op_checkpoint, 1, &v, NULL);
}
