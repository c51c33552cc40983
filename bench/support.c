/* support.c: arguments, timing, numbers. */
#define _POSIX_C_SOURCE 200809L
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_STEPS = 2000, SLOW_STEP = 500 /* ms */ };

/* ---- arguments ----------------------------------------------------------------------------- */

static bool parse_option(bench_arguments *a, const char *option)
{
    const struct {
        const char *name;
        bool *set;
    } flags[] = { { "f64", &a->f64 }, { "last", &a->last }, { "int8", &a->int8 } };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(option, flags[i].name) == 0) {
            return *flags[i].set = true;
        }
    }
    return sscanf(option, "limit=%zu", &a->memory_limit) == 1;
}

bench_arguments bench_parse(int count, char **argument)
{
    bench_arguments a = { 0 };
    bool fine = count >= 8;
    if (fine) {
        a.cell = argument[1];
        int64_t *const sizes[] = { &a.steps, &a.batch, &a.in, &a.hidden };
        for (int i = 0; i < 4; i++) {
            *sizes[i] = atoll(argument[2 + i]);
            fine = fine && *sizes[i] > 0;
        }
        a.threads = atoi(argument[6]);
        a.seconds = atof(argument[7]);
        fine = fine && a.threads > 0 && a.seconds >= 0;
    }
    for (int i = 8; fine && i < count; i++) {
        fine = parse_option(&a, argument[i]);
    }
    if (!fine) {
        fprintf(stderr,
                "usage: %s CELL STEPS BATCH INPUT HIDDEN THREADS SECONDS"
                " [f64] [last] [int8] [limit=BYTES]\n",
                argument[0]);
        exit(2);
    }
    return a;
}

/* ---- timing -------------------------------------------------------------------------------- */

double bench_clock(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static double time_of(void (*step)(void *self), void *self)
{
    double start = bench_clock();
    step(self);
    return bench_clock() - start;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bench_timing bench_measure(double seconds, void (*step)(void *self), void *self)
{
    bench_timing timing = { .first = time_of(step, self) };
    timing.median = timing.least = timing.most = timing.first;
    if (seconds <= 0) {
        return timing;
    }
    static double ms[MOST_STEPS];
    int least = timing.first > SLOW_STEP ? 1 : 2;
    double end = bench_clock() + seconds * 1e3;
    while (timing.count < least || (timing.count < MOST_STEPS && bench_clock() < end)) {
        ms[timing.count++] = time_of(step, self);
    }
    qsort(ms, (size_t)timing.count, sizeof *ms, ascending);
    timing.median = (ms[(timing.count - 1) / 2] + ms[timing.count / 2]) / 2;
    timing.least = ms[0];
    timing.most = ms[timing.count - 1];
    return timing;
}

void bench_print_timing(const bench_timing *t)
{
    printf("\"ms\": %.5f, \"min\": %.5f, \"max\": %.5f, \"first\": %.5f, \"count\": %d", t->median,
           t->least, t->most, t->first, t->count);
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* FNV-1a (Fowler, Noll & Vo 1991) */
static uint32_t hash_name(const char *name)
{
    uint32_t hash = 2166136261U;
    for (; *name; name++) {
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    }
    return hash;
}

/* The finaliser of MurmurHash3 over a Weyl sequence. */
void bench_fill(const char *name, double scale, size_t n, float *out)
{
    uint32_t start = hash_name(name);
    for (size_t i = 0; i < n; i++) {
        uint32_t z = start + (uint32_t)(i + 1) * 0x9E3779B1U;
        z = (z ^ z >> 16) * 0x85EBCA6BU;
        z = (z ^ z >> 13) * 0xC2B2AE35U;
        z ^= z >> 16;
        out[i] = (float)(((z >> 8) * 0x1p-23 - 1) * scale);
    }
}

double bench_scale(const char *name, int64_t hidden)
{
    bool data = strcmp(name, "x") == 0 || strcmp(name, "memory") == 0;
    return data ? 1 : 1 / sqrt((double)hidden);
}

void *bench_allocate(size_t bytes)
{
    void *block = malloc(bytes ? bytes : 1);
    if (block == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return block;
}

void bench_expect_fine(const reel_tape *t)
{
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "%s\n", reel_tape_error(t));
        exit(1);
    }
}
