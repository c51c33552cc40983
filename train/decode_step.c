/* decode_step.c: one token for all hypotheses, with their states on the host in between. */
#include <math.h>
#include <string.h>

#include "../layers/lengths.h"
#include "../layers/wrap.h"
#include "decoding.h"

#define FAIL(d, status, ...) (reel_fail((d)->tape, status, (d)->name, __VA_ARGS__), false)

/* ---- an embedding, a cell and an output layer as a decoder --------------------------------- */

reel_decoder reel_cell_decoder(reel_tape *tape, reel_layer embedding, reel_cell cell,
                               reel_layer output)
{
    reel_token_model model = { .embedding = embedding, .cell = cell, .output = output };
    reel_cell step = reel__token_cell(tape, "cell_decoder", model);
    reel_decoder decoder = { .self = step.self, .step = step.step, .states = step.states };
    memcpy(decoder.width, step.width, sizeof decoder.width);
    return decoder;
}

/* ---- one step ------------------------------------------------------------------------------ */

bool reel__decode_read_state(const reel__decoding *d, const reel__decode_state *s, reel_var v,
                             void *out)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    if (s->index) {
        return reel_read_indices(v, out, n) == REEL_OK;
    }
    return (d->tape->options.dtype == REEL_F64 ? reel_read_f64(v, out, n) : reel_read(v, out, n)) ==
           REEL_OK;
}

static reel_var state_leaf(const reel__decoding *d, const reel__decode_state *s)
{
    if (s->index) {
        return reel_indices(d->tape, s->shape, (const int32_t *)s->now);
    }
    return d->tape->options.dtype == REEL_F64
               ? reel_input_f64(d->tape, s->shape, (const double *)s->now)
               : reel_input(d->tape, s->shape, (const float *)s->now);
}

static bool check_state(const reel__decoding *d, int k, reel_var v)
{
    const reel__decode_state *s = &d->state[k];
    if (reel__is_absent(v)) {
        return FAIL(d, REEL_BAD_HANDLE, "the step gave an absent handle as state[%d]", k);
    }
    if (!reel__check_handle(d->tape, d->name, v)) {
        return false;
    }
    if (!reel_shape_equal(reel_shape_of(v), s->shape) || reel_is_index(v) != s->index) {
        return FAIL(d, REEL_BAD_SHAPE, "state[%d] became %s%s, expected %s", k,
                    reel_is_index(v) != s->index ? "of another type, " : "",
                    REEL_SHAPE_TEXT(reel_shape_of(v)), REEL_SHAPE_TEXT(s->shape));
    }
    return true;
}

static bool check_logits(const reel__decoding *d, reel_var logits)
{
    if (!reel__check_handle(d->tape, d->name, logits)) {
        return false;
    }
    reel_shape shape = reel_shape_of(logits);
    if (shape.rank != 2 || shape.dim[0] != d->rows || shape.dim[1] < 1 || reel_is_index(logits)) {
        return FAIL(d, REEL_BAD_SHAPE, "the step's logits are %s, expected [%lld, vocabulary]",
                    REEL_SHAPE_TEXT(shape), (long long)d->rows);
    }
    if (d->log_p && shape.dim[1] != d->vocabulary) {
        return FAIL(d, REEL_BAD_SHAPE, "the step's logits are %s, but had %lld columns before",
                    REEL_SHAPE_TEXT(shape), (long long)d->vocabulary);
    }
    return true;
}

static bool check_vocabulary(const reel__decoding *d)
{
    const reel_decode_options *o = &d->options;
    if (d->options.beams > d->vocabulary) {
        return FAIL(d, REEL_BAD_ARGUMENT, "beams is %d, more than the vocabulary's %lld tokens",
                    o->beams, (long long)d->vocabulary);
    }
    if (!o->endless && (o->end < 0 || o->end >= d->vocabulary)) {
        return FAIL(d, REEL_BAD_INDEX, "end = %d is outside the vocabulary's 0 … %lld", (int)o->end,
                    (long long)d->vocabulary - 1);
    }
    return true;
}

/* The state that holds the alignment, [rows, source]. */
static bool take_alignment(reel__decoding *d)
{
    int k = d->decoder.alignment - 1;
    if (k < 0) {
        return true;
    }
    const reel__decode_state *s = &d->state[k];
    if (s->shape.rank != 2 || s->index) {
        return FAIL(d, REEL_BAD_SHAPE, "the alignment, state[%d], is %s, expected [%lld,source]", k,
                    REEL_SHAPE_TEXT(s->shape), (long long)d->rows);
    }
    d->source = s->shape.dim[1];
    size_t bytes = (size_t)(d->rows * d->source + 1) * sizeof(double);
    d->alignment = reel__arena_take(d->tape, &d->arena, bytes);
    return d->alignment && reel__check_lengths(d->tape, d->name, "source_lengths",
                                               d->options.source_lengths, d->batch, d->source);
}

/* After the first step it is known how large everything is. */
static bool take_sizes(reel__decoding *d, reel_var logits)
{
    if (d->log_p) {
        return true;
    }
    d->vocabulary = reel_shape_of(logits).dim[1];
    if (!check_vocabulary(d) || !take_alignment(d)) {
        return false;
    }
    size_t bytes = (size_t)(d->rows * d->vocabulary) * sizeof(double);
    d->log_p = reel__arena_take(d->tape, &d->arena, bytes);
    return d->log_p != NULL;
}

static bool check_numbers(const reel__decoding *d)
{
    for (int64_t i = 0; i < d->rows * d->vocabulary; i++) {
        if (isnan(d->log_p[i])) {
            return FAIL(d, REEL_NOT_FINITE, "token %lld: the logits of row %lld are NaN",
                        (long long)d->steps, (long long)(i / d->vocabulary / d->width));
        }
    }
    return true;
}

static bool read_results(reel__decoding *d, reel_var log_p, const reel_var state[])
{
    bool good = reel_read_f64(log_p, d->log_p, (size_t)(d->rows * d->vocabulary)) == REEL_OK;
    for (int k = 0; good && k < d->decoder.states; k++) {
        good = d->state[k].constant ||
               reel__decode_read_state(d, &d->state[k], state[k], d->state[k].next);
    }
    if (good && d->source > 0) {
        reel_var alignment = state[d->decoder.alignment - 1];
        good = reel_read_f64(alignment, d->alignment, (size_t)(d->rows * d->source)) == REEL_OK;
    }
    return good && check_numbers(d);
}

bool reel__decode_evaluate(reel__decoding *d)
{
    reel_var state[REEL_MAX_STATES] = { { 0 } };
    reel_rewind(d->tape);
    for (int k = 0; k < d->decoder.states; k++) {
        state[k] = state_leaf(d, &d->state[k]);
    }
    reel_var tokens = reel_indices(d->tape, REEL_SHAPE(d->rows), d->token);
    reel_var logits = d->decoder.step(d->decoder.self, tokens, state);
    if (!check_logits(d, logits) || !take_sizes(d, logits)) {
        return false;
    }
    for (int k = 0; k < d->decoder.states - d->decoder.constants; k++) {
        if (!check_state(d, k, state[k])) {
            return false;
        }
        reel_keep(state[k]); /* all of it in one run */
    }
    return read_results(d, reel_log_softmax(logits, -1), state);
}

static void take_rows(const reel__decoding *d, reel__decode_state *s, const int32_t *parent)
{
    for (int64_t r = 0; r < d->rows; r++) {
        memcpy(s->now + (size_t)r * s->row_bytes, s->next + (size_t)parent[r] * s->row_bytes,
               s->row_bytes);
    }
}

static bool record_trail(reel__decoding *d, const int32_t *parent, const int32_t *token)
{
    size_t rows = (size_t)d->rows, places = rows * (size_t)d->source;
    if (!reel__list_reserve(d->tape, &d->tokens, d->tokens.count + rows, sizeof(int32_t)) ||
        !reel__list_reserve(d->tape, &d->parents, d->parents.count + rows, sizeof(int32_t)) ||
        !reel__list_reserve(d->tape, &d->alignments, d->alignments.count + places,
                            sizeof(double))) {
        return false;
    }
    memcpy((int32_t *)d->tokens.data + d->tokens.count, token, rows * sizeof(int32_t));
    memcpy((int32_t *)d->parents.data + d->parents.count, parent, rows * sizeof(int32_t));
    if (places > 0) {
        memcpy((double *)d->alignments.data + d->alignments.count, d->alignment,
               places * sizeof(double));
    }
    d->tokens.count += rows;
    d->parents.count += rows;
    d->alignments.count += places;
    return true;
}

bool reel__decode_advance(reel__decoding *d, const int32_t *parent, const int32_t *token)
{
    if (!record_trail(d, parent, token)) {
        return false;
    }
    for (int k = 0; k < d->decoder.states; k++) {
        if (!d->state[k].constant) {
            take_rows(d, &d->state[k], parent);
        }
    }
    memcpy(d->token, token, (size_t)d->rows * sizeof *token);
    d->steps++;
    return true;
}
