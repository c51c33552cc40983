/* wrap.c: cells around cells, and what belongs to one sequence. */
#include <string.h>

#include "wrap.h"

typedef struct {
    reel_cell outer;
    void (*begin)(void *self);
    int n;
    reel_cell inner[];
} wrapper;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const wrapper *w = self;
    return reel__step(&w->outer, x, state);
}

static void *take_recorded(reel_tape *tape, size_t bytes)
{
    return reel__arena_take(tape, &tape->recorded, bytes);
}

static reel_cell wrap(reel_tape *tape, void *(*take)(reel_tape *, size_t bytes), reel_cell outer,
                      void (*begin)(void *self), int n, const reel_cell inner[])
{
    if (n < 0 || (n > 0 && !inner)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "wrap", "%d inner cells", n);
        return (reel_cell){ 0 };
    }
    if (!reel__check_inner(tape, "wrap", outer)) {
        return (reel_cell){ 0 };
    }
    size_t list = (size_t)n * sizeof *inner;
    wrapper *w = tape ? take(tape, sizeof *w + list) : NULL;
    if (!w) {
        return (reel_cell){ 0 };
    }
    w->outer = outer;
    w->begin = begin;
    w->n = n;
    if (n > 0) {
        memcpy(w->inner, inner, list);
    }
    reel_cell wrapped = outer;
    wrapped.self = w;
    wrapped.step = step;
    return wrapped;
}

reel_cell reel_wrap(reel_tape *tape, reel_cell outer, void (*begin)(void *self), int n,
                    const reel_cell inner[])
{
    return wrap(tape, reel__layer_self, outer, begin, n, inner);
}

reel_cell reel__wrap_recorded(reel_tape *tape, reel_cell outer, reel_cell inner)
{
    return wrap(tape, take_recorded, outer, NULL, 1, &inner);
}

void reel_begin_sequence(reel_cell cell)
{
    if (cell.step != step) {
        return;
    }
    const wrapper *w = cell.self;
    if (w->begin) {
        w->begin(w->outer.self);
    }
    for (int k = 0; k < w->n; k++) {
        reel_begin_sequence(w->inner[k]);
    }
}

reel_cell reel__wrap_one(reel_tape *tape, void *self,
                         reel_var (*step_of_it)(void *self, reel_var x, reel_var state[]),
                         void (*begin)(void *self), reel_cell inner)
{
    reel_cell outer = inner;
    outer.self = self;
    outer.step = step_of_it;
    return self ? reel_wrap(tape, outer, begin, 1, &inner) : (reel_cell){ 0 };
}

/* ---- checks --------------------------------------------------------------------------------- */

bool reel__check_inner(reel_tape *tape, const char *layer, reel_cell cell)
{
    if (!cell.step) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "the cell has no step function");
        return false;
    }
    if (cell.states < 0 || cell.states > REEL_MAX_STATES) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "cell.states = %d is outside 0 … %d", cell.states,
                  REEL_MAX_STATES);
        return false;
    }
    return true;
}

bool reel__check_cells(reel_tape *tape, const char *layer, int n, const reel_cell cells[])
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

bool reel__check_probability(reel_tape *tape, const char *layer, const char *what, double p)
{
    if (p >= 0 && p < 1) {
        return true;
    }
    reel_fail(tape, REEL_BAD_ARGUMENT, layer, "%s is %g, must be in [0, 1)", what, p);
    return false;
}

/* ---- masks ---------------------------------------------------------------------------------- */

static bool is_current(const reel__sequence_mask *m, reel_var v)
{
    return m->mask.id != 0 && m->recording == v.tape->recording &&
           reel_shape_equal(reel_shape_of(m->mask), reel_shape_of(v));
}

reel_var reel__drop_by(reel__sequence_mask *m, reel_var v, double p)
{
    if (p == 0 || v.id == 0 || !reel_is_training(v.tape)) {
        return v;
    }
    if (!is_current(m, v)) {
        m->mask = reel_dropout(reel_fill(v.tape, reel_shape_of(v), 1), p);
        m->recording = v.tape->recording;
        m->from = (reel_var){ 0 };
    }
    if (m->from.id != v.id) {
        m->from = v;
        m->dropped = reel_xmul(m->mask, v);
    }
    return m->dropped;
}
