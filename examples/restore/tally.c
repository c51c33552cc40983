/* tally.c: counting what was right. */
#include "tally.h"

#include <stdio.h>

void tally_add(tally *s, int32_t label, int32_t guess)
{
    s->count++;
    s->right += guess == label;
    s->found += label && guess == label;
    s->claimed += guess != 0;
    s->present += label != 0;
}

/* The majority is wrong wherever there is something, and finds none of it: its F1 is 0. */
double tally_show(const char *name, const tally *s)
{
    double avoided = 1 - (s->count - s->right) / s->present;
    double f1 = 2 * s->found / (s->claimed + s->present);
    printf(
        "%-12s accuracy %.2f %%, F1 %.3f; majority %.2f %%, 0.000; %.1f %% of its errors avoided\n",
        name, 100 * s->right / s->count, f1, 100 * (1 - s->present / s->count), 100 * avoided);
    return avoided;
}
