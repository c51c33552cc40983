/* sample.c: a language model goes on with a text. */
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    common_options common;
    const char *prompt;
    int64_t length, top_k;
    double temperature, top_p;
} settings;

static const settings defaults = { .prompt = "\n", .length = 200, .temperature = 1, .top_p = 1 };

#define AT(field) offsetof(settings, field)
static const option options[] = {
    { "prompt", OPTION_TEXT, AT(prompt), "TEXT", "what it goes on with; default: a new line" },
    { "length", OPTION_COUNT, AT(length), "N", "symbols to write", 1, 1e6 },
    { "temperature", OPTION_NUMBER, AT(temperature), "X", "below 1: surer, above: bolder", 1e-6,
      1e6 },
    { "top-k", OPTION_COUNT, AT(top_k), "N", "only the likeliest N; 0: all", 0, 1e6 },
    { "top-p", OPTION_NUMBER, AT(top_p), "P", "only the likeliest that sum up to P", 1e-6, 1 },
    { 0 },
};

/* ---- the prompt ---------------------------------------------------------------------------- */

/* Symbols of the prompt, at least one; to be freed. A prompt that the vocabulary does not know at
 * all, such as a new line of a word's, is its first symbol that is no special one. */
static int32_t *encode_prompt(session *s, reel_vocabulary *v, const char *prompt, int64_t *n)
{
    size_t bytes = strlen(prompt);
    int32_t *symbols = malloc((bytes + 1) * sizeof *symbols);
    *n = symbols ? reel_encode(v, prompt, bytes, symbols, bytes) : -1;
    if (*n == 0) {
        symbols[(*n)++] = (int32_t)(reel_vocabulary_size(v) > 2 ? 2 : 0);
    }
    if (*n < 0) {
        reel_fail(s->tape, REEL_OUT_OF_MEMORY, "prompt", "out of memory");
        free(symbols);
        return NULL;
    }
    return symbols;
}

static void start_states(reel_tape *t, reel_decoder d, reel_var state[])
{
    for (int k = 0; k < d.states; k++) {
        state[k] = reel_fill(t, REEL_SHAPE(1, d.width[k]), 0);
    }
}

/* The states after all but the last symbol. */
static void read_prompt(reel_tape *t, reel_decoder d, const int32_t *symbols, int64_t n,
                        reel_var state[])
{
    reel_set_training(t, false);
    start_states(t, d, state);
    for (int64_t i = 0; i + 1 < n; i++) {
        d.step(d.self, reel_indices(t, REEL_SHAPE(1), &symbols[i]), state);
    }
}

/* ---- the text ------------------------------------------------------------------------------ */

static void no_specials(void *self, int64_t row, const int32_t *prefix, int64_t length,
                        double *log_p)
{
    static const char *const specials[] = { "<pad>", "<unk>" };
    (void)row, (void)prefix, (void)length;
    for (int i = 0; i < 2; i++) {
        int32_t symbol = reel_vocabulary_find(self, specials[i]);
        if (symbol >= 0) {
            log_p[symbol] = -INFINITY;
        }
    }
}

static bool report_sample(session *s, reel_vocabulary *v, const reel_decoded *d)
{
    size_t n = d->lengths[0] > 0 ? (size_t)d->lengths[0] : 0;
    int64_t bytes = reel_decode(v, d->tokens, n, NULL, 0);
    char *text = bytes >= 0 ? malloc((size_t)bytes + 1) : NULL;
    if (!text || reel_decode(v, d->tokens, n, text, (size_t)bytes + 1) < 0) {
        free(text);
        return false;
    }
    if (report_is_for_a_reader(&s->report)) {
        fwrite(text, 1, (size_t)bytes, s->report.out);
        fputc('\n', s->report.out);
    } else {
        report_text(&s->report, "text", text, (size_t)bytes);
        report_number(&s->report, "log_probability", d->log_probabilities[0]);
    }
    free(text);
    return true;
}

static bool write_on(session *s, const settings *o, reel_decoder d, reel_vocabulary *v)
{
    reel_var state[REEL_MAX_STATES] = { 0 };
    int64_t n;
    int32_t *symbols = encode_prompt(s, v, o->prompt, &n);
    if (!symbols) {
        return false;
    }
    read_prompt(s->tape, d, symbols, n, state);
    reel_decode_options how = { .start = symbols[n - 1],
                                .endless = true,
                                .max_length = o->length,
                                .temperature = o->temperature,
                                .top_k = (int)o->top_k,
                                .top_p = o->top_p,
                                .seed = (uint64_t)s->common->seed,
                                .constrain = no_specials,
                                .constrain_self = v };
    reel_decoded *found = reel_decode_sample(s->tape, d, 1, state, how);
    bool good = found && report_sample(s, v, found);
    reel_decoded_free(found);
    free(symbols);
    return good;
}

static bool run(session *s, const void *from)
{
    reel_model_extras with;
    reel_model *m = reel_model_load(s->tape, s->argument[0], &with);
    if (m && !with.vocabulary) {
        reel_fail(s->tape, REEL_BAD_FILE, "sample",
                  "%s holds no vocabulary: it is not a language "
                  "model of train-lm's",
                  s->argument[0]);
    }
    if (reel_tape_status(s->tape) != REEL_OK) {
        return false;
    }
    reel_decoder d = reel_model_decoder(m);
    return d.step && write_on(s, from, d, with.vocabulary);
}

const command sample = {
    .name = "sample",
    .argument = { "MODEL" },
    .summary = "write a text as a language model would",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
