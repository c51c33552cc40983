/* model.c: models, their memory and their forward pass. */
#include <string.h>

#include "../layers/layer.h"
#include "training.h"

/* ---- memory -------------------------------------------------------------------------------- */

void *reel__room_for(reel_tape *tape, reel__room *room, size_t bytes)
{
    bytes = bytes ? bytes : 1;
    if (bytes > room->bytes) {
        void *data = reel__resize(tape, room->data, room->bytes, bytes);
        if (!data) {
            return NULL;
        }
        *room = (reel__room){ data, bytes };
    }
    return room->data;
}

void reel__room_free(reel_tape *tape, reel__room *room)
{
    reel__resize(tape, room->data, room->bytes, 0);
    *room = (reel__room){ 0 };
}

static void release(void *self)
{
    reel_model *m = self;
    reel__room *rooms[] = { &m->x, &m->y, &m->weights, &m->lengths, &m->outputs, &m->order };
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        reel__room_free(m->tape, rooms[i]);
    }
    for (int k = 0; k < m->metrics; k++) {
        reel__metric_free(&m->metric[k]);
    }
}

static reel_model *new_model(reel_tape *tape)
{
    reel_model *model = tape ? reel__tape_store(tape, sizeof *model) : NULL;
    if (!model || !reel__tape_on_free(tape, release, model)) {
        return NULL;
    }
    model->tape = tape;
    return model;
}

/* ---- sequential models --------------------------------------------------------------------- */

/* A copy of what the program wrote, on the tape's memory. */
static bool copy_layer(reel_tape *tape, reel__model_layer *layer, const reel_layer_spec *spec,
                       const char *name)
{
    layer->spec = *spec;
    layer->spec.inner = NULL;
    layer->spec.name = reel__tape_store_text(tape, spec->name ? spec->name : name);
    if (!layer->spec.name || !reel__model_layer_check(tape, spec, layer->spec.name)) {
        return false;
    }
    if (!spec->inner) {
        return true;
    }
    layer->inner = reel__tape_store(tape, sizeof *layer->inner);
    layer->spec.inner = layer->inner ? &layer->inner->spec : NULL;
    return layer->inner && copy_layer(tape, layer->inner, spec->inner, layer->spec.name);
}

static bool names_differ(const reel_model *model, int n)
{
    for (int k = 0; k < n; k++) {
        for (int other = 0; other < k; other++) {
            const char *name = model->layer[k].spec.name;
            if (strcmp(name, model->layer[other].spec.name) == 0) {
                reel_fail(model->tape, REEL_BAD_ARGUMENT, "sequential",
                          "layers %d and %d are both called %s", other, k, name);
                return false;
            }
        }
    }
    return true;
}

/* A second model's layers must not take the names of the first's parameters. */
static int models_before(const reel_tape *tape)
{
    int count = 0;
    for (const reel__on_free *entry = tape->on_free; entry; entry = entry->next) {
        count += entry->call == release && ((const reel_model *)entry->self)->count > 0;
    }
    return count;
}

static void default_name(char name[64], int number, int k)
{
    if (number > 0) {
        snprintf(name, 64, "model_%d.layer_%d", number, k);
    } else {
        snprintf(name, 64, "layer_%d", k);
    }
}

reel_model *reel_sequential_n(reel_tape *tape, int n, const reel_layer_spec layers[])
{
    if (tape && (n < 1 || !layers)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "sequential", "a model needs at least one layer");
        return NULL;
    }
    int number = tape ? models_before(tape) : 0;
    reel_model *model = new_model(tape);
    size_t bytes = (size_t)n * sizeof *model->layer;
    if (!model || !(model->layer = reel__tape_store(tape, bytes))) {
        return NULL;
    }
    for (int k = 0; k < n; k++) {
        char name[64];
        default_name(name, number, k);
        if (!copy_layer(tape, &model->layer[k], &layers[k], name)) {
            return NULL;
        }
    }
    model->count = names_differ(model, n) ? n : 0;
    return model->count ? model : NULL;
}

reel_model *reel_model_new(reel_tape *tape, reel_build_fn build, void *self)
{
    if (tape && !build) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "model_new", "the function is NULL");
        return NULL;
    }
    reel_model *model = new_model(tape);
    if (model) {
        model->build = build;
        model->self = self;
    }
    return model;
}

reel_tape *reel_model_tape(const reel_model *model)
{
    return model ? model->tape : NULL;
}

bool reel__model_ready(reel_model *model, const char *op)
{
    if (!model) {
        return false;
    }
    if (!model->compiled) {
        reel_fail(model->tape, REEL_BAD_ARGUMENT, op, "call reel_compile before");
    }
    return reel_tape_status(model->tape) == REEL_OK;
}

/* ---- forward ------------------------------------------------------------------------------- */

static reel_shape row_of(reel__signal s)
{
    reel_shape shape = reel_shape_of(s.v), row = { .rank = shape.rank - 1 };
    for (int axis = 0, at = 0; axis < shape.rank; axis++) {
        if (axis != (s.sequence ? 1 : 0)) {
            row.dim[at++] = shape.dim[axis];
        }
    }
    return row;
}

static bool make_layer(reel__model_layer *layer, reel__signal in)
{
    layer->first_param = reel_param_count(in.v.tape);
    bool made = reel__model_layer_make(layer, in);
    layer->end_param = reel_param_count(in.v.tape);
    return made && reel_tape_status(in.v.tape) == REEL_OK;
}

static reel__signal forward(reel_model *model, reel__signal s, bool make)
{
    for (int k = 0; k < model->count && reel_tape_status(model->tape) == REEL_OK; k++) {
        reel__model_layer *layer = &model->layer[k];
        if (make && !make_layer(layer, s)) {
            break;
        }
        s = reel__model_layer_apply(layer, s);
        if (make) {
            layer->output = row_of(s);
            layer->sequence = s.sequence;
        }
    }
    return s;
}

/* Data's rows are sequences where there is an axis for the steps and one for what is in a step. */
static bool is_sequence(int row_rank, bool symbols)
{
    return row_rank >= (symbols ? 1 : 2);
}

bool reel__data_is_sequence(reel_data data)
{
    return is_sequence(data.shape.rank - 1, data.i32 != NULL);
}

/* Rows of the shape: data nobody reads. */
static reel__signal placeholder(reel_tape *tape, reel_shape row, int64_t rows, bool symbols)
{
    bool sequence = is_sequence(row.rank, symbols);
    reel_shape shape = { .rank = row.rank + 1 };
    for (int axis = 0, at = 0; axis < shape.rank; axis++) {
        bool is_batch = axis == (sequence ? 1 : 0);
        shape.dim[axis] = is_batch ? rows : row.dim[at++];
    }
    if (sequence && shape.dim[0] == 0) {
        shape.dim[0] = 1;
    }
    reel_var v = reel_fill(tape, shape, 0);
    if (symbols) {
        v = reel_argmax(reel_unsqueeze(v, -1), -1);
    }
    return (reel__signal){ .v = v, .sequence = sequence };
}

static bool same_row(const reel_model *model, reel_shape row, bool symbols)
{
    bool sequence = is_sequence(row.rank, symbols);
    bool same = row.rank == model->row.rank && symbols == model->symbols;
    for (int axis = sequence ? 1 : 0; same && axis < row.rank; axis++) {
        same = row.dim[axis] == model->row.dim[axis];
    }
    return same;
}

static reel_status build_layers(reel_model *model, reel_shape row, bool symbols)
{
    reel_tape *tape = model->tape;
    reel_shape given = model->layer[0].spec.input;
    size_t before = reel_param_count(tape);
    model->row = row;
    model->symbols = symbols;
    if (given.rank > 0 && !same_row(model, given, symbols)) {
        reel_fail(tape, REEL_BAD_SHAPE, "model_build", "rows are %s, .input says %s",
                  REEL_SHAPE_TEXT(row), REEL_SHAPE_TEXT(given));
        return reel_tape_status(tape);
    }
    forward(model, placeholder(tape, row, 1, symbols), true);
    model->built = reel_tape_status(tape) == REEL_OK;
    if (!model->built && reel_param_count(tape) > before) {
        model->row.rank = -1; /* half of its parameters exist: it can be built no more */
    }
    return reel_tape_status(tape);
}

reel_status reel_model_build(reel_model *model, reel_shape row, bool symbols)
{
    if (!model) {
        return REEL_BAD_HANDLE;
    }
    if (reel_tape_status(model->tape) != REEL_OK) {
        return reel_tape_status(model->tape);
    }
    if (model->build) {
        model->row = row;
        model->symbols = symbols;
        return REEL_OK;
    }
    if (!reel__shape_valid(row)) {
        reel_fail(model->tape, REEL_BAD_SHAPE, "model_build", "the shape of a row is not valid");
    } else if (!model->built && model->row.rank < 0) {
        reel_fail(model->tape, REEL_BAD_HANDLE, "model_build",
                  "making the model's parameters failed before");
    } else if (!model->built) {
        return build_layers(model, row, symbols);
    } else if (!same_row(model, row, symbols)) {
        reel_fail(model->tape, REEL_BAD_SHAPE, "model_build",
                  "rows are %s%s, the model was built for %s%s", REEL_SHAPE_TEXT(row),
                  symbols ? " of symbols" : "", REEL_SHAPE_TEXT(model->row),
                  model->symbols ? " of symbols" : "");
    }
    return reel_tape_status(model->tape);
}

reel__signal reel__model_forward(reel_model *model, reel_batch *batch, bool symbols)
{
    reel_shape shape = reel_shape_of(batch->x);
    if (model->build) {
        batch->sequence = false;
        reel_var out = model->build(model->tape, model->self, batch);
        model->latest = out;
        model->latest_rows = batch->rows;
        return (reel__signal){ out, batch->sequence, batch->sequence ? batch->lengths : NULL };
    }
    bool sequence = is_sequence(shape.rank - 1, symbols);
    return forward(model, (reel__signal){ batch->x, sequence, batch->lengths }, false);
}

reel_var reel__model_sketch(reel_model *model, const char *op)
{
    if (model->latest_rows == 0) {
        return reel_fail(model->tape, REEL_BAD_ARGUMENT, op,
                         "a functional model is drawn as it was recorded: fit it or predict first");
    }
    int64_t rows = model->latest_rows;
    reel__signal x = placeholder(model->tape, model->row, rows, model->symbols);
    reel_batch batch = { .rows = rows, .x = x.v };
    return reel__model_forward(model, &batch, model->symbols).v;
}

bool reel__model_build_from_input(reel_model *model)
{
    if (!model->build && !model->built) {
        const reel_layer_spec *first = &model->layer[0].spec;
        if (first->input.rank > 0) {
            reel_model_build(model, first->input, first->kind == REEL_LAYER_EMBEDDING);
        }
    }
    return model->built;
}

int64_t reel__layer_parameters(const reel_model *model, const reel__model_layer *layer)
{
    int64_t count = 0;
    for (size_t i = layer->first_param; i < layer->end_param; i++) {
        count += reel_shape_size(reel_shape_of(reel_param_at(model->tape, i)));
    }
    return count;
}

int64_t reel_model_parameters(const reel_model *model)
{
    int64_t count = 0;
    for (int k = 0; model && model->built && k < model->count; k++) {
        count += reel__layer_parameters(model, &model->layer[k]);
    }
    return count;
}
