/* rollout.c: what comes into a run of a cell over time. */
#include "rollout.h"
#include "lengths.h"

#define FAIL(r, status, ...) (reel_fail((r)->tape, status, (r)->name, __VA_ARGS__), false)

static bool is_good(reel__rollout *r, reel_var v)
{
    return reel__check_handle(r->tape, r->name, v);
}

static bool check_cell(reel__rollout *r)
{
    const reel_cell *cell = &r->cell;
    if (!cell->step) {
        return FAIL(r, REEL_BAD_ARGUMENT, "the cell has no step function");
    }
    if (cell->states < 0 || cell->states > REEL_MAX_STATES) {
        return FAIL(r, REEL_BAD_ARGUMENT, "cell.states = %d is outside 0 … %d", cell->states,
                    REEL_MAX_STATES);
    }
    for (int k = 0; k < cell->states; k++) {
        if (cell->width[k] < 0) {
            return FAIL(r, REEL_BAD_ARGUMENT, "cell.width[%d] = %lld is negative", k,
                        (long long)cell->width[k]);
        }
    }
    return true;
}

static bool take_x(reel__rollout *r)
{
    reel_shape shape = reel_shape_of(r->x);
    if (shape.rank != 3) {
        return FAIL(r, REEL_BAD_SHAPE, "x is %s, expected [steps, batch, in]",
                    REEL_SHAPE_TEXT(shape));
    }
    r->steps = shape.dim[0];
    r->batch = shape.dim[1];
    if (r->steps > INT32_MAX) {
        return FAIL(r, REEL_BAD_SHAPE, "x is %s: too many steps", REEL_SHAPE_TEXT(shape));
    }
    return true;
}

static bool take_initial(reel__rollout *r, const reel_var given[])
{
    for (int k = 0; k < r->cell.states; k++) {
        reel_shape expected = REEL_SHAPE(r->batch, r->cell.width[k]);
        if (reel__is_absent(given[k])) {
            r->initial[k] = reel_fill(r->tape, expected, 0);
        } else if (!is_good(r, given[k])) {
            return false;
        } else if (!reel_shape_equal(reel_shape_of(given[k]), expected)) {
            return FAIL(r, REEL_BAD_SHAPE, "initial[%d] is %s, expected %s", k,
                        REEL_SHAPE_TEXT(reel_shape_of(given[k])), REEL_SHAPE_TEXT(expected));
        } else {
            r->initial[k] = given[k];
        }
    }
    return true;
}

static bool take_resets(reel__rollout *r, reel_var resets)
{
    reel_shape expected = REEL_SHAPE(r->steps, r->batch);
    if (reel__is_absent(resets)) {
        return true;
    }
    if (!is_good(r, resets)) {
        return false;
    }
    if (reel_is_index(resets) || !reel_shape_equal(reel_shape_of(resets), expected)) {
        return FAIL(r, REEL_BAD_SHAPE, "resets are %s%s, expected %s",
                    reel_is_index(resets) ? "indices " : "", REEL_SHAPE_TEXT(reel_shape_of(resets)),
                    REEL_SHAPE_TEXT(expected));
    }
    r->resets = reel_unsqueeze(resets, -1);
    return true;
}

static bool take_lengths(reel__rollout *r, const int32_t *lengths)
{
    if (!lengths) {
        return true;
    }
    r->mask = reel__length_mask(r->tape, r->name, r->steps, r->batch, lengths, 3);
    r->x = reel_where(r->mask, r->x, r->zero);
    return r->mask.id != 0;
}

bool reel__rollout_begin(reel__rollout *r, const reel_unroll_options *options)
{
    if (!is_good(r, r->x) || !check_cell(r) || !take_x(r) || !take_initial(r, options->initial) ||
        !take_resets(r, options->resets)) {
        return false;
    }
    r->zero = reel_scalar(r->tape, 0);
    return take_lengths(r, options->lengths);
}

reel_rollout reel__rollout_poisoned(const reel__rollout *r)
{
    reel_rollout out = { .outputs = reel__poisoned(r->tape) };
    for (int k = 0; k < REEL_MAX_STATES; k++) {
        out.state[k] = out.states[k] = out.outputs;
    }
    return out;
}
