/* gemm.c: GF/s of products at the sizes of recurrent nets: reel's own with a packed weight, reel's
 * own from scratch, and BLAS.
 *
 *     gemm [THREADS]
 */
#include <cblas.h>
#include <stdlib.h>

#include "graph/run/gemm.h"
#include "graph/run/packed.h"
#include "support.h"

typedef struct {
    int m, k, n;
    bool transpose_a; /* a weight's gradient */
} size;

static const size sizes[] = {
    { 1, 32, 128, false },     { 1, 64, 256, false },      { 1, 256, 1024, false },
    { 8, 256, 1024, false },   { 16, 64, 256, false },     { 20, 650, 2600, false },
    { 32, 256, 1024, false },  { 32, 512, 1024, false },   { 64, 512, 2048, false },
    { 1024, 64, 256, false },  { 3200, 256, 1024, false }, { 64, 1024, 256, true },
    { 256, 3200, 1024, true }, { 650, 700, 2600, true },
};

typedef struct {
    reel__gemm_call call;
    const void *packed;
    void *workspace;
    int threads;
} product;

static void by_packed(const product *p)
{
    reel__gemm_call call = p->call;
    call.b = p->packed;
    reel__gemm_packed(REEL_F32, &call, p->threads);
}

static void by_ours(const product *p)
{
    reel__gemm(REEL_F32, p->call, p->threads, p->workspace);
}

static void by_blas(const product *p)
{
    const reel__gemm_call *c = &p->call;
    cblas_sgemm(CblasRowMajor, c->transpose_a ? CblasTrans : CblasNoTrans, CblasNoTrans, (int)c->m,
                (int)c->n, (int)c->k, 1, c->a, (int)c->lda, c->b, (int)c->ldb, 0, c->c,
                (int)c->ldc);
}

static double rate(void (*run)(const product *), const product *p)
{
    double flops = 2.0 * (double)p->call.m * (double)p->call.n * (double)p->call.k, best = 1e9;
    int repeat = flops > 1e8 ? 1 : (int)(1e8 / flops) + 1;
    for (int i = 0; i < 7; i++) {
        double start = bench_clock();
        for (int k = 0; k < repeat; k++) {
            run(p);
        }
        double ms = (bench_clock() - start) / repeat;
        best = ms < best ? ms : best;
    }
    return flops / best * 1e-6;
}

static float *numbers(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof *x + 63) / 64 * 64);
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)(i % 7) - 3;
    }
    return x;
}

static void measure(const size *s, int threads)
{
    int64_t m = s->m, k = s->k, n = s->n;
    float *a = numbers((size_t)(m * k)), *b = numbers((size_t)(k * n));
    float *c = numbers((size_t)(m * n));
    reel__gemm_call call = { .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .ldb = n, .ldc = n };
    call.transpose_a = s->transpose_a;
    call.lda = s->transpose_a ? m : k;
    void *packed = aligned_alloc(64, reel__packed_size(REEL_F32, k, n) + 64);
    reel__pack_factor(REEL_F32, k, n, b, n, 1, packed);
    void *workspace =
        aligned_alloc(64, reel__gemm_workspace(REEL_F32, &call, threads) / 64 * 64 + 64);
    product p = { call, packed, workspace, threads };
    printf("%5d %5d %5d%s  packed %6.1f  ours %6.1f  BLAS %6.1f GF/s\n", s->m, s->k, s->n,
           s->transpose_a ? " ^T" : "   ", s->transpose_a ? 0 : rate(by_packed, &p),
           rate(by_ours, &p), rate(by_blas, &p));
    free(a), free(b), free(c), free(packed), free(workspace);
}

int main(int count, char **argument)
{
    int threads = count > 1 ? atoi(argument[1]) : 1;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        measure(&sizes[i], threads > 0 ? threads : 1);
    }
    return 0;
}
