/* onnx_windows.c: ONNX's convolution and pooling over one axis, x [batch, channels, steps]. The
 * windows are those of layers/: over the first axis of [steps, batch, channels]. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <math.h>
#include <string.h>

#include "../layers/windows.h"
#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;

enum { MOST = 1 << 16 }; /* steps of a kernel or of padding */

typedef struct {
    reel__windows windows;
    int64_t before, behind, count;
    reel_var *tap;
} view;

static int64_t listed(const run *c, const char *name, size_t i, int64_t otherwise)
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, name);
    return a && i < a->n_ints ? a->ints[i] : otherwise;
}

static bool pads_itself(const run *c)
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, "auto_pad");
    return a && !(a->s.len == 6 && memcmp(a->s.data, "NOTSET", 6) == 0) &&
           !(a->s.len == 5 && memcmp(a->s.data, "VALID", 5) == 0);
}

static bool read_view(run *c, reel_var x, int64_t kernel, view *v)
{
    reel_conv1d_options options = { .stride = listed(c, "strides", 0, 1),
                                    .dilation = listed(c, "dilations", 0, 1) };
    *v = (view){ .before = listed(c, "pads", 0, 0), .behind = listed(c, "pads", 1, 0) };
    if (reel_shape_of(x).rank != 3 || pads_itself(c) || reel__onnx_get_int(c, "ceil_mode", 0)) {
        return reel__onnx_refuse(c, "over other than one axis, auto_pad or ceil_mode");
    }
    if (v->before < 0 || v->behind < 0 || v->before > MOST || v->behind > MOST || kernel > MOST) {
        return reel__onnx_refuse(c, "pads or a kernel out of range");
    }
    return reel__windows_make(&v->windows, c->model->tape, "onnx_run", kernel, 1, options);
}

static reel_var edge(reel_var steps, int64_t n, double value)
{
    reel_shape shape = reel_shape_of(steps);
    shape.dim[0] = n;
    return reel_fill(steps.tape, shape, value);
}

/* x [batch, channels, steps] → tap[k] [steps', batch, channels] */
static bool find_taps(run *c, reel_var x, double border, view *v)
{
    reel_var steps = reel_permute(x, 2, 0, 1);
    reel_var parts[] = { edge(steps, v->before, border), steps, edge(steps, v->behind, border) };
    reel_var padded = v->before || v->behind ? reel_concat_n(0, 3, parts) : steps;
    v->count = reel__windows_count(&v->windows, reel_shape_of(padded).dim[0]);
    v->tap = reel__onnx_room(c, (size_t)v->windows.kernel * sizeof *v->tap);
    return v->tap && (reel__windows_taps(&v->windows, padded, v->count, v->tap) ||
                      reel__onnx_refuse(c, "a window that fits nowhere"));
}

/* ---- convolution ----------------------------------------------------------------------------- */

/* W [out, in, kernel] → [kernel·in, out] of the group's rows */
static reel_var weights_of_group(reel_var W, int64_t out, int64_t g)
{
    reel_shape shape = reel_shape_of(W);
    reel_var own = reel_permute(reel_slice(W, 0, g * out, (g + 1) * out), 2, 1, 0);
    return reel_reshape(own, REEL_SHAPE(shape.dim[2] * shape.dim[1], out));
}

static reel_var convolve_group(run *c, const view *v, reel_var W, int64_t out, int64_t g)
{
    int64_t in = reel_shape_of(W).dim[1];
    reel_var *part = reel__onnx_room(c, (size_t)v->windows.kernel * sizeof *part);
    for (int64_t k = 0; part && k < v->windows.kernel; k++) {
        part[k] = reel_slice(v->tap[k], -1, g * in, (g + 1) * in);
    }
    return part ? reel_matmul(reel_concat_n(-1, (int)v->windows.kernel, part),
                              weights_of_group(W, out, g))
                : (reel_var){ W.tape, 0 };
}

bool reel__onnx_conv(run *c)
{
    reel_var x = reel__onnx_var(c, 0), W = reel__onnx_var(c, 1);
    reel_shape shape = reel_shape_of(W), in = reel_shape_of(x);
    int64_t groups = reel__onnx_get_int(c, "group", 1);
    if (shape.rank != 3 || in.rank != 3 || groups < 1 || groups > INT32_MAX ||
        shape.dim[0] % groups || in.dim[1] != shape.dim[1] * groups) {
        return reel__onnx_refuse(c, "over other than one axis, or channels that do not fit");
    }
    view v;
    reel_var *part = reel__onnx_room(c, (size_t)groups * sizeof *part);
    if (part == NULL || !read_view(c, x, shape.dim[2], &v) || !find_taps(c, x, 0, &v)) {
        return false;
    }
    for (int64_t g = 0; g < groups; g++) {
        part[g] = convolve_group(c, &v, W, shape.dim[0] / groups, g);
    }
    reel_var y = groups == 1 ? part[0] : reel_concat_n(-1, (int)groups, part);
    y = reel__onnx_has(c, 2) ? reel_add(y, reel__onnx_var(c, 2)) : y;
    return reel__onnx_put(c, 0, reel_permute(y, 1, 2, 0));
}

/* ---- pooling --------------------------------------------------------------------------------- */

/* How many of a window's steps are of x, [steps']. */
static reel_var counts(run *c, const view *v, reel_var x)
{
    view ones = *v;
    reel_var one = reel_fill(x.tape, REEL_SHAPE(1, 1, reel_shape_of(x).dim[2]), 1);
    return find_taps(c, one, 0, &ones)
               ? reel_sum(reel_stack_n(0, (int)v->windows.kernel, ones.tap), 0)
               : (reel_var){ x.tape, 0 };
}

bool reel__onnx_pool(run *c)
{
    bool mean = c->node->op_type[0] == 'A';
    reel_var x = reel__onnx_var(c, 0);
    int64_t kernel = listed(c, "kernel_shape", 0, 0);
    view v;
    if (c->outputs > 1 || kernel < 1 || !read_view(c, x, kernel, &v) ||
        !find_taps(c, x, mean ? 0 : -INFINITY, &v)) {
        return reel__onnx_refuse(c, "without a kernel, or with the places asked for");
    }
    reel_var taps = reel_stack_n(0, (int)kernel, v.tap);
    reel_var y = mean ? reel_sum(taps, 0) : reel_max(taps, 0);
    if (mean && reel__onnx_get_int(c, "count_include_pad", 0)) {
        y = reel_scale(y, 1 / (double)kernel);
    } else if (mean) {
        y = reel_div(y, counts(c, &v, x));
    }
    return reel__onnx_put(c, 0, reel_permute(y, 1, 2, 0));
}

bool reel__onnx_global_pool(run *c)
{
    bool mean = strcmp(c->node->op_type, "GlobalAveragePool") == 0;
    reel_var y = reel__onnx_var(c, 0);
    for (int i = 2; i < reel_shape_of(y).rank; i++) {
        y = mean ? reel_mean_keep(y, i) : reel_max_keep(y, i);
    }
    return reel__onnx_put(c, 0, y);
}
#else
typedef int reel__no_onnx_windows; /* a translation unit is never empty */
#endif
