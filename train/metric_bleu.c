/* metric_bleu.c: BLEU (Papineni et al. 2002), as sacrebleu 2.6 makes it (Post 2018). */
#include <math.h>
#include <stdio.h>

#include "tokens_13a.h"

enum { ORDERS = REEL_BLEU_ORDERS };
enum { CORPUS, SENTENCE };

/* Sums; the last is the number of references of the first sentence, 0: none yet, -1: it varies. */
enum { SYSTEM, REFERENCE, MATCHED, TOTAL = MATCHED + ORDERS, REFERENCES = TOTAL + ORDERS, SUMS };

/* The reference length that is nearest, of two the shorter. */
static size_t nearest_length(size_t length, int references, const reel__symbols reference[])
{
    size_t best = reference[0].count;
    for (int k = 1; k < references; k++) {
        size_t other = reference[k].count;
        size_t off = other > length ? other - length : length - other;
        size_t best_off = best > length ? best - length : length - best;
        best = off < best_off || (off == best_off && other < best) ? other : best;
    }
    return best;
}

static bool count(reel_metric *metric, const reel__symbols *x, int references,
                  const reel__symbols reference[])
{
    reel__ngram_count found[ORDERS];
    for (size_t n = 0; n < ORDERS; n++) {
        if (!reel__count_ngrams(metric, n + 1, x, references, reference, &found[n])) {
            return false;
        }
    }
    for (size_t n = 0; n < ORDERS; n++) {
        metric->sums[MATCHED + n] += (double)found[n].matched;
        metric->sums[TOTAL + n] += (double)found[n].total;
    }
    metric->sums[SYSTEM] += (double)x->count;
    metric->sums[REFERENCE] += (double)nearest_length(x->count, references, reference);
    metric->sums[REFERENCES] = reel__metric_references(metric->sums[REFERENCES], references);
    return true;
}

static reel_status update(reel_metric *metric, reel__span hypothesis, int references,
                          const reel__span reference[])
{
    reel__lexicon lexicon = { 0 };
    reel__symbols *text = reel__symbols_new(metric, references + 1);
    bool done = text && reel__tokens_13a(metric, hypothesis, &lexicon, &text[0]);
    for (int k = 0; done && k < references; k++) {
        done = reel__tokens_13a(metric, reference[k], &lexicon, &text[1 + k]);
    }
    done = done && count(metric, &text[0], references, text + 1);
    reel__symbols_free_all(metric, text, references + 1);
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

/* ---- the score ----------------------------------------------------------------------------- */

static double brevity(double system, double reference)
{
    return system >= reference ? 1 : system > 0 ? exp(1 - reference / system) : 0;
}

/* Precisions of nothing are halved from order to order; with effective order the mean is over the
 * orders that the text is long enough for. */
static void score(const double *sums, bool effective, reel_bleu *out)
{
    double smoothing = 1, logs = 0;
    int orders = ORDERS;
    for (int n = 0; n < ORDERS && sums[TOTAL + n] > 0; n++) {
        orders = effective ? n + 1 : ORDERS;
        smoothing = sums[MATCHED + n] == 0 ? 2 * smoothing : smoothing;
        out->precision[n] = sums[MATCHED + n] == 0 ? 100 / (smoothing * sums[TOTAL + n])
                                                   : 100 * sums[MATCHED + n] / sums[TOTAL + n];
    }
    for (int n = 0; n < orders; n++) {
        logs += out->precision[n] == 0 ? -9999999999 : log(out->precision[n]);
    }
    out->score = out->brevity_penalty * exp(logs / orders);
}

static reel_bleu details(const reel_metric *metric)
{
    reel_bleu out = { .brevity_penalty = 1 };
    const double *sums = metric->sums;
    double any = 0;
    for (int n = 0; sums && n < ORDERS; n++) {
        out.matched[n] = (int64_t)sums[MATCHED + n];
        out.total[n] = (int64_t)sums[TOTAL + n];
        any += sums[MATCHED + n];
    }
    if (sums) {
        out.length = (int64_t)sums[SYSTEM];
        out.reference_length = (int64_t)sums[REFERENCE];
        out.brevity_penalty = brevity(sums[SYSTEM], sums[REFERENCE]);
    }
    if (any > 0) {
        score(sums, metric->kind->variant == SENTENCE, &out);
    }
    return out;
}

static double result(const reel_metric *metric)
{
    return details(metric).score;
}

static void line(const reel_metric *metric, char *out, size_t size)
{
    reel_bleu b = details(metric);
    char references[24] = "var";
    double ratio = b.reference_length ? (double)b.length / (double)b.reference_length : 0;
    if (metric->sums && metric->sums[REFERENCES] > 0) {
        snprintf(references, sizeof references, "%.0f", metric->sums[REFERENCES]);
    }
    snprintf(out, size,
             "BLEU|nrefs:%s|case:mixed|eff:%s|tok:13a|smooth:exp|version:2.6.0 = %.2f "
             "%.1f/%.1f/%.1f/%.1f (BP = %.3f ratio = %.3f hyp_len = %lld ref_len = %lld)",
             references, metric->kind->variant == SENTENCE ? "yes" : "no", b.score, b.precision[0],
             b.precision[1], b.precision[2], b.precision[3], b.brevity_penalty, ratio,
             (long long)b.length, (long long)b.reference_length);
}

#define OF_BLEU(which)                                                                             \
    .takes = REEL__TEXT, .variant = which, .sums = SUMS, .update_text = update, .merge = merge,    \
    .result = result, .line = line

const reel__metric_kind reel__metric_bleu = { .name = "bleu", OF_BLEU(CORPUS) };
const reel__metric_kind reel__metric_sentence_bleu = { .name = "sentence_bleu", OF_BLEU(SENTENCE) };

reel_status reel_metric_bleu(const reel_metric *metric, reel_bleu *out)
{
    if (!metric || !out || metric->kind->result != result) {
        return REEL_BAD_HANDLE;
    }
    *out = details(metric);
    return REEL_OK;
}
