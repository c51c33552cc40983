/* driver.h: what the drivers of peers that come as source share; C and C++. The arguments and the
 * line of JSON are those of bench/support.h, which needs reel. */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    int steps, batch, in, hidden, threads;
    double seconds;
} driver_arguments;

static driver_arguments driver_parse(int count, char **argument)
{
    if (count < 8 || strcmp(argument[1], "lstm") != 0) {
        fprintf(stderr, "usage: %s lstm STEPS BATCH INPUT HIDDEN THREADS SECONDS\n", argument[0]);
        exit(2);
    }
    driver_arguments a = { atoi(argument[2]), atoi(argument[3]), atoi(argument[4]),
                           atoi(argument[5]), atoi(argument[6]), atof(argument[7]) };
    return a;
}

static double driver_clock(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static int driver_ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Measures as bench_measure does, and prints what it found. */
static void driver_measure(double seconds, void (*step)(void *self), void *self)
{
    static double ms[2000];
    int count = 0;
    double start = driver_clock(), end;
    step(self);
    double first = driver_clock() - start;
    for (end = driver_clock() + seconds * 1e3;
         seconds > 0 && (count < (first > 500 ? 1 : 2) || (count < 2000 && driver_clock() < end));
         count++) {
        start = driver_clock();
        step(self);
        ms[count] = driver_clock() - start;
    }
    qsort(ms, (size_t)count, sizeof *ms, driver_ascending);
    printf("{\"ms\": %.5f, \"first\": %.5f, \"count\": %d}\n", count ? ms[count / 2] : first, first,
           count);
}

#endif
