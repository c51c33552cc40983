/* tables.h: CSV files as forecast and classify see them. */
#ifndef REEL_TABLES_H
#define REEL_TABLES_H

#include "command.h"

enum { MOST_COLUMNS = 256 };

/* Names, NULL behind the last, that look into `text` or into the table. */
typedef struct {
    char *text; /* to be freed */
    const char *name[MOST_COLUMNS + 1];
    int count;
} column_list;

/* "a,b,c"; names without commas. False with an error for none or too many. */
bool columns_of_option(reel_tape *, const char *commas, column_list *);
/* As a model's file has them under "columns", one a line. */
bool columns_of_model(reel_tape *, const reel_model_extras *, column_list *);
bool columns_add(reel_tape *, column_list *, const char *name);
void columns_free(column_list *);

/* ---- rows that belong together (sequences.c) ------------------------------------------------- */

typedef struct {
    int64_t count;
    const char *const *id; /* [count], in the order in which they first come */
    reel_data x;           /* [count, steps, features], with lengths */
    int32_t *class;        /* [count]; to be freed */
} sequence_list;

/* Groups rows [rows, features] by a column of the file, in their order there. `class` [rows] must be
 * the same in a sequence; NULL: there are none. */
bool sequences_of(reel_tape *, const char *path, const char *column, reel_data rows,
                  const int32_t class[], sequence_list *out);

#endif
