/* vocabulary.h: what the files of vocabularies share. Not installed. */
#ifndef REEL_VOCABULARY_H
#define REEL_VOCABULARY_H

#include "../graph/tape.h"
#include "text.h"

typedef enum { REEL__CHARACTERS, REEL__WORDS, REEL__BPE, REEL__VOCABULARY_KINDS } reel__text_kind;
extern const char *const reel__text_kind_names[REEL__VOCABULARY_KINDS];

typedef struct {
    const char *bytes; /* 0 behind them */
    size_t length;
} reel__symbol;

typedef struct {
    int32_t left, right;
} reel__merge;

struct reel_vocabulary {
    reel_tape *tape;
    reel__text_kind kind;
    size_t specials;
    int32_t unknown, padding; /* or -1 */
    reel__list symbols;       /* reel__symbol */
    reel__list index;         /* int32_t, open addressing, a power of two: symbols by their bytes */
    /* of BPE: merge k made symbol first_merge + k */
    reel__list merges;      /* reel__merge */
    reel__list merge_index; /* int32_t, as index: merges by their pair */
};

#define REEL__BYTES 256

reel_vocabulary *reel__vocabulary_new(reel_tape *, reel__text_kind, const char *const specials[]);
/* The number of a symbol that is there or is added; -1 without memory. */
int32_t reel__vocabulary_add(reel_vocabulary *, const char *bytes, size_t length);
int32_t reel__vocabulary_lookup(const reel_vocabulary *, const char *bytes, size_t length);
static inline const reel__symbol *reel__symbol_at(const reel_vocabulary *v, size_t i)
{
    return (const reel__symbol *)v->symbols.data + i;
}
/* Bytes as symbols of their own, doubled or not. */
bool reel__vocabulary_append(reel_vocabulary *, const char *bytes, size_t length);

static inline int32_t reel__first_byte(const reel_vocabulary *v)
{
    return (int32_t)v->specials;
}
/* Adds the merge of two symbols; false without memory. */
bool reel__bpe_add_merge(reel_vocabulary *, reel__merge);
/* The symbol a pair was merged to, or -1. */
int32_t reel__bpe_merged(const reel_vocabulary *, reel__merge);
bool reel__bpe_add_bytes(reel_vocabulary *);
int64_t reel__bpe_encode(reel_vocabulary *, const char *text, size_t bytes, int32_t *out,
                         size_t room);

/* As JSON, in memory of malloc's, and back; NULL where it fails. (vocabulary_json.c, with jansson) */
char *reel__vocabulary_text(const reel_vocabulary *);
reel_vocabulary *reel__vocabulary_parse(reel_tape *, const char *text);

/* An error of `op` unless the text is UTF-8. */
bool reel__check_utf8(reel_tape *, const char *op, const char *text, size_t bytes);
/* Bytes of the character at the start of valid UTF-8. */
size_t reel__character_length(const char *);
/* Bytes of the white space at the start: 0 for none. */
size_t reel__space_length(const char *, size_t bytes);

#endif
