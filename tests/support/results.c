/* results.c: what programs read, and how far two lists of it differ. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generator.h"

result *results_add(results *r, const char *label, size_t n)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 32;
        r->list = realloc(r->list, r->capacity * sizeof *r->list);
    }
    result *one = &r->list[r->count++];
    snprintf(one->label, sizeof one->label, "%s", label);
    one->n = n;
    one->numbers = calloc(n + 1, sizeof *one->numbers);
    return one;
}

void results_free(results *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->list[i].numbers);
    }
    free(r->list);
    *r = (results){ 0 };
}

/* ---- comparing ------------------------------------------------------------------------------- */

static double compare(const result *a, const result *b, char where[WHERE_SIZE])
{
    double scale = 1e-4, worst = -1;
    size_t at = 0;
    for (size_t i = 0; i < b->n; i++) {
        scale = fmax(scale, fabs(b->numbers[i]));
    }
    for (size_t i = 0; i < b->n && i < a->n; i++) {
        bool same = memcmp(&a->numbers[i], &b->numbers[i], sizeof(double)) == 0;
        double difference = fabs(a->numbers[i] - b->numbers[i]) / scale;
        difference = same ? 0 : isfinite(difference) ? difference : (double)INFINITY;
        if (difference > worst) {
            worst = difference;
            at = i;
        }
    }
    snprintf(where, WHERE_SIZE, "%s[%zu of %zu]: %.17g and %.17g", a->label, at, a->n,
             a->numbers[at], b->numbers[at]);
    return fmax(worst, 0);
}

double results_difference(const results *a, const results *b, char where[WHERE_SIZE])
{
    if (strcmp(a->error, b->error) != 0 || a->count != b->count) {
        snprintf(where, WHERE_SIZE, "%zu results, error \"%s\"; %zu results, error \"%s\"",
                 a->count, a->error, b->count, b->error);
        return (double)INFINITY;
    }
    double worst = -1;
    for (size_t i = 0; i < a->count; i++) {
        char here[WHERE_SIZE];
        bool alike =
            strcmp(a->list[i].label, b->list[i].label) == 0 && a->list[i].n == b->list[i].n;
        double difference = alike ? compare(&a->list[i], &b->list[i], here) : (double)INFINITY;
        if (!alike) {
            snprintf(here, sizeof here, "%s (%zu) and %s (%zu)", a->list[i].label, a->list[i].n,
                     b->list[i].label, b->list[i].n);
        }
        if (difference > worst) {
            worst = difference;
            memcpy(where, here, WHERE_SIZE);
        }
    }
    return fmax(worst, 0);
}
