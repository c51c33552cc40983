// The public header from C++: macros, shapes, cells, options.
#include <reel.h>

#include <cmath>

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const reel_var *W = static_cast<const reel_var *>(self);
    return state[0] = reel_tanh(reel_matmul(reel_concat(-1, state[0], x), *W));
}

int main()
{
    reel_tape_options options = {};
    options.dtype = REEL_F64;
    reel_tape *t = reel_tape_new(options);
    reel_var W = reel_param(t, "W", REEL_SHAPE(5, 3), reel_glorot());
    reel_cell cell = {};
    cell.self = &W;
    cell.step = step;
    cell.states = 1;
    cell.width[0] = 3;
    reel_var x = reel_random_normal(t, REEL_SHAPE(4, 2, 2), 0, 1);
    reel_rollout r = reel_unroll(cell, x, reel_unroll_options{});
    reel_var loss =
        reel_add(reel_mean_all(reel_square(r.outputs)), reel_scale(reel_scalar(t, 2), 0.5));
    reel_backward(loss);
    double gradient[15], value = reel_item(loss);
    bool fine = reel_read_grad_f64(W, gradient, 15) == REEL_OK && std::isfinite(value) &&
                value > 1 && reel_shape_of(reel_stack(0, x, x)).rank == 4 &&
                reel_shape_of(reel_permute(x, 2, 0, 1)).dim[0] == 2 && REEL_SHAPE().rank == 0;
    reel_tape_free(t);
    return fine ? 0 : 1;
}
