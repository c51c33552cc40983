/* decode_transducer.c: a transducer's likeliest labels, step by step.
 *
 * The rows of a batch are at steps of their own. In each round all of them run the prediction network
 * on their last label and the joint network; a row whose answer is a label keeps the new state, a row
 * whose answer is the blank goes on to its next step from the old one. */
#include <string.h>

#include "transducer.h"

typedef struct {
    reel__transducer g;
    int64_t *at;  /* [batch]: each row's step */
    int *symbols; /* [batch]: put out at that step */
    reel_decoded *found;
} decoding;

static bool open_decoding(decoding *c, reel_var encoded, const reel_var initial[])
{
    reel__transducer *g = &c->g;
    if (!reel__transducer_open(g, encoded, initial)) {
        return false;
    }
    size_t rows = (size_t)g->d.batch;
    c->at = reel__arena_take(g->d.tape, &g->d.arena, rows * sizeof *c->at);
    c->symbols = reel__arena_take(g->d.tape, &g->d.arena, rows * sizeof *c->symbols);
    if (!c->at || !c->symbols) {
        return false;
    }
    memset(c->at, 0, rows * sizeof *c->at);
    memset(c->symbols, 0, rows * sizeof *c->symbols);
    return true;
}

/* ---- rounds -------------------------------------------------------------------------------- */

static bool is_done(const decoding *c, int64_t row)
{
    return c->at[row] >= reel__transducer_steps(&c->g, row);
}

static void show_encoded(decoding *c)
{
    for (int64_t row = 0; row < c->g.d.batch; row++) {
        reel__transducer_show(&c->g, row, is_done(c, row) ? 0 : c->at[row]);
    }
}

static void put_out(decoding *c, int64_t row, int32_t label)
{
    reel_decoded *r = c->found;
    r->tokens[row * r->steps + r->lengths[row]++] = label;
    c->g.d.token[row] = label;
    c->symbols[row]++;
    for (int k = 0; k < c->g.prediction.states; k++) {
        reel__decode_state *s = &c->g.d.state[k];
        size_t offset = (size_t)row * s->row_bytes;
        memcpy(s->now + offset, s->next + offset, s->row_bytes);
    }
}

/* What was put out is enough, at max_symbols: the blank then costs nothing. */
static void go_on(decoding *c, int64_t row)
{
    c->at[row]++;
    c->symbols[row] = 0;
}

static void answer(decoding *c, int64_t row)
{
    const reel__decoding *d = &c->g.d;
    const double *log_p = d->log_p + row * d->vocabulary;
    int32_t best = reel__likeliest(log_p, d->vocabulary);
    c->found->log_probabilities[row] += log_p[best];
    c->found->scores[row] = c->found->log_probabilities[row];
    if (best == c->g.blank) {
        go_on(c, row);
        return;
    }
    put_out(c, row, best);
    if (c->symbols[row] == c->g.max_symbols) {
        go_on(c, row);
    }
}

static bool all_done(const decoding *c)
{
    int64_t done = 0;
    for (int64_t row = 0; row < c->g.d.batch; row++) {
        done += is_done(c, row);
    }
    return done == c->g.d.batch;
}

static bool run(decoding *c)
{
    reel__transducer *g = &c->g;
    c->found = reel__decoded_new(g->d.tape, g->d.batch, 1, g->steps * g->max_symbols, 0, g->blank);
    while (c->found && !all_done(c)) {
        show_encoded(c);
        if (!reel__transducer_evaluate(g)) {
            return false;
        }
        for (int64_t row = 0; row < g->d.batch; row++) {
            if (!is_done(c, row)) {
                answer(c, row);
            }
        }
    }
    return c->found != NULL;
}

reel_decoded *reel_transducer_greedy(reel_tape *tape, reel_decoder prediction, reel_joint joint,
                                     reel_var encoded, const int32_t *lengths,
                                     const reel_var initial[],
                                     reel_transducer_greedy_options options)
{
    decoding c = { .g = { .d = { .tape = tape, .name = "transducer_greedy", .width = 1 },
                          .prediction = prediction,
                          .joint = joint,
                          .blank = options.blank,
                          .max_symbols = options.max_symbols,
                          .lengths = lengths } };
    if (!tape) {
        return NULL;
    }
    reel__decode_call_begins(tape);
    if (!open_decoding(&c, encoded, initial) || !run(&c)) {
        reel_decoded_free(c.found);
        c.found = NULL;
    }
    reel__decode_close(&c.g.d);
    reel__decode_call_ends(tape);
    return c.found;
}
