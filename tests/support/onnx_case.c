/* onnx_case.c: writes what bench/onnx_check.py reads. */
#include "onnx_case.h"

#include <inttypes.h>
#include <stdlib.h>

#include "graph/tape.h"
#include "support/generator.h"

static void print_numbers(FILE *out, reel_var v, size_t n)
{
    double *numbers = malloc((n + 1) * sizeof *numbers);
    reel_read_f64(v, numbers, n);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, v.tape->options.dtype == REEL_F64 ? " %.17g" : " %.9g", numbers[i]);
    }
    free(numbers);
}

static void print_indices(FILE *out, reel_var v, size_t n)
{
    int32_t *indices = malloc((n + 1) * sizeof *indices);
    reel_read_indices(v, indices, n);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, " %" PRId32, indices[i]);
    }
    free(indices);
}

void onnx_case_print(FILE *out, const char *name, reel_var v)
{
    reel_shape shape = reel_shape_of(v);
    bool index = reel_is_index(v), wide = v.tape->options.dtype == REEL_F64;
    fprintf(out, "%s %c %d", name, index ? 'i' : wide ? 'd' : 'f', shape.rank);
    for (int i = 0; i < shape.rank; i++) {
        fprintf(out, " %" PRId64, shape.dim[i]);
    }
    (index ? print_indices : print_numbers)(out, v, (size_t)reel_shape_size(shape));
    fprintf(out, "\n");
}

FILE *onnx_case_open(const char *directory, const char *name, const char *ending, const char *mode)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s%s", directory, name, ending);
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

static void print_all(const char *directory, const char *name, const char *ending, int n,
                      const reel_var v[], char names[][8])
{
    FILE *out = onnx_case_open(directory, name, ending, "w");
    for (int i = 0; i < n; i++) {
        onnx_case_print(out, names[i], v[i]);
    }
    fclose(out);
}

void onnx_case_write(const char *directory, const char *name, int inputs, const reel_var x[],
                     int outputs, const reel_var y[], reel_onnx_options options)
{
    static char in[MOST_PORTS][8], out[MOST_PORTS][8];
    const char *in_names[MOST_PORTS], *out_names[MOST_PORTS];
    for (int i = 0; i < MOST_PORTS; i++) {
        snprintf(in[i], sizeof in[i], "x%d", i);
        snprintf(out[i], sizeof out[i], "y%d", i);
        in_names[i] = in[i];
        out_names[i] = out[i];
    }
    char path[1024];
    reel_tape *t = y[0].tape;
    options.output_names = out_names;
    snprintf(path, sizeof path, "%s/%s.onnx", directory, name);
    reel_onnx_export(t, inputs, x, in_names, outputs, y, path, options);
    print_all(directory, name, ".in", inputs, x, in);
    print_all(directory, name, ".out", outputs, y, out);
    if (reel_tape_status(t) == REEL_OK) {
        printf("%s\n", name);
    } else {
        fprintf(stderr, "%s: %s\n", name, reel_tape_error(t));
    }
}

void onnx_case_stir(reel_tape *t, uint64_t seed)
{
    random_source source = { seed };
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var v = reel_param_at(t, i);
        size_t n = (size_t)reel_shape_size(reel_shape_of(v));
        double *values = malloc((n + 1) * sizeof *values);
        reel_read_f64(v, values, n);
        for (size_t k = 0; k < n; k++) {
            double moved = random_real(&source, -0.3, 0.3);
            values[k] = values[k] == 0 ? moved : values[k] * (1 + moved);
        }
        reel_write_param_f64(v, values, n);
        free(values);
    }
}

reel_var onnx_case_input(reel_tape *t, reel_shape shape, uint64_t seed)
{
    random_source source = { seed };
    size_t n = (size_t)reel_shape_size(shape);
    float *values = malloc((n + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)random_real(&source, -2, 2);
    }
    reel_var x = reel_input(t, shape, values);
    free(values);
    return x;
}
