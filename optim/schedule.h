/* schedule.h: learning-rate schedules.
 */
#ifndef REEL_SCHEDULE_H
#define REEL_SCHEDULE_H

#include "optim.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A small value; what it points to must outlive it. `at` has no state: the same step gives the same
 * rate. */
typedef struct reel_schedule reel_schedule;
struct reel_schedule {
    double (*at)(const reel_schedule *, double base_lr, int64_t step);
    double number[8]; /* what each of them means, its own function knows */
    const void *list;
    size_t count;
    double (*factor)(void *self, int64_t step); /* reel_function_lr's */
    void *self;
};

typedef struct {
    double best, bad, cooling;
} reel_plateau;

#ifdef __cplusplus
}
#endif

#endif
