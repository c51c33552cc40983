/* search.h: search over hyperparameters. */
#ifndef REEL_SEARCH_H
#define REEL_SEARCH_H

#include "fit.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
