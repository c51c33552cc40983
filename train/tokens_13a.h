/* tokens_13a.h: tokens for BLEU. Not installed. */
#ifndef REEL_TOKENS_13A_H
#define REEL_TOKENS_13A_H

#include "symbols.h"

/* Adds the numbers of the text's tokens. */
bool reel__tokens_13a(reel_metric *, reel__span text, reel__lexicon *, reel__symbols *);

#endif
