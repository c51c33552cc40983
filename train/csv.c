/* csv.c: tables of numbers in comma-separated text (RFC 4180).
 *
 * The text is cut in place: a quoted cell is written over itself without its quotes, and is no longer.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "read_file.h"
#include "store.h"

typedef struct {
    reel_tape *tape;
    const char *path;
    const reel_csv_options *options;
    char separator;
    char *at, *end;    /* what is left of the text */
    int64_t line, row; /* line: from 1, of the text; row: from 0, below the header */
    int64_t cells;     /* in each row */
    int64_t columns;   /* that are read */
    int64_t *target;   /* [cells]: the column of the table a cell goes to, or -1 */
    const char **names;
    int64_t text_column; /* of the table, -1: none */
    reel__list texts;    /* const char *: its cells, each once */
    size_t latest_text;
} reader;

#define FAIL(r, status, ...) (reel_fail((r)->tape, status, "read_csv", __VA_ARGS__), false)

typedef enum { CELL, LAST_CELL, BROKEN } cell_end;

/* ---- cells --------------------------------------------------------------------------------- */

/* At what ends a cell: the separator, a line's end or the text's. */
static cell_end step_over(reader *r)
{
    if (r->at < r->end && *r->at == r->separator) {
        *r->at++ = '\0';
        return CELL;
    }
    if (r->at < r->end && *r->at == '\r') {
        *r->at++ = '\0';
    }
    if (r->at < r->end && *r->at == '\n') {
        *r->at++ = '\0';
        r->line++;
        return LAST_CELL;
    }
    return r->at >= r->end ? LAST_CELL : BROKEN;
}

/* Behind the opening quote. A doubled quote is one. */
static bool unquote(reader *r, int64_t first_line)
{
    char *to = r->at;
    while (r->at < r->end) {
        if (*r->at == '"' && r->at[1] != '"') {
            r->at++;
            char *behind = r->at;
            if (to < behind) {
                *to = '\0';
            }
            return true;
        }
        r->at += *r->at == '"';
        r->line += *r->at == '\n';
        *to++ = *r->at++;
    }
    return FAIL(r, REEL_BAD_FILE, "%s: the quote opened in line %lld is not closed", r->path,
                (long long)first_line);
}

static cell_end next_cell(reader *r, char **cell)
{
    int64_t line = r->line;
    if (r->at < r->end && *r->at == '"') {
        *cell = ++r->at;
        if (!unquote(r, line)) {
            return BROKEN;
        }
        cell_end end = step_over(r);
        if (end == BROKEN) {
            reel_fail(r->tape, REEL_BAD_FILE, "read_csv",
                      "%s: line %lld: text behind a closing quote", r->path, (long long)line);
        }
        return end;
    }
    *cell = r->at;
    while (r->at < r->end && *r->at != r->separator && *r->at != '\n' &&
           !(*r->at == '\r' && r->at[1] == '\n')) {
        r->at++;
    }
    return step_over(r);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static bool is_missing(const char *cell)
{
    static const char *const names[] = { "", "NA", "N/A", "nan", "NaN", "NAN", "null" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(cell, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_number(reader *r, char *cell, int64_t line, int64_t column, double *out)
{
    while (isspace((unsigned char)*cell)) {
        cell++;
    }
    for (size_t n = strlen(cell); n > 0 && isspace((unsigned char)cell[n - 1]); n--) {
        cell[n - 1] = '\0';
    }
    if (is_missing(cell)) {
        *out = NAN;
        return r->options->allow_missing ||
               FAIL(r, REEL_NOT_FINITE, "%s: %s at row %lld (line %lld), column \"%s\"", r->path,
                    *cell ? "nan" : "an empty cell", (long long)r->row, (long long)line,
                    r->names[column]);
    }
    char *end;
    *out = strtod(cell, &end);
    return *end == '\0' ||
           FAIL(r, REEL_BAD_FILE,
                "%s: \"%.40s\" at row %lld (line %lld), column \"%s\" is no number", r->path, cell,
                (long long)r->row, (long long)line, r->names[column]);
}

/* ---- texts --------------------------------------------------------------------------------- */

/* The number of a text, in the order in which they first came. */
static bool read_text(reader *r, const char *cell, double *out)
{
    const char **texts = r->texts.data;
    size_t at = r->latest_text; /* most often the same again */
    if (at < r->texts.count && strcmp(texts[at], cell) == 0) {
        *out = (double)at;
        return true;
    }
    at = 0;
    while (at < r->texts.count && strcmp(texts[at], cell) != 0) {
        at++;
    }
    if (at == r->texts.count) {
        const char *kept = reel__tape_store_text(r->tape, cell);
        if (!kept || !reel__list_reserve(r->tape, &r->texts, at + 1, sizeof kept)) {
            return false;
        }
        ((const char **)r->texts.data)[r->texts.count++] = kept;
    }
    r->latest_text = at;
    *out = (double)at;
    return true;
}

static bool read_cell(reader *r, char *cell, int64_t line, int64_t column, double *out)
{
    return column == r->text_column ? read_text(r, cell, out)
                                    : read_number(r, cell, line, column, out);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static bool ragged(reader *r, int64_t line, int64_t cells)
{
    return FAIL(r, REEL_BAD_FILE, "%s: row %lld (line %lld) has %lld cells, must have %lld",
                r->path, (long long)r->row, (long long)line, (long long)cells, (long long)r->cells);
}

/* Lines without anything in them, as at the end of many files, are no rows. */
static void skip_empty_lines(reader *r)
{
    while (r->at < r->end && (*r->at == '\n' || (*r->at == '\r' && r->at[1] == '\n'))) {
        r->at += *r->at == '\r' ? 2 : 1;
        r->line++;
    }
}

static bool read_row(reader *r, double *out)
{
    int64_t line = r->line, cell = 0;
    cell_end end = CELL;
    for (; end == CELL; cell++) {
        char *text;
        end = next_cell(r, &text);
        if (end == BROKEN) {
            return false;
        }
        if (cell < r->cells && r->target[cell] >= 0 &&
            !read_cell(r, text, line, r->target[cell], &out[r->target[cell]])) {
            return false;
        }
    }
    return cell == r->cells || ragged(r, line, cell);
}

static bool append_row(reader *r, reel__list *values)
{
    size_t width = (size_t)r->columns;
    if (!reel__list_reserve(r->tape, values, values->count + width, sizeof(double)) ||
        !read_row(r, (double *)values->data + values->count)) {
        return false;
    }
    values->count += width;
    r->row++;
    skip_empty_lines(r);
    return true;
}

/* ---- the header ---------------------------------------------------------------------------- */

/* The first row's cells, as an array of pointers into the text. */
static bool read_first_row(reader *r, reel__list *cells)
{
    cell_end end = CELL;
    while (end == CELL) {
        char *text;
        if (!reel__list_reserve(r->tape, cells, cells->count + 1, sizeof text) ||
            (end = next_cell(r, &text)) == BROKEN) {
            return false;
        }
        ((char **)cells->data)[cells->count++] = text;
    }
    r->cells = (int64_t)cells->count;
    return true;
}

static const char *name_of(reader *r, char **cells, int64_t i)
{
    if (!r->options->no_header) {
        return reel__tape_store_text(r->tape, cells[i]);
    }
    char name[32];
    snprintf(name, sizeof name, "column %lld", (long long)i);
    return reel__tape_store_text(r->tape, name);
}

static bool select_columns(reader *r)
{
    const char *const *wanted = r->options->columns;
    for (r->columns = 0; wanted[r->columns]; r->columns++) {
        int64_t at = 0;
        while (at < r->cells && strcmp(r->names[at], wanted[r->columns]) != 0) {
            at++;
        }
        if (at == r->cells) {
            return FAIL(r, REEL_NOT_FOUND, "%s has no column \"%s\"", r->path, wanted[r->columns]);
        }
        r->target[at] = r->columns;
    }
    for (int64_t i = 0; i < r->columns; i++) {
        r->names[i] = reel__tape_store_text(r->tape, wanted[i]);
    }
    return true;
}

static bool skip_column(reader *r)
{
    const char *unwanted = r->options->skip;
    r->columns = 0;
    for (int64_t i = 0; i < r->cells; i++) {
        bool skipped = strcmp(r->names[i], unwanted) == 0;
        r->target[i] = skipped ? -1 : r->columns;
        r->names[r->columns] = r->names[i];
        r->columns += !skipped;
    }
    return r->columns < r->cells ||
           FAIL(r, REEL_NOT_FOUND, "%s has no column \"%s\"", r->path, unwanted);
}

static bool find_text_column(reader *r)
{
    const char *wanted = r->options->text_column;
    r->text_column = -1;
    for (int64_t i = 0; wanted && i < r->columns; i++) {
        if (strcmp(r->names[i], wanted) == 0) {
            r->text_column = i;
        }
    }
    return !wanted || r->text_column >= 0 ||
           FAIL(r, REEL_NOT_FOUND, "%s has no column \"%s\"", r->path, wanted);
}

static bool set_up_columns(reader *r, char **cells)
{
    r->names = reel__new_array(r->tape, r->cells, sizeof *r->names);
    r->target = reel__new_array(r->tape, r->cells, sizeof *r->target);
    if (!r->names || !r->target) {
        return false;
    }
    r->columns = r->cells;
    for (int64_t i = 0; i < r->cells; i++) {
        r->names[i] = name_of(r, cells, i);
        r->target[i] = r->options->columns ? -1 : i;
        if (!r->names[i]) {
            return false;
        }
    }
    bool selected = r->options->columns ? select_columns(r)
                    : r->options->skip  ? skip_column(r)
                                        : true;
    return selected && find_text_column(r);
}

/* A first row that is no header is read again, as numbers. */
static bool read_header(reader *r)
{
    reel__list cells = { 0 };
    size_t left = (size_t)(r->end - r->at);
    char *copy = r->options->no_header ? reel__resize(r->tape, NULL, 0, left + 1) : NULL;
    char *start = r->at;
    if (r->options->no_header && !copy) {
        return false;
    }
    if (copy) {
        memcpy(copy, start, left);
    }
    bool good = read_first_row(r, &cells) && set_up_columns(r, cells.data);
    if (copy) {
        memcpy(start, copy, left);
        reel__resize(r->tape, copy, left + 1, 0);
        r->at = start;
        r->line = 1;
    }
    reel__list_free(r->tape, &cells, sizeof(char *));
    return good;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static const reel_table *finish(reader *r, const reel__list *values)
{
    if (r->row == 0) {
        reel_fail(r->tape, REEL_BAD_FILE, "read_csv", "%s holds no rows", r->path);
        return NULL;
    }
    reel_table *table = reel__new_array(r->tape, 1, sizeof *table);
    double *numbers = reel__new_array(r->tape, (int64_t)values->count, sizeof *numbers);
    const char **texts = reel__new_array(r->tape, (int64_t)r->texts.count, sizeof *texts);
    if (!table || !numbers || !texts) {
        return NULL;
    }
    memcpy(numbers, values->data, values->count * sizeof *numbers);
    if (r->texts.count > 0) {
        memcpy(texts, r->texts.data, r->texts.count * sizeof *texts);
    }
    *table = (reel_table){ .rows = r->row,
                           .columns = r->columns,
                           .name = r->names,
                           .values = numbers,
                           .text_count = (int64_t)r->texts.count,
                           .text = texts };
    return table;
}

const reel_table *reel_read_csv(reel_tape *tape, const char *path, reel_csv_options options)
{
    reel__text text;
    reel__list values = { 0 };
    if (!tape || !reel__read_text(tape, "read_csv", path, &text)) {
        return NULL;
    }
    reader r = { .tape = tape,
                 .path = path,
                 .options = &options,
                 .separator = options.separator ? options.separator : ',',
                 .at = text.text,
                 .end = text.text + text.size,
                 .line = 1 };
    r.at += text.size >= 3 && memcmp(text.text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* UTF-8's mark */
    bool good = r.at < r.end || FAIL(&r, REEL_BAD_FILE, "%s is empty", path);
    good = good && read_header(&r);
    while (good && r.at < r.end) {
        good = append_row(&r, &values);
    }
    const reel_table *table = good ? finish(&r, &values) : NULL;
    reel__list_free(tape, &values, sizeof(double));
    reel__list_free(tape, &r.texts, sizeof(char *));
    reel__free_text(tape, &text);
    return table;
}

int64_t reel_table_find(const reel_table *table, const char *name)
{
    for (int64_t i = 0; table && name && i < table->columns; i++) {
        if (strcmp(table->name[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

reel_data reel_table_data(reel_tape *tape, const reel_table *table, int n,
                          const char *const names[])
{
    if (!tape || !table) {
        reel_fail(tape, REEL_BAD_HANDLE, "table_data", "there is no table");
        return (reel_data){ 0 };
    }
    for (int k = 0; k < n; k++) {
        if (!names || !names[k]) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "table_data", "name %d of %d is NULL", k, n);
            return (reel_data){ 0 };
        }
    }
    if (n == 0) {
        return reel_data_f64(table->values, REEL_SHAPE(table->rows, table->columns));
    }
    double *out = reel__new_array(tape, table->rows * n, sizeof *out);
    for (int k = 0; out && k < n; k++) {
        int64_t column = reel_table_find(table, names[k]);
        if (column < 0) {
            reel_fail(tape, REEL_NOT_FOUND, "table_data", "there is no column \"%s\"", names[k]);
            return (reel_data){ 0 };
        }
        for (int64_t r = 0; r < table->rows; r++) {
            out[r * n + k] = table->values[r * table->columns + column];
        }
    }
    return reel__f64_data(out, REEL_SHAPE(table->rows, n));
}
