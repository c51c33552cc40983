/* train_lm.c: a language model out of a text: embedding, LSTMs, the next symbol. */
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 4 }; /* of a model that goes step by step: two states each */

typedef struct {
    common_options common;
    const char *out, *vocabulary;
    int64_t vocabulary_size, embedding, units, layers, steps, epochs, batch_size;
    double lr, dropout, validation;
} settings;

static const settings defaults = { .out = "model.safetensors",
                                   .vocabulary = "char",
                                   .embedding = 64,
                                   .units = 256,
                                   .layers = 1,
                                   .steps = 64,
                                   .epochs = 10,
                                   .batch_size = 32,
                                   .lr = 2e-3,
                                   .validation = 0.1 };

#define AT(field) offsetof(settings, field)
static const option options[] = {
    { "out", OPTION_TEXT, AT(out), "FILE", "where the model goes" },
    { "vocabulary", OPTION_TEXT, AT(vocabulary), "KIND", "char, word or bpe" },
    { "vocabulary-size", OPTION_COUNT, AT(vocabulary_size), "N",
      "at most so many symbols; 0: all, of bpe 1000", 0, 1e6 },
    { "embedding", OPTION_COUNT, AT(embedding), "N", "numbers a symbol becomes", 1, 65536 },
    { "units", OPTION_COUNT, AT(units), "N", "of each LSTM", 1, 65536 },
    { "layers", OPTION_COUNT, AT(layers), "N", "LSTMs, one on another", 1, MOST_LAYERS },
    { "steps", OPTION_COUNT, AT(steps), "N", "symbols in a training example", 1, 65536 },
    { "epochs", OPTION_COUNT, AT(epochs), "N", "times through the text", 1, 1e6 },
    { "batch-size", OPTION_COUNT, AT(batch_size), "N", "examples in an update", 1, 1e6 },
    { "lr", OPTION_NUMBER, AT(lr), "X", "learning rate of Adam", 1e-12, 1e3 },
    { "dropout", OPTION_NUMBER, AT(dropout), "P", "on the inputs of each LSTM", 0, 0.99 },
    { "validation", OPTION_NUMBER, AT(validation), "SHARE", "of the text, its end", 0, 0.9 },
    { 0 },
};

/* ---- text ---------------------------------------------------------------------------------- */

/* A whole file, to be freed; NULL with an error. */
static char *read_text(reel_tape *t, const char *path, size_t *bytes)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t room = 1 << 16, got;
    char *text = in ? malloc(room) : NULL;
    *bytes = 0;
    while (text && (got = fread(text + *bytes, 1, room - *bytes, in)) > 0) {
        *bytes += got;
        char *more = *bytes == room ? realloc(text, room * 2) : text;
        room *= *bytes == room ? 2 : 1;
        if (!more) {
            free(text);
        }
        text = more;
    }
    bool good = text && !ferror(in) && *bytes > 0;
    if (!good) {
        reel_fail(t, REEL_FILE_ERROR, "read", "%s cannot be read or is empty", path);
        free(text);
    }
    if (in && in != stdin) {
        fclose(in);
    }
    return good ? text : NULL;
}

typedef reel_vocabulary *(*make_vocabulary)(reel_tape *, const char *text, size_t bytes,
                                            reel_vocabulary_options);
static const struct {
    const char *name;
    make_vocabulary make;
} kinds[] = { { "char", reel_char_vocabulary },
              { "word", reel_word_vocabulary },
              { "bpe", reel_bpe_vocabulary } };

/* The row of a kind; NULL: there is none. */
static make_vocabulary maker_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return kinds[i].make;
        }
    }
    return NULL;
}

static const char *misuse(const void *from)
{
    const settings *o = from;
    return maker_of(o->vocabulary) ? NULL : "--vocabulary is char, word or bpe";
}

static reel_vocabulary *vocabulary_of(reel_tape *t, const settings *o, const char *text,
                                      size_t bytes)
{
    reel_vocabulary_options how = { .size = (size_t)o->vocabulary_size };
    return maker_of(o->vocabulary)(t, text, bytes, how);
}

/* ---- examples ------------------------------------------------------------------------------ */

/* Symbols 0 … T·rows - 1, and each one's next. The array is to be freed. */
typedef struct {
    int32_t *symbols;
    int64_t rows;
    reel_data x, y;
} examples;

static bool make_examples(reel_tape *t, reel_vocabulary *v, const settings *o, const char *text,
                          size_t bytes, examples *e)
{
    *e = (examples){ .symbols = malloc((bytes + 1) * sizeof *e->symbols) };
    int64_t n = e->symbols ? reel_encode(v, text, bytes, e->symbols, bytes) : -1;
    e->rows = n > 0 ? (n - 1) / o->steps : 0;
    if (e->rows < 2) {
        reel_fail(t, REEL_BAD_ARGUMENT, "examples",
                  "the text has %lld symbols, which are no two examples of %lld steps",
                  (long long)n, (long long)o->steps);
        return false;
    }
    e->x = reel_data_i32(e->symbols, REEL_SHAPE(e->rows, o->steps));
    e->y = reel_data_i32(e->symbols + 1, REEL_SHAPE(e->rows, o->steps));
    return true;
}

/* ---- the model ----------------------------------------------------------------------------- */

static reel_model *make_model(reel_tape *t, const settings *o, int64_t symbols)
{
    reel_layer_spec layer[MOST_LAYERS + 2] = { REEL_EMBEDDING(symbols, o->embedding) };
    int n = 1;
    for (int64_t k = 0; k < o->layers; k++) {
        layer[n++] = REEL_LSTM(o->units, .return_sequences = true, .dropout = o->dropout);
    }
    layer[n++] = REEL_DENSE(symbols);
    reel_model *m = reel_sequential_n(t, n, layer);
    reel_compile(m, (reel_compile_options){ .lr = o->lr, .loss = "cross_entropy", .clip_norm = 5 });
    return m;
}

static bool train(session *s, const settings *o, reel_vocabulary *v, const examples *e)
{
    reel_model *m = make_model(s->tape, o, (int64_t)reel_vocabulary_size(v));
    int64_t training = (int64_t)floor((double)e->rows * (1 - o->validation));
    int64_t batch = o->batch_size < training ? o->batch_size : training;
    reel_fit_options how = training_options(s, o->epochs, batch, o->validation);
    const reel_history *h = reel_fit(m, e->x, e->y, how);
    if (!h || reel_model_save(m, o->out, (reel_model_extras){ .vocabulary = v }) != REEL_OK) {
        return false;
    }
    double loss = reel_history_at(h, h->val_loss ? "val_loss" : "loss", -1);
    report_text(&s->report, "model", o->out, strlen(o->out));
    report_number(&s->report, "symbols", (double)reel_vocabulary_size(v));
    report_number(&s->report, "parameters", (double)reel_model_parameters(m));
    report_history(s, h);
    report_number(&s->report, "perplexity", exp(loss));
    report_number(&s->report, "bits_per_symbol", loss / log(2));
    return true;
}

static bool run(session *s, const void *from)
{
    const settings *o = from;
    size_t bytes;
    char *text = read_text(s->tape, s->argument[0], &bytes);
    reel_vocabulary *v = text ? vocabulary_of(s->tape, o, text, bytes) : NULL;
    examples e = { 0 };
    bool good = v && make_examples(s->tape, v, o, text, bytes, &e) && train(s, o, v, &e);
    free(e.symbols);
    free(text);
    return good;
}

const command train_lm = {
    .name = "train-lm",
    .argument = { "FILE" },
    .summary = "learn a language model from a text",
    .more =
        "FILE is UTF-8; - is standard input. Ctrl-C ends training after the update in progress,\n"
        "and the model is saved as it is then.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .misuse = misuse,
    .run = run,
};
