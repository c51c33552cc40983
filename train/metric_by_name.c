/* metric_by_name.c: metrics as reel_compile knows them: means over positions, in double. */
#include <math.h>
#include <string.h>

#include "training.h"

static int64_t largest(const double *row, int64_t width)
{
    int64_t best = 0;
    for (int64_t i = 1; i < width; i++) {
        best = row[i] > row[best] ? i : best;
    }
    return best;
}

static double of_pairs(const reel__metric_row *row, double (*of)(double prediction, double target))
{
    double sum = 0;
    for (int64_t i = 0; i < row->width; i++) {
        sum += of(row->prediction[i], row->target ? row->target[i] : (double)row->class);
    }
    return sum / (double)row->width;
}

static double squared(double p, double y)
{
    return (p - y) * (p - y);
}

static double distance(double p, double y)
{
    return fabs(p - y);
}

static double percent(double p, double y)
{
    return 100 * fabs((p - y) / fmax(fabs(y), 1e-7));
}

static double right_side(double p, double y)
{
    return (p > 0.5) == (y > 0.5);
}

static double mse(const reel__metric_row *row)
{
    return of_pairs(row, squared);
}

static double mae(const reel__metric_row *row)
{
    return of_pairs(row, distance);
}

static double mape(const reel__metric_row *row)
{
    return of_pairs(row, percent);
}

static double binary_accuracy(const reel__metric_row *row)
{
    return of_pairs(row, right_side);
}

static double categorical_accuracy(const reel__metric_row *row)
{
    int64_t class = row->target ? largest(row->target, row->width) : row->class;
    return largest(row->prediction, row->width) == class;
}

static double accuracy(const reel__metric_row *row)
{
    return row->width == 1 ? binary_accuracy(row) : categorical_accuracy(row);
}

/* ---- the table ----------------------------------------------------------------------------- */

static const reel__metric metrics[] = {
    { "mse", "mean_squared_error", mse, NULL },
    { "mae", "mean_absolute_error", mae, NULL },
    { "rmse", "root_mean_squared_error", mse, sqrt },
    { "mape", "mean_absolute_percentage_error", mape, NULL },
    { "accuracy", "acc", accuracy, NULL },
    { "binary_accuracy", "binary_accuracy", binary_accuracy, NULL },
    { "categorical_accuracy", "categorical_accuracy", categorical_accuracy, NULL },
    { "sparse_categorical_accuracy", "sparse_categorical_accuracy", categorical_accuracy, NULL },
};
enum { METRICS = sizeof metrics / sizeof *metrics };

const reel__metric *reel__metric_by_name(reel_tape *tape, const char *name)
{
    const char *known[METRICS + 1] = { 0 };
    for (int i = 0; i < METRICS; i++) {
        if (strcmp(name, metrics[i].name) == 0 || strcmp(name, metrics[i].long_name) == 0) {
            return &metrics[i];
        }
        known[i] = metrics[i].name;
    }
    reel__fail_unknown(tape, "compile", "metric", name, known);
    return NULL;
}
