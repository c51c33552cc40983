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

bool reel__lend_as(reel_archive *a, const char *prefix, const char *name, reel_array array)
{
    size_t front = strlen(prefix), room = front + strlen(name) + 1;
    char *whole = reel__archive_take(a, room);
    if (!whole) {
        return false;
    }
    snprintf(whole, room, "%s%s", prefix, name);
    return reel_archive_lend(a, whole, array) == REEL_OK;
}

bool reel__lend_params(reel_archive *a, const char *prefix, const reel_tape *t)
{
    for (uint32_t i = 0; i < t->params.count; i++) {
        const reel__param *param = reel__param_entry(t, i);
        if (!reel__lend_as(a, prefix, param->name, reel__param_array(t, param))) {
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
    if (reel__add_texts(a, options.texts) && reel__lend_params(a, "", t)) {
        reel_archive_write(a, path);
    }
    reel_status status = reel__pass_error(t, "save", a);
    reel_archive_free(a);
    reel__forget_site(t);
    return status;
}

/* ---- matching ------------------------------------------------------------------------------ */

bool reel__starts_with(const char *name, const char *prefix)
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
    if (o->prefix && !reel__starts_with(name, o->prefix)) {
        return NULL;
    }
    return o->prefix ? name + strlen(o->prefix) : name;
}

static void match_array(reel__match *m, const char *name, const reel_array *array)
{
    const char *wanted = name_on_tape(m->options, name);
    if (!wanted) {
        return;
    }
    size_t index = reel__archive_index(m->params, wanted);
    if (index == m->params->count) {
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
        bool fits = reel__fits(reel__param_entry(m->tape, (uint32_t)index), array, &m->mismatches);
        m->report.loaded += fits;
        m->report.misfits += !fits;
    }
}

static void match_all(reel__match *m, const reel_archive *a)
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

static reel_status judge(reel__match *m, const char *caller)
{
    const char *text = reel__mismatch_text(&m->mismatches);
    if (text[0]) {
        reel_fail(m->tape, REEL_BAD_SHAPE, caller, "the file does not fit: %s", text);
        return REEL_BAD_SHAPE;
    }
    if (m->options->partial && m->report.loaded == 0) {
        reel_fail(m->tape, REEL_NOT_FOUND, caller, "the file has no tensor of the tape's names");
        return REEL_NOT_FOUND;
    }
    return REEL_OK;
}

reel_status reel__match_begin(reel__match *m, const char *caller, reel_tape *t,
                              const reel_archive *a, const reel_load_options *options)
{
    size_t count = t->params.count;
    *m = (reel__match){ .tape = t,
                        .from = a,
                        .options = options,
                        .room = count * (sizeof *m->arrays + sizeof *m->given) + 1,
                        .mismatches = { .log = options->log, .log_self = options->log_self } };
    m->params = reel__tape_archive(t);
    m->arrays = m->params ? reel__resize(t, NULL, 0, m->room) : NULL;
    if (!m->arrays) {
        return reel__tape_failed(t);
    }
    if (!reel__lend_params(m->params, "", t)) {
        return reel__pass_error(t, caller, m->params);
    }
    memset(m->arrays, 0, m->room);
    m->given = (bool *)(m->arrays + count);
    match_all(m, a);
    return judge(m, caller);
}

void reel__match_end(reel__match *m)
{
    reel_archive_free(m->params);
    reel__resize(m->tape, m->arrays, m->arrays ? m->room : 0, 0);
    reel__forget_site(m->tape);
}

/* ---- loading ------------------------------------------------------------------------------- */

enum { PIECE = 1 << 17, STRETCH = 1 << 16 }; /* elements; bytes, of whole pages */

/* Elements before the first address that is a multiple of STRETCH: pieces that begin there share no
 * page. */
static size_t lead_of(const void *data, size_t element, size_t n)
{
    size_t lead = (STRETCH - (uintptr_t)data % STRETCH) % STRETCH / element;
    return lead < n ? lead : n;
}

/* Piece by piece, so that no more than one of the file's for each thread stays in memory beside the
 * parameters. The threads do not wait for each other. */
static void write_array(const reel__match *m, char *flat, size_t offset, reel_array array)
{
    size_t element = reel__array_element(array.type), n = reel_array_bytes(array) / element;
    size_t lead = lead_of(array.data, element, n);
    int64_t pieces = 1 + (int64_t)((n - lead + PIECE - 1) / PIECE);
#pragma omp for schedule(dynamic) nowait
    for (int64_t i = 0; i < pieces; i++) {
        size_t begin = i == 0 ? 0 : lead + (size_t)(i - 1) * PIECE;
        size_t end = i == 0 ? lead : n - begin < PIECE ? n : begin + PIECE;
        const char *from = (const char *)array.data + begin * element;
        reel_array piece = { array.type, REEL_SHAPE((int64_t)(end - begin)), from };
        reel__fetch_mapped(&m->from->mapping, from, (end - begin) * element);
        reel__write_numbers(m->tape, flat, offset + begin, piece);
        reel__drop_mapped(&m->from->mapping, from, (end - begin) * element);
    }
}

reel_status reel__match_write(const reel__match *m)
{
    reel_flat flat;
    reel_tape *t = m->tape;
    reel_status status = reel_flat_begin(t, &flat);
    if (status != REEL_OK) {
        return status;
    }
#pragma omp parallel if (flat.count > PIECE)
    for (uint32_t i = 0; i < t->params.count; i++) {
        if (m->given[i]) {
            write_array(m, flat.values, reel__param_entry(t, i)->offset, m->arrays[i]);
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
    reel__match m;
    reel_status status = reel__match_begin(&m, "load", t, a, &options);
    if (status == REEL_OK) {
        status = reel__match_write(&m);
    }
    if (options.report) {
        *options.report = m.report;
        options.report->loaded = status == REEL_OK ? m.report.loaded : 0;
    }
    reel__match_end(&m);
    return status;
}

reel_status reel_load(reel_tape *t, const char *path, reel_load_options options)
{
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    reel_archive *a =
        reel_archive_open(path, (reel_archive_options){ .allocator = t->options.allocator });
    reel_status status = reel_load_archive(t, a, options);
    reel_archive_free(a);
    return status;
}
