/* metric.h: a metric from the inside. Not installed. */
#ifndef REEL_METRIC_H
#define REEL_METRIC_H

#include "metrics.h"

typedef struct reel__metric_kind reel__metric_kind;

/* All that was seen lies in `sums`, which merge by addition unless the kind says otherwise, and in
 * `samples`, which merge one behind the other. */
struct reel_metric {
    const reel__metric_kind *kind;
    reel_metric_options options;
    double *sums;
    size_t sum_count;
    double *samples;
    size_t sample_count, sample_room;
    size_t columns; /* of the first batch; 0: none yet */
    char error[REEL_METRIC_ERROR];
};

typedef struct {
    const char *text;
    size_t length;
} reel__span;

struct reel__metric_kind {
    const char *name;
    enum { REEL__CLASSES, REEL__VALUES, REEL__TEXT } takes;
    bool lower_is_better;
    int variant; /* which of the file's metrics it is */
    size_t sums; /* 0: as many as `size` says for the columns of the first batch */
    size_t (*size)(const reel_metric *, size_t columns);
    /* The batch was checked: arrays are there, columns as before, labels in range. */
    reel_status (*update)(reel_metric *, const reel_metric_batch *);
    reel_status (*update_text)(reel_metric *, reel__span hypothesis, int references,
                               const reel__span reference[]);
    bool adds; /* reel_metric_add: sums are a total and a count */
    void (*merge)(reel_metric *, const reel_metric *from);
    double (*result)(const reel_metric *);
    double (*result_of_class)(const reel_metric *, size_t class_index);
    void (*line)(const reel_metric *, char *out, size_t size);
};

#define REEL__METRIC_KINDS(X)                                                                      \
    X(accuracy)                                                                                    \
    X(top_k)                                                                                       \
    X(precision)                                                                                   \
    X(recall)                                                                                      \
    X(f1)                                                                                          \
    X(confusion)                                                                                   \
    X(roc_auc)                                                                                     \
    X(mae)                                                                                         \
    X(mse)                                                                                         \
    X(rmse)                                                                                        \
    X(r2)                                                                                          \
    X(mape)                                                                                        \
    X(mean)                                                                                        \
    X(perplexity)                                                                                  \
    X(bpc)                                                                                         \
    X(bleu)                                                                                        \
    X(sentence_bleu)                                                                               \
    X(chrf)                                                                                        \
    X(chrf_words)                                                                                  \
    X(rouge1)                                                                                      \
    X(rouge2)                                                                                      \
    X(rougeL)                                                                                      \
    X(rougeLsum)                                                                                   \
    X(wer)                                                                                         \
    X(mer)                                                                                         \
    X(wil)                                                                                         \
    X(cer)                                                                                         \
    X(edit_distance)

#define REEL__DECLARE_METRIC(name) extern const reel__metric_kind reel__metric_##name;
REEL__METRIC_KINDS(REEL__DECLARE_METRIC)
#undef REEL__DECLARE_METRIC

/* Leaves a message and returns the status. */
reel_status reel__metric_fail(reel_metric *, reel_status, const char *format, ...)
    REEL_PRINTF(3, 4);
/* By the metric's allocator; a failure leaves the message. */
void *reel__metric_resize(reel_metric *, void *old, size_t old_size, size_t new_size);
/* Room for so many more samples. */
bool reel__metric_reserve(reel_metric *, size_t samples);

/* A text and its length; false, with a message, where it is missing or no UTF-8. */
bool reel__metric_text(reel_metric *, const char *what, const char *text, reel__span *out);

/* How many classes: given, or by the columns. */
size_t reel__metric_classes(const reel_metric *, size_t columns);
/* The class row i is of, negative where it does not count; and the one its scores say. */
int64_t reel__metric_actual(const reel_metric_batch *, size_t i);
int64_t reel__metric_predicted(const reel_metric *, const reel_metric_batch *, size_t i);

static inline double reel__metric_weight(const reel_metric_batch *batch, size_t i)
{
    return batch->weights ? batch->weights[i] : 1;
}

/* How many references each sentence has, from two parts: 0: no sentence yet, -1: it varies. */
static inline double reel__metric_references(double here, double there)
{
    return here == 0 || here == there ? there : there == 0 ? here : -1;
}

#endif
