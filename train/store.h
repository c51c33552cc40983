/* store.h: arrays that data functions make. Not installed. */
#ifndef REEL_STORE_H
#define REEL_STORE_H

#include "../graph/tape.h"
#include "data.h"

/* Room for count elements, until the tape's end; NULL with an error, also for a count that is too
 * large to be one. */
static inline void *reel__new_array(reel_tape *tape, int64_t count, size_t element)
{
    if (!tape || count < 0 || (uint64_t)count > SIZE_MAX / 16 / element) {
        reel_fail(tape, REEL_OUT_OF_MEMORY, "data", "out of memory: the size overflows");
        return NULL;
    }
    return reel__tape_store(tape, (size_t)count * element);
}

static inline bool reel__has_data(reel_data d)
{
    return d.f32 || d.f64 || d.i32;
}

/* [rows, columns]; an axis of length 0 where columns is 0 is none */
static inline reel_data reel__f64_data(double *values, reel_shape shape)
{
    return values ? reel_data_f64(values, shape) : (reel_data){ 0 };
}

#endif
