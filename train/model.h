/* model.h: models made of layers. */
#ifndef REEL_MODEL_H
#define REEL_MODEL_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
