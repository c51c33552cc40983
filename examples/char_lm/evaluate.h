/* evaluate.h: how well the model reads what it has not seen. */
#ifndef CHAR_LM_EVALUATE_H
#define CHAR_LM_EVALUATE_H

#include "model.h"
#include "options.h"

/* Perplexity on the held-out text, exp(total loss / symbols): over all of it, or over the first
 * `windows` of every row. NAN when memory is short. */
double evaluate(const model *, const text *, const options *, long windows, double *symbols);

#endif
