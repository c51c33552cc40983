/* metric_values.c: errors of numbers, and R². */
#include <float.h>
#include <math.h>

#include "metric.h"

/* Sums are a total and a weight. */
enum { ABSOLUTE, SQUARED, ROOT, PERCENTAGE };

static double error_of(int which, double prediction, double target)
{
    double error = fabs(prediction - target);
    if (which == ABSOLUTE) {
        return error;
    }
    return which == PERCENTAGE ? error / fmax(fabs(target), DBL_EPSILON) : error * error;
}

static reel_status update_error(reel_metric *metric, const reel_metric_batch *batch)
{
    for (size_t i = 0; i < batch->rows; i++) {
        double weight = reel__metric_weight(batch, i), total = 0;
        for (size_t c = 0; c < batch->columns; c++) {
            size_t at = i * batch->columns + c;
            total += error_of(metric->kind->variant, batch->predictions[at], batch->targets[at]);
        }
        metric->sums[0] += weight * total;
        metric->sums[1] += weight * (double)batch->columns;
    }
    return REEL_OK;
}

static double mean_error(const reel_metric *metric)
{
    double mean = metric->sums && metric->sums[1] > 0 ? metric->sums[0] / metric->sums[1] : NAN;
    return metric->kind->variant == ROOT ? sqrt(mean) : mean;
}

#define OF_ERRORS(which)                                                                           \
    .takes = REEL__VALUES, .lower_is_better = true, .variant = which, .sums = 2,                   \
    .update = update_error, .result = mean_error

const reel__metric_kind reel__metric_mae = { .name = "mae", OF_ERRORS(ABSOLUTE) };
const reel__metric_kind reel__metric_mse = { .name = "mse", OF_ERRORS(SQUARED) };
const reel__metric_kind reel__metric_rmse = { .name = "rmse", OF_ERRORS(ROOT) };
const reel__metric_kind reel__metric_mape = { .name = "mape", OF_ERRORS(PERCENTAGE) };

/* ---- R² ------------------------------------------------------------------------------------ */

/* Of each column: the weight, the targets' mean and squared deviations from it (Welford 1962; Chan
 * et al. 1979), the squared errors, the number of rows. */
enum { WEIGHT, MEAN, DEVIATIONS, ERRORS, ROWS, PARTS };

static size_t size_of_r2(const reel_metric *metric, size_t columns)
{
    (void)metric;
    return PARTS * columns;
}

static void join(double to[PARTS], const double from[PARTS])
{
    double weight = to[WEIGHT] + from[WEIGHT], delta = from[MEAN] - to[MEAN];
    to[ROWS] += from[ROWS];
    if (weight > 0) {
        double share = from[WEIGHT] / weight;
        to[DEVIATIONS] += from[DEVIATIONS] + delta * delta * to[WEIGHT] * share;
        to[MEAN] += delta * share;
        to[ERRORS] += from[ERRORS];
        to[WEIGHT] = weight;
    }
}

static reel_status update_r2(reel_metric *metric, const reel_metric_batch *batch)
{
    for (size_t at = 0; at < batch->rows * batch->columns; at++) {
        double weight = reel__metric_weight(batch, at / batch->columns);
        double error = batch->predictions[at] - batch->targets[at];
        double one[PARTS] = { weight, batch->targets[at], 0, weight * error * error, 1 };
        join(metric->sums + at % batch->columns * PARTS, one);
    }
    return REEL_OK;
}

static void merge_r2(reel_metric *metric, const reel_metric *from)
{
    for (size_t at = 0; at < metric->sum_count; at += PARTS) {
        join(metric->sums + at, from->sums + at);
    }
}

/* Constant targets: 1 where they are hit, otherwise 0. */
static double r2(const reel_metric *metric)
{
    double total = 0;
    if (!metric->sums || metric->sums[ROWS] < 2) {
        return NAN;
    }
    for (size_t at = 0; at < metric->sum_count; at += PARTS) {
        const double *s = metric->sums + at;
        total +=
            s[DEVIATIONS] != 0 || isnan(s[ERRORS]) ? 1 - s[ERRORS] / s[DEVIATIONS] : s[ERRORS] == 0;
    }
    return total / (double)metric->columns;
}

const reel__metric_kind reel__metric_r2 = { .name = "r2",
                                            .takes = REEL__VALUES,
                                            .size = size_of_r2,
                                            .update = update_r2,
                                            .merge = merge_r2,
                                            .result = r2 };
