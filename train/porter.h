/* porter.h: stems of English words. Not installed. */
#ifndef REEL_PORTER_H
#define REEL_PORTER_H

#include <stddef.h>

/* Porter (1980) with the extensions of NLTK. The word, lower-case ASCII letters and digits, has room for
 * two bytes more; returns the stem's length. */
size_t reel__porter_stem(char *word, size_t length);

#endif
