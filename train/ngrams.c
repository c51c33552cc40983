/* ngrams.c: n-grams that two texts have in common. */
#include <stdlib.h>

#include "symbols.h"

typedef struct {
    const uint32_t *at;
    size_t n;
} ngram;

static int compare(const void *a, const void *b)
{
    const ngram *x = a, *y = b;
    for (size_t i = 0; i < x->n; i++) {
        if (x->at[i] != y->at[i]) {
            return x->at[i] < y->at[i] ? -1 : 1;
        }
    }
    return 0;
}

static void sorted(const reel__symbols *x, size_t n, ngram *out)
{
    size_t count = (size_t)reel__ngrams_in(x, n);
    for (size_t i = 0; i < count; i++) {
        out[i] = (ngram){ x->at + i, n };
    }
    if (count) {
        qsort(out, count, sizeof *out, compare);
    }
}

/* How many from `at` on are equal to the one at `at`. */
static size_t run_at(const ngram *list, size_t count, size_t at)
{
    size_t end = at + 1;
    while (end < count && compare(&list[at], &list[end]) == 0) {
        end++;
    }
    return end - at;
}

/* Raises most[i] to how often x's n-gram i, where a run of equals begins, is in y. */
static void most_often(const ngram *x, size_t xs, const ngram *y, size_t ys, size_t *most)
{
    for (size_t i = 0, j = 0; i < xs && j < ys;) {
        int order = compare(&x[i], &y[j]);
        if (order > 0) {
            j += run_at(y, ys, j);
        } else {
            size_t found = order == 0 ? run_at(y, ys, j) : 0;
            most[i] = found > most[i] ? found : most[i];
            i += run_at(x, xs, i);
        }
    }
}

static int64_t clipped(const ngram *x, size_t xs, const size_t *most)
{
    int64_t matched = 0;
    for (size_t i = 0, run; i < xs; i += run) {
        run = run_at(x, xs, i);
        matched += (int64_t)(run < most[i] ? run : most[i]);
    }
    return matched;
}

bool reel__count_ngrams(reel_metric *metric, size_t n, const reel__symbols *x, int ys,
                        const reel__symbols y[], reel__ngram_count *out)
{
    size_t xs = (size_t)reel__ngrams_in(x, n), longest = 0;
    *out = (reel__ngram_count){ .total = (int64_t)xs };
    for (int k = 0; k < ys; k++) {
        size_t count = (size_t)reel__ngrams_in(&y[k], n);
        longest = count > longest ? count : longest;
    }
    size_t bytes = xs * (sizeof(ngram) + sizeof(size_t)) + longest * sizeof(ngram);
    if (xs == 0 || longest == 0) {
        return true;
    }
    ngram *in_x = reel__metric_resize(metric, NULL, 0, bytes), *in_y = in_x + xs;
    if (!in_x) {
        return false;
    }
    size_t *most = (size_t *)(void *)(in_y + longest);
    for (size_t i = 0; i < xs; i++) {
        most[i] = 0;
    }
    sorted(x, n, in_x);
    for (int k = 0; k < ys; k++) {
        sorted(&y[k], n, in_y);
        most_often(in_x, xs, in_y, (size_t)reel__ngrams_in(&y[k], n), most);
    }
    out->matched = clipped(in_x, xs, most);
    reel__metric_resize(metric, in_x, bytes, 0);
    return true;
}
