/* symbols.c: text as numbers: UTF-8, white space, words. */
#include "symbols.h"

#include <string.h>

/* ---- lists --------------------------------------------------------------------------------- */

static bool reserve(reel_metric *metric, void **at, size_t *room, size_t needed, size_t element)
{
    if (needed <= *room) {
        return true;
    }
    size_t more = 2 * *room > needed ? 2 * *room : needed + 16;
    void *block = reel__metric_resize(metric, *at, *room * element, more * element);
    if (!block) {
        return false;
    }
    *at = block;
    *room = more;
    return true;
}

bool reel__bytes_add(reel_metric *metric, reel__bytes *bytes, const char *text, size_t length)
{
    void *at = bytes->at;
    bool done = reserve(metric, &at, &bytes->room, bytes->count + length, 1);
    bytes->at = at;
    if (done && length) {
        memcpy(bytes->at + bytes->count, text, length);
        bytes->count += length;
    }
    return done;
}

bool reel__symbols_add(reel_metric *metric, reel__symbols *symbols, uint32_t symbol)
{
    void *at = symbols->at;
    bool done = reserve(metric, &at, &symbols->room, symbols->count + 1, sizeof symbol);
    symbols->at = at;
    if (done) {
        symbols->at[symbols->count++] = symbol;
    }
    return done;
}

void reel__bytes_free(reel_metric *metric, reel__bytes *bytes)
{
    reel__metric_resize(metric, bytes->at, bytes->room, 0);
    *bytes = (reel__bytes){ 0 };
}

void reel__symbols_free(reel_metric *metric, reel__symbols *symbols)
{
    reel__metric_resize(metric, symbols->at, symbols->room * sizeof *symbols->at, 0);
    *symbols = (reel__symbols){ 0 };
}

reel__symbols *reel__symbols_new(reel_metric *metric, int count)
{
    size_t bytes = (size_t)count * sizeof(reel__symbols);
    reel__symbols *list = reel__metric_resize(metric, NULL, 0, bytes);
    return list ? memset(list, 0, bytes) : NULL;
}

void reel__symbols_free_all(reel_metric *metric, reel__symbols *list, int count)
{
    for (int i = 0; list && i < count; i++) {
        reel__symbols_free(metric, &list[i]);
    }
    reel__metric_resize(metric, list, list ? (size_t)count * sizeof *list : 0, 0);
}

/* ---- words by number ----------------------------------------------------------------------- */

reel__span reel__lexicon_word(const reel__lexicon *lexicon, uint32_t number)
{
    size_t begin = number ? lexicon->ends.at[number - 1] : 0;
    return (reel__span){ lexicon->text.at + begin, lexicon->ends.at[number] - begin };
}

/* The slot where a word is or would be. */
static size_t slot_of(const reel__lexicon *lexicon, reel__span word)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < word.length; i++) {
        hash = (hash ^ (uint64_t)(unsigned char)word.text[i]) * 0x100000001b3u;
    }
    size_t mask = lexicon->slots - 1;
    for (size_t slot = (size_t)(hash ^ hash >> 32) & mask;; slot = (slot + 1) & mask) {
        if (lexicon->slot[slot] == 0) {
            return slot;
        }
        reel__span other = reel__lexicon_word(lexicon, lexicon->slot[slot] - 1);
        if (other.length == word.length && memcmp(other.text, word.text, word.length) == 0) {
            return slot;
        }
    }
}

/* At most half of the slots are taken. */
static bool make_slots(reel_metric *metric, reel__lexicon *lexicon)
{
    size_t needed = 2 * (lexicon->ends.count + 1), before = lexicon->slots;
    if (needed <= before) {
        return true;
    }
    size_t slots = before ? 2 * before : 64;
    uint32_t *slot = reel__metric_resize(metric, NULL, 0, slots * sizeof *slot);
    if (!slot) {
        return false;
    }
    memset(slot, 0, slots * sizeof *slot);
    reel__metric_resize(metric, lexicon->slot, before * sizeof *slot, 0);
    lexicon->slot = slot;
    lexicon->slots = slots;
    for (size_t i = 0; i < lexicon->ends.count; i++) {
        slot[slot_of(lexicon, reel__lexicon_word(lexicon, (uint32_t)i))] = (uint32_t)i + 1;
    }
    return true;
}

bool reel__lexicon_add(reel_metric *metric, reel__lexicon *lexicon, reel__span word,
                       uint32_t *number)
{
    if (!make_slots(metric, lexicon)) {
        return false;
    }
    size_t slot = slot_of(lexicon, word);
    if (lexicon->slot[slot] == 0) {
        size_t end = lexicon->text.count + word.length;
        if (!reel__bytes_add(metric, &lexicon->text, word.text, word.length) ||
            !reel__symbols_add(metric, &lexicon->ends, (uint32_t)end)) {
            return false;
        }
        lexicon->slot[slot] = (uint32_t)lexicon->ends.count;
    }
    *number = lexicon->slot[slot] - 1;
    return true;
}

void reel__lexicon_free(reel_metric *metric, reel__lexicon *lexicon)
{
    reel__metric_resize(metric, lexicon->slot, lexicon->slots * sizeof *lexicon->slot, 0);
    reel__bytes_free(metric, &lexicon->text);
    reel__symbols_free(metric, &lexicon->ends);
    *lexicon = (reel__lexicon){ 0 };
}

/* ---- UTF-8 --------------------------------------------------------------------------------- */

/* Bytes in a sequence that begins with this one; 0: none does. */
static size_t sequence_length(unsigned char first)
{
    return first < 0x80                    ? 1
           : first >= 0xC2 && first < 0xE0 ? 2
           : first >= 0xE0 && first < 0xF0 ? 3
           : first >= 0xF0 && first < 0xF5 ? 4
                                           : 0;
}

uint32_t reel__next_code_point(reel__span *text)
{
    const unsigned char *at = (const unsigned char *)text->text;
    static const unsigned char first_bits[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    size_t n = sequence_length(at[0]);
    uint32_t code_point = at[0] & first_bits[n];
    for (size_t i = 1; i < n; i++) {
        code_point = code_point << 6 | (at[i] & 0x3F);
    }
    text->text += n;
    text->length -= n;
    return code_point;
}

static bool sequence_valid(reel__span text, size_t n)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (n == 0 || n > text.length) {
        return false;
    }
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)text.text[i] & 0xC0) != 0x80) {
            return false;
        }
    }
    uint32_t code_point = reel__next_code_point(&text);
    bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
    return code_point >= smallest[n] && code_point <= 0x10FFFF && !surrogate;
}

size_t reel__utf8_valid(reel__span text)
{
    size_t at = 0;
    while (at < text.length) {
        size_t n = sequence_length((unsigned char)text.text[at]);
        if (!sequence_valid((reel__span){ text.text + at, text.length - at }, n)) {
            return at;
        }
        at += n;
    }
    return at;
}

/* ---- white space --------------------------------------------------------------------------- */

/* Category Zs, or bidirectional class WS, B or S. */
bool reel__is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool reel__next_word(reel__span *rest, reel__span *word)
{
    reel__span at = *rest;
    *word = (reel__span){ 0 };
    while (rest->length) {
        bool space = reel__is_space(reel__next_code_point(&at));
        if (space && word->length) {
            break;
        }
        if (!space) {
            word->text = word->length ? word->text : rest->text;
            word->length = (size_t)(at.text - word->text);
        }
        *rest = at;
    }
    return word->length > 0;
}

reel__span reel__strip(reel__span text)
{
    reel__span rest = text, word, first = { 0 }, last = { 0 };
    while (reel__next_word(&rest, &word)) {
        first = first.length ? first : word;
        last = word;
    }
    if (first.length == 0) {
        return (reel__span){ text.text, 0 };
    }
    return (reel__span){ first.text, (size_t)(last.text + last.length - first.text) };
}

bool reel__words_of(reel_metric *metric, reel__lexicon *lexicon, reel__span text,
                    reel__symbols *out)
{
    reel__span word;
    uint32_t number;
    while (reel__next_word(&text, &word)) {
        if (!reel__lexicon_add(metric, lexicon, word, &number) ||
            !reel__symbols_add(metric, out, number)) {
            return false;
        }
    }
    return true;
}

bool reel__code_points_of(reel_metric *metric, reel__span text, bool spaces, reel__symbols *out)
{
    while (text.length) {
        uint32_t code_point = reel__next_code_point(&text);
        if ((spaces || !reel__is_space(code_point)) &&
            !reel__symbols_add(metric, out, code_point)) {
            return false;
        }
    }
    return true;
}
