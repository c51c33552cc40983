/* custom_op: an operation of one's own, with the same rights as the library's.
 *
 * softsign(x) = x / (1 + |x|). Its derivative 1 / (1 + |x|)² is written in tape operations, so that
 * gradients of gradients come by themselves. The gradient check proves both orders.
 */
#include <reel.h>

#include <math.h>

/* A tile is n elements side by side; the library broadcasts, cuts into tiles and uses threads. */
static void softsign_f32(size_t n, const void *const x[], void *y, const void *attributes)
{
    const float *in = x[0];
    float *out = y;
    (void)attributes;
    for (size_t i = 0; i < n; i++) {
        out[i] = in[i] / (1 + fabsf(in[i]));
    }
}

static void softsign_f64(size_t n, const void *const x[], void *y, const void *attributes)
{
    const double *in = x[0];
    double *out = y;
    (void)attributes;
    for (size_t i = 0; i < n; i++) {
        out[i] = in[i] / (1 + fabs(in[i]));
    }
}

/* dx = dy / (1 + |x|)²; reel_xmul is 0 where dy is 0, whatever the other factor is. */
static void softsign_vjp(reel_vjp_call *c)
{
    reel_var slope = reel_square(reel_reciprocal(reel_shift(reel_abs(c->x[0]), 1)));
    c->dx[0] = reel_xmul(c->dy, slope);
}

static const reel_op softsign_op = {
    .name = "softsign",
    .kind = REEL_ELEMENTWISE,
    .inputs = 1,
    .tile = { softsign_f32, softsign_f64 },
    .vjp = softsign_vjp,
};

static reel_var softsign(reel_var x)
{
    return reel_record(&softsign_op, 1, &x, NULL);
}

static reel_var loss(reel_tape *t, void *self)
{
    (void)self;
    reel_var x = reel_find_param(t, "x");
    return reel_mean_all(reel_square(reel_shift(softsign(x), 0.5)));
}

int main(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 1 });
    reel_param(t, "x", REEL_SHAPE(4, 3), reel_normal(0, 2));

    reel_gradcheck_report report;
    bool ok = reel_gradcheck(t, loss, NULL, (reel_gradcheck_options){ .order = 2 }, &report);
    reel_gradcheck_print(&report, stdout);
    reel_tape_free(t);
    return !ok;
}
