/* model_plot.c: a model's layers as a picture. */
#include <errno.h>
#include <string.h>

#include "spawn.h"
#include "training.h"

static void write_shape(FILE *out, reel_shape row)
{
    fputs("[rows", out);
    for (int axis = 0; axis < row.rank; axis++) {
        if (row.dim[axis] > 0) {
            fprintf(out, ", %lld", (long long)row.dim[axis]);
        } else {
            fputs(", steps", out);
        }
    }
    fputc(']', out);
}

/* A name between quotes. */
static void write_name(FILE *out, const char *name)
{
    for (; *name; name++) {
        if (*name == '"' || *name == '\\') {
            fputc('\\', out);
        }
        fputc(*name, out);
    }
}

static void write_layer(FILE *out, const reel_model *m, int k)
{
    const reel__model_layer *layer = &m->layer[k];
    fprintf(out, "  n%d [label=\"", k);
    write_name(out, layer->spec.name);
    fprintf(out, "\\n%s", reel__layer_kind_name(layer->spec.kind));
    if (layer->inner) {
        fprintf(out, " of %s", reel__layer_kind_name(layer->inner->spec.kind));
    }
    if (m->built) {
        fprintf(out, "\\n%lld parameters", (long long)reel__layer_parameters(m, layer));
    }
    fprintf(out, "\"];\n  %s%.0d -> n%d", k ? "n" : "data", k ? k - 1 : 0, k);
    if (m->built) {
        fputs(" [label=\" ", out);
        write_shape(out, k ? m->layer[k - 1].output : m->row);
        fputs("\"]", out);
    }
    fputs(";\n", out);
}

static void write_dot(FILE *out, const reel_model *m)
{
    fputs("digraph model {\n  node [shape=box, style=rounded, fontname=\"Helvetica\"];\n"
          "  edge [fontname=\"Helvetica\", fontsize=10];\n  data [shape=plaintext];\n"
          "  outputs [shape=plaintext];\n",
          out);
    for (int k = 0; k < m->count; k++) {
        write_layer(out, m, k);
    }
    fprintf(out, "  n%d -> outputs", m->count - 1);
    if (m->built) {
        fputs(" [label=\" ", out);
        write_shape(out, m->layer[m->count - 1].output);
        fputs("\"]", out);
    }
    fputs(";\n}\n", out);
}

static reel_status write_file(reel_model *m, const char *path)
{
    reel_var sketch = m->build ? reel__model_sketch(m, "plot_model") : (reel_var){ 0 };
    if (m->build && sketch.id == 0) {
        return reel_tape_status(m->tape);
    }
    FILE *out = fopen(path, "w");
    if (out) {
        if (m->build) {
            reel_draw_folded(sketch, out);
        } else {
            write_dot(out, m);
        }
        bool bad = ferror(out) != 0;
        if (fclose(out) == 0 && !bad) {
            return REEL_OK;
        }
    }
    reel_fail(m->tape, REEL_FILE_ERROR, "plot_model", "cannot write %s: %s", path, strerror(errno));
    return REEL_FILE_ERROR;
}

/* The picture's type by the path's ending; NULL: none that is known. */
static const char *type_of(const char *path)
{
    static const char *const types[] = { "dot", "svg", "png", "pdf" };
    const char *end = strrchr(path, '.');
    for (int i = 0; end && i < 4; i++) {
        if (strcmp(end + 1, types[i]) == 0) {
            return types[i];
        }
    }
    return NULL;
}

static reel_status run_dot(reel_model *m, const char *type, const char *source, const char *path)
{
    char option[8];
    snprintf(option, sizeof option, "-T%s", type);
    const char *const command[] = { "dot", option, "-o", path, source, NULL };
    int status = reel__run_program(command);
    if (status == 0) {
        remove(source);
        return REEL_OK;
    }
    reel_fail(
        m->tape, REEL_UNSUPPORTED, "plot_model", "Graphviz %s; the graph is in %s: dot %s -o %s %s",
        status == REEL__NO_PROGRAM ? "is not installed" : "failed", source, option, path, source);
    return REEL_UNSUPPORTED;
}

reel_status reel_plot_model(reel_model *m, const char *path)
{
    if (!m) {
        return REEL_BAD_HANDLE;
    }
    const char *type = path ? type_of(path) : NULL;
    if (!type) {
        reel_fail(m->tape, REEL_BAD_ARGUMENT, "plot_model",
                  "the path must end in .svg, .png, .pdf or .dot: %s", path ? path : "NULL");
        return REEL_BAD_ARGUMENT;
    }
    reel__model_build_from_input(m);
    if (strcmp(type, "dot") == 0) {
        return write_file(m, path);
    }
    char source[1024];
    if (snprintf(source, sizeof source, "%s.dot", path) >= (int)sizeof source) {
        reel_fail(m->tape, REEL_BAD_ARGUMENT, "plot_model", "the path is too long");
        return REEL_BAD_ARGUMENT;
    }
    reel_status status = write_file(m, source);
    return status == REEL_OK ? run_dot(m, type, source, path) : status;
}
