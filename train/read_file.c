/* read_file.c: a file as one piece of memory. */
#include "read_file.h"

#include <errno.h>
#include <string.h>

static bool grow(reel_tape *tape, reel__text *t)
{
    size_t capacity = t->capacity ? 2 * t->capacity : (size_t)64 * 1024;
    char *text = reel__resize(tape, t->text, t->capacity, capacity);
    if (text) {
        t->text = text;
        t->capacity = capacity;
    }
    return text != NULL;
}

static bool read_all(reel_tape *tape, FILE *file, reel__text *t)
{
    for (;;) {
        if (t->size + 1 >= t->capacity && !grow(tape, t)) {
            return false;
        }
        size_t got = fread(t->text + t->size, 1, t->capacity - t->size - 1, file);
        t->size += got;
        t->text[t->size] = '\0';
        if (got == 0) {
            return !ferror(file);
        }
    }
}

bool reel__read_text(reel_tape *tape, const char *op, const char *path, reel__text *out)
{
    *out = (reel__text){ 0 };
    FILE *file = path ? fopen(path, "rb") : NULL;
    bool good = file && read_all(tape, file, out);
    int reason = errno;
    if (file) {
        fclose(file);
    }
    if (!good) {
        reel__free_text(tape, out);
        reel_fail(tape, REEL_FILE_ERROR, op, "cannot read %s: %s", path ? path : "NULL",
                  path ? strerror(reason) : "no path");
    }
    return good;
}

void reel__free_text(reel_tape *tape, reel__text *t)
{
    reel__resize(tape, t->text, t->capacity, 0);
    *t = (reel__text){ 0 };
}
