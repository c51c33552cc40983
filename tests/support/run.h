/* run.h: one run of a generated program; what program.c and loops.c share. */
#ifndef REEL_TEST_RUN_H
#define REEL_TEST_RUN_H

#include "generator.h"
#include "layers/layers.h"
#include "ops/ops.h"

#define MOST_WATCHED 48
#define MOST_STEPS 16
#define MOST_BATCH 20

typedef struct {
    char label[LABEL_SIZE];
    reel_var value;
    size_t result; /* where it was read last */
} watched;

typedef struct {
    const program *p;
    reel_tape *t;
    random_source data;
    results out;
    reel_var param[MOST_PARAMS];
    reel_rollout rollout[MOST_LOOPS];
    reel_var captured[MOST_LOOPS], sum[MOST_LOOPS][MOST_STEPS];
    int watches;
    watched watch[MOST_WATCHED];
} run;

/* A value that is read at the end at the latest. */
void run_watch(run *, const char *name, int number, reel_var);
/* Data of this shape, uniform in [-1, 1]. */
reel_var run_numbers(run *, reel_shape);
/* Records loop `number` and watches what comes out of it. */
void run_loop(run *, int number);

#endif
