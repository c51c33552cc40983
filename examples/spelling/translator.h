/* translator.h: an encoder that reads a sequence both ways, and a decoder that writes another one,
 * looking at each step at what it needs of the first (Bahdanau et al. 2015). */
#ifndef TRANSLATOR_H
#define TRANSLATOR_H

#include "pairs.h"

enum { AT_ONCE = 512 }; /* most pairs in a batch */

typedef struct {
    reel_tape *tape;
    reel_layer source, target, bridge, out; /* embeddings, encoder to decoder, logits */
    reel_cell forwards, backwards, gru;
    reel_attention attention;
} translator;

translator translator_make(reel_tape *, size_t source_symbols, size_t target_symbols);

/* Teacher forcing: the cross-entropy of each symbol of the targets, given those before it. */
reel_var translator_loss(const translator *, const pair *, int count);

/* The translations of the sources: the likeliest symbol at each step with 1 beam, beam search with
 * more. With alignments. */
reel_decoded *translate(translator *, const pair *, int count, int beams);

#endif
