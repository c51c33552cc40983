/* porter.h: stems of English words. Not installed. */
#ifndef REEL_PORTER_H
#define REEL_PORTER_H

#include <stddef.h>

/* Porter (1980) with the extensions of NLTK. Makes of a word, of lower-case ASCII letters and
 * digits, its stem in place; returns the stem's length, never more than the word's. */
size_t reel__porter_stem(char *word, size_t length);

#endif
