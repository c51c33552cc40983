/* decode.h: greedy, beam and sampled decoding. */
#ifndef REEL_DECODE_H
#define REEL_DECODE_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
