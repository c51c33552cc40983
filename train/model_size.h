/* model_size.h: what a model that is not built yet will need. Not installed. */
#ifndef REEL_MODEL_SIZE_H
#define REEL_MODEL_SIZE_H

#include "training.h"

/* No more than its parameters will hold. */
double reel__model_least_numbers(const reel_model *, reel_shape row, bool symbols);
/* Its parameters are the same for rows of any number of steps. */
bool reel__model_takes_any_length(const reel_model *);

#endif
