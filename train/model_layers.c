/* model_layers.c: the layers of sequential models: what each needs, makes and records. */
#include "../layers/rollout.h"
#include "training.h"

typedef struct {
    const char *name;
    bool (*check)(reel_tape *, const reel_layer_spec *, const char *name);
    bool (*make)(reel__model_layer *, reel__signal in);
    reel__signal (*apply)(const reel__model_layer *, reel__signal in);
} kind;
static const kind kinds[REEL_LAYER_KINDS];

#define FAIL(layer, tape, ...)                                                                     \
    (reel_fail((tape), REEL_BAD_SHAPE, kinds[(layer)->spec.kind].name, __VA_ARGS__), false)

static int64_t width_of(reel__signal s)
{
    reel_shape shape = reel_shape_of(s.v);
    return shape.rank > 0 ? shape.dim[shape.rank - 1] : 0;
}

/* [rows, steps, …], as the data is written */
static reel_shape batch_first(reel__signal s)
{
    reel_shape shape = reel_shape_of(s.v);
    if (s.sequence) {
        int64_t steps = shape.dim[0];
        shape.dim[0] = shape.dim[1];
        shape.dim[1] = steps;
    }
    return shape;
}

static reel__signal with(reel__signal s, reel_var v)
{
    s.v = v;
    return s;
}

/* ---- recurrent layers ---------------------------------------------------------------------- */

static bool check_units(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    if (!(spec->dropout >= 0 && spec->dropout < 1)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, kinds[spec->kind].name,
                  "dropout of %s is %g, must be in [0, 1)", name, spec->dropout);
        return false;
    }
    return spec->kind == REEL_LAYER_CELL ||
           reel__check_size(tape, kinds[spec->kind].name, "units", spec->units);
}

static bool check_cell(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    if (!spec->cell) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "Cell", "%s has no function that makes the cell", name);
        return false;
    }
    return check_units(tape, spec, name);
}

static reel_cell new_cell(const reel__model_layer *layer, reel_tape *tape, const char *name,
                          int64_t in)
{
    const reel_layer_spec *s = &layer->spec;
    switch (s->kind) {
    case REEL_LAYER_LSTM:
        return reel_lstm(tape, name, in, s->units,
                         (reel_lstm_options){ .peephole = s->peephole,
                                              .layer_norm = s->layer_norm,
                                              .epsilon = s->epsilon,
                                              .projection = s->projection,
                                              .forget_bias = s->forget_bias });
    case REEL_LAYER_GRU:
        return reel_gru(tape, name, in, s->units,
                        (reel_gru_options){ .reset_after = s->reset_after });
    case REEL_LAYER_RNN:
        return reel_rnn(tape, name, in, s->units,
                        (reel_rnn_options){ .activation = s->activation });
    default:
        return s->cell(tape, name, in, s->self);
    }
}

static bool needs_steps(const reel__model_layer *layer, reel__signal in)
{
    if (in.sequence && reel_shape_of(in.v).rank == 3 && !reel_is_index(in.v)) {
        return true;
    }
    return FAIL(layer, in.v.tape, "%s needs [rows, steps, features], its input is %s%s",
                layer->spec.name, REEL_SHAPE_TEXT(batch_first(in)),
                reel_is_index(in.v) ? " of symbols: an embedding comes first" : "");
}

static bool make_recurrent(reel__model_layer *layer, reel__signal in)
{
    if (!needs_steps(layer, in)) {
        return false;
    }
    layer->cell = new_cell(layer, in.v.tape, layer->spec.name, width_of(in));
    return layer->cell.step != NULL;
}

/* [T, B]: 1 at the step that is the last of its row, or the first where the layer runs backwards. */
static reel_var end_marks(reel__signal s, bool reverse)
{
    reel_shape shape = reel_shape_of(s.v);
    int64_t steps = shape.dim[0], rows = shape.dim[1];
    size_t bytes = (size_t)(steps * rows) * sizeof(float);
    float *mark = reel__resize(s.v.tape, NULL, 0, bytes ? bytes : 1);
    if (!mark) {
        return reel__poisoned(s.v.tape);
    }
    for (int64_t i = 0; i < steps * rows; i++) {
        int64_t length = s.lengths[i % rows];
        mark[i] = length > 0 && i / rows == (reverse ? 0 : length - 1);
    }
    reel_var v = reel_input(s.v.tape, REEL_SHAPE(steps, rows, 1), mark);
    reel__resize(s.v.tape, mark, bytes ? bytes : 1, 0);
    return v;
}

/* The output after each row's last step. The built-in cells put out their state 0. */
static reel_var last_output(const reel__model_layer *layer, reel__signal in, reel_rollout r,
                            bool reverse)
{
    if (layer->spec.kind != REEL_LAYER_CELL) {
        return r.state[0];
    }
    if (in.lengths) {
        return reel_sum(reel_mul(r.outputs, end_marks(in, reverse)), 0);
    }
    return reel_at(r.outputs, reverse ? 0 : -1);
}

static reel_var run_cell(const reel__model_layer *layer, reel_cell cell, reel__signal in,
                         bool reverse)
{
    reel_var x = layer->spec.dropout > 0 ? reel_dropout(in.v, layer->spec.dropout) : in.v;
    reel_rollout r =
        reel_unroll(cell, x, (reel_unroll_options){ .lengths = in.lengths, .reverse = reverse });
    if (layer->spec.return_sequences) {
        return r.outputs;
    }
    return last_output(layer, in, r, reverse);
}

static reel__signal after_cell(const reel__model_layer *layer, reel__signal in, reel_var v)
{
    bool sequence = layer->spec.return_sequences;
    return (reel__signal){ v, sequence, sequence ? in.lengths : NULL };
}

static reel__signal apply_recurrent(const reel__model_layer *layer, reel__signal in)
{
    if (!needs_steps(layer, in)) {
        return with(in, reel__poisoned(in.v.tape));
    }
    return after_cell(layer, in, run_cell(layer, layer->cell, in, layer->spec.reverse));
}

/* ---- both directions ----------------------------------------------------------------------- */

static bool is_recurrent(reel_layer_kind k)
{
    return k == REEL_LAYER_LSTM || k == REEL_LAYER_GRU || k == REEL_LAYER_RNN ||
           k == REEL_LAYER_CELL;
}

static bool check_bidirectional(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    if (!spec->inner || !is_recurrent(spec->inner->kind)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "Bidirectional", "what %s holds must be recurrent",
                  name);
        return false;
    }
    if ((unsigned)spec->merge >= REEL_MERGE_SEPARATE) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "Bidirectional", "%s: there is no merge %d", name,
                  (int)spec->merge);
        return false;
    }
    return true;
}

static bool make_bidirectional(reel__model_layer *layer, reel__signal in)
{
    if (!needs_steps(layer, in)) {
        return false;
    }
    char name[256];
    snprintf(name, sizeof name, "%.200s.forward", layer->spec.name);
    layer->cell = new_cell(layer->inner, in.v.tape, name, width_of(in));
    snprintf(name, sizeof name, "%.200s.backward", layer->spec.name);
    layer->backward = new_cell(layer->inner, in.v.tape, name, width_of(in));
    return layer->cell.step && layer->backward.step;
}

static reel__signal apply_bidirectional(const reel__model_layer *layer, reel__signal in)
{
    if (!needs_steps(layer, in)) {
        return with(in, reel__poisoned(in.v.tape));
    }
    reel_var forward = run_cell(layer->inner, layer->cell, in, false);
    reel_var backward = run_cell(layer->inner, layer->backward, in, true);
    return after_cell(layer->inner, in,
                      reel__merge_directions(layer->spec.merge, forward, backward));
}

/* ---- a layer at each step ------------------------------------------------------------------ */

static bool check_inner(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    if (!spec->inner) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "TimeDistributed", "%s holds no layer", name);
    }
    return spec->inner != NULL;
}

/* [T, B, …] as [T·B, …] */
static reel__signal steps_as_rows(reel__signal s)
{
    reel_shape shape = reel_shape_of(s.v), flat = { .rank = shape.rank - 1 };
    flat.dim[0] = shape.dim[0] * shape.dim[1];
    for (int axis = 1; axis < flat.rank; axis++) {
        flat.dim[axis] = shape.dim[axis + 1];
    }
    return (reel__signal){ .v = reel_reshape(s.v, flat) };
}

static bool needs_sequence(const reel__model_layer *layer, reel__signal in)
{
    return in.sequence || FAIL(layer, in.v.tape, "%s needs sequences, its input is %s",
                               layer->spec.name, REEL_SHAPE_TEXT(batch_first(in)));
}

static bool make_distributed(reel__model_layer *layer, reel__signal in)
{
    return needs_sequence(layer, in) && reel__model_layer_make(layer->inner, steps_as_rows(in));
}

static reel__signal apply_distributed(const reel__model_layer *layer, reel__signal in)
{
    if (!needs_sequence(layer, in)) {
        return with(in, reel__poisoned(in.v.tape));
    }
    reel_shape shape = reel_shape_of(in.v);
    reel_var flat = reel__model_layer_apply(layer->inner, steps_as_rows(in)).v;
    reel_shape rows = reel_shape_of(flat), steps = { .rank = rows.rank + 1 };
    if (rows.rank < 0) {
        return with(in, flat);
    }
    steps.dim[0] = shape.dim[0];
    steps.dim[1] = shape.dim[1];
    for (int axis = 2; axis < steps.rank; axis++) {
        steps.dim[axis] = rows.dim[axis - 1];
    }
    return with(in, reel_reshape(flat, steps));
}

/* ---- layers of one variable ---------------------------------------------------------------- */

static reel__signal apply_layer(const reel__model_layer *layer, reel__signal in)
{
    return with(in, reel_apply(layer->layer, in.v));
}

static bool needs_features(const reel__model_layer *layer, reel__signal in)
{
    int rank = reel_shape_of(in.v).rank;
    if (rank >= 2 && !reel_is_index(in.v)) {
        return true;
    }
    return FAIL(layer, in.v.tape, "%s needs [rows, …, features], its input is %s%s",
                layer->spec.name, REEL_SHAPE_TEXT(batch_first(in)),
                reel_is_index(in.v) ? " of symbols" : "");
}

static bool make_dense(reel__model_layer *layer, reel__signal in)
{
    const reel_layer_spec *s = &layer->spec;
    if (!needs_features(layer, in)) {
        return false;
    }
    reel_dense_options options = { .activation = s->activation, .no_bias = s->no_bias };
    layer->layer = reel_dense(in.v.tape, s->name, width_of(in), s->units, options);
    return layer->layer.apply != NULL;
}

static bool check_embedding(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    (void)name;
    return reel__check_size(tape, "Embedding", "vocabulary", spec->vocabulary) &&
           reel__check_size(tape, "Embedding", "units", spec->units);
}

static bool make_embedding(reel__model_layer *layer, reel__signal in)
{
    const reel_layer_spec *s = &layer->spec;
    if (!reel_is_index(in.v)) {
        return FAIL(layer, in.v.tape, "%s needs int32 symbols, its input %s is floating", s->name,
                    REEL_SHAPE_TEXT(batch_first(in)));
    }
    reel_embedding_options options = { .padded = s->mask_zero };
    layer->layer = reel_embedding(in.v.tape, s->name, s->vocabulary, s->units, options);
    return layer->layer.apply != NULL;
}

static bool check_rate(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    bool good = spec->rate >= 0 && spec->rate < 1;
    if (!good) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "Dropout", "the rate of %s is %g, must be in [0, 1)",
                  name, spec->rate);
    }
    return good;
}

static reel__signal apply_dropout(const reel__model_layer *layer, reel__signal in)
{
    return with(in, reel_dropout(in.v, layer->spec.rate));
}

static bool make_norm(reel__model_layer *layer, reel__signal in)
{
    if (!needs_features(layer, in)) {
        return false;
    }
    reel_tape *tape = in.v.tape;
    reel_shape width = REEL_SHAPE(width_of(in));
    layer->gain = reel__layer_param(tape, layer->spec.name, "gain", width, reel_constant(1));
    layer->bias = reel__layer_param(tape, layer->spec.name, "bias", width, reel_zeros());
    return true;
}

static reel__signal apply_norm(const reel__model_layer *layer, reel__signal in)
{
    return with(in, reel_layer_norm(in.v, layer->gain, layer->bias, layer->spec.epsilon));
}

static bool check_activation(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    (void)name;
    return reel__check_activation(tape, "Activation", spec->activation);
}

static reel__signal apply_activation(const reel__model_layer *layer, reel__signal in)
{
    return with(in, reel_activate(in.v, layer->spec.activation));
}

static reel__signal apply_softmax(const reel__model_layer *layer, reel__signal in)
{
    (void)layer;
    return with(in, reel_softmax(in.v, -1));
}

static reel__signal apply_flatten(const reel__model_layer *layer, reel__signal in)
{
    (void)layer;
    reel_var v = in.sequence ? reel_transpose(in.v, 0, 1) : in.v;
    reel_shape shape = reel_shape_of(v);
    if (shape.rank < 1) {
        return with(in, reel__poisoned(in.v.tape));
    }
    int64_t rows = shape.dim[0], size = reel_shape_size(shape);
    int64_t width = rows > 0 ? size / rows : 0;
    return (reel__signal){ .v = reel_reshape(v, REEL_SHAPE(rows, width)) };
}

static bool check_function(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    if (!spec->function) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "Function", "the function of %s is NULL", name);
    }
    return spec->function != NULL;
}

static reel__signal apply_function(const reel__model_layer *layer, reel__signal in)
{
    return with(in, layer->spec.function(layer->spec.self, in.v));
}

/* ---- the table ----------------------------------------------------------------------------- */

#define RECURRENT(name)                                                                            \
    {                                                                                              \
        name, check_units, make_recurrent, apply_recurrent                                         \
    }
static const kind kinds[REEL_LAYER_KINDS] = {
    [REEL_LAYER_LSTM] = RECURRENT("LSTM"),
    [REEL_LAYER_GRU] = RECURRENT("GRU"),
    [REEL_LAYER_RNN] = RECURRENT("RNN"),
    [REEL_LAYER_CELL] = { "Cell", check_cell, make_recurrent, apply_recurrent },
    [REEL_LAYER_DENSE] = { "Dense", check_units, make_dense, apply_layer },
    [REEL_LAYER_EMBEDDING] = { "Embedding", check_embedding, make_embedding, apply_layer },
    [REEL_LAYER_DROPOUT] = { "Dropout", check_rate, NULL, apply_dropout },
    [REEL_LAYER_LAYER_NORM] = { "LayerNorm", NULL, make_norm, apply_norm },
    [REEL_LAYER_BIDIRECTIONAL] = { "Bidirectional", check_bidirectional, make_bidirectional,
                                   apply_bidirectional },
    [REEL_LAYER_TIME_DISTRIBUTED] = { "TimeDistributed", check_inner, make_distributed,
                                      apply_distributed },
    [REEL_LAYER_ACTIVATION] = { "Activation", check_activation, NULL, apply_activation },
    [REEL_LAYER_SOFTMAX] = { "Softmax", NULL, NULL, apply_softmax },
    [REEL_LAYER_FLATTEN] = { "Flatten", NULL, NULL, apply_flatten },
    [REEL_LAYER_FUNCTION] = { "Function", check_function, NULL, apply_function },
};

const char *reel__layer_kind_name(reel_layer_kind which)
{
    return kinds[which].name;
}

bool reel__model_layer_check(reel_tape *tape, const reel_layer_spec *spec, const char *name)
{
    if ((unsigned)spec->kind >= REEL_LAYER_KINDS) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "sequential", "%s: there is no kind of layer %d", name,
                  (int)spec->kind);
        return false;
    }
    return !kinds[spec->kind].check || kinds[spec->kind].check(tape, spec, name);
}

bool reel__model_layer_make(reel__model_layer *layer, reel__signal in)
{
    return !kinds[layer->spec.kind].make || kinds[layer->spec.kind].make(layer, in);
}

reel__signal reel__model_layer_apply(const reel__model_layer *layer, reel__signal in)
{
    return kinds[layer->spec.kind].apply(layer, in);
}
