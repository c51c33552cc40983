/* model_files.c: training, and what a command keeps in the file of a model. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

reel_fit_options training_options(const session *s, int64_t epochs, int64_t batch_size,
                                  double validation)
{
    return (reel_fit_options){ .epochs = (int)epochs,
                               .batch_size = batch_size,
                               .validation_split = validation,
                               .verbose = s->common->quiet ? 0 : 1,
                               .progress = stderr,
                               .catch_interrupt = true };
}

const char *text_of(const reel_model_extras *e, const char *key)
{
    for (const reel_text *t = e->texts; t && t->key; t++) {
        if (strcmp(t->key, key) == 0) {
            return t->value;
        }
    }
    return NULL;
}

double number_of(const reel_model_extras *e, const char *key, double otherwise)
{
    const char *text = text_of(e, key);
    char *end = NULL;
    double value = text ? strtod(text, &end) : otherwise;
    return text && (end == text || *end) ? otherwise : value;
}

char *join_lines(const char *const *names, int64_t n)
{
    size_t room = 1;
    for (int64_t i = 0; i < n; i++) {
        room += strlen(names[i]) + 1;
    }
    char *text = malloc(room), *at = text;
    for (int64_t i = 0; text && i < n; i++) {
        size_t length = strlen(names[i]);
        if (i > 0) {
            *at++ = '\n';
        }
        memcpy(at, names[i], length);
        at += length;
    }
    if (text) {
        *at = '\0';
    }
    return text;
}

int64_t split_lines(char *text, const char *names[], int64_t room)
{
    int64_t count = 0;
    while (text) {
        char *end = strchr(text, '\n');
        if (count < room) {
            names[count] = text;
        }
        count++;
        if (end) {
            *end = '\0';
        }
        text = end ? end + 1 : NULL;
    }
    return count;
}

void report_history(session *s, const reel_history *h)
{
    report_number(&s->report, "epochs", h->epochs);
    report_number(&s->report, "loss", reel_history_at(h, "loss", -1));
    if (h->val_loss) {
        report_number(&s->report, "validation_loss", reel_history_at(h, "val_loss", -1));
    }
    if (h->stopped_by) {
        report_text(&s->report, "stopped_by", h->stopped_by, strlen(h->stopped_by));
    }
}
