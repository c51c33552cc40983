/* metric_confusion.c: the confusion matrix, and as a table. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "metric.h"

/* sums are [actual][predicted] */
static size_t size(const reel_metric *metric, size_t columns)
{
    size_t classes = reel__metric_classes(metric, columns);
    return classes * classes;
}

static reel_status update(reel_metric *metric, const reel_metric_batch *batch)
{
    size_t classes = reel__metric_classes(metric, batch->columns);
    for (size_t i = 0; i < batch->rows; i++) {
        int64_t actual = reel__metric_actual(batch, i);
        if (actual >= 0) {
            size_t predicted = (size_t)reel__metric_predicted(metric, batch, i);
            metric->sums[(size_t)actual * classes + predicted] += reel__metric_weight(batch, i);
        }
    }
    return REEL_OK;
}

static double accuracy(const reel_metric *metric)
{
    double hits = 0, all = 0;
    size_t classes = (size_t)reel_metric_classes(metric);
    for (size_t i = 0; i < metric->sum_count; i++) {
        hits += i % (classes + 1) == 0 ? metric->sums[i] : 0;
        all += metric->sums[i];
    }
    return all > 0 ? hits / all : NAN;
}

const reel__metric_kind reel__metric_confusion = {
    .name = "confusion", .takes = REEL__CLASSES, .size = size, .update = update, .result = accuracy
};

double reel_metric_confusion(const reel_metric *metric, int64_t actual, int64_t predicted)
{
    int64_t classes = reel_metric_classes(metric);
    bool inside = actual >= 0 && actual < classes && predicted >= 0 && predicted < classes;
    if (!inside || metric->kind != &reel__metric_confusion) {
        return NAN;
    }
    return metric->sums ? metric->sums[actual * classes + predicted] : 0;
}

/* ---- as a table ---------------------------------------------------------------------------- */

typedef struct {
    char *out;
    size_t size, used;
} writer;

static void put(writer *w, const char *format, ...) REEL_PRINTF(2, 3);
static void put(writer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = w->used < w->size ? w->size - w->used : 0;
    int more = vsnprintf(room ? w->out + w->used : NULL, room, format, arguments);
    w->used += more > 0 ? (size_t)more : 0;
    va_end(arguments);
}

/* In characters: UTF-8's continuation bytes take no room. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return width;
}

static const char *label_of(const char *const names[], int64_t c, char number[24])
{
    snprintf(number, 24, "%lld", (long long)c);
    return names && names[c] ? names[c] : number;
}

static void put_right(writer *w, const char *text, int width)
{
    put(w, "%*s%s", width - width_of(text), "", text);
}

static int widest(const reel_metric *metric, const char *const names[])
{
    int width = width_of("actual");
    char text[32];
    int64_t classes = reel_metric_classes(metric);
    for (int64_t c = 0; c < classes; c++) {
        int own = width_of(label_of(names, c, text));
        width = own > width ? own : width;
        for (int64_t p = 0; p < classes; p++) {
            own = snprintf(text, sizeof text, "%.6g", reel_metric_confusion(metric, c, p));
            width = own > width ? own : width;
        }
    }
    return width;
}

size_t reel_metric_confusion_text(const reel_metric *metric, const char *const names[], char *out,
                                  size_t size)
{
    size = out ? size : 0;
    writer w = { .out = out, .size = size };
    char text[32];
    if (size) {
        out[0] = '\0';
    }
    if (!metric || metric->kind != &reel__metric_confusion) {
        return 0;
    }
    int64_t classes = reel_metric_classes(metric);
    int width = widest(metric, names);
    put_right(&w, "actual", width);
    for (int64_t p = 0; p < classes; p++) {
        put(&w, "  ");
        put_right(&w, label_of(names, p, text), width);
    }
    for (int64_t c = 0; c < classes; c++) {
        put(&w, "\n");
        put_right(&w, label_of(names, c, text), width);
        for (int64_t p = 0; p < classes; p++) {
            put(&w, "  %*.6g", width, reel_metric_confusion(metric, c, p));
        }
    }
    put(&w, "\n");
    return w.used;
}
