/* vocabulary_json.c: vocabularies as files.
 *
 *     { "format": "reel vocabulary", "version": 1, "kind": "bpe", "specials": ["<pad>", "<unk>"],
 *       "symbols": ["a", …] or "merges": [[104, 101], …] }
 *
 * Bytes and merges need not be UTF-8, which JSON is: a merge is written as the numbers of its two
 * symbols, and bytes are not written. */
#include <stdlib.h>
#include <string.h>

#include "../io/file.h"
#include "vocabulary.h"
#ifdef REEL_HAVE_JANSSON
#include <jansson.h>
#endif

#ifdef REEL_HAVE_JANSSON

static const char format[] = "reel vocabulary";

/* ---- writing ------------------------------------------------------------------------------- */

static json_t *symbols_json(const reel_vocabulary *v, size_t begin, size_t end)
{
    json_t *list = json_array();
    for (size_t i = begin; i < end; i++) {
        const reel__symbol *s = reel__symbol_at(v, i);
        json_array_append_new(list, json_stringn(s->bytes, s->length));
    }
    return list;
}

static json_t *merges_json(const reel_vocabulary *v)
{
    json_t *list = json_array();
    for (size_t k = 0; k < v->merges.count; k++) {
        reel__merge m = ((const reel__merge *)v->merges.data)[k];
        json_array_append_new(list, json_pack("[i, i]", (int)m.left, (int)m.right));
    }
    return list;
}

static json_t *to_json(const reel_vocabulary *v)
{
    bool bpe = v->kind == REEL__BPE;
    json_t *rest = bpe ? merges_json(v) : symbols_json(v, v->specials, v->symbols.count);
    return json_pack("{s: s, s: i, s: s, s: o, s: o}", "format", format, "version", 1, "kind",
                     reel__text_kind_names[v->kind], "specials", symbols_json(v, 0, v->specials),
                     bpe ? "merges" : "symbols", rest);
}

reel_status reel_vocabulary_save(reel_vocabulary *v, const char *path)
{
    if (!v) {
        return REEL_BAD_HANDLE;
    }
    json_t *root = to_json(v);
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    reel__failure failure = { 0 };
    bool good = text && path &&
                reel__replace_file(path, text, strlen(text), v->tape->options.allocator, &failure);
    free(text);
    json_decref(root);
    if (!good) {
        reel_fail(v->tape, REEL_FILE_ERROR, "vocabulary_save", "cannot write %s%s%.400s",
                  path ? path : "NULL", failure.text[0] ? ": " : "", failure.text);
    }
    return good ? REEL_OK : REEL_FILE_ERROR;
}

char *reel__vocabulary_text(const reel_vocabulary *v)
{
    json_t *root = to_json(v);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool add_symbols(reel_vocabulary *v, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *s = json_array_get(list, i);
        size_t before = v->symbols.count;
        if (!json_is_string(s) ||
            reel__vocabulary_add(v, json_string_value(s), json_string_length(s)) < 0 ||
            v->symbols.count == before) {
            return false;
        }
    }
    return json_is_array(list);
}

/* A merge is of symbols that were there before it. */
static bool add_merges(reel_vocabulary *v, const json_t *list)
{
    if (!reel__bpe_add_bytes(v)) {
        return false;
    }
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *pair = json_array_get(list, k);
        json_int_t left = json_integer_value(json_array_get(pair, 0));
        json_int_t right = json_integer_value(json_array_get(pair, 1));
        json_int_t first = reel__first_byte(v), end = (json_int_t)v->symbols.count;
        reel__merge m = { (int32_t)left, (int32_t)right };
        if (json_array_size(pair) != 2 || left < first || right < first || left >= end ||
            right >= end || reel__bpe_merged(v, m) >= 0 || !reel__bpe_add_merge(v, m)) {
            return false;
        }
    }
    return json_is_array(list);
}

static reel_vocabulary *from_json(reel_tape *tape, const json_t *root)
{
    static const char *const none[] = { NULL };
    const char *kind = json_string_value(json_object_get(root, "kind"));
    const char *which = json_string_value(json_object_get(root, "format"));
    int number = 0;
    while (kind && number < REEL__VOCABULARY_KINDS &&
           strcmp(kind, reel__text_kind_names[number]) != 0) {
        number++;
    }
    if (!kind || number == REEL__VOCABULARY_KINDS || !which || strcmp(which, format) != 0 ||
        json_integer_value(json_object_get(root, "version")) != 1) {
        return NULL;
    }
    reel_vocabulary *v = reel__vocabulary_new(tape, (reel__text_kind)number, none);
    if (!v || !add_symbols(v, json_object_get(root, "specials"))) {
        return NULL;
    }
    v->specials = v->symbols.count;
    v->unknown = reel__vocabulary_lookup(v, "<unk>", 5);
    v->padding = reel__vocabulary_lookup(v, "<pad>", 5);
    bool good = v->kind == REEL__BPE ? add_merges(v, json_object_get(root, "merges"))
                                     : add_symbols(v, json_object_get(root, "symbols"));
    return good ? v : NULL;
}

reel_vocabulary *reel_vocabulary_load(reel_tape *tape, const char *path)
{
    json_error_t error = { .text = "no path" };
    if (!tape) {
        return NULL;
    }
    json_t *root = path ? json_load_file(path, 0, &error) : NULL;
    if (!root) {
        bool unread = !path || error.line < 0;
        reel_fail(tape, unread ? REEL_FILE_ERROR : REEL_BAD_FILE, "vocabulary_load", "%s: %s",
                  path ? path : "NULL", error.text);
        return NULL;
    }
    reel_vocabulary *v = from_json(tape, root);
    json_decref(root);
    if (!v) {
        reel_fail(tape, REEL_BAD_FILE, "vocabulary_load", "%s is no vocabulary of reel's", path);
    }
    return v;
}

reel_vocabulary *reel__vocabulary_parse(reel_tape *tape, const char *text)
{
    json_t *root = json_loads(text, 0, NULL);
    reel_vocabulary *v = root ? from_json(tape, root) : NULL;
    json_decref(root);
    return v;
}

#else

reel_status reel_vocabulary_save(reel_vocabulary *v, const char *path)
{
    if (v) {
        reel_fail(v->tape, REEL_UNSUPPORTED, "vocabulary_save",
                  "writing %s needs jansson, and reel was built without", path ? path : "NULL");
    }
    return v ? REEL_UNSUPPORTED : REEL_BAD_HANDLE;
}

reel_vocabulary *reel_vocabulary_load(reel_tape *tape, const char *path)
{
    reel_fail(tape, REEL_UNSUPPORTED, "vocabulary_load",
              "reading %s needs jansson, and reel was built without", path ? path : "NULL");
    return NULL;
}

#endif
