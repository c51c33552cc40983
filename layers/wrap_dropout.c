/* wrap_dropout.c: dropout around a cell and inside it. */
#include <string.h>

#include "probe.h"
#include "wrap.h"

/* ---- around it ------------------------------------------------------------------------------ */

typedef struct {
    reel_cell inner;
    reel_dropout_cell_options options;
    reel__sequence_mask input, state, output;
} around;

static reel_var drop(const around *w, reel__sequence_mask *mask, reel_var v, double p)
{
    return w->options.variational ? reel__drop_by(mask, v, p) : reel_dropout(v, p);
}

static reel_var step_around(void *self, reel_var x, reel_var state[])
{
    around *w = self;
    x = drop(w, &w->input, x, w->options.input);
    if (w->options.state > 0) {
        state[0] = drop(w, &w->state, state[0], w->options.state);
    }
    return drop(w, &w->output, reel__step(&w->inner, x, state), w->options.output);
}

static void begin_around(void *self)
{
    around *w = self;
    w->input = w->state = w->output = (reel__sequence_mask){ 0 };
}

static bool check_around(reel_tape *tape, reel_cell cell, reel_dropout_cell_options options)
{
    if (!reel__check_inner(tape, "dropout_cell", cell) ||
        !reel__check_probability(tape, "dropout_cell", "input", options.input) ||
        !reel__check_probability(tape, "dropout_cell", "state", options.state) ||
        !reel__check_probability(tape, "dropout_cell", "output", options.output)) {
        return false;
    }
    if (options.state > 0 && cell.states == 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "dropout_cell", "state is %g, but the cell has no state",
                  options.state);
        return false;
    }
    return true;
}

reel_cell reel_dropout_cell(reel_tape *tape, reel_cell cell, reel_dropout_cell_options options)
{
    around *w = check_around(tape, cell, options) ? reel__layer_self(tape, sizeof *w) : NULL;
    if (w) {
        w->inner = cell;
        w->options = options;
    }
    return reel__wrap_one(tape, w, step_around, begin_around, cell);
}

reel_var reel_variational_dropout(reel_var x, double p)
{
    reel_shape shape = reel_shape_of(x);
    if (x.id == 0 || !reel__check_probability(x.tape, "variational_dropout", "p", p)) {
        return reel__poisoned(x.tape);
    }
    if (shape.rank != 3) {
        return reel_fail(x.tape, REEL_BAD_SHAPE, "variational_dropout",
                         "x is %s, expected [steps, batch, width]", REEL_SHAPE_TEXT(shape));
    }
    if (p == 0 || !reel_is_training(x.tape)) {
        return x;
    }
    shape.dim[0] = 1;
    return reel_xmul(reel_dropout(reel_fill(x.tape, shape, 1), p), x);
}

/* ---- inside it ------------------------------------------------------------------------------ */

typedef struct {
    reel_cell inner;
    const char *layer, *name;
    double p;
    bool each_step;
    reel__sequence_mask mask;
} inside;

static reel_var drop_inside(void *self, reel_var v)
{
    inside *w = self;
    return w->each_step ? reel_dropout(v, w->p) : reel__drop_by(&w->mask, v, w->p);
}

static reel_var step_inside(void *self, reel_var x, reel_var state[])
{
    inside *w = self;
    reel__probe_hook hook = { .name = w->name, .replace = drop_inside, .self = w };
    reel__probe_push(x.tape, &hook);
    reel_var y = reel__step(&w->inner, x, state);
    reel__probe_pop(x.tape, &hook);
    if (!hook.met && y.id != 0) {
        return reel_fail(x.tape, REEL_NOT_FOUND, w->layer, "no value \"%s\" is named in the cell",
                         w->name);
    }
    return y;
}

static void begin_inside(void *self)
{
    ((inside *)self)->mask = (reel__sequence_mask){ 0 };
}

static reel_cell drop_named(reel_tape *tape, const char *layer, reel_cell cell, const char *name,
                            double p, bool each_step)
{
    if (!reel__check_inner(tape, layer, cell) || !reel__check_probability(tape, layer, "p", p)) {
        return (reel_cell){ 0 };
    }
    if (!name || !name[0]) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "the value needs a name");
        return (reel_cell){ 0 };
    }
    inside *w = reel__layer_self(tape, sizeof *w);
    const char *copy = w ? reel__tape_store_text(tape, name) : NULL;
    if (!copy) {
        return (reel_cell){ 0 };
    }
    *w = (inside){ .inner = cell, .layer = layer, .name = copy, .p = p, .each_step = each_step };
    return reel__wrap_one(tape, w, step_inside, begin_inside, cell);
}

reel_cell reel_update_dropout(reel_tape *tape, reel_cell cell, const char *name, double p,
                              reel_update_dropout_options options)
{
    return drop_named(tape, "update_dropout", cell, name, p, !options.variational);
}

reel_cell reel_weight_drop(reel_tape *tape, reel_cell cell, const char *name, double p)
{
    return drop_named(tape, "weight_drop", cell, name, p, false);
}
