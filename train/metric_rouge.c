/* metric_rouge.c: ROUGE (Lin 2004), as rouge-score 0.1.2 makes it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "porter.h"
#include "symbols.h"

enum { UNIGRAMS = 1, BIGRAMS = 2, LONGEST = 3, SUMMARY = 4 };
enum { PRECISION, RECALL, F, PAIRS, SUMS };

/* ---- tokens -------------------------------------------------------------------------------- */

enum { KELVIN = 0x212A, DOTTED_I = 0x130 };

/* Lower case, where that is a letter or digit of ASCII; 0 otherwise. Two come from
 * outside of ASCII. */
static char letter_of(uint32_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    return kept ? (char)c : c == KELVIN ? 'k' : c == DOTTED_I ? 'i' : '\0';
}

static bool add_token(reel_metric *metric, reel__lexicon *lexicon, reel__bytes *token,
                      reel__symbols *out)
{
    uint32_t number;
    size_t n = token->count;
    token->count = 0;
    if (n == 0) {
        return true;
    }
    if (metric->options.stemmer && n > 3) {
        n = reel__porter_stem(token->at, n);
    }
    return n == 0 || (reel__lexicon_add(metric, lexicon, (reel__span){ token->at, n }, &number) &&
                      reel__symbols_add(metric, out, number));
}

static bool tokens_of(reel_metric *metric, reel__lexicon *lexicon, reel__span text,
                      reel__symbols *out)
{
    reel__bytes token = { 0 };
    bool done = true;
    while (done && text.length) {
        uint32_t c = reel__next_code_point(&text);
        char letter = letter_of(c);
        done = !letter || reel__bytes_add(metric, &token, &letter, 1);
        bool ends = !letter || c == DOTTED_I; /* which becomes an i and a dot of its own */
        done = done && (!ends || add_token(metric, lexicon, &token, out));
    }
    done = done && add_token(metric, lexicon, &token, out);
    reel__bytes_free(metric, &token);
    return done;
}

/* ---- longest common subsequences ------------------------------------------------------------ */

/* Their lengths for all beginnings: [(x->count + 1)][(y->count + 1)]. */
static uint32_t *lengths_of(reel_metric *metric, const reel__symbols *x, const reel__symbols *y)
{
    size_t width = y->count + 1;
    uint32_t *table = reel__metric_resize(metric, NULL, 0, (x->count + 1) * width * sizeof *table);
    if (!table) {
        return NULL;
    }
    memset(table, 0, width * sizeof *table);
    for (size_t i = 1; i <= x->count; i++) {
        uint32_t *row = table + i * width, *above = row - width;
        row[0] = 0;
        for (size_t j = 1; j <= y->count; j++) {
            uint32_t longer = row[j - 1] > above[j] ? row[j - 1] : above[j];
            row[j] = x->at[i - 1] == y->at[j - 1] ? above[j - 1] + 1 : longer;
        }
    }
    return table;
}

static void free_lengths(reel_metric *metric, uint32_t *table, const reel__symbols *x,
                         const reel__symbols *y)
{
    size_t count = (x->count + 1) * (y->count + 1);
    reel__metric_resize(metric, table, table ? count * sizeof *table : 0, 0);
}

static bool longest(reel_metric *metric, const reel__symbols *x, const reel__symbols *y,
                    double *length)
{
    uint32_t *table = lengths_of(metric, x, y);
    if (!table) {
        return false;
    }
    *length = table[(x->count + 1) * (y->count + 1) - 1];
    free_lengths(metric, table, x, y);
    return true;
}

/* Marks the symbols of x that are in one longest subsequence it has in common with y. */
static bool mark_common(reel_metric *metric, const reel__symbols *x, const reel__symbols *y,
                        reel__symbols *marks)
{
    uint32_t *table = lengths_of(metric, x, y);
    size_t width = y->count + 1;
    if (!table) {
        return false;
    }
    for (size_t i = x->count, j = y->count; i > 0 && j > 0;) {
        if (x->at[i - 1] == y->at[j - 1]) {
            marks->at[--i] = 1;
            j--;
        } else if (table[i * width + j - 1] > table[(i - 1) * width + j]) {
            j--;
        } else {
            i--;
        }
    }
    free_lengths(metric, table, x, y);
    return true;
}

/* ---- summaries: the union over sentences, which are lines ----------------------------------- */

typedef struct {
    reel__symbols tokens;
    reel__symbols ends; /* where sentence i ends */
} summary;

static bool summary_of(reel_metric *metric, reel__lexicon *lexicon, reel__span text, summary *out)
{
    bool done = true;
    for (;;) {
        const char *end = text.length ? memchr(text.text, '\n', text.length) : NULL;
        size_t n = end ? (size_t)(end - text.text) : text.length;
        done = done && tokens_of(metric, lexicon, (reel__span){ text.text, n }, &out->tokens) &&
               reel__symbols_add(metric, &out->ends, (uint32_t)out->tokens.count);
        if (!end || !done) {
            return done;
        }
        text = (reel__span){ end + 1, text.length - n - 1 };
    }
}

static reel__symbols sentence(const summary *s, size_t i)
{
    size_t begin = i ? s->ends.at[i - 1] : 0;
    return (reel__symbols){ .at = s->tokens.at + begin, .count = s->ends.at[i] - begin };
}

static bool zeros(reel_metric *metric, size_t count, reel__symbols *out)
{
    for (out->count = 0; out->count < count;) {
        if (!reel__symbols_add(metric, out, 0)) {
            return false;
        }
    }
    return true;
}

/* A word counts as often as both sides have it. */
typedef struct {
    reel__symbols left_x, left_y, marks;
} tally;

static bool begin_tally(reel_metric *metric, size_t words, const summary *x, const summary *y,
                        tally *out)
{
    if (!zeros(metric, words, &out->left_x) || !zeros(metric, words, &out->left_y)) {
        return false;
    }
    for (size_t i = 0; i < x->tokens.count; i++) {
        out->left_x.at[x->tokens.at[i]]++;
    }
    for (size_t i = 0; i < y->tokens.count; i++) {
        out->left_y.at[y->tokens.at[i]]++;
    }
    return true;
}

static bool union_hits(reel_metric *metric, const reel__symbols *x, const summary *y, tally *t,
                       double *hits)
{
    if (!zeros(metric, x->count, &t->marks)) {
        return false;
    }
    for (size_t k = 0; k < y->ends.count; k++) {
        reel__symbols other = sentence(y, k);
        if (!mark_common(metric, x, &other, &t->marks)) {
            return false;
        }
    }
    for (size_t i = 0; i < x->count; i++) {
        uint32_t word = x->at[i];
        if (t->marks.at[i] && t->left_x.at[word] > 0 && t->left_y.at[word] > 0) {
            t->left_x.at[word]--;
            t->left_y.at[word]--;
            *hits += 1;
        }
    }
    return true;
}

static bool summary_hits(reel_metric *metric, const summary *x, const summary *y, size_t words,
                         double *hits)
{
    tally t = { 0 };
    bool done = begin_tally(metric, words, x, y, &t);
    *hits = 0;
    for (size_t i = 0; done && i < x->ends.count; i++) {
        reel__symbols own = sentence(x, i);
        done = union_hits(metric, &own, y, &t, hits);
    }
    reel__symbols_free(metric, &t.left_x);
    reel__symbols_free(metric, &t.left_y);
    reel__symbols_free(metric, &t.marks);
    return done;
}

/* ---- the score ----------------------------------------------------------------------------- */

static void score(double hits, double found, double wanted, double out[3])
{
    double precision = hits / fmax(found, 1), recall = hits / fmax(wanted, 1);
    out[PRECISION] = precision;
    out[RECALL] = recall;
    out[F] = precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

static bool compare(reel_metric *metric, reel__lexicon *lexicon, const summary *wanted,
                    const summary *found, double out[3])
{
    int variant = metric->kind->variant;
    double hits = 0, a = (double)found->tokens.count, b = (double)wanted->tokens.count;
    bool done = true;
    if (variant <= BIGRAMS) {
        reel__ngram_count common;
        size_t n = (size_t)variant;
        done = reel__count_ngrams(metric, n, &wanted->tokens, 1, &found->tokens, &common);
        hits = (double)common.matched;
        a = (double)reel__ngrams_in(&found->tokens, n);
        b = (double)common.total;
    } else if (a > 0 && b > 0) {
        done = variant == LONGEST ? longest(metric, &wanted->tokens, &found->tokens, &hits)
                                  : summary_hits(metric, wanted, found, lexicon->ends.count, &hits);
    }
    score(hits, a, b, out);
    return done;
}

static void free_summary(reel_metric *metric, summary *s)
{
    reel__symbols_free(metric, &s->tokens);
    reel__symbols_free(metric, &s->ends);
}

/* Of several references the one with the largest F, the first of equals. */
static reel_status update(reel_metric *metric, reel__span hypothesis, int references,
                          const reel__span reference[])
{
    reel__lexicon lexicon = { 0 };
    summary found = { 0 };
    double best[3] = { 0, 0, -1 };
    bool done = summary_of(metric, &lexicon, hypothesis, &found);
    for (int k = 0; done && k < references; k++) {
        summary wanted = { 0 };
        double own[3];
        done = summary_of(metric, &lexicon, reference[k], &wanted) &&
               compare(metric, &lexicon, &wanted, &found, own);
        if (done && own[F] > best[F]) {
            memcpy(best, own, sizeof own);
        }
        free_summary(metric, &wanted);
    }
    for (int i = 0; done && i < PAIRS; i++) {
        metric->sums[i] += best[i];
    }
    metric->sums[PAIRS] += done;
    free_summary(metric, &found);
    reel__lexicon_free(metric, &lexicon);
    return done ? REEL_OK : REEL_OUT_OF_MEMORY;
}

static double mean_of(const reel_metric *metric, int part)
{
    return metric->sums && metric->sums[PAIRS] > 0 ? metric->sums[part] / metric->sums[PAIRS] : NAN;
}

static double result(const reel_metric *metric)
{
    return mean_of(metric, F);
}

#define OF_ROUGE(which)                                                                            \
    .takes = REEL__TEXT, .variant = which, .sums = SUMS, .update_text = update, .result = result

const reel__metric_kind reel__metric_rouge1 = { .name = "rouge1", OF_ROUGE(UNIGRAMS) };
const reel__metric_kind reel__metric_rouge2 = { .name = "rouge2", OF_ROUGE(BIGRAMS) };
const reel__metric_kind reel__metric_rougeL = { .name = "rougeL", OF_ROUGE(LONGEST) };
const reel__metric_kind reel__metric_rougeLsum = { .name = "rougeLsum", OF_ROUGE(SUMMARY) };

reel_status reel_metric_rouge(const reel_metric *metric, reel_rouge *out)
{
    if (!metric || !out || metric->kind->result != result) {
        return REEL_BAD_HANDLE;
    }
    *out = (reel_rouge){ mean_of(metric, PRECISION), mean_of(metric, RECALL), mean_of(metric, F) };
    return REEL_OK;
}
