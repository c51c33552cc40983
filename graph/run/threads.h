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
/* In a parallel region: how many there are in fact, and which one this is. */
static inline int reel__team_size(void)
{
    return omp_get_num_threads();
}
static inline int reel__thread_number(void)
{
    return omp_get_thread_num();
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
static inline int reel__team_size(void)
{
    return 1;
}
static inline int reel__thread_number(void)
{
    return 0;
}
#endif

#endif
