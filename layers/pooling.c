/* pooling.c: the largest or the mean of each window of steps. */
#include <math.h>

#include "windows.h"

/* [kernel, steps', ...], or a poisoned handle; *none where there is no window. */
static reel_var stacked(const reel__windows *w, reel_var x, double border, bool *none)
{
    size_t bytes = (size_t)w->kernel * sizeof(reel_var);
    reel_var *tap = reel__resize(x.tape, NULL, 0, bytes);
    if (!tap) {
        return reel__poisoned(x.tape);
    }
    reel_var padded = reel__windows_pad(w, x, border);
    int64_t count = reel__windows_count(w, reel_shape_of(x).dim[0]);
    *none = !reel__windows_taps(w, padded, count, tap);
    reel_var taps = *none ? x : reel_stack_n(0, (int)w->kernel, tap);
    reel__resize(x.tape, tap, bytes, 0);
    return taps;
}

static bool prepare(reel__windows *w, const char *layer, reel_var x, int64_t kernel,
                    reel_conv1d_options options)
{
    if (!reel__check_handle(x.tape, layer, x)) {
        return false;
    }
    reel_shape shape = reel_shape_of(x);
    if (shape.rank < 1 || shape.rank >= REEL_MAX_RANK || reel_is_index(x)) {
        reel_fail(x.tape, REEL_BAD_SHAPE, layer, "x is %s, expected [steps, …]",
                  REEL_SHAPE_TEXT(shape));
        return false;
    }
    return reel__windows_make(w, x.tape, layer, kernel, kernel, options);
}

static reel_var nothing(reel_var x)
{
    reel_shape shape = reel_shape_of(x);
    shape.dim[0] = 0;
    return reel_fill(x.tape, shape, 0);
}

reel_var reel_max_pool1d(reel_var x, int64_t kernel, reel_conv1d_options options)
{
    reel__windows w;
    bool none = false;
    if (!prepare(&w, "max_pool1d", x, kernel, options)) {
        return reel__poisoned(x.tape);
    }
    reel_var taps = stacked(&w, x, -INFINITY, &none);
    return none ? nothing(x) : reel_max(taps, 0);
}

/* How many taps of each window are real: the same pooling of ones. */
static reel_var counts(const reel__windows *w, reel_var x)
{
    reel_shape column = reel_shape_of(x);
    for (int k = 1; k < column.rank; k++) {
        column.dim[k] = 1;
    }
    bool none = false;
    return reel_sum(stacked(w, reel_fill(x.tape, column, 1), 0, &none), 0);
}

reel_var reel_mean_pool1d(reel_var x, int64_t kernel, reel_conv1d_options options)
{
    reel__windows w;
    bool none = false;
    if (!prepare(&w, "mean_pool1d", x, kernel, options)) {
        return reel__poisoned(x.tape);
    }
    reel_var taps = stacked(&w, x, 0, &none);
    return none ? nothing(x) : reel_div(reel_sum(taps, 0), counts(&w, x));
}
