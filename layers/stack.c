/* stack.c: several cells as one, on top of each other or side by side. */
#include <string.h>

#include "skip.h"
#include "wrap.h"

typedef struct {
    reel_tape *tape;
    reel_stack_options options;
    reel__sequence_mask *mask; /* [n], in front of each cell; the first is not used */
    int n;
    reel_cell cell[];
} stack;

static bool check_cells(reel_tape *tape, const char *layer, int n, const reel_cell cells[])
{
    if (n < 1 || !cells) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "%d cells, must be at least 1", n);
        return false;
    }
    for (int k = 0; k < n; k++) {
        if (!reel__check_inner(tape, layer, cells[k])) {
            return false;
        }
    }
    return true;
}

static stack *new_stack(reel_tape *tape, int n, const reel_cell cells[], reel_stack_options options)
{
    stack *s = reel__layer_self(tape, sizeof *s + (size_t)n * sizeof *cells);
    if (!s) {
        return NULL;
    }
    s->mask = reel__layer_self(tape, (size_t)n * sizeof *s->mask);
    s->tape = tape;
    s->options = options;
    s->n = n;
    memcpy(s->cell, cells, (size_t)n * sizeof *cells);
    return s->mask ? s : NULL;
}

static void begin(void *self)
{
    stack *s = self;
    memset(s->mask, 0, (size_t)s->n * sizeof *s->mask);
}

/* ---- one on top of another ------------------------------------------------------------------ */

/* Says of a layer's error which layer it was. */
static reel_var blame(reel_tape *tape, int layer, reel_shape input)
{
    char text[512];
    reel_status status = reel_tape_status(tape);
    snprintf(text, sizeof text, "%s", reel_tape_error(tape));
    reel_tape_clear(tape);
    return reel_fail(tape, status, "stack_cells", "layer %d on the output %s of layer %d: %s",
                     layer, REEL_SHAPE_TEXT(input), layer - 1, text);
}

static reel_var step_layer(stack *s, int k, reel_var x, reel_var state[])
{
    bool was_good = reel_tape_status(s->tape) == REEL_OK;
    reel_var below = x;
    if (k > 0) {
        double p = s->options.dropout;
        below = s->options.variational ? reel__drop_by(&s->mask[k], x, p) : reel_dropout(x, p);
    }
    reel_var y = reel__step(&s->cell[k], below, state);
    if (k > 0 && s->options.residual) {
        y = reel__add_skip("residual", y, x);
    }
    bool failed = was_good && k > 0 && x.id && !y.id && reel_tape_status(s->tape) != REEL_OK;
    return failed ? blame(s->tape, k, reel_shape_of(x)) : y;
}

static reel_var step_stack(void *self, reel_var x, reel_var state[])
{
    stack *s = self;
    for (int k = 0, first = 0; k < s->n; k++) {
        x = step_layer(s, k, x, state + first);
        first += s->cell[k].states;
    }
    return x;
}

reel_cell reel_stack_cells(reel_tape *tape, int n, const reel_cell cells[],
                           reel_stack_options options)
{
    reel_cell outer = { .step = step_stack };
    if (!check_cells(tape, "stack_cells", n, cells) ||
        !reel__check_probability(tape, "stack_cells", "dropout", options.dropout)) {
        return (reel_cell){ 0 };
    }
    for (int k = 0; k < n; k++) {
        if (outer.states + cells[k].states > REEL_MAX_STATES) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "stack_cells",
                      "layers 0 … %d have %d states, there may be %d; see reel_unroll_layers", k,
                      outer.states + cells[k].states, REEL_MAX_STATES);
            return (reel_cell){ 0 };
        }
        memcpy(outer.width + outer.states, cells[k].width,
               (size_t)cells[k].states * sizeof *outer.width);
        outer.states += cells[k].states;
    }
    outer.self = new_stack(tape, n, cells, options);
    return outer.self ? reel_wrap(tape, outer, begin, n, cells) : (reel_cell){ 0 };
}

/* ---- side by side --------------------------------------------------------------------------- */

/* Columns from `first` on, as many as the cell's state has. */
static reel_var part(reel_var all, int64_t first, int64_t width)
{
    return reel_slice(all, 1, first, first + width);
}

static reel_var step_parallel(void *self, reel_var x, reel_var state[])
{
    stack *s = self;
    int states = s->cell[0].states;
    reel_var output = { 0 }, next[REEL_MAX_STATES] = { { 0 } };
    int64_t first[REEL_MAX_STATES] = { 0 };
    for (int i = 0; i < s->n; i++) {
        const reel_cell *cell = &s->cell[i];
        reel_var own[REEL_MAX_STATES] = { { 0 } };
        for (int k = 0; k < states; k++) {
            own[k] = part(state[k], first[k], cell->width[k]);
            first[k] += cell->width[k];
        }
        reel_var y = reel__step(cell, x, own);
        output = i == 0 ? y : reel_concat(1, output, y);
        for (int k = 0; k < states; k++) {
            next[k] = i == 0 ? own[k] : reel_concat(1, next[k], own[k]);
        }
    }
    memcpy(state, next, (size_t)states * sizeof *next);
    return output;
}

reel_cell reel_parallel_cells(reel_tape *tape, int n, const reel_cell cells[])
{
    if (!check_cells(tape, "parallel_cells", n, cells)) {
        return (reel_cell){ 0 };
    }
    reel_cell outer = { .step = step_parallel, .states = cells[0].states };
    for (int i = 0; i < n; i++) {
        if (cells[i].states != outer.states) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "parallel_cells",
                      "cell %d has %d states, but cell 0 has %d", i, cells[i].states, outer.states);
            return (reel_cell){ 0 };
        }
        for (int k = 0; k < outer.states; k++) {
            outer.width[k] += cells[i].width[k];
        }
    }
    outer.self = new_stack(tape, n, cells, (reel_stack_options){ 0 });
    return outer.self ? reel_wrap(tape, outer, begin, n, cells) : (reel_cell){ 0 };
}
