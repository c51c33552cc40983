/* names.c: what to say when a name is none of a table's. */
#include "names.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 63 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t reel__name_distance(const char *a, const char *b)
{
    size_t n = smaller(strlen(a), LONGEST), m = smaller(strlen(b), LONGEST), row[LONGEST + 1];
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(substituted, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

static const char *nearest(const char *name, reel__name_at at)
{
    const char *best = "";
    size_t least = SIZE_MAX;
    for (size_t i = 0; at(i); i++) {
        size_t distance = reel__name_distance(name, at(i));
        if (distance < least) {
            least = distance;
            best = at(i);
        }
    }
    return best;
}

void reel__unknown_name(char *out, size_t size, const char *kind, const char *name,
                        reel__name_at at)
{
    if (size == 0) {
        return;
    }
    snprintf(out, size, "no %s is called \"%.63s\"; did you mean %s? Known:", kind,
             name ? name : "", nearest(name ? name : "", at));
    for (size_t i = 0; at(i); i++) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s %s", i > 0 ? "," : "", at(i));
    }
}
