/* callback_csv.c: the numbers of every epoch as a table in a file. */
#include <errno.h>
#include <string.h>

#include "training.h"

enum { MOST_COLUMNS = 48 };

typedef struct {
    const char *path;
    reel_csv_logger_options options;
    FILE *file;
    int columns; /* those of the header: what is logged later has none */
    const char *names[MOST_COLUMNS];
} logger;

static void close_file(void *self)
{
    logger *l = self;
    if (l->file) {
        fclose(l->file);
        l->file = NULL;
    }
}

static reel_status fail(logger *l, reel_training *t, const char *what)
{
    snprintf(t->message, sizeof t->message, "cannot %s %.150s: %s", what, l->path, strerror(errno));
    return REEL_FILE_ERROR;
}

static bool has_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    bool any = file && fgetc(file) != EOF;
    if (file) {
        fclose(file);
    }
    return any;
}

static reel_status begin(void *self, reel_training *t)
{
    logger *l = self;
    bool go_on = l->options.append && has_lines(l->path);
    close_file(l);
    l->columns = go_on ? -1 : 0;
    l->file = fopen(l->path, l->options.append ? "a" : "w");
    return l->file ? REEL_OK : fail(l, t, "open");
}

/* The names of the first epoch's logs; -1: the header is there already. */
static void write_header(logger *l, const reel_training *t)
{
    bool there = l->columns < 0;
    if (!there) {
        fputs("epoch", l->file);
    }
    for (l->columns = 0; l->columns < t->count && l->columns < MOST_COLUMNS; l->columns++) {
        l->names[l->columns] = t->name[l->columns];
        if (!there) {
            fprintf(l->file, "%c%s", l->options.separator, t->name[l->columns]);
        }
    }
    if (!there) {
        fputc('\n', l->file);
    }
}

static reel_status epoch_end(void *self, reel_training *t)
{
    logger *l = self;
    if (l->columns <= 0) {
        write_header(l, t);
    }
    fprintf(l->file, "%d", t->epoch);
    for (int i = 0; i < l->columns; i++) {
        fprintf(l->file, "%c%.17g", l->options.separator, reel_training_log(t, l->names[i]));
    }
    fputc('\n', l->file);
    return fflush(l->file) == 0 && !ferror(l->file) ? REEL_OK : fail(l, t, "write");
}

static reel_status end(void *self, reel_training *t)
{
    logger *l = self;
    FILE *file = l->file;
    l->file = NULL;
    return !file || fclose(file) == 0 ? REEL_OK : fail(l, t, "write");
}

reel_callback reel_csv_logger(reel_model *model, const char *path, reel_csv_logger_options o)
{
    if (!model) {
        return (reel_callback){ 0 };
    }
    if (!path) {
        reel_fail(model->tape, REEL_BAD_ARGUMENT, "csv_logger", "the path is NULL");
        return (reel_callback){ 0 };
    }
    logger *l = reel__tape_store(model->tape, sizeof *l);
    if (!l || !(l->path = reel__tape_store_text(model->tape, path)) ||
        !reel__tape_on_free(model->tape, close_file, l)) {
        return (reel_callback){ 0 };
    }
    o.separator = o.separator ? o.separator : ',';
    l->options = o;
    return (reel_callback){ .name = "csv_logger",
                            .self = l,
                            .on_train_begin = begin,
                            .on_epoch_end = epoch_end,
                            .on_train_end = end };
}
