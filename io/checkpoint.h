/* checkpoint.h: the state of training, written whole or not at all. */
#ifndef REEL_CHECKPOINT_H
#define REEL_CHECKPOINT_H

#include "../optim/optim.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
