/* names.c: what is called by name, and what was probably meant by one that nobody knows. */
#include <string.h>

#include "training.h"

enum { LONGEST = 63 };

static int least(int a, int b, int c)
{
    int least_of_two = a < b ? a : b;
    return least_of_two < c ? least_of_two : c;
}

/* Insertions, deletions and substitutions between two names (Levenshtein 1966). */
static int distance(const char *a, const char *b)
{
    int row[LONGEST + 1];
    int length = (int)strlen(b); /* a known one: short */
    for (int j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (int i = 1; a[i - 1] && i <= LONGEST; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length; j++) {
            int above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[length];
}

void reel__fail_unknown(reel_tape *tape, const char *op, const char *what, const char *name,
                        const char *const known[])
{
    char list[700] = "";
    const char *nearest = NULL;
    int smallest = LONGEST;
    for (int i = 0; known[i]; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known[i]);
        int d = distance(name, known[i]);
        if (d < smallest) {
            smallest = d;
            nearest = known[i];
        }
    }
    reel_fail(tape, REEL_NOT_FOUND, op, "there is no %s \"%.40s\"; did you mean \"%s\"? Known: %s",
              what, name, nearest ? nearest : "", list);
}
