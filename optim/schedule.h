/* schedule.h: learning-rate schedules. */
#ifndef REEL_SCHEDULE_H
#define REEL_SCHEDULE_H

#include "optim.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __cplusplus
}
#endif

#endif
