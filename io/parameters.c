/* parameters.c: all parameters of a tape into a file and back. */
#include <string.h>

#include "match.h"
#include "parameters.h"
#include "reel/version.h"

/* ---- saving -------------------------------------------------------------------------------- */

bool reel__add_texts(reel_archive *a, const reel_text *texts)
{
    reel_archive_set_text(a, "reel.version", REEL_VERSION);
    for (; texts && texts->key; texts++) {
        reel_archive_set_text(a, texts->key, texts->value);
    }
    return reel_archive_status(a) == REEL_OK;
}

bool reel__lend_params(reel_archive *a, const reel_tape *t)
{
    for (uint32_t i = 0; i < t->params.count; i++) {
        const reel__param *param = reel__param_entry(t, i);
        if (reel_archive_lend(a, param->name, reel__param_array(t, param)) != REEL_OK) {
            return false;
        }
    }
    return true;
}

reel_status reel_save(reel_tape *t, const char *path, reel_save_options options)
{
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    reel_archive *a = reel__tape_archive(t);
    if (!a) {
        return REEL_OUT_OF_MEMORY;
    }
    if (reel__add_texts(a, options.texts) && reel__lend_params(a, t)) {
        reel_archive_write(a, path);
    }
    reel_status status = reel__pass_error(t, "save", a);
    reel_archive_free(a);
    reel__forget_site(t);
    return status;
}

/* ---- matching ------------------------------------------------------------------------------ */

/* What is to be loaded into each parameter. */
typedef struct {
    reel_tape *tape;
    const reel_load_options *options;
    reel_array *arrays; /* one a parameter; data NULL: nothing (a 1 stands for empty ones) */
    bool *given;
    reel__mismatches mismatches;
    reel_load_report report;
} match;

static bool starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The parameter's name for one of the file's; NULL where it takes no part. */
static const char *name_on_tape(const reel_load_options *o, const char *name)
{
    for (const reel_rename *r = o->renames; r && r->file; r++) {
        if (strcmp(r->file, name) == 0) {
            return r->tape;
        }
    }
    if (o->prefix && !starts_with(name, o->prefix)) {
        return NULL;
    }
    return o->prefix ? name + strlen(o->prefix) : name;
}

static const reel__param *param_called(const reel_tape *t, const char *name, uint32_t *index)
{
    for (*index = 0; *index < t->params.count; ++*index) {
        const reel__param *param = reel__param_entry(t, *index);
        if (strcmp(param->name, name) == 0) {
            return param;
        }
    }
    return NULL;
}

static void match_array(match *m, const char *name, const reel_array *array)
{
    const char *wanted = name_on_tape(m->options, name);
    uint32_t index;
    if (!wanted) {
        return;
    }
    const reel__param *param = param_called(m->tape, wanted, &index);
    if (!param) {
        m->report.extra++;
        if (!m->options->partial) {
            reel__mismatch(&m->mismatches, "%.120s %s is not on the tape", wanted,
                           REEL_SHAPE_TEXT(array->shape));
        }
    } else if (m->given[index]) {
        m->report.misfits++;
        reel__mismatch(&m->mismatches, "%.120s is given twice", wanted);
    } else {
        m->given[index] = true;
        m->arrays[index] = *array;
        bool fits = reel__fits(param, array, &m->mismatches);
        m->report.loaded += fits;
        m->report.misfits += !fits;
    }
}

static void match_all(match *m, const reel_archive *a)
{
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        reel_array array;
        reel_archive_at(a, i, &array);
        match_array(m, reel_archive_name(a, i), &array);
    }
    for (uint32_t i = 0; i < m->tape->params.count; i++) {
        const reel__param *param = reel__param_entry(m->tape, i);
        m->report.missing += !m->given[i];
        if (!m->given[i] && !m->options->partial) {
            reel__mismatch(&m->mismatches, "%.120s %s is missing", param->name,
                           REEL_SHAPE_TEXT(param->shape));
        }
    }
}

static reel_status judge(match *m)
{
    const char *text = reel__mismatch_text(&m->mismatches);
    if (text[0]) {
        reel_fail(m->tape, REEL_BAD_SHAPE, "load", "the file does not fit: %s", text);
        return REEL_BAD_SHAPE;
    }
    if (m->options->partial && m->report.loaded == 0) {
        reel_fail(m->tape, REEL_NOT_FOUND, "load", "the file has no tensor of the tape's names");
        return REEL_NOT_FOUND;
    }
    return REEL_OK;
}

/* ---- loading ------------------------------------------------------------------------------- */

static reel_status write_matched(const match *m)
{
    reel_flat flat;
    reel_tape *t = m->tape;
    reel_status status = reel_flat_begin(t, &flat);
    if (status != REEL_OK) {
        return status;
    }
    for (uint32_t i = 0; i < t->params.count; i++) {
        if (m->given[i]) {
            reel__write_numbers(t, flat.values, reel__param_entry(t, i)->offset, m->arrays[i]);
        }
    }
    reel_flat_end(t, true);
    return REEL_OK;
}

reel_status reel_load_archive(reel_tape *t, const reel_archive *a, reel_load_options options)
{
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    if (reel__pass_error(t, "load", a) != REEL_OK) {
        return reel_archive_status(a);
    }
    size_t count = t->params.count, room = count * (sizeof(reel_array) + sizeof(bool)) + 1;
    reel_array *arrays = reel__resize(t, NULL, 0, room);
    if (!arrays) {
        return reel__tape_failed(t);
    }
    memset(arrays, 0, room);
    match m = { .tape = t,
                .options = &options,
                .arrays = arrays,
                .given = (bool *)(arrays + count),
                .mismatches = { .log = options.log, .log_self = options.log_self } };
    match_all(&m, a);
    reel_status status = judge(&m);
    if (status == REEL_OK) {
        status = write_matched(&m);
    } else {
        m.report.loaded = 0;
    }
    if (options.report) {
        *options.report = m.report;
    }
    reel__resize(t, arrays, room, 0);
    reel__forget_site(t);
    return status;
}

reel_status reel_load(reel_tape *t, const char *path, reel_load_options options)
{
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    reel_archive *a = reel_archive_open(
        path, (reel_archive_options){ .allocator = t->options.allocator });
    reel_status status = reel_load_archive(t, a, options);
    reel_archive_free(a);
    return status;
}
