/* peak.c: the machine's own speed of a square product in f32, GF/s: the best of reel's and BLAS's,
 * of several tries.
 *
 *     peak THREADS
 */
#include <cblas.h>
#include <omp.h>
#include <stdlib.h>

#include "graph/run/gemm.h"
#include "support.h"

enum { SIZE = 1536, TRIES = 5 };

static void by_reel(const float *a, const float *b, float *c)
{
    reel__gemm_call call = { .m = SIZE, .n = SIZE, .k = SIZE, .a = a, .b = b, .c = c };
    call.lda = call.ldb = call.ldc = SIZE;
    int threads = omp_get_max_threads();
    void *workspace = aligned_alloc(64, reel__gemm_workspace(REEL_F32, &call, threads) + 64);
    reel__gemm(REEL_F32, call, threads, workspace);
    free(workspace);
}

static void by_blas(const float *a, const float *b, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIZE, SIZE, SIZE, 1, a, SIZE, b, SIZE, 0,
                c, SIZE);
}

static double rate(void (*product)(const float *, const float *, float *), const float *a,
                   const float *b, float *c)
{
    double best = 1e300;
    for (int i = 0; i < TRIES; i++) {
        double start = bench_clock();
        product(a, b, c);
        double ms = bench_clock() - start;
        best = ms < best ? ms : best;
    }
    return 2e-6 * SIZE * SIZE * SIZE / best;
}

int main(int count, char **argument)
{
    int threads = count == 2 ? atoi(argument[1]) : 0;
    if (threads < 1) {
        fprintf(stderr, "usage: peak THREADS\n");
        return 2;
    }
    omp_set_num_threads(threads);
    size_t n = (size_t)SIZE * SIZE;
    float *a = bench_allocate(n * sizeof *a), *b = bench_allocate(n * sizeof *b);
    float *c = bench_allocate(n * sizeof *c);
    bench_fill("a", 1, n, a);
    bench_fill("b", 1, n, b);
    bench_fill("c", 1, n, c);
    printf("{\"reel\": %.1f, \"blas\": %.1f}\n", rate(by_reel, a, b, c), rate(by_blas, a, b, c));
    free(a);
    free(b);
    free(c);
    return 0;
}
