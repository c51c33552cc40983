/* text.h: a text without capitals and punctuation, and what each of its characters lost. */
#ifndef RESTORE_TEXT_H
#define RESTORE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

enum { CHARACTERS = 128, MARKS = 11 };

/* The marks by their numbers; 0 is none. */
extern const char marks[MARKS + 1];

/* Line ends have become blanks: they would give away where sentences begin. */
typedef struct {
    int32_t *character;      /* [count]: what is left */
    int32_t *capital, *mark; /* 1 for a capital; the mark behind */
    int count, learnt;       /* the first `learnt` are learnt from, the others held out */
} text;

/* A twentieth is held out, stretches from all over the text. False where there is no file, or nearly nothing in it. */
bool text_read(const char *path, text *);
void text_free(text *);

#endif
