/* safetensors.h: tensors in the safetensors format. */
#ifndef REEL_SAFETENSORS_H
#define REEL_SAFETENSORS_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
