/* carry.c: states as numbers, from one recording to the next. */
#include <string.h>

#include "wrap.h"

#define MOST_NUMBERS ((int64_t)(PTRDIFF_MAX / sizeof(double)))

struct reel_carry {
    reel_tape *tape;
    reel_cell cell;
    int64_t batch;
    double *numbers[REEL_MAX_STATES]; /* [batch][width[k]] */
    reel_var kept[REEL_MAX_STATES];   /* what to save; absent: nothing */
    bool pending;
};

static size_t count_of(const reel_carry *c, int k)
{
    return (size_t)c->batch * (size_t)c->cell.width[k];
}

reel_carry *reel_carry_new(reel_tape *tape, reel_cell cell, int64_t batch)
{
    if (!reel__check_inner(tape, "carry", cell) ||
        !reel__check_size(tape, "carry", "batch", batch)) {
        return NULL;
    }
    reel_carry *c = reel__layer_self(tape, sizeof *c);
    if (!c) {
        return NULL;
    }
    *c = (reel_carry){ .tape = tape, .cell = cell, .batch = batch };
    for (int k = 0; k < cell.states; k++) {
        if (cell.width[k] < 0 || (cell.width[k] > 0 && batch > MOST_NUMBERS / cell.width[k])) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "carry",
                      "cell.width[%d] = %lld with a batch of %lld", k, (long long)cell.width[k],
                      (long long)batch);
            return NULL;
        }
        c->numbers[k] = reel__layer_self(tape, count_of(c, k) * sizeof(double));
        if (!c->numbers[k]) {
            return NULL;
        }
    }
    return c;
}

reel_status reel_carry_states(const reel_carry *c, reel_var state[])
{
    if (!c || !state) {
        return REEL_BAD_ARGUMENT;
    }
    for (int k = 0; k < c->cell.states; k++) {
        reel_shape shape = REEL_SHAPE(c->batch, c->cell.width[k]);
        state[k] = reel_input_f64(c->tape, shape, c->numbers[k]);
        if (state[k].id == 0) {
            return reel_tape_status(c->tape);
        }
    }
    return REEL_OK;
}

static reel_rollout failed(reel_tape *tape)
{
    reel_rollout out = { .outputs = reel__poisoned(tape) };
    for (int k = 0; k < REEL_MAX_STATES; k++) {
        out.state[k] = out.states[k] = out.outputs;
    }
    return out;
}

static bool check_unroll(const reel_carry *c, reel_var x, int64_t steps)
{
    reel_shape shape = reel_shape_of(x);
    if (shape.rank != 3 || shape.dim[1] != c->batch) {
        reel_fail(c->tape, REEL_BAD_SHAPE, "unroll_carried", "x is %s, expected [steps,%lld,in]",
                  REEL_SHAPE_TEXT(shape), (long long)c->batch);
        return false;
    }
    if (steps < REEL_ALL_STEPS || steps > shape.dim[0]) {
        reel_fail(c->tape, REEL_BAD_ARGUMENT, "unroll_carried",
                  "the state after %lld steps of %lld is to be carried", (long long)steps,
                  (long long)shape.dim[0]);
        return false;
    }
    return true;
}

reel_rollout reel_unroll_carried(reel_carry *c, reel_var x, reel_unroll_options options,
                                 int64_t steps)
{
    if (!c || x.id == 0 || !check_unroll(c, x, steps) ||
        reel_carry_states(c, options.initial) != REEL_OK) {
        return failed(c ? c->tape : x.tape);
    }
    bool midway = steps > 0 && steps < reel_shape_of(x).dim[0];
    options.all_states = options.all_states || midway;
    reel_rollout r = reel_unroll(c->cell, x, options);
    for (int k = 0; k < c->cell.states; k++) {
        c->kept[k] = steps == 0 ? options.initial[k]
                     : midway   ? reel_keep(reel_at(r.states[k], steps - 1))
                                : reel_keep(r.state[k]);
    }
    c->pending = r.outputs.id != 0;
    return r;
}

reel_status reel_carry_save(reel_carry *c)
{
    if (!c) {
        return REEL_BAD_ARGUMENT;
    }
    if (!c->pending) {
        reel_fail(c->tape, REEL_BAD_ARGUMENT, "carry_save",
                  "nothing was unrolled since the last save");
        return REEL_BAD_ARGUMENT;
    }
    double *fresh[REEL_MAX_STATES] = { NULL };
    reel_status status = REEL_OK;
    for (int k = 0; status == REEL_OK && k < c->cell.states; k++) {
        size_t bytes = count_of(c, k) * sizeof(double);
        fresh[k] = bytes ? reel__resize(c->tape, NULL, 0, bytes) : NULL;
        status = bytes && !fresh[k] ? REEL_OUT_OF_MEMORY
                                    : reel_read_f64(c->kept[k], fresh[k], count_of(c, k));
    }
    for (int k = 0; k < c->cell.states; k++) {
        size_t bytes = count_of(c, k) * sizeof(double);
        if (status == REEL_OK && bytes) {
            memcpy(c->numbers[k], fresh[k], bytes);
        }
        reel__resize(c->tape, fresh[k], fresh[k] ? bytes : 0, 0);
    }
    c->pending = c->pending && status != REEL_OK;
    return status;
}

void reel_carry_reset(reel_carry *c, const bool rows[], const double *const start[])
{
    for (int k = 0; c && k < c->cell.states; k++) {
        size_t width = (size_t)c->cell.width[k];
        for (int64_t row = 0; row < c->batch; row++) {
            double *to = c->numbers[k] + (size_t)row * width;
            if (rows && !rows[row]) {
                continue;
            }
            for (size_t i = 0; i < width; i++) {
                to[i] = start && start[k] ? start[k][i] : 0;
            }
        }
    }
}

void reel_detach(int n, reel_var state[])
{
    for (int k = 0; state && k < n; k++) {
        state[k] = reel_stop_gradient(state[k]);
    }
}
