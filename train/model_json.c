/* model_json.c: layers, their options and normalisers as JSON. */
#include "model_json.h"

#ifdef REEL_HAVE_JANSSON
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "store.h"
#include "trained.h"

/* ---- the options of layers ----------------------------------------------------------------- */

typedef enum { FLAG, SIZE, NUMBER, ACTIVATION, MERGE } field_type;

static const struct {
    const char *name;
    field_type type;
    size_t offset;
} fields[] = {
#define FIELD(name, type)                                                                          \
    {                                                                                              \
#name, type, offsetof(reel_layer_spec, name)                                               \
    }
    FIELD(vocabulary, SIZE),       FIELD(units, SIZE),       FIELD(rate, NUMBER),
    FIELD(return_sequences, FLAG), FIELD(reverse, FLAG),     FIELD(activation, ACTIVATION),
    FIELD(no_bias, FLAG),          FIELD(reset_after, FLAG), FIELD(peephole, FLAG),
    FIELD(layer_norm, FLAG),       FIELD(projection, SIZE),  FIELD(forget_bias, NUMBER),
    FIELD(dropout, NUMBER),        FIELD(epsilon, NUMBER),   FIELD(mask_zero, FLAG),
    FIELD(merge, MERGE),
#undef FIELD
};
enum { FIELDS = sizeof fields / sizeof *fields, DEEPEST = 8 };

static const char *const activations[] = {
    [REEL_DEFAULT_ACTIVATION] = "default",
    [REEL_LINEAR] = "linear",
    [REEL_TANH] = "tanh",
    [REEL_RELU] = "relu",
    [REEL_SIGMOID] = "sigmoid",
    [REEL_HARD_SIGMOID] = "hard_sigmoid",
    [REEL_LEAKY_RELU] = "leaky_relu",
    [REEL_ELU] = "elu",
    [REEL_SOFTPLUS] = "softplus",
    [REEL_GELU] = "gelu",
    [REEL_SILU] = "silu",
};
_Static_assert(sizeof activations / sizeof *activations == REEL_ACTIVATION_COUNT,
               "every activation has a name");
static const char *const merges[] = { "concat", "sum", "average", "multiply" };

/* The index of a name in a list; -1: none. */
static int index_of(const char *const names[], int count, const json_t *value)
{
    const char *name = json_string_value(value);
    for (int i = 0; name && i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* NULL for the default. */
static json_t *field_json(field_type type, const void *at)
{
    switch (type) {
    case FLAG:
        return *(const bool *)at ? json_true() : NULL;
    case SIZE:
        return *(const int64_t *)at ? json_integer(*(const int64_t *)at) : NULL;
    case NUMBER:
        return *(const double *)at != 0 ? json_real(*(const double *)at) : NULL;
    case ACTIVATION:
        return *(const reel_activation *)at ? json_string(activations[*(const reel_activation *)at])
                                            : NULL;
    case MERGE:
        return *(const reel_merge *)at ? json_string(merges[*(const reel_merge *)at]) : NULL;
    }
    return NULL;
}

static bool is_program(reel_layer_kind kind)
{
    return kind == REEL_LAYER_CELL || kind == REEL_LAYER_FUNCTION;
}

static json_t *layer_json(reel_tape *tape, const reel_layer_spec *spec)
{
    if (is_program(spec->kind)) {
        reel_fail(tape, REEL_UNSUPPORTED, "model_save",
                  "%s is the program's own code and cannot be written; reel_save keeps parameters",
                  spec->name);
        return NULL;
    }
    json_t *layer =
        json_pack("{s: s, s: s}", "kind", reel__layer_kind_name(spec->kind), "name", spec->name);
    for (size_t i = 0; i < FIELDS; i++) {
        json_t *value = field_json(fields[i].type, (const char *)spec + fields[i].offset);
        if (value) {
            json_object_set_new(layer, fields[i].name, value);
        }
    }
    json_t *inner = layer && spec->inner ? layer_json(tape, spec->inner) : NULL;
    if (spec->inner && json_object_set_new(layer, "layer", inner) != 0) {
        json_decref(layer);
        return NULL;
    }
    return layer;
}

static json_t *compile_json(const reel_model *m)
{
    const char *optimizer = reel_optimizer_name(m->optimizer);
    json_t *metrics = json_array();
    for (int k = 0; k < m->metrics; k++) {
        json_array_append_new(metrics, json_string(m->metric[k].name));
    }
    return json_pack("{s: s, s: f, s: s, s: o, s: f, s: f}", "optimizer",
                     m->owns_optimizer && optimizer ? optimizer : "adam", "lr",
                     reel_optimizer_lr(m->optimizer), "loss", m->loss->name, "metrics", metrics,
                     "clip_norm", m->clip_norm, "clip_value", m->clip_value);
}

static json_t *row_json(reel_shape row)
{
    json_t *list = json_array();
    for (int axis = 0; axis < row.rank; axis++) {
        json_array_append_new(list, json_integer(row.dim[axis]));
    }
    return list;
}

static char *dump(json_t *root)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

char *reel__model_text(const reel_model *m)
{
    json_t *layers = json_array();
    for (int k = 0; k < m->count; k++) {
        json_t *layer = layer_json(m->tape, &m->layer[k].spec);
        if (!layer) {
            json_decref(layers);
            return NULL;
        }
        json_array_append_new(layers, layer);
    }
    json_t *root = json_pack("{s: i, s: o, s: b, s: o}", "version", REEL_MODEL_VERSION, "row",
                             row_json(m->row), "symbols", m->symbols, "layers", layers);
    if (root && m->compiled && m->loss) {
        json_object_set_new(root, "compile", compile_json(m));
    }
    return dump(root);
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool read_field(field_type type, const json_t *value, void *at)
{
    int index;
    switch (type) {
    case FLAG:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value);
    case SIZE:
        *(int64_t *)at = json_integer_value(value);
        return json_is_integer(value);
    case NUMBER:
        *(double *)at = json_number_value(value);
        return json_is_number(value);
    case ACTIVATION:
        index = index_of(activations, REEL_ACTIVATION_COUNT, value);
        *(reel_activation *)at = (reel_activation)index;
        return index >= 0;
    case MERGE:
        index = index_of(merges, sizeof merges / sizeof *merges, value);
        *(reel_merge *)at = (reel_merge)index;
        return index >= 0;
    }
    return false;
}

static bool read_kind(const json_t *layer, reel_layer_kind *kind)
{
    const char *names[REEL_LAYER_KINDS];
    for (int k = 0; k < REEL_LAYER_KINDS; k++) {
        names[k] = reel__layer_kind_name((reel_layer_kind)k);
    }
    int index = index_of(names, REEL_LAYER_KINDS, json_object_get(layer, "kind"));
    *kind = (reel_layer_kind)index;
    return index >= 0 && !is_program(*kind);
}

/* Unknown keys may be of a later reel: what they ask for cannot be left out. */
static bool read_key(const char *key, const json_t *value, reel_layer_spec *spec)
{
    if (strcmp(key, "kind") == 0 || strcmp(key, "name") == 0 || strcmp(key, "layer") == 0) {
        return true;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        if (strcmp(key, fields[i].name) == 0) {
            return read_field(fields[i].type, value, (char *)spec + fields[i].offset);
        }
    }
    return false;
}

static bool read_layer(reel_tape *tape, json_t *layer, reel_layer_spec *spec, int depth)
{
    const char *name = json_string_value(json_object_get(layer, "name")), *key;
    json_t *value, *within = json_object_get(layer, "layer");
    if (!name || depth > DEEPEST || !read_kind(layer, &spec->kind)) {
        return false;
    }
    json_object_foreach(layer, key, value)
    {
        if (!read_key(key, value, spec)) {
            return false;
        }
    }
    spec->name = reel__tape_store_text(tape, name);
    if (!spec->name || !within) {
        return spec->name != NULL;
    }
    reel_layer_spec *inner = reel__tape_store(tape, sizeof *inner);
    spec->inner = inner;
    return inner && read_layer(tape, within, inner, depth + 1);
}

static bool read_row(const json_t *list, reel_shape *row)
{
    size_t rank = json_array_size(list);
    *row = (reel_shape){ .rank = (int)rank };
    if (!json_is_array(list) || rank >= REEL_MAX_RANK) {
        return false;
    }
    for (size_t axis = 0; axis < rank; axis++) {
        json_t *size = json_array_get(list, axis);
        row->dim[axis] = json_integer_value(size);
        if (!json_is_integer(size) || row->dim[axis] < 0) {
            return false;
        }
    }
    return true;
}

static const char *stored(reel_tape *tape, const json_t *text)
{
    const char *value = json_string_value(text);
    return value ? reel__tape_store_text(tape, value) : NULL;
}

static bool read_compile(reel_tape *tape, const json_t *root, reel_compile_options *o)
{
    const json_t *metrics = json_object_get(root, "metrics");
    if (!root) {
        return true;
    }
    *o = (reel_compile_options){
        .optimizer = stored(tape, json_object_get(root, "optimizer")),
        .lr = json_number_value(json_object_get(root, "lr")),
        .loss = stored(tape, json_object_get(root, "loss")),
        .clip_norm = json_number_value(json_object_get(root, "clip_norm")),
        .clip_value = json_number_value(json_object_get(root, "clip_value")),
    };
    for (size_t k = 0; k < json_array_size(metrics); k++) {
        if (k >= REEL_MAX_METRICS || !(o->metrics[k] = stored(tape, json_array_get(metrics, k)))) {
            return false;
        }
    }
    return o->optimizer && o->loss;
}

static reel_model *parse(reel_tape *tape, json_t *root, reel_shape *row, bool *symbols,
                         reel_compile_options *compile)
{
    json_t *layers = json_object_get(root, "layers");
    size_t count = json_array_size(layers);
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    if (version > REEL_MODEL_VERSION) {
        reel_fail(tape, REEL_UNSUPPORTED, "model_load",
                  "the model is of version %lld, this reel reads up to %d", (long long)version,
                  REEL_MODEL_VERSION);
        return NULL;
    }
    reel_layer_spec *spec = reel__tape_store(tape, (count + 1) * sizeof *spec);
    bool good = spec && version > 0 && count > 0 && count < INT32_MAX &&
                read_row(json_object_get(root, "row"), row) &&
                read_compile(tape, json_object_get(root, "compile"), compile);
    for (size_t k = 0; good && k < count; k++) {
        good = read_layer(tape, json_array_get(layers, k), &spec[k], 0);
    }
    *symbols = json_is_true(json_object_get(root, "symbols"));
    if (!good && reel_tape_status(tape) == REEL_OK) {
        reel_fail(tape, REEL_BAD_FILE, "model_load", "the text \"reel.model\" is not a model's");
    }
    return good ? reel_sequential_n(tape, (int)count, spec) : NULL;
}

reel_model *reel__model_parse(reel_tape *tape, const char *text, reel_shape *row, bool *symbols,
                              reel_compile_options *compile)
{
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    reel_model *model = parse(tape, root, row, symbols, compile);
    json_decref(root);
    return model;
}

/* ---- normalisers --------------------------------------------------------------------------- */

static json_t *numbers_json(const double *numbers, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++) {
        json_array_append_new(list, json_real(numbers[i]));
    }
    if ((int64_t)json_array_size(list) == count) {
        return list;
    }
    json_decref(list); /* NaN and infinity are no JSON */
    return NULL;
}

char *reel__normalizer_text(reel_normalizer n)
{
    return dump(json_pack("{s: o, s: o}", "center", numbers_json(n.center, n.features), "scale",
                          numbers_json(n.scale, n.features)));
}

static double *read_numbers(reel_tape *tape, const json_t *list, int64_t count)
{
    double *numbers = reel__new_array(tape, count, sizeof *numbers);
    for (int64_t i = 0; numbers && i < count; i++) {
        const json_t *number = json_array_get(list, (size_t)i);
        numbers[i] = json_number_value(number);
        if (!json_is_number(number)) {
            return NULL;
        }
    }
    return numbers;
}

bool reel__normalizer_parse(reel_tape *tape, const char *text, reel_normalizer *n)
{
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *center = json_object_get(root, "center");
    int64_t count = (int64_t)json_array_size(center);
    reel_normalizer read = { .features = count };
    read.center = read_numbers(tape, center, count);
    read.scale = read_numbers(tape, json_object_get(root, "scale"), count);
    json_decref(root);
    bool good = count > 0 && read.center && read.scale;
    if (good) {
        *n = read;
    }
    return good;
}

#endif
