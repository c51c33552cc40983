/* cell_conv_lstm.c: the LSTM whose products are convolutions. */
#include "gates.h"

enum { LARGEST_KERNEL = 31 };

typedef struct {
    reel_var W_x, W_h, b;
    reel_var W_c; /* peepholes, or absent */
    int64_t height, width, in, hidden;
    int64_t rows, columns; /* of the kernel */
} conv_lstm;

/* v [batch, height, width, n] → [batch, height, width, taps·n]: v shifted by each of `taps` places
 * along one of its two axes, zeros coming in. */
static reel_var shifts(reel_var v, int axis, int64_t taps)
{
    reel_var tap[LARGEST_KERNEL], padded = reel_pad(v, axis, taps / 2, taps / 2);
    int64_t length = reel_shape_of(v).dim[axis];
    for (int64_t k = 0; k < taps; k++) {
        tap[k] = k == taps / 2 ? v : reel_slice(padded, axis, k, k + length);
    }
    return reel_concat_n(-1, (int)taps, tap);
}

/* v [batch, places·channels] → [batch, places, taps·channels]: beside each other what the kernel
 * sees from each place; along the columns first, so that few shifts make many taps. */
static reel_var surroundings(const conv_lstm *c, reel_var v, int64_t channels)
{
    int64_t taps = c->rows * c->columns;
    v = reel_reshape(v, REEL_SHAPE(-1, c->height, c->width, channels));
    v = c->columns > 1 ? shifts(v, 2, c->columns) : v;
    v = c->rows > 1 ? shifts(v, 1, c->rows) : v;
    return reel_reshape(v, REEL_SHAPE(-1, c->height * c->width, taps * channels));
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const conv_lstm *c = self;
    int64_t places = c->height * c->width;
    reel_var from_x = reel_affine(surroundings(c, x, c->in), c->W_x, c->b);
    reel_var W_h = reel_probe(c->W_h, "W_h");
    reel_var from_h = reel_matmul(surroundings(c, state[0], c->hidden), W_h);
    reel_var cell = reel_reshape(state[1], REEL_SHAPE(-1, places, c->hidden));
    reel_var h = reel__lstm_update(reel_add(from_x, from_h), c->W_c, &cell);
    state[1] = reel_reshape(cell, REEL_SHAPE(-1, places * c->hidden));
    return state[0] = reel_reshape(h, REEL_SHAPE(-1, places * c->hidden));
}

/* ---- making one ------------------------------------------------------------------------------ */

static bool check(reel_tape *tape, int64_t height, int64_t width, int64_t kernel)
{
    if (!reel__check_size(tape, "conv_lstm", "height", height) ||
        !reel__check_size(tape, "conv_lstm", "width", width) ||
        !reel__check_size(tape, "conv_lstm", "kernel", kernel)) {
        return false;
    }
    if (kernel % 2 == 0 || kernel > LARGEST_KERNEL) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "conv_lstm", "kernel is %lld, must be odd, at most %d",
                  (long long)kernel, LARGEST_KERNEL);
        return false;
    }
    if (height > INT32_MAX / width) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "conv_lstm", "a picture of %lld x %lld is too large",
                  (long long)height, (long long)width);
        return false;
    }
    return true;
}

static void add_parameters(conv_lstm *c, reel_tape *tape, const char *name,
                           reel_conv_lstm_options options)
{
    int64_t taps = c->rows * c->columns, wide = 4 * c->hidden;
    reel_init weights = reel_glorot();
    reel_init b = reel__block_init(4, 1, reel__option(options.forget_bias, 1));
    c->W_x = reel__layer_param(tape, name, "W_x", REEL_SHAPE(taps * c->in, wide), weights);
    c->W_h = reel__layer_param(tape, name, "W_h", REEL_SHAPE(taps * c->hidden, wide), weights);
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(wide), b);
    if (options.peephole) {
        reel_shape shape = REEL_SHAPE(c->height * c->width, 3 * c->hidden);
        c->W_c = reel__layer_param(tape, name, "W_c", shape, reel_zeros());
    }
}

reel_cell reel_conv_lstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                         reel_conv_lstm_options options)
{
    int64_t height = options.height ? options.height : 1;
    int64_t kernel = options.kernel ? options.kernel : 3;
    bool good = check(tape, height, options.width, kernel);
    conv_lstm *c = good ? reel__cell_self(tape, "conv_lstm", in, hidden, sizeof *c) : NULL;
    if (!c) {
        return (reel_cell){ 0 };
    }
    c->in = in;
    c->hidden = hidden;
    c->height = height;
    c->width = options.width;
    c->rows = height == 1 ? 1 : kernel;
    c->columns = kernel;
    add_parameters(c, tape, name, options);
    int64_t state = height * options.width * hidden;
    return (reel_cell){ .self = c, .step = step, .states = 2, .width = { state, state } };
}
