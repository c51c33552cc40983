/* dots.h: products with so few rows or columns that no tile would be filled: each element of C is a
 * scalar product of two contiguous runs. Not installed. */
#ifndef REEL_DOTS_H
#define REEL_DOTS_H

#include "gemm.h"

/* Rows of A and columns of B are contiguous, and one of the two factors has few of them. */
bool reel__are_dots(const reel__gemm_call *);
void reel__gemm_dots(reel_dtype, const reel__gemm_call *);

#endif
