/* model_summary.c: the table people know from Keras. */
#include <string.h>

#include "training.h"

enum { NAMES = 33, SHAPES = 24, COUNTS = 15 };

static void rule(FILE *out, const char *left, const char *line, const char *cross,
                 const char *right)
{
    static const int widths[] = { NAMES, SHAPES, COUNTS };
    fputs(left, out);
    for (int column = 0; column < 3; column++) {
        for (int i = 0; i < widths[column]; i++) {
            fputs(line, out);
        }
        fputs(column < 2 ? cross : right, out);
    }
    fputc('\n', out);
}

static void row(FILE *out, const char *bar, const char *name, const char *shape, const char *count)
{
    fprintf(out, "%s %-*.*s %s %-*.*s %s %*s %s\n", bar, NAMES - 2, NAMES - 2, name, bar,
            SHAPES - 2, SHAPES - 2, shape, bar, COUNTS - 2, count, bar);
}

/* 18,688 */
static const char *grouped(char out[32], int64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

/* (None, 50, 64): the steps are left open where the model was built for any number of them. */
static const char *shape_text(char out[96], const reel_model *m, const reel__model_layer *layer)
{
    int at = snprintf(out, 96, "(None");
    if (!m->built) {
        return strcpy(out, "?");
    }
    for (int axis = 0; axis < layer->output.rank && at < 80; axis++) {
        bool open = axis == 0 && layer->sequence && m->row.dim[0] == 0;
        if (open) {
            at += snprintf(out + at, (size_t)(96 - at), ", None");
        } else {
            at +=
                snprintf(out + at, (size_t)(96 - at), ", %lld", (long long)layer->output.dim[axis]);
        }
    }
    snprintf(out + at, (size_t)(96 - at), ")");
    return out;
}

static void layer_rows(const reel_model *m, FILE *out)
{
    for (int k = 0; k < m->count; k++) {
        const reel__model_layer *layer = &m->layer[k];
        char name[128], shape[96], count[32];
        snprintf(name, sizeof name, "%.64s (%s)", layer->spec.name,
                 reel__layer_kind_name(layer->spec.kind));
        if (k > 0) {
            rule(out, "├", "─", "┼", "┤");
        }
        row(out, "│", name, shape_text(shape, m, layer),
            m->built ? grouped(count, reel__layer_parameters(m, layer)) : "?");
    }
}

static void parameter_rows(const reel_model *m, FILE *out)
{
    for (size_t i = 0; i < reel_param_count(m->tape); i++) {
        reel_var v = reel_param_at(m->tape, i);
        char count[32];
        row(out, "│", reel_param_name(v), REEL_SHAPE_TEXT(reel_shape_of(v)),
            grouped(count, reel_shape_size(reel_shape_of(v))));
    }
}

static void bytes_text(char out[32], double bytes)
{
    static const char *const units[] = { "B", "KB", "MB", "GB" };
    int unit = 0;
    for (; bytes >= 1024 && unit < 3; unit++) {
        bytes /= 1024;
    }
    snprintf(out, 32, "%.2f %s", bytes, units[unit]);
}

static void total(const reel_model *m, FILE *out)
{
    int64_t count = reel_model_parameters(m);
    for (size_t i = 0; m->build && i < reel_param_count(m->tape); i++) {
        count += reel_shape_size(reel_shape_of(reel_param_at(m->tape, i)));
    }
    char number[32], bytes[32];
    bytes_text(bytes, (double)count * (double)m->tape->element);
    if (m->built || m->build) {
        fprintf(out, " Total params: %s (%s)\n", grouped(number, count), bytes);
    } else {
        fprintf(out, " Total params: known with the first data, or with .input\n");
    }
}

void reel_summary(reel_model *m, FILE *out)
{
    if (!m || !out) {
        return;
    }
    reel__model_build_from_input(m);
    fprintf(out, "Model: \"%s\"\n", m->build ? "functional" : "sequential");
    rule(out, "┏", "━", "┳", "┓");
    row(out, "┃", m->build ? "Parameter" : "Layer (type)", m->build ? "Shape" : "Output Shape",
        "Param #");
    rule(out, "┡", "━", "╇", "┩");
    if (m->build) {
        parameter_rows(m, out);
    } else {
        layer_rows(m, out);
    }
    rule(out, "└", "─", "┴", "┘");
    total(m, out);
}
