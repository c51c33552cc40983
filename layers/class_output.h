/* class_output.h: what the outputs for many classes share. Not installed. */
#ifndef REEL_CLASS_OUTPUT_H
#define REEL_CLASS_OUTPUT_H

#include "layer.h"

/* The numbers of targets [n], to be given back with reel__resize(tape, targets, *bytes, 0);
 * NULL, with an error that names the position, when one is out of range. */
int32_t *reel__read_targets(reel_var targets, const char *layer, int64_t classes, size_t *bytes);

#endif
