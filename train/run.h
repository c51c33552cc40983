/* run.h: what the files of fit share about one in progress. Not installed. */
#ifndef REEL_RUN_H
#define REEL_RUN_H

#include "training.h"

/* Checks data and options; the rows to train on and those to validate with (maybe none). */
bool reel__fit_data(reel_model *, reel_data x, reel_data y, const reel_fit_options *,
                    reel__slice *train, reel__slice *validation);

enum { REEL__MOST_LOGS = 48 };

/* A fit in progress; `public` is what callbacks see, and comes first. */
typedef struct {
    reel_training public;
    const reel_fit_options *options;
    reel__slice train, validation;
    int64_t batch_size;
    const char *names[REEL__MOST_LOGS];
    double values[REEL__MOST_LOGS];
    char val_names[REEL_MAX_METRICS + 1][64];
    reel_callback progress;
    const char *stopped_by;
    bool in_epoch_end;
} reel__fit;

/* ---- hooks.c ------------------------------------------------------------------------------- */

typedef enum {
    REEL__TRAIN_BEGIN,
    REEL__TRAIN_END,
    REEL__EPOCH_BEGIN,
    REEL__EPOCH_END,
    REEL__BATCH_BEGIN,
    REEL__BATCH_END,
    REEL__VALIDATION_BEGIN,
    REEL__VALIDATION_END
} reel__hook;
/* Calls a hook of every callback; false with an error when one fails. */
bool reel__call_hooks(reel__fit *, reel__hook);
void reel__clear_logs(reel__fit *);
bool reel__set_log(reel__fit *, const char *name, double value);

#endif
