/* sample.h: the model writes. */
#ifndef CHAR_LM_SAMPLE_H
#define CHAR_LM_SAMPLE_H

#include <stdint.h>
#include <stdio.h>

#include "model.h"

typedef struct {
    double temperature; /* of the softmax; 0 takes the likeliest symbol */
    long length;        /* symbols; whole lines are written, up to 300 symbols more */
    uint64_t seed;
} sample_options;

enum { SAMPLE_LEAD_IN = 200 };

/* Reads some lines of the held-out text, at least SAMPLE_LEAD_IN symbols, then writes on from
 * there symbol by symbol, each read back as the next input. False when memory is short; mistakes of
 * the tape are left there. */
bool sample_write(const model *, const text *, sample_options, FILE *);

#endif
