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

#endif
