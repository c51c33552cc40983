/* read_file.h: a file as one piece of memory. Not installed. */
#ifndef REEL_READ_FILE_H
#define REEL_READ_FILE_H

#include "../graph/tape.h"

typedef struct {
    char *text;
    size_t size;     /* without the 0 behind it */
    size_t capacity; /* of the block */
} reel__text;

/* False, with an error of `op`, when it cannot be read. */
bool reel__read_text(reel_tape *, const char *op, const char *path, reel__text *);
void reel__free_text(reel_tape *, reel__text *);

#endif
