/* support.h: what the benchmark's programs share: arguments, timing, and numbers that every peer
 * can make for itself.
 *
 * A program is called as PROGRAM CELL STEPS BATCH INPUT HIDDEN THREADS SECONDS [OPTION …], does
 * its step once to warm up and then again and again for SECONDS, and prints one line of JSON. With
 * 0 seconds the first step is all there is.
 */
#ifndef BENCH_SUPPORT_H
#define BENCH_SUPPORT_H

#include <reel.h>

typedef struct {
    const char *cell;
    int64_t steps, batch, in, hidden;
    int threads;
    double seconds;
    bool f64;            /* option f64 */
    bool last;           /* option last */
    bool int8;           /* option int8, of stream */
    size_t memory_limit; /* option limit=BYTES; 0: none */
} bench_arguments;

/* Prints what is wrong and leaves the program when something is. */
bench_arguments bench_parse(int count, char **argument);

double bench_clock(void); /* ms */

/* Milliseconds. */
typedef struct {
    double first, median, least, most;
    int count; /* steps after the first */
} bench_timing;

/* At least two steps after the first, one where that took long, none where seconds is 0. */
bench_timing bench_measure(double seconds, void (*step)(void *self), void *self);
/* Writes "ms": …, "min": …, "max": …, "first": …, "count": … without braces. */
void bench_print_timing(const bench_timing *);

/* Numbers of a named tensor, uniform in ±scale: a hash of name and index, so that every program
 * and every peer starts from the same ones (peers/common.py has the same function). */
void bench_fill(const char *name, double scale, size_t n, float *out);
/* The scale that goes with a name: 1 for x and memory, 1/√hidden for weights. */
double bench_scale(const char *name, int64_t hidden);

/* malloc for programs that cannot do without. */
void *bench_allocate(size_t bytes);

/* Prints the tape's error and leaves the program when there is one. */
void bench_expect_fine(const reel_tape *);

#endif
