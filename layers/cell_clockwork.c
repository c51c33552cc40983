/* cell_clockwork.c: the clockwork RNN.
 *
 * The square matrix of the recurrent weights, zeros where a module does not hear another, and the
 * row of periods are put together in every step; as neither depends on the step, the planner does
 * it once. */
#include <stdlib.h>

#include "gates.h"

enum { MODULES = 4, MOST_MODULES = 32 };

typedef struct {
    reel_var W_x, W_h, b;
    int64_t width; /* of a module */
    int modules;
    double period[MOST_MODULES];
} clockwork;

/* [hidden, hidden]; module m's columns begin with m·width zeros. */
static reel_var recurrent_weights(const clockwork *c)
{
    reel_var columns[MOST_MODULES];
    int64_t hidden = c->modules * c->width, begin = 0;
    reel_var W_h = reel_probe(c->W_h, "W_h");
    for (int m = 0; m < c->modules; m++) {
        int64_t rows = hidden - m * c->width;
        reel_var block = reel_slice(W_h, 0, begin, begin + rows);
        columns[m] = m ? reel_pad(block, 0, hidden - rows, 0) : block;
        begin += rows;
    }
    return reel_concat_n(-1, c->modules, columns);
}

static reel_var periods(const clockwork *c)
{
    reel_var part[MOST_MODULES];
    for (int m = 0; m < c->modules; m++) {
        part[m] = reel_fill(c->b.tape, REEL_SHAPE(c->width), c->period[m]);
    }
    return reel_concat_n(-1, c->modules, part);
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const clockwork *c = self;
    reel_var h = state[0], clock = state[1], period = periods(c);
    reel_var from_h = reel_matmul(h, recurrent_weights(c));
    reel_var next = reel_tanh(reel_add(reel_affine(x, c->W_x, c->b), from_h));
    reel_var turns = reel_floor(reel_div(reel_shift(clock, 0.5), period));
    reel_var waits = reel_less(reel_mul(turns, period), reel_shift(clock, -0.5));
    state[1] = reel_shift(clock, 1);
    return state[0] = reel_where(waits, h, next);
}

static int modules_of(int64_t hidden, int asked)
{
    int modules = asked ? asked : MODULES;
    while (!asked && hidden % modules != 0) {
        modules--;
    }
    return modules;
}

static bool check(reel_tape *tape, int64_t hidden, int modules, const int32_t *period)
{
    if (modules < 1 || modules > MOST_MODULES || hidden % modules != 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "clockwork",
                  "modules is %d, must be a divisor of hidden = %lld, at most %d", modules,
                  (long long)hidden, MOST_MODULES);
        return false;
    }
    for (int m = 0; period && m < modules; m++) {
        if (period[m] < 1) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "clockwork", "periods[%d] is %d, must be at least 1",
                      m, (int)period[m]);
            return false;
        }
    }
    return true;
}

/* Fills in modules, width and periods. */
static void divide(clockwork *c, int64_t hidden, int modules, const int32_t *period)
{
    c->modules = modules;
    c->width = hidden / modules;
    for (int m = 0; m < modules; m++) {
        c->period[m] = period ? (double)period[m] : (double)((int64_t)1 << m);
    }
}

reel_cell reel_clockwork(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                         reel_clockwork_options options)
{
    int modules = modules_of(hidden, options.modules);
    bool good = hidden < 1 || check(tape, hidden, modules, options.periods);
    clockwork *c = good ? reel__cell_self(tape, "clockwork", in, hidden, sizeof *c) : NULL;
    if (!c) {
        return (reel_cell){ 0 };
    }
    divide(c, hidden, modules, options.periods);
    int64_t rows = c->width * modules * (modules + 1) / 2;
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(in, hidden), reel_glorot());
    c->W_h = reel__layer_param(tape, name, "W_h", REEL_SHAPE(rows, c->width), reel_glorot());
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(hidden), reel_zeros());
    return (reel_cell){ .self = c, .step = step, .states = 2, .width = { hidden, 1 } };
}
