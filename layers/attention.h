/* attention.h: attention over a memory. */
#ifndef REEL_ATTENTION_H
#define REEL_ATTENTION_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
