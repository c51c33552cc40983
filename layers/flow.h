/* flow.h: sight of the gradient along time. */
#ifndef REEL_FLOW_H
#define REEL_FLOW_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
