/* onnx_golden.c: reads the golden models and runs them. */
#include "support/onnx_golden.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/onnx.h"

enum { LONGEST = 1 << 18 };

static void expect(bool good, const char *what, const char *text)
{
    if (!good) {
        fprintf(stderr, "golden models: %s: %.60s\n", what, text);
        exit(1);
    }
}

static void read_tensor(const char *text, golden_tensor *x)
{
    char kind;
    int used;
    expect(sscanf(text, "%15s %c %d%n", x->name, &kind, &x->shape.rank, &used) == 3, "no tensor",
           text);
    x->index = kind == 'i';
    text += used;
    for (int i = 0; i < x->shape.rank; i++) {
        sscanf(text, "%" SCNd64 "%n", &x->shape.dim[i], &used);
        text += used;
    }
    int64_t n = reel_shape_size(x->shape);
    expect(n <= GOLDEN_NUMBERS, "too many numbers", text);
    for (int64_t i = 0; i < n; i++) {
        expect(sscanf(text, "%lf%n", &x->values[i], &used) == 1, "no number", text);
        text += used;
    }
}

static void read_model(const char *text, golden_model *g)
{
    g->size = strlen(text) / 2;
    g->model = malloc(g->size + 1);
    for (size_t i = 0; i < g->size; i++) {
        unsigned byte;
        sscanf(text + 2 * i, "%2x", &byte);
        g->model[i] = (unsigned char)byte;
    }
}

static const char *behind(const char *line, const char *word)
{
    size_t n = strlen(word);
    return strncmp(line, word, n) == 0 && line[n] == ' ' ? line + n + 1 : NULL;
}

static void read_line(const char *line, golden_model *g)
{
    const char *rest;
    if ((rest = behind(line, "model"))) {
        read_model(rest, g);
    } else if ((rest = behind(line, "in"))) {
        read_tensor(rest, &g->input[g->inputs++]);
    } else if ((rest = behind(line, "out"))) {
        read_tensor(rest, &g->output[g->outputs++]);
    } else if ((rest = behind(line, "fails"))) {
        snprintf(g->fails, sizeof g->fails, "%s", rest);
    } else if ((rest = behind(line, "refuses"))) {
        snprintf(g->refuses, sizeof g->refuses, "%s", rest);
    }
}

int golden_models_for_each(const char *file, void (*each)(const golden_model *))
{
    char path[512];
    snprintf(path, sizeof path, REEL_GOLDEN_DIR "/%s", file);
    FILE *from = fopen(path, "r");
    expect(from != NULL, "no file", path);
    char *line = malloc(LONGEST);
    golden_model *g = calloc(1, sizeof *g);
    int count = 0;
    while (fgets(line, LONGEST, from)) {
        line[strcspn(line, "\n")] = '\0';
        const char *name = behind(line, "case");
        if (name == NULL) {
            read_line(line, g);
            continue;
        }
        if (count++) {
            each(g);
        }
        free(g->model);
        memset(g, 0, sizeof *g);
        snprintf(g->name, sizeof g->name, "%s", name);
    }
    each(g);
    free(g->model);
    free(g);
    free(line);
    fclose(from);
    return count;
}

reel_var golden_tensor_give(reel_tape *t, const golden_tensor *x)
{
    int32_t indices[GOLDEN_NUMBERS];
    for (int i = 0; x->index && i < GOLDEN_NUMBERS; i++) {
        indices[i] = (int32_t)x->values[i];
    }
    return x->index ? reel_indices(t, x->shape, indices) : reel_input_f64(t, x->shape, x->values);
}

static double distance(const golden_tensor *expected, reel_var y)
{
    double found[GOLDEN_NUMBERS], worst = 0;
    int32_t indices[GOLDEN_NUMBERS];
    size_t n = (size_t)reel_shape_size(expected->shape);
    bool index = reel_is_index(y);
    if (!reel_shape_equal(reel_shape_of(y), expected->shape) ||
        (index ? reel_read_indices(y, indices, n) : reel_read_f64(y, found, n)) != REEL_OK) {
        return INFINITY;
    }
    for (size_t i = 0; i < n; i++) {
        double value = expected->values[i], got = index ? indices[i] : found[i];
        double off = value == got || (isnan(value) && isnan(got)) ? 0 : fabs(got - value);
        worst = fmax(worst, isnan(off) ? INFINITY : off / fmax(1, fabs(value)));
    }
    return worst;
}

static bool ports_are(const reel_onnx *model, const golden_model *g)
{
    bool same =
        reel_onnx_input_count(model) == g->inputs && reel_onnx_output_count(model) == g->outputs;
    for (int i = 0; same && i < g->inputs; i++) {
        same = strcmp(reel_onnx_input_name(model, i), g->input[i].name) == 0;
    }
    return same;
}

double golden_model_distance(reel_tape *t, const golden_model *g)
{
    reel_onnx *model = reel_onnx_parse(t, g->model, g->size, (reel_onnx_load_options){ 0 });
    double worst = model && (g->refuses[0] || ports_are(model, g)) ? 0 : INFINITY;
    for (int again = 0; again < 2 && isfinite(worst); again++) {
        reel_var x[GOLDEN_PORTS], y[GOLDEN_PORTS];
        for (int i = 0; i < g->inputs; i++) {
            x[i] = golden_tensor_give(t, &g->input[i]);
        }
        int outputs = g->refuses[0] ? reel_onnx_output_count(model) : g->outputs;
        if (reel_onnx_run(model, g->inputs, x, outputs, y) != REEL_OK) {
            worst = INFINITY;
        }
        for (int i = 0; i < g->outputs && isfinite(worst); i++) {
            worst = fmax(worst, distance(&g->output[i], y[i]));
        }
        reel_rewind(t);
    }
    reel_onnx_free(model);
    return worst;
}
