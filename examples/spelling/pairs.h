/* pairs.h: a dictionary, "source<TAB>target" on each line, as sequences of symbols. */
#ifndef PAIRS_H
#define PAIRS_H

#include <reel.h>

#include <stdbool.h>

enum { PADDING, UNKNOWN, START, END }; /* the first symbols of both vocabularies */

enum { MOST_SYMBOLS = 48 };

typedef struct {
    int32_t source[MOST_SYMBOLS], target[MOST_SYMBOLS]; /* END is the last of each */
    int source_length, target_length;
} pair;

typedef struct {
    /* of words where the column has a space anywhere, otherwise of letters */
    reel_vocabulary *source, *target;
    const char *error_rate; /* the metric that counts wrong symbols of the target */
    pair *pair;             /* first those to learn from, then those held out: every tenth */
    int learnt, held_out;
} pairs;

/* Pairs of more than MOST_SYMBOLS are left out. False where `path` holds no dictionary, or with an
 * error on the tape. */
bool pairs_read(reel_tape *, const char *path, pairs *);
void pairs_free(pairs *);

/* The symbols of `text` and END into out[MOST_SYMBOLS]: how many; 0 where they are too many. */
int symbols_of(reel_vocabulary *, const char *text, size_t bytes, int32_t *out);

/* What is learnt, in an order of chance; but of each `pool` pairs in a row the shorter come first,
 * so that a batch has little padding. */
void pairs_shuffle(pairs *, int pool, uint64_t *random);

#endif
