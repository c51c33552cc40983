/* pairs.c: reads a dictionary, numbers its symbols, and puts the pairs in order. */
#include "pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ---------------------------------------------------------------------------------- */

static uint64_t draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void shuffle(pair *p, int count, uint64_t *random)
{
    for (int i = count - 1; i > 0; i--) {
        int k = (int)(draw(random) % (uint64_t)(i + 1));
        pair swapped = p[i];
        p[i] = p[k];
        p[k] = swapped;
    }
}

/* ---- the file ------------------------------------------------------------------------------- */

typedef struct {
    char *source, *target; /* the columns, a line break behind each entry */
    size_t source_bytes, target_bytes;
    int lines;
} columns;

static char *append(char *to, size_t *bytes, const char *entry, size_t length)
{
    char *grown = realloc(to, *bytes + length + 2);
    if (grown != NULL) {
        memcpy(grown + *bytes, entry, length);
        memcpy(grown + *bytes + length, "\n", 2);
        *bytes += length + 1;
    }
    return grown != NULL ? grown : to;
}

static bool read_columns(const char *path, columns *c)
{
    char line[4096];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, file)) {
        size_t tab = strcspn(line, "\t"), end = strcspn(line, "\r\n");
        if (tab > 0 && tab + 1 < end) {
            c->source = append(c->source, &c->source_bytes, line, tab);
            c->target = append(c->target, &c->target_bytes, line + tab + 1, end - tab - 1);
            c->lines++;
        }
    }
    fclose(file);
    return c->lines >= 10;
}

/* ---- symbols -------------------------------------------------------------------------------- */

static reel_vocabulary *vocabulary_of(reel_tape *t, const char *column, size_t bytes)
{
    static const char *const specials[] = { "<padding>", "<unk>", "<start>", "<end>", NULL };
    reel_vocabulary_options options = { .specials = specials };
    return strchr(column, ' ') ? reel_word_vocabulary(t, column, bytes, options)
                               : reel_char_vocabulary(t, column, bytes, options);
}

int symbols_of(reel_vocabulary *v, const char *text, size_t bytes, int32_t *out)
{
    int64_t count = reel_encode(v, text, bytes, out, MOST_SYMBOLS);
    if (count < 1 || count >= MOST_SYMBOLS) {
        return 0;
    }
    out[count] = END;
    return (int)count + 1;
}

static bool take_pair(const pairs *p, const char *source, const char *target, pair *out)
{
    out->source_length = symbols_of(p->source, source, strcspn(source, "\n"), out->source);
    out->target_length = symbols_of(p->target, target, strcspn(target, "\n"), out->target);
    return out->source_length > 0 && out->target_length > 0;
}

/* What is held out is collected from the end of the array. */
static bool take_pairs(const columns *c, pairs *p)
{
    const char *source = c->source, *target = c->target;
    p->pair = malloc((size_t)c->lines * sizeof *p->pair);
    for (int line = 0; p->pair != NULL && line < c->lines; line++) {
        bool out = line % 10 == 9;
        pair *place = &p->pair[out ? c->lines - 1 - p->held_out : p->learnt];
        bool taken = take_pair(p, source, target, place);
        p->learnt += taken && !out;
        p->held_out += taken && out;
        source += strcspn(source, "\n") + 1;
        target += strcspn(target, "\n") + 1;
    }
    if (p->pair == NULL || p->learnt == 0 || p->held_out == 0) {
        return false;
    }
    memmove(p->pair + p->learnt, p->pair + c->lines - p->held_out,
            (size_t)p->held_out * sizeof *p->pair);
    shuffle(p->pair + p->learnt, p->held_out, &(uint64_t){ 1 });
    return true;
}

bool pairs_read(reel_tape *t, const char *path, pairs *p)
{
    columns c = { 0 };
    *p = (pairs){ 0 };
    bool fine = read_columns(path, &c);
    if (fine) {
        p->source = vocabulary_of(t, c.source, c.source_bytes);
        p->target = vocabulary_of(t, c.target, c.target_bytes);
        p->error_rate = strchr(c.target, ' ') ? "wer" : "cer";
        fine = p->source != NULL && p->target != NULL && take_pairs(&c, p);
    }
    free(c.source);
    free(c.target);
    return fine;
}

void pairs_free(pairs *p)
{
    free(p->pair);
}

/* ---- batches ----------------------------------------------------------------------------- */

static int by_length(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    int order = x->source_length - y->source_length;
    return order ? order : x->target_length - y->target_length;
}

void pairs_shuffle(pairs *p, int pool, uint64_t *random)
{
    shuffle(p->pair, p->learnt, random);
    for (int i = 0; i < p->learnt; i += pool) {
        int count = p->learnt - i < pool ? p->learnt - i : pool;
        qsort(p->pair + i, (size_t)count, sizeof *p->pair, by_length);
    }
}
