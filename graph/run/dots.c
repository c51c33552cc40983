/* dots.c: C's elements as scalar products, summed in independent lanes. */
#include "dots.h"

#include "clones.h"

#define LANES 32
#define FEW 2

bool reel__are_dots(const reel__gemm_call *g)
{
    bool contiguous = !g->transpose_a && (g->transpose_b || (g->n == 1 && g->ldb == 1));
    return contiguous && (g->m <= FEW || g->n <= FEW);
}

#define DEFINE_DOTS(name, real)                                                                    \
    ALWAYS_INLINE real name##_dot(int64_t k, const real *a, const real *b)                         \
    {                                                                                              \
        real lane[LANES] = { 0 }, sum = 0;                                                         \
        int64_t p = 0;                                                                             \
        for (; p + LANES <= k; p += LANES) {                                                       \
            LOOP_WITHOUT_OVERLAP                                                                   \
            for (int l = 0; l < LANES; l++) {                                                      \
                lane[l] += a[p + l] * b[p + l];                                                    \
            }                                                                                      \
        }                                                                                          \
        for (int half = LANES / 2; half > 0; half /= 2) {                                          \
            for (int l = 0; l < half; l++) {                                                       \
                lane[l] += lane[l + half];                                                         \
            }                                                                                      \
        }                                                                                          \
        for (; p < k; p++) {                                                                       \
            sum += a[p] * b[p];                                                                    \
        }                                                                                          \
        return lane[0] + sum;                                                                      \
    }                                                                                              \
    CLONED(name, (const reel__gemm_call *g), (g))                                                  \
    {                                                                                              \
        int64_t b_step = g->transpose_b ? g->ldb : 0;                                              \
        for (int64_t i = 0; i < g->m; i++) {                                                       \
            const real *a = (const real *)g->a + i * g->lda;                                       \
            real *c = (real *)g->c + i * g->ldc;                                                   \
            for (int64_t j = 0; j < g->n; j++) {                                                   \
                real sum = name##_dot(g->k, a, (const real *)g->b + j * b_step);                   \
                c[j] = g->accumulate ? c[j] + sum : sum;                                           \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_DOTS(dots_f32, float)
DEFINE_DOTS(dots_f64, double)

void reel__gemm_dots(reel_dtype dtype, const reel__gemm_call *g)
{
    (dtype == REEL_F32 ? dots_f32 : dots_f64)(g);
}
