/* gemm.h: the one door to products of matrices, our own and BLAS's. Not installed. */
#ifndef REEL_GEMM_H
#define REEL_GEMM_H

#include "../graph.h"

/* C [m,n] = A [m,k] · B [k,n], or C += …. All matrices are row-major with rows ld elements
 * apart; a transposed one is stored as [k,m], or [n,k]. m may be any size; n, k and the ld fit
 * into an int. */
typedef struct {
    int64_t m, n, k;
    const void *a, *b;
    void *c;
    int64_t lda, ldb, ldc;
    bool transpose_a, transpose_b, accumulate;
} reel__gemm_call;

/* Bytes of 64-byte aligned workspace for a product. */
size_t reel__gemm_workspace(reel_dtype, const reel__gemm_call *, int threads);
/* Runs on `threads` threads; with 1 no team is started, so that it may be called inside one. */
void reel__gemm(reel_dtype, reel__gemm_call, int threads, void *workspace);

/* How this OpenBLAS makes its threads: 0 not at all, 1 by itself (pthread), 2 through OpenMP; -1
 * when BLAS is another one. Only 0 and 2 may be called from several threads at once without
 * their getting into each other's way. */
int reel__blas_parallel(void);

/* Products are computed by tiles of our own, to the same bits on any number of threads. */
bool reel__has_tiles(void);

#endif
