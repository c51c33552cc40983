/* text.c: taking capitals and punctuation away. */
#include "text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRETCH = 10000, ONE_IN = 20, SHORTEST = ONE_IN * STRETCH };

const char marks[MARKS + 1] = " ,.:;?!'()-";

/* One byte of the file. Of several marks in a row the first counts, of several blanks as well. */
static void take(text *t, int byte)
{
    const char *mark = byte == ' ' ? NULL : strchr(marks, byte);
    int last = t->count - 1;
    if (mark && last >= 0) {
        t->mark[last] = t->mark[last] ? t->mark[last] : (int32_t)(mark - marks);
    }
    bool blank = isspace(byte);
    if (mark || byte >= CHARACTERS || (blank && (last < 0 || t->character[last] == ' '))) {
        return;
    }
    t->capital[t->count] = isupper(byte) != 0;
    t->character[t->count++] = blank ? ' ' : tolower(byte);
}

/* Every twentieth stretch goes behind all others: what is held out is then of every book's kind.
 * Returns where it begins. */
static int hold_out(int32_t *v, int count, int32_t *room)
{
    int learnt = 0;
    for (int pass = 0, to = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            if ((i / STRETCH % ONE_IN == ONE_IN - 1) == pass) {
                room[to++] = v[i];
            }
        }
        learnt = pass == 0 ? to : learnt;
    }
    memcpy(v, room, (size_t)count * sizeof *v);
    return learnt;
}

bool text_read(const char *path, text *t)
{
    *t = (text){ 0 };
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        return false;
    }
    long size = ftell(file);
    rewind(file);
    size_t room = size > 0 ? (size_t)size : 1;
    t->character = calloc(room, sizeof(int32_t));
    t->capital = calloc(room, sizeof(int32_t));
    t->mark = calloc(room, sizeof(int32_t));
    int32_t *free_room = calloc(room, sizeof(int32_t));
    bool fine = t->character && t->capital && t->mark && free_room;
    for (size_t i = 0; fine && i < room; i++) {
        int byte = fgetc(file);
        if (byte == EOF) {
            break;
        }
        take(t, byte);
    }
    fclose(file);
    int32_t *const parts[] = { t->character, t->capital, t->mark };
    for (int k = 0; fine && k < 3; k++) {
        t->learnt = hold_out(parts[k], t->count, free_room);
    }
    free(free_room);
    return fine && t->count >= SHORTEST;
}

void text_free(text *t)
{
    free(t->character);
    free(t->capital);
    free(t->mark);
}
