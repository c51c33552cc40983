/* words.c: from a file to numbers of words, and back. */
#include "words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define END_OF_LINE "<eol>"
#define UNKNOWN "<unk>"
#define FEWEST 100

/* ---- a text with spaces between all words --------------------------------------------------- */

/* Bytes above 127 belong to letters of more than one byte. */
static bool belongs_to_word(unsigned char c)
{
    return isalnum(c) || c == '\'' || c == '-' || c > 127;
}

static char *put(char *to, const char *piece)
{
    size_t length = strlen(piece);
    memcpy(to, piece, length + 1);
    return to + length;
}

static char *space_out(const char *bytes, size_t length)
{
    size_t room = 1;
    for (size_t i = 0; i < length; i++) {
        room += bytes[i] == '\n' ? sizeof " " END_OF_LINE " " : 3;
    }
    char *spaced = malloc(room), *to = spaced;
    for (size_t i = 0; spaced && i < length; i++) {
        char c = bytes[i] ? bytes[i] : ' ';
        const char alone[] = { c, 0 }, apart[] = { ' ', c, ' ', 0 };
        const char *other = belongs_to_word((unsigned char)c) ? alone : apart;
        to = put(to, c == '\n' ? " " END_OF_LINE " " : other);
    }
    return spaced;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static bool name_words(text *t, const reel_vocabulary *v)
{
    t->symbols = (int)reel_vocabulary_size(v);
    t->word = malloc((size_t)t->symbols * sizeof *t->word);
    for (int i = 0; t->word && i < t->symbols; i++) {
        t->word[i] = reel_vocabulary_symbol(v, i);
    }
    return t->word != NULL;
}

static const char *encode(text *t, reel_tape *tape, const char *spaced, int most)
{
    size_t bytes = strlen(spaced);
    static const char *const specials[] = { UNKNOWN, NULL };
    reel_vocabulary_options frequent = { .size = (size_t)most, .specials = specials };
    reel_vocabulary *v = reel_word_vocabulary(tape, spaced, bytes, frequent);
    int64_t words = v ? reel_encode(v, spaced, bytes, NULL, 0) : -1;
    if (words < 0) {
        return "has no words";
    }
    t->length = (size_t)words;
    t->unknown = reel_vocabulary_find(v, UNKNOWN);
    t->end_of_line = reel_vocabulary_find(v, END_OF_LINE);
    t->data = malloc(t->length * sizeof *t->data);
    if (!t->data || !name_words(t, v)) {
        return "is too large for the memory";
    }
    reel_encode(v, spaced, bytes, t->data, t->length);
    text_hold_out(t);
    return words < FEWEST ? "has too few words to learn from" : NULL;
}

bool words_load(text *t, reel_tape *tape, const char *path, int most, const char **reason)
{
    size_t length;
    *t = (text){ 0 };
    char *bytes = text_read(path, &length, reason);
    char *spaced = bytes ? space_out(bytes, length) : NULL;
    if (spaced) {
        *reason = encode(t, tape, spaced, most);
    } else if (bytes) {
        *reason = "is too large for the memory";
    }
    free(bytes);
    free(spaced);
    return *reason == NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool follows_without_space(const text *t, int32_t previous, const char *word)
{
    bool is_first = previous < 0 || previous == t->end_of_line;
    const char *before = is_first ? "" : t->word[previous];
    return is_first || strchr(",.;:?!)", word[0]) || strcmp(before, "(") == 0;
}

void words_write(const text *t, int32_t previous, int32_t symbol, FILE *out)
{
    if (t->word == NULL) {
        fputc(t->byte[symbol], out);
    } else if (symbol == t->end_of_line) {
        fputc('\n', out);
    } else {
        const char *word = t->word[symbol];
        fprintf(out, "%s%s", follows_without_space(t, previous, word) ? "" : " ", word);
    }
}
