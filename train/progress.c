/* progress.c: what fit prints when it is asked to.
 *
 *     Epoch 1/50
 *     12/50 ━━━━━━━━━━━━━━━━━━━━ 3s 14ms/step - loss: 0.1234
 *
 * On a terminal the second line is drawn anew after every batch, at most twenty times a second;
 * elsewhere both are one line, written at the epoch's end. While an epoch runs the time is what is left of
 * it, afterwards what it took, as Keras has it. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CELLS = 20 };

typedef struct {
    FILE *out;
    int verbose;
    bool terminal;
    double started, drawn; /* seconds; when the epoch began, and the line was drawn last */
    int last_epoch;
} progress;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* 3s, 2:05, 1:02:05 */
static void write_duration(FILE *out, double seconds)
{
    long whole = lround(seconds);
    if (whole < 60) {
        fprintf(out, "%lds", whole);
    } else if (whole < 3600) {
        fprintf(out, "%ld:%02ld", whole / 60, whole % 60);
    } else {
        fprintf(out, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    }
}

static void write_step_time(FILE *out, double seconds)
{
    if (seconds >= 1) {
        fprintf(out, " %.0fs/step", seconds);
    } else if (seconds >= 1e-3) {
        fprintf(out, " %.0fms/step", seconds * 1e3);
    } else {
        fprintf(out, " %.0fus/step", seconds * 1e6);
    }
}

static void write_logs(FILE *out, const reel_training *t)
{
    for (int i = 0; i < t->count; i++) {
        double v = t->value[i];
        bool small = fabs(v) < 1e-3 && v != 0;
        fprintf(out, small ? " - %s: %.4e" : " - %s: %.4f", t->name[i], v);
    }
}

static void write_bar(FILE *out, int64_t done, int64_t all)
{
    int digits = snprintf(NULL, 0, "%lld", (long long)all);
    int filled = all > 0 ? (int)(CELLS * done / all) : CELLS;
    fprintf(out, "%*lld/%lld ", digits, (long long)done, (long long)all);
    for (int i = 0; i < CELLS; i++) {
        fputs(i < filled ? "━" : "╺", out);
    }
    fputc(' ', out);
}

/* "\033[K" clears what an earlier, longer line left. */
static void draw(progress *p, const reel_training *t, int64_t done, bool over)
{
    double elapsed = now() - p->started, each = done > 0 ? elapsed / (double)done : 0;
    if (p->terminal) {
        fputc('\r', p->out);
    }
    write_bar(p->out, done, t->batches);
    write_duration(p->out, over ? elapsed : each * (double)(t->batches - done));
    write_step_time(p->out, each);
    write_logs(p->out, t);
    fputs(p->terminal ? "\033[K" : "", p->out);
    if (over) {
        fputc('\n', p->out);
    }
    fflush(p->out);
}

static reel_status epoch_begin(void *self, reel_training *t)
{
    progress *p = self;
    p->started = now();
    p->drawn = 0;
    if (p->verbose == 1) {
        fprintf(p->out, "Epoch %d/%d%s", t->epoch + 1, p->last_epoch, p->terminal ? "\n" : " ");
    }
    return REEL_OK;
}

static reel_status batch_end(void *self, reel_training *t)
{
    progress *p = self;
    double time = now();
    if (p->verbose == 1 && p->terminal && time - p->drawn >= 0.05) {
        p->drawn = time;
        draw(p, t, t->batch + 1, false);
    }
    return REEL_OK;
}

static reel_status epoch_end(void *self, reel_training *t)
{
    progress *p = self;
    if (p->verbose == 2) {
        double elapsed = now() - p->started;
        fprintf(p->out, "Epoch %d/%d - ", t->epoch + 1, p->last_epoch);
        write_duration(p->out, elapsed);
        write_step_time(p->out, elapsed / (double)t->batches);
        write_logs(p->out, t);
        fputc('\n', p->out);
        fflush(p->out);
    } else {
        draw(p, t, t->batch + 1, true);
    }
    return REEL_OK;
}

bool reel__progress(reel_tape *tape, const reel_fit_options *o, reel_callback *out)
{
    progress *p = o->verbose > 0 ? reel__tape_store(tape, sizeof *p) : NULL;
    *out = (reel_callback){ 0 };
    if (!p) {
        return o->verbose == 0;
    }
    p->out = o->progress ? o->progress : stdout;
    p->verbose = o->verbose;
    p->last_epoch = o->initial_epoch + (o->epochs ? o->epochs : 1);
    int descriptor = fileno(p->out);
    p->terminal = descriptor >= 0 && isatty(descriptor);
    *out = (reel_callback){ .name = "progress",
                            .self = p,
                            .on_epoch_begin = epoch_begin,
                            .on_batch_end = batch_end,
                            .on_epoch_end = epoch_end };
    return true;
}
