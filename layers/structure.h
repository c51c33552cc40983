/* structure.h: cells around cells, stacks, both directions. */
#ifndef REEL_STRUCTURE_H
#define REEL_STRUCTURE_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
