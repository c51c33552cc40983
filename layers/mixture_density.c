/* mixture_density.c: mixtures of Gaussians read off a layer's output. */
#include <math.h>

#include "layer.h"

#define LOG_2 0.6931471805599453
#define LOG_2_PI 1.8378770664093453

/* The parts of raw: w, r [..., components], mu, s [..., components, width]. */
typedef struct {
    reel_var w, mu, s, r; /* r absent without correlations */
} mixture;

static const char name_of_output[] = "mixture";

#define FAIL(status, ...) (reel_fail(tape, status, name_of_output, __VA_ARGS__), false)

static int64_t width_of(const reel_mixture_options *options)
{
    return options->width ? options->width : 1;
}

int64_t reel_mixture_inputs(reel_mixture_options options)
{
    int64_t K = options.components, width = width_of(&options);
    bool good = K >= 1 && width >= 1 && (!options.correlated || width == 2) && options.bias >= 0;
    return good ? K * (1 + 2 * width + options.correlated) : 0;
}

static bool check(reel_var raw, const reel_mixture_options *options)
{
    reel_tape *tape = raw.tape;
    if (!reel__check_handle(tape, name_of_output, raw)) {
        return false;
    }
    int64_t inputs = reel_mixture_inputs(*options);
    if (inputs == 0) {
        return FAIL(REEL_BAD_ARGUMENT,
                    "components %lld, width %lld%s, bias %g do not make a mixture",
                    (long long)options->components, (long long)width_of(options),
                    options->correlated ? " (correlated: 2)" : "", options->bias);
    }
    reel_shape shape = reel_shape_of(raw);
    if (shape.rank < 1 || shape.rank >= REEL_MAX_RANK || shape.dim[shape.rank - 1] != inputs) {
        return FAIL(REEL_BAD_SHAPE, "raw is %s, expected [..., %lld]", REEL_SHAPE_TEXT(shape),
                    (long long)inputs);
    }
    return true;
}

static mixture take_apart(reel_var raw, const reel_mixture_options *options)
{
    int64_t K = options->components, width = width_of(options), wide = K * width;
    reel_shape each = reel_shape_of(raw);
    if (each.rank < 1) {
        return (mixture){ raw, raw, raw, raw }; /* memory is short */
    }
    each.dim[each.rank - 1] = K;
    each.dim[each.rank++] = width;
    mixture m = { .w = reel_slice(raw, -1, 0, K) };
    m.mu = reel_reshape(reel_slice(raw, -1, K, K + wide), each);
    m.s = reel_reshape(reel_slice(raw, -1, K + wide, K + 2 * wide), each);
    if (options->correlated) {
        m.r = reel_slice(raw, -1, K + 2 * wide, 2 * K + 2 * wide);
    }
    return m;
}

/* ---- the loss ------------------------------------------------------------------------------- */

/* log(1 - tanh²(r)), which does not cancel for any r */
static reel_var log_rest(reel_var r)
{
    return reel_scale(reel_shift(reel_sub(reel_softplus(reel_scale(r, 2)), r), -LOG_2), -2);
}

/* z₀² + z₁² - 2·tanh(r)·z₀·z₁ over 1 - tanh²(r), and the density's normaliser: [..., components] */
static reel_var correlated_part(reel_var z, reel_var r)
{
    reel_var half[2], rest = log_rest(r);
    reel_split(z, -1, 2, half);
    reel_var both = reel_squeeze(reel_mul(half[0], half[1]), -1);
    reel_var squares = reel_sum(reel_square(z), -1);
    reel_var distance = reel_sub(squares, reel_scale(reel_mul(reel_tanh(r), both), 2));
    return reel_add(reel_mul(distance, reel_exp(reel_neg(rest))), rest);
}

/* [...] -log density */
static reel_var nll(const mixture *m, reel_var target, int64_t width)
{
    reel_var z = reel_mul(reel_sub(reel_unsqueeze(target, -2), m->mu), reel_exp(reel_neg(m->s)));
    reel_var distance =
        reel__is_absent(m->r) ? reel_sum(reel_square(z), -1) : correlated_part(z, m->r);
    reel_var log_density = reel_scale(reel_shift(distance, (double)width * LOG_2_PI), -0.5);
    log_density = reel_sub(log_density, reel_sum(m->s, -1));
    return reel_neg(reel_logsumexp(reel_add(reel_log_softmax(m->w, -1), log_density), -1));
}

/* What does not count is read as zeros. */
static void blank(reel_var mask, reel_var *raw, reel_var *target)
{
    if (!reel__is_absent(mask)) {
        reel_var zero = reel_scalar(raw->tape, 0), column = reel_unsqueeze(mask, -1);
        *raw = reel_where(column, *raw, zero);
        *target = reel_where(column, *target, zero);
    }
}

reel_var reel_mixture_loss(reel_var raw, reel_var target, reel_mixture_options options)
{
    reel_tape *tape = raw.tape;
    reel_shape shape = reel_shape_of(raw);
    if (!check(raw, &options)) {
        return reel__poisoned(tape);
    }
    shape.dim[shape.rank - 1] = width_of(&options);
    if (!reel__check_shape(tape, name_of_output, "target", target, shape)) {
        return reel__poisoned(tape);
    }
    shape.rank--;
    if (!reel__is_absent(options.mask) &&
        !reel__check_shape(tape, name_of_output, "mask", options.mask, shape)) {
        return reel__poisoned(tape);
    }
    blank(options.mask, &raw, &target);
    mixture m = take_apart(raw, &options);
    return reel_masked_mean(nll(&m, target, width_of(&options)), options.mask);
}

/* ---- what it says --------------------------------------------------------------------------- */

/* Σ_k weight[..., k]·of[..., k, :] */
static reel_var weighted(reel_var weight, reel_var of)
{
    return reel_sum(reel_mul(reel_unsqueeze(weight, -1), of), -2);
}

reel_var reel_mixture_mean(reel_var raw, reel_mixture_options options)
{
    if (!check(raw, &options)) {
        return reel__poisoned(raw.tape);
    }
    mixture m = take_apart(raw, &options);
    return weighted(reel_softmax(m.w, -1), m.mu);
}

/* One component each, as the argmax of w plus Gumbel noise (Gumbel 1954): a row of one 1. */
static reel_var chosen(reel_var w)
{
    reel_shape shape = reel_shape_of(w);
    if (shape.rank < 1) {
        return w;
    }
    reel_var u = reel_random_uniform(w.tape, shape, 0x1p-60, 1);
    reel_var noise = reel_neg(reel_log(reel_neg(reel_log(u))));
    return reel_one_hot(reel_argmax(reel_add(w, noise), -1), shape.dim[shape.rank - 1]);
}

/* Standard normal numbers e; with correlations [e₀, ρ·e₀ + sqrt(1 - ρ²)·e₁]. */
static reel_var noise_of(reel_var one, const mixture *m, reel_shape shape)
{
    reel_var e = reel_random_normal(one.tape, shape, 0, 1), half[2];
    if (reel__is_absent(m->r)) {
        return e;
    }
    reel_split(e, -1, 2, half);
    reel_var r = reel_sum_keep(reel_xmul(one, m->r), -1);
    reel_var second = reel_add(reel_mul(reel_tanh(r), half[0]),
                               reel_mul(reel_exp(reel_scale(log_rest(r), 0.5)), half[1]));
    return reel_concat(-1, half[0], second);
}

reel_var reel_mixture_sample(reel_var raw, reel_mixture_options options)
{
    if (!check(raw, &options)) {
        return reel__poisoned(raw.tape);
    }
    reel_shape shape = reel_shape_of(raw);
    shape.dim[shape.rank - 1] = width_of(&options);
    mixture m = take_apart(reel_stop_gradient(raw), &options);
    reel_var one = chosen(reel_scale(m.w, 1 + options.bias));
    reel_var deviation = reel_exp(reel_shift(weighted(one, m.s), -options.bias));
    return reel_add(weighted(one, m.mu), reel_mul(deviation, noise_of(one, &m, shape)));
}
