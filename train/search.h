/* search.h: search over hyperparameters, and the learning-rate finder.
 *
 *     static double run(void *self, const reel_trial *trial)          // a validation loss
 *     {
 *         reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
 *         int64_t units = (int64_t)reel_trial_value(trial, "units");
 *         reel_model *m = reel_sequential(t, REEL_LSTM(units), …);
 *         …  .lr = reel_trial_value(trial, "lr"),  .epochs = trial->budget  …
 *     }
 *     reel_search_result best = reel_search(run, &data, (reel_search_options){
 *         .trials = 20, .results = "search.tsv", .keep_one_in = 3, .budget = 2,
 *         .options = { { "lr", .lo = 1e-4, .hi = 1e-1, .log = true },
 *                      { "units", .values = { 16, 32, 64 }, .count = 3 } } });
 */
#ifndef REEL_SEARCH_H
#define REEL_SEARCH_H

#include "fit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- search (search.c) ---------------------------------------------------------------------- */

#define REEL_MAX_SEARCHED 12
#define REEL_MAX_CHOICES 16

/* One of `count` values; without any, a number in [lo, hi]. */
typedef struct {
    const char *name;
    double values[REEL_MAX_CHOICES];
    int count;
    double lo, hi;
    bool log;     /* evenly in its logarithm; lo > 0 */
    bool integer; /* rounded */
} reel_search_option;

typedef struct {
    int number; /* of the setting, from 0 */
    int budget; /* epochs, or whatever it means to the program */
    int count;
    const char *name[REEL_MAX_SEARCHED];
    double value[REEL_MAX_SEARCHED];
} reel_trial;
/* NAN for a name that is none of the options'. */
REEL_API double reel_trial_value(const reel_trial *, const char *name);

/* What is to be small (or large, with .maximize); NAN: it failed, and is the worst. */
typedef double (*reel_trial_fn)(void *self, const reel_trial *);

typedef struct {
    reel_search_option options[REEL_MAX_SEARCHED]; /* up to one without a name */
    /* every combination of values, instead of random settings; options without values are an
     * error */
    bool grid;
    int trials;    /* settings; of a grid 0: all */
    uint64_t seed; /* setting k depends on seed, k and the options alone */
    bool maximize;
    int budget; /* of each trial; 0: 1 */
    /* Successive halving (Jamieson & Talwalkar 2016): of all settings the best 1/keep_one_in go on
     * with keep_one_in times the budget, until one is left. 0: every setting gets one trial. */
    int keep_one_in;
    /* One line a trial, written as soon as it is known: setting, budget, score, name=value …,
     * between tabs. Trials that are there already are not run again. NULL: none. */
    const char *results;
} reel_search_options;

typedef struct {
    reel_status status;
    char message[256]; /* "" with REEL_OK */
    reel_trial best;   /* among those of the largest budget */
    double score;
    int run, resumed; /* trials run now, and taken from the results */
} reel_search_result;
REEL_API reel_search_result reel_search(reel_trial_fn, void *self, reel_search_options);

/* ---- the learning-rate finder (lr_finder.c) -------------------------------------------------- */

/* Trains with a rate that grows from lo to hi, the same factor each batch, until the loss is more
 * than four times its least (Smith 2017). Parameters and rate are put back; what an optimiser
 * remembers is not: compile again before training. */
typedef struct {
    double lo, hi;      /* 0: 1e-7, 10 */
    int steps;          /* 0: 100 */
    int64_t batch_size; /* 0: 32 */
    double smoothing;   /* of the loss, in [0, 1); 0: 0.9 */
    const char *plot;   /* a picture of loss over rate (plot.h); NULL: none */
} reel_lr_finder_options;
typedef struct {
    int count;          /* of the points; 0 with an error on the tape */
    const double *rate; /* [count]; both live as long as the tape */
    const double *loss; /* [count], smoothed */
    double suggestion;  /* where the loss falls most for a factor of the rate */
} reel_lr_finding;
REEL_API reel_lr_finding reel_find_lr(reel_model *, reel_data x, reel_data y,
                                      reel_lr_finder_options);

#ifdef __cplusplus
}
#endif

#endif
