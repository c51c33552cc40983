/* outputs.h: output layers for many classes and for densities. */
#ifndef REEL_OUTPUTS_H
#define REEL_OUTPUTS_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
