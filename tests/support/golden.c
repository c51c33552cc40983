#define _POSIX_C_SOURCE 200809L
#include "golden.h"

#include <stdlib.h>
#include <string.h>

/* Cuts the field that ends at a tab or at the line's end off *line. */
static char *next_field(char **line)
{
    char *field = *line, *end = field + strcspn(field, "\t\n");
    *line = *end == '\t' ? end + 1 : end;
    *end = '\0';
    return field;
}

static reel_shape parse_shape(const char *text)
{
    reel_shape shape = { 0 };
    while (*text != '-' && *text != '\0' && shape.rank < REEL_MAX_RANK) {
        char *end;
        shape.dim[shape.rank++] = strtoll(text, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
    return shape;
}

static bool parse_values(char *text, golden_row *row)
{
    size_t room = (size_t)reel_shape_size(row->shape);
    row->values = malloc((room ? room : 1) * sizeof *row->values);
    for (row->count = 0; row->values && row->count < room; row->count++) {
        char *end;
        row->values[row->count] = strtod(text, &end);
        if (end == text) {
            return false;
        }
        text = end;
    }
    return row->values != NULL;
}

/* True when the line is the row sought; the rest of it is parsed then. */
static bool parse_line(char *line, const char *name, const char *label, golden_row *row)
{
    if (*line == '#' || strcmp(next_field(&line), name) != 0 ||
        strcmp(next_field(&line), label) != 0) {
        return false;
    }
    row->hash = strtoull(next_field(&line), NULL, 16);
    row->shape = parse_shape(next_field(&line));
    return parse_values(next_field(&line), row);
}

bool golden_find(const char *file, const char *name, const char *label, golden_row *out)
{
    char path[1024], *line = NULL;
    size_t room = 0;
    bool found = false;
    snprintf(path, sizeof path, "%s/%s", REEL_GOLDEN_DIR, file);
    FILE *in = fopen(path, "r");
    *out = (golden_row){ 0 };
    while (in && !found && getline(&line, &room, in) >= 0) {
        golden_free(out);
        found = parse_line(line, name, label, out);
    }
    free(line);
    if (in) {
        fclose(in);
    }
    return found;
}

void golden_free(golden_row *row)
{
    free(row->values);
    *row = (golden_row){ 0 };
}
