/* threads.h: the few OpenMP calls, so that a build without OpenMP is one with a single thread. */
#ifndef REEL_RUN_THREADS_H
#define REEL_RUN_THREADS_H

#ifdef _OPENMP
#include <omp.h>
static inline int reel__max_threads(void)
{
    return omp_get_max_threads();
}
/* Returns the number before. It is the calling thread's own, so tapes in other threads are not
 * touched. */
static inline int reel__set_threads(int threads)
{
    int before = omp_get_max_threads();
    if (before != threads) {
        omp_set_num_threads(threads);
    }
    return before;
}
#else
static inline int reel__max_threads(void)
{
    return 1;
}
static inline int reel__set_threads(int threads)
{
    (void)threads;
    return 1;
}
#endif

#endif
