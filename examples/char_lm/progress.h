/* progress.h: a line that says how training goes: redrawn on a terminal, now and then elsewhere. */
#ifndef CHAR_LM_PROGRESS_H
#define CHAR_LM_PROGRESS_H

#include <stdbool.h>

typedef struct {
    double started, shown; /* seconds, as clock_now */
    double interval;       /* seconds between two lines */
    bool terminal, drawn;
    long updates;
    double symbols;              /* trained on since `started`, not counting pauses */
    double loss_sum, loss_count; /* since the last line */
    double loss;                 /* the mean over the last line's updates */
    double paused, pause_began;
} progress;

/* Wall-clock seconds since some fixed moment. */
double clock_now(void);

void progress_begin(progress *);
/* After an update. `done` is the part of the training that lies behind, from 0 to 1; seconds_left
 * is negative when nobody knows. */
void progress_update(progress *, double loss, double symbols, double done, double seconds_left);
/* Around other work and its output: clears the line, and leaves the time out of tokens/s. */
void progress_pause(progress *);
void progress_resume(progress *);
double progress_rate(const progress *); /* symbols trained on a second */

#endif
