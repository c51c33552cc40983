/* pace.h: how many threads a plan is run on. Not installed. */
#ifndef REEL_RUN_PACE_H
#define REEL_RUN_PACE_H

#include "../tape.h"

/* Sets the tape's threads for the evaluation that is about to start … */
double reel__pace_start(reel_tape *);
/* … and back again, having looked at the time it took. */
void reel__pace_end(reel_tape *, double started);

#endif
