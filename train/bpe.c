/* bpe.c: byte pair encoding (Sennrich et al. 2016).
 *
 * A text is cut into words, a word being a run of characters that are no white space together with
 * the one space before it; other white space stands by itself. Merging happens within words. While
 * training, each different word is kept once, with its count; the counts of pairs are kept up to
 * date word by word as these change. */
#include <stdlib.h>
#include <string.h>

#include "vocabulary.h"

/* ---- merges -------------------------------------------------------------------------------- */

static uint64_t hash_of(reel__merge m)
{
    return reel__mix((uint32_t)m.left, (uint32_t)m.right);
}

static size_t place_of(const reel_vocabulary *v, reel__merge m)
{
    const int32_t *index = v->merge_index.data;
    const reel__merge *merges = v->merges.data;
    size_t mask = v->merge_index.count - 1, at = (size_t)hash_of(m) & mask;
    while (index[at] >= 0 &&
           !(merges[index[at]].left == m.left && merges[index[at]].right == m.right)) {
        at = (at + 1) & mask;
    }
    return at;
}

int32_t reel__bpe_merged(const reel_vocabulary *v, reel__merge m)
{
    if (v->merge_index.count == 0) {
        return -1;
    }
    int32_t k = ((const int32_t *)v->merge_index.data)[place_of(v, m)];
    return k < 0 ? -1 : reel__first_byte(v) + REEL__BYTES + k;
}

static bool grow_merge_index(reel_vocabulary *v)
{
    if (2 * (v->merges.count + 1) <= v->merge_index.count) {
        return true;
    }
    size_t size = v->merge_index.count ? 2 * v->merge_index.count : 64;
    if (!reel__list_reserve(v->tape, &v->merge_index, size, sizeof(int32_t))) {
        return false;
    }
    int32_t *index = v->merge_index.data;
    memset(index, 0xff, size * sizeof *index);
    v->merge_index.count = size;
    for (size_t k = 0; k < v->merges.count; k++) {
        index[place_of(v, ((const reel__merge *)v->merges.data)[k])] = (int32_t)k;
    }
    return true;
}

bool reel__bpe_add_merge(reel_vocabulary *v, reel__merge m)
{
    reel__symbol left = *reel__symbol_at(v, (size_t)m.left);
    reel__symbol right = *reel__symbol_at(v, (size_t)m.right);
    size_t length = left.length + right.length;
    char *joined = reel__scratch(v->tape, length);
    if (!joined || !grow_merge_index(v) ||
        !reel__list_reserve(v->tape, &v->merges, v->merges.count + 1, sizeof m)) {
        return false;
    }
    memcpy(joined, left.bytes, left.length);
    memcpy(joined + left.length, right.bytes, right.length);
    ((int32_t *)v->merge_index.data)[place_of(v, m)] = (int32_t)v->merges.count;
    ((reel__merge *)v->merges.data)[v->merges.count++] = m;
    return reel__vocabulary_append(v, joined, length);
}

bool reel__bpe_add_bytes(reel_vocabulary *v)
{
    for (int byte = 0; byte < REEL__BYTES; byte++) {
        char one = (char)(unsigned char)byte;
        if (!reel__vocabulary_append(v, &one, 1)) {
            return false;
        }
    }
    return true;
}

/* ---- words --------------------------------------------------------------------------------- */

/* The length of the word at the start of `text`. */
static size_t word_length(const char *text, size_t bytes)
{
    size_t at = *text == ' ' && bytes > 1 && reel__space_length(text + 1, bytes - 1) == 0;
    size_t space = reel__space_length(text, bytes);
    if (space > 0 && at == 0) {
        return space;
    }
    while (at < bytes && reel__space_length(text + at, bytes - at) == 0) {
        at += reel__character_length(text + at);
    }
    return at;
}

/* ---- training ------------------------------------------------------------------------------ */

typedef struct {
    size_t begin, length; /* in `text` of the trainer */
    int64_t count;
} word;

typedef struct {
    reel__merge pair;
    int64_t count;
} pair_count;

typedef struct {
    reel_vocabulary *v;
    reel__list words; /* word */
    reel__list text;  /* int32_t: the words' symbols */
    reel__list pairs; /* pair_count, open addressing, a power of two; count 0 in free ones */
    size_t used;
} trainer;

static pair_count *pair_place(const reel__list *pairs, reel__merge m)
{
    pair_count *table = pairs->data;
    size_t mask = pairs->count - 1, at = (size_t)hash_of(m) & mask;
    while (table[at].pair.left >= 0 &&
           !(table[at].pair.left == m.left && table[at].pair.right == m.right)) {
        at = (at + 1) & mask;
    }
    return &table[at];
}

static bool resize_pairs(trainer *t, size_t size)
{
    reel__list larger = { 0 };
    if (!reel__list_reserve(t->v->tape, &larger, size, sizeof(pair_count))) {
        return false;
    }
    larger.count = size;
    for (size_t i = 0; i < size; i++) {
        ((pair_count *)larger.data)[i] = (pair_count){ .pair = { -1, -1 } };
    }
    for (size_t i = 0; i < t->pairs.count; i++) {
        pair_count old = ((pair_count *)t->pairs.data)[i];
        if (old.pair.left >= 0) {
            *pair_place(&larger, old.pair) = old;
        }
    }
    reel__list_free(t->v->tape, &t->pairs, sizeof(pair_count));
    t->pairs = larger;
    return true;
}

static bool count_pair(trainer *t, int32_t left, int32_t right, int64_t by)
{
    reel__merge m = { left, right };
    if (2 * (t->used + 1) > t->pairs.count &&
        !resize_pairs(t, t->pairs.count ? 2 * t->pairs.count : 1024)) {
        return false;
    }
    pair_count *place = pair_place(&t->pairs, m);
    t->used += place->pair.left < 0;
    place->pair = m;
    place->count += by;
    return true;
}

static bool count_word(trainer *t, const word *w, int64_t by)
{
    const int32_t *s = (const int32_t *)t->text.data + w->begin;
    for (size_t i = 0; i + 1 < w->length; i++) {
        if (!count_pair(t, s[i], s[i + 1], by)) {
            return false;
        }
    }
    return true;
}

/* Writes the merge into a word; false where it does not occur. */
static bool merge_word(int32_t *s, size_t *length, reel__merge m, int32_t merged)
{
    size_t to = 0, from = 0;
    for (; from < *length; to++) {
        bool here = from + 1 < *length && s[from] == m.left && s[from + 1] == m.right;
        s[to] = here ? merged : s[from];
        from += here ? 2 : 1;
    }
    bool changed = to != *length;
    *length = to;
    return changed;
}

static bool occurs(const int32_t *s, size_t length, reel__merge m)
{
    for (size_t i = 0; i + 1 < length; i++) {
        if (s[i] == m.left && s[i + 1] == m.right) {
            return true;
        }
    }
    return false;
}

static bool merge_everywhere(trainer *t, reel__merge m)
{
    int32_t merged = (int32_t)t->v->symbols.count - 1;
    for (size_t i = 0; i < t->words.count; i++) {
        word *w = (word *)t->words.data + i;
        int32_t *s = (int32_t *)t->text.data + w->begin;
        if (!occurs(s, w->length, m)) {
            continue;
        }
        if (!count_word(t, w, -w->count)) {
            return false;
        }
        merge_word(s, &w->length, m, merged);
        if (!count_word(t, w, w->count)) {
            return false;
        }
    }
    return true;
}

static bool is_before(const pair_count *a, const pair_count *b)
{
    if (a->count != b->count) {
        return a->count > b->count;
    }
    return a->pair.left != b->pair.left ? a->pair.left < b->pair.left
                                        : a->pair.right < b->pair.right;
}

static bool most_frequent(const trainer *t, pair_count *best)
{
    *best = (pair_count){ .count = 0 };
    for (size_t i = 0; i < t->pairs.count; i++) {
        const pair_count *p = (const pair_count *)t->pairs.data + i;
        if (p->pair.left >= 0 && p->count > 0 && (best->count == 0 || is_before(p, best))) {
            *best = *p;
        }
    }
    return best->count > 0;
}

/* Different words, their symbols one after another. */
static bool collect_words(trainer *t, reel_vocabulary *seen, const char *text, size_t bytes)
{
    reel_tape *tape = t->v->tape;
    for (size_t at = 0, length; at < bytes; at += length) {
        length = word_length(text + at, bytes - at);
        size_t before = seen->symbols.count;
        int32_t number = reel__vocabulary_add(seen, text + at, length);
        if (number < 0 || !reel__list_reserve(tape, &t->words, seen->symbols.count, sizeof(word)) ||
            !reel__list_reserve(tape, &t->text, t->text.count + length, sizeof(int32_t))) {
            return false;
        }
        word *w = (word *)t->words.data + number;
        if (seen->symbols.count > before) {
            *w = (word){ .begin = t->text.count, .length = length };
            t->words.count++;
            for (size_t i = 0; i < length; i++) {
                int32_t byte = (unsigned char)text[at + i];
                ((int32_t *)t->text.data)[t->text.count++] = reel__first_byte(t->v) + byte;
            }
        }
        w->count++;
    }
    return true;
}

static bool learn(trainer *t, size_t size, size_t min_count)
{
    pair_count best;
    for (size_t i = 0; i < t->words.count; i++) {
        const word *w = (const word *)t->words.data + i;
        if (!count_word(t, w, w->count)) {
            return false;
        }
    }
    while (t->v->symbols.count < size && most_frequent(t, &best) &&
           (size_t)best.count >= min_count) {
        if (!reel__bpe_add_merge(t->v, best.pair) || !merge_everywhere(t, best.pair)) {
            return false;
        }
    }
    return true;
}

static bool train(reel_vocabulary *v, const char *text, size_t bytes, reel_vocabulary_options o)
{
    static const char *const none[] = { NULL };
    trainer t = { .v = v };
    reel_vocabulary *seen = reel__vocabulary_new(v->tape, REEL__BPE, none);
    bool good = seen && reel__bpe_add_bytes(v) && collect_words(&t, seen, text, bytes) &&
                learn(&t, o.size ? o.size : 1000, o.min_count ? o.min_count : 2);
    reel__list_free(v->tape, &t.words, sizeof(word));
    reel__list_free(v->tape, &t.text, sizeof(int32_t));
    reel__list_free(v->tape, &t.pairs, sizeof(pair_count));
    return good;
}

reel_vocabulary *reel_bpe_vocabulary(reel_tape *tape, const char *text, size_t bytes,
                                     reel_vocabulary_options options)
{
    if (!tape || !reel__check_utf8(tape, "bpe_vocabulary", text, bytes)) {
        return NULL;
    }
    reel_vocabulary *v = reel__vocabulary_new(tape, REEL__BPE, options.specials);
    if (v && options.size != 0 && options.size < v->specials + REEL__BYTES) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "bpe_vocabulary",
                  "size is %zu, must be at least %zu: 256 bytes and %zu specials", options.size,
                  v->specials + REEL__BYTES, v->specials);
        return NULL;
    }
    return v && train(v, text, bytes, options) ? v : NULL;
}

/* ---- encoding ------------------------------------------------------------------------------ */

/* Merges in the order in which they were learnt, earliest first. */
static size_t merge_all(const reel_vocabulary *v, int32_t *s, size_t length)
{
    for (;;) {
        int32_t first = INT32_MAX;
        reel__merge pair = { 0 };
        for (size_t i = 0; i + 1 < length; i++) {
            reel__merge here = { s[i], s[i + 1] };
            int32_t merged = reel__bpe_merged(v, here);
            if (merged >= 0 && merged < first) {
                first = merged;
                pair = here;
            }
        }
        if (first == INT32_MAX) {
            return length;
        }
        merge_word(s, &length, pair, first);
    }
}

int64_t reel__bpe_encode(reel_vocabulary *v, const char *text, size_t bytes, int32_t *out,
                         size_t room)
{
    int64_t count = 0;
    for (size_t at = 0, length; at < bytes; at += length) {
        length = word_length(text + at, bytes - at);
        int32_t *s = reel__scratch(v->tape, length * sizeof *s);
        if (!s) {
            return -1;
        }
        for (size_t i = 0; i < length; i++) {
            s[i] = reel__first_byte(v) + (unsigned char)text[at + i];
        }
        size_t symbols = merge_all(v, s, length);
        for (size_t i = 0; i < symbols; i++, count++) {
            if ((size_t)count < room) {
                out[count] = s[i];
            }
        }
    }
    return count;
}
