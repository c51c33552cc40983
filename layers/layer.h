/* layer.h: what the files of layers/ share. Not installed. */
#ifndef REEL_LAYER_H
#define REEL_LAYER_H

#include "../graph/op.h"
#include "../graph/tape.h"
#include "../ops/ops.h"
#include "layers.h"

/* An option where 0 means `standard` and REEL_ZERO means 0. */
static inline double reel__option(double value, double standard)
{
    if (value == 0) {
        return standard;
    }
    return value == REEL_ZERO ? 0 : value;
}

/* `standard`, unless the option was set. */
static inline reel_init reel__init_option(reel_init option, reel_init standard)
{
    return option.fill ? option : standard;
}

static inline bool reel__is_absent(reel_var v)
{
    return v.tape == NULL;
}

static inline reel_var reel__poisoned(reel_tape *tape)
{
    return (reel_var){ .tape = tape };
}

/* Whether a handle can be used: false, with an error of `layer`, for one that is absent, from
 * another tape or from before a rewind; silently for a poisoned one. */
static inline bool reel__check_handle(reel_tape *tape, const char *layer, reel_var v)
{
    uint32_t index;
    return tape && reel__resolve(tape, v, layer, &index);
}

/* False, with the error "mixture: mask is [3], expected [4]" or one of the handle. */
bool reel__check_shape(reel_tape *, const char *layer, const char *what, reel_var,
                       reel_shape expected);

/* The parameter NAME.PART. */
reel_var reel__layer_param(reel_tape *, const char *name, const char *part, reel_shape, reel_init);

/* Zeroed memory for the `self` of a cell or layer; it lives as long as the tape. NULL, with an
 * error, when memory is short or there is no tape. */
void *reel__layer_self(reel_tape *, size_t bytes);

/* What a size of a layer must be: false, with the error "lstm: hidden is 0, must be at least 1". */
bool reel__check_size(reel_tape *, const char *layer, const char *what, int64_t size);

/* False, with an error of `layer`, where the number is none of the table's. */
bool reel__check_activation(reel_tape *, const char *layer, reel_activation);

#endif
