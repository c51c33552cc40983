/* model_file.c: whole models in one file. */
#include <stdlib.h>
#include <string.h>

#include "../io/parameters.h"
#include "model_json.h"
#include "model_size.h"
#include "trained.h"
#include "vocabulary.h"

#ifdef REEL_HAVE_JANSSON

#define MODEL "reel.model"
#define INPUTS "reel.inputs"
#define TARGETS "reel.targets"
#define VOCABULARY "reel.vocabulary"
#define RESERVED "reel."

/* ---- saving -------------------------------------------------------------------------------- */

#define FAIL(tape, op, status, ...) (reel_fail((tape), (status), (op), __VA_ARGS__), false)

static bool can_be_saved(const reel_model *m, const char *path, const reel_text *texts)
{
    static const char op[] = "model_save";
    if (m->build || !m->built) {
        return FAIL(m->tape, op, REEL_UNSUPPORTED, "the model is %s",
                    m->build ? "not sequential: reel_save keeps its parameters" : "not built");
    }
    for (; texts && texts->key; texts++) {
        if (reel__starts_with(texts->key, RESERVED) || !texts->value) {
            return FAIL(m->tape, op, REEL_BAD_ARGUMENT, "the text \"%.60s\" %s", texts->key,
                        texts->value ? "has a name of reel's own" : "is NULL");
        }
    }
    return path || FAIL(m->tape, op, REEL_BAD_ARGUMENT, "the path is NULL");
}

/* Sets a text of malloc's, and frees it. */
static bool set_text(reel_tape *tape, reel_archive *a, const char *key, char *value)
{
    if (!value && reel_tape_status(tape) == REEL_OK) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "model_save", "%s cannot be written as JSON", key);
    }
    bool set = value && reel_archive_set_text(a, key, value) == REEL_OK;
    free(value);
    return set;
}

static bool set_texts(reel_archive *a, const reel_model *m, const reel_model_extras *e)
{
    reel_tape *t = m->tape;
    return set_text(t, a, MODEL, reel__model_text(m)) &&
           (!e->inputs.features || set_text(t, a, INPUTS, reel__normalizer_text(e->inputs))) &&
           (!e->targets.features || set_text(t, a, TARGETS, reel__normalizer_text(e->targets))) &&
           (!e->vocabulary || set_text(t, a, VOCABULARY, reel__vocabulary_text(e->vocabulary))) &&
           reel__add_texts(a, e->texts);
}

/* The model's parameters, as arrays that look into the tape. */
static bool lend_params(reel_archive *a, const reel_model *m)
{
    for (int k = 0; k < m->count; k++) {
        for (size_t i = m->layer[k].first_param; i < m->layer[k].end_param; i++) {
            const reel__param *param = reel__param_entry(m->tape, (uint32_t)i);
            if (reel_archive_lend(a, param->name, reel__param_array(m->tape, param)) != REEL_OK) {
                return false;
            }
        }
    }
    return true;
}

reel_status reel_model_save(reel_model *m, const char *path, reel_model_extras extras)
{
    if (!m) {
        return REEL_BAD_HANDLE;
    }
    reel_tape *t = m->tape;
    if (reel_tape_status(t) != REEL_OK || !can_be_saved(m, path, extras.texts)) {
        return reel_tape_status(t);
    }
    reel_archive *a = reel__tape_archive(t);
    if (!a) {
        return REEL_OUT_OF_MEMORY;
    }
    if (set_texts(a, m, &extras) && lend_params(a, m)) {
        reel_archive_write(a, path);
    }
    reel__pass_error(t, "model_save", a);
    reel_archive_free(a);
    return reel_tape_status(t);
}

/* ---- loading ------------------------------------------------------------------------------- */

/* What is not reel's own. */
static bool read_texts(reel_tape *tape, const reel_archive *a, reel_model_extras *e)
{
    size_t count = reel_archive_text_count(a), kept = 0;
    reel_text *texts = reel__tape_store(tape, (count + 1) * sizeof *texts);
    for (size_t i = 0; texts && i < count; i++) {
        const char *key = reel_archive_text_key(a, i);
        if (!reel__starts_with(key, RESERVED)) {
            texts[kept++] = (reel_text){ reel__tape_store_text(tape, key),
                                         reel__tape_store_text(tape, reel_archive_text(a, key)) };
        }
    }
    e->texts = texts;
    return reel_tape_status(tape) == REEL_OK;
}

static bool read_extras(reel_tape *tape, const reel_archive *a, reel_model_extras *e)
{
    const char *inputs = reel_archive_text(a, INPUTS), *targets = reel_archive_text(a, TARGETS);
    const char *vocabulary = reel_archive_text(a, VOCABULARY), *wrong = NULL;
    if (inputs && !reel__normalizer_parse(tape, inputs, &e->inputs)) {
        wrong = INPUTS;
    } else if (targets && !reel__normalizer_parse(tape, targets, &e->targets)) {
        wrong = TARGETS;
    } else if (vocabulary && !(e->vocabulary = reel__vocabulary_parse(tape, vocabulary))) {
        wrong = VOCABULARY;
    }
    if (wrong && reel_tape_status(tape) == REEL_OK) {
        reel_fail(tape, REEL_BAD_FILE, "model_load", "the text \"%s\" is damaged", wrong);
    }
    return !wrong && read_texts(tape, a, e);
}

static bool read_params(reel_model *m, const reel_archive *a)
{
    reel_load_report report;
    reel_load_options options = { .partial = true, .report = &report };
    size_t count = 0;
    for (int k = 0; k < m->count; k++) {
        count += m->layer[k].end_param - m->layer[k].first_param;
    }
    if (count == 0 && reel_archive_count(a) == 0) {
        return true;
    }
    if (reel_load_archive(m->tape, a, options) != REEL_OK) {
        return false;
    }
    return (report.loaded == count && reel_archive_count(a) == count) ||
           FAIL(m->tape, "model_load", REEL_BAD_FILE,
                "the file has %zu tensors, %zu of them the model's, which needs %zu",
                reel_archive_count(a), report.loaded, count);
}

static double numbers_in(const reel_archive *a)
{
    double numbers = 0;
    reel_array array;
    for (size_t i = 0; reel_archive_at(a, i, &array); i++) {
        numbers += (double)reel_shape_size(array.shape);
    }
    return numbers;
}

/* A short file must not make large layers, nor say that rows are longer than anyone can record. */
static bool build(reel_model *m, const reel_archive *a, reel_shape row, bool symbols)
{
    double needed = reel__model_least_numbers(m, row, symbols), there = numbers_in(a);
    if (!(needed <= there)) {
        return FAIL(m->tape, "model_load", REEL_BAD_FILE,
                    "the layers need %.0f numbers or more, the file has %.0f", needed, there);
    }
    bool any_length = row.rank >= (symbols ? 1 : 2) && reel__model_takes_any_length(m);
    reel_shape built = row;
    built.dim[0] = any_length ? 0 : row.dim[0];
    if (reel_model_build(m, built, symbols) != REEL_OK) {
        return false;
    }
    m->row = row;
    for (int k = 0; any_length && k < m->count; k++) {
        if (m->layer[k].sequence) {
            m->layer[k].output.dim[0] = row.dim[0];
        }
    }
    return true;
}

static reel_model *load(reel_tape *tape, const reel_archive *a, const char *path,
                        reel_model_extras *extras)
{
    reel_shape row;
    bool symbols;
    reel_compile_options compile = { 0 };
    const char *text = reel_archive_text(a, MODEL);
    if (reel__pass_error(tape, "model_load", a) != REEL_OK) {
        return NULL;
    }
    if (!text) {
        reel_fail(tape, REEL_BAD_FILE, "model_load",
                  "%s holds no model, only %zu tensors: load them by reel_load", path,
                  reel_archive_count(a));
        return NULL;
    }
    if (!read_extras(tape, a, extras)) {
        return NULL;
    }
    reel_model *m = reel__model_parse(tape, text, &row, &symbols, &compile);
    bool good = m && build(m, a, row, symbols) && read_params(m, a) &&
                (!compile.loss || reel_compile(m, compile) == REEL_OK);
    return good ? m : NULL;
}

reel_model *reel_model_load(reel_tape *tape, const char *path, reel_model_extras *extras)
{
    reel_model_extras mine;
    if (!tape || reel_tape_status(tape) != REEL_OK) {
        return NULL;
    }
    reel_archive *a =
        reel_archive_open(path, (reel_archive_options){ .allocator = tape->options.allocator });
    extras = extras ? extras : &mine;
    *extras = (reel_model_extras){ 0 };
    reel_model *m = load(tape, a, path ? path : "NULL", extras);
    reel_archive_free(a);
    return m;
}

#else

reel_status reel_model_save(reel_model *m, const char *path, reel_model_extras extras)
{
    (void)path, (void)extras;
    if (m) {
        reel_fail(m->tape, REEL_UNSUPPORTED, "model_save",
                  "models are JSON and need jansson, and reel was built without");
    }
    return m ? REEL_UNSUPPORTED : REEL_BAD_HANDLE;
}

reel_model *reel_model_load(reel_tape *tape, const char *path, reel_model_extras *extras)
{
    (void)path;
    if (extras) {
        *extras = (reel_model_extras){ 0 };
    }
    if (tape) {
        reel_fail(tape, REEL_UNSUPPORTED, "model_load",
                  "models are JSON and need jansson, and reel was built without");
    }
    return NULL;
}

#endif
