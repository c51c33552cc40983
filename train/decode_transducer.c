/* decode_transducer.c: a transducer's likeliest labels, step by step.
 *
 * The rows of a batch are at steps of their own. In each round all of them run the prediction network
 * on their last label and the joint network; a row whose answer is a label keeps the new state, a row
 * whose answer is the blank goes on to its next step from the old one. For reel__decode_evaluate the
 * two networks are one decoder, with the row's encoder output as the last state. */
#include <string.h>

#include "../layers/lengths.h"
#include "decoding.h"

typedef struct {
    reel__decoding d;
    reel_decoder prediction;
    reel_joint joint;
    reel_transducer_greedy_options options;
    const int32_t *lengths;
    int64_t steps, in; /* of the encoder's outputs */
    char *encoded;     /* [batch, steps, in] */
    int64_t *at;       /* [batch]: each row's step */
    int *symbols;      /* [batch]: put out at that step */
    reel_decoded *found;
} decoding;

#define FAIL(g, status, ...) (reel_fail((g)->d.tape, status, (g)->d.name, __VA_ARGS__), false)

static reel_var step(void *self, reel_var tokens, reel_var state[])
{
    const decoding *g = self;
    reel_var encoded = state[g->prediction.states];
    reel_var predicted = g->prediction.step(g->prediction.self, tokens, state);
    return g->joint.apply(g->joint.self, encoded, predicted);
}

/* ---- what comes in ------------------------------------------------------------------------- */

static bool check(const decoding *g, reel_var encoded)
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
    if (g->options.max_symbols < 1) {
        return FAIL(g, REEL_BAD_ARGUMENT, "max_symbols is %d, must be at least 1",
                    g->options.max_symbols);
    }
    return reel__check_lengths(g->d.tape, g->d.name, "lengths", g->lengths, shape.dim[0],
                               shape.dim[1]);
}

static bool read_encoded(decoding *g, reel_var encoded)
{
    reel_shape shape = reel_shape_of(encoded);
    reel_tape *tape = g->d.tape;
    size_t count = (size_t)reel_shape_size(shape);
    g->d.batch = shape.dim[0];
    g->steps = shape.dim[1];
    g->in = shape.dim[2];
    g->encoded = reel__arena_take(tape, &g->d.arena, (count + 1) * tape->element);
    g->at = reel__arena_take(tape, &g->d.arena, (size_t)g->d.batch * sizeof *g->at);
    g->symbols = reel__arena_take(tape, &g->d.arena, (size_t)g->d.batch * sizeof *g->symbols);
    if (!g->encoded || !g->at || !g->symbols) {
        return false;
    }
    memset(g->at, 0, (size_t)g->d.batch * sizeof *g->at);
    memset(g->symbols, 0, (size_t)g->d.batch * sizeof *g->symbols);
    return (tape->options.dtype == REEL_F64
                ? reel_read_f64(encoded, (double *)g->encoded, count)
                : reel_read(encoded, (float *)g->encoded, count)) == REEL_OK;
}

/* The encoder's output is one more state, which starts as zeros [batch, in]. */
static bool open_decoding(decoding *g, reel_var encoded, const reel_var initial[])
{
    reel_var state[REEL_MAX_STATES] = { { 0 } };
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
    g->d.options = (reel_decode_options){ .start = g->options.blank, .endless = true };
    return reel__decode_open(&g->d, state);
}

/* ---- rounds -------------------------------------------------------------------------------- */

static bool is_done(const decoding *g, int64_t row)
{
    return g->at[row] >= reel__length_at(g->lengths, row, g->steps);
}

static void show_encoded(decoding *g)
{
    reel__decode_state *s = &g->d.state[g->prediction.states];
    for (int64_t row = 0; row < g->d.batch; row++) {
        int64_t t = is_done(g, row) ? 0 : g->at[row];
        memcpy(s->now + (size_t)row * s->row_bytes,
               g->encoded + (size_t)(row * g->steps + t) * s->row_bytes, s->row_bytes);
    }
}

static void put_out(decoding *g, int64_t row, int32_t label)
{
    reel_decoded *r = g->found;
    r->tokens[row * r->steps + r->lengths[row]++] = label;
    g->d.token[row] = label;
    g->symbols[row]++;
    for (int k = 0; k < g->prediction.states; k++) {
        reel__decode_state *s = &g->d.state[k];
        size_t offset = (size_t)row * s->row_bytes;
        memcpy(s->now + offset, s->next + offset, s->row_bytes);
    }
}

/* What was put out is enough, at max_symbols: the blank then costs nothing. */
static void go_on(decoding *g, int64_t row)
{
    g->at[row]++;
    g->symbols[row] = 0;
}

static void answer(decoding *g, int64_t row)
{
    const double *log_p = g->d.log_p + row * g->d.vocabulary;
    int32_t best = reel__likeliest(log_p, g->d.vocabulary);
    g->found->log_probabilities[row] += log_p[best];
    g->found->scores[row] = g->found->log_probabilities[row];
    if (best == g->options.blank) {
        go_on(g, row);
        return;
    }
    put_out(g, row, best);
    if (g->symbols[row] == g->options.max_symbols) {
        go_on(g, row);
    }
}

static bool all_done(const decoding *g)
{
    int64_t done = 0;
    for (int64_t row = 0; row < g->d.batch; row++) {
        done += is_done(g, row);
    }
    return done == g->d.batch;
}

/* Known after the first round. */
static bool check_blank(const decoding *g)
{
    return (g->options.blank >= 0 && g->options.blank < g->d.vocabulary) ||
           FAIL(g, REEL_BAD_INDEX, "blank = %d is outside 0 … %lld", (int)g->options.blank,
                (long long)g->d.vocabulary - 1);
}

static bool run(decoding *g)
{
    if (g->options.max_symbols > INT32_MAX / g->steps) {
        return FAIL(g, REEL_BAD_ARGUMENT, "max_symbols is %d: too many for %lld steps",
                    g->options.max_symbols, (long long)g->steps);
    }
    g->found = reel__decoded_new(g->d.tape, g->d.batch, 1, g->steps * g->options.max_symbols, 0,
                                 g->options.blank);
    while (g->found && !all_done(g)) {
        show_encoded(g);
        if (!reel__decode_evaluate(&g->d) || !check_blank(g)) {
            return false;
        }
        for (int64_t row = 0; row < g->d.batch; row++) {
            if (!is_done(g, row)) {
                answer(g, row);
            }
        }
    }
    return g->found != NULL;
}

reel_decoded *reel_transducer_greedy(reel_tape *tape, reel_decoder prediction, reel_joint joint,
                                     reel_var encoded, const int32_t *lengths,
                                     const reel_var initial[],
                                     reel_transducer_greedy_options options)
{
    options.max_symbols = options.max_symbols == 0 ? 10 : options.max_symbols;
    decoding g = { .d = { .tape = tape, .name = "transducer_greedy", .width = 1 },
                   .prediction = prediction,
                   .joint = joint,
                   .options = options,
                   .lengths = lengths };
    if (!tape) {
        return NULL;
    }
    reel__decode_call_begins(tape);
    if (!open_decoding(&g, encoded, initial) || !run(&g)) {
        reel_decoded_free(g.found);
        g.found = NULL;
    }
    reel__decode_close(&g.d);
    reel__decode_call_ends(tape);
    return g.found;
}
