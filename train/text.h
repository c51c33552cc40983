/* text.h: text as numbers.
 *
 *     reel_vocabulary_options options = { .size = 1000 };
 *     reel_vocabulary *v = reel_bpe_vocabulary(t, corpus, bytes, options);
 *     int32_t *symbols = …;                                    // bytes are always enough
 *     int64_t n = reel_encode(v, text, strlen(text), symbols, room);
 *     reel_decode(v, symbols, n, out, out_room);
 *     reel_vocabulary_save(v, "vocabulary.json");
 *
 * A vocabulary numbers its symbols from 0: first the specials ("<pad>" and "<unk>" unless others
 * are given), then characters by their code, words by how often they came, or bytes and what was
 * merged out of them. It belongs to the tape, where errors go as well. Text is UTF-8 and is
 * checked: what is not is refused, with the offset of the first bad byte. Checking needs utf8proc,
 * saving jansson.
 */
#ifndef REEL_TEXT_H
#define REEL_TEXT_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_vocabulary reel_vocabulary;

typedef struct {
    size_t size;      /* at most so many symbols, specials included; 0: all (of BPE: 1000) */
    size_t min_count; /* what comes less often is left out; 0: 1 (of merges: 2) */
    /* up to a NULL; NULL: "<pad>", "<unk>". Where "<unk>" is not among them, what is not in the
     * vocabulary is an error. */
    const char *const *specials;
} reel_vocabulary_options;

/* The code points of a text (vocabulary.c). */
REEL_API reel_vocabulary *reel_char_vocabulary(reel_tape *, const char *text, size_t bytes,
                                               reel_vocabulary_options);
/* The words of a text, which white space parts (vocabulary.c). */
REEL_API reel_vocabulary *reel_word_vocabulary(reel_tape *, const char *text, size_t bytes,
                                               reel_vocabulary_options);
/* Byte pair encoding (Sennrich et al. 2016), of bytes, so that any text can be encoded: all bytes,
 * and then the pairs that came most often in words of the text, a word taking the space before it
 * with it. Of pairs that are equally frequent the one of smaller symbols is merged first
 * (bpe.c). */
REEL_API reel_vocabulary *reel_bpe_vocabulary(reel_tape *, const char *text, size_t bytes,
                                              reel_vocabulary_options);

REEL_API size_t reel_vocabulary_size(const reel_vocabulary *);
/* "<unk>", "a", "the"; bytes and merges as they are. NULL for a number outside. */
REEL_API const char *reel_vocabulary_symbol(const reel_vocabulary *, int32_t number);
REEL_API int32_t reel_vocabulary_find(const reel_vocabulary *, const char *symbol); /* -1: none */

/* Returns how many symbols the text has, of which the first `room` are written; -1 with an
 * error. */
REEL_API int64_t reel_encode(reel_vocabulary *, const char *text, size_t bytes, int32_t *out,
                             size_t room);
/* Returns the length of the text, of which the first room - 1 bytes and a 0 are written; -1 with an
 * error for a number outside. Words are joined by single spaces; characters and BPE give back
 * exactly what was encoded. "<pad>" is left out. */
REEL_API int64_t reel_decode(reel_vocabulary *, const int32_t *symbols, size_t n, char *out,
                             size_t room);

/* The file is replaced as a whole; on failure the old one is as it was. */
REEL_API reel_status reel_vocabulary_save(reel_vocabulary *, const char *path);
REEL_API reel_vocabulary *reel_vocabulary_load(reel_tape *, const char *path);

/* Is it UTF-8? The offset of the first byte that is not goes to *bad. */
REEL_API bool reel_utf8_valid(const char *text, size_t bytes, size_t *bad);

#ifdef __cplusplus
}
#endif

#endif
