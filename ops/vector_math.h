/* vector_math.h: exp, expm1, log, log1p, tanh, sigmoid and softplus that a compiler can vectorise.
 * Not installed.
 *
 *     y[i] = vector_tanh(x[i]);        // float or double, as x is
 *
 * No branches, calls or tables: a loop around them becomes SIMD code for whatever instruction set
 * it is compiled for, and element i gets the same bits wherever in the loop it stands. NaN stays
 * NaN; infinities, signed zeros and denormals come out as in libm. Errors stay under 1.1 ulp for
 * exp and log, under 2.5 for the others (tests/vector_math.c).
 *
 * They must not be compiled with -ffast-math: the reduction adds and subtracts a large constant in
 * order to round, and keeps rounding errors in terms that are zero to an algebraist. What helps
 * is -fno-math-errno -fno-trapping-math -ffp-contract=fast.
 */
#ifndef REAL
#ifndef REEL_VECTOR_MATH_H
#define REEL_VECTOR_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- what differs between the types -------------------------------------------------------- */

typedef uint32_t bits_f32;
typedef uint64_t bits_f64;

#define MANTISSA_BITS_f32 23
#define MANTISSA_BITS_f64 52
#define EXPONENT_BIAS_f32 127U
#define EXPONENT_BIAS_f64 1023U
#define SMALLEST_NORMAL_f32 0x1p-126F
#define SMALLEST_NORMAL_f64 0x1p-1022
#define SMALLEST_FACTOR_f32 0x1p-24F
#define SMALLEST_FACTOR_f64 0x1p-53
#define SQRT_HALF_f32 0x1.6a09e6p-1F
#define SQRT_HALF_f64 0x1.6a09e667f3bcdp-1

/* log 2 in two parts; the first has so few bits that its product with an exponent is exact. */
#define LOG2_HIGH_f32 0x1.62e4p-1F
#define LOG2_LOW_f32 0x1.7f7d1cp-20F
#define LOG2_HIGH_f64 0x1.62e42feep-1
#define LOG2_LOW_f64 0x1.a39ef35793c76p-33

/* Above HIGH exp overflows, below LOW it is less than half the smallest denormal; above DROWNED
 * exp(-x) is nothing beside 1. */
#define EXP_HIGH_f32 89.0F
#define EXP_HIGH_f64 710.0
#define EXP_LOW_f32 -104.0F
#define EXP_LOW_f64 -746.0
#define EXP_DROWNED_f32 20.0F
#define EXP_DROWNED_f64 44.0

/* (exp(r) - 1 - r)/r² for |r| ≤ log(2)/2: minimax polynomials for the relative error of expm1. */
static inline float exp_tail_f32(float r)
{
    return 0x1.fffffep-2F +
           r * (0x1.5554aep-3F + r * (0x1.555676p-5F + r * (0x1.122884p-7F + r * 0x1.6bec4p-10F)));
}

static inline double exp_tail_f64(double r)
{
    double high =
        0x1.a01a0174a9117p-13 +
        r * (0x1.a019a6c0b6171p-16 +
             r * (0x1.71de88717bed1p-19 + r * (0x1.28a296ad97795p-22 + r * 0x1.ae6bfa62c3f25p-26)));
    return 0x1.0000000000005p-1 +
           r * (0x1.5555555555539p-3 +
                r * (0x1.55555555521f4p-5 +
                     r * (0x1.111111111916cp-7 + r * (0x1.6c16c17f122edp-10 + r * high))));
}

/* (log((1 + s)/(1 - s))/s - 2)/z with z = s², for 1 + s over 1 - s in [√½, √2]. */
static inline float log_tail_f32(float z)
{
    return 0x1.555554p-1F + z * (0x1.999a7cp-2F + z * (0x1.24387ap-2F + z * 0x1.e30534p-3F));
}

static inline double log_tail_f64(double z)
{
    double high = 0x1.74664d7bf21d5p-3 + z * (0x1.39a02e82c049cp-3 + z * 0x1.2f15be6f21e15p-3);
    return 0x1.5555555555593p-1 +
           z * (0x1.999999997f8a0p-2 +
                z * (0x1.249249423e956p-2 + z * (0x1.c71c51c647a74p-3 + z * high)));
}

static inline float magnitude_f32(float x)
{
    return fabsf(x);
}

static inline double magnitude_f64(double x)
{
    return fabs(x);
}

static inline float with_sign_f32(float magnitude, float sign)
{
    return copysignf(magnitude, sign);
}

static inline double with_sign_f64(double magnitude, double sign)
{
    return copysign(magnitude, sign);
}

/* ---- what does not ------------------------------------------------------------------------- */

#define KERNELS_OF "vector_math.h"
#include "both_types.h"

#define vector_exp(x) OF_TYPE(x, vector_exp)(x)
#define vector_expm1(x) OF_TYPE(x, vector_expm1)(x)
#define vector_log(x) OF_TYPE(x, vector_log)(x)
#define vector_log1p(x) OF_TYPE(x, vector_log1p)(x)
#define vector_tanh(x) OF_TYPE(x, vector_tanh)(x)
#define vector_sigmoid(x) OF_TYPE(x, vector_sigmoid)(x)
#define vector_softplus(x) OF_TYPE(x, vector_softplus)(x)
#define OF_TYPE(x, name) _Generic((x), float : name##_f32, double : name##_f64)

#endif
#else

static inline TYPED(bits) TYPED(bits_of)(REAL x)
{
    union {
        REAL real;
        TYPED(bits) bits;
    } u = { .real = x };
    return u.bits;
}

static inline REAL TYPED(real_of)(TYPED(bits) bits)
{
    union {
        TYPED(bits) bits;
        REAL real;
    } u = { .bits = bits };
    return u.real;
}

/* 2^n, of n plus the bias. */
static inline REAL TYPED(power_of_two)(TYPED(bits) biased)
{
    return TYPED(real_of)(biased << TYPED(MANTISSA_BITS));
}

/* x = n·log 2 + r; exp(x) = 2^n·(1 + expm1(r)). */
typedef struct {
    TYPED(bits) n; /* negative ones wrap around */
    REAL expm1_r;
} TYPED(reduced);

/* |x| < 2^10. Adding 1.5·2^mantissa rounds to an integer and leaves it in the low bits. */
static inline TYPED(reduced) TYPED(reduce)(REAL x)
{
    const REAL rounder = (REAL)((TYPED(bits))3 << (TYPED(MANTISSA_BITS) - 1));
    REAL shifted = x * (REAL)0x1.71547652b82fep0 + rounder;
    REAL n = shifted - rounder;
    REAL r = x - n * TYPED(LOG2_HIGH) - n * TYPED(LOG2_LOW);
    return (TYPED(reduced)){ TYPED(bits_of)(shifted) - TYPED(bits_of)(rounder),
                             r + r * r * TYPED(exp_tail)(r) };
}

/* Each function replaces at the end what it could not compute. Limiting x beforehand would do as
 * well, but gcc takes the limits for branches and follows each of them to its constant result. */

/* 2^n in two factors, since n reaches beyond the exponents of normal numbers on both sides. */
static inline REAL TYPED(vector_exp)(REAL x)
{
    TYPED(reduced) e = TYPED(reduce)(x);
    TYPED(bits) biased_twice = e.n + 2 * TYPED(EXPONENT_BIAS);
    TYPED(bits) half = biased_twice >> 1;
    REAL y = (1 + e.expm1_r) * TYPED(power_of_two)(half) * TYPED(power_of_two)(biased_twice - half);
    y = x > TYPED(EXP_HIGH) ? (REAL)INFINITY : y;
    return x < TYPED(EXP_LOW) ? 0 : y;
}

/* exp(-|x|): one factor that is large enough for all, and one that brings it down. */
static inline REAL TYPED(exp_of_minus_magnitude)(REAL x)
{
    REAL magnitude = TYPED(magnitude)(x);
    TYPED(reduced) e = TYPED(reduce)(-magnitude);
    TYPED(bits) raised = e.n + TYPED(EXPONENT_BIAS) + TYPED(MANTISSA_BITS) + 1;
    REAL y = (1 + e.expm1_r) * TYPED(power_of_two)(raised) * TYPED(SMALLEST_FACTOR);
    return magnitude > -TYPED(EXP_LOW) ? 0 : y;
}

/* 2^n·expm1(r) + (2^n - 1), where the overflowing 2^(largest + 1) goes in two factors. */
static inline REAL TYPED(vector_expm1)(REAL x)
{
    TYPED(reduced) e = TYPED(reduce)(x);
    TYPED(bits) biased = e.n + TYPED(EXPONENT_BIAS);
    TYPED(bits) overflows = biased > 2 * TYPED(EXPONENT_BIAS) ? 1 : 0;
    REAL scale = TYPED(power_of_two)(biased - overflows);
    REAL y = scale * e.expm1_r + (scale - 1);
    y = overflows != 0 ? 2 * y : y;
    y = x == 0 ? x : y;
    y = x > TYPED(EXP_HIGH) ? (REAL)INFINITY : y;
    return x < -TYPED(EXP_DROWNED) ? -1 : y;
}

/* expm1(2|x|)/(expm1(2|x|) + 2): to the last digit where x is small as well. */
static inline REAL TYPED(vector_tanh)(REAL x)
{
    REAL doubled = 2 * TYPED(magnitude)(x);
    TYPED(reduced) e = TYPED(reduce)(doubled);
    REAL scale = TYPED(power_of_two)(e.n + TYPED(EXPONENT_BIAS));
    REAL expm1_doubled = scale * e.expm1_r + (scale - 1);
    REAL y = expm1_doubled / (expm1_doubled + 2);
    y = doubled > TYPED(EXP_DROWNED) ? 1 : y;
    return TYPED(with_sign)(y, x);
}

/* exp(-|x|) never overflows, and is itself the numerator where x is negative. */
static inline REAL TYPED(vector_sigmoid)(REAL x)
{
    REAL e = TYPED(exp_of_minus_magnitude)(x);
    return (x >= 0 ? 1 : e) / (1 + e);
}

/* log(x) of a normal x > 0: x = 2^n·(1 + f), 1 + f in [√½, √2], and with s = f/(2 + f)
 * log(1 + f) = f - f²/2 + s·(f²/2 + s²·tail). The exponent of x counts from `bias`. */
static inline REAL TYPED(log_of_normal)(REAL x, REAL bias)
{
    const TYPED(bits) mantissa = ((TYPED(bits))1 << TYPED(MANTISSA_BITS)) - 1;
    const TYPED(bits) origin = TYPED(bits_of)(TYPED(SQRT_HALF));
    TYPED(bits) moved = TYPED(bits_of)(x) + (TYPED(bits_of)(1) - origin);
    TYPED(bits) exponent = moved >> TYPED(MANTISSA_BITS);
    /* As a number: put into the mantissa of 2^mantissa, which is then taken off. */
    const REAL carrier = (REAL)(mantissa + 1);
    REAL n = TYPED(real_of)(TYPED(bits_of)(carrier) | exponent) - carrier - bias;

    REAL f = TYPED(real_of)((moved & mantissa) + origin) - 1;
    REAL s = f / (2 + f);
    REAL half_square = (REAL)0.5 * f * f;
    REAL rest = s * (half_square + s * s * TYPED(log_tail)(s * s)) + n * TYPED(LOG2_LOW);
    return n * TYPED(LOG2_HIGH) + (f - (half_square - rest));
}

static inline REAL TYPED(vector_log)(REAL x)
{
    const REAL raise = (REAL)((TYPED(bits))1 << TYPED(MANTISSA_BITS));
    const REAL bias = (REAL)TYPED(EXPONENT_BIAS), raised_bias = bias + TYPED(MANTISSA_BITS);
    bool denormal = x < TYPED(SMALLEST_NORMAL);
    REAL y = TYPED(log_of_normal)(denormal ? x * raise : x, denormal ? raised_bias : bias);
    y = x < (REAL)INFINITY ? y : x;
    y = x < 0 ? (REAL)NAN : y;
    return x == 0 ? -(REAL)INFINITY : y;
}

/* log(u) for the rounded u = 1 + x, and the first term of what the rounding lost. */
static inline REAL TYPED(vector_log1p)(REAL x)
{
    REAL u = 1 + x;
    REAL lost = u > 2 ? 1 - (u - x) : x - (u - 1);
    REAL y = TYPED(log_of_normal)(u, (REAL)TYPED(EXPONENT_BIAS)) + lost / u;
    y = u < (REAL)INFINITY ? y : u;
    y = u < 0 ? (REAL)NAN : y;
    y = u == 0 ? -(REAL)INFINITY : y;
    return x == 0 ? x : y;
}

/* max(x, 0) + log1p(exp(-|x|)); the exponential lies between 0 and 1. */
static inline REAL TYPED(vector_softplus)(REAL x)
{
    REAL e = TYPED(exp_of_minus_magnitude)(x);
    REAL u = 1 + e;
    REAL log1p_e = TYPED(log_of_normal)(u, (REAL)TYPED(EXPONENT_BIAS)) + (e - (u - 1)) / u;
    return (x > 0 ? x : 0) + log1p_e;
}

#endif
