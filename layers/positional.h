/* positional.h: the angles of sinusoidal and rotary positions. Not installed. */
#ifndef REEL_POSITIONAL_H
#define REEL_POSITIONAL_H

#include "layer.h"

/* [steps, pairs]: (first + t)/base^(2i/width); base 0: 10000 */
reel_var reel__angles(reel_tape *, int64_t steps, int64_t pairs, int64_t width, int64_t first,
                      double base);
bool reel__check_positions(reel_tape *, const char *layer, int64_t first, double base);

#endif
