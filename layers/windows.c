/* windows.c: windows over the steps of a sequence, as views: tap k of all windows is one slice. */
#include "windows.h"

bool reel__windows_make(reel__windows *w, reel_tape *tape, const char *layer, int64_t kernel,
                        int64_t stride, reel_conv1d_options options)
{
    *w = (reel__windows){ .kernel = kernel,
                          .stride = options.stride ? options.stride : stride,
                          .dilation = options.dilation ? options.dilation : 1,
                          .padding = options.padding };
    if (!reel__check_size(tape, layer, "kernel", kernel) ||
        !reel__check_size(tape, layer, "stride", w->stride) ||
        !reel__check_size(tape, layer, "dilation", w->dilation)) {
        return false;
    }
    if ((unsigned)w->padding >= REEL_PADDING_COUNT) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "there is no padding %d", (int)w->padding);
        return false;
    }
    return true;
}

static int64_t reach(const reel__windows *w)
{
    return w->dilation * (w->kernel - 1);
}

static int64_t added(const reel__windows *w)
{
    return w->padding == REEL_VALID ? 0 : reach(w);
}

int64_t reel__windows_count(const reel__windows *w, int64_t steps)
{
    int64_t last = steps + added(w) - reach(w) - 1;
    return last < 0 || steps == 0 ? 0 : last / w->stride + 1;
}

static reel_var border(reel_var x, int64_t steps, double value)
{
    reel_shape shape = reel_shape_of(x);
    shape.dim[0] = steps;
    return reel_fill(x.tape, shape, value);
}

reel_var reel__windows_pad(const reel__windows *w, reel_var x, double value)
{
    int64_t all = added(w), before = w->padding == REEL_CAUSAL ? all : all / 2;
    if (all == 0) {
        return x;
    }
    if (value == 0) {
        return reel_pad(x, 0, before, all - before);
    }
    return reel_concat(0, border(x, before, value), x, border(x, all - before, value));
}

/* With a stride, steps are taken apart by their place in it: [count, stride, ...]. */
static reel_var by_stride(const reel__windows *w, reel_var padded)
{
    reel_shape shape = reel_shape_of(padded), apart = { .rank = shape.rank + 1 };
    int64_t rest = (w->stride - shape.dim[0] % w->stride) % w->stride;
    apart.dim[0] = (shape.dim[0] + rest) / w->stride;
    apart.dim[1] = w->stride;
    for (int k = 1; k < shape.rank; k++) {
        apart.dim[k + 1] = shape.dim[k];
    }
    return reel_reshape(rest ? reel_pad(padded, 0, 0, rest) : padded, apart);
}

bool reel__windows_taps(const reel__windows *w, reel_var padded, int64_t count, reel_var tap[])
{
    if (count == 0) {
        return false;
    }
    reel_var steps = w->stride > 1 ? by_stride(w, padded) : padded;
    for (int64_t k = 0; k < w->kernel; k++) {
        int64_t at = k * w->dilation, first = at / w->stride, place = at % w->stride;
        reel_var of = steps;
        if (w->stride > 1) {
            of = reel_squeeze(reel_slice(steps, 1, place, place + 1), 1);
        }
        tap[k] = reel_slice(of, 0, first, first + count);
    }
    return true;
}
