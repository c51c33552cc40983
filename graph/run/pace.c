/* pace.c: how many threads a plan is run on: all that the tape may use, or one. Where other programs
 * want the processors, too, a team waits at the end of each piece of work for the one of its threads
 * that was put aside, and a step can take a hundred times as long as on one thread. So both are tried now
 * and then, and the faster one is taken. Numbers do not depend on it: how work is cut up never shows
 * in their bits.
 *
 *     evaluation of a plan   0     1     2     3     4     5 … 127      128, 129    130 …
 *     threads                all   all   one   all   one   the faster   the other   the faster
 */
#include "pace.h"

#include <time.h>

#include "threads.h"
#include "tile.h"

enum {
    WARM = 1,       /* evaluations that do not count: memory is new */
    FIRST = 5,      /* … in which both ways take turns */
    INTERVAL = 128, /* between the later trials of what was slower … */
    TRIALS = 2      /* … and how many these are */
};
#define SMOOTHING 0.3
#define CLEARLY 0.9 /* of the time so far: what makes another choice worth it */

static double now(void)
{
    struct timespec at;
    timespec_get(&at, TIME_UTC);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

static bool runs_alone(const reel__pace *pace)
{
    if (pace->evaluations < FIRST) {
        return pace->evaluations >= WARM && (pace->evaluations - WARM) % 2 == 1;
    }
    return pace->prefers_one != (pace->evaluations % INTERVAL < TRIALS);
}

double reel__pace_start(reel_tape *t)
{
    reel__pace *pace = t->plan ? &t->plan->pace : NULL;
    if (pace == NULL || t->threads < 2 || !reel__has_tiles()) {
        return 0;
    }
    pace->alone = runs_alone(pace);
    pace->threads = t->threads;
    t->threads = pace->alone ? 1 : t->threads;
    return now();
}

/* Of the first few times the shorter one, for there is nothing yet that would smooth them. */
static void learn(reel__pace *pace, double seconds)
{
    double *mean = &pace->mean[pace->alone];
    bool early = pace->evaluations < FIRST && seconds < *mean;
    *mean = *mean > 0 && !early ? *mean + SMOOTHING * (seconds - *mean) : seconds;
    if (pace->evaluations >= FIRST - 1 &&
        pace->mean[!pace->prefers_one] < CLEARLY * pace->mean[pace->prefers_one]) {
        pace->prefers_one = !pace->prefers_one;
    }
}

void reel__pace_end(reel_tape *t, double started)
{
    if (started > 0) {
        reel__pace *pace = &t->plan->pace;
        t->threads = pace->threads;
        if (pace->evaluations >= WARM) {
            learn(pace, now() - started);
        }
        pace->evaluations++;
    }
}
