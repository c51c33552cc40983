/* report.h: how well it translates, and what it looks at meanwhile. */
#ifndef REPORT_H
#define REPORT_H

#include "translator.h"

enum { BEAMS = 5 };

typedef struct {
    double whole;   /* share of the pairs that are not right to the last symbol */
    double symbols; /* edits for each symbol of the targets */
} error_rates;

/* Of the first `count` pairs held out. */
error_rates errors_of(translator *, const pairs *, int count, int beams);

/* "source<TAB>translation" */
void print_translation(translator *, const pairs *, const char *source);

/* Of the first long one of what is held out: PATH, and the numbers and the script beside it.
 * Without gnuplot, or a place to draw, it says so. */
void draw_alignment(translator *, const pairs *, const char *path);

#endif
