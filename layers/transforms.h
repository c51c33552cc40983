/* transforms.h: normalisation, convolution, pooling, positional encodings: functions of one tensor. */
#ifndef REEL_TRANSFORMS_H
#define REEL_TRANSFORMS_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
