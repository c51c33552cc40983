/* model_step.c: sequential models one time step after another. */
#include <string.h>

#include "trained.h"
#include "training.h"

int reel_model_layers(const reel_model *model)
{
    return model ? model->count : 0;
}

const reel_layer_spec *reel_model_layer(const reel_model *model, int k)
{
    return model && k >= 0 && k < model->count ? &model->layer[k].spec : NULL;
}

/* ---- which models -------------------------------------------------------------------------- */

/* Steps come in: those of the data, or of the layer before. */
static bool takes_sequence(const reel_model *m, int k)
{
    int rank = m->row.rank;
    return k > 0 ? m->layer[k - 1].sequence : rank >= (m->symbols ? 1 : 2);
}

/* Why a layer cannot go step by step; NULL: it can. */
static const char *obstacle(const reel_model *m, int k)
{
    const reel_layer_spec *spec = &m->layer[k].spec;
    if (!takes_sequence(m, k)) {
        return NULL;
    }
    if (spec->reverse || spec->kind == REEL_LAYER_BIDIRECTIONAL) {
        return "goes backwards from the sequence's end";
    }
    bool whole = spec->kind == REEL_LAYER_FLATTEN || spec->kind == REEL_LAYER_FUNCTION;
    return whole ? "needs the whole sequence" : NULL;
}

static bool steps_of(reel_model *m, const char *op, reel_cell *cell)
{
    for (int k = 0; k < m->count; k++) {
        const reel__model_layer *layer = &m->layer[k];
        const char *why = obstacle(m, k);
        if (why) {
            reel_fail(m->tape, REEL_UNSUPPORTED, op, "%s %s", layer->spec.name, why);
            return false;
        }
        if (cell->states + layer->cell.states > REEL_MAX_STATES) {
            reel_fail(m->tape, REEL_UNSUPPORTED, op, "the layers have more than %d states",
                      REEL_MAX_STATES);
            return false;
        }
        for (int s = 0; s < layer->cell.states; s++) {
            cell->width[cell->states++] = layer->cell.width[s];
        }
    }
    return true;
}

/* ---- the step ------------------------------------------------------------------------------ */

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const reel_model *m = self;
    reel__signal s = { .v = x };
    for (int k = 0; k < m->count; k++) {
        const reel__model_layer *layer = &m->layer[k];
        if (layer->cell.step) {
            reel_var in = layer->spec.dropout > 0 ? reel_dropout(s.v, layer->spec.dropout) : s.v;
            s.v = layer->cell.step(layer->cell.self, in, state);
            state += layer->cell.states;
        } else {
            bool distributed = layer->spec.kind == REEL_LAYER_TIME_DISTRIBUTED;
            s = reel__model_layer_apply(distributed ? layer->inner : layer, s);
        }
    }
    return s.v;
}

static reel_cell cell_of(reel_model *m, const char *op)
{
    reel_cell cell = { .self = m };
    if (!m || reel_tape_status(m->tape) != REEL_OK) {
        return (reel_cell){ 0 };
    }
    if (m->build || !reel__model_build_from_input(m)) {
        reel_fail(m->tape, REEL_BAD_ARGUMENT, op, "the model is %s",
                  m->build ? "not sequential" : "not built");
        return (reel_cell){ 0 };
    }
    if (!steps_of(m, op, &cell)) {
        return (reel_cell){ 0 };
    }
    cell.step = step;
    return cell;
}

reel_cell reel_model_cell(reel_model *m)
{
    return cell_of(m, "model_cell");
}

/* ---- generating ---------------------------------------------------------------------------- */

static reel_var logits_of_softmax(void *self, reel_var tokens, reel_var state[])
{
    return reel_log(step(self, tokens, state));
}

reel_decoder reel_model_decoder(reel_model *m)
{
    reel_cell cell = cell_of(m, "model_decoder");
    if (!cell.step) {
        return (reel_decoder){ 0 };
    }
    if (!m->symbols) {
        reel_fail(m->tape, REEL_BAD_ARGUMENT, "model_decoder",
                  "the model's inputs are no symbols: it has no embedding");
        return (reel_decoder){ 0 };
    }
    bool softmax = m->layer[m->count - 1].spec.kind == REEL_LAYER_SOFTMAX;
    reel_decoder decoder = { .self = m,
                             .step = softmax ? logits_of_softmax : step,
                             .states = cell.states };
    memcpy(decoder.width, cell.width, sizeof cell.width);
    return decoder;
}

/* ---- recording ----------------------------------------------------------------------------- */

/* Data, not a recorded constant, so that it may be fed. */
static reel_var zeros(reel_tape *tape, reel_shape shape, bool symbols)
{
    size_t bytes = (size_t)reel_shape_size(shape) * sizeof(float);
    void *data = reel__resize(tape, NULL, 0, bytes);
    if (!data) {
        return (reel_var){ 0 };
    }
    memset(data, 0, bytes);
    reel_var v = symbols ? reel_indices(tape, shape, data) : reel_input(tape, shape, data);
    reel__resize(tape, data, bytes, 0);
    return v;
}

/* What one step takes: [batch, …] */
static reel_shape input_shape(const reel_model *m, int64_t batch)
{
    reel_shape shape = { .rank = 1, .dim = { batch } };
    for (int axis = takes_sequence(m, 0) ? 1 : 0; axis < m->row.rank; axis++) {
        shape.dim[shape.rank++] = m->row.dim[axis];
    }
    return shape;
}

static void record(reel_model *m, reel_cell cell, int64_t batch, reel_recorded *r)
{
    *r = (reel_recorded){ .inputs = 1, .outputs = 1, .states = cell.states };
    r->input[0] = zeros(m->tape, input_shape(m, batch), m->symbols);
    for (int k = 0; k < cell.states; k++) {
        r->state[k] = zeros(m->tape, REEL_SHAPE(batch, cell.width[k]), false);
        r->next[k] = r->state[k];
    }
    r->output[0] = cell.step(cell.self, r->input[0], r->next);
}

reel_status reel_model_record(reel_model *m, int64_t batch, reel_recorded *r)
{
    reel_cell cell = cell_of(m, "model_record");
    if (!m) {
        return REEL_BAD_HANDLE;
    }
    if (cell.step && (batch < 1 || batch > INT32_MAX || !r)) {
        reel_fail(m->tape, REEL_BAD_ARGUMENT, "model_record",
                  "the batch is %lld, must be in [1, %d]", (long long)batch, INT32_MAX);
    }
    if (reel_tape_status(m->tape) != REEL_OK) {
        return reel_tape_status(m->tape);
    }
    bool training = m->tape->training;
    reel_set_training(m->tape, false);
    record(m, cell, batch, r);
    reel_set_training(m->tape, training);
    return reel_tape_status(m->tape);
}
