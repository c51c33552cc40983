/* clones.h: one body compiled for several instruction sets. Not installed.
 *
 *     CLONED(add_rows, (size_t n, const float *x, float *y), (n, x, y))
 *     {
 *         LOOP_WITHOUT_OVERLAP
 *         for (size_t i = 0; i < n; i++) {
 *             y[i] += x[i];
 *         }
 *     }
 *     …
 *     add_rows(n, x, y);
 *
 * The body is compiled for each, with what it calls inline, and the best one the processor has
 * runs.
 */
#ifndef REEL_CLONES_H
#define REEL_CLONES_H

/* The choice is two tests of a word that the compiler's runtime fills in before main.
 * target_clones would do without them but asks the loader for ifuncs, which clang 14 makes with
 * names that collide between files, musl has not got and sanitizers run too early. Elsewhere the
 * compiler's own target is all: on AArch64 that has NEON. */
#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_AVX512                                                                                 \
    (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&                    \
     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&                   \
     __builtin_cpu_supports("fma"))
#define HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define FOR_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#define FOR_AVX2 __attribute__((target("avx2,fma")))
#define ALWAYS_INLINE static inline __attribute__((always_inline))

#define CLONED(name, parameters, arguments) CLONED_(name, parameters, arguments)
#define CLONED_(name, parameters, arguments)                                                       \
    ALWAYS_INLINE void name##_body parameters;                                                     \
    FOR_AVX512 static void name##_avx512 parameters                                                \
    {                                                                                              \
        name##_body arguments;                                                                     \
    }                                                                                              \
    FOR_AVX2 static void name##_avx2 parameters                                                    \
    {                                                                                              \
        name##_body arguments;                                                                     \
    }                                                                                              \
    static void name parameters                                                                    \
    {                                                                                              \
        if (HAS_AVX512) {                                                                          \
            name##_avx512 arguments;                                                               \
        } else if (HAS_AVX2) {                                                                     \
            name##_avx2 arguments;                                                                 \
        } else {                                                                                   \
            name##_body arguments;                                                                 \
        }                                                                                          \
    }                                                                                              \
    ALWAYS_INLINE void name##_body parameters
#else
#define ALWAYS_INLINE static inline
#define CLONED(name, parameters, arguments) static void name parameters
#endif

/* Before a loop whose iterations touch the same memory at most at the same index. */
#if defined(__clang__)
#define LOOP_WITHOUT_OVERLAP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define LOOP_WITHOUT_OVERLAP _Pragma("GCC ivdep")
#else
#define LOOP_WITHOUT_OVERLAP
#endif

#endif
