/* monitor.c: the number a callback watches, and what was best of it. */
#include "monitor.h"

#include <math.h>
#include <string.h>

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

bool reel__monitor_init(reel_tape *tape, reel__monitor *m, const char *name, bool maximize,
                        double min_delta)
{
    *m = (reel__monitor){ .min_delta = min_delta };
    if (name && !(m->name = reel__tape_store_text(tape, name))) {
        return false;
    }
    m->maximize =
        maximize ||
        (name && (ends_in(name, "acc") || ends_in(name, "accuracy") || ends_in(name, "auc")));
    return true;
}

void reel__monitor_reset(reel__monitor *m)
{
    m->any = false;
}

bool reel__monitor_read(const reel__monitor *m, reel_training *t, double *value)
{
    const char *name = m->name ? m->name : "val_loss";
    for (int tries = 0; tries < 2; tries++) {
        for (int i = 0; i < t->count; i++) {
            if (strcmp(t->name[i], name) == 0) {
                *value = t->value[i];
                return true;
            }
        }
        name = m->name ? m->name : "loss";
    }
    int at = snprintf(t->message, sizeof t->message, "there is no \"%.40s\" among", name);
    for (int i = 0; i < t->count && at < (int)sizeof t->message - 66; i++) {
        at += snprintf(t->message + at, sizeof t->message - (size_t)at, "%s %.60s", i ? "," : "",
                       t->name[i]);
    }
    return false;
}

bool reel__monitor_improves(reel__monitor *m, double value)
{
    double gain = m->maximize ? value - m->best : m->best - value;
    if (isnan(value) || (m->any && !(gain > m->min_delta))) {
        return false;
    }
    m->best = value;
    m->any = true;
    return true;
}

bool reel__check_option(reel_tape *tape, const char *callback, const char *what, double value,
                        bool good, const char *rule)
{
    if (!good) {
        reel_fail(tape, REEL_BAD_ARGUMENT, callback, "%s is %g, must be %s", what, value, rule);
    }
    return good;
}
