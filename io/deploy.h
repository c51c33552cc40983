/* deploy.h: inference-only programs. */
#ifndef REEL_DEPLOY_H
#define REEL_DEPLOY_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
