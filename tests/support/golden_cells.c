#include "golden_cells.h"

#include <math.h>
#include <stdlib.h>

bool golden_has(golden_case at, const char *label)
{
    golden_row row;
    bool found = golden_find(at.file, at.name, label, &row);
    if (found) {
        golden_free(&row);
    }
    return found;
}

static reel_var missing(reel_tape *t)
{
    return (reel_var){ .tape = t };
}

reel_var golden_param(reel_tape *t, golden_case at, const char *label)
{
    golden_row row;
    if (!golden_find(at.file, at.name, label, &row)) {
        return missing(t);
    }
    reel_var v = reel_param(t, label, row.shape, reel_zeros());
    reel_write_param_f64(v, row.values, row.count);
    golden_free(&row);
    return v;
}

reel_var golden_input(reel_tape *t, golden_case at, const char *label)
{
    golden_row row;
    if (!golden_find(at.file, at.name, label, &row)) {
        return missing(t);
    }
    reel_var v = reel_input_f64(t, row.shape, row.values);
    golden_free(&row);
    return v;
}

reel_var golden_indices(reel_tape *t, golden_case at, const char *label)
{
    golden_row row;
    if (!golden_find(at.file, at.name, label, &row)) {
        return missing(t);
    }
    int32_t *numbers = malloc((row.count + 1) * sizeof *numbers);
    for (size_t i = 0; i < row.count; i++) {
        numbers[i] = (int32_t)row.values[i];
    }
    reel_var v = reel_indices(t, row.shape, numbers);
    free(numbers);
    golden_free(&row);
    return v;
}

void golden_write_params(reel_tape *t, golden_case at)
{
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var parameter = reel_param_at(t, i);
        golden_row row;
        if (golden_find(at.file, at.name, reel_param_name(parameter), &row)) {
            reel_write_param_f64(parameter, row.values, row.count);
            golden_free(&row);
        }
    }
}

typedef reel_status (*reader)(reel_var, double *, size_t);

static double distance(golden_case at, const char *label, reel_var v, reader read)
{
    golden_row row;
    if (!golden_find(at.file, at.name, label, &row)) {
        return INFINITY;
    }
    double *values = calloc(row.count + 1, sizeof *values), worst = 0;
    if (!reel_shape_equal(row.shape, reel_shape_of(v)) || read(v, values, row.count) != REEL_OK) {
        worst = INFINITY;
    }
    for (size_t i = 0; i < row.count; i++) {
        double d = fabs(values[i] - row.values[i]) / (1 + fabs(row.values[i]));
        worst = d <= worst ? worst : isnan(d) ? INFINITY : d;
    }
    free(values);
    golden_free(&row);
    return worst;
}

static reel_status read_value(reel_var v, double *out, size_t n)
{
    return reel_read_f64(v, out, n);
}

static reel_status read_gradient(reel_var v, double *out, size_t n)
{
    return reel_read_grad_f64(v, out, n);
}

double golden_distance(golden_case at, const char *label, reel_var v)
{
    return distance(at, label, v, read_value);
}

double golden_gradient_distance(golden_case at, reel_var parameter)
{
    char label[128];
    snprintf(label, sizeof label, "d:%s", reel_param_name(parameter));
    return distance(at, label, parameter, read_gradient);
}
