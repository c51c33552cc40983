/* fit.h: fit, evaluate, predict and their callbacks. */
#ifndef REEL_FIT_H
#define REEL_FIT_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
