/* vectors.h: sums and products over flat buffers, for optimisers that see all parameters as one
 * vector. Not installed. */
#ifndef REEL_VECTORS_H
#define REEL_VECTORS_H

#include "update.h"

/* Vectors of n elements of the tape's type; the sums are of double, in a fixed order. */
double reel__dot(const reel_tape *, size_t n, const void *x, const void *y);
/* of scale·x */
double reel__sum_of_squares(const reel_tape *, size_t n, const void *x, double scale);
double reel__sum_of_sizes(const reel_tape *, size_t n, const void *x);
/* NaN wins. */
double reel__largest_size(const reel_tape *, size_t n, const void *x);
/* y = a·x + b·y, in double; b = 0 overwrites whatever y is. They may be the same. */
void reel__combine(const reel_tape *, size_t n, double a, const void *x, double b, void *y);

#endif
