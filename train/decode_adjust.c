/* decode_adjust.c: what may follow a hypothesis: its length, repetition, the program's own rules. */
#include <math.h>
#include <string.h>

#include "decoding.h"

/* Keskar et al. 2019: once for each token that has occurred. */
static void penalise_repetition(const reel__decoding *d, const int32_t *prefix, double *log_p)
{
    double penalty = d->options.repetition_penalty;
    for (int64_t i = 0; i < d->steps; i++) {
        bool seen = false;
        for (int64_t j = 0; j < i && !seen; j++) {
            seen = prefix[j] == prefix[i];
        }
        double *of = &log_p[prefix[i]];
        *of = seen ? *of : *of > 0 ? *of / penalty : *of * penalty;
    }
}

/* Forbids every token that would complete an n-gram which the prefix holds. */
static void forbid_repeats(const reel__decoding *d, const int32_t *prefix, double *log_p)
{
    int64_t n = d->options.no_repeat, last = d->steps - (n - 1);
    for (int64_t i = 0; i < last; i++) { /* the n-gram at i, and the n - 1 last tokens */
        if (memcmp(prefix + i, prefix + last, (size_t)(n - 1) * sizeof *prefix) == 0) {
            log_p[prefix[i + n - 1]] = -INFINITY;
        }
    }
}

bool reel__decode_adjust(reel__decoding *d, int64_t row)
{
    const reel_decode_options *o = &d->options;
    double *log_p = d->log_p + row * d->vocabulary;
    bool looks_back = o->repetition_penalty != 1 || o->no_repeat > 0 || o->constrain;
    const int32_t *prefix = looks_back ? reel__decode_prefix(d, row) : NULL;
    if (looks_back && !prefix) {
        return false;
    }
    if (o->repetition_penalty != 1) {
        penalise_repetition(d, prefix, log_p);
    }
    if (o->no_repeat > 0) {
        forbid_repeats(d, prefix, log_p);
    }
    if (!o->endless && d->steps + 1 < o->min_length) {
        log_p[o->end] = -INFINITY;
    }
    if (o->constrain) {
        o->constrain(o->constrain_self, row / d->width, prefix, d->steps, log_p);
    }
    return true;
}
