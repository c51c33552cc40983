/* convert.c: arrays from one format to another, and weights from one framework's layout to another's. */
#include "mapping.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    common_options common;
    const char *from, *to, *like;
    option_list layers;
    bool partial;
} settings;

static const settings defaults = { .from = "reel", .to = "reel" };

#define AT(field) offsetof(settings, field)
static const option options[] = {
    { "from", OPTION_TEXT, AT(from), "LAYOUT", "of IN: reel, pytorch or keras" },
    { "to", OPTION_TEXT, AT(to), "LAYOUT", "of OUT" },
    { "like", OPTION_TEXT, AT(like), "MODEL", "reel's model whose layers the weights are of" },
    { "layer", OPTION_LIST, AT(layers), "KIND:OURS:THEIRS", "which layer is which, once for each" },
    { "partial", OPTION_FLAG, AT(partial), NULL, "leave alone what no layer names" },
    { 0 },
};

/* ---- layouts ------------------------------------------------------------------------------- */

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

/* ---- weights ---------------------------------------------------------------------------------- */

/* Between the model's parameters and a file of another's layout. */
static bool transfer(session *s, const settings *o, const reel_model *model, layout l,
                     const char *path, bool import)
{
    reel_tape *t = s->tape;
    mapping *m = calloc(1, sizeof *m);
    bool good = m && map_layers(t, model, l, path, &o->layers, m);
    if (!m) {
        reel_fail(t, REEL_OUT_OF_MEMORY, "convert", "out of memory");
    }
    if (good) {
        reel_foreign_options how = { .framework = l == LAYOUT_KERAS ? REEL_KERAS : REEL_PYTORCH,
                                     .layers = m->row,
                                     .partial = o->partial };
        good = (import ? reel_import(t, path, how) : reel_export(t, path, how)) == REEL_OK;
        report_number(&s->report, import ? "layers_read" : "layers_written", m->count);
    }
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
        bool texts =
            !path_ends_in(out, ".npz") && !path_ends_in(out, ".npy") && !path_ends_in(out, ".h5");
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
        "--layer LSTM:layer_0:encoder --layer Linear:layer_1:head says which are which. Layers of\n"
        "both directions are two there, and OURS+OURS are the layers of a stack of PyTorch's:\n"
        "--layer LSTM:layer_0+layer_1:encoder for nn.LSTM(…, num_layers=2).",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .misuse = misuse,
    .run = run,
};
