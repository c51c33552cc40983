/* decode_trail.c: the tokens that lead to a hypothesis, and results made of them. */
#include <math.h>
#include <string.h>

#include "decoding.h"

/* Writes the tokens of the first `length` steps that lead to `row`, and where asked for from which row
 * each was chosen. */
static void walk(const reel__decoding *d, int64_t length, int64_t row, int32_t *token,
                 int32_t *chosen_in)
{
    const int32_t *tokens = d->tokens.data, *parents = d->parents.data;
    for (int64_t i = length - 1; i >= 0; i--) {
        token[i] = tokens[i * d->rows + row];
        row = parents[i * d->rows + row];
        if (chosen_in) {
            chosen_in[i] = (int32_t)row;
        }
    }
}

static bool make_room(reel__decoding *d, size_t tokens)
{
    if (tokens <= d->prefix_room) {
        return true;
    }
    size_t room = 2 * tokens + 64; /* the arena keeps the smaller ones: doubling bounds them */
    int32_t *block = reel__arena_take(d->tape, &d->arena, room * sizeof *block);
    if (!block) {
        return false;
    }
    d->prefix = block;
    d->prefix_room = room;
    return true;
}

const int32_t *reel__decode_prefix(reel__decoding *d, int64_t row)
{
    if (!make_room(d, (size_t)d->steps + 1)) {
        return NULL;
    }
    walk(d, d->steps, row, d->prefix, NULL);
    return d->prefix;
}

/* ---- results ------------------------------------------------------------------------------- */

/* Where each array stands in the one block, the doubles first. */
static void lay_out(reel_decoded *r, void *block)
{
    size_t hypotheses = (size_t)(r->batch * r->best), tokens = hypotheses * (size_t)r->steps;
    double *numbers = block;
    r->log_probabilities = numbers;
    r->scores = numbers + hypotheses;
    r->alignments = r->source > 0 ? numbers + 2 * hypotheses : NULL;
    r->lengths = (int32_t *)(numbers + 2 * hypotheses + tokens * (size_t)r->source);
    r->tokens = r->lengths + hypotheses;
}

reel_decoded *reel__decoded_new(reel_tape *tape, int64_t batch, int64_t best, int64_t steps,
                                int64_t source, int32_t fill)
{
    size_t hypotheses = (size_t)(batch * best), tokens = hypotheses * (size_t)steps;
    size_t numbers = (2 * hypotheses + tokens * (size_t)source) * sizeof(double);
    size_t bytes = sizeof(reel_decoded) + numbers + (hypotheses + tokens) * sizeof(int32_t);
    reel_decoded *r = reel__resize(tape, NULL, 0, bytes);
    if (!r) {
        return NULL;
    }
    memset(r, 0, bytes);
    *r = (reel_decoded){
        .batch = batch, .best = best, .steps = steps, .source = source, .tape = tape, .bytes = bytes
    };
    lay_out(r, r + 1);
    for (size_t i = 0; i < tokens; i++) {
        r->tokens[i] = fill;
    }
    return r;
}

void reel_decoded_free(reel_decoded *r)
{
    if (r && r->tape) {
        reel__resize(r->tape, r, r->bytes, 0);
    }
}

static void copy_alignments(const reel__decoding *d, int64_t length, const int32_t *chosen_in,
                            double *out)
{
    const double *alignments = d->alignments.data;
    for (int64_t i = 0; i < length; i++) {
        memcpy(out + i * d->source, alignments + (i * d->rows + chosen_in[i]) * d->source,
               (size_t)d->source * sizeof *out);
    }
}

static void write_hypothesis(reel__decoding *d, const reel__hypothesis *h, reel_decoded *r,
                             int64_t at, int32_t *chosen_in)
{
    int32_t *token = r->tokens + at * r->steps;
    int64_t walked = h->ended ? h->length - 1 : h->length;
    r->lengths[at] = (int32_t)h->length;
    r->log_probabilities[at] = h->log_p;
    r->scores[at] = h->score;
    if (h->length < 0) {
        r->log_probabilities[at] = -INFINITY;
        return;
    }
    walk(d, walked, h->row, token, chosen_in);
    if (h->ended) {
        token[walked] = d->options.end;
        chosen_in[walked] = (int32_t)h->row;
    }
    if (d->source > 0) {
        copy_alignments(d, h->length, chosen_in, r->alignments + at * r->steps * d->source);
    }
}

reel_decoded *reel__decode_result(reel__decoding *d, int64_t best, const reel__hypothesis *h)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < d->batch * best; i++) {
        longest = h[i].length > longest ? h[i].length : longest;
    }
    reel_decoded *r =
        reel__decoded_new(d->tape, d->batch, best, longest, d->source, d->options.end);
    if (!r || !make_room(d, (size_t)longest + 1)) {
        reel_decoded_free(r);
        return NULL;
    }
    for (int64_t i = 0; i < d->batch * best; i++) {
        write_hypothesis(d, &h[i], r, i, d->prefix);
    }
    return r;
}
