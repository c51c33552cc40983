/* lengths.h: masks out of lengths, for what sees a batch row by row. Not installed. */
#ifndef REEL_LENGTHS_H
#define REEL_LENGTHS_H

#include "layer.h"

/* [1, count]: 0, 1, 2, …; poisoned when memory is short. */
reel_var reel__positions(reel_tape *, int64_t count);

/* [batch, 1]: the lengths as numbers. Poisoned, with "memorize: lengths[1] = 7 is outside 0 …
 * 5", for a length that is out of range. */
reel_var reel__lengths(reel_tape *, const char *layer, const int32_t *lengths, int64_t batch,
                       int64_t steps);

/* Σ mask·each / Σ mask, or the mean where the mask is absent; 0 where nothing counts. `each` is
 * read as 0 where the mask is 0. */
reel_var reel__masked_mean(reel_var each, reel_var mask);

/* False, with "mixture: mask is [3], expected [4]". */
bool reel__check_shape(reel_tape *, const char *layer, const char *what, reel_var,
                       reel_shape expected);

#endif
