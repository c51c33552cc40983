/* transducer.c: two networks as one decoder, and what the encoder says to it. */
#include "transducer.h"

#include <string.h>

#include "../layers/lengths.h"

#define FAIL(g, status, ...) (reel_fail((g)->d.tape, status, (g)->d.name, __VA_ARGS__), false)

static reel_var step(void *self, reel_var tokens, reel_var state[])
{
    const reel__transducer *g = self;
    reel_var encoded = state[g->prediction.states];
    reel_var predicted = g->prediction.step(g->prediction.self, tokens, state);
    return g->joint.apply(g->joint.self, encoded, predicted);
}

static bool check(const reel__transducer *g, reel_var encoded)
{
    const reel_decoder *p = &g->prediction;
    if (!reel__check_handle(g->d.tape, g->d.name, encoded)) {
        return false;
    }
    reel_shape shape = reel_shape_of(encoded);
    if (shape.rank != 3 || shape.dim[0] < 1 || shape.dim[1] < 1 || reel_is_index(encoded)) {
        return FAIL(g, REEL_BAD_SHAPE, "encoded is %s, expected [batch, steps, n], none empty",
                    REEL_SHAPE_TEXT(shape));
    }
    if (!p->step || !g->joint.apply) {
        return FAIL(g, REEL_BAD_ARGUMENT, "%s has no function",
                    p->step ? "the joint network" : "the prediction network");
    }
    if (p->states < 0 || p->states >= REEL_MAX_STATES || p->constants != 0) {
        return FAIL(g, REEL_BAD_ARGUMENT,
                    "prediction.states = %d, constants = %d, must be in 0 … %d and 0", p->states,
                    p->constants, REEL_MAX_STATES - 1);
    }
    if (g->max_symbols < 1) {
        return FAIL(g, REEL_BAD_ARGUMENT, "max_symbols is %d, must be at least 1", g->max_symbols);
    }
    if (g->max_symbols > INT32_MAX / shape.dim[1]) {
        return FAIL(g, REEL_BAD_ARGUMENT, "max_symbols is %d: too many for %lld steps",
                    g->max_symbols, (long long)shape.dim[1]);
    }
    return reel__check_lengths(g->d.tape, g->d.name, "lengths", g->lengths, shape.dim[0],
                               shape.dim[1]);
}

static bool read_encoded(reel__transducer *g, reel_var encoded)
{
    reel_shape shape = reel_shape_of(encoded);
    reel_tape *tape = g->d.tape;
    size_t count = (size_t)reel_shape_size(shape);
    g->d.batch = shape.dim[0];
    g->steps = shape.dim[1];
    g->in = shape.dim[2];
    g->encoded = reel__arena_take(tape, &g->d.arena, (count + 1) * tape->element);
    if (!g->encoded) {
        return false;
    }
    return (tape->options.dtype == REEL_F64
                ? reel_read_f64(encoded, (double *)g->encoded, count)
                : reel_read(encoded, (float *)g->encoded, count)) == REEL_OK;
}

/* The encoder's output is one more state, which starts as zeros [batch, in]. */
bool reel__transducer_open(reel__transducer *g, reel_var encoded, const reel_var initial[])
{
    reel_var state[REEL_MAX_STATES] = { { 0 } };
    g->max_symbols = g->max_symbols == 0 ? 10 : g->max_symbols;
    if (!check(g, encoded) || !read_encoded(g, encoded)) {
        return false;
    }
    int states = g->prediction.states;
    if (initial) {
        memcpy(state, initial, (size_t)states * sizeof *state);
    }
    g->d.decoder = (reel_decoder){ .self = g, .step = step, .states = states + 1 };
    memcpy(g->d.decoder.width, g->prediction.width, sizeof g->d.decoder.width);
    g->d.decoder.width[states] = g->in;
    g->d.options = (reel_decode_options){ .start = g->blank, .endless = true };
    return reel__decode_open(&g->d, state);
}

int64_t reel__transducer_steps(const reel__transducer *g, int64_t row)
{
    return reel__length_at(g->lengths, row, g->steps);
}

void reel__transducer_show(reel__transducer *g, int64_t row, int64_t t)
{
    reel__decode_state *s = &g->d.state[g->prediction.states];
    for (int64_t i = 0; i < g->d.width; i++) {
        memcpy(s->now + (size_t)(row * g->d.width + i) * s->row_bytes,
               g->encoded + (size_t)(row * g->steps + t) * s->row_bytes, s->row_bytes);
    }
}

/* How many labels there are is known after the first round. */
bool reel__transducer_evaluate(reel__transducer *g)
{
    if (!reel__decode_evaluate(&g->d)) {
        return false;
    }
    return (g->blank >= 0 && g->blank < g->d.vocabulary) ||
           FAIL(g, REEL_BAD_INDEX, "blank = %d is outside 0 … %lld", (int)g->blank,
                (long long)g->d.vocabulary - 1);
}
