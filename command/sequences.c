/* sequences.c: rows of a table that belong together, by a column that names to what. */
#include <stdlib.h>
#include <string.h>

#include "tables.h"

/* Where the rows of each sequence go, one behind the other. */
typedef struct {
    const double *id; /* of each row: the number of its sequence */
    int32_t *length;  /* [count] */
    const float **at; /* [count]: the first row of each, in `values` */
    float *values;    /* [rows, features] */
} grouping;

static bool fail(reel_tape *t, reel_status status, const char *text)
{
    reel_fail(t, status, "classify", "%s", text);
    return false;
}

/* A sequence has the class that all its rows have. */
static bool class_of_each(reel_tape *t, const grouping *g, const int32_t class[], int64_t rows,
                          sequence_list *out)
{
    for (int64_t s = 0; s < out->count; s++) {
        out->class[s] = -1;
    }
    for (int64_t r = 0; r < rows; r++) {
        int64_t s = (int64_t)g->id[r];
        if (out->class[s] >= 0 && out->class[s] != class[r]) {
            reel_fail(t, REEL_BAD_FILE, "classify",
                      "row %lld is of another class than the rows of \"%s\" before it",
                      (long long)r, out->id[s]);
            return false;
        }
        out->class[s] = class[r];
    }
    return true;
}

static void copy_rows(const grouping *g, reel_data rows, int64_t count)
{
    int64_t n = rows.shape.dim[0], features = rows.shape.dim[1];
    float *end = g->values;
    for (int64_t r = 0; r < n; r++) {
        g->length[(int64_t)g->id[r]]++;
    }
    for (int64_t s = 0; s < count; s++) {
        g->at[s] = end;
        end += g->length[s] * features;
        g->length[s] = 0;
    }
    for (int64_t r = 0; r < n; r++) {
        int64_t s = (int64_t)g->id[r];
        float *to = g->values + (g->at[s] - g->values) + g->length[s]++ * features;
        for (int64_t k = 0; k < features; k++) {
            to[k] = (float)reel_data_at(rows, r * features + k);
        }
    }
}

static bool group(reel_tape *t, grouping *g, reel_data rows, const int32_t class[],
                  sequence_list *out)
{
    if (!g->length || !g->at || !g->values || !out->class) {
        return fail(t, REEL_OUT_OF_MEMORY, "out of memory");
    }
    copy_rows(g, rows, out->count);
    out->x = reel_pad_sequences(t, out->count, g->at, g->length, rows.shape.dim[1], 0);
    return out->x.f32 && (!class || class_of_each(t, g, class, rows.shape.dim[0], out));
}

bool sequences_of(reel_tape *t, const char *path, const char *column, reel_data rows,
                  const int32_t class[], sequence_list *out)
{
    const char *const only[] = { column, NULL };
    const reel_table *ids =
        reel_read_csv(t, path, (reel_csv_options){ .columns = only, .text_column = column });
    if (!ids) {
        return false;
    }
    if (ids->rows != rows.shape.dim[0]) {
        return fail(t, REEL_BAD_FILE, "the file changed while it was read");
    }
    size_t count = (size_t)ids->text_count;
    *out = (sequence_list){ .count = ids->text_count,
                            .id = ids->text,
                            .class = malloc(count * sizeof *out->class) };
    grouping g = { .id = ids->values,
                   .length = calloc(count, sizeof *g.length),
                   .at = malloc(count * sizeof *g.at),
                   .values = malloc((size_t)reel_shape_size(rows.shape) * sizeof *g.values) };
    bool good = group(t, &g, rows, class, out);
    free(g.length);
    free(g.at);
    free(g.values);
    return good;
}
