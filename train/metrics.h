/* metrics.h: metrics, over batches, to the last digit of the tools that define them.
 *
 *     char why[REEL_METRIC_ERROR];
 *     reel_metric *f1 = reel_metric_new("f1", (reel_metric_options){ .average = REEL_MACRO }, why);
 *     for (…) {
 *         reel_metric_update(f1, (reel_metric_batch){ .rows = n, .columns = classes,
 *                                                     .predictions = scores, .labels = labels });
 *     }
 *     printf("%g\n", reel_metric_result(f1));
 *     reel_metric_free(f1);
 *
 * A metric knows no tape: arrays go in, a number comes out. It keeps sums, not batches (roc_auc
 * alone keeps its scores), so that an epoch may come in any pieces and workers may each have their
 * own and merge them at the end. One metric belongs to one thread at a time. A misuse returns a
 * status, leaves the metric as it was and its reason in reel_metric_error.
 *
 * By name:
 *
 *   accuracy             share of rows whose largest score (the first of equals) is at their label
 *   top_k                the same for the `k` largest scores
 *   precision recall f1  as scikit-learn, see reel_class_average and .zero_division
 *   confusion            the matrix: reel_metric_confusion; its result is the accuracy
 *   roc_auc              exact, ties count half; over more than two columns the mean of each class
 *                        against the rest, as roc_auc_score(…, multi_class="ovr"); NAN where a
 *                        class is absent or alone
 *   mae mse rmse         over all elements
 *   r2                   as r2_score: the mean over columns; NAN below two rows
 *   mape                 mean of |p - y| / max(|y|, 2⁻⁵²), a fraction and no percentage
 *   mean                 of the predictions: for losses
 *   perplexity bpc       exp of, and in bits, the negative log-likelihood a token; predictions are
 *                        logits or log-probabilities, rows of negative label are padding
 *   bleu                 sacrebleu 2.6 (Papineni et al. 2002; Post 2018): 13a tokens, exponential
 *                        smoothing, closest reference length; 0 … 100
 *   sentence_bleu        the same with effective order, meant for one sentence
 *   chrf chrf++          sacrebleu 2.6 (Popović 2015, 2017); 0 … 100
 *   rouge1 rouge2 rougeL rougeLsum   F-measure of rouge-score 0.1.2 (Lin 2004), mean over pairs; of
 *                        several references the best; sentences of Lsum are lines
 *   wer mer wil cer      jiwer 4.0, over all pairs together, by its default transforms
 *   edit_distance        insertions, deletions and substitutions of code points, mean over pairs
 *
 * Text is UTF-8; anything else is an error that names the offset. White space is what Unicode says.
 */
#ifndef REEL_METRICS_H
#define REEL_METRICS_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_metric reel_metric;

/* How precision, recall and F1 of many classes become one number. */
typedef enum {
    REEL_AVERAGE_DEFAULT, /* of class 1 where there are two classes, otherwise macro */
    REEL_MACRO,           /* mean over the classes that were seen */
    REEL_MICRO,           /* of all decisions together */
    REEL_WEIGHTED         /* mean weighted by how often a class is the label */
} reel_class_average;

typedef struct {
    int64_t classes;  /* 0: as many as columns; 2 for one column */
    int64_t k;        /* top_k: 0 means 5 */
    double threshold; /* one column is class 1 above it; 0: 0.5, REEL_ZERO: 0 */
    reel_class_average average;
    double zero_division;     /* in place of 0/0: 0, 1 or NAN; NAN is left out of averages */
    bool stemmer;             /* rouge: Porter's (1980), on words of more than three letters */
    reel_allocator allocator; /* zero: malloc */
} reel_metric_options;

#define REEL_METRIC_ERROR 512
/* NULL, with the reason in `why` (which may be NULL), for options out of range, without memory and
 * for an unknown name: that message lists the known ones and the nearest. */
REEL_API reel_metric *reel_metric_new(const char *name, reel_metric_options,
                                      char why[REEL_METRIC_ERROR]);
REEL_API void reel_metric_free(reel_metric *);
REEL_API const char *reel_metric_known(size_t i); /* name i; NULL behind the last */

REEL_API const char *reel_metric_name(const reel_metric *);
/* Why the last call failed; "" when it did not. */
REEL_API const char *reel_metric_error(const reel_metric *);
/* False for those that take text. */
REEL_API bool reel_metric_takes_numbers(const reel_metric *);
/* What `better` means: true for errors, losses, perplexities. */
REEL_API bool reel_metric_lower_is_better(const reel_metric *);

/* One batch. Of classes: `labels` [rows], or `targets` with one number a row (rounded) or one
 * column a class (the largest). Of values: `targets` [rows, columns]. */
typedef struct {
    size_t rows, columns;      /* columns 0: 1 */
    const double *predictions; /* [rows, columns]: scores, logits, values */
    const double *targets;
    const int32_t *labels; /* negative: the row does not count */
    const double *weights; /* [rows], ≥ 0, or NULL: 1 */
} reel_metric_batch;

REEL_API reel_status reel_metric_update(reel_metric *, reel_metric_batch);
/* For mean, perplexity and bpc when the sum is known already: a total, of so many. */
REEL_API reel_status reel_metric_add(reel_metric *, double total, double count);
/* One hypothesis and its references, at least one; UTF-8, 0-terminated. */
REEL_API reel_status reel_metric_update_text(reel_metric *, const char *hypothesis, int references,
                                             const char *const reference[]);
/* As if everything seen by `from` had been seen here: both of the same name and options. */
REEL_API reel_status reel_metric_merge(reel_metric *, const reel_metric *from);
REEL_API void reel_metric_reset(reel_metric *);

/* NAN before the first update, except for BLEU and chrF (0). Where nothing at all was said and
 * nothing was expected, error rates are 0; of an empty reference WER is the number of insertions,
 * as in jiwer. */
REEL_API double reel_metric_result(const reel_metric *);
/* Of one class: precision, recall, f1, roc_auc; NAN otherwise. */
REEL_API double reel_metric_result_of_class(const reel_metric *, int64_t class_index);
/* As its tool prints it: "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 41.11
 * …", and for the others "mae = 0.25". Returns `out`. */
REEL_API const char *reel_metric_line(const reel_metric *, char *out, size_t size);

/* ---- what some of them tell beside their result --------------------------------------------- */

/* Of a `confusion`: how often (by weight) rows of class `actual` were taken for `predicted`. */
REEL_API double reel_metric_confusion(const reel_metric *, int64_t actual, int64_t predicted);
REEL_API int64_t reel_metric_classes(const reel_metric *); /* 0: not known yet */
/* The matrix as a table, actual classes downwards; names may be NULL: numbers. Returns how many
 * bytes the whole takes, its 0 not counted, as snprintf does. */
REEL_API size_t reel_metric_confusion_text(const reel_metric *, const char *const names[],
                                           char *out, size_t size);

#define REEL_BLEU_ORDERS 4
typedef struct {
    double score, precision[REEL_BLEU_ORDERS], brevity_penalty; /* score and precisions 0 … 100 */
    int64_t matched[REEL_BLEU_ORDERS], total[REEL_BLEU_ORDERS]; /* n-grams */
    int64_t length, reference_length;                           /* tokens */
} reel_bleu;
REEL_API reel_status reel_metric_bleu(const reel_metric *,
                                      reel_bleu *out); /* bleu, sentence_bleu */

typedef struct {
    double precision, recall, f; /* means over the pairs */
} reel_rouge;
REEL_API reel_status reel_metric_rouge(const reel_metric *, reel_rouge *out);

/* Of wer, mer, wil (words), cer and edit_distance (characters). */
typedef struct {
    int64_t hits, substitutions, deletions, insertions;
} reel_edits;
REEL_API reel_status reel_metric_edits(const reel_metric *, reel_edits *out);

typedef enum { REEL_EQUAL, REEL_SUBSTITUTE, REEL_DELETE, REEL_INSERT } reel_edit_type;

/* reference[reference_begin … reference_end) against hypothesis[hypothesis_begin … hypothesis_end),
 * in the units of the metric, after its transforms. */
typedef struct {
    reel_edit_type type;
    size_t reference_begin, reference_end, hypothesis_begin, hypothesis_end;
} reel_edit;

/* The alignment of one pair, as jiwer's: at most `room` edits are written, *count says how many
 * there are. Counts nothing. Of wer, mer, wil, cer and edit_distance. */
REEL_API reel_status reel_metric_align(reel_metric *, const char *hypothesis, const char *reference,
                                       reel_edit out[], size_t room, size_t *count);

#ifdef __cplusplus
}
#endif

#endif
