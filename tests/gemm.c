/* gemm.c: products of matrices as the executor calls them: every form of the factors, sizes around
 * those of tiles and panels, and bits that do not depend on how rows are shared out. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/run/gemm.h"
#include "graph/run/packed.h"

/* ---- random products ------------------------------------------------------------------------- */

static uint64_t next_word(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static int64_t any_size(uint64_t *state)
{
    static const int64_t edges[] = {
        0, 1, 2, 3, 6, 7, 13, 14, 15, 31, 32, 33, 47, 48, 64, 65, 130
    };
    return edges[next_word(state) % (sizeof edges / sizeof edges[0])];
}

/* Numbers with few digits: sums of them are exact, in whatever order. */
static double any_number(uint64_t *state)
{
    return (double)((int)(next_word(state) % 17) - 8) / 4;
}

typedef struct {
    reel_dtype dtype;
    size_t element;
    reel__gemm_call call;
    size_t a_size, b_size, c_size;
    void *a, *b, *c;
} product;

static void store(const product *p, void *at, size_t i, double value)
{
    if (p->dtype == REEL_F32) {
        ((float *)at)[i] = (float)value;
    } else {
        ((double *)at)[i] = value;
    }
}

static double load(const product *p, const void *at, size_t i)
{
    return p->dtype == REEL_F32 ? (double)((const float *)at)[i] : ((const double *)at)[i];
}

static void *filled(const product *p, size_t n, uint64_t *state)
{
    void *at = aligned_alloc(64, (n * p->element + 127) / 64 * 64);
    for (size_t i = 0; i < n; i++) {
        store(p, at, i, any_number(state));
    }
    return at;
}

static product make_sized(uint64_t *state, int64_t m, int64_t n, int64_t k)
{
    product p = { .dtype = next_word(state) % 2 ? REEL_F32 : REEL_F64 };
    reel__gemm_call *g = &p.call;
    p.element = p.dtype == REEL_F32 ? sizeof(float) : sizeof(double);
    g->m = m, g->n = n, g->k = k;
    g->transpose_a = next_word(state) % 2, g->transpose_b = next_word(state) % 2;
    g->accumulate = next_word(state) % 2;
    int64_t wider = (int64_t)(next_word(state) % 3);
    g->lda = (g->transpose_a ? g->m : g->k) + wider + 1;
    g->ldb = (g->transpose_b ? g->k : g->n) + (next_word(state) % 2 ? 0 : wider);
    g->ldb = g->ldb > 0 ? g->ldb : 1;
    g->ldc = (g->n > 0 ? g->n : 1) + wider;
    p.a_size = (size_t)((g->transpose_a ? g->k : g->m) * g->lda);
    p.b_size = (size_t)((g->transpose_b ? g->n : g->k) * g->ldb);
    p.c_size = (size_t)(g->m * g->ldc);
    p.a = filled(&p, p.a_size, state), p.b = filled(&p, p.b_size, state);
    p.c = filled(&p, p.c_size, state);
    g->a = p.a, g->b = p.b, g->c = p.c;
    return p;
}

static product make_product(uint64_t *state)
{
    int64_t m = any_size(state), n = any_size(state), k = any_size(state);
    return make_sized(state, m, n, next_word(state) % 8 ? k : 900 /* more than one block */);
}

static void free_product(product *p)
{
    free(p->a), free(p->b), free(p->c);
}

static double expected_at(const product *p, const void *before, int64_t i, int64_t j)
{
    const reel__gemm_call *g = &p->call;
    double sum = g->accumulate ? load(p, before, (size_t)(i * g->ldc + j)) : 0;
    for (int64_t x = 0; x < g->k; x++) {
        int64_t a = g->transpose_a ? x * g->lda + i : i * g->lda + x;
        int64_t b = g->transpose_b ? j * g->ldb + x : x * g->ldb + j;
        sum += load(p, p->a, (size_t)a) * load(p, p->b, (size_t)b);
    }
    return sum;
}

/* Elements beside C's columns are not touched. */
static void expect_product(const product *p, const void *before, uint64_t seed)
{
    const reel__gemm_call *g = &p->call;
    for (int64_t i = 0; i < g->m; i++) {
        for (int64_t j = 0; j < g->ldc; j++) {
            size_t at = (size_t)(i * g->ldc + j);
            double expected = j < g->n ? expected_at(p, before, i, j) : load(p, before, at);
            cr_assert_eq(load(p, p->c, at), expected,
                         "seed %llu, f%d [%lld,%lld] x [%lld,%lld]%s%s%s: (%lld,%lld) is %g, "
                         "expected %g",
                         (unsigned long long)seed, (int)p->element * 8, (long long)g->m,
                         (long long)g->k, (long long)g->k, (long long)g->n,
                         g->transpose_a ? ", A transposed" : "",
                         g->transpose_b ? ", B transposed" : "", g->accumulate ? ", added" : "",
                         (long long)i, (long long)j, load(p, p->c, at), expected);
        }
    }
}

static void *copy_of(const void *from, size_t bytes)
{
    void *to = malloc(bytes + 1);
    memcpy(to, from, bytes);
    return to;
}

static void run(const product *p, int threads)
{
    size_t bytes = reel__gemm_workspace(p->dtype, &p->call, threads);
    void *workspace = aligned_alloc(64, (bytes + 64) / 64 * 64);
    reel__gemm(p->dtype, p->call, threads, workspace);
    free(workspace);
}

/* ---- the tests ------------------------------------------------------------------------------- */

Test(gemm, products_of_all_forms_and_sizes_are_exact)
{
    for (uint64_t seed = 0; seed < 1500; seed++) {
        uint64_t state = seed * 977 + 5;
        product p = make_product(&state);
        void *before = copy_of(p.c, p.c_size * p.element);
        run(&p, 1 + (int)(seed % 2));
        expect_product(&p, before, seed);
        free(before);
        free_product(&p);
    }
}

/* Rows and columns of more than are packed at a time, at every size of tile and cache group. */
Test(gemm, products_too_wide_for_the_workspace_are_exact)
{
    for (uint64_t seed = 0; seed < 24; seed++) {
        uint64_t state = seed * 613 + 1;
        int64_t m = seed % 3 == 0 ? 20 : seed % 3 == 1 ? 50 : 121;
        product p = make_sized(&state, m, 1300 + (int64_t)(seed % 5), 200);
        void *before = copy_of(p.c, p.c_size * p.element);
        run(&p, 1 + (int)(seed / 3 % 2));
        expect_product(&p, before, seed);
        free(before);
        free_product(&p);
    }
}

Test(gemm, what_stood_in_c_before_is_not_read_unless_it_is_added_to)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        uint64_t state = seed * 31 + 7;
        product p = make_product(&state);
        p.call.accumulate = false;
        for (int64_t i = 0; i < p.call.m; i++) {
            for (int64_t j = 0; j < p.call.n; j++) {
                store(&p, p.c, (size_t)(i * p.call.ldc + j), NAN);
            }
        }
        run(&p, 1);
        for (int64_t i = 0; i < p.call.m; i++) {
            for (int64_t j = 0; j < p.call.n; j++) {
                cr_assert(isfinite(load(&p, p.c, (size_t)(i * p.call.ldc + j))), "seed %llu",
                          (unsigned long long)seed);
            }
        }
        free_product(&p);
    }
}

static void *packed_factor(const product *p)
{
    const reel__gemm_call *g = &p->call;
    void *packed = aligned_alloc(64, reel__packed_size(p->dtype, g->k, g->n) / 64 * 64 + 64);
    reel__pack_factor(p->dtype, g->k, g->n, p->b, g->transpose_b ? 1 : g->ldb,
                      g->transpose_b ? g->ldb : 1, packed);
    return packed;
}

static bool may_be_packed(const product *p)
{
    return !p->call.transpose_a && p->call.m > 0 && p->call.n > 0 && p->call.k > 0;
}

Test(gemm, products_with_a_packed_factor_are_exact)
{
    for (uint64_t seed = 0; seed < 1500; seed++) {
        uint64_t state = seed * 12345 + 3;
        product p = make_product(&state);
        if (may_be_packed(&p)) {
            void *before = copy_of(p.c, p.c_size * p.element), *packed = packed_factor(&p);
            reel__gemm_call call = p.call;
            call.b = packed;
            reel__gemm_packed(p.dtype, &call, 1 + (int)(seed % 2));
            expect_product(&p, before, seed);
            free(before), free(packed);
        }
        free_product(&p);
    }
}

/* Numbers whose sums do depend on the order. */
static void roughen(product *p, uint64_t *state)
{
    for (size_t i = 0; i < p->a_size; i++) {
        store(p, p->a, i, (double)next_word(state) / 7e8 - 1.3);
    }
    for (size_t i = 0; i < p->b_size; i++) {
        store(p, p->b, i, (double)next_word(state) / 9e8 - 1.1);
    }
}

Test(gemm, a_rows_bits_do_not_depend_on_the_rows_beside_it)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        uint64_t state = seed * 71 + 11;
        product p = make_product(&state);
        if (may_be_packed(&p)) {
            roughen(&p, &state);
            void *packed = packed_factor(&p), *whole;
            reel__gemm_call call = p.call;
            call.b = packed;
            call.accumulate = false;
            reel__gemm_packed(p.dtype, &call, 1);
            whole = copy_of(p.c, p.c_size * p.element);
            int64_t cut = (int64_t)next_word(&state) % (call.m + 1);
            call.m = cut;
            reel__gemm_packed(p.dtype, &call, 1);
            call.m = p.call.m - cut;
            call.a = (const char *)p.a + (size_t)(cut * call.lda) * p.element;
            call.c = (char *)p.c + (size_t)(cut * call.ldc) * p.element;
            reel__gemm_packed(p.dtype, &call, 1);
            cr_assert_eq(memcmp(whole, p.c, p.c_size * p.element), 0, "seed %llu",
                         (unsigned long long)seed);
            free(packed), free(whole);
        }
        free_product(&p);
    }
}
