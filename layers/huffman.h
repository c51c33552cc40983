/* huffman.h: the tree of hierarchical softmax. Not installed. */
#ifndef REEL_HUFFMAN_H
#define REEL_HUFFMAN_H

#include "layer.h"

/* For each class the way from the root to its leaf, as long as the longest: */
typedef struct {
    int64_t classes, depth;
    int32_t *node; /* [classes, depth]: inner nodes 0 … classes - 2; 0 past the end */
    int8_t *turn;  /* [classes, depth]: 1 left, -1 right, 0 past the end */
} reel__code;

/* Huffman's code over counts [classes], all equal for NULL; its memory is the tape's. At least two
 * classes. False when memory is short. */
bool reel__huffman(reel_tape *, int64_t classes, const double *counts, reel__code *);

#endif
