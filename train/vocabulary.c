/* vocabulary.c: symbols and their numbers; characters and words. */
#include <stdlib.h>
#include <string.h>

#include "vocabulary.h"

const char *const reel__text_kind_names[] = { "characters", "words", "bpe" };

/* ---- the table ----------------------------------------------------------------------------- */

static uint64_t hash_of(const char *bytes, size_t length)
{
    uint64_t hash = length;
    for (size_t i = 0; i < length; i++) {
        hash = reel__mix(hash, (unsigned char)bytes[i]);
    }
    return hash;
}

/* The place in the index where the symbol is, or where it would be. */
static size_t place_of(const reel_vocabulary *v, const char *bytes, size_t length)
{
    const int32_t *index = v->index.data;
    size_t mask = v->index.count - 1, at = (size_t)hash_of(bytes, length) & mask;
    while (index[at] >= 0) {
        const reel__symbol *s = reel__symbol_at(v, (size_t)index[at]);
        if (s->length == length && memcmp(s->bytes, bytes, length) == 0) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

static bool grow_index(reel_vocabulary *v)
{
    if (2 * (v->symbols.count + 1) <= v->index.count) {
        return true;
    }
    size_t size = v->index.count ? 2 * v->index.count : 64;
    if (!reel__list_reserve(v->tape, &v->index, size, sizeof(int32_t))) {
        return false;
    }
    int32_t *index = v->index.data;
    memset(index, 0xff, size * sizeof *index);
    v->index.count = size;
    for (size_t i = 0; i < v->symbols.count; i++) {
        const reel__symbol *s = reel__symbol_at(v, i);
        size_t at = place_of(v, s->bytes, s->length);
        index[at] = index[at] < 0 ? (int32_t)i : index[at];
    }
    return true;
}

bool reel__vocabulary_append(reel_vocabulary *v, const char *bytes, size_t length)
{
    char *copy = reel__tape_store(v->tape, length + 1);
    if (!copy || !grow_index(v) ||
        !reel__list_reserve(v->tape, &v->symbols, v->symbols.count + 1, sizeof(reel__symbol))) {
        return false;
    }
    memcpy(copy, bytes, length);
    size_t at = place_of(v, bytes, length);
    int32_t *index = v->index.data;
    index[at] = index[at] < 0 ? (int32_t)v->symbols.count : index[at];
    ((reel__symbol *)v->symbols.data)[v->symbols.count++] = (reel__symbol){ copy, length };
    return true;
}

int32_t reel__vocabulary_lookup(const reel_vocabulary *v, const char *bytes, size_t length)
{
    return v->index.count ? ((const int32_t *)v->index.data)[place_of(v, bytes, length)] : -1;
}

int32_t reel__vocabulary_add(reel_vocabulary *v, const char *bytes, size_t length)
{
    int32_t there = reel__vocabulary_lookup(v, bytes, length);
    if (there >= 0) {
        return there;
    }
    return reel__vocabulary_append(v, bytes, length) ? (int32_t)v->symbols.count - 1 : -1;
}

static void release(void *self)
{
    reel_vocabulary *v = self;
    reel__list_free(v->tape, &v->symbols, sizeof(reel__symbol));
    reel__list_free(v->tape, &v->index, sizeof(int32_t));
    reel__list_free(v->tape, &v->merges, sizeof(reel__merge));
    reel__list_free(v->tape, &v->merge_index, sizeof(int32_t));
}

reel_vocabulary *reel__vocabulary_new(reel_tape *tape, reel__text_kind kind,
                                      const char *const specials[])
{
    static const char *const usual[] = { "<pad>", "<unk>", NULL };
    reel_vocabulary *v = reel__tape_store(tape, sizeof *v);
    if (!v || !reel__tape_on_free(tape, release, v)) {
        return NULL;
    }
    v->tape = tape;
    v->kind = kind;
    specials = specials ? specials : usual;
    for (; specials[v->specials]; v->specials++) {
        const char *s = specials[v->specials];
        if (reel__vocabulary_add(v, s, strlen(s)) < 0) {
            return NULL;
        }
    }
    v->unknown = reel__vocabulary_lookup(v, "<unk>", 5);
    v->padding = reel__vocabulary_lookup(v, "<pad>", 5);
    return v;
}

size_t reel_vocabulary_size(const reel_vocabulary *v)
{
    return v ? v->symbols.count : 0;
}

const char *reel_vocabulary_symbol(const reel_vocabulary *v, int32_t number)
{
    return v && number >= 0 && (size_t)number < v->symbols.count
               ? reel__symbol_at(v, (size_t)number)->bytes
               : NULL;
}

int32_t reel_vocabulary_find(const reel_vocabulary *v, const char *symbol)
{
    return v && symbol ? reel__vocabulary_lookup(v, symbol, strlen(symbol)) : -1;
}

/* ---- cutting a text ------------------------------------------------------------------------ */

/* The next character or word at `at`, which moves behind it; its length, 0 at the end. */
static size_t next_piece(reel__text_kind kind, const char **at, const char *end, const char **piece)
{
    size_t space;
    if (kind == REEL__CHARACTERS) {
        *piece = *at;
        *at += *at < end ? reel__character_length(*at) : 0;
        return (size_t)(*at - *piece);
    }
    while (*at < end && (space = reel__space_length(*at, (size_t)(end - *at))) > 0) {
        *at += space;
    }
    *piece = *at;
    while (*at < end && reel__space_length(*at, (size_t)(end - *at)) == 0) {
        *at += reel__character_length(*at);
    }
    return (size_t)(*at - *piece);
}

/* ---- making one ---------------------------------------------------------------------------- */

typedef struct {
    reel__symbol symbol;
    uint64_t count;
} counted;

static int by_bytes(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    size_t shorter = x->symbol.length < y->symbol.length ? x->symbol.length : y->symbol.length;
    int order = memcmp(x->symbol.bytes, y->symbol.bytes, shorter);
    return order ? order
                 : (x->symbol.length > y->symbol.length) - (x->symbol.length < y->symbol.length);
}

static int by_count(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    int order = (x->count < y->count) - (x->count > y->count);
    return order ? order : by_bytes(a, b);
}

/* Counts pieces; `seen` numbers them. */
static bool count_pieces(reel_vocabulary *seen, reel__list *counts, const char *text, size_t bytes)
{
    const char *at = text, *end = text + bytes, *piece;
    size_t length;
    while ((length = next_piece(seen->kind, &at, end, &piece)) > 0) {
        int32_t number = reel__vocabulary_add(seen, piece, length);
        if (number < 0 ||
            !reel__list_reserve_zeroed(seen->tape, counts, (size_t)number + 1, sizeof(counted))) {
            return false;
        }
        counted *entry = (counted *)counts->data + number;
        entry->symbol = *reel__symbol_at(seen, (size_t)number);
        entry->count++;
        counts->count = seen->symbols.count;
    }
    return true;
}

/* The most frequent ones; of characters, in the order of their codes. */
static bool add_pieces(reel_vocabulary *v, reel__list *counts, reel_vocabulary_options o)
{
    counted *list = counts->data;
    size_t kept = 0, room = o.size == 0            ? SIZE_MAX
                            : o.size > v->specials ? o.size - v->specials
                                                   : 0;
    if (counts->count == 0) {
        return true;
    }
    qsort(list, counts->count, sizeof *list, by_count);
    while (kept < counts->count && kept < room && list[kept].count >= o.min_count) {
        kept++;
    }
    if (v->kind == REEL__CHARACTERS) {
        qsort(list, kept, sizeof *list, by_bytes);
    }
    for (size_t i = 0; i < kept; i++) {
        if (reel__vocabulary_add(v, list[i].symbol.bytes, list[i].symbol.length) < 0) {
            return false;
        }
    }
    return true;
}

static reel_vocabulary *make(reel_tape *tape, reel__text_kind kind, const char *op,
                             const char *text, size_t bytes, reel_vocabulary_options o)
{
    static const char *const none[] = { NULL };
    reel__list counts = { 0 };
    if (!tape || !reel__check_utf8(tape, op, text, bytes)) {
        return NULL;
    }
    reel_vocabulary *seen = reel__vocabulary_new(tape, kind, none);
    reel_vocabulary *v = seen ? reel__vocabulary_new(tape, kind, o.specials) : NULL;
    bool good = v && count_pieces(seen, &counts, text, bytes) && add_pieces(v, &counts, o);
    reel__list_free(tape, &counts, sizeof(counted));
    if (seen) {
        release(seen);
    }
    return good ? v : NULL;
}

reel_vocabulary *reel_char_vocabulary(reel_tape *tape, const char *text, size_t bytes,
                                      reel_vocabulary_options options)
{
    return make(tape, REEL__CHARACTERS, "char_vocabulary", text, bytes, options);
}

reel_vocabulary *reel_word_vocabulary(reel_tape *tape, const char *text, size_t bytes,
                                      reel_vocabulary_options options)
{
    return make(tape, REEL__WORDS, "word_vocabulary", text, bytes, options);
}

/* ---- there and back ------------------------------------------------------------------------ */

static int64_t encode_pieces(reel_vocabulary *v, const char *text, size_t bytes, int32_t *out,
                             size_t room)
{
    const char *at = text, *end = text + bytes, *piece;
    int64_t count = 0;
    size_t length;
    for (; (length = next_piece(v->kind, &at, end, &piece)) > 0; count++) {
        int32_t number = reel__vocabulary_lookup(v, piece, length);
        number = number < 0 ? v->unknown : number;
        if (number < 0) {
            reel_fail(v->tape, REEL_NOT_FOUND, "encode",
                      "\"%.*s\" at byte %zu is not in the vocabulary, which has no <unk>",
                      (int)(length < 40 ? length : 40), piece, (size_t)(piece - text));
            return -1;
        }
        if ((size_t)count < room) {
            out[count] = number;
        }
    }
    return count;
}

int64_t reel_encode(reel_vocabulary *v, const char *text, size_t bytes, int32_t *out, size_t room)
{
    if (!v || !reel__check_utf8(v->tape, "encode", text, bytes)) {
        return -1;
    }
    room = out ? room : 0;
    return v->kind == REEL__BPE ? reel__bpe_encode(v, text, bytes, out, room)
                                : encode_pieces(v, text, bytes, out, room);
}

static void put(char *out, size_t room, size_t *length, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++, (*length)++) {
        if (*length + 1 < room) {
            out[*length] = bytes[i];
        }
    }
}

int64_t reel_decode(reel_vocabulary *v, const int32_t *symbols, size_t n, char *out, size_t room)
{
    size_t length = 0;
    room = out ? room : 0;
    if (v && n > 0 && !symbols) {
        reel_fail(v->tape, REEL_BAD_ARGUMENT, "decode", "%zu symbols, and no list of them", n);
        return -1;
    }
    for (size_t i = 0; v && i < n; i++) {
        if (symbols[i] < 0 || (size_t)symbols[i] >= v->symbols.count) {
            reel_fail(v->tape, REEL_BAD_INDEX, "decode", "symbol %zu is %d, must be in 0 … %zu", i,
                      (int)symbols[i], v->symbols.count - 1);
            return -1;
        }
        if (symbols[i] == v->padding) {
            continue;
        }
        if (v->kind == REEL__WORDS && length > 0) {
            put(out, room, &length, " ", 1);
        }
        const reel__symbol *s = reel__symbol_at(v, (size_t)symbols[i]);
        put(out, room, &length, s->bytes, s->length);
    }
    if (room > 0) {
        out[length < room ? length : room - 1] = '\0';
    }
    return v ? (int64_t)length : -1;
}
