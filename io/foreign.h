/* foreign.h: weights of PyTorch and Keras. */
#ifndef REEL_FOREIGN_H
#define REEL_FOREIGN_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
