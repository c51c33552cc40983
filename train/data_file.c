/* data_file.c: arrays for models out of files. */
#include <string.h>

#include "../io/match.h"
#include "store.h"

static const char op[] = "read_data";

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), n = strlen(ending);
    return length >= n && strcmp(path + length - n, ending) == 0;
}

/* Doubles hold every integer up to 2^53, which is all int32 needs. */
static bool to_i32(reel_tape *tape, const char *name, const double *from, int64_t n, int32_t *out)
{
    for (int64_t i = 0; i < n; i++) {
        if (!(from[i] >= INT32_MIN && from[i] <= INT32_MAX)) {
            reel_fail(tape, REEL_BAD_ARGUMENT, op, "%s: element %lld is %.0f, beyond int32", name,
                      (long long)i, from[i]);
            return false;
        }
        out[i] = (int32_t)from[i];
    }
    return true;
}

static reel_data floats(reel_tape *tape, reel_array a, int64_t n)
{
    float *out = reel__new_array(tape, n, sizeof *out);
    return out && reel_array_read(a, out, (size_t)n) == REEL_OK ? reel_data_f32(out, a.shape)
                                                                : (reel_data){ 0 };
}

static reel_data doubles(reel_tape *tape, reel_array a, int64_t n)
{
    double *out = reel__new_array(tape, n, sizeof *out);
    return out && reel_array_read_f64(a, out, (size_t)n) == REEL_OK ? reel_data_f64(out, a.shape)
                                                                    : (reel_data){ 0 };
}

static reel_data integers(reel_tape *tape, const char *name, reel_array a, int64_t n)
{
    size_t bytes = (size_t)n * sizeof(double) + 1;
    double *wide = reel__resize(tape, NULL, 0, bytes);
    int32_t *out = wide ? reel__new_array(tape, n, sizeof *out) : NULL;
    bool good = out && reel_array_read_f64(a, wide, (size_t)n) == REEL_OK &&
                to_i32(tape, name, wide, n, out);
    reel__resize(tape, wide, wide ? bytes : 0, 0);
    return good ? reel_data_i32(out, a.shape) : (reel_data){ 0 };
}

static bool choose(reel_tape *tape, const reel_archive *a, const char *path, const char **name,
                   reel_array *out)
{
    size_t count = reel_archive_count(a);
    if (!*name && count == 1) {
        *name = reel_archive_name(a, 0);
    }
    if (!*name) {
        reel_fail(tape, REEL_BAD_ARGUMENT, op, "%s holds %zu arrays%s%.100s: which one is wanted?",
                  path, count, count ? ", the first " : "", count ? reel_archive_name(a, 0) : "");
        return false;
    }
    if (!reel_archive_find(a, *name, out)) {
        reel_fail(tape, REEL_NOT_FOUND, op, "%s has no array \"%.100s\"", path, *name);
        return false;
    }
    return true;
}

static reel_data from_archive(reel_tape *tape, const char *path, const char *name)
{
    reel_array array;
    reel_data data = { 0 };
    reel_archive *a =
        reel_archive_open(path, (reel_archive_options){ .allocator = tape->options.allocator });
    if (reel__pass_error(tape, op, a) == REEL_OK && choose(tape, a, path, &name, &array)) {
        int64_t n = reel_shape_size(array.shape);
        data = array.type == REEL_ARRAY_F64    ? doubles(tape, array, n)
               : reel__is_floating(array.type) ? floats(tape, array, n)
                                               : integers(tape, name, array, n);
    }
    reel_archive_free(a);
    return data;
}

reel_data reel_read_data(reel_tape *tape, const char *path, const char *name)
{
    if (!tape || !path) {
        reel_fail(tape, REEL_BAD_ARGUMENT, op, "the path is NULL");
        return (reel_data){ 0 };
    }
    if (!ends_in(path, ".csv")) {
        return from_archive(tape, path, name);
    }
    const char *const names[] = { name, NULL };
    const reel_table *table =
        reel_read_csv(tape, path, (reel_csv_options){ .columns = name ? names : NULL });
    return table ? reel_table_data(tape, table, 0, NULL) : (reel_data){ 0 };
}
