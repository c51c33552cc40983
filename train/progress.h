/* progress.h: what fit prints when it is asked to. Not installed. */
#ifndef REEL_PROGRESS_H
#define REEL_PROGRESS_H

#include "run.h"

/* The callback that prints, empty when nothing is to be printed; false when memory is short. */
bool reel__progress(reel_tape *, const reel_fit_options *, reel_callback *out);

#endif
