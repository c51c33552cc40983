/* quantise.h: a few rows by a matrix of int8. Not installed. */
#ifndef REEL_QUANTISE_H
#define REEL_QUANTISE_H

#include <stddef.h>
#include <stdint.h>

/* W [depth, columns] in bands of columns, each band's rows one after another, and a scale a column:
 * W[k][j] ≈ scale[j]·q[k][j], |q| ≤ 127. */
size_t reel__quantised_size(int64_t depth, int64_t columns);
/* Fills `out`, 64-byte aligned, and returns the largest |W - scale·q| over the column's largest
 * |W|. W's element (k, j) stands at w[k * row_stride + j * column_stride]. */
double reel__quantise(const float *w, int64_t depth, int64_t columns, int64_t row_stride,
                      int64_t column_stride, void *out);
/* y [rows, columns] = x [rows, depth]·W. */
void reel__multiply_quantised(const float *x, const void *quantised, float *y, int64_t rows,
                              int64_t depth, int64_t columns);

#endif
