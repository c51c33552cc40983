/* linear.c: cells with a linear recurrence, step by step and all steps at once. */
#include <string.h>

#include "rollout.h"

/* a∘h + b. Of complex numbers: [re re]∘h + [-im im]∘(h with its halves swapped) + b, whose factors
 * are made once where a is the same in all steps. */
static reel_var advance(const reel_linear_cell *c, reel_var a, reel_var h, reel_var b)
{
    if (!c->complex_values) {
        return reel_add(reel_mul(a, h), b);
    }
    reel_var p[2], q[2];
    reel_split(a, -1, 2, p);
    reel_split(h, -1, 2, q);
    reel_var straight = reel_mul(reel_concat(-1, p[0], p[0]), h);
    reel_var crossed = reel_mul(reel_concat(-1, reel_neg(p[1]), p[1]), reel_concat(-1, q[1], q[0]));
    return reel_add(reel_add(straight, crossed), b);
}

static reel_var output_of(const reel_linear_cell *c, reel_var x, reel_var h, reel_var gate)
{
    return c->output ? c->output(c->self, x, h, gate) : h;
}

/* ---- one step -------------------------------------------------------------------------------- */

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const reel_linear_cell *c = self;
    reel_var seen = x;
    if (c->window > 1) {
        seen = reel_concat(-1, state[1], x);
        state[1] = reel_slice(seen, -1, c->in, c->window * c->in);
    }
    reel_linear_terms terms = c->terms(c->self, seen);
    state[0] = advance(c, terms.decay, state[0], terms.drive);
    return output_of(c, x, state[0], terms.gate);
}

static bool check(reel_tape *tape, const reel_linear_cell *c)
{
    if (!reel__check_size(tape, "linear", "width", c->width) ||
        !reel__check_size(tape, "linear", "window", c->window) ||
        (c->window > 1 && !reel__check_size(tape, "linear", "in", c->in))) {
        return false;
    }
    if (!c->terms) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "linear", "the cell has no terms function");
        return false;
    }
    if (c->complex_values && c->width % 2 != 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "linear",
                  "width is %lld: complex values need an even one", (long long)c->width);
        return false;
    }
    return true;
}

reel_cell reel_linear(reel_tape *tape, reel_linear_cell cell)
{
    cell.window = cell.window == 0 ? 1 : cell.window;
    reel_linear_cell *c = check(tape, &cell) ? reel__layer_self(tape, sizeof *c) : NULL;
    if (!c) {
        return (reel_cell){ 0 };
    }
    *c = cell;
    return (reel_cell){ .self = c,
                        .step = step,
                        .states = cell.window > 1 ? 2 : 1,
                        .width = { cell.width, (cell.window - 1) * cell.in } };
}

/* ---- all steps at once ----------------------------------------------------------------------- */

typedef struct {
    reel__rollout in;
    const reel_linear_cell *cell;
    bool reverse;
} parallel;

/* What stood one step before, in processing order; `first` before the first step. */
static reel_var delayed(const parallel *p, reel_var v, reel_var first)
{
    int64_t steps = p->in.steps;
    first = reel_unsqueeze(first, 0);
    return p->reverse ? reel_concat(0, reel_slice(v, 0, 1, steps), first)
                      : reel_concat(0, first, reel_slice(v, 0, 0, steps - 1));
}

static reel_var last(const parallel *p, reel_var v)
{
    return reel_at(v, p->reverse ? 0 : -1);
}

/* v in valid steps; in the padding what stood before it. */
static reel_var held(const parallel *p, reel_var v, reel_var first)
{
    if (reel__is_absent(p->in.mask)) {
        return v;
    }
    reel_var decay = reel_where(p->in.mask, reel_scalar(v.tape, 0), reel_scalar(v.tape, 1));
    reel_linear_scan_options options = { .initial = first, .reverse = p->reverse };
    return reel_linear_scan(decay, reel_where(p->in.mask, v, p->in.zero), options);
}

/* The steps before, one after the other: before[j] is x of j + 1 steps ago, as a row at its own
 * step sees it; after[j] is the same once the step is done. */
static reel_var take_window(const parallel *p, reel_var *history)
{
    const reel_linear_cell *c = p->cell;
    reel_var seen = p->in.x, newest = p->in.x;
    for (int64_t j = 0; j < c->window - 1; j++) {
        int64_t place = c->window - 2 - j;
        reel_var first = reel_slice(p->in.initial[1], -1, place * c->in, (place + 1) * c->in);
        reel_var after = held(p, newest, first);
        reel_var before = delayed(p, after, first);
        if (!reel__is_absent(p->in.resets)) {
            before = reel_where(p->in.resets, first, before);
        }
        *history = j == 0 ? after : reel_concat(-1, after, *history);
        seen = reel_concat(-1, before, seen);
        newest = before;
    }
    return seen;
}

static reel_var take_states(const parallel *p, reel_linear_terms terms)
{
    const reel_linear_cell *c = p->cell;
    reel_var a = terms.decay, b = terms.drive, start = p->in.initial[0];
    if (!reel__is_absent(p->in.resets)) {
        b = reel_where(p->in.resets, advance(c, a, start, b), b);
        a = reel_where(p->in.resets, p->in.zero, a);
    }
    if (!reel__is_absent(p->in.mask)) {
        reel_var one = reel_fill(a.tape, REEL_SHAPE(c->width), 1);
        if (c->complex_values) {
            one = reel_concat(-1, reel_fill(a.tape, REEL_SHAPE(c->width / 2), 1),
                              reel_fill(a.tape, REEL_SHAPE(c->width / 2), 0));
        }
        a = reel_where(p->in.mask, a, one);
        b = reel_where(p->in.mask, b, p->in.zero);
    }
    return reel_linear_scan(a, b,
                            (reel_linear_scan_options){ .initial = start,
                                                        .reverse = p->reverse,
                                                        .complex_values = c->complex_values });
}

static reel_rollout run(const parallel *p, bool all_states)
{
    const reel_linear_cell *c = p->cell;
    reel_var states[2] = { { 0 }, { 0 } };
    reel_linear_terms terms = c->terms(c->self, take_window(p, &states[1]));
    states[0] = take_states(p, terms);
    reel_rollout out = { .outputs = output_of(c, p->in.x, states[0], terms.gate) };
    if (!reel__is_absent(p->in.mask)) {
        out.outputs = reel_where(p->in.mask, out.outputs, p->in.zero);
    }
    for (int k = 0; k < p->in.cell.states; k++) {
        out.state[k] = last(p, states[k]);
        out.states[k] = all_states ? states[k] : (reel_var){ 0 };
    }
    return out;
}

static reel_rollout unroll(parallel *p, const reel_unroll_options *options)
{
    if (p->in.cell.step != step) {
        reel_fail(p->in.tape, REEL_BAD_ARGUMENT, p->in.name,
                  "the cell is none of reel_linear's: its steps cannot run all at once");
        return reel__rollout_poisoned(&p->in);
    }
    if (!reel__rollout_begin(&p->in, options)) {
        return reel__rollout_poisoned(&p->in);
    }
    return p->in.steps ? run(p, options->all_states) : reel_unroll(p->in.cell, p->in.x, *options);
}

reel_rollout reel_unroll_parallel(reel_cell cell, reel_var x, reel_unroll_options options)
{
    parallel p = { .in = { .tape = x.tape, .name = "unroll_parallel", .cell = cell, .x = x },
                   .cell = cell.self,
                   .reverse = options.reverse };
    if (!x.tape) {
        return reel__rollout_poisoned(&p.in);
    }
    x.tape->nested++; /* the line of the call is that of what is recorded here */
    reel_rollout out = unroll(&p, &options);
    x.tape->nested--;
    return out;
}
