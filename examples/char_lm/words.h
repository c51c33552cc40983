/* words.h: a text as words, by the library's vocabulary. */
#ifndef CHAR_LM_WORDS_H
#define CHAR_LM_WORDS_H

#include <reel.h>
#include <stdio.h>

#include "text.h"

/* The `most` most frequent words, punctuation marks and ends of lines being words as well; all
 * others are one unknown word. False, with a reason: the file cannot be read, or is shorter than
 * 1000 characters or 100 words, or the tape has an error that says more. */
bool words_load(text *, reel_tape *, const char *path, int most, const char **reason);

/* A symbol of either kind of text; words with spaces between them where they belong. `previous` is
 * what was written before, -1 at the start. */
void words_write(const text *, int32_t previous, int32_t symbol, FILE *);

#endif
