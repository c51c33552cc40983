/* products.h: the products of the hand-written reference (limit.c), each done by whichever of
 * reel's own code, libxsmm and BLAS is fastest on this machine at that size. */
#ifndef BENCH_PRODUCTS_H
#define BENCH_PRODUCTS_H

#include "graph/run/gemm.h"

/* ---- one right factor, used many times: C [rows,n] (+)= A [rows,k] · B [k,n] ---------------- */

typedef struct {
    int64_t k, n;
    int kind; /* whose product it is */
    float *b; /* B in the order that kind likes */
} factor;

/* The fastest kind for that many rows at a time. */
factor factor_new(int64_t k, int64_t n, int64_t rows);
/* B's element (i, j) stands at b[i * row_stride + j * column_stride]. */
void factor_pack(factor *, const float *b, int64_t row_stride, int64_t column_stride);
/* On the calling thread alone. */
void factor_apply(const factor *, int64_t rows, const float *a, int64_t lda, float *c, int64_t ldc,
                  bool accumulate);
const char *factor_kind(const factor *);

/* ---- large products, by all threads ---------------------------------------------------------- */

typedef struct {
    reel__gemm_call call;
    int kind;
} large_product;

/* Tries each kind, so C is overwritten. */
large_product large_product_new(reel__gemm_call, int threads);
void large_product_run(const large_product *, int threads);
const char *large_product_kind(const large_product *);

#endif
