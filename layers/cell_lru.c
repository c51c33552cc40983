/* cell_lru.c: the linear recurrent unit, complex and diagonal. */
#include <math.h>

#include "gates.h"

typedef struct {
    reel_var nu, theta, B, C, D;
} lru;

static reel_linear_terms terms(void *self, reel_var x)
{
    const lru *c = self;
    reel_var decay = reel_exp(c->nu); /* -log |λ| */
    reel_var radius = reel_exp(reel_neg(decay)), angle = reel_exp(c->theta);
    /* 1 - |λ|² without the loss of digits near |λ| = 1 */
    reel_var scale = reel_sqrt(reel_neg(reel_expm1(reel_scale(decay, -2))));
    reel_var lambda =
        reel_concat(-1, reel_mul(radius, reel_cos(angle)), reel_mul(radius, reel_sin(angle)));
    reel_var drive = reel_mul(reel_matmul(x, c->B), reel_concat(-1, scale, scale));
    return (reel_linear_terms){ .decay = lambda, .drive = drive };
}

/* Re(h·C): the real parts' product less the imaginary parts'. */
static reel_var output(void *self, reel_var x, reel_var h, reel_var gate)
{
    (void)gate;
    const lru *c = self;
    reel_var part[2] = { h, h };
    reel_split(h, -1, 2, part);
    reel_var conjugate = reel_concat(-1, part[0], reel_neg(part[1]));
    return reel_add(reel_matmul(conjugate, c->C), reel_matmul(x, c->D));
}

/* ---- how λ starts ---------------------------------------------------------------------------- */

/* log(-log |λ|), |λ|² being uniform in [a, b]: uniform over the ring's area. */
static bool fill_nu(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    for (int64_t k = 0; k < shape.dim[0]; k++) {
        double squared = init->a + (init->b - init->a) * (1 - reel_draw_uniform(key, k));
        out[k] = log(-0.5 * log(squared));
    }
    return true;
}

/* log of an angle uniform in (0, a] */
static bool fill_theta(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    for (int64_t k = 0; k < shape.dim[0]; k++) {
        out[k] = log(init->a * (1 - reel_draw_uniform(key, k)));
    }
    return true;
}

static bool check(reel_tape *tape, reel_lru_options o)
{
    if (!(o.least >= 0 && o.most > o.least && o.most < 1) || !(o.angle > 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "lru",
                  "least = %g, most = %g, angle = %g: must be 0 ≤ least < most < 1, angle > 0",
                  o.least, o.most, o.angle);
        return false;
    }
    if (o.out < 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "lru", "out is %lld, must be at least 0",
                  (long long)o.out);
        return false;
    }
    return true;
}

static reel_lru_options with_defaults(reel_lru_options o, int64_t hidden)
{
    o.out = o.out ? o.out : hidden;
    o.least = reel__option(o.least, 0.9);
    o.most = reel__option(o.most, 0.999);
    o.angle = reel__option(o.angle, 0.31415926535897931);
    return o;
}

reel_cell reel_lru(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                   reel_lru_options options)
{
    reel_lru_options o = with_defaults(options, hidden);
    lru *c = check(tape, o) ? reel__cell_self(tape, "lru", in, hidden, sizeof *c) : NULL;
    if (!c) {
        return (reel_cell){ 0 };
    }
    reel_init ring = { .fill = fill_nu, .a = o.least * o.least, .b = o.most * o.most };
    reel_init angle = { .fill = fill_theta, .a = o.angle };
    reel_init from_x = reel_normal(0, sqrt(0.5 / (double)in));
    reel_init to_y = reel_normal(0, 1 / sqrt((double)hidden));
    reel_init past = reel_normal(0, 1 / sqrt((double)in));
    c->nu = reel__layer_param(tape, name, "nu", REEL_SHAPE(hidden), ring);
    c->theta = reel__layer_param(tape, name, "theta", REEL_SHAPE(hidden), angle);
    c->B = reel__layer_param(tape, name, "B", REEL_SHAPE(in, 2 * hidden), from_x);
    c->C = reel__layer_param(tape, name, "C", REEL_SHAPE(2 * hidden, o.out), to_y);
    c->D = reel__layer_param(tape, name, "D", REEL_SHAPE(in, o.out), past);
    return reel_linear(tape, (reel_linear_cell){ .self = c,
                                                 .width = 2 * hidden,
                                                 .complex_values = true,
                                                 .terms = terms,
                                                 .output = output });
}
