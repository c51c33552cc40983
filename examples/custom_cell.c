/* custom_cell: a recurrent cell of one's own, and the proof that its gradients are right, first and
 * second order. */
/* clang-format off: word for word as in README.md */
#include <reel.h>

typedef struct {
    reel_var W, b;
} my_cell; /* h' = tanh([h, x]·W + b) */

static reel_var my_step(void *self, reel_var x, reel_var state[])
{
    my_cell *c = self;
    return state[0] = reel_tanh(reel_affine(reel_concat(-1, state[0], x), c->W, c->b));
}

static reel_var loss(reel_tape *t, void *self)
{
    reel_cell cell = { .self = self, .step = my_step, .states = 1, .width = { 6 } };
    reel_rollout r = reel_unroll(cell, reel_find_param(t, "x"), (reel_unroll_options){ 0 });
    return reel_mean_all(reel_square(r.outputs));
}

int main(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 7 });
    my_cell c = { .W = reel_param(t, "W", REEL_SHAPE(6 + 3, 6), reel_glorot()),
                  .b = reel_param(t, "b", REEL_SHAPE(6), reel_zeros()) };
    reel_param(t, "x", REEL_SHAPE(5, 2, 3), reel_normal(0, 1));
    reel_gradcheck_report report;
    bool ok = reel_gradcheck(t, loss, &c, (reel_gradcheck_options){ .order = 2 }, &report);
    reel_gradcheck_print(&report, stdout);
    reel_tape_free(t);
    return !ok;
}
