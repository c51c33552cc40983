/* tally.h: accuracy and F1, beside those of who always says 0, the class of the majority. */
#ifndef RESTORE_TALLY_H
#define RESTORE_TALLY_H

#include <stdint.h>

typedef struct {
    double count, right;
    double found, claimed, present; /* other than 0: rightly claimed, claimed at all, there */
} tally;

void tally_add(tally *, int32_t label, int32_t guess);
/* Prints a line; returns the share of the majority's errors that was avoided. */
double tally_show(const char *name, const tally *);

#endif
