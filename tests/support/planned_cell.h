/* planned_cell.h: a small program with something for each pass of the planner, for the tests of
 * what may go wrong around a plan. Needs Criterion. */
#ifndef REEL_TEST_PLANNED_CELL_H
#define REEL_TEST_PLANNED_CELL_H

#include <criterion/criterion.h>

#include "graph/tape.h"
#include "reel.h"

enum { STEPS = 8, BATCH = 2, IN = 3, HIDDEN = 4 };

static inline void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static inline reel_var param(reel_tape *t, const char *name)
{
    return reel_find_param(t, name);
}

static inline bool add_params(reel_tape *t)
{
    return reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_normal(0, 1)).id &&
           reel_param(t, "W", REEL_SHAPE(HIDDEN + IN, HIDDEN), reel_glorot()).id &&
           reel_param(t, "V", REEL_SHAPE(IN, HIDDEN), reel_glorot()).id &&
           reel_param(t, "b", REEL_SHAPE(HIDDEN), reel_normal(0, 1)).id;
}

typedef struct {
    reel_tape *tape;
    reel_var hoisted[STEPS];
    int steps;
} cell_self;

/* Something for each pass: a product to split, one to hoist, and their gradients to sink. */
static inline reel_var cell_step(void *self, reel_var x, reel_var state[])
{
    cell_self *c = self;
    reel_var z =
        reel_affine(reel_concat(-1, state[0], x), param(c->tape, "W"), param(c->tape, "b"));
    reel_var v = reel_matmul(x, param(c->tape, "V"));
    if (c->steps < STEPS) {
        c->hoisted[c->steps++] = v;
    }
    return state[0] = reel_add(reel_mul(reel_sigmoid(z), reel_tanh(v)), reel_scale(state[0], 0.5));
}

static inline reel_rollout run_cell(reel_tape *t, cell_self *self)
{
    *self = (cell_self){ .tape = t };
    reel_cell cell = { .self = self, .step = cell_step, .states = 1, .width = { HIDDEN } };
    return reel_unroll(cell, param(t, "x"), (reel_unroll_options){ 0 });
}

static inline reel_var loss_of(reel_var v)
{
    return reel_mean_all(reel_square(v));
}

#endif
