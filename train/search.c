/* search.c: grid and random search, with successive halving. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../graph/philox.h"
#include "search_results.h"

typedef struct {
    int number;
    double score;
} standing;

typedef struct {
    reel_trial_fn function;
    void *self;
    const reel_search_options *options;
    int count; /* options */
    reel__results results;
    reel_search_result out;
} search;

static bool fail(search *s, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);
static bool fail(search *s, reel_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->out.message, sizeof s->out.message, format, arguments);
    va_end(arguments);
    s->out.status = status;
    return false;
}

double reel_trial_value(const reel_trial *trial, const char *name)
{
    for (int i = 0; trial && name && i < trial->count; i++) {
        if (strcmp(trial->name[i], name) == 0) {
            return trial->value[i];
        }
    }
    return NAN;
}

/* ---- checks -------------------------------------------------------------------------------- */

static bool check_option(search *s, const reel_search_option *o)
{
    if (o->count < 0 || o->count > REEL_MAX_CHOICES) {
        return fail(s, REEL_BAD_ARGUMENT, "option %s has %d values, at most %d", o->name, o->count,
                    REEL_MAX_CHOICES);
    }
    if (o->count == 0 && s->options->grid) {
        return fail(s, REEL_BAD_ARGUMENT, "option %s of a grid has no values", o->name);
    }
    if (o->count == 0 &&
        !(o->lo <= o->hi && isfinite(o->lo) && isfinite(o->hi) && (!o->log || o->lo > 0))) {
        return fail(s, REEL_BAD_ARGUMENT, "option %s lies in [%g, %g]%s", o->name, o->lo, o->hi,
                    o->log ? ", by its logarithm" : "");
    }
    return true;
}

static int64_t grid_size(const search *s)
{
    int64_t size = 1;
    for (int i = 0; i < s->count && size < INT32_MAX; i++) {
        size *= s->options->options[i].count;
    }
    return size;
}

/* How many settings there are to try; 0 with an error. */
static int settings(search *s)
{
    const reel_search_options *o = s->options;
    while (s->count < REEL_MAX_SEARCHED && o->options[s->count].name) {
        if (!check_option(s, &o->options[s->count])) {
            return 0;
        }
        s->count++;
    }
    int64_t all = o->grid ? grid_size(s) : INT32_MAX, wanted = o->trials;
    wanted = o->grid && wanted == 0 ? all : wanted;
    if (!s->function || s->count == 0 || wanted < 1 || wanted > all || wanted > 1000000) {
        fail(s, REEL_BAD_ARGUMENT, "%lld trials over %d options", (long long)wanted, s->count);
        return 0;
    }
    if (o->budget < 0 || o->keep_one_in < 0 || o->keep_one_in == 1) {
        fail(s, REEL_BAD_ARGUMENT, "budget is %d, keep_one_in is %d: must be 0 or more, and not 1",
             o->budget, o->keep_one_in);
        return 0;
    }
    return (int)wanted;
}

/* ---- trials -------------------------------------------------------------------------------- */

static double draw(const search *s, const reel_search_option *o, int number, int which)
{
    double u =
        reel__philox_uniform(reel__philox(s->options->seed, (uint64_t)number, (uint64_t)which), 0);
    if (o->count > 0) {
        return o->values[(int)(u * o->count)];
    }
    double v =
        o->log ? exp(log(o->lo) + u * (log(o->hi) - log(o->lo))) : o->lo + u * (o->hi - o->lo);
    return o->integer ? round(v) : v;
}

/* The last option of a grid changes fastest. */
static reel_trial trial_of(const search *s, int number, int budget)
{
    reel_trial t = { .number = number, .budget = budget, .count = s->count };
    int64_t left = number;
    for (int i = s->count - 1; i >= 0; i--) {
        const reel_search_option *o = &s->options->options[i];
        t.name[i] = o->name;
        if (s->options->grid) {
            t.value[i] = o->values[left % o->count];
            left /= o->count;
        } else {
            t.value[i] = draw(s, o, number, i);
        }
    }
    return t;
}

/* Is score a better than b? NaN is worse than anything. */
static bool better(const search *s, double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return !isnan(a);
    }
    return s->options->maximize ? a > b : a < b;
}

static bool run_trial(search *s, int number, int budget, double *score)
{
    reel_trial trial = trial_of(s, number, budget);
    reel__result_state found = reel__results_find(&s->results, &trial, score);
    if (found == REEL__RESULT_OTHER) {
        return fail(s, REEL_BAD_FILE, "%.150s is of another search: setting %d differs",
                    s->options->results, number);
    }
    if (found == REEL__RESULT_THERE) {
        s->out.resumed++;
        return true;
    }
    *score = s->function(s->self, &trial);
    s->out.run++;
    return reel__results_add(&s->results, &trial, *score) ||
           fail(s, REEL_FILE_ERROR, "cannot write %.200s", s->options->results);
}

/* Insertion keeps equal ones in their order. */
static void rank(const search *s, standing list[], int n)
{
    for (int i = 1; i < n; i++) {
        standing moving = list[i];
        int at = i;
        for (; at > 0 && better(s, moving.score, list[at - 1].score); at--) {
            list[at] = list[at - 1];
        }
        list[at] = moving;
    }
}

static bool run_round(search *s, standing list[], int n, int budget)
{
    for (int i = 0; i < n; i++) {
        if (!run_trial(s, list[i].number, budget, &list[i].score)) {
            return false;
        }
    }
    rank(s, list, n);
    s->out.best = trial_of(s, list[0].number, budget);
    s->out.score = list[0].score;
    return true;
}

static bool run_rounds(search *s, standing list[], int n)
{
    int budget = s->options->budget ? s->options->budget : 1, divisor = s->options->keep_one_in;
    for (int i = 0; i < n; i++) {
        list[i].number = i;
    }
    bool good = run_round(s, list, n, budget);
    while (good && divisor > 0 && n > 1 && budget <= INT32_MAX / divisor) {
        n = n / divisor > 0 ? n / divisor : 1;
        budget *= divisor;
        good = run_round(s, list, n, budget);
    }
    return good;
}

reel_search_result reel_search(reel_trial_fn function, void *self, reel_search_options options)
{
    search s = { .function = function,
                 .self = self,
                 .options = &options,
                 .out = { .score = NAN, .best = { .number = -1 } } };
    int n = settings(&s);
    if (n == 0) {
        return s.out;
    }
    if (!reel__results_open(&s.results, options.results)) {
        fail(&s, REEL_FILE_ERROR, "cannot read or write %.200s", options.results);
        return s.out;
    }
    standing *list = calloc((size_t)n, sizeof *list);
    if (list) {
        run_rounds(&s, list, n);
    } else {
        fail(&s, REEL_OUT_OF_MEMORY, "out of memory for %d settings", n);
    }
    free(list);
    reel__results_close(&s.results);
    return s.out;
}
