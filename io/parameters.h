/* parameters.h: what checkpoints take from saving parameters. Not installed. */
#ifndef REEL_PARAMETERS_H
#define REEL_PARAMETERS_H

#include "safetensors.h"

bool reel__add_texts(reel_archive *, const reel_text *);
/* Every parameter, as an array that looks into the tape. */
bool reel__lend_params(reel_archive *, const reel_tape *);

#endif
