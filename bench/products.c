/* products.c: the candidates, and the choice between them by the clock. */
#include "products.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#ifdef BENCH_HAVE_LIBXSMM
#include <libxsmm.h>
#endif

#include "graph/run/packed.h"
#include "support.h"

enum { TRIES = 5 };

static void *aligned(size_t bytes)
{
    void *block = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    if (block == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    memset(block, 0, bytes);
    return block;
}

/* ---- reel's own packed products: all of the benchmark that knows packed.h -------------------- */

static void own_pack(factor *f, const float *b, int64_t row_stride, int64_t column_stride)
{
    reel__pack_factor(REEL_F32, f->k, f->n, b, row_stride, column_stride, f->b);
}

static void own_apply(const factor *f, int64_t rows, const float *a, int64_t lda, float *c,
                      int64_t ldc, bool accumulate)
{
    reel__gemm_call call = { .m = rows,
                             .n = f->n,
                             .k = f->k,
                             .a = a,
                             .b = f->b,
                             .c = c,
                             .lda = lda,
                             .ldc = ldc,
                             .accumulate = accumulate };
    reel__gemm_packed(REEL_F32, &call, 1);
}

static size_t own_size(int64_t k, int64_t n)
{
    return reel__packed_size(REEL_F32, k, n);
}

/* A buffer that grows and is never given back. */
typedef struct {
    float *data;
    size_t bytes;
} buffer;

static float *buffer_of(buffer *b, size_t bytes)
{
    if (bytes > b->bytes) {
        free(b->data);
        b->data = aligned(bytes);
        b->bytes = bytes;
    }
    return b->data;
}

enum { BLOCK = 16 };

/* a [k,m] → out [m,k] */
static void transpose(const float *a, int64_t lda, int64_t k, int64_t m, float *out, int threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t first = 0; first < m; first += BLOCK) {
        int64_t end = first + BLOCK < m ? first + BLOCK : m;
        for (int64_t p = 0; p < k; p += BLOCK) {
            int64_t last = p + BLOCK < k ? p + BLOCK : k;
            for (int64_t i = first; i < end; i++) {
                for (int64_t q = p; q < last; q++) {
                    out[i * k + q] = a[q * lda + i];
                }
            }
        }
    }
}

static void own_large(const reel__gemm_call *c, int threads)
{
    static buffer packed, turned;
    float *b = buffer_of(&packed, own_size(c->k, c->n));
    reel__pack_factor(REEL_F32, c->k, c->n, c->b, c->transpose_b ? 1 : c->ldb,
                      c->transpose_b ? c->ldb : 1, b);
    reel__gemm_call call = *c;
    call.b = b;
    call.transpose_b = false;
    if (c->transpose_a) {
        float *a = buffer_of(&turned, (size_t)(c->m * c->k) * sizeof *a);
        transpose(c->a, c->lda, c->k, c->m, a, threads);
        call.a = a;
        call.lda = c->k;
        call.transpose_a = false;
    }
    reel__gemm_packed(REEL_F32, &call, threads);
}

/* ---- BLAS ------------------------------------------------------------------------------------ */

static size_t plain_size(int64_t k, int64_t n)
{
    return (size_t)(k * n) * sizeof(float);
}

static void plain_pack(factor *f, const float *b, int64_t row_stride, int64_t column_stride)
{
    for (int64_t i = 0; i < f->k; i++) {
        for (int64_t j = 0; j < f->n; j++) {
            f->b[i * f->n + j] = b[i * row_stride + j * column_stride];
        }
    }
}

static void blas_apply(const factor *f, int64_t rows, const float *a, int64_t lda, float *c,
                       int64_t ldc, bool accumulate)
{
    int n = (int)f->n, k = (int)f->k;
    if (rows == 1) {
        cblas_sgemv(CblasRowMajor, CblasTrans, k, n, 1, f->b, n, a, 1, accumulate ? 1 : 0, c, 1);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, n, k, 1, a, (int)lda, f->b, n,
                accumulate ? 1 : 0, c, (int)ldc);
}

static void blas_large(const reel__gemm_call *c, int threads)
{
    (void)threads;
    cblas_sgemm(CblasRowMajor, c->transpose_a ? CblasTrans : CblasNoTrans,
                c->transpose_b ? CblasTrans : CblasNoTrans, (int)c->m, (int)c->n, (int)c->k, 1,
                c->a, (int)c->lda, c->b, (int)c->ldb, c->accumulate ? 1 : 0, c->c, (int)c->ldc);
}

/* ---- libxsmm: panels of 64 columns, each contiguous ------------------------------------------ */

#ifdef BENCH_HAVE_LIBXSMM
enum { PANEL = 64 };

static void xsmm_pack(factor *f, const float *b, int64_t row_stride, int64_t column_stride)
{
    float *out = f->b;
    for (int64_t first = 0; first < f->n; first += PANEL) {
        int64_t end = first + PANEL < f->n ? first + PANEL : f->n;
        for (int64_t i = 0; i < f->k; i++) {
            for (int64_t j = first; j < end; j++) {
                *out++ = b[i * row_stride + j * column_stride];
            }
        }
    }
}

/* libxsmm counts in columns: its C [n,rows] is our C, its A our B. */
static void xsmm_apply(const factor *f, int64_t rows, const float *a, int64_t lda, float *c,
                       int64_t ldc, bool accumulate)
{
    int k = (int)f->k, ld_a = (int)lda, ld_c = (int)ldc, flags = LIBXSMM_GEMM_FLAG_NONE;
    float alpha = 1, beta = accumulate ? 1 : 0;
    for (int64_t first = 0; first < f->n; first += PANEL) {
        int width = f->n - first < PANEL ? (int)(f->n - first) : PANEL;
        libxsmm_smmfunction kernel = libxsmm_smmdispatch(width, (int)rows, k, &width, &ld_a, &ld_c,
                                                         &alpha, &beta, &flags, NULL);
        kernel(f->b + first * f->k, a, c + first);
    }
}
#endif

/* ---- the choice ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    size_t (*size)(int64_t k, int64_t n);
    void (*pack)(factor *, const float *b, int64_t row_stride, int64_t column_stride);
    void (*apply)(const factor *, int64_t rows, const float *a, int64_t lda, float *c, int64_t ldc,
                  bool accumulate);
} kinds[] = {
    { "reel's packed product", own_size, own_pack, own_apply },
    { "BLAS", plain_size, plain_pack, blas_apply },
#ifdef BENCH_HAVE_LIBXSMM
    { "libxsmm", plain_size, xsmm_pack, xsmm_apply },
#endif
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Milliseconds of the fastest of a few rounds of a few products each. */
static double time_of_factor(factor *f, int64_t rows, const float *a, float *c)
{
    double best = 1e300;
    int repeats = 1 + (int)(2e7 / (double)(rows * f->k * f->n + 1));
    for (int try = 0; try < TRIES; try++) {
        double start = bench_clock();
        for (int i = 0; i < repeats; i++) {
            factor_apply(f, rows, a, f->k, c, f->n, true);
        }
        double ms = (bench_clock() - start) / repeats;
        best = ms < best ? ms : best;
    }
    return best;
}

factor factor_new(int64_t k, int64_t n, int64_t rows)
{
    float *a = aligned(plain_size(rows, k)), *c = aligned(plain_size(rows, n));
    float *b = aligned(plain_size(k, n));
    factor chosen = { 0 };
    double best = 1e300;
    for (int kind = 0; kind < KINDS; kind++) {
        factor f = { .k = k, .n = n, .kind = kind, .b = aligned(kinds[kind].size(k, n)) };
        factor_pack(&f, b, n, 1);
        double ms = time_of_factor(&f, rows, a, c);
        if (ms < best) {
            free(chosen.b);
            chosen = f;
            best = ms;
        } else {
            free(f.b);
        }
    }
    free(a);
    free(b);
    free(c);
    return chosen;
}

void factor_pack(factor *f, const float *b, int64_t row_stride, int64_t column_stride)
{
    kinds[f->kind].pack(f, b, row_stride, column_stride);
}

void factor_apply(const factor *f, int64_t rows, const float *a, int64_t lda, float *c, int64_t ldc,
                  bool accumulate)
{
    kinds[f->kind].apply(f, rows, a, lda, c, ldc, accumulate);
}

const char *factor_kind(const factor *f)
{
    return kinds[f->kind].name;
}

static void reel_large(const reel__gemm_call *c, int threads)
{
    size_t bytes = reel__gemm_workspace(REEL_F32, c, threads);
    void *workspace = bytes ? aligned_alloc(64, bytes) : NULL;
    reel__gemm(REEL_F32, *c, threads, workspace);
    free(workspace);
}

static const struct {
    const char *name;
    void (*run)(const reel__gemm_call *, int threads);
} large_kinds[] = {
    { "reel's packed product", own_large },
    { "reel's gemm", reel_large },
    { "BLAS", blas_large },
};

large_product large_product_new(reel__gemm_call call, int threads)
{
    large_product chosen = { .call = call };
    double best = 1e300;
    for (int kind = 0; kind < (int)(sizeof large_kinds / sizeof large_kinds[0]); kind++) {
        large_product p = { .call = call, .kind = kind };
        for (int try = 0; try < 3; try++) {
            double start = bench_clock();
            large_product_run(&p, threads);
            double ms = bench_clock() - start;
            if (ms > 1.5 * best) {
                break; /* this kind is out of the question */
            }
            if (ms < best) {
                best = ms;
                chosen = p;
            }
        }
    }
    return chosen;
}

void large_product_run(const large_product *p, int threads)
{
    large_kinds[p->kind].run(&p->call, threads);
}

const char *large_product_kind(const large_product *p)
{
    return large_kinds[p->kind].name;
}
