/* gemm.c: products of matrices, by our own tiles where they are made for the processor's instruction
 * set and through CBLAS elsewhere; products with a column as such, which is several times faster. */
#include "gemm.h"

#include "blocked.h"
#include "clones.h"
#include "dots.h"

#include <cblas.h>
#include <limits.h>
#include <string.h>

/* A matrix by a vector: y [m] = A [m,n]·x [n], the elements of x and y some distance apart. */
typedef struct {
    CBLAS_TRANSPOSE transpose;
    int rows, columns; /* as stored */
    const void *a, *x;
    void *y;
    int lda, x_step, y_step, y_length;
} gemv_call;

static void clear(char *y, int n, int step, size_t element)
{
    for (int i = 0; i < n; i++) {
        memset(y + (size_t)i * (size_t)step * element, 0, element);
    }
}

/* y is cleared by hand: what beta = 0 does to a NaN left in y differs between versions of BLAS. */
static void gemv(reel_dtype dtype, const gemv_call *g, bool accumulate)
{
    if (!accumulate) {
        clear(g->y, g->y_length, g->y_step, dtype == REEL_F32 ? sizeof(float) : sizeof(double));
    }
    if (dtype == REEL_F32) {
        cblas_sgemv(CblasRowMajor, g->transpose, g->rows, g->columns, 1, g->a, g->lda, g->x,
                    g->x_step, 1, g->y, g->y_step);
    } else {
        cblas_dgemv(CblasRowMajor, g->transpose, g->rows, g->columns, 1, g->a, g->lda, g->x,
                    g->x_step, 1, g->y, g->y_step);
    }
}

/* A by the only column of B. */
static void times_column(reel_dtype dtype, const reel__gemm_call *c)
{
    int m = (int)c->m, k = (int)c->k;
    gemv_call g = {
        .transpose = c->transpose_a ? CblasTrans : CblasNoTrans,
        .rows = c->transpose_a ? k : m,
        .columns = c->transpose_a ? m : k,
        .a = c->a,
        .x = c->b,
        .y = c->c,
        .lda = (int)c->lda,
        .x_step = c->transpose_b ? 1 : (int)c->ldb,
        .y_step = (int)c->ldc,
        .y_length = m,
    };
    gemv(dtype, &g, c->accumulate);
}

/* The only row of A by B. */
static void row_times(reel_dtype dtype, const reel__gemm_call *c)
{
    int n = (int)c->n, k = (int)c->k;
    gemv_call g = {
        .transpose = c->transpose_b ? CblasNoTrans : CblasTrans,
        .rows = c->transpose_b ? n : k,
        .columns = c->transpose_b ? k : n,
        .a = c->b,
        .x = c->a,
        .y = c->c,
        .lda = (int)c->ldb,
        .x_step = c->transpose_a ? (int)c->lda : 1,
        .y_step = 1,
        .y_length = n,
    };
    gemv(dtype, &g, c->accumulate);
}

static void gemm(reel_dtype dtype, const reel__gemm_call *c)
{
    CBLAS_TRANSPOSE a = c->transpose_a ? CblasTrans : CblasNoTrans;
    CBLAS_TRANSPOSE b = c->transpose_b ? CblasTrans : CblasNoTrans;
    int m = (int)c->m, n = (int)c->n, k = (int)c->k;
    int lda = (int)c->lda, ldb = (int)c->ldb, ldc = (int)c->ldc;
    if (dtype == REEL_F32) {
        cblas_sgemm(CblasRowMajor, a, b, m, n, k, 1, c->a, lda, c->b, ldb, c->accumulate ? 1 : 0,
                    c->c, ldc);
    } else {
        cblas_dgemm(CblasRowMajor, a, b, m, n, k, 1, c->a, lda, c->b, ldb, c->accumulate ? 1 : 0,
                    c->c, ldc);
    }
}

static void product(reel_dtype dtype, const reel__gemm_call *c)
{
    if (c->n == 1) {
        times_column(dtype, c);
    } else if (c->m == 1) {
        row_times(dtype, c);
    } else {
        gemm(dtype, c);
    }
}

/* An empty sum. */
static void clear_rows(const reel__gemm_call *c, size_t element)
{
    for (int64_t row = 0; row < c->m && !c->accumulate; row++) {
        memset((char *)c->c + (size_t)(row * c->ldc) * element, 0, (size_t)c->n * element);
    }
}

/* y = Aᵀ·x as the row xᵀ·A, where x and y are contiguous. */
static bool turn_column(reel__gemm_call *c)
{
    bool fits =
        c->n == 1 && c->m > 1 && c->transpose_a && (c->transpose_b || c->ldb == 1) && c->ldc == 1;
    if (fits) {
        reel__gemm_call turned = { .m = 1, .n = c->m, .k = c->k, .a = c->b, .b = c->a, .c = c->c };
        turned.lda = c->k;
        turned.ldb = c->lda;
        turned.ldc = c->m;
        turned.accumulate = c->accumulate;
        *c = turned;
    }
    return fits;
}

/* Which of the two depends on shape and instruction set alone, so that results can be repeated. Where
 * the tiles are written for the vectors at hand they are as fast as OpenBLAS 0.3.21's Haswell
 * kernels on large products, faster on its SkylakeX ones and on few rows (bench/gemm.c), and five
 * times as fast where OpenBLAS does not know the processor and falls back to SSE. A matrix by a
 * single column leaves tiles empty. */
bool reel__has_tiles(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    return HAS_AVX512 || HAS_AVX2;
#else
    return false;
#endif
}

static bool is_ours(const reel__gemm_call *c)
{
    return c->n > 1 && reel__has_tiles();
}

size_t reel__gemm_workspace(reel_dtype dtype, const reel__gemm_call *c, int threads)
{
    reel__gemm_call turned = *c;
    turn_column(&turned);
    return is_ours(&turned) ? reel__blocked_workspace(dtype, &turned, threads) : 0;
}

void reel__gemm(reel_dtype dtype, reel__gemm_call c, int threads, void *workspace)
{
    size_t element = dtype == REEL_F32 ? sizeof(float) : sizeof(double);
    if (c.m == 0 || c.n == 0) {
        return;
    }
    if (c.k == 0) {
        clear_rows(&c, element);
        return;
    }
    if (reel__has_tiles()) {
        turn_column(&c);
    }
    if (reel__has_tiles() && reel__are_dots(&c)) {
        reel__gemm_dots(dtype, &c);
        return;
    }
    if (is_ours(&c)) {
        reel__gemm_blocked(dtype, &c, threads, workspace);
        return;
    }
    for (int64_t rows = c.m; rows > 0; rows -= c.m) {
        c.m = rows < INT_MAX ? rows : INT_MAX;
        product(dtype, &c);
        c.a = (const char *)c.a + (size_t)(c.transpose_a ? c.m : c.m * c.lda) * element;
        c.c = (char *)c.c + (size_t)(c.m * c.ldc) * element;
    }
}

int reel__blas_parallel(void)
{
#ifdef REEL_HAVE_OPENBLAS
    return openblas_get_parallel();
#else
    return -1;
#endif
}
