/* metric.c: what all metrics have in common. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../graph/tape.h"
#include "../optim/names.h"
#include "symbols.h"

static const reel__metric_kind *const known[] = {
#define ADDRESS(name) &reel__metric_##name,
    REEL__METRIC_KINDS(ADDRESS)
#undef ADDRESS
};
enum { KNOWN = sizeof known / sizeof *known };

const char *reel_metric_known(size_t i)
{
    return i < KNOWN ? known[i]->name : NULL;
}

reel_status reel__metric_fail(reel_metric *metric, reel_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int used = snprintf(metric->error, sizeof metric->error, "%s: ", metric->kind->name);
    vsnprintf(metric->error + used, sizeof metric->error - (size_t)used, format, arguments);
    va_end(arguments);
    return status;
}

/* ---- memory -------------------------------------------------------------------------------- */

static void *resize(const reel_metric_options *options, void *old, size_t old_size, size_t new_size)
{
    const reel_allocator *a = &options->allocator;
    if (!old && !new_size) {
        return NULL;
    }
    return a->resize ? a->resize(a->self, old, old_size, new_size)
                     : reel__plain_resize(NULL, old, old_size, new_size);
}

void *reel__metric_resize(reel_metric *metric, void *old, size_t old_size, size_t new_size)
{
    void *block = resize(&metric->options, old, old_size, new_size);
    if (!block && new_size) {
        reel__metric_fail(metric, REEL_OUT_OF_MEMORY, "out of memory: no block of %zu bytes",
                          new_size);
    }
    return block;
}

bool reel__metric_reserve(reel_metric *metric, size_t samples)
{
    size_t needed = metric->sample_count + samples, room = metric->sample_room;
    if (needed <= room) {
        return true;
    }
    room = needed > 2 * room ? needed : 2 * room;
    double *block = reel__metric_resize(
        metric, metric->samples, metric->sample_room * sizeof(double), room * sizeof(double));
    if (!block) {
        return false;
    }
    metric->samples = block;
    metric->sample_room = room;
    return true;
}

static bool start(reel_metric *metric, size_t columns)
{
    const reel__metric_kind *kind = metric->kind;
    size_t count = kind->size ? kind->size(metric, columns) : kind->sums;
    if (metric->sums || count == 0) {
        metric->columns = columns;
        return true;
    }
    double *sums = reel__metric_resize(metric, NULL, 0, count * sizeof *sums);
    if (!sums) {
        return false;
    }
    memset(sums, 0, count * sizeof *sums);
    metric->sums = sums;
    metric->sum_count = count;
    metric->columns = columns;
    return true;
}

/* ---- making -------------------------------------------------------------------------------- */

static void explain(char *why, const char *format, ...) REEL_PRINTF(2, 3);
static void explain(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (why) {
        vsnprintf(why, REEL_METRIC_ERROR, format, arguments);
    }
    va_end(arguments);
}

static const reel__metric_kind *find(const char *name, char *why)
{
    for (size_t i = 0; name && i < KNOWN; i++) {
        if (strcmp(known[i]->name, name) == 0) {
            return known[i];
        }
    }
    if (why) {
        reel__unknown_name(why, REEL_METRIC_ERROR, "metric", name, reel_metric_known);
    }
    return NULL;
}

/* 2³¹ classes are what int32 labels can tell apart. */
static bool check(const char *name, const reel_metric_options *options, char *why)
{
    double z = options->zero_division;
    if (options->classes < 0 || options->classes > INT32_MAX) {
        explain(why, "%s: classes is %lld, must be in 0 … %d", name, (long long)options->classes,
                INT32_MAX);
    } else if (options->k < 0) {
        explain(why, "%s: k is %lld, must be at least 1", name, (long long)options->k);
    } else if (!isfinite(options->threshold)) {
        explain(why, "%s: threshold is %g, must be finite", name, options->threshold);
    } else if (options->average < REEL_AVERAGE_DEFAULT || options->average > REEL_WEIGHTED) {
        explain(why, "%s: average %d is none of reel_class_average", name, (int)options->average);
    } else if (!(z == 0 || z == 1 || isnan(z))) {
        explain(why, "%s: zero_division is %g, must be 0, 1 or NAN", name, z);
    } else {
        return true;
    }
    return false;
}

reel_metric *reel_metric_new(const char *name, reel_metric_options options,
                             char why[REEL_METRIC_ERROR])
{
    explain(why, "%s", "");
    const reel__metric_kind *kind = find(name, why);
    if (!kind || !check(name, &options, why)) {
        return NULL;
    }
    reel_metric *metric = resize(&options, NULL, 0, sizeof *metric);
    if (!metric) {
        explain(why, "%s: out of memory", name);
        return NULL;
    }
    options.k = options.k ? options.k : 5;
    options.threshold = options.threshold == 0           ? 0.5
                        : options.threshold == REEL_ZERO ? 0
                                                         : options.threshold;
    *metric = (reel_metric){ .kind = kind, .options = options };
    return metric;
}

void reel_metric_free(reel_metric *metric)
{
    if (metric) {
        reel_metric_options options = metric->options;
        resize(&options, metric->sums, metric->sum_count * sizeof(double), 0);
        resize(&options, metric->samples, metric->sample_room * sizeof(double), 0);
        resize(&options, metric, sizeof *metric, 0);
    }
}

const char *reel_metric_name(const reel_metric *metric)
{
    return metric ? metric->kind->name : NULL;
}

const char *reel_metric_error(const reel_metric *metric)
{
    return metric ? metric->error : "no metric";
}

bool reel_metric_takes_numbers(const reel_metric *metric)
{
    return metric && metric->kind->takes != REEL__TEXT;
}

bool reel_metric_lower_is_better(const reel_metric *metric)
{
    return metric && metric->kind->lower_is_better;
}

/* ---- batches ------------------------------------------------------------------------------- */

static reel_status check_weights(reel_metric *metric, const reel_metric_batch *batch)
{
    for (size_t i = 0; batch->weights && i < batch->rows; i++) {
        if (!(batch->weights[i] >= 0 && isfinite(batch->weights[i]))) {
            return reel__metric_fail(metric, REEL_BAD_ARGUMENT,
                                     "weight %zu is %g, must be finite and at least 0", i,
                                     batch->weights[i]);
        }
    }
    return REEL_OK;
}

static reel_status check_classes(reel_metric *metric, const reel_metric_batch *batch)
{
    int64_t classes = (int64_t)reel__metric_classes(metric, batch->columns);
    if (!batch->labels && !batch->targets) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT, "labels (or targets) are missing");
    }
    if (batch->columns > 1 && (int64_t)batch->columns != classes) {
        return reel__metric_fail(metric, REEL_BAD_SHAPE, "%zu columns of predictions, %lld classes",
                                 batch->columns, (long long)classes);
    }
    for (size_t i = 0; i < batch->rows; i++) {
        int64_t label = reel__metric_actual(batch, i);
        if (label >= classes) {
            return reel__metric_fail(metric, REEL_BAD_INDEX,
                                     "label %lld in row %zu, there are %lld classes",
                                     (long long)label, i, (long long)classes);
        }
    }
    return REEL_OK;
}

static reel_status check_batch(reel_metric *metric, const reel_metric_batch *batch)
{
    const reel__metric_kind *kind = metric->kind;
    if (kind->takes == REEL__TEXT) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT, "takes text, not numbers");
    }
    if (batch->rows && !batch->predictions) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT, "predictions are missing");
    }
    if (metric->columns && batch->columns != metric->columns) {
        return reel__metric_fail(metric, REEL_BAD_SHAPE, "%zu columns, earlier batches had %zu",
                                 batch->columns, metric->columns);
    }
    if (batch->rows && kind->takes == REEL__VALUES && !kind->adds && !batch->targets) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT, "targets are missing");
    }
    reel_status status = check_weights(metric, batch);
    return status == REEL_OK && kind->takes == REEL__CLASSES && batch->rows
               ? check_classes(metric, batch)
               : status;
}

reel_status reel_metric_update(reel_metric *metric, reel_metric_batch batch)
{
    if (!metric) {
        return REEL_BAD_HANDLE;
    }
    batch.columns = batch.columns ? batch.columns : 1;
    metric->error[0] = '\0';
    reel_status status = check_batch(metric, &batch);
    if (status != REEL_OK || batch.rows == 0) {
        return status;
    }
    return start(metric, batch.columns) ? metric->kind->update(metric, &batch) : REEL_OUT_OF_MEMORY;
}

reel_status reel_metric_add(reel_metric *metric, double total, double count)
{
    if (!metric) {
        return REEL_BAD_HANDLE;
    }
    metric->error[0] = '\0';
    if (!metric->kind->adds) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT,
                                 "is made of more than a total and a count");
    }
    if (!(count >= 0 && isfinite(count))) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT,
                                 "count is %g, must be finite and at least 0", count);
    }
    if (!start(metric, metric->columns)) {
        return REEL_OUT_OF_MEMORY;
    }
    metric->sums[0] += total;
    metric->sums[1] += count;
    return REEL_OK;
}

/* ---- text ---------------------------------------------------------------------------------- */

bool reel__metric_text(reel_metric *metric, const char *what, const char *text, reel__span *out)
{
    if (!text) {
        reel__metric_fail(metric, REEL_BAD_ARGUMENT, "the %s is missing", what);
        return false;
    }
    *out = (reel__span){ text, strlen(text) };
    size_t valid = reel__utf8_valid(*out);
    if (valid < out->length) {
        reel__metric_fail(metric, REEL_BAD_ARGUMENT, "the %s is not UTF-8 at byte %zu", what,
                          valid);
        return false;
    }
    return true;
}

static reel_status update_text(reel_metric *metric, reel__span hypothesis, int references,
                               const char *const reference[], reel__span *spans)
{
    for (int k = 0; k < references; k++) {
        if (!reel__metric_text(metric, "reference", reference[k], &spans[k])) {
            return REEL_BAD_ARGUMENT;
        }
    }
    return start(metric, 0) ? metric->kind->update_text(metric, hypothesis, references, spans)
                            : REEL_OUT_OF_MEMORY;
}

reel_status reel_metric_update_text(reel_metric *metric, const char *hypothesis, int references,
                                    const char *const reference[])
{
    reel__span first;
    if (!metric) {
        return REEL_BAD_HANDLE;
    }
    metric->error[0] = '\0';
    if (metric->kind->takes != REEL__TEXT) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT, "takes numbers, not text");
    }
    if (references < 1 || !reference) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT, "needs at least one reference");
    }
    if (!reel__metric_text(metric, "hypothesis", hypothesis, &first)) {
        return REEL_BAD_ARGUMENT;
    }
    size_t bytes = (size_t)references * sizeof(reel__span);
    reel__span *spans = reel__metric_resize(metric, NULL, 0, bytes);
    reel_status status =
        spans ? update_text(metric, first, references, reference, spans) : REEL_OUT_OF_MEMORY;
    reel__metric_resize(metric, spans, spans ? bytes : 0, 0);
    return status;
}

/* ---- merging ------------------------------------------------------------------------------- */

static bool same_options(const reel_metric_options *a, const reel_metric_options *b)
{
    bool same_zero = a->zero_division == b->zero_division ||
                     (isnan(a->zero_division) && isnan(b->zero_division));
    return a->classes == b->classes && a->k == b->k && a->threshold == b->threshold &&
           a->average == b->average && same_zero && a->stemmer == b->stemmer;
}

static reel_status check_merge(reel_metric *metric, const reel_metric *from)
{
    if (metric->kind != from->kind || !same_options(&metric->options, &from->options)) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT,
                                 "cannot be merged with another metric or other options (%s)",
                                 from->kind->name);
    }
    if (metric->columns && from->columns && metric->columns != from->columns) {
        return reel__metric_fail(metric, REEL_BAD_SHAPE, "%zu columns here, %zu there",
                                 metric->columns, from->columns);
    }
    return REEL_OK;
}

reel_status reel_metric_merge(reel_metric *metric, const reel_metric *from)
{
    if (!metric || !from) {
        return REEL_BAD_HANDLE;
    }
    metric->error[0] = '\0';
    reel_status status = check_merge(metric, from);
    if (status != REEL_OK || (!from->sums && !from->sample_count)) {
        return status;
    }
    if (!start(metric, from->columns ? from->columns : metric->columns) ||
        !reel__metric_reserve(metric, from->sample_count)) {
        return REEL_OUT_OF_MEMORY;
    }
    if (from->sample_count) {
        memcpy(metric->samples + metric->sample_count, from->samples,
               from->sample_count * sizeof(double));
        metric->sample_count += from->sample_count;
    }
    if (metric->kind->merge) {
        metric->kind->merge(metric, from);
        return REEL_OK;
    }
    for (size_t i = 0; i < metric->sum_count; i++) {
        metric->sums[i] += from->sums[i];
    }
    return REEL_OK;
}

/* The columns may be others afterwards. */
void reel_metric_reset(reel_metric *metric)
{
    if (metric) {
        resize(&metric->options, metric->sums, metric->sum_count * sizeof(double), 0);
        metric->sums = NULL;
        metric->sum_count = metric->sample_count = metric->columns = 0;
        metric->error[0] = '\0';
    }
}

/* ---- results ------------------------------------------------------------------------------- */

double reel_metric_result(const reel_metric *metric)
{
    return metric ? metric->kind->result(metric) : NAN;
}

double reel_metric_result_of_class(const reel_metric *metric, int64_t class_index)
{
    bool possible = metric && metric->kind->result_of_class && class_index >= 0 &&
                    class_index < reel_metric_classes(metric);
    return possible ? metric->kind->result_of_class(metric, (size_t)class_index) : NAN;
}

const char *reel_metric_line(const reel_metric *metric, char *out, size_t size)
{
    if (!out) {
        return "";
    }
    if (metric && metric->kind->line) {
        metric->kind->line(metric, out, size);
    } else {
        snprintf(out, size, "%s = %.6g", metric ? metric->kind->name : "no metric",
                 reel_metric_result(metric));
    }
    return out;
}
