#include "mapping.h"

#include <stdarg.h>
#include <string.h>

/* What a kind of layer is called there. `cell`: what Keras puts between the layer and its weights. */
static const struct {
    reel_layer_kind kind;
    const char *pytorch, *keras, *folder, *cell;
} kinds[] = {
    { REEL_LAYER_LSTM, "LSTM", "LSTM", "lstm", "/lstm_cell" },
    { REEL_LAYER_GRU, "GRU", "GRU", "gru", "/gru_cell" },
    { REEL_LAYER_RNN, "RNN", "SimpleRNN", "simple_rnn", "/simple_rnn_cell" },
    { REEL_LAYER_DENSE, "Linear", "Dense", "dense", "" },
    { REEL_LAYER_EMBEDDING, "Embedding", "Embedding", "embedding", "" },
    { REEL_LAYER_LAYER_NORM, "LayerNorm", "LayerNormalization", "layer_normalization", "" },
};
enum { KINDS = sizeof kinds / sizeof *kinds, MOST_LAYERS = 256 };

typedef struct {
    reel_tape *tape;
    const reel_model *model;
    layout layout;
    bool folders;            /* Keras's .h5, where layers are folders; otherwise variables' paths */
    int seen[KINDS], nested; /* layers of each kind so far, and of both directions */
    bool told[MOST_LAYERS];  /* layer k of the model was named */
    mapping *m;
} mapper;

static int kind_of(const reel_layer_spec *spec)
{
    int k = 0;
    while (k < KINDS && kinds[k].kind != spec->kind) {
        k++;
    }
    return k;
}

bool path_ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), n = strlen(ending);
    return length >= n && strcmp(path + length - n, ending) == 0;
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* A name that is too long is cut: its layer is not found then, and that is said. */
static void put(char out[ROW_NAME], const char *format, ...) REEL_PRINTF(2, 3);
static void put(char out[ROW_NAME], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out, ROW_NAME, format, arguments);
    va_end(arguments);
}

/* A row with room for its names; NULL when there are too many. */
static reel_foreign_layer *add_row(mapper *p)
{
    mapping *m = p->m;
    if (m->count == MOST_ROWS) {
        reel_fail(p->tape, REEL_UNSUPPORTED, "convert", "there are more than %d layers", MOST_ROWS);
        return NULL;
    }
    int i = m->count++;
    m->row[i] = (reel_foreign_layer){ .kind = m->kind[i], .tape = m->tape[i], .file = m->file[i] };
    return &m->row[i];
}

/* One direction of a layer; `layer`: of a stack of PyTorch's. */
static bool add_direction(mapper *p, const char *kind, const char *ours, const char *theirs,
                          int layer, bool reverse)
{
    reel_foreign_layer *row = add_row(p);
    int i = p->m->count - 1;
    if (!row) {
        return false;
    }
    put(p->m->kind[i], "%s", kind);
    put(p->m->tape[i], "%s", ours);
    put(p->m->file[i], "%s", theirs);
    row->layer = layer;
    row->reverse = reverse;
    return true;
}

/* Both directions, where `theirs` is the layer around them; of Keras's paths it goes on with the
 * inner layer's name, `inner`. */
static bool add_both(mapper *p, const char *kind, const reel_layer_spec *spec, const char *theirs,
                     const char *inner, int layer)
{
    static const char *const way[] = { "forward", "backward" };
    bool good = true;
    for (int reverse = 0; good && reverse < 2; reverse++) {
        char ours[ROW_NAME], file[ROW_NAME];
        const char *cell = kinds[kind_of(spec->inner)].cell;
        put(ours, "%s.%s", spec->name, way[reverse]);
        if (p->layout == LAYOUT_PYTORCH) {
            put(file, "%s", theirs);
        } else if (p->folders) {
            put(file, "%s/%s_layer", theirs, way[reverse]);
        } else {
            put(file, "%s/%s_%s%s", theirs, way[reverse], inner, cell);
        }
        good = add_direction(p, kind, ours, file, layer, reverse && p->layout == LAYOUT_PYTORCH);
    }
    return good;
}

/* ---- by their names ------------------------------------------------------------------------ */

/* "lstm", "lstm_1", … */
static void write_numbered(char out[ROW_NAME], const char *name, int number)
{
    if (number > 0) {
        put(out, "%s_%d", name, number);
    } else {
        put(out, "%s", name);
    }
}

static bool add_of_keras(mapper *p, const reel_layer_spec *spec, const reel_layer_spec *weights)
{
    int k = kind_of(weights);
    char inner[ROW_NAME], outer[ROW_NAME], file[ROW_NAME];
    const char *folder = p->folders ? "layers" : "sequential";
    bool both = spec->kind == REEL_LAYER_BIDIRECTIONAL;
    /* In an .h5 the inner layer is no layer of the model, and takes no number there. */
    write_numbered(inner, kinds[k].folder, both && p->folders ? 0 : p->seen[k]++);
    write_numbered(outer, "bidirectional", both ? p->nested++ : 0);
    put(file, "%s/%s%s", folder, both ? outer : inner, both || p->folders ? "" : kinds[k].cell);
    return both ? add_both(p, kinds[k].keras, spec, file, inner, 0)
                : add_direction(p, kinds[k].keras, spec->name, file, 0, false);
}

static bool add_by_name(mapper *p, const reel_layer_spec *spec)
{
    const reel_layer_spec *weights = spec->inner ? spec->inner : spec;
    int k = kind_of(weights);
    if (k == KINDS) {
        return true; /* without parameters */
    }
    if (spec->kind == REEL_LAYER_TIME_DISTRIBUTED && p->layout == LAYOUT_KERAS) {
        reel_fail(p->tape, REEL_UNSUPPORTED, "convert",
                  "%s holds a layer: say by --layer which layer it is", spec->name);
        return false;
    }
    if (p->layout == LAYOUT_KERAS) {
        return add_of_keras(p, spec, weights);
    }
    return spec->kind == REEL_LAYER_BIDIRECTIONAL
               ? add_both(p, kinds[k].pytorch, spec, spec->name, "", 0)
               : add_direction(p, kinds[k].pytorch, spec->name, spec->name, 0, false);
}

/* ---- as they are told ---------------------------------------------------------------------- */

/* Layer `number` of a stack: one of the model's, or what the tape calls so. */
static bool add_told(mapper *p, const char *kind, const char *ours, const char *theirs, int number)
{
    const reel_layer_spec *spec = NULL;
    for (int k = 0; !spec && k < reel_model_layers(p->model) && k < MOST_LAYERS; k++) {
        if (strcmp(reel_model_layer(p->model, k)->name, ours) == 0) {
            spec = reel_model_layer(p->model, k);
            p->told[k] = true;
        }
    }
    bool both = spec && spec->kind == REEL_LAYER_BIDIRECTIONAL && kind_of(spec->inner) < KINDS;
    return both ? add_both(p, kind, spec, theirs, kinds[kind_of(spec->inner)].folder, number)
                : add_direction(p, kind, ours, theirs, number, false);
}

/* "forward.W_x" is a layer's, too: who names a direction names its layer. */
static void tell_directions(mapper *p, const char *ours)
{
    for (int k = 0; k < reel_model_layers(p->model) && k < MOST_LAYERS; k++) {
        const char *name = reel_model_layer(p->model, k)->name;
        size_t length = strlen(name);
        if (strncmp(ours, name, length) == 0 && ours[length] == '.') {
            p->told[k] = true;
        }
    }
}

/* "LSTM:layer_0:encoder", "LSTM:layer_0+layer_1:encoder" */
static bool add_named(mapper *p, const char *text)
{
    char parts[3 * ROW_NAME];
    snprintf(parts, sizeof parts, "%s", text);
    char *ours = strchr(parts, ':'), *theirs = ours ? strchr(ours + 1, ':') : NULL;
    if (!theirs) {
        reel_fail(p->tape, REEL_BAD_ARGUMENT, "convert",
                  "--layer is \"%s\", must be KIND:OURS:THEIRS", text);
        return false;
    }
    *ours++ = *theirs++ = '\0';
    bool good = true;
    int number = 0;
    for (char *end; good && ours; ours = end) {
        end = strchr(ours, '+');
        if (end) {
            *end++ = '\0';
        }
        tell_directions(p, ours);
        good = add_told(p, parts, ours, theirs, number++);
    }
    return good;
}

bool map_layers(reel_tape *t, const reel_model *model, layout l, const char *path,
                const option_list *named, mapping *m)
{
    mapper p = {
        .tape = t, .model = model, .layout = l, .folders = path_ends_in(path, ".h5"), .m = m
    };
    bool good = true;
    for (int i = 0; good && i < named->count; i++) {
        good = add_named(&p, named->item[i]);
    }
    for (int k = 0; good && k < reel_model_layers(model); k++) {
        good = (k < MOST_LAYERS && p.told[k]) || add_by_name(&p, reel_model_layer(model, k));
    }
    return good;
}
