/* inspect.c: what is in a file of arrays, and of a model its layers. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    common_options common;
} settings;

static const settings defaults = { 0 };
static const option options[] = { { 0 } };

enum { SHAPE_TEXT = 200 };

static void shape_text(char out[SHAPE_TEXT], reel_shape shape)
{
    size_t at = 0;
    out[at++] = '[';
    for (int axis = 0; axis < shape.rank; axis++) {
        at += (size_t)snprintf(out + at, SHAPE_TEXT - at, "%s%lld", axis ? "," : "",
                               (long long)shape.dim[axis]);
    }
    snprintf(out + at, SHAPE_TEXT - at, "]");
}

static double numbers_in(reel_shape shape)
{
    double product = 1;
    for (int axis = 0; axis < shape.rank; axis++) {
        product *= (double)shape.dim[axis];
    }
    return product;
}

/* ---- for programs -------------------------------------------------------------------------- */

static bool report_arrays(session *s, const reel_archive *a, size_t n)
{
    const char **names = malloc((n + 1) * sizeof *names), **types = malloc((n + 1) * sizeof *types);
    const char **shapes = malloc((n + 1) * sizeof *shapes);
    char(*room)[SHAPE_TEXT] = malloc((n + 1) * sizeof *room);
    bool good = names && types && shapes && room;
    for (size_t i = 0; good && i < n; i++) {
        reel_array array;
        reel_archive_at(a, i, &array);
        shape_text(room[i], array.shape);
        names[i] = reel_archive_name(a, i);
        types[i] = reel_array_type_name(array.type);
        shapes[i] = room[i];
    }
    if (good) {
        report_texts(&s->report, "names", names, (int64_t)n);
        report_texts(&s->report, "types", types, (int64_t)n);
        report_texts(&s->report, "shapes", shapes, (int64_t)n);
    }
    free(names);
    free(types);
    free(shapes);
    free(room);
    return good;
}

/* ---- for readers --------------------------------------------------------------------------- */

static void print_arrays(FILE *out, const reel_archive *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        reel_array array;
        char shape[SHAPE_TEXT];
        reel_archive_at(a, i, &array);
        shape_text(shape, array.shape);
        fprintf(out, "%-40s %-5s %s\n", reel_archive_name(a, i), reel_array_type_name(array.type),
                shape);
    }
}

/* The start of each text; a whole vocabulary is more than one wants to see. */
static void print_texts(FILE *out, const reel_archive *a)
{
    for (size_t i = 0; i < reel_archive_text_count(a); i++) {
        const char *key = reel_archive_text_key(a, i), *value = reel_archive_text(a, key);
        fprintf(out, "%s = %.60s%s\n", key, value, strlen(value) > 60 ? "…" : "");
    }
}

static bool print_model(session *s)
{
    reel_model *m = reel_model_load(s->tape, s->argument[0], NULL);
    if (m) {
        reel_summary(m, s->report.out);
    }
    return m != NULL;
}

/* ---- both ---------------------------------------------------------------------------------- */

static bool describe(session *s, const reel_archive *a)
{
    size_t n = reel_archive_count(a);
    const char *model = reel_archive_text(a, "reel.model");
    double numbers = 0;
    for (size_t i = 0; i < n; i++) {
        reel_array array;
        reel_archive_at(a, i, &array);
        numbers += numbers_in(array.shape);
    }
    if (report_is_for_a_reader(&s->report)) {
        print_arrays(s->report.out, a, n);
        print_texts(s->report.out, a);
    } else if (!report_arrays(s, a, n)) {
        return false;
    }
    report_number(&s->report, "arrays", (double)n);
    report_number(&s->report, "numbers", numbers);
    if (model && !report_is_for_a_reader(&s->report)) {
        report_text(&s->report, "model", model, strlen(model));
    }
    return !model || !report_is_for_a_reader(&s->report) || print_model(s);
}

static bool run(session *s, const void *from)
{
    (void)from;
    reel_archive *a = reel_archive_open(s->argument[0], (reel_archive_options){ 0 });
    if (reel_archive_status(a) != REEL_OK) {
        reel_fail(s->tape, reel_archive_status(a), "inspect", "%s", reel_archive_error(a));
    }
    bool good = reel_archive_status(a) == REEL_OK && describe(s, a);
    reel_archive_free(a);
    return good;
}

const command inspect = {
    .name = "inspect",
    .argument = { "MODEL" },
    .summary = "tell what is in a model, or in any safetensors, npy, npz or h5 file",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
