/* convert.c: arrays from one format to another, and weights from one framework's layout to another's. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    common_options common;
    const char *from, *to, *like;
    option_list layers;
} settings;

static const settings defaults = { .from = "reel", .to = "reel" };

#define AT(field) offsetof(settings, field)
static const option options[] = {
    { "from", OPTION_TEXT, AT(from), "LAYOUT", "of IN: reel, pytorch or keras" },
    { "to", OPTION_TEXT, AT(to), "LAYOUT", "of OUT" },
    { "like", OPTION_TEXT, AT(like), "MODEL", "reel's model whose layers the weights are of" },
    { "layer", OPTION_LIST, AT(layers), "KIND:OURS:THEIRS", "which layer is which, once for each" },
    { 0 },
};

/* ---- layouts ------------------------------------------------------------------------------- */

typedef enum { LAYOUT_REEL, LAYOUT_PYTORCH, LAYOUT_KERAS, LAYOUTS } layout;
static const char *const layouts[LAYOUTS] = { "reel", "pytorch", "keras" };

static layout layout_of(const char *name)
{
    int i = 0;
    while (i < LAYOUTS && strcmp(layouts[i], name) != 0) {
        i++;
    }
    return (layout)i;
}

static const char *misuse(const void *from)
{
    const settings *o = from;
    layout in = layout_of(o->from), out = layout_of(o->to);
    if (in == LAYOUTS || out == LAYOUTS) {
        return "--from and --to are reel, pytorch or keras";
    }
    bool needs_like = in != LAYOUT_REEL && !o->like;
    return needs_like ? "--like MODEL says which layers the weights are of" : NULL;
}

/* ---- which layer is which ------------------------------------------------------------------ */

enum { MOST_ROWS = 128, NAME = 160 };
typedef struct {
    reel_foreign_layer row[MOST_ROWS + 1];
    char tape[MOST_ROWS][NAME], file[MOST_ROWS][NAME];
    int count;
} mapping;

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
enum { KINDS = sizeof kinds / sizeof *kinds };

static int kind_of(const reel_layer_spec *spec)
{
    int k = 0;
    while (k < KINDS && kinds[k].kind != spec->kind) {
        k++;
    }
    return k;
}

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), n = strlen(ending);
    return length >= n && strcmp(path + length - n, ending) == 0;
}

/* Room for a row's names; NULL when there are too many. */
static reel_foreign_layer *add_row(reel_tape *t, mapping *m)
{
    if (m->count == MOST_ROWS) {
        reel_fail(t, REEL_UNSUPPORTED, "convert", "there are more than %d layers", MOST_ROWS);
        return NULL;
    }
    int i = m->count++;
    m->row[i] = (reel_foreign_layer){ .tape = m->tape[i], .file = m->file[i] };
    return &m->row[i];
}

/* PyTorch: the layer's own name. Keras: lstm, dense, dense_1 …, as a sequential model numbers them. */
static bool add_layer(reel_tape *t, const reel_layer_spec *spec, layout l, const char *path,
                      int seen[KINDS], mapping *m)
{
    int k = kind_of(spec);
    if (k == KINDS) {
        return true; /* without parameters */
    }
    reel_foreign_layer *row = add_row(t, m);
    int i = m->count - 1, number = seen[k]++;
    if (!row) {
        return false;
    }
    row->kind = l == LAYOUT_KERAS ? kinds[k].keras : kinds[k].pytorch;
    snprintf(m->tape[i], NAME, "%.150s", spec->name);
    if (l == LAYOUT_PYTORCH) {
        snprintf(m->file[i], NAME, "%.150s", spec->name);
        return true;
    }
    bool numbered = ends_in(path, ".h5");
    char suffix[16] = "";
    if (number > 0) {
        snprintf(suffix, sizeof suffix, "_%d", number);
    }
    snprintf(m->file[i], NAME, "%s%s%s%s", numbered ? "layers/" : "sequential/", kinds[k].folder,
             suffix, numbered ? "" : kinds[k].cell);
    return true;
}

/* "LSTM:layer_0:encoder" */
static bool add_named(reel_tape *t, char *text, mapping *m)
{
    char *ours = strchr(text, ':'), *theirs = ours ? strchr(ours + 1, ':') : NULL;
    reel_foreign_layer *row = add_row(t, m);
    if (!row || !theirs) {
        reel_fail(t, REEL_BAD_ARGUMENT, "convert", "--layer is \"%s\", must be KIND:OURS:THEIRS",
                  text);
        return false;
    }
    *ours = *theirs = '\0';
    row->kind = text;
    snprintf(m->tape[m->count - 1], NAME, "%s", ours + 1);
    snprintf(m->file[m->count - 1], NAME, "%s", theirs + 1);
    return true;
}

static bool is_nested(const reel_layer_spec *spec)
{
    return spec->kind == REEL_LAYER_BIDIRECTIONAL || spec->kind == REEL_LAYER_TIME_DISTRIBUTED;
}

static bool map_layers(reel_tape *t, const reel_model *model, layout l, const char *path,
                       mapping *m)
{
    int seen[KINDS] = { 0 };
    for (int k = 0; k < reel_model_layers(model); k++) {
        const reel_layer_spec *spec = reel_model_layer(model, k);
        if (is_nested(spec)) {
            reel_fail(t, REEL_UNSUPPORTED, "convert",
                      "%s holds a layer: say by --layer which layers are which", spec->name);
            return false;
        }
        if (!add_layer(t, spec, l, path, seen, m)) {
            return false;
        }
    }
    return true;
}

static bool map_named(reel_tape *t, char *lines, mapping *m)
{
    for (char *at = lines, *end; at; at = end ? end + 1 : NULL) {
        end = strchr(at, '\n');
        if (end) {
            *end = '\0';
        }
        if (!add_named(t, at, m)) {
            return false;
        }
    }
    return true;
}

/* Between the model's parameters and a file of another's layout. */
static bool transfer(session *s, const settings *o, const reel_model *model, layout l,
                     const char *path, bool import)
{
    reel_tape *t = s->tape;
    mapping *m = calloc(1, sizeof *m);
    char *lines = m ? join_lines(o->layers.item, o->layers.count) : NULL;
    bool good =
        lines && (o->layers.count ? map_named(t, lines, m) : map_layers(t, model, l, path, m));
    if (good) {
        reel_foreign_options how = { .framework = l == LAYOUT_KERAS ? REEL_KERAS : REEL_PYTORCH,
                                     .layers = m->row };
        good = (import ? reel_import(t, path, how) : reel_export(t, path, how)) == REEL_OK;
        report_number(&s->report, import ? "layers_read" : "layers_written", m->count);
    }
    free(lines);
    free(m);
    return good;
}

/* ---- the command --------------------------------------------------------------------------- */

/* The same arrays in another format. */
static bool rewrite(session *s, const char *in, const char *out)
{
    reel_archive *a = reel_archive_open(in, (reel_archive_options){ 0 });
    if (reel_archive_status(a) == REEL_OK) {
        reel_archive_write(a, out);
    }
    bool good = reel_archive_status(a) == REEL_OK;
    if (!good) {
        reel_fail(s->tape, reel_archive_status(a), "convert", "%s", reel_archive_error(a));
    } else {
        bool texts = !ends_in(out, ".npz") && !ends_in(out, ".npy") && !ends_in(out, ".h5");
        report_number(&s->report, "arrays", (double)reel_archive_count(a));
        report_number(&s->report, "texts_left_out", texts ? 0 : (double)reel_archive_text_count(a));
    }
    reel_archive_free(a);
    return good;
}

static bool run(session *s, const void *from)
{
    const settings *o = from;
    const char *in = s->argument[0], *out = s->argument[1];
    layout theirs = layout_of(o->from), ours = layout_of(o->to);
    if (theirs == LAYOUT_REEL && ours == LAYOUT_REEL) {
        return rewrite(s, in, out);
    }
    reel_model_extras with;
    reel_model *m = reel_model_load(s->tape, theirs == LAYOUT_REEL ? in : o->like, &with);
    if (!m || (theirs != LAYOUT_REEL && !transfer(s, o, m, theirs, in, true))) {
        return false;
    }
    return ours == LAYOUT_REEL ? reel_model_save(m, out, with) == REEL_OK
                               : transfer(s, o, m, ours, out, false);
}

const command convert = {
    .name = "convert",
    .argument = { "IN", "OUT" },
    .summary = "change a file's format, or weights to and from PyTorch and Keras",
    .more =
        "Formats go by the endings: .safetensors, .npz, .npy, .h5. Layers are found by their "
        "names,\n"
        "as PyTorch's modules, or in order, as a sequential model of Keras names them; otherwise\n"
        "--layer LSTM:layer_0:encoder --layer Linear:layer_1:head says which are which.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .misuse = misuse,
    .run = run,
};
