/* padding.h: which steps count. Not installed. */
#ifndef REEL_PADDING_H
#define REEL_PADDING_H

#include "layer.h"

/* False, with an error of `layer` that names row and value, unless each is 0 … steps. NULL is good. */
bool reel__check_lengths(reel_tape *, const char *layer, const int32_t *lengths, int64_t batch,
                         int64_t steps);

/* The indices, int32, of the `count` steps of [steps·batch] for which `valid` says so; poisoned where
 * memory is short. */
reel_var reel__valid_steps(reel_tape *, const int32_t *lengths, int64_t batch, int64_t steps,
                           int64_t *count);

#endif
