/* search_results.h: what is known of a search already. Not installed. */
#ifndef REEL_SEARCH_RESULTS_H
#define REEL_SEARCH_RESULTS_H

#include "search.h"

typedef struct {
    FILE *file;  /* NULL: nothing is kept */
    char *lines; /* what stood in it at the start */
} reel__results;

typedef enum { REEL__RESULT_NONE, REEL__RESULT_THERE, REEL__RESULT_OTHER } reel__result_state;

bool reel__results_open(reel__results *, const char *path); /* NULL: keeps nothing */
void reel__results_close(reel__results *);
/* Has the trial been run? OTHER: its number was run with other values. */
reel__result_state reel__results_find(const reel__results *, const reel_trial *, double *score);
bool reel__results_add(reel__results *, const reel_trial *, double score);

#endif
