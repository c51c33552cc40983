/* unroll.c: a cell over time.
 *
 * Every step is recorded alike, whatever the lengths and resets hold, so that the structure of the
 * tape depends on the shapes and options alone. With lengths, a mask [steps, batch, 1] chooses
 * between the new state and the old one; x and the outputs are masked for all steps at once. Going
 * through the steps backwards with the same masks is going from each row's last valid step to its
 * first: until a row's turn comes, its state stays the initial one. */
#include <math.h>
#include <string.h>

#include "rollout.h"

typedef struct {
    reel__rollout in;
    reel_var state[REEL_MAX_STATES];
    bool all_states;
    int64_t block; /* steps between checkpoints; 0: there are none */
    reel_var *log; /* [1 + states][steps]: outputs, and with all_states the states */
    size_t log_bytes;
} rollout;

#define FAIL(r, status, ...) (reel_fail((r)->in.tape, status, "unroll", __VA_ARGS__), false)

static bool is_good(rollout *r, reel_var v)
{
    return reel__check_handle(r->in.tape, "unroll", v);
}

static bool make_log(rollout *r)
{
    size_t columns = r->all_states ? 1 + (size_t)r->in.cell.states : 1;
    r->log_bytes = columns * (size_t)r->in.steps * sizeof *r->log;
    r->log = r->log_bytes ? reel__resize(r->in.tape, NULL, 0, r->log_bytes) : NULL;
    return r->log || !r->log_bytes;
}

/* ---- one step ------------------------------------------------------------------------------ */

#define THE_OUTPUT (-1)

static const char *name_of(int k, char what[32])
{
    if (k == THE_OUTPUT) {
        return "the output";
    }
    snprintf(what, 32, "state[%d]", k);
    return what;
}

static bool check_returned(rollout *r, int64_t t, int k, reel_var v)
{
    char what[32];
    if (reel__is_absent(v)) {
        return FAIL(r, REEL_BAD_HANDLE, "step %lld: the cell gave an absent handle as %s",
                    (long long)t, name_of(k, what));
    }
    if (!is_good(r, v)) {
        return FAIL(r, REEL_BAD_HANDLE, "step %lld: the cell gave a poisoned handle as %s",
                    (long long)t, name_of(k, what));
    }
    return true;
}

static bool check_state(rollout *r, int64_t t, int k, reel_var next)
{
    if (!check_returned(r, t, k, next)) {
        return false;
    }
    reel_shape shape = reel_shape_of(next), expected = REEL_SHAPE(r->in.batch, r->in.cell.width[k]);
    if (!reel_shape_equal(shape, expected)) {
        return FAIL(r, REEL_BAD_SHAPE, "step %lld: state[%d] became %s, expected %s", (long long)t,
                    k, REEL_SHAPE_TEXT(shape), REEL_SHAPE_TEXT(expected));
    }
    return true;
}

static bool check_step(rollout *r, int64_t t, reel_var output, const reel_var next[])
{
    if (!check_returned(r, t, THE_OUTPUT, output)) {
        return false;
    }
    reel_shape shape = reel_shape_of(output);
    if (shape.rank != 2 || shape.dim[0] != r->in.batch) {
        return FAIL(r, REEL_BAD_SHAPE, "step %lld: the output is %s, expected [%lld,width]",
                    (long long)t, REEL_SHAPE_TEXT(shape), (long long)r->in.batch);
    }
    for (int k = 0; k < r->in.cell.states; k++) {
        if (!check_state(r, t, k, next[k])) {
            return false;
        }
    }
    return true;
}

static void before_step(const rollout *r, int64_t t, reel_var start[])
{
    memcpy(start, r->state, sizeof r->state);
    if (reel__is_absent(r->in.resets)) {
        return;
    }
    reel_var reset = reel_at(r->in.resets, t);
    for (int k = 0; k < r->in.cell.states; k++) {
        start[k] = reel_where(reset, r->in.initial[k], start[k]);
    }
}

/* A row in its padding keeps the state from before the step's reset. */
static void after_step(rollout *r, int64_t t, const reel_var next[])
{
    if (reel__is_absent(r->in.mask)) {
        memcpy(r->state, next, sizeof r->state);
        return;
    }
    reel_var valid = reel_at(r->in.mask, t);
    for (int k = 0; k < r->in.cell.states; k++) {
        r->state[k] = reel_where(valid, next[k], r->state[k]);
    }
}

static bool record_step(rollout *r, int64_t t)
{
    reel_var next[REEL_MAX_STATES] = { { 0 } };
    before_step(r, t, next);
    reel_var x = reel_at(r->in.x, t);
    if (r->in.tape->site_line) {
        reel__stamp(r->in.tape, r->in.tape->site_file,
                    r->in.tape->site_line); /* not the cell's, but ours */
    }
    reel_var output = r->in.cell.step(r->in.cell.self, x, next);
    if (!check_step(r, t, output, next)) {
        return false;
    }
    after_step(r, t, next);
    r->log[t] = output;
    for (int k = 0; r->all_states && k < r->in.cell.states; k++) {
        r->log[(1 + k) * r->in.steps + t] = r->state[k];
    }
    return true;
}

/* ---- under a memory limit ------------------------------------------------------------------ */

/* Fewer steps than these are not worth computing twice. */
#define FEWEST_STEPS 16

/* What the backward pass would find of one step, whose nodes are those from `first` on. */
static double bytes_of_step(const reel_tape *t, size_t first)
{
    double bytes = 0;
    for (size_t i = first; i < t->nodes.count; i++) {
        const reel__node *node = reel__node_at(t, (uint32_t)i);
        bool is_view = node->op->kind == REEL_VIEW;
        bytes += is_view ? 0 : (double)reel__shape_at(t, node->shape)->size * (double)t->element;
    }
    return bytes;
}

/* Where all steps together might not fit, only the states of every √steps-th are kept, and the
 * steps between are computed again when their turn comes backwards (Chen et al. 2016). */
static void choose_block(rollout *r, size_t first)
{
    double all = bytes_of_step(r->in.tape, first) * (double)r->in.steps;
    if (r->in.tape->options.memory_limit && r->in.steps >= FEWEST_STEPS &&
        all > 0.5 * (double)r->in.tape->options.memory_limit) {
        r->block = (int64_t)ceil(sqrt((double)r->in.steps));
    }
}

static void keep_states(rollout *r, int64_t done)
{
    if (r->block == 0 || done % r->block != 0) {
        return;
    }
    for (int k = 0; k < r->in.cell.states; k++) {
        r->state[k] = reel_checkpoint(r->state[k]);
    }
}

static bool record_steps(rollout *r, bool reverse)
{
    bool good = true;
    for (int64_t i = 0; good && i < r->in.steps; i++) {
        int64_t t = reverse ? r->in.steps - 1 - i : i;
        size_t first = r->in.tape->nodes.count;
        reel_step_begin(r->in.tape, t);
        good = record_step(r, t);
        if (good && i == 0) {
            choose_block(r, first);
        }
        if (good) {
            keep_states(r, i + 1);
        }
        reel_step_end(r->in.tape);
    }
    return good;
}

/* ---- what goes out ------------------------------------------------------------------------- */

static bool check_widths(rollout *r)
{
    reel_shape first = reel_shape_of(r->log[0]);
    for (int64_t t = 1; t < r->in.steps; t++) {
        reel_shape shape = reel_shape_of(r->log[t]);
        if (!reel_shape_equal(shape, first)) {
            return FAIL(r, REEL_BAD_SHAPE, "the output is %s at step %lld, but %s at step 0",
                        REEL_SHAPE_TEXT(shape), (long long)t, REEL_SHAPE_TEXT(first));
        }
    }
    return true;
}

/* Without steps only the cell can tell how wide its output would be: it is asked with zeros. */
static reel_var no_outputs(rollout *r)
{
    reel_var next[REEL_MAX_STATES] = { { 0 } };
    memcpy(next, r->in.initial, sizeof next);
    int64_t in = reel_shape_of(r->in.x).dim[2];
    reel_var x = reel_fill(r->in.tape, REEL_SHAPE(r->in.batch, in), 0);
    reel_var output = r->in.cell.step(r->in.cell.self, x, next);
    if (!check_step(r, 0, output, next)) {
        return reel__poisoned(r->in.tape);
    }
    return reel_fill(r->in.tape, REEL_SHAPE(0, r->in.batch, reel_shape_of(output).dim[1]), 0);
}

static reel_var outputs(rollout *r)
{
    if (r->in.steps == 0) {
        return no_outputs(r);
    }
    if (!check_widths(r)) {
        return reel__poisoned(r->in.tape);
    }
    reel_var stacked = reel_stack_n(0, (int)r->in.steps, r->log);
    return reel__is_absent(r->in.mask) ? stacked : reel_where(r->in.mask, stacked, r->in.zero);
}

static reel_var states(rollout *r, int k)
{
    if (r->in.steps == 0) {
        return reel_fill(r->in.tape, REEL_SHAPE(0, r->in.batch, r->in.cell.width[k]), 0);
    }
    return reel_stack_n(0, (int)r->in.steps, r->log + (1 + k) * r->in.steps);
}

static reel_rollout result(rollout *r)
{
    reel_rollout out = { .outputs = outputs(r) };
    for (int k = 0; k < r->in.cell.states; k++) {
        out.state[k] = r->state[k];
        out.states[k] = r->all_states ? states(r, k) : (reel_var){ 0 };
    }
    return out;
}

static reel_rollout unroll(rollout *r, const reel_unroll_options *options)
{
    if (!reel__rollout_begin(&r->in, options) || !make_log(r)) {
        return reel__rollout_poisoned(&r->in);
    }
    memcpy(r->state, r->in.initial, sizeof r->state);
    bool good = record_steps(r, options->reverse);
    reel_rollout out = good ? result(r) : reel__rollout_poisoned(&r->in);
    reel__resize(r->in.tape, r->log, r->log_bytes, 0);
    return out;
}

reel_rollout reel_unroll(reel_cell cell, reel_var x, reel_unroll_options options)
{
    rollout r = { .in = { .tape = x.tape, .name = "unroll", .cell = cell, .x = x },
                  .all_states = options.all_states };
    if (!x.tape) {
        return reel__rollout_poisoned(&r.in);
    }
    reel_begin_sequence(cell);
    x.tape->nested++; /* the line of the unroll is that of what a built-in cell records */
    reel_rollout out = unroll(&r, &options);
    x.tape->nested--;
    return out;
}
