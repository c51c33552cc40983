/* packed.h: products with a right factor that is used again and again: it is packed once into
 * the order in which the inner loop reads it. BLAS packs it anew for every call, which for the
 * few rows of a recurrent step costs as much as a third of the product. Not installed. */
#ifndef REEL_PACKED_H
#define REEL_PACKED_H

#include "gemm.h"

/* Products with more rows than this are left to BLAS. */
#define REEL__PACKED_ROWS 256

/* Bytes of the packed B [k,n]. */
size_t reel__packed_size(reel_dtype, int64_t k, int64_t n);
/* B's element (i, j) stands at b[i * row_stride + j * column_stride]; `packed` is 64-byte
 * aligned. */
void reel__pack_factor(reel_dtype, int64_t k, int64_t n, const void *b, int64_t row_stride,
                       int64_t column_stride, void *packed);
/* C = A·B or C += A·B; call->b is the packed factor, A is not transposed. */
void reel__gemm_packed(reel_dtype, const reel__gemm_call *, int threads);

#endif
