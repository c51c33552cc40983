/* task.h: what is asked of a memory. */
#ifndef LONG_MEMORY_TASK_H
#define LONG_MEMORY_TASK_H

#include <reel.h>

enum { BATCH = 64 };

typedef struct {
    reel_var x, answer; /* [steps, BATCH, in], [answered, BATCH, …] */
} question;

typedef struct {
    const char *name;
    int in, out, answered; /* widths of a step and of what is said; the last steps are answered */
    question (*ask)(reel_tape *, int T, uint64_t *random);
    /* Of what a network says, [answered, BATCH, out]: what trains it, and the error as a share of
     * what one makes who remembers nothing. */
    reel_var (*loss)(reel_var said, reel_var answer);
    double (*error)(reel_var said, reel_var answer);
} task;

/* The adding problem (Hochreiter & Schmidhuber 1997): of T random numbers two are marked, one in
 * each half; at the end their sum is asked for. */
extern const task adding;
/* The copy task (Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016), of three symbols out of
 * eight: then T steps of nothing, of which the last says that they are to be written in order. */
extern const task copying;

/* splitmix64 (Steele, Lea & Flood 2014), as a number in [0, 1). */
double draw(uint64_t *state);

#endif
