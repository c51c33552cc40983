/* history.c: the numbers of every epoch. */
#include <math.h>
#include <string.h>

#include "training.h"

enum { MOST_SERIES = 64 };

reel__history *reel__history_new(reel_model *model, int epochs)
{
    reel_tape *tape = model->tape;
    reel__history *h = reel__tape_store(tape, sizeof *h);
    if (!h || !(h->names = reel__tape_store(tape, MOST_SERIES * sizeof *h->names)) ||
        !(h->series = reel__tape_store(tape, MOST_SERIES * sizeof *h->series))) {
        return NULL;
    }
    h->capacity = (size_t)epochs;
    h->public.name = h->names;
    h->public.values = (const double *const *)h->series;
    return model->history = h;
}

static int find(const reel_history *h, const char *name)
{
    for (int i = 0; h && name && i < h->count; i++) {
        if (strcmp(h->name[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static int add(reel_model *model, const char *name)
{
    reel__history *h = model->history;
    int at = h->public.count;
    if (at == MOST_SERIES) {
        reel_fail(model->tape, REEL_BAD_ARGUMENT, "fit", "more than %d series in the history",
                  MOST_SERIES);
        return -1;
    }
    h->names[at] = reel__tape_store_text(model->tape, name);
    h->series[at] = reel__tape_store(model->tape, h->capacity * sizeof(double));
    if (!h->names[at] || !h->series[at]) {
        return -1;
    }
    for (size_t i = 0; i < h->capacity; i++) {
        h->series[at][i] = NAN;
    }
    h->public.count++;
    if (strcmp(name, "loss") == 0) {
        h->public.loss = h->series[at];
    } else if (strcmp(name, "val_loss") == 0) {
        h->public.val_loss = h->series[at];
    }
    return at;
}

bool reel__history_set(reel_model *model, const char *name, double value)
{
    reel__history *h = model->history;
    int at = find(&h->public, name);
    if ((size_t)h->public.epochs >= h->capacity || (at < 0 && (at = add(model, name)) < 0)) {
        return false;
    }
    h->series[at][h->public.epochs] = value;
    return true;
}

const double *reel_history_series(const reel_history *h, const char *name)
{
    int at = find(h, name);
    return at < 0 ? NULL : h->values[at];
}

double reel_history_at(const reel_history *h, const char *name, int epoch)
{
    const double *series = reel_history_series(h, name);
    if (!series) {
        return NAN;
    }
    epoch += epoch < 0 ? h->epochs : 0;
    return epoch >= 0 && epoch < h->epochs ? series[epoch] : NAN;
}

const reel_history *reel_model_history(const reel_model *model)
{
    return model && model->history ? &model->history->public : NULL;
}

void reel_history_print(const reel_history *h, FILE *out)
{
    for (int epoch = 0; h && out && epoch < h->epochs; epoch++) {
        fprintf(out, "epoch %d", epoch + 1);
        for (int i = 0; i < h->count; i++) {
            fprintf(out, " - %s: %.6g", h->name[i], h->values[i][epoch]);
        }
        fputc('\n', out);
    }
}
