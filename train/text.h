/* text.h: vocabularies and text corpora. */
#ifndef REEL_TEXT_H
#define REEL_TEXT_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
