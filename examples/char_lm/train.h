/* train.h: the training run. */
#ifndef CHAR_LM_TRAIN_H
#define CHAR_LM_TRAIN_H

#include "model.h"
#include "options.h"

typedef struct {
    double first,
        last; /* perplexity on the held-out text, before and after; last is over all of it */
    long updates;
    double rate; /* symbols trained on a second */
} train_result;

/* `started` is when the time of --seconds began to run. False when memory is short or the tape has
 * an error. */
bool train(const model *, const text *, const options *, double started, train_result *);

#endif
