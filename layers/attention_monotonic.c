/* attention_monotonic.c: attention that only goes forward. */
#include <math.h>

#include "attention_additive.h"
#include "lengths.h"

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
    reel_var direction = reel_div(a->additive.v, reel_norm_keep(a->additive.v, -1));
    reel_var e = reel_add(reel_mul(reel_matmul(squashed, direction), a->g), a->r);
    if (a->noise > 0 && reel_is_training(e.tape)) {
        e = reel_add(e, reel_random_normal(e.tape, reel_shape_of(e), 0, a->noise));
    }
    return e;
}

/* ---- from where it was to where it goes ------------------------------------------------------ */

/* [batch, k, i]: `of` at i less `of` at k */
static reel_var between(reel_var of)
{
    return reel_sub(reel_unsqueeze(of, 1), reel_unsqueeze(of, 2));
}

/* [1, k, i]: 1 where k ≤ i */
static reel_var forward(reel_tape *tape, int64_t steps)
{
    reel_var i = reel__positions(tape, steps);
    return reel_unsqueeze(reel_less_equal(reel_transpose(i, 0, 1), i), 0);
}

static reel_var before(reel_var v)
{
    return reel_sub(reel_cumsum(v, -1), v);
}

static reel_var only_valid(const reel_memory *m, reel_var v)
{
    return reel__is_absent(m->valid) ? v : reel_where(m->valid, v, reel_scalar(v.tape, 0));
}

/* Π (1 - p_l) over k ≤ l < i as the exponential of a sum of logarithms, none of which is above 0. */
static reel_var soft_passage(const reel_memory *m, reel_var e)
{
    reel_var log_on = before(only_valid(m, reel_neg(reel_softplus(e))));
    reel_var none = reel_scalar(e.tape, -INFINITY);
    return reel_exp(reel_where(forward(e.tape, m->steps), between(log_on), none));
}

/* The same where p is 0 or 1: no stop in between. */
static reel_var hard_passage(const reel_memory *m, reel_var p)
{
    reel_var nothing = reel_equal(between(before(p)), reel_scalar(p.tape, 0));
    return reel_mul(nothing, forward(p.tape, m->steps));
}

static reel_var weigh(void *self, const reel_memory *m, reel_var query, reel_var state[])
{
    const monotonic *a = self;
    reel_tape *tape = query.tape;
    reel_var e = energy(a, m, query), zero = reel_scalar(tape, 0);
    bool soft = a->soft || reel_is_training(tape);
    reel_var p = only_valid(m, soft ? reel_sigmoid(e) : reel_greater(e, zero));
    reel_var start = reel_equal(reel__positions(tape, m->steps), zero);
    reel_var last = reel_unsqueeze(reel_add(state[0], start), 1);
    reel_var passage = soft ? soft_passage(m, e) : hard_passage(m, p);
    reel_var weights = reel_mul(p, reel_squeeze(reel_matmul(last, passage), 1));
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
