/* plot.h: pictures through gnuplot. */
#ifndef REEL_PLOT_H
#define REEL_PLOT_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
