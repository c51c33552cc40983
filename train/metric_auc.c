/* metric_auc.c: the area under the ROC curve, as the chance that a row of the class scores higher
 * than one that is not, ties counting half (Hanley & McNeil 1982). */
#include <math.h>
#include <stdlib.h>

#include "metric.h"

/* Samples are rows of [label, weight, scores …]. */
static size_t row_width(const reel_metric *metric)
{
    return 2 + metric->columns;
}

static reel_status update(reel_metric *metric, const reel_metric_batch *batch)
{
    size_t columns = batch->columns;
    if (!reel__metric_reserve(metric, batch->rows * row_width(metric))) {
        return REEL_OUT_OF_MEMORY;
    }
    for (size_t i = 0; i < batch->rows; i++) {
        int64_t actual = reel__metric_actual(batch, i);
        if (actual < 0) {
            continue;
        }
        double *row = metric->samples + metric->sample_count;
        row[0] = (double)actual;
        row[1] = reel__metric_weight(batch, i);
        for (size_t c = 0; c < columns; c++) {
            row[2 + c] = batch->predictions[i * columns + c];
        }
        metric->sample_count += 2 + columns;
    }
    return REEL_OK;
}

typedef struct {
    double score, in, out; /* weight in the class, and out of it */
} scored;

static int by_score(const void *a, const void *b)
{
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x > y) - (x < y);
}

/* Sorts the rows. */
static double area(scored *row, size_t n)
{
    double below = 0, won = 0, in = 0, out = 0;
    qsort(row, n, sizeof *row, by_score);
    for (size_t i = 0, end; i < n; i = end) {
        double tied_in = 0, tied_out = 0;
        for (end = i; end < n && row[end].score == row[i].score; end++) {
            tied_in += row[end].in;
            tied_out += row[end].out;
        }
        won += tied_in * (below + tied_out / 2);
        below += tied_out;
        in += tied_in;
        out += tied_out;
    }
    return in > 0 && out > 0 ? won / (in * out) : NAN;
}

static double result_of_class(const reel_metric *metric, size_t class_index)
{
    size_t width = row_width(metric), n = metric->sample_count / width;
    bool negated = metric->columns == 1 && class_index == 0;
    reel_metric *mutable_metric = (reel_metric *)metric; /* only its allocator is used */
    scored *rows = n ? reel__metric_resize(mutable_metric, NULL, 0, n * sizeof *rows) : NULL;
    if (!rows) {
        return NAN;
    }
    bool nan = false;
    for (size_t i = 0; i < n; i++) {
        const double *row = metric->samples + i * width;
        double score = row[2 + (metric->columns == 1 ? 0 : class_index)];
        bool in = row[0] == (double)class_index;
        rows[i] = (scored){ negated ? -score : score, in ? row[1] : 0, in ? 0 : row[1] };
        nan = nan || isnan(score);
    }
    double result = nan ? NAN : area(rows, n);
    reel__metric_resize(mutable_metric, rows, n * sizeof *rows, 0);
    return result;
}

static double result(const reel_metric *metric)
{
    if (metric->sample_count == 0) {
        return NAN;
    }
    if (metric->columns <= 2) {
        return result_of_class(metric, 1);
    }
    double total = 0;
    for (size_t c = 0; c < metric->columns; c++) {
        total += result_of_class(metric, c);
    }
    return total / (double)metric->columns;
}

const reel__metric_kind reel__metric_roc_auc = { .name = "roc_auc",
                                                 .takes = REEL__CLASSES,
                                                 .update = update,
                                                 .result = result,
                                                 .result_of_class = result_of_class };
