/* sequence.h: truncated and stateful training, scheduled sampling, encoder and decoder. */
#ifndef REEL_SEQUENCE_H
#define REEL_SEQUENCE_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
