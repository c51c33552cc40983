/* vector_math.c: the functions of ops/vector_math.h, as the element-wise kernels run them, against
 * the C library's in long double. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"

typedef long double real;

static real sigmoid(real x)
{
    return x >= 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}

static real softplus(real x)
{
    return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

/* The interval is drawn from evenly, and by magnitudes from 1e-40 (f64: 1e-300) up to its ends. */
typedef struct {
    const char *op;
    real (*reference)(real);
    double lo, hi;
    double ulps[2]; /* the error allowed: f32, f64 */
} function;

static const function functions[] = {
    { "exp", expl, -800, 720, { 1.25, 1.25 } },
    { "expm1", expm1l, -60, 720, { 2, 2.25 } },
    { "log", logl, 0, 1e3, { 1, 1 } },
    { "log1p", log1pl, -1, 1e3, { 1.75, 1.75 } },
    { "tanh", tanhl, -25, 25, { 2.5, 2.75 } },
    { "sigmoid", sigmoid, -800, 50, { 2.5, 2.5 } },
    { "softplus", softplus, -800, 50, { 2, 2 } },
};
#define FUNCTIONS (sizeof functions / sizeof functions[0])

/* ---- running a kernel ------------------------------------------------------------------------ */

#define BLOCK 1000
typedef struct {
    reel_dtype dtype;
    union {
        float f32[BLOCK];
        double f64[BLOCK];
    };
} block;

static double value(const block *b, int i)
{
    return b->dtype == REEL_F32 ? (double)b->f32[i] : b->f64[i];
}

static void set_value(block *b, int i, double x)
{
    if (b->dtype == REEL_F32) {
        b->f32[i] = (float)x;
    } else {
        b->f64[i] = x;
    }
}

static void run_kernel(const function *f, int n, const block *x, block *y)
{
    const reel_op *op = reel_op_named(f->op);
    cr_assert_not_null(op);
    y->dtype = x->dtype;
    op->tile[x->dtype]((size_t)n, (const void *const[]){ x->f64 }, y->f64, NULL);
}

static double drawn(double lo, double hi)
{
    return lo + (hi - lo) * ((double)rand() / RAND_MAX);
}

static double drawn_for(const function *f, reel_dtype dtype)
{
    double even = drawn(f->lo, f->hi);
    double spread = exp(drawn(dtype == REEL_F32 ? -92 : -690, log(f->hi)));
    double choice = drawn(0, 3);
    double x = choice < 1 ? even : choice < 2 ? spread : -spread;
    return x < f->lo ? even : x;
}

static void draw(const function *f, reel_dtype dtype, block *x)
{
    x->dtype = dtype;
    for (int i = 0; i < BLOCK; i++) {
        set_value(x, i, drawn_for(f, dtype));
    }
}

/* ---- accuracy -------------------------------------------------------------------------------- */

/* The distance between neighbouring numbers of the type about x. */
static real spacing(reel_dtype dtype, real x)
{
    int digits = dtype == REEL_F32 ? FLT_MANT_DIG : DBL_MANT_DIG;
    int smallest = dtype == REEL_F32 ? FLT_MIN_EXP : DBL_MIN_EXP;
    int exponent;
    frexpl(x, &exponent);
    return ldexpl(1, (exponent < smallest ? smallest : exponent) - digits);
}

static bool overflows(reel_dtype dtype, real x)
{
    real largest = dtype == REEL_F32 ? (real)FLT_MAX : (real)DBL_MAX;
    return fabsl(x) > largest + spacing(dtype, largest) / 2;
}

/* In units of that distance; infinite where the result is not what it should be at all. */
static double error_in_ulps(reel_dtype dtype, double got, real expected)
{
    if (isnan(expected)) {
        return isnan(got) ? 0 : INFINITY;
    }
    if (overflows(dtype, expected)) {
        return got == copysign(INFINITY, (double)expected) ? 0 : INFINITY;
    }
    if (expected == 0) {
        return got == 0 && !signbit(got) == !signbit(expected) ? 0 : INFINITY;
    }
    double error = (double)(fabsl(got - expected) / spacing(dtype, expected));
    return isnan(error) ? INFINITY : error;
}

static void expect_accurate(const function *f, const block *x, int n)
{
    static block y;
    run_kernel(f, n, x, &y);
    for (int i = 0; i < n; i++) {
        double at = value(x, i), got = value(&y, i);
        real expected = f->reference(at);
        double error = error_in_ulps(x->dtype, got, expected);
        cr_assert(error <= f->ulps[x->dtype], "%s_%s(%a) is %a instead of %La, %.3g ulp off", f->op,
                  x->dtype == REEL_F32 ? "f32" : "f64", at, got, expected, error);
    }
}

Test(vector_math, stays_within_the_ulps_it_promises)
{
    static block x;
    for (size_t k = 0; k < 200 * FUNCTIONS; k++) {
        const function *f = &functions[k % FUNCTIONS];
        draw(f, REEL_F32, &x);
        expect_accurate(f, &x, BLOCK);
        draw(f, REEL_F64, &x);
        expect_accurate(f, &x, BLOCK);
    }
}

Test(vector_math, gives_what_libm_gives_for_infinities_nan_zeros_and_denormals)
{
    static const double special[] = {
        NAN,    INFINITY,  -INFINITY, 0.0,    -0.0,
        1,      -1,        -2,        5e-324, -5e-324,
        1e-40,  -1e-40,    2e-308,    1e38,   3e38,
        -1e308, 88.722839, -103.9,    89,     709.78271289338397,
    };
    const int n = sizeof special / sizeof special[0];
    static block x;
    for (size_t k = 0; k < 2 * FUNCTIONS; k++) {
        x.dtype = k < FUNCTIONS ? REEL_F32 : REEL_F64;
        for (int i = 0; i < n; i++) {
            set_value(&x, i, special[i]);
        }
        expect_accurate(&functions[k % FUNCTIONS], &x, n);
    }
}

/* ---- tiles ----------------------------------------------------------------------------------- */

static size_t bytes(const block *b, int n)
{
    return (size_t)n * (b->dtype == REEL_F32 ? sizeof(float) : sizeof(double));
}

/* A tile's last elements do not fill a register; were they computed otherwise, the bits would
 * depend on how the work is cut up. */
Test(vector_math, gives_an_element_the_same_bits_wherever_it_stands)
{
    static block x, all, one;
    for (size_t k = 0; k < 2 * FUNCTIONS; k++) {
        const function *f = &functions[k % FUNCTIONS];
        draw(f, k < FUNCTIONS ? REEL_F32 : REEL_F64, &x);
        run_kernel(f, BLOCK, &x, &all);
        for (int i = 0; i < BLOCK; i++) {
            block single = { .dtype = x.dtype };
            set_value(&single, 0, value(&x, i));
            run_kernel(f, 1, &single, &one);
            double a = value(&one, 0), b = value(&all, i);
            cr_assert(memcmp(&a, &b, sizeof a) == 0, "%s(%a) is %a alone and %a among others",
                      f->op, value(&x, i), a, b);
        }
    }
}

Test(vector_math, may_write_over_its_input)
{
    static block x, y;
    for (size_t k = 0; k < 2 * FUNCTIONS; k++) {
        const function *f = &functions[k % FUNCTIONS];
        draw(f, k < FUNCTIONS ? REEL_F32 : REEL_F64, &x);
        run_kernel(f, BLOCK, &x, &y);
        run_kernel(f, BLOCK, &x, &x);
        cr_expect(memcmp(x.f64, y.f64, bytes(&x, BLOCK)) == 0, "%s", f->op);
    }
}
