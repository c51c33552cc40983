/* convolution.c: convolution over time. Tap k of all windows is a view; laid side by side they
 * make one matrix product with W. */
#include <math.h>

#include "windows.h"

typedef struct {
    reel__windows windows;
    int64_t in, out, groups;
    reel_var W, b; /* b absent without bias */
} conv;

static const char name_of_layer[] = "conv1d";

static bool check_input(const conv *c, reel_var x)
{
    if (!reel__check_handle(x.tape, name_of_layer, x)) {
        return false;
    }
    reel_shape shape = reel_shape_of(x);
    if (shape.rank != 3 || shape.dim[2] != c->in || reel_is_index(x)) {
        reel_fail(x.tape, REEL_BAD_SHAPE, name_of_layer, "x is %s, expected [steps, batch, %lld]",
                  REEL_SHAPE_TEXT(shape), (long long)c->in);
        return false;
    }
    return true;
}

/* [steps', batch, kernel·in/groups] · [kernel·in/groups, out/groups] */
static reel_var product_of_group(const conv *c, const reel_var tap[], reel_var part[], int64_t g)
{
    int64_t in = c->in / c->groups, out = c->out / c->groups, kernel = c->windows.kernel;
    for (int64_t k = 0; k < kernel; k++) {
        part[k] = c->groups == 1 ? tap[k] : reel_slice(tap[k], -1, g * in, (g + 1) * in);
    }
    reel_var W = c->groups == 1 ? c->W : reel_slice(c->W, -1, g * out, (g + 1) * out);
    return reel_matmul(reel_concat_n(-1, (int)kernel, part),
                       reel_reshape(W, REEL_SHAPE(kernel * in, out)));
}

static reel_var products(const conv *c, reel_var x, int64_t count, reel_var room[])
{
    reel_var *tap = room, *part = room + c->windows.kernel, *group = part + c->windows.kernel;
    if (!reel__windows_taps(&c->windows, reel__windows_pad(&c->windows, x, 0), count, tap)) {
        return reel_fill(x.tape, REEL_SHAPE(0, reel_shape_of(x).dim[1], c->out), 0);
    }
    for (int64_t g = 0; g < c->groups; g++) {
        group[g] = product_of_group(c, tap, part, g);
    }
    reel_var y = c->groups == 1 ? group[0] : reel_concat_n(-1, (int)c->groups, group);
    return reel__is_absent(c->b) ? y : reel_add(y, c->b);
}

static reel_var apply(void *self, reel_var x)
{
    const conv *c = self;
    if (!check_input(c, x)) {
        return reel__poisoned(x.tape);
    }
    size_t bytes = (size_t)(2 * c->windows.kernel + c->groups) * sizeof(reel_var);
    reel_var *room = reel__resize(x.tape, NULL, 0, bytes);
    if (!room) {
        return reel__poisoned(x.tape);
    }
    int64_t count = reel__windows_count(&c->windows, reel_shape_of(x).dim[0]);
    reel_var y = products(c, x, count, room);
    reel__resize(x.tape, room, bytes, 0);
    return y;
}

int64_t reel_conv1d_steps(int64_t steps, int64_t kernel, reel_conv1d_options options)
{
    reel__windows w = { .kernel = kernel,
                        .stride = options.stride ? options.stride : 1,
                        .dilation = options.dilation ? options.dilation : 1,
                        .padding = options.padding };
    bool good = steps > 0 && steps <= INT64_MAX / 2 && kernel > 0 && kernel <= INT32_MAX &&
                w.stride > 0 && w.dilation > 0 && w.dilation <= INT32_MAX;
    return good ? reel__windows_count(&w, steps) : 0;
}

/* ---- making one ----------------------------------------------------------------------------- */

static bool check(reel_tape *tape, int64_t in, int64_t out, int64_t groups)
{
    if (!reel__check_size(tape, name_of_layer, "in", in) ||
        !reel__check_size(tape, name_of_layer, "out", out) ||
        !reel__check_size(tape, name_of_layer, "groups", groups)) {
        return false;
    }
    if (in % groups || out % groups) {
        reel_fail(tape, REEL_BAD_ARGUMENT, name_of_layer,
                  "in %lld and out %lld are not multiples of %lld groups", (long long)in,
                  (long long)out, (long long)groups);
        return false;
    }
    return true;
}

/* Glorot over all that one output sees and all that sees one input. */
static reel_init start_of(const conv *c)
{
    double fan = (double)(c->windows.kernel * (c->in + c->out)) / (double)c->groups;
    double bound = sqrt(6 / fan);
    return reel_uniform(-bound, bound);
}

reel_layer reel_conv1d(reel_tape *tape, const char *name, int64_t in, int64_t out, int64_t kernel,
                       reel_conv1d_options options)
{
    int64_t groups = options.groups ? options.groups : 1;
    reel__windows windows;
    if (!check(tape, in, out, groups) ||
        !reel__windows_make(&windows, tape, name_of_layer, kernel, 1, options)) {
        return (reel_layer){ 0 };
    }
    conv *c = reel__layer_self(tape, sizeof *c);
    if (!c) {
        return (reel_layer){ 0 };
    }
    *c = (conv){ .windows = windows, .in = in, .out = out, .groups = groups };
    reel_shape shape = REEL_SHAPE(kernel, in / groups, out);
    c->W = reel__layer_param(tape, name, "W", shape, start_of(c));
    if (!options.no_bias) {
        c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(out), reel_zeros());
    }
    return (reel_layer){ .self = c, .apply = apply };
}
