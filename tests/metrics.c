/* Metrics of numbers and classes against scikit-learn (golden/metrics_numbers.py). */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"
#include "support/golden.h"

static const char file[] = "metrics_numbers.txt";

static reel_metric *new_metric(const char *name, reel_metric_options options)
{
    char why[REEL_METRIC_ERROR];
    reel_metric *metric = reel_metric_new(name, options, why);
    cr_assert_not_null(metric, "%s", why);
    return metric;
}

static golden_row golden(const char *name, const char *label)
{
    golden_row row;
    cr_assert(golden_find(file, name, label, &row), "%s %s", name, label);
    return row;
}

static bool near(double a, double b)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-12 * fmax(1, fabs(b));
}

/* ---- the data ------------------------------------------------------------------------------ */

typedef struct {
    golden_row predictions, weights, targets;
    int32_t labels[64];
    reel_metric_batch batch;
} data;

static void load(const char *name, const char *predictions, const char *targets, data *d)
{
    d->predictions = golden(name, predictions);
    d->weights = golden(name, "weights");
    d->targets = golden(name, targets);
    d->batch = (reel_metric_batch){ .rows = d->weights.count,
                                    .columns = (size_t)d->predictions.shape.dim[1],
                                    .predictions = d->predictions.values,
                                    .weights = d->weights.values };
    if (strcmp(targets, "labels") == 0) {
        for (size_t i = 0; i < d->targets.count; i++) {
            d->labels[i] = (int32_t)d->targets.values[i];
        }
        d->batch.labels = d->labels;
    } else {
        d->batch.targets = d->targets.values;
    }
}

static void unload(data *d)
{
    golden_free(&d->predictions);
    golden_free(&d->weights);
    golden_free(&d->targets);
}

static reel_metric_batch part_of(reel_metric_batch b, size_t begin, size_t end)
{
    b.predictions += begin * b.columns;
    b.targets = b.targets ? b.targets + begin * b.columns : NULL;
    b.labels = b.labels ? b.labels + begin : NULL;
    b.weights = b.weights ? b.weights + begin : NULL;
    b.rows = end - begin;
    return b;
}

/* Two workers of uneven shares, the first in two batches, merged: what one batch would give. */
static reel_metric *measured(const char *name, reel_metric_options options, const data *d)
{
    reel_metric *metric = new_metric(name, options), *other = new_metric(name, options);
    reel_metric_update(metric, part_of(d->batch, 0, 7));
    reel_metric_reset(metric);
    size_t n = d->batch.rows;
    cr_assert_eq(reel_metric_update(metric, part_of(d->batch, 0, 11)), REEL_OK, "%s",
                 reel_metric_error(metric));
    cr_assert_eq(reel_metric_update(metric, part_of(d->batch, 11, 24)), REEL_OK);
    cr_assert_eq(reel_metric_update(other, part_of(d->batch, 24, n)), REEL_OK);
    cr_assert_eq(reel_metric_merge(metric, other), REEL_OK, "%s", reel_metric_error(metric));
    reel_metric_free(other);
    return metric;
}

static void expect_result(const char *name, const char *label, const char *metric_name,
                          reel_metric_options options, const data *d)
{
    reel_metric *metric = measured(metric_name, options, d);
    golden_row row = golden(name, label);
    double result = reel_metric_result(metric);
    cr_expect(near(result, row.values[0]), "%s %s: %.17g, expected %.17g", name, label, result,
              row.values[0]);
    golden_free(&row);
    reel_metric_free(metric);
}

/* ---- classes ------------------------------------------------------------------------------- */

static const char *const sets[] = { "binary", "many", "absent" };
static const char *const scores[] = { "precision", "recall", "f1" };
static const char *const averages[] = { "macro", "micro", "weighted" };
static const double zeros[] = { 0, 1, NAN };
static const char *const zero_names[] = { "0.0", "1.0", "nan" };

static void expect_averages(const char *set, const char *score, int zero, const data *d)
{
    static const reel_class_average of[] = { REEL_MACRO, REEL_MICRO, REEL_WEIGHTED };
    char label[64];
    for (int a = 0; a < 3; a++) {
        snprintf(label, sizeof label, "%s.%s.%s", score, averages[a], zero_names[zero]);
        reel_metric_options options = { .average = of[a], .zero_division = zeros[zero] };
        expect_result(set, label, score, options, d);
    }
}

static void expect_classes(const char *set, const char *score, int zero, const data *d)
{
    char label[64];
    snprintf(label, sizeof label, "%s.class.%s", score, zero_names[zero]);
    golden_row row = golden(set, label);
    reel_metric *metric = measured(score, (reel_metric_options){ .zero_division = zeros[zero] }, d);
    cr_expect_eq(reel_metric_classes(metric), (int64_t)row.count);
    for (size_t c = 0; c < row.count; c++) {
        double result = reel_metric_result_of_class(metric, (int64_t)c);
        cr_expect(near(result, row.values[c]), "%s %s %zu: %g, expected %g", set, label, c, result,
                  row.values[c]);
    }
    golden_free(&row);
    reel_metric_free(metric);
}

Test(metrics, precision_recall_and_f1_are_scikit_learns_for_every_average_and_zero_division)
{
    for (int s = 0; s < 3; s++) {
        data d = { 0 };
        load(sets[s], "scores", "labels", &d);
        for (int i = 0; i < 9; i++) {
            expect_averages(sets[s], scores[i / 3], i % 3, &d);
            expect_classes(sets[s], scores[i / 3], i % 3, &d);
        }
        unload(&d);
    }
}

Test(metrics, two_classes_are_judged_by_class_1_unless_told_otherwise)
{
    data d = { 0 };
    load("binary", "scores", "labels", &d);
    reel_metric *f1 = measured("f1", (reel_metric_options){ 0 }, &d);
    cr_expect_eq(reel_metric_result(f1), reel_metric_result_of_class(f1, 1));
    reel_metric_free(f1);
    unload(&d);
}

Test(metrics, accuracy_confusion_and_top_k_are_scikit_learns)
{
    for (int s = 0; s < 3; s++) {
        data d = { 0 };
        load(sets[s], "scores", "labels", &d);
        expect_result(sets[s], "accuracy", "accuracy", (reel_metric_options){ 0 }, &d);
        expect_result(sets[s], "accuracy", "confusion", (reel_metric_options){ 0 }, &d);
        expect_result(sets[s], "accuracy", "top_k", (reel_metric_options){ .k = 1 }, &d);
        golden_row matrix = golden(sets[s], "confusion");
        reel_metric *metric = measured("confusion", (reel_metric_options){ 0 }, &d);
        int64_t classes = reel_metric_classes(metric);
        for (int64_t i = 0; i < classes * classes; i++) {
            double count = reel_metric_confusion(metric, i / classes, i % classes);
            cr_expect(near(count, matrix.values[i]), "%s %d: %g, expected %g", sets[s], (int)i,
                      count, matrix.values[i]);
        }
        golden_free(&matrix);
        reel_metric_free(metric);
        unload(&d);
    }
    for (int s = 1; s < 3; s++) {
        data d = { 0 };
        load(sets[s], "untied", "labels", &d);
        expect_result(sets[s], "top_2", "top_k", (reel_metric_options){ .k = 2 }, &d);
        expect_result(sets[s], "top_3", "top_k", (reel_metric_options){ .k = 3 }, &d);
        unload(&d);
    }
}

Test(metrics, roc_auc_is_exact_with_ties)
{
    data d = { 0 };
    load("binary", "scores", "labels", &d);
    expect_result("binary", "roc_auc", "roc_auc", (reel_metric_options){ 0 }, &d);
    unload(&d);
    load("many", "probabilities", "labels", &d);
    d.batch.weights = NULL;
    expect_result("many", "roc_auc", "roc_auc", (reel_metric_options){ 0 }, &d);
    unload(&d);
    const double all_tied[4] = { 1, 1, 1, 1 };
    const int32_t labels[4] = { 0, 1, 0, 1 }, alone[4] = { 1, 1, 1, 1 };
    reel_metric *auc = new_metric("roc_auc", (reel_metric_options){ 0 });
    reel_metric_batch batch = { .rows = 4, .predictions = all_tied, .labels = labels };
    reel_metric_update(auc, batch);
    cr_expect_eq(reel_metric_result(auc), 0.5);
    reel_metric_reset(auc);
    batch.labels = alone;
    reel_metric_update(auc, batch);
    cr_expect(isnan(reel_metric_result(auc)));
    reel_metric_free(auc);
}

Test(metrics, one_column_is_class_1_above_the_threshold)
{
    const double p[4] = { 0.5, 0.6, -0.25, 0.9 }, y[4] = { 0, 1, 1, 1 };
    reel_metric_batch batch = { .rows = 4, .predictions = p, .targets = y };
    const struct {
        double threshold, accuracy;
    } cases[] = { { 0, 0.75 }, { REEL_ZERO, 0.5 }, { 0.7, 0.5 }, { -1, 0.75 } };
    for (int i = 0; i < 4; i++) {
        reel_metric *metric =
            new_metric("accuracy", (reel_metric_options){ .threshold = cases[i].threshold });
        cr_assert_eq(reel_metric_update(metric, batch), REEL_OK);
        cr_expect_eq(reel_metric_result(metric), cases[i].accuracy, "%g", cases[i].threshold);
        reel_metric_free(metric);
    }
}

Test(metrics, targets_may_have_a_column_a_class_and_negative_labels_do_not_count)
{
    const double p[6] = { 1, 0, 0, 1, 1, 0 }, y[6] = { 1, 0, 1, 0, 1, 0 };
    const int32_t labels[3] = { 0, -1, 0 };
    reel_metric *metric = new_metric("accuracy", (reel_metric_options){ 0 });
    reel_metric_batch batch = { .rows = 3, .columns = 2, .predictions = p, .targets = y };
    reel_metric_update(metric, batch);
    cr_expect_eq(reel_metric_result(metric), 2.0 / 3);
    reel_metric_reset(metric);
    batch.labels = labels;
    reel_metric_update(metric, batch);
    cr_expect_eq(reel_metric_result(metric), 1);
    reel_metric_free(metric);
}

Test(metrics, the_confusion_matrix_prints_as_a_table)
{
    const double p[8] = { 1, 0, 1, 0, 0, 1, 0, 1 };
    const int32_t labels[4] = { 0, 1, 1, 1 };
    static const char *const names[] = { "Äpfel", "pears" };
    static const char table[] = "actual   Äpfel   pears\n"
                                " Äpfel       1       0\n"
                                " pears       1       2\n";
    char text[256], cut[8];
    reel_metric *metric = new_metric("confusion", (reel_metric_options){ 0 });
    reel_metric_batch batch = { .rows = 4, .columns = 2, .predictions = p, .labels = labels };
    reel_metric_update(metric, batch);
    cr_expect_eq(reel_metric_confusion_text(metric, names, text, sizeof text), strlen(table));
    cr_expect_str_eq(text, table);
    cr_expect_eq(reel_metric_confusion_text(metric, names, cut, sizeof cut), strlen(table));
    cr_expect_str_eq(cut, "actual ");
    cr_expect(isnan(reel_metric_confusion(metric, 0, 2)));
    reel_metric_free(metric);
}

/* ---- numbers ------------------------------------------------------------------------------- */

Test(metrics, errors_of_numbers_are_scikit_learns)
{
    static const char *const names[] = { "mae", "mse", "rmse", "r2", "mape" };
    static const char *const of[] = { "values", "matrix" };
    for (int s = 0; s < 2; s++) {
        data d = { 0 };
        load(of[s], "predictions", "targets", &d);
        for (int i = 0; i < 5; i++) {
            expect_result(of[s], names[i], names[i], (reel_metric_options){ 0 }, &d);
        }
        unload(&d);
    }
}

Test(metrics, r2_of_constant_targets_is_1_where_they_are_hit)
{
    const double y[2] = { 3, 3 }, p[2] = { 3, 4 };
    reel_metric *r2 = new_metric("r2", (reel_metric_options){ 0 });
    reel_metric_update(r2, (reel_metric_batch){ .rows = 1, .predictions = y, .targets = y });
    cr_expect(isnan(reel_metric_result(r2)));
    reel_metric_update(r2, (reel_metric_batch){ .rows = 1, .predictions = y, .targets = y });
    cr_expect_eq(reel_metric_result(r2), 1);
    reel_metric_update(r2, (reel_metric_batch){ .rows = 2, .predictions = p, .targets = y });
    cr_expect_eq(reel_metric_result(r2), 0);
    reel_metric_free(r2);
}

Test(metrics, perplexity_counts_tokens_not_batches_and_leaves_out_padding)
{
    /* p = 1/2, 1/4, 1/8: mean NLL 2 ln 2 */
    const double scores_of[9] = { log(2), 0, log(1), log(0.25), log(0.5), log(0.25), 5, 7, -3 };
    const double eighth[2] = { log(0.125), log(0.875) };
    const int32_t labels[3] = { 0, 2, -1 }, first[1] = { 0 };
    reel_metric *metric = new_metric("perplexity", (reel_metric_options){ 0 });
    reel_metric *bits = new_metric("bpc", (reel_metric_options){ 0 });
    reel_metric *part = new_metric("perplexity", (reel_metric_options){ 0 });
    reel_metric_batch batch = {
        .rows = 3, .columns = 3, .predictions = scores_of, .labels = labels
    };
    reel_metric_batch small = { .rows = 1, .columns = 2, .predictions = eighth, .labels = first };
    cr_assert_eq(reel_metric_update(metric, batch), REEL_OK, "%s", reel_metric_error(metric));
    reel_metric_add(metric, 3 * log(2), 1);
    cr_expect(near(reel_metric_result(metric), 4), "%.17g", reel_metric_result(metric));
    reel_metric_update(bits, batch);
    cr_expect(near(reel_metric_result(bits), 1.5), "%.17g", reel_metric_result(bits));
    reel_metric_update(part, small);
    cr_expect(near(reel_metric_result(part), 8));
    cr_expect_eq(reel_metric_merge(metric, part), REEL_BAD_SHAPE);
    reel_metric_free(metric);
    reel_metric_free(bits);
    reel_metric_free(part);
}

/* ---- misuse -------------------------------------------------------------------------------- */

Test(metrics, an_unknown_name_lists_the_known_ones_and_the_nearest)
{
    char why[REEL_METRIC_ERROR];
    cr_expect_null(reel_metric_new("acuracy", (reel_metric_options){ 0 }, why));
    cr_expect(strstr(why,
                     "no metric is called \"acuracy\"; did you mean accuracy? Known: accuracy, "
                     "top_k, precision"),
              "%s", why);
    cr_expect_null(reel_metric_new(NULL, (reel_metric_options){ 0 }, why));
    cr_expect_null(reel_metric_new("nothing", (reel_metric_options){ 0 }, NULL));
}

Test(metrics, options_out_of_range_are_named)
{
    const struct {
        reel_metric_options options;
        const char *text;
    } bad[] = {
        { { .classes = -1 }, "f1: classes is -1, must be in 0" },
        { { .k = -2 }, "k is -2, must be at least 1" },
        { { .threshold = NAN }, "threshold is nan" },
        { { .average = (reel_class_average)9 }, "average 9 is none of reel_class_average" },
        { { .zero_division = 0.5 }, "zero_division is 0.5, must be 0, 1 or NAN" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[REEL_METRIC_ERROR];
        cr_expect_null(reel_metric_new("f1", bad[i].options, why));
        cr_expect(strstr(why, bad[i].text), "%s", why);
    }
}

static void expect_refused(reel_metric *metric, reel_metric_batch batch, reel_status status,
                           const char *text)
{
    double before = reel_metric_result(metric);
    cr_expect_eq(reel_metric_update(metric, batch), status);
    cr_expect(strstr(reel_metric_error(metric), text), "%s", reel_metric_error(metric));
    cr_expect_eq(reel_metric_result(metric), before);
}

Test(metrics, a_batch_that_does_not_fit_is_refused_and_changes_nothing)
{
    const double p[6] = { 1, 0, 0, 1, 1, 0 }, weights[3] = { 1, -1, 1 };
    const int32_t labels[3] = { 0, 1, 2 };
    reel_metric *metric = new_metric("accuracy", (reel_metric_options){ 0 });
    reel_metric_batch good = { .rows = 2, .columns = 2, .predictions = p, .labels = labels };
    cr_assert_eq(reel_metric_update(metric, good), REEL_OK);
    reel_metric_batch bad = good;
    bad.rows = 3;
    expect_refused(metric, bad, REEL_BAD_INDEX, "label 2 in row 2, there are 2 classes");
    bad.weights = weights;
    expect_refused(metric, bad, REEL_BAD_ARGUMENT, "weight 1 is -1");
    bad = good;
    bad.columns = 3;
    expect_refused(metric, bad, REEL_BAD_SHAPE, "3 columns, earlier batches had 2");
    bad = good;
    bad.labels = NULL;
    expect_refused(metric, bad, REEL_BAD_ARGUMENT, "labels (or targets) are missing");
    bad.predictions = NULL;
    expect_refused(metric, bad, REEL_BAD_ARGUMENT, "predictions are missing");
    reel_metric *mae = new_metric("mae", (reel_metric_options){ 0 });
    cr_expect_eq(reel_metric_update(mae, good), REEL_BAD_ARGUMENT);
    cr_expect_str_eq(reel_metric_error(mae), "mae: targets are missing");
    cr_expect_eq(reel_metric_merge(metric, mae), REEL_BAD_ARGUMENT);
    cr_expect_eq(reel_metric_add(metric, 1, 1), REEL_BAD_ARGUMENT);
    reel_metric_free(mae);
    reel_metric_free(metric);
}

Test(metrics, nothing_is_a_metric_too)
{
    cr_expect(isnan(reel_metric_result(NULL)));
    cr_expect_eq(reel_metric_update(NULL, (reel_metric_batch){ 0 }), REEL_BAD_HANDLE);
    cr_expect_eq(reel_metric_merge(NULL, NULL), REEL_BAD_HANDLE);
    cr_expect_str_eq(reel_metric_error(NULL), "no metric");
    reel_metric_reset(NULL);
    reel_metric_free(NULL);
}

Test(metrics, a_nan_among_the_predictions_shows_in_the_result)
{
    const double p[2] = { 1, NAN }, y[2] = { 1, 1 };
    static const char *const names[] = { "mae", "mse", "rmse", "r2", "mape" };
    for (int i = 0; i < 5; i++) {
        reel_metric *metric = new_metric(names[i], (reel_metric_options){ 0 });
        reel_metric_update(metric,
                           (reel_metric_batch){ .rows = 2, .predictions = p, .targets = y });
        cr_expect(isnan(reel_metric_result(metric)), "%s", names[i]);
        reel_metric_free(metric);
    }
}
