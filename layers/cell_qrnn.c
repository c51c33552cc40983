/* cell_qrnn.c: the quasi-recurrent network, a convolution over time and a pooling with gates. */
#include "gates.h"

typedef struct {
    reel_var W_x, b;
} qrnn;

static reel_linear_terms terms(void *self, reel_var x)
{
    const qrnn *c = self;
    reel_var part[3] = { x, x, x };
    reel_split(reel_affine(x, c->W_x, c->b), -1, 3, part);
    reel_var rest = reel_sigmoid(reel_neg(part[1]));
    return (reel_linear_terms){ .decay = reel_sigmoid(part[1]),
                                .drive = reel_mul(rest, reel_tanh(part[0])),
                                .gate = reel_sigmoid(part[2]) };
}

static reel_var output(void *self, reel_var x, reel_var h, reel_var gate)
{
    (void)self, (void)x;
    return reel_mul(gate, h);
}

reel_cell reel_qrnn(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                    reel_qrnn_options options)
{
    int64_t kernel = options.kernel ? options.kernel : 2;
    bool good = reel__check_size(tape, "qrnn", "kernel", kernel);
    qrnn *c = good ? reel__cell_self(tape, "qrnn", in, hidden, sizeof *c) : NULL;
    if (!c) {
        return (reel_cell){ 0 };
    }
    reel_shape shape = REEL_SHAPE(kernel * in, 3 * hidden);
    c->W_x = reel__layer_param(tape, name, "W_x", shape, reel_glorot());
    c->b = reel__layer_param(tape, name, "b", REEL_SHAPE(3 * hidden), reel_zeros());
    return reel_linear(tape, (reel_linear_cell){ .self = c,
                                                 .width = hidden,
                                                 .window = kernel,
                                                 .in = in,
                                                 .terms = terms,
                                                 .output = output });
}
