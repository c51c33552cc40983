/* average.c: running averages of the parameters, and putting them in the parameters' place. */
#ifndef REAL
#include <string.h>

#include "optimizer.h"

#define KERNELS_OF "../optim/average.c"
#include "../ops/both_types.h"

static void (*const approach[])(size_t n, void *average, const void *values,
                                double share) = TYPED_PAIR(approach);

struct reel_average {
    reel_tape *tape;   /* NULL once freed */
    double decay;      /* NAN: all count alike */
    bool applied;      /* the averages stand in the parameters' place, and these in theirs */
    reel__list counts; /* int64_t, one a parameter: updates that are in its average */
    char *averages;    /* [covered] */
    size_t covered;
    reel__list text; /* the name that reel_average_state_at hands out */
};

static int64_t *count_at(const reel_average *average, size_t i)
{
    return (int64_t *)average->counts.data + i;
}

static void release(void *self)
{
    reel_average *average = self;
    reel_tape *tape = average->tape;
    if (!tape) {
        return;
    }
    reel__list_free(tape, &average->counts, sizeof(int64_t));
    reel__list_free(tape, &average->text, 1);
    reel__resize(tape, average->averages, average->averages ? average->covered * tape->element : 0,
                 0);
    *average = (reel_average){ 0 };
}

void reel_average_free(reel_average *average)
{
    if (average) {
        release(average);
    }
}

static reel_average *new_average(reel_tape *tape, double decay)
{
    reel_average *average = reel__tape_store(tape, sizeof *average);
    if (!average || !reel__tape_on_free(tape, release, average)) {
        return NULL;
    }
    *average = (reel_average){ .tape = tape, .decay = decay };
    return average;
}

reel_average *reel_ema(reel_tape *tape, double decay)
{
    decay = reel__optim_option(decay, 0.999);
    bool good = tape && reel__optim_check(tape, "ema", "decay", decay, 1);
    return good ? new_average(tape, decay) : NULL;
}

reel_average *reel_swa(reel_tape *tape)
{
    return tape ? new_average(tape, NAN) : NULL;
}

/* ---- updates ------------------------------------------------------------------------------- */

static bool usable(const reel_average *average, const char *caller, bool applied)
{
    if (!average || !average->tape || reel_tape_status(average->tape) != REEL_OK) {
        return false;
    }
    if (average->applied != applied) {
        reel_fail(average->tape, REEL_BAD_ARGUMENT, caller,
                  applied ? "the averages are not in place"
                          : "the averages are in place: call reel_average_restore before");
        return false;
    }
    return true;
}

static reel_status failed(const reel_average *average)
{
    return average && average->tape ? reel_tape_status(average->tape) : REEL_BAD_HANDLE;
}

/* Takes in the parameters made since the last call. */
static bool join(reel_average *average)
{
    reel_tape *tape = average->tape;
    size_t params = tape->params.count, count = tape->flat_count;
    if (average->counts.count == params) {
        return true;
    }
    size_t before = average->averages ? average->covered * tape->element : 0;
    size_t after = count * tape->element;
    if (!reel__list_reserve(tape, &average->counts, params, sizeof(int64_t))) {
        return false;
    }
    char *grown = reel__resize(tape, average->averages, before, after);
    if (!grown) {
        return false;
    }
    memset(grown + before, 0, after - before);
    average->averages = grown;
    average->covered = count;
    while (average->counts.count < params) {
        *count_at(average, average->counts.count++) = 0;
    }
    return true;
}

static size_t begin_of(const reel_average *average, size_t param)
{
    return param < average->counts.count ? reel__param_entry(average->tape, (uint32_t)param)->offset
                                         : average->covered;
}

static void approach_all(const reel_average *average, const char *values, size_t begin, size_t end,
                         double share)
{
    const reel_tape *tape = average->tape;
    int64_t runs = (int64_t)((end - begin + REEL__RUN - 1) / REEL__RUN);
#pragma omp parallel for schedule(static) num_threads(tape->threads) if (runs > 4)
    for (int64_t i = 0; i < runs; i++) {
        size_t from = begin + (size_t)i * REEL__RUN, at = from * tape->element;
        size_t n = end - from < REEL__RUN ? end - from : REEL__RUN;
        approach[tape->options.dtype](n, average->averages + at, values + at, share);
    }
}

reel_status reel_average_update(reel_average *average)
{
    reel_flat flat;
    if (!usable(average, "average_update", false) ||
        reel_flat_begin(average->tape, &flat) != REEL_OK || !join(average)) {
        return failed(average);
    }
    size_t params = average->counts.count;
    for (size_t i = 0, next; i < params; i = next) {
        int64_t count = *count_at(average, i);
        for (next = i; next < params && *count_at(average, next) == count; next++) {
            ++*count_at(average, next);
        }
        double share = count == 0              ? 1
                       : isnan(average->decay) ? 1 / (double)(count + 1)
                                               : 1 - average->decay;
        approach_all(average, flat.values, begin_of(average, i), begin_of(average, next), share);
    }
    reel_flat_end(average->tape, false);
    return REEL_OK;
}

/* ---- in place ------------------------------------------------------------------------------ */

void reel__exchange(char *a, char *b, size_t bytes)
{
    char block[4096];
    for (size_t at = 0; at < bytes; at += sizeof block) {
        size_t n = bytes - at < sizeof block ? bytes - at : sizeof block;
        memcpy(block, a + at, n);
        memcpy(a + at, b + at, n);
        memcpy(b + at, block, n);
    }
}

/* Parameters that have no average yet stay as they are. */
static reel_status exchange(reel_average *average)
{
    reel_flat flat;
    size_t element = average->tape->element;
    if (reel_flat_begin(average->tape, &flat) != REEL_OK) {
        return failed(average);
    }
    for (size_t i = 0; i < average->counts.count; i++) {
        size_t begin = begin_of(average, i), end = begin_of(average, i + 1);
        if (*count_at(average, i) > 0) {
            reel__exchange((char *)flat.values + begin * element,
                           average->averages + begin * element, (end - begin) * element);
        }
    }
    reel_flat_end(average->tape, true);
    average->applied = !average->applied;
    return REEL_OK;
}

reel_status reel_average_apply(reel_average *average)
{
    return usable(average, "average_apply", false) ? exchange(average) : failed(average);
}

reel_status reel_average_restore(reel_average *average)
{
    return usable(average, "average_restore", true) ? exchange(average) : failed(average);
}

/* ---- state --------------------------------------------------------------------------------- */

size_t reel_average_state_count(reel_average *average)
{
    bool good = usable(average, "average_state_count", false) && join(average);
    return good ? 2 * average->counts.count : 0;
}

reel_status reel_average_state_at(reel_average *average, size_t i, reel_state_entry *out)
{
    if (!average || !out) {
        return REEL_BAD_HANDLE;
    }
    size_t count = reel_average_state_count(average);
    reel_tape *tape = average->tape;
    *out = (reel_state_entry){ .dtype = REEL_STATE_I64, .shape = REEL_SHAPE(), .count = 1 };
    if (tape && reel_tape_status(tape) == REEL_OK && i >= count) {
        reel_fail(tape, REEL_BAD_INDEX, "average_state_at", "there is no entry %zu of %zu", i,
                  count);
    }
    if (failed(average) != REEL_OK) {
        return failed(average);
    }
    const reel__param *param = reel__param_entry(tape, (uint32_t)(i / 2));
    out->data = count_at(average, i / 2);
    if (i % 2) {
        out->dtype = tape->options.dtype == REEL_F64 ? REEL_STATE_F64 : REEL_STATE_F32;
        out->shape = param->shape;
        out->count = param->count;
        out->data = average->averages + param->offset * tape->element;
    }
    out->name =
        reel__state_name(tape, &average->text, param->name, i % 2 ? "average" : "updates", -1);
    return out->name ? REEL_OK : failed(average);
}

reel_status reel_average_state_set(reel_average *average, const reel_state_entry *given)
{
    reel_state_entry entry;
    if (!average || !given || !given->name) {
        return REEL_BAD_HANDLE;
    }
    size_t count = reel_average_state_count(average);
    for (size_t i = 0; i < count && reel_average_state_at(average, i, &entry) == REEL_OK; i++) {
        if (strcmp(entry.name, given->name) == 0) {
            reel__state_copy(average->tape, "average_state_set", &entry, given);
            return failed(average);
        }
    }
    if (failed(average) == REEL_OK) {
        reel_fail(average->tape, REEL_NOT_FOUND, "average_state_set",
                  "an average has no state called %s", given->name);
    }
    return failed(average);
}

#else

/* average += share·(value - average); share 1 copies, whatever was there. */
CLONED(TYPED(step), (size_t n, REAL *restrict average, const REAL *restrict values, REAL share),
       (n, average, values, share))
{
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        average[i] += share * (values[i] - average[i]);
    }
}

static void TYPED(approach)(size_t n, void *average, const void *values, double share)
{
    if (share == 1) {
        memcpy(average, values, n * sizeof(REAL));
    } else {
        TYPED(step)(n, average, values, (REAL)share);
    }
}
#endif
