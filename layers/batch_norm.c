/* batch_norm.c: batch normalisation, of sequences with padding too. */
#include "layer.h"

typedef struct {
    reel_tape *tape;
    int64_t width;
    double momentum, epsilon;
    reel_var gain, bias; /* absent when plain */
    reel_var running_mean, running_variance;
    /* of the last application: mean and variance of the positions that counted, and how many did */
    reel_var mean, variance, count;
    uint32_t recording; /* the one they are of */
} batch_norm;

/* ---- statistics ----------------------------------------------------------------------------- */

static reel_var rows_of(reel_var x, int64_t width)
{
    return reel_reshape(x, REEL_SHAPE(-1, width));
}

/* [width] Σ rows / count */
static reel_var mean_of(reel_var rows, reel_var count)
{
    return reel_div(reel_sum(rows, 0), reel_maximum(count, reel_scalar(rows.tape, 1)));
}

/* Takes the statistics; returns rows - mean, zeros where they do not count. */
static reel_var centre(batch_norm *n, reel_var rows, reel_var counts)
{
    reel_tape *tape = rows.tape;
    bool masked = !reel__is_absent(counts);
    n->count =
        masked ? reel_sum_all(counts) : reel_scalar(tape, (double)reel_shape_of(rows).dim[0]);
    n->mean = mean_of(rows, n->count);
    reel_var centred = reel_sub(rows, n->mean);
    centred = masked ? reel_where(counts, centred, reel_scalar(tape, 0)) : centred;
    n->variance = mean_of(reel_square(centred), n->count);
    reel_keep(n->mean);
    reel_keep(n->variance);
    reel_keep(n->count);
    n->recording = tape->recording;
    return centred;
}

/* ---- one application ------------------------------------------------------------------------ */

static bool check(const batch_norm *n, reel_var x, reel_var mask)
{
    if (!reel__check_handle(n->tape, "batch_norm", x)) {
        return false;
    }
    reel_shape shape = reel_shape_of(x);
    if (shape.rank < 1 || shape.dim[shape.rank - 1] != n->width || reel_is_index(x)) {
        reel_fail(n->tape, REEL_BAD_SHAPE, "batch_norm", "x is %s, expected [..., %lld]",
                  REEL_SHAPE_TEXT(shape), (long long)n->width);
        return false;
    }
    shape.rank--;
    return reel__is_absent(mask) || reel__check_shape(n->tape, "batch_norm", "mask", mask, shape);
}

/* One scale for each feature, so that rows are touched once. */
static reel_var normalise(batch_norm *n, reel_var rows, reel_var counts)
{
    reel_var centred, variance;
    if (reel_is_training(n->tape)) {
        centred = centre(n, rows, counts);
        variance = n->variance;
    } else {
        centred = reel_sub(rows, reel_stop_gradient(n->running_mean));
        variance = reel_stop_gradient(n->running_variance);
    }
    reel_var scale = reel_rsqrt(reel_shift(variance, n->epsilon));
    if (reel__is_absent(n->gain)) {
        return reel_mul(centred, scale);
    }
    return reel_add(reel_mul(centred, reel_mul(scale, n->gain)), n->bias);
}

static reel_var apply_masked(batch_norm *n, reel_var x, reel_var mask)
{
    if (!check(n, x, mask)) {
        return reel__poisoned(x.tape);
    }
    reel_var rows = rows_of(x, n->width), zero = reel_scalar(n->tape, 0), counts = { 0 };
    if (!reel__is_absent(mask)) {
        counts = reel_not_equal(reel_reshape(mask, REEL_SHAPE(-1, 1)), zero);
        rows = reel_where(counts, rows, zero);
    }
    reel_var y = normalise(n, rows, counts);
    y = reel__is_absent(mask) ? y : reel_where(counts, y, zero);
    return reel_reshape(y, reel_shape_of(x));
}

static reel_var apply(void *self, reel_var x)
{
    return apply_masked(self, x, (reel_var){ 0 });
}

static bool is_ours(reel_tape *tape, reel_layer layer)
{
    if (layer.apply == apply) {
        return true;
    }
    reel_fail(tape, REEL_BAD_ARGUMENT, "batch_norm", "the layer is not a reel_batch_norm");
    return false;
}

reel_var reel_batch_norm_apply(reel_var x, reel_layer layer, reel_var mask)
{
    return is_ours(x.tape, layer) ? apply_masked(layer.self, x, mask) : reel__poisoned(x.tape);
}

/* ---- running statistics --------------------------------------------------------------------- */

static reel_status move(const batch_norm *n, reel_var running, reel_var seen, double factor,
                        double room[])
{
    size_t width = (size_t)n->width;
    double *old = room, *new = room + width;
    reel_status status = reel_read_f64(running, old, width);
    status = status == REEL_OK ? reel_read_f64(seen, new, width) : status;
    for (size_t k = 0; status == REEL_OK && k < width; k++) {
        new[k] = (1 - n->momentum) * old[k] + n->momentum *factor *new[k];
    }
    return status == REEL_OK ? reel_write_param_f64(running, new, width) : status;
}

static reel_status update(batch_norm *n, double room[])
{
    double count = reel_item(n->count);
    if (reel_tape_status(n->tape) != REEL_OK) {
        return reel_tape_status(n->tape);
    }
    if (count < 2) {
        return REEL_OK;
    }
    reel_status status = move(n, n->running_mean, n->mean, 1, room);
    return status == REEL_OK ? move(n, n->running_variance, n->variance, count / (count - 1), room)
                             : status;
}

reel_status reel_batch_norm_update(reel_layer layer)
{
    batch_norm *n = layer.self;
    if (layer.apply != apply) {
        return REEL_BAD_ARGUMENT;
    }
    if (reel__is_absent(n->count) || n->recording != n->tape->recording) {
        return REEL_OK;
    }
    size_t bytes = 2 * (size_t)n->width * sizeof(double);
    double *room = reel__resize(n->tape, NULL, 0, bytes);
    if (!room) {
        return REEL_OUT_OF_MEMORY;
    }
    reel_status status = update(n, room);
    reel__resize(n->tape, room, bytes, 0);
    n->count = (reel_var){ 0 };
    return status;
}

/* ---- making one ----------------------------------------------------------------------------- */

static bool check_options(reel_tape *tape, int64_t width, const reel_batch_norm_options *options)
{
    if (!reel__check_size(tape, "batch_norm", "width", width)) {
        return false;
    }
    if (!(options->momentum >= 0 && options->momentum <= 1)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "batch_norm", "momentum is %g, must be in [0, 1]",
                  options->momentum);
        return false;
    }
    if (!(options->epsilon >= 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "batch_norm", "epsilon is %g, must be at least 0",
                  options->epsilon);
        return false;
    }
    return true;
}

static void add_parameters(batch_norm *n, reel_tape *tape, const char *name, bool plain)
{
    reel_shape shape = REEL_SHAPE(n->width);
    reel_init one = reel_constant(1), zero = reel_zeros();
    if (!plain) {
        n->gain = reel__layer_param(tape, name, "gain", shape, one);
        n->bias = reel__layer_param(tape, name, "bias", shape, zero);
    }
    n->running_mean = reel__layer_param(tape, name, "running_mean", shape, zero);
    n->running_variance = reel__layer_param(tape, name, "running_variance", shape, one);
}

reel_layer reel_batch_norm(reel_tape *tape, const char *name, int64_t width,
                           reel_batch_norm_options options)
{
    batch_norm *n = check_options(tape, width, &options) ? reel__layer_self(tape, sizeof *n) : NULL;
    if (!n) {
        return (reel_layer){ 0 };
    }
    *n = (batch_norm){ .tape = tape,
                       .width = width,
                       .momentum = reel__option(options.momentum, 0.1),
                       .epsilon = options.epsilon > 0 ? options.epsilon : 1e-5 };
    add_parameters(n, tape, name, options.plain);
    return (reel_layer){ .self = n, .apply = apply };
}
