/* gemm.h: the one door to BLAS for products of matrices. Not installed. */
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

/* Runs on as many threads as OpenMP gives the caller: on one inside a parallel region. */
void reel__gemm(reel_dtype, reel__gemm_call);

/* How this OpenBLAS makes its threads: 0 not at all, 1 by itself (pthread), 2 through OpenMP; -1
 * when BLAS is another one. Only 0 and 2 may be called from several threads at once without
 * their getting into each other's way. */
int reel__blas_parallel(void);

#endif
