/* losses.h: losses of sequences and further losses. */
#ifndef REEL_LOSSES_H
#define REEL_LOSSES_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
