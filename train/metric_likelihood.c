/* metric_likelihood.c: means, and what is made of the mean negative log-likelihood of a token. */
#include <math.h>

#include "metric.h"

/* Sums are a total and a count. */
static double mean_of(const reel_metric *metric)
{
    return metric->sums && metric->sums[1] > 0 ? metric->sums[0] / metric->sums[1] : NAN;
}

static reel_status update_mean(reel_metric *metric, const reel_metric_batch *batch)
{
    for (size_t at = 0; at < batch->rows * batch->columns; at++) {
        double weight = reel__metric_weight(batch, at / batch->columns);
        metric->sums[0] += weight * batch->predictions[at];
        metric->sums[1] += weight;
    }
    return REEL_OK;
}

const reel__metric_kind reel__metric_mean = { .name = "mean",
                                              .takes = REEL__VALUES,
                                              .lower_is_better = true,
                                              .sums = 2,
                                              .adds = true,
                                              .update = update_mean,
                                              .result = mean_of };

static double log_sum_exp(const double *x, size_t n)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        most = x[i] > most || isnan(x[i]) ? x[i] : most;
    }
    for (size_t i = 0; i < n && isfinite(most); i++) {
        sum += exp(x[i] - most);
    }
    return isfinite(most) ? most + log(sum) : most;
}

static reel_status update_likelihood(reel_metric *metric, const reel_metric_batch *batch)
{
    if (batch->columns == 1) {
        return reel__metric_fail(metric, REEL_BAD_SHAPE, "needs a column for each symbol");
    }
    for (size_t i = 0; i < batch->rows; i++) {
        const double *row = batch->predictions + i * batch->columns;
        int64_t actual = reel__metric_actual(batch, i);
        if (actual >= 0) {
            double weight = reel__metric_weight(batch, i);
            metric->sums[0] += weight * (log_sum_exp(row, batch->columns) - row[actual]);
            metric->sums[1] += weight;
        }
    }
    return REEL_OK;
}

static double perplexity(const reel_metric *metric)
{
    return exp(mean_of(metric));
}

static double bits(const reel_metric *metric)
{
    return mean_of(metric) / log(2);
}

#define OF_LIKELIHOOD                                                                              \
    .takes = REEL__CLASSES, .lower_is_better = true, .sums = 2, .adds = true,                      \
    .update = update_likelihood

const reel__metric_kind reel__metric_perplexity = { .name = "perplexity",
                                                    OF_LIKELIHOOD,
                                                    .result = perplexity };
const reel__metric_kind reel__metric_bpc = { .name = "bpc", OF_LIKELIHOOD, .result = bits };
