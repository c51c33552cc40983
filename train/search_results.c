/* search_results.c: one line a trial. A line is looked for by its beginning, setting and budget, and
 * must then hold the same values; a last line without an end was cut off and is run again. */
#include "search_results.h"

#include <stdlib.h>
#include <string.h>

enum { LINE = 2048 };

static char *read_lines(FILE *file)
{
    if (fseek(file, 0, SEEK_END) != 0) {
        return NULL;
    }
    long size = ftell(file);
    char *text = size >= 0 ? malloc((size_t)size + 2) : NULL;
    rewind(file);
    if (text) {
        size_t got = fread(text + 1, 1, (size_t)size, file);
        text[0] = '\n'; /* so that every line has one before it */
        text[got + 1] = '\0';
        char *end = strrchr(text, '\n');
        end[1] = '\0';
    }
    return text;
}

bool reel__results_open(reel__results *r, const char *path)
{
    *r = (reel__results){ 0 };
    if (!path) {
        return true;
    }
    FILE *before = fopen(path, "rb");
    if (before) {
        r->lines = read_lines(before);
        fclose(before);
    }
    r->file = fopen(path, r->lines ? "r+b" : "wb");
    if (r->file && r->lines) {
        fseek(r->file, (long)strlen(r->lines) - 1, SEEK_SET);
    }
    return r->file != NULL;
}

void reel__results_close(reel__results *r)
{
    if (r->file) {
        fclose(r->file);
    }
    free(r->lines);
    *r = (reel__results){ 0 };
}

/* The values as they stand in a line. */
static void write_values(char out[LINE], const reel_trial *t)
{
    size_t at = 0;
    for (int i = 0; i < t->count && at < LINE; i++) {
        at += (size_t)snprintf(out + at, LINE - at, "\t%s=%.9g", t->name[i], t->value[i]);
    }
}

reel__result_state reel__results_find(const reel__results *r, const reel_trial *t, double *score)
{
    char start[64], values[LINE] = "", *rest;
    snprintf(start, sizeof start, "\n%d\t%d\t", t->number, t->budget);
    const char *line = r->lines ? strstr(r->lines, start) : NULL;
    if (!line) {
        return REEL__RESULT_NONE;
    }
    *score = strtod(line + strlen(start), &rest);
    write_values(values, t);
    size_t length = strlen(values);
    return strncmp(rest, values, length) == 0 && rest[length] == '\n' ? REEL__RESULT_THERE
                                                                      : REEL__RESULT_OTHER;
}

bool reel__results_add(reel__results *r, const reel_trial *t, double score)
{
    char values[LINE] = "";
    if (!r->file) {
        return true;
    }
    write_values(values, t);
    fprintf(r->file, "%d\t%d\t%.17g%s\n", t->number, t->budget, score, values);
    return fflush(r->file) == 0 && !ferror(r->file);
}
