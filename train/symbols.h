/* symbols.h: text as numbers, for the metrics that compare texts. Not installed.
 *
 * A text is a row of symbols: its code points, or its words, which a lexicon numbers so that equal
 * words are equal numbers. White space is what Python's str.split takes for it. */
#ifndef REEL_SYMBOLS_H
#define REEL_SYMBOLS_H

#include "metric.h"

typedef struct {
    char *at;
    size_t count, room;
} reel__bytes;

typedef struct {
    uint32_t *at;
    size_t count, room;
} reel__symbols;

typedef struct {
    reel__bytes text;   /* of all words, one behind the other */
    reel__symbols ends; /* where word i ends */
    uint32_t *slot;     /* open addressing: a word's number + 1; 0: free */
    size_t slots;       /* a power of two */
} reel__lexicon;

/* All that allocates returns false, with the metric's message, without memory. */
bool reel__bytes_add(reel_metric *, reel__bytes *, const char *text, size_t length);
bool reel__symbols_add(reel_metric *, reel__symbols *, uint32_t);
bool reel__lexicon_add(reel_metric *, reel__lexicon *, reel__span word, uint32_t *number);
void reel__bytes_free(reel_metric *, reel__bytes *);
void reel__symbols_free(reel_metric *, reel__symbols *);
void reel__lexicon_free(reel_metric *, reel__lexicon *);
/* So many empty ones; NULL without memory. */
reel__symbols *reel__symbols_new(reel_metric *, int count);
void reel__symbols_free_all(reel_metric *, reel__symbols *, int count);
reel__span reel__lexicon_word(const reel__lexicon *, uint32_t number);

/* Where the first byte that is not UTF-8 stands; the length when there is none. */
size_t reel__utf8_valid(reel__span);
/* Takes the first code point off valid UTF-8 that is not empty. */
uint32_t reel__next_code_point(reel__span *);
bool reel__is_space(uint32_t code_point);
/* Without white space at its ends. */
reel__span reel__strip(reel__span);
/* The next word between white space; false when there is none. */
bool reel__next_word(reel__span *rest, reel__span *word);

/* Adds the numbers of the words between white space. */
bool reel__words_of(reel_metric *, reel__lexicon *, reel__span text, reel__symbols *);
/* Adds the code points, those of white space only where asked for. */
bool reel__code_points_of(reel_metric *, reel__span text, bool spaces, reel__symbols *);

/* How many of the n-grams of `x` there are and how many of these are found in any of y[], each at
 * most as often as in the one of y[] that has it most often. */
typedef struct {
    int64_t total, matched;
} reel__ngram_count;
bool reel__count_ngrams(reel_metric *, size_t n, const reel__symbols *x, int ys,
                        const reel__symbols y[], reel__ngram_count *);

static inline int64_t reel__ngrams_in(const reel__symbols *x, size_t n)
{
    return x->count >= n ? (int64_t)(x->count - n + 1) : 0;
}

#endif
