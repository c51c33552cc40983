/* cells.h: cells beyond RNN, LSTM and GRU, each from a paper, with its equations. */
#ifndef REEL_CELLS_H
#define REEL_CELLS_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
