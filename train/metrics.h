/* metrics.h: metrics, to the last digit. */
#ifndef REEL_METRICS_H
#define REEL_METRICS_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
