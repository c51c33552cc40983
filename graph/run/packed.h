/* packed.h: products with a right factor that is used again and again: it is packed once into
 * the order in which the inner loop reads it. BLAS packs it anew for every call, which for the
 * few rows of a recurrent step costs as much as a third of the product. Not installed.
 *
 * An element of C has the same bits whatever rows, columns and threads the call has: it is one
 * chain of sums in the order of the inner dimension. So threads may share out a product's rows,
 * each calling reel__gemm_packed for its own with threads = 1, which starts no team and takes no
 * memory.
 */
#ifndef REEL_PACKED_H
#define REEL_PACKED_H

#include "gemm.h"

/* Bytes of the packed B [k,n]. */
size_t reel__packed_size(reel_dtype, int64_t k, int64_t n);
/* B's element (i, j) stands at b[i * row_stride + j * column_stride]; `packed` is 64-byte
 * aligned. */
void reel__pack_factor(reel_dtype, int64_t k, int64_t n, const void *b, int64_t row_stride,
                       int64_t column_stride, void *packed);
/* C = A·B or C += A·B; call->b is the packed factor, A is not transposed. */
void reel__gemm_packed(reel_dtype, const reel__gemm_call *, int threads);

#endif
