/* metric_by_name.c: metrics as reel_compile knows them: means over positions, in double. */
#include <math.h>
#include <string.h>

#include "../optim/names.h"
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

static const char *known(size_t i)
{
    if (i < METRICS) {
        return metrics[i].name;
    }
    for (size_t general = 0, at = METRICS; reel_metric_known(general); general++) {
        bool again = false;
        for (int own = 0; own < METRICS; own++) {
            again |= strcmp(metrics[own].name, reel_metric_known(general)) == 0;
        }
        if (!again && at++ == i) {
            return reel_metric_known(general);
        }
    }
    return NULL;
}

static bool general(reel_tape *tape, const char *name, reel__model_metric *out)
{
    char why[REEL_METRIC_ERROR];
    reel_metric_options options = { .allocator = tape->options.allocator };
    out->general = reel_metric_new(name, options, why);
    if (!out->general) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "compile", "%s", why);
    } else if (!reel_metric_takes_numbers(out->general)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "compile", "the metric %s takes text, not predictions",
                  name);
        reel__metric_free(out);
    } else {
        out->name = reel_metric_name(out->general);
    }
    return out->general != NULL;
}

bool reel__metric_by_name(reel_tape *tape, const char *name, reel__model_metric *out)
{
    char text[900];
    *out = (reel__model_metric){ 0 };
    for (int i = 0; i < METRICS; i++) {
        if (strcmp(name, metrics[i].name) == 0 || strcmp(name, metrics[i].long_name) == 0) {
            *out = (reel__model_metric){ .name = metrics[i].name, .own = &metrics[i] };
            return true;
        }
    }
    for (size_t i = 0; reel_metric_known(i); i++) {
        if (strcmp(name, reel_metric_known(i)) == 0) {
            return general(tape, name, out);
        }
    }
    reel__unknown_name(text, sizeof text, "metric", name, known);
    reel_fail(tape, REEL_NOT_FOUND, "compile", "%s", text);
    return false;
}

void reel__metric_free(reel__model_metric *m)
{
    reel_metric_free(m->general);
    *m = (reel__model_metric){ 0 };
}
