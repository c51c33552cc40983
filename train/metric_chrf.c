/* metric_chrf.c: chrF2 (Popović 2015) and chrF2++ (Popović 2017), as sacrebleu 2.6 makes them. */
#include <stdio.h>
#include <string.h>

#include "symbols.h"

/* Orders are of characters first, then of words. */
enum { CHARACTERS = 6, WORDS = 2, ORDERS = CHARACTERS + WORDS };
enum { HYPOTHESIS, REFERENCE, MATCHED, PARTS };
enum { REFERENCES = PARTS * ORDERS, SUMS };

typedef struct {
    reel__symbols characters, words;
} units;

static int orders_of(const reel_metric *metric)
{
    return CHARACTERS + metric->kind->variant;
}

static bool is_punctuation(char c)
{
    return c != '\0' && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) != NULL;
}

static bool add_word(reel_metric *metric, reel__lexicon *lexicon, reel__span word,
                     reel__symbols *out)
{
    uint32_t number;
    return reel__lexicon_add(metric, lexicon, word, &number) &&
           reel__symbols_add(metric, out, number);
}

/* A punctuation mark at the end is a word of its own, or else the one at the beginning. */
static bool add_parted(reel_metric *metric, reel__lexicon *lexicon, reel__span word,
                       reel__symbols *out)
{
    reel__span rest = word;
    reel__next_code_point(&rest);
    size_t n = word.length, cut = rest.length == 0                   ? 0
                                  : is_punctuation(word.text[n - 1]) ? n - 1
                                  : is_punctuation(word.text[0])     ? 1
                                                                     : 0;
    if (cut == 0) {
        return add_word(metric, lexicon, word, out);
    }
    return add_word(metric, lexicon, (reel__span){ word.text, cut }, out) &&
           add_word(metric, lexicon, (reel__span){ word.text + cut, n - cut }, out);
}

static bool units_of(reel_metric *metric, reel__lexicon *lexicon, reel__span text, units *out)
{
    reel__span rest = text, word;
    bool done = reel__code_points_of(metric, text, false, &out->characters);
    while (done && metric->kind->variant > 0 && reel__next_word(&rest, &word)) {
        done = add_parted(metric, lexicon, word, &out->words);
    }
    return done;
}

static bool count(reel_metric *metric, const units *x, const units *y, double sums[SUMS])
{
    for (int order = 0; order < orders_of(metric); order++) {
        bool characters = order < CHARACTERS;
        const reel__symbols *a = characters ? &x->characters : &x->words;
        const reel__symbols *b = characters ? &y->characters : &y->words;
        size_t n = (size_t)(characters ? order : order - CHARACTERS) + 1;
        reel__ngram_count found;
        if (!reel__count_ngrams(metric, n, a, 1, b, &found)) {
            return false;
        }
        double *sum = sums + PARTS * order;
        sum[REFERENCE] = (double)reel__ngrams_in(b, n);
        sum[HYPOTHESIS] = sum[REFERENCE] > 0 ? (double)found.total : 0;
        sum[MATCHED] = (double)found.matched;
    }
    return true;
}

/* F of the mean precision and recall, recall counting beta = 2 times. */
static double score(const double *sums, int orders)
{
    double precision = 0, recall = 0;
    int effective = 0;
    for (int order = 0; order < orders; order++) {
        const double *sum = sums + PARTS * order;
        if (sum[HYPOTHESIS] > 0 && sum[REFERENCE] > 0) {
            precision += sum[MATCHED] / sum[HYPOTHESIS];
            recall += sum[MATCHED] / sum[REFERENCE];
            effective++;
        }
    }
    if (effective == 0 || precision + recall == 0) {
        return 0;
    }
    precision /= effective;
    recall /= effective;
    return 100 * (5 * precision * recall / (4 * precision + recall));
}

/* Of several references the one that scores best, the first of equals. */
static bool best_of(reel_metric *metric, reel__lexicon *lexicon, const units *x, int references,
                    const reel__span reference[], double best[SUMS])
{
    double best_score = -1;
    bool done = true;
    for (int k = 0; done && k < references; k++) {
        double sums[SUMS] = { 0 };
        units y = { 0 };
        done = units_of(metric, lexicon, reference[k], &y) && count(metric, x, &y, sums);
        double own = score(sums, orders_of(metric));
        if (done && own > best_score) {
            best_score = own;
            memcpy(best, sums, sizeof sums);
        }
        reel__symbols_free(metric, &y.characters);
        reel__symbols_free(metric, &y.words);
    }
    return done;
}

static reel_status update(reel_metric *metric, reel__span hypothesis, int references,
                          const reel__span reference[])
{
    double best[SUMS] = { 0 };
    reel__lexicon lexicon = { 0 };
    units x = { 0 };
    bool done = units_of(metric, &lexicon, hypothesis, &x) &&
                best_of(metric, &lexicon, &x, references, reference, best);
    for (int i = 0; done && i < REFERENCES; i++) {
        metric->sums[i] += best[i];
    }
    if (done) {
        metric->sums[REFERENCES] = reel__metric_references(metric->sums[REFERENCES], references);
    }
    reel__symbols_free(metric, &x.characters);
    reel__symbols_free(metric, &x.words);
    reel__lexicon_free(metric, &lexicon);
    return done ? REEL_OK : REEL_OUT_OF_MEMORY;
}

static void merge(reel_metric *metric, const reel_metric *from)
{
    double mine = metric->sums[REFERENCES], other = from->sums[REFERENCES];
    for (size_t i = 0; i < REFERENCES; i++) {
        metric->sums[i] += from->sums[i];
    }
    metric->sums[REFERENCES] = reel__metric_references(mine, other);
}

static double result(const reel_metric *metric)
{
    return metric->sums ? score(metric->sums, orders_of(metric)) : 0;
}

static void line(const reel_metric *metric, char *out, size_t size)
{
    char references[24] = "var";
    if (metric->sums && metric->sums[REFERENCES] > 0) {
        snprintf(references, sizeof references, "%.0f", metric->sums[REFERENCES]);
    }
    snprintf(
        out, size, "chrF2%s|nrefs:%s|case:mixed|eff:yes|nc:6|nw:%d|space:no|version:2.6.0 = %.2f",
        metric->kind->variant > 0 ? "++" : "", references, metric->kind->variant, result(metric));
}

#define OF_CHRF(words)                                                                             \
    .takes = REEL__TEXT, .variant = words, .sums = SUMS, .update_text = update, .merge = merge,    \
    .result = result, .line = line

const reel__metric_kind reel__metric_chrf = { .name = "chrf", OF_CHRF(0) };
const reel__metric_kind reel__metric_chrf_words = { .name = "chrf++", OF_CHRF(WORDS) };
