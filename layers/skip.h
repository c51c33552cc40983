/* skip.h: an input beside what is made of it. Not installed. */
#ifndef REEL_SKIP_H
#define REEL_SKIP_H

#include "layer.h"

/* y + x of one shape; otherwise an error of `layer` with both shapes. */
reel_var reel__add_skip(const char *layer, reel_var y, reel_var x);

#endif
