/* callback_stop.c: callbacks that end training early. */
#include <math.h>
#include <string.h>

#include "monitor.h"

/* ---- early stopping ------------------------------------------------------------------------ */

typedef struct {
    reel_tape *tape;
    reel_early_stopping_options options;
    reel__monitor monitor;
    int waited;
    reel__room best; /* the flat buffer of parameters at the best epoch */
    size_t count;    /* elements in it; 0: none */
} early_stopping;

static void release(void *self)
{
    early_stopping *s = self;
    reel__room_free(s->tape, &s->best);
}

static reel_status begin(void *self, reel_training *t)
{
    (void)t;
    early_stopping *s = self;
    reel__monitor_reset(&s->monitor);
    s->waited = 0;
    s->count = 0;
    return REEL_OK;
}

static reel_status keep_parameters(early_stopping *s)
{
    reel_flat flat;
    reel_status status = reel_flat_begin(s->tape, &flat);
    if (status != REEL_OK) {
        return status;
    }
    void *copy = reel__room_for(s->tape, &s->best, flat.count * s->tape->element);
    if (copy) {
        memcpy(copy, flat.values, flat.count * s->tape->element);
        s->count = flat.count;
    }
    reel_flat_end(s->tape, false);
    return copy ? REEL_OK : REEL_OUT_OF_MEMORY;
}

static reel_status epoch_end(void *self, reel_training *t)
{
    early_stopping *s = self;
    double value;
    if (t->epoch < s->options.start_from_epoch) {
        return REEL_OK;
    }
    if (!reel__monitor_read(&s->monitor, t, &value)) {
        return REEL_NOT_FOUND;
    }
    if (reel__monitor_improves(&s->monitor, value)) {
        s->waited = 0;
        return s->options.restore_best ? keep_parameters(s) : REEL_OK;
    }
    s->waited++;
    if (s->waited >= s->options.patience) {
        t->stop = true;
    }
    return REEL_OK;
}

static reel_status restore(void *self, reel_training *t)
{
    (void)t;
    early_stopping *s = self;
    reel_flat flat;
    if (s->count == 0 || reel_tape_status(s->tape) != REEL_OK) {
        return REEL_OK;
    }
    reel_status status = reel_flat_begin(s->tape, &flat);
    if (status == REEL_OK) {
        memcpy(flat.values, s->best.data, s->count * s->tape->element);
        reel_flat_end(s->tape, true);
    }
    return status;
}

reel_callback reel_early_stopping(reel_model *model, reel_early_stopping_options o)
{
    static const char *const name = "early_stopping";
    if (!model) {
        return (reel_callback){ 0 };
    }
    reel_tape *tape = model->tape;
    early_stopping *s = reel__tape_store(tape, sizeof *s);
    if (s) {
        *s = (early_stopping){ .tape = tape, .options = o };
    }
    if (!s || !reel__tape_on_free(tape, release, s) ||
        !reel__check_option(tape, name, "patience", o.patience, o.patience >= 0, "at least 0") ||
        !reel__check_option(tape, name, "min_delta", o.min_delta, o.min_delta >= 0, "at least 0") ||
        !reel__monitor_init(tape, &s->monitor, o.monitor, o.maximize, o.min_delta)) {
        return (reel_callback){ 0 };
    }
    return (reel_callback){ .name = name,
                            .self = s,
                            .on_train_begin = begin,
                            .on_epoch_end = epoch_end,
                            .on_train_end = restore };
}

/* ---- NaN ----------------------------------------------------------------------------------- */

static reel_status look_for_nan(void *self, reel_training *t)
{
    (void)self;
    if (!isfinite(t->batch_loss)) {
        t->stop = true;
    }
    return REEL_OK;
}

reel_callback reel_terminate_on_nan(reel_model *model)
{
    (void)model;
    return (reel_callback){ .name = "terminate_on_nan", .on_batch_end = look_for_nan };
}
