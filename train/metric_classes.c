/* metric_classes.c: accuracy, and precision, recall and F1 of classes. */
#include <math.h>

#include "metric.h"

size_t reel__metric_classes(const reel_metric *metric, size_t columns)
{
    size_t given = (size_t)metric->options.classes;
    return given ? given : columns > 1 ? columns : 2;
}

int64_t reel_metric_classes(const reel_metric *metric)
{
    bool known = metric && metric->kind->takes == REEL__CLASSES &&
                 (metric->options.classes || metric->columns);
    return known ? (int64_t)reel__metric_classes(metric, metric->columns) : 0;
}

static size_t largest(const double *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = x[i] > x[best] ? i : best;
    }
    return best;
}

int64_t reel__metric_actual(const reel_metric_batch *batch, size_t i)
{
    if (batch->labels) {
        return batch->labels[i];
    }
    if (batch->columns > 1) {
        return (int64_t)largest(batch->targets + i * batch->columns, batch->columns);
    }
    double label = round(batch->targets[i]);
    return label >= 0 && label <= INT32_MAX ? (int64_t)label : label < 0 ? -1 : INT32_MAX;
}

int64_t reel__metric_predicted(const reel_metric *metric, const reel_metric_batch *batch, size_t i)
{
    if (batch->columns == 1) {
        return batch->predictions[i] > metric->options.threshold;
    }
    return (int64_t)largest(batch->predictions + i * batch->columns, batch->columns);
}

/* ---- accuracy ------------------------------------------------------------------------------ */

static double ratio_of_sums(const reel_metric *metric)
{
    return metric->sums && metric->sums[1] > 0 ? metric->sums[0] / metric->sums[1] : NAN;
}

static reel_status update_accuracy(reel_metric *metric, const reel_metric_batch *batch)
{
    for (size_t i = 0; i < batch->rows; i++) {
        int64_t actual = reel__metric_actual(batch, i);
        if (actual >= 0) {
            double weight = reel__metric_weight(batch, i);
            metric->sums[0] += reel__metric_predicted(metric, batch, i) == actual ? weight : 0;
            metric->sums[1] += weight;
        }
    }
    return REEL_OK;
}

/* As in a stable sort of the scores, the largest first. */
static bool among_largest(const double *scores, size_t n, size_t label, size_t k)
{
    size_t before = 0;
    for (size_t i = 0; i < n; i++) {
        before += scores[i] > scores[label] || (scores[i] == scores[label] && i < label);
    }
    return before < k && !isnan(scores[label]);
}

static reel_status update_top_k(reel_metric *metric, const reel_metric_batch *batch)
{
    if (batch->columns == 1) {
        return reel__metric_fail(metric, REEL_BAD_SHAPE, "needs a column for each class");
    }
    for (size_t i = 0; i < batch->rows; i++) {
        int64_t actual = reel__metric_actual(batch, i);
        if (actual >= 0) {
            double weight = reel__metric_weight(batch, i);
            bool hit = among_largest(batch->predictions + i * batch->columns, batch->columns,
                                     (size_t)actual, (size_t)metric->options.k);
            metric->sums[0] += hit ? weight : 0;
            metric->sums[1] += weight;
        }
    }
    return REEL_OK;
}

const reel__metric_kind reel__metric_accuracy = { .name = "accuracy",
                                                  .takes = REEL__CLASSES,
                                                  .sums = 2,
                                                  .update = update_accuracy,
                                                  .result = ratio_of_sums };
const reel__metric_kind reel__metric_top_k = { .name = "top_k",
                                               .takes = REEL__CLASSES,
                                               .sums = 2,
                                               .update = update_top_k,
                                               .result = ratio_of_sums };

/* ---- precision, recall, F1 ----------------------------------------------------------------- */

/* Sums are [3][classes]. */
enum { HITS, PREDICTED, ACTUAL, PARTS };
enum { PRECISION, RECALL, F1 };

static double sum_of(const reel_metric *metric, int part, size_t c)
{
    return metric->sums[(size_t)part * (metric->sum_count / PARTS) + c];
}

static size_t size_of_counts(const reel_metric *metric, size_t columns)
{
    return PARTS * reel__metric_classes(metric, columns);
}

static reel_status update_counts(reel_metric *metric, const reel_metric_batch *batch)
{
    size_t classes = metric->sum_count / PARTS;
    for (size_t i = 0; i < batch->rows; i++) {
        int64_t actual = reel__metric_actual(batch, i);
        if (actual < 0) {
            continue;
        }
        size_t predicted = (size_t)reel__metric_predicted(metric, batch, i);
        double weight = reel__metric_weight(batch, i);
        metric->sums[PREDICTED * classes + predicted] += weight;
        metric->sums[ACTUAL * classes + (size_t)actual] += weight;
        metric->sums[HITS * classes + predicted] += predicted == (size_t)actual ? weight : 0;
    }
    return REEL_OK;
}

static double score(const reel_metric *metric, double hits, double predicted, double actual)
{
    int which = metric->kind->variant;
    double above = which == F1 ? 2 * hits : hits;
    double below = which == F1 ? predicted + actual : which == RECALL ? actual : predicted;
    return below > 0 ? above / below : metric->options.zero_division;
}

static double score_of_class(const reel_metric *metric, size_t c)
{
    return score(metric, sum_of(metric, HITS, c), sum_of(metric, PREDICTED, c),
                 sum_of(metric, ACTUAL, c));
}

static double micro(const reel_metric *metric)
{
    double total[PARTS] = { 0 };
    for (int part = 0; part < PARTS; part++) {
        for (size_t c = 0; c < metric->sum_count / PARTS; c++) {
            total[part] += sum_of(metric, part, c);
        }
    }
    return score(metric, total[HITS], total[PREDICTED], total[ACTUAL]);
}

/* Of the classes that are label or prediction of any row; NAN scores do not count. */
static double mean_over_classes(const reel_metric *metric, bool weighted)
{
    double total = 0, weights = 0;
    bool any = false;
    for (size_t c = 0; c < metric->sum_count / PARTS; c++) {
        double actual = sum_of(metric, ACTUAL, c), s = score_of_class(metric, c);
        bool seen = actual > 0 || sum_of(metric, PREDICTED, c) > 0;
        if (seen && !isnan(s)) {
            total += s * (weighted ? actual : 1);
            weights += weighted ? actual : 1;
            any = true;
        }
    }
    return weights > 0 ? total / weights : any ? metric->options.zero_division : NAN;
}

static double average_score(const reel_metric *metric)
{
    if (!metric->sums) {
        return NAN;
    }
    switch (metric->options.average) {
    case REEL_MICRO:
        return micro(metric);
    case REEL_WEIGHTED:
        return mean_over_classes(metric, true);
    case REEL_MACRO:
        return mean_over_classes(metric, false);
    case REEL_AVERAGE_DEFAULT:
        break;
    }
    return metric->sum_count == 2 * PARTS ? score_of_class(metric, 1)
                                          : mean_over_classes(metric, false);
}

#define OF_COUNTS(which)                                                                           \
    .takes = REEL__CLASSES, .variant = which, .size = size_of_counts, .update = update_counts,     \
    .result = average_score, .result_of_class = score_of_class

const reel__metric_kind reel__metric_precision = { .name = "precision", OF_COUNTS(PRECISION) };
const reel__metric_kind reel__metric_recall = { .name = "recall", OF_COUNTS(RECALL) };
const reel__metric_kind reel__metric_f1 = { .name = "f1", OF_COUNTS(F1) };
