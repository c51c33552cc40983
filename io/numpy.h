/* numpy.h: arrays in NumPy's formats. */
#ifndef REEL_NUMPY_H
#define REEL_NUMPY_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
