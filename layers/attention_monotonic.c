/* attention_monotonic.c: attention that only goes forward. */
#include <math.h>

#include "attention_additive.h"

typedef struct {
    reel__additive additive;
    reel_var g, r;
    double noise;
    bool soft;
} monotonic;

static reel_var keys(void *self, reel_var values)
{
    return reel__additive_keys(&((const monotonic *)self)->additive, values);
}

static reel_var energy(const monotonic *a, const reel_memory *m, reel_var query)
{
    reel_var squashed = reel_tanh(reel__additive_inside(&a->additive, m->keys, query));
    reel_var gain = reel_div(a->g, reel_norm_keep(a->additive.v, -1));
    reel_var e = reel_add(reel_mul(reel_matmul(squashed, a->additive.v), gain), a->r);
    if (a->noise > 0 && reel_is_training(e.tape)) {
        e = reel_add(e, reel_random_normal(e.tape, reel_shape_of(e), 0, a->noise));
    }
    return e;
}

/* ---- from where it was to where it goes ------------------------------------------------------ */

/* v moved `by` steps on, zeros before */
static reel_var moved(reel_var v, int64_t by)
{
    int64_t steps = reel_shape_of(v).dim[1];
    return reel_pad(reel_slice(v, 1, 0, steps - by), 1, by, 0);
}

/* q_i = on_{i-1}·q_{i-1} + last_i, each pass twice as far (Hillis & Steele 1986). */
static reel_var arriving(reel_var on, reel_var last, int64_t steps)
{
    if (steps == 0) {
        return last;
    }
    reel_var passed = moved(on, 1), q = last;
    for (int64_t by = 1; by < steps; by *= 2) {
        q = reel_add(q, reel_mul(passed, moved(q, by)));
        passed = reel_mul(passed, moved(passed, by));
    }
    return q;
}

/* Weights that have all but vanished are 0: as subnormal numbers they would cost a hundred times
 * what others do, in every product that sees them. */
static reel_var settled(reel_var weights)
{
    reel_var least = reel_scalar(weights.tape, 1e-20), zero = reel_scalar(weights.tape, 0);
    return reel_where(reel_less(weights, least), zero, weights);
}

static reel_var weigh(void *self, const reel_memory *m, reel_var query, reel_var state[])
{
    const monotonic *a = self;
    reel_var e = energy(a, m, query), zero = reel_scalar(e.tape, 0);
    bool soft = a->soft || reel_is_training(e.tape);
    reel_var stop = soft ? reel_sigmoid(e) : reel_greater(e, zero);
    reel_var on = soft ? reel_sigmoid(reel_neg(e)) : reel_less_equal(e, zero);
    reel_var start = reel_equal(m->position, zero);
    stop = reel__is_absent(m->valid) ? stop : reel_where(m->valid, stop, zero);
    reel_var arrived = arriving(on, reel_add(state[0], start), m->steps);
    reel_var weights = settled(reel_mul(stop, arrived));
    state[0] = reel_sub(weights, start);
    return weights;
}

reel_attention reel_monotonic_attention(reel_tape *tape, const char *name, int64_t query,
                                        int64_t memory, int64_t width,
                                        reel_monotonic_options options)
{
    const char *kind = "monotonic_attention";
    if (!reel__additive_check(tape, kind, query, memory, width)) {
        return (reel_attention){ 0 };
    }
    if (!(options.noise >= 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, kind, "noise is %g, must be at least 0", options.noise);
        return (reel_attention){ 0 };
    }
    monotonic *a = reel__layer_self(tape, sizeof *a);
    if (!a || !reel__additive_make(&a->additive, tape, name, query, memory, width)) {
        return (reel_attention){ 0 };
    }
    reel_init gain = reel_constant(1 / sqrt((double)width));
    reel_init bias = reel_constant(reel__option(options.r, -4));
    a->g = reel__layer_param(tape, name, "g", REEL_SHAPE(1), gain);
    a->r = reel__layer_param(tape, name, "r", REEL_SHAPE(1), bias);
    a->noise = options.noise;
    a->soft = options.soft;
    return a->g.id && a->r.id
               ? (reel_attention){ .self = a, .keys = keys, .weigh = weigh, .states = 1 }
               : (reel_attention){ 0 };
}
