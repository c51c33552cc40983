/* data.h: arrays, tables, windows and batches. */
#ifndef REEL_DATA_H
#define REEL_DATA_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
