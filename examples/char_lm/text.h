/* text.h: a text as numbers, and windows through it.
 *
 * A symbol is a character, that is a byte, of those that occur, or a word of a vocabulary. A window
 * is [steps, rows]: row b follows its own part of the text, and the next window goes on where this
 * one ended, so that a model can carry its state over.
 */
#ifndef CHAR_LM_TEXT_H
#define CHAR_LM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int symbols;             /* different ones */
    unsigned char byte[256]; /* symbol → byte, of characters */
    const char **word;       /* symbol → word, of words; NULL: the symbols are characters */
    int32_t unknown;         /* stands for all words that are not in the vocabulary; -1: none */
    int32_t end_of_line;     /* -1: there is none */
    int32_t *data;           /* [length], symbols */
    size_t length, training; /* the first `training` are to train on, the others are held out */
} text;

/* False, with a reason, when the file cannot be read or is shorter than 1000 characters. */
bool text_load(text *, const char *path, const char **reason);
void text_free(text *);

/* Bytes of a file, a 0 behind them; to be freed. NULL with a reason. */
char *text_read(const char *path, size_t *length, const char **reason);
/* The first nineteen twentieths are for training. */
void text_hold_out(text *);

typedef struct {
    int steps, rows;
    int32_t *symbols, *targets; /* [steps, rows]; the target is the character that follows */
} window;

typedef struct {
    const int32_t *data;
    size_t stride, position; /* characters of a row, and how many of them have been read */
    int rows;
} reader;

/* Reads `length` characters in `rows` equal parts; in fewer where there is little to read. */
reader reader_over(const int32_t *data, size_t length, int rows);
/* Fills in the next window of at most `steps` steps; it has 0 steps at the end. */
void reader_next(reader *, int steps, window *);

bool window_new(window *, int steps, int rows);
void window_free(window *);

#endif
