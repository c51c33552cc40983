/* ensemble.c: cells side by side. */
#include <string.h>

#include "wrap.h"

/* Between two steps the states lie side by side in one tensor, whose parts are those that were
 * joined: remembered, so that no member waits for the others and none of their gradients is joined
 * and cut again. */
typedef struct {
    reel_tape *tape;
    int n;
    bool apart;
    uint32_t recording;               /* of the tape, that the next two belong to */
    reel_var joined[REEL_MAX_STATES]; /* the states of the latest step */
    reel_var *parts;                  /* [REEL_MAX_STATES, n]: what they were joined from */
    reel_var *outputs;                /* [n], of this step */
    reel_cell cell[];
} ensemble;

/* Columns from `first` on, as many as the cell's state has. */
static reel_var columns(reel_var all, int64_t first, int64_t width)
{
    return reel_slice(all, 1, first, first + width);
}

static bool is_remembered(const ensemble *e, int k, reel_var state)
{
    return e->recording == e->tape->recording && state.id != 0 && e->joined[k].id == state.id;
}

/* parts[k][i] = member i's columns of state k. */
static void take_apart(ensemble *e, const reel_var state[])
{
    for (int k = 0; k < e->cell[0].states; k++) {
        int64_t first = 0;
        for (int i = 0; i < e->n && !is_remembered(e, k, state[k]); i++) {
            int64_t width = e->cell[i].width[k];
            e->parts[k * e->n + i] = columns(state[k], first, width);
            first += width;
        }
    }
}

static reel_var input_of(const ensemble *e, int i, reel_var x)
{
    reel_shape shape = reel_shape_of(x);
    if (!e->apart || x.id == 0) {
        return x;
    }
    if (shape.rank != 2 || shape.dim[1] % e->n != 0) {
        return reel_fail(x.tape, REEL_BAD_SHAPE, "ensemble",
                         "x is %s, expected [batch, a multiple of %d members]",
                         REEL_SHAPE_TEXT(shape), e->n);
    }
    int64_t width = shape.dim[1] / e->n;
    return columns(x, i * width, width);
}

static void step_member(ensemble *e, int i, reel_var x)
{
    int states = e->cell[i].states;
    reel_var own[REEL_MAX_STATES] = { { 0 } };
    for (int k = 0; k < states; k++) {
        own[k] = e->parts[k * e->n + i];
    }
    e->outputs[i] = reel__step(&e->cell[i], input_of(e, i, x), own);
    for (int k = 0; k < states; k++) {
        e->parts[k * e->n + i] = own[k];
    }
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    ensemble *e = self;
    take_apart(e, state);
    for (int i = 0; i < e->n; i++) {
        step_member(e, i, x);
    }
    for (int k = 0; k < e->cell[0].states; k++) {
        state[k] = e->joined[k] = reel_concat_n(1, e->n, e->parts + k * e->n);
    }
    e->recording = e->tape->recording;
    return reel_concat_n(1, e->n, e->outputs);
}

/* ---- making one ----------------------------------------------------------------------------- */

static ensemble *new_ensemble(reel_tape *tape, int n, const reel_cell cells[], bool apart)
{
    size_t count = (size_t)n;
    ensemble *e = reel__layer_self(tape, sizeof *e + count * sizeof *cells);
    if (!e) {
        return NULL;
    }
    e->parts = reel__layer_self(tape, count * REEL_MAX_STATES * sizeof *e->parts);
    e->outputs = reel__layer_self(tape, count * sizeof *e->outputs);
    e->tape = tape;
    e->n = n;
    e->apart = apart;
    memcpy(e->cell, cells, count * sizeof *cells);
    return e->parts && e->outputs ? e : NULL;
}

static void begin(void *self)
{
    ensemble *e = self;
    memset(e->joined, 0, sizeof e->joined);
}

static reel_cell side_by_side(reel_tape *tape, const char *layer, int n, const reel_cell cells[],
                              bool apart)
{
    if (!reel__check_cells(tape, layer, n, cells)) {
        return (reel_cell){ 0 };
    }
    reel_cell outer = { .step = step, .states = cells[0].states };
    for (int i = 0; i < n; i++) {
        if (cells[i].states != outer.states) {
            reel_fail(tape, REEL_BAD_ARGUMENT, layer, "cell %d has %d states, but cell 0 has %d", i,
                      cells[i].states, outer.states);
            return (reel_cell){ 0 };
        }
        for (int k = 0; k < outer.states; k++) {
            outer.width[k] += cells[i].width[k];
        }
    }
    outer.self = new_ensemble(tape, n, cells, apart);
    return outer.self ? reel_wrap(tape, outer, begin, n, cells) : (reel_cell){ 0 };
}

reel_cell reel_parallel_cells(reel_tape *tape, int n, const reel_cell cells[])
{
    return side_by_side(tape, "parallel_cells", n, cells, false);
}

enum { LONGEST_NAME = 255 };

static bool make_members(reel_tape *tape, const char *name, int n, reel_make_cell make, void *self,
                         reel_cell cells[])
{
    for (int i = 0; i < n; i++) {
        char member[LONGEST_NAME + 1];
        snprintf(member, sizeof member, "%.200s.%d", name, i);
        cells[i] = make(tape, member, self);
        if (!cells[i].step) {
            return false;
        }
    }
    return true;
}

reel_cell reel_ensemble(reel_tape *tape, const char *name, int members, reel_make_cell make,
                        void *self, reel_ensemble_options options)
{
    if (!make || !name || !name[0] || members < 1) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "ensemble", "%d members of %s by %s", members,
                  name && name[0] ? name : "no name", make ? "a function" : "none");
        return (reel_cell){ 0 };
    }
    size_t bytes = (size_t)members * sizeof(reel_cell);
    reel_cell *cells = tape ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (!cells) {
        return (reel_cell){ 0 };
    }
    bool made = make_members(tape, name, members, make, self, cells);
    reel_cell all =
        made ? side_by_side(tape, "ensemble", members, cells, options.apart) : (reel_cell){ 0 };
    reel__resize(tape, cells, bytes, 0);
    return all;
}

reel_var reel_members(reel_var v, int members)
{
    reel_shape shape = reel_shape_of(v);
    if (v.id == 0) {
        return v;
    }
    int64_t width = shape.rank > 0 ? shape.dim[shape.rank - 1] : 0;
    if (members < 1 || shape.rank < 1 || shape.rank >= REEL_MAX_RANK || width % members != 0) {
        return reel_fail(v.tape, REEL_BAD_SHAPE, "members", "v is %s, expected [..., %d·width]",
                         REEL_SHAPE_TEXT(shape), members);
    }
    shape.dim[shape.rank - 1] = members;
    shape.dim[shape.rank++] = width / members;
    v = reel_reshape(v, shape);
    int axes[REEL_MAX_RANK] = { shape.rank - 2 };
    for (int axis = 0, at = 1; axis < shape.rank; axis++) {
        if (axis != shape.rank - 2) {
            axes[at++] = axis;
        }
    }
    return reel_permute_n(v, shape.rank, axes);
}
