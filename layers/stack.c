/* stack.c: several cells as one, on top of each other. */
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
    if (!reel__check_cells(tape, "stack_cells", n, cells) ||
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
