/* tables.c: lists of columns. */
#include "tables.h"

#include <stdlib.h>
#include <string.h>

bool columns_add(reel_tape *t, column_list *c, const char *name)
{
    if (c->count == MOST_COLUMNS) {
        reel_fail(t, REEL_BAD_ARGUMENT, "columns", "there are more than %d columns", MOST_COLUMNS);
        return false;
    }
    c->name[c->count++] = name;
    c->name[c->count] = NULL;
    return true;
}

/* Cuts a copy of the text at each separator. */
static bool cut(reel_tape *t, const char *text, char separator, column_list *c)
{
    size_t size = strlen(text) + 1;
    *c = (column_list){ .text = malloc(size) };
    if (!c->text) {
        reel_fail(t, REEL_OUT_OF_MEMORY, "columns", "out of memory");
        return false;
    }
    memcpy(c->text, text, size);
    for (char *at = c->text, *end; at; at = end ? end + 1 : NULL) {
        end = strchr(at, separator);
        if (end) {
            *end = '\0';
        }
        if (!columns_add(t, c, at)) {
            return false;
        }
    }
    return true;
}

bool columns_of_option(reel_tape *t, const char *commas, column_list *c)
{
    return cut(t, commas, ',', c);
}

bool columns_of_model(reel_tape *t, const reel_model_extras *e, column_list *c)
{
    const char *text = text_of(e, "columns");
    if (!text) {
        reel_fail(t, REEL_BAD_FILE, "columns", "the model does not say which columns it reads");
        return false;
    }
    return cut(t, text, '\n', c);
}

void columns_free(column_list *c)
{
    free(c->text);
    *c = (column_list){ 0 };
}
