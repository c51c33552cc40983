/* text.c: from a file to windows of symbols. */
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define HELD_OUT 20 /* one part in so many */
#define SHORTEST 1000

/* ---- the text ------------------------------------------------------------------------------ */

static char *read_bytes(FILE *file, size_t *length)
{
    size_t room = 1 << 16;
    char *bytes = malloc(room);
    *length = 0;
    while (bytes) {
        *length += fread(bytes + *length, 1, room - *length, file);
        if (*length < room) {
            bytes[*length] = 0;
            break;
        }
        char *more = realloc(bytes, room *= 2);
        if (more == NULL) {
            free(bytes);
        }
        bytes = more;
    }
    return bytes;
}

char *text_read(const char *path, size_t *length, const char **reason)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        *reason = "cannot be opened";
        return NULL;
    }
    char *bytes = read_bytes(file, length);
    bool broken = ferror(file);
    fclose(file);
    *reason = broken               ? "cannot be read"
              : bytes == NULL      ? "is too large for the memory"
              : *length < SHORTEST ? "is too short to learn from"
                                   : NULL;
    if (*reason) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

void text_hold_out(text *t)
{
    t->training = t->length - t->length / HELD_OUT;
}

/* symbol[] gets each byte's symbol, -1 for one that does not occur. */
static void make_vocabulary(text *t, const unsigned char *bytes, int32_t symbol[])
{
    bool occurs[256] = { false };
    for (size_t i = 0; i < t->length; i++) {
        occurs[bytes[i]] = true;
    }
    for (int byte = 0; byte < 256; byte++) {
        symbol[byte] = occurs[byte] ? t->symbols : -1;
        if (occurs[byte]) {
            t->byte[t->symbols++] = (unsigned char)byte;
        }
    }
    t->end_of_line = symbol['\n'];
}

static bool encode(text *t, const unsigned char *bytes)
{
    int32_t symbol[256];
    make_vocabulary(t, bytes, symbol);
    t->data = malloc(t->length * sizeof *t->data);
    for (size_t i = 0; t->data && i < t->length; i++) {
        t->data[i] = symbol[bytes[i]];
    }
    return t->data != NULL;
}

bool text_load(text *t, const char *path, const char **reason)
{
    *t = (text){ .unknown = -1 };
    char *bytes = text_read(path, &t->length, reason);
    if (bytes && !encode(t, (const unsigned char *)bytes)) {
        *reason = "is too large for the memory";
    }
    free(bytes);
    text_hold_out(t);
    return *reason == NULL;
}

void text_free(text *t)
{
    free(t->data);
    free(t->word);
    *t = (text){ 0 };
}

/* ---- windows ------------------------------------------------------------------------------- */

reader reader_over(const int32_t *data, size_t length, int rows)
{
    const size_t worthwhile = 100;
    size_t most = (length - 1) / worthwhile;
    if (most < (size_t)rows) {
        rows = most > 0 ? (int)most : 1;
    }
    return (reader){ .data = data, .stride = (length - 1) / (size_t)rows, .rows = rows };
}

void reader_next(reader *r, int steps, window *w)
{
    size_t left = r->stride - r->position;
    w->steps = left < (size_t)steps ? (int)left : steps;
    w->rows = r->rows;
    for (int step = 0; step < w->steps; step++) {
        for (int row = 0; row < r->rows; row++) {
            const int32_t *here = r->data + (size_t)row * r->stride + r->position + step;
            w->symbols[step * r->rows + row] = here[0];
            w->targets[step * r->rows + row] = here[1];
        }
    }
    r->position += (size_t)w->steps;
}

bool window_new(window *w, int steps, int rows)
{
    size_t size = (size_t)steps * (size_t)rows;
    *w = (window){ .symbols = malloc(size * sizeof(int32_t)),
                   .targets = malloc(size * sizeof(int32_t)) };
    return w->symbols && w->targets;
}

void window_free(window *w)
{
    free(w->symbols);
    free(w->targets);
    *w = (window){ 0 };
}
