/* callback_save.c: the model in a file after epochs that deserve it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../io/safetensors.h"
#include "monitor.h"

typedef struct {
    reel_model *model;
    const char *path;
    reel_model_checkpoint_options options;
    reel__monitor monitor;
} saver;

/* {epoch} and {epoch:03} become the number. */
static bool write_path(char *out, size_t size, const char *pattern, int epoch)
{
    size_t at = 0;
    while (*pattern && at < size) {
        const char *end = strchr(pattern, '}');
        if (strncmp(pattern, "{epoch", 6) == 0 && end && (pattern[6] == '}' || pattern[6] == ':')) {
            int digits = pattern[6] == ':' ? atoi(pattern + 7) : 1;
            at += (size_t)snprintf(out + at, size - at, "%0*d", digits, epoch);
            pattern = end + 1;
        } else {
            out[at++] = *pattern++;
        }
    }
    out[at < size ? at : size - 1] = '\0';
    return at < size;
}

static reel_status begin(void *self, reel_training *t)
{
    (void)t;
    saver *s = self;
    reel__monitor_reset(&s->monitor);
    return REEL_OK;
}

static reel_status save_parameters(void *self, reel_tape *tape, const char *path)
{
    (void)self;
    return reel_save(tape, path, (reel_save_options){ 0 });
}

static reel_status save(saver *s, reel_training *t)
{
    char path[1024];
    if (!write_path(path, sizeof path, s->path, t->epoch + 1)) {
        snprintf(t->message, sizeof t->message, "the path is too long");
        return REEL_BAD_ARGUMENT;
    }
    reel_status status = s->options.save(s->options.self, s->model->tape, path);
    if (status != REEL_OK && reel_tape_status(s->model->tape) == REEL_OK) {
        snprintf(t->message, sizeof t->message, "cannot save %.150s: %s", path,
                 reel_status_text(status));
    }
    return status;
}

static reel_status epoch_end(void *self, reel_training *t)
{
    saver *s = self;
    double value;
    if ((t->epoch + 1) % s->options.every != 0) {
        return REEL_OK;
    }
    if (s->options.best_only) {
        if (!reel__monitor_read(&s->monitor, t, &value)) {
            return REEL_NOT_FOUND;
        }
        if (!reel__monitor_improves(&s->monitor, value)) {
            return REEL_OK;
        }
    }
    return save(s, t);
}

reel_callback reel_model_checkpoint(reel_model *model, const char *path,
                                    reel_model_checkpoint_options o)
{
    static const char *const name = "model_checkpoint";
    if (!model) {
        return (reel_callback){ 0 };
    }
    if (!path) {
        reel_fail(model->tape, REEL_BAD_ARGUMENT, name, "the path is NULL");
        return (reel_callback){ 0 };
    }
    saver *s = reel__tape_store(model->tape, sizeof *s);
    o.every = o.every == 0 ? 1 : o.every;
    o.save = o.save ? o.save : save_parameters;
    if (!s || !(s->path = reel__tape_store_text(model->tape, path)) ||
        !reel__check_option(model->tape, name, "every", o.every, o.every > 0, "at least 1") ||
        !reel__monitor_init(model->tape, &s->monitor, o.monitor, o.maximize, 0)) {
        return (reel_callback){ 0 };
    }
    s->model = model;
    s->options = o;
    return (reel_callback){
        .name = name, .self = s, .on_train_begin = begin, .on_epoch_end = epoch_end
    };
}
