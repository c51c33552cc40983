/* subnormal.h: while a tape of floats is evaluated, results below the smallest normal number, 1.2e-38,
 * become 0. Not installed.
 *
 * Gradients that vanish over a few hundred steps end there, and so do an optimiser's means for
 * embeddings that do not come up; most processors take a hundred times as long over a subnormal number.
 * Nothing is lost that a sum with a normal number would have kept. Doubles stay as they are.
 *
 *     reel__float_mode mode = reel__float_mode_now();
 *     #pragma omp parallel for
 *     for (…) {
 *         reel__float_mode own = reel__float_mode_use(mode);    // a thread's mode is its own
 *         …
 *         reel__float_mode_use(own);
 *     }
 */
#ifndef REEL_RUN_SUBNORMAL_H
#define REEL_RUN_SUBNORMAL_H

#include <stdint.h>

#include "../graph.h"

typedef uint64_t reel__float_mode;

#if defined(__x86_64__) && defined(__GNUC__)
#define REEL__FLUSHING 0x8000u /* results; what is subnormal from outside is read as it is */
static inline reel__float_mode reel__float_mode_now(void)
{
    return __builtin_ia32_stmxcsr();
}
static inline void reel__float_mode_set(reel__float_mode mode)
{
    __builtin_ia32_ldmxcsr((unsigned)mode);
}
#elif defined(__aarch64__) && defined(__GNUC__)
#define REEL__FLUSHING (1u << 24)
static inline reel__float_mode reel__float_mode_now(void)
{
    reel__float_mode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void reel__float_mode_set(reel__float_mode mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#else
#define REEL__FLUSHING 0u
static inline reel__float_mode reel__float_mode_now(void)
{
    return 0;
}
static inline void reel__float_mode_set(reel__float_mode mode)
{
    (void)mode;
}
#endif

/* Returns the mode before. */
static inline reel__float_mode reel__float_mode_use(reel__float_mode mode)
{
    reel__float_mode before = reel__float_mode_now();
    if (before != mode) {
        reel__float_mode_set(mode);
    }
    return before;
}

/* The mode in which numbers of a type are computed. */
static inline reel__float_mode reel__float_mode_of(reel_dtype dtype)
{
    return reel__float_mode_now() | (dtype == REEL_F32 ? REEL__FLUSHING : 0);
}

#endif
