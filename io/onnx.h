/* onnx.h: ONNX. */
#ifndef REEL_ONNX_H
#define REEL_ONNX_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
