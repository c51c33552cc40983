/* recorded.c: a recorded program: inputs, outputs, and states that go round. */
#include "recorded.h"

#include "../ops/ops.h"

static bool counts_fit(const reel_recorded *r)
{
    return r->inputs >= 0 && r->inputs <= REEL_MAX_PORTS && r->outputs >= 1 &&
           r->outputs <= REEL_MAX_PORTS && r->states >= 0 && r->states <= REEL_MAX_PORTS;
}

static bool check_states(reel_tape *t, const char *who, const reel_recorded *r)
{
    for (int k = 0; k < r->states; k++) {
        reel_shape from = reel_shape_of(r->state[k]), to = reel_shape_of(r->next[k]);
        if (from.rank < 0 || to.rank < 0) {
            return false;
        }
        if (!reel_shape_equal(from, to) ||
            reel_is_index(r->state[k]) != reel_is_index(r->next[k])) {
            reel_fail(t, REEL_BAD_SHAPE, who, "state %d is %s and becomes %s", k,
                      REEL_SHAPE_TEXT(from), REEL_SHAPE_TEXT(to));
            return false;
        }
    }
    return true;
}

static bool check_ops(reel_tape *t, const char *who, const reel__listing *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const reel__listed *y = &l->item[i];
        if (y->kind == REEL__LISTED_CALL && y->op->random) {
            reel_fail(t, REEL_UNSUPPORTED, who,
                      "%s draws at random; record with reel_set_training(t, false)", y->op->name);
            return false;
        }
    }
    return true;
}

bool reel__list_recorded(reel_tape *t, const char *who, const reel_recorded *r, reel__listing *l)
{
    reel_var in[2 * REEL_MAX_PORTS], out[2 * REEL_MAX_PORTS];
    *l = (reel__listing){ .tape = t };
    if (!counts_fit(r)) {
        reel_fail(t, REEL_BAD_ARGUMENT, who, "%d inputs, %d outputs, %d states", r->inputs,
                  r->outputs, r->states);
        return false;
    }
    if (!check_states(t, who, r)) {
        return false;
    }
    for (int i = 0; i < r->inputs + r->states; i++) {
        in[i] = i < r->inputs ? r->input[i] : r->state[i - r->inputs];
    }
    for (int i = 0; i < r->outputs + r->states; i++) {
        out[i] = i < r->outputs ? r->output[i] : r->next[i - r->outputs];
    }
    return reel__list_nodes(t, who, r->inputs + r->states, in, r->outputs + r->states, out, l) &&
           check_ops(t, who, l);
}

const void *reel__initial_state(const reel_recorded *r, int k)
{
    reel_tape *t = r->state[k].tape;
    uint32_t index;
    reel_tensor x;
    if (!reel__resolve(t, r->state[k], "state", &index) ||
        reel__node_at(t, index)->op->kind != REEL_LEAF || !reel__tensor_of(t, index, &x)) {
        return NULL;
    }
    return x.data;
}

/* Data, not a recorded `fill`, so that it may be fed. */
static reel_var zeros(reel_tape *t, int64_t rows, int64_t columns)
{
    size_t bytes = (size_t)(rows * columns) * sizeof(double);
    double *values = reel__resize(t, NULL, 0, bytes + 1);
    for (int64_t i = 0; values && i < rows * columns; i++) {
        values[i] = 0;
    }
    if (values == NULL) {
        return (reel_var){ t, 0 };
    }
    reel_var v = reel_input_f64(t, REEL_SHAPE(rows, columns), values);
    reel__resize(t, values, bytes + 1, 0);
    return v;
}

static bool sizes_fit(reel_cell cell, int64_t batch, int64_t in)
{
    bool fit = batch > 0 && in > 0 && batch < INT32_MAX && in < INT32_MAX && cell.states >= 0 &&
               cell.states <= REEL_MAX_STATES;
    for (int k = 0; fit && k < cell.states; k++) {
        fit = cell.width[k] >= 0 && cell.width[k] < INT32_MAX;
    }
    return fit;
}

reel_status reel_record_step(reel_tape *t, reel_cell cell, int64_t batch, int64_t in,
                             reel_layer output, reel_recorded *r)
{
    static const char who[] = "record_step";
    if (t == NULL || r == NULL || cell.step == NULL || !sizes_fit(cell, batch, in)) {
        reel_fail(t, REEL_BAD_ARGUMENT, who, "no cell, or a size out of range: [%lld,%lld]",
                  (long long)batch, (long long)in);
        return REEL_BAD_ARGUMENT;
    }
    *r = (reel_recorded){ .inputs = 1, .outputs = 1, .states = cell.states };
    r->input[0] = zeros(t, batch, in);
    for (int k = 0; k < cell.states; k++) {
        r->next[k] = r->state[k] = zeros(t, batch, cell.width[k]);
    }
    reel_var y = cell.step(cell.self, r->input[0], r->next);
    r->output[0] = output.apply ? reel_apply(output, y) : y;
    return reel_shape_of(r->output[0]).rank < 0 ? reel_tape_status(t) : REEL_OK;
}
