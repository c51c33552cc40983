/* lengths.h: the lengths of a batch's rows: their check, masks and numbers out of them. Not
 * installed. */
#ifndef REEL_LENGTHS_H
#define REEL_LENGTHS_H

#include "layer.h"

/* False, with the error "ctc: input_lengths[2] = 9 is outside 0 … 8", where one is; `what` names
 * them. NULL is good. */
bool reel__check_lengths(reel_tape *, const char *layer, const char *what, const int32_t *lengths,
                         int64_t batch, int64_t most);

/* A row's length: all of it without lengths. */
static inline int64_t reel__length_at(const int32_t *lengths, int64_t row, int64_t all)
{
    return lengths ? lengths[row] : all;
}

/* [steps, batch, 1, …] of this rank, at least 2: 1 where step < length, else 0. Poisoned, with an
 * error of `layer`, for a length that is out of range. */
reel_var reel__length_mask(reel_tape *, const char *layer, int64_t steps, int64_t batch,
                           const int32_t *lengths, int rank);

/* Of this shape, of as many elements as there are: 0, 1, 2, …; the lengths, unchecked, as numbers,
 * `all` where they are NULL. Poisoned when memory is short. */
reel_var reel__positions(reel_tape *, reel_shape);
reel_var reel__lengths(reel_tape *, reel_shape, const int32_t *lengths, int64_t all);

#endif
