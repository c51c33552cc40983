/* callback_backup.c: training that goes on after a crash. */
#include <stdio.h>

#include "../io/checkpoint.h"
#include "training.h"

typedef struct {
    reel_model *model;
    const char *path;
    reel_backup_options options;
} backup;

static bool exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file) {
        fclose(file);
    }
    return file != NULL;
}

static reel_status restore(void *self, reel_training *t)
{
    backup *b = self;
    reel_training_state state = { .optimizer = b->model->optimizer };
    if (!exists(b->path)) {
        return REEL_OK;
    }
    reel_status status = reel_load_checkpoint(b->model->tape, b->path, &state);
    if (status == REEL_OK) {
        t->epoch = (int)state.epoch;
        t->step = state.step;
    }
    return status;
}

static reel_status save(void *self, reel_training *t)
{
    backup *b = self;
    if (t->interrupted) {
        return REEL_OK; /* the epoch is not whole */
    }
    reel_training_state state = { .optimizer = b->model->optimizer,
                                  .epoch = t->epoch + 1,
                                  .step = t->step };
    reel_checkpoint_options options = { 0 };
    return reel_save_checkpoint(b->model->tape, b->path, &state, options);
}

static reel_status finish(void *self, reel_training *t)
{
    backup *b = self;
    if (!b->options.keep && !t->interrupted && reel_tape_status(b->model->tape) == REEL_OK) {
        remove(b->path);
    }
    return REEL_OK;
}

reel_callback reel_backup_and_restore(reel_model *model, const char *path,
                                      reel_backup_options options)
{
    if (!model) {
        return (reel_callback){ 0 };
    }
    if (!path) {
        reel_fail(model->tape, REEL_BAD_ARGUMENT, "backup_and_restore", "the path is NULL");
        return (reel_callback){ 0 };
    }
    backup *b = reel__tape_store(model->tape, sizeof *b);
    if (!b || !(b->path = reel__tape_store_text(model->tape, path))) {
        return (reel_callback){ 0 };
    }
    b->model = model;
    b->options = options;
    return (reel_callback){ .name = "backup_and_restore",
                            .self = b,
                            .on_train_begin = restore,
                            .on_epoch_end = save,
                            .on_train_end = finish };
}
