/* words.h: the words of six languages, from Debian's word lists. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stdint.h>

enum { LANGUAGES = 6, MOST_LETTERS = 24 };

extern const char *const language_names[LANGUAGES];

/* UTF-8, byte by byte. */
typedef struct {
    unsigned char letter[MOST_LETTERS];
    int length, language;
} word;

typedef struct {
    word *learnt, *held_out; /* in random order */
    int learnt_count, held_out_count;
} words;

/* `each` words of every language, which only one language has, a tenth of them held out. False, with
 * a message on stderr, where a list is missing or too short. */
bool words_read(const char *folder, int each, words *);
void words_free(words *);

#endif
