/* hooks.c: callbacks are called, and told how training goes. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "run.h"

typedef reel_status (*hook)(void *self, reel_training *);

static hook hook_of(const reel_callback *c, reel__hook which)
{
    const hook hooks[] = { c->on_train_begin,      c->on_train_end,     c->on_epoch_begin,
                           c->on_epoch_end,        c->on_batch_begin,   c->on_batch_end,
                           c->on_validation_begin, c->on_validation_end };
    return hooks[which];
}

static const char *const hook_names[] = { "on_train_begin",      "on_train_end",
                                          "on_epoch_begin",      "on_epoch_end",
                                          "on_batch_begin",      "on_batch_end",
                                          "on_validation_begin", "on_validation_end" };

static bool call(reel__fit *f, const reel_callback *c, reel__hook which)
{
    hook function = hook_of(c, which);
    if (!function) {
        return true;
    }
    reel_tape *tape = f->public.model->tape;
    bool failed = reel_tape_status(tape) != REEL_OK; /* before: the first error is what counts */
    bool stopped = f->public.stop;
    f->public.message[0] = '\0';
    reel_status status = function(c->self, &f->public);
    const char *name = c->name ? c->name : "without a name";
    if (!stopped && f->public.stop) {
        f->stopped_by = name;
    }
    if (status == REEL_OK || failed) {
        return true;
    }
    char reason[sizeof f->public.message];
    memcpy(reason, f->public.message, sizeof reason);
    if (!reason[0]) {
        const char *told = reel_tape_error(tape);
        snprintf(reason, sizeof reason, "%s", told[0] ? told : reel_status_text(status));
    }
    reel_tape_clear(tape);
    reel_fail(tape, status, "fit", "callback %s failed in %s, epoch %d: %s", name,
              hook_names[which], f->public.epoch + 1, reason);
    return false;
}

bool reel__call_hooks(reel__fit *f, reel__hook which)
{
    bool good = true;
    f->in_epoch_end = which == REEL__EPOCH_END;
    for (int i = 0; good && i < REEL_MAX_CALLBACKS; i++) {
        good = call(f, &f->options->callbacks[i], which);
    }
    good = good && call(f, &f->progress, which);
    f->in_epoch_end = false;
    return good;
}

/* ---- logs ---------------------------------------------------------------------------------- */

void reel__clear_logs(reel__fit *f)
{
    f->public.count = 0;
}

bool reel__set_log(reel__fit *f, const char *name, double value)
{
    int at = 0;
    while (at < f->public.count && strcmp(f->names[at], name) != 0) {
        at++;
    }
    if (at == REEL__MOST_LOGS) {
        return false;
    }
    if (at == f->public.count) {
        f->names[at] = name;
        f->public.count++;
    }
    f->values[at] = value;
    return true;
}

double reel_training_log(const reel_training *t, const char *name)
{
    for (int i = 0; t && name && i < t->count; i++) {
        if (strcmp(t->name[i], name) == 0) {
            return t->value[i];
        }
    }
    return NAN;
}

reel_status reel_training_add_log(reel_training *t, const char *name, double value)
{
    reel__fit *f = (reel__fit *)t;
    if (!t || !name || !f->in_epoch_end) {
        return REEL_BAD_ARGUMENT;
    }
    char *copy = reel__tape_store_text(t->model->tape, name);
    if (!copy || !reel__history_set(t->model, copy, value) || !reel__set_log(f, copy, value)) {
        return REEL_OUT_OF_MEMORY;
    }
    return REEL_OK;
}
