/* positional.c: where a step stands, as a vector: sines and cosines, or learned. */
#include "positional.h"

#include <math.h>

/* ---- angles --------------------------------------------------------------------------------- */

reel_var reel__angles(reel_tape *tape, int64_t steps, int64_t pairs, int64_t width, int64_t first,
                      double base)
{
    size_t bytes = (size_t)(steps * pairs) * sizeof(double);
    double *angle = bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (bytes && !angle) {
        return reel__poisoned(tape);
    }
    base = base > 0 ? base : 10000;
    for (int64_t i = 0; i < steps * pairs; i++) {
        double rate = pow(base, -2 * (double)(i % pairs) / (double)width);
        angle[i] = (double)(first + i / pairs) * rate;
    }
    reel_var angles = reel_input_f64(tape, REEL_SHAPE(steps, pairs), angle);
    reel__resize(tape, angle, bytes, 0);
    return angles;
}

bool reel__check_positions(reel_tape *tape, const char *layer, int64_t first, double base)
{
    if (first < 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "first is %lld, must be at least 0",
                  (long long)first);
        return false;
    }
    if (!(base == 0 || base > 1)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "base is %g, must be greater than 1", base);
        return false;
    }
    return true;
}

reel_var reel_sinusoidal_positions(reel_tape *tape, int64_t steps, int64_t width, int64_t first,
                                   double base)
{
    const char *layer = "sinusoidal_positions";
    if (steps < 0) {
        return reel_fail(tape, REEL_BAD_ARGUMENT, layer, "steps is %lld, must be at least 0",
                         (long long)steps);
    }
    if (!tape || !reel__check_size(tape, layer, "width", width) ||
        !reel__check_positions(tape, layer, first, base)) {
        return reel__poisoned(tape);
    }
    if (!reel__shape_valid(REEL_SHAPE(steps, width + 1))) {
        return reel_fail(tape, REEL_BAD_SHAPE, layer, "[%lld,%lld] is too large", (long long)steps,
                         (long long)width);
    }
    reel_var angles = reel__angles(tape, steps, (width + 1) / 2, width, first, base);
    reel_var both = reel_stack(-1, reel_sin(angles), reel_cos(angles));
    both = reel_reshape(both, REEL_SHAPE(steps, (width + 1) / 2 * 2));
    return width % 2 ? reel_slice(both, 1, 0, width) : both;
}

/* ---- learned -------------------------------------------------------------------------------- */

static reel_var apply(void *self, reel_var x)
{
    const reel_var table = *(const reel_var *)self;
    if (!reel__check_handle(table.tape, "learned_positions", x)) {
        return reel__poisoned(x.tape);
    }
    reel_shape shape = reel_shape_of(x), rows = reel_shape_of(table);
    if (shape.rank != 3 || shape.dim[2] != rows.dim[1] || shape.dim[0] > rows.dim[0]) {
        return reel_fail(x.tape, REEL_BAD_SHAPE, "learned_positions",
                         "x is %s, expected [at most %lld, batch, %lld]", REEL_SHAPE_TEXT(shape),
                         (long long)rows.dim[0], (long long)rows.dim[1]);
    }
    return reel_add(x, reel_unsqueeze(reel_slice(table, 0, 0, shape.dim[0]), 1));
}

reel_layer reel_learned_positions(reel_tape *tape, const char *name, int64_t steps, int64_t width)
{
    if (!reel__check_size(tape, "learned_positions", "steps", steps) ||
        !reel__check_size(tape, "learned_positions", "width", width)) {
        return (reel_layer){ 0 };
    }
    reel_var *table = reel__layer_self(tape, sizeof *table);
    if (!table) {
        return (reel_layer){ 0 };
    }
    reel_shape shape = REEL_SHAPE(steps, width);
    *table = reel__layer_param(tape, name, "table", shape, reel_normal(0, 0.02));
    return (reel_layer){ .self = table, .apply = apply };
}
