/* decode_step.c: one token for all hypotheses, with their states on the host in between. */
#include <math.h>
#include <string.h>

#include "../layers/loss.h"
#include "decoding.h"

#define FAIL(d, status, ...) (reel_fail((d)->tape, status, (d)->name, __VA_ARGS__), false)

/* ---- an embedding, a cell and an output layer as a decoder --------------------------------- */

typedef struct {
    reel_layer embedding, output;
    reel_cell cell;
} cell_decoder;

static reel_var step_of_cell(void *self, reel_var tokens, reel_var state[])
{
    const cell_decoder *c = self;
    reel_var x = reel_apply(c->embedding, tokens);
    return reel_apply(c->output, c->cell.step(c->cell.self, x, state));
}

reel_decoder reel_cell_decoder(reel_tape *tape, reel_layer embedding, reel_cell cell,
                               reel_layer output)
{
    if (!cell.step || !embedding.apply || !output.apply) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "cell_decoder", "%s has no function",
                  !cell.step         ? "the cell"
                  : !embedding.apply ? "the embedding"
                                     : "the output");
        return (reel_decoder){ 0 };
    }
    cell_decoder *self = reel__layer_self(tape, sizeof *self);
    if (!self) {
        return (reel_decoder){ 0 };
    }
    *self = (cell_decoder){ embedding, output, cell };
    reel_decoder decoder = { .self = self, .step = step_of_cell, .states = cell.states };
    memcpy(decoder.width, cell.width, sizeof decoder.width);
    return decoder;
}

/* ---- options ------------------------------------------------------------------------------- */

static void set_defaults(reel_decode_options *o)
{
    o->max_length = o->max_length == 0 ? 100 : o->max_length;
    o->beams = o->beams == 0 ? 1 : o->beams;
    o->n_best = o->n_best == 0 ? 1 : o->n_best;
    o->groups = o->groups == 0 ? 1 : o->groups;
    o->samples = o->samples == 0 ? 1 : o->samples;
    o->temperature = o->temperature == 0 ? 1 : o->temperature;
    o->top_p = o->top_p == 0 ? 1 : o->top_p;
    o->repetition_penalty = o->repetition_penalty == 0 ? 1 : o->repetition_penalty;
}

/* A number and the range it must lie in. */
typedef struct {
    const char *name;
    double value, least, most;
} bounded;

static bool check_options(const reel__decoding *d)
{
    const reel_decode_options *o = &d->options;
    const bounded numbers[] = {
        { "max_length", (double)o->max_length, 1, INT32_MAX },
        { "min_length", (double)o->min_length, 0, (double)o->max_length },
        { "beams", o->beams, 1, INT32_MAX },
        { "n_best", o->n_best, 1, o->beams },
        { "groups", o->groups, 1, o->beams },
        { "samples", o->samples, 1, INT32_MAX },
        { "top_k", o->top_k, 0, INT32_MAX },
        { "no_repeat", o->no_repeat, 0, INT32_MAX },
        { "length_penalty", o->length_penalty, 0, 1e300 },
        { "coverage_penalty", o->coverage_penalty, 0, 1e300 },
        { "diversity", o->diversity, 0, 1e300 },
        { "temperature", o->temperature, 1e-300, 1e300 },
        { "top_p", o->top_p, 1e-300, 1 },
        { "repetition_penalty", o->repetition_penalty, 1e-300, 1e300 },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const bounded *n = &numbers[i];
        if (!(n->value >= n->least && n->value <= n->most)) {
            return FAIL(d, REEL_BAD_ARGUMENT, "%s is %g, must be in %g … %g", n->name, n->value,
                        n->least, n->most);
        }
    }
    if (o->beams % o->groups != 0) {
        return FAIL(d, REEL_BAD_ARGUMENT, "beams is %d, must be a multiple of groups, %d", o->beams,
                    o->groups);
    }
    if (o->coverage_penalty > 0 && d->decoder.alignment == 0) {
        return FAIL(d, REEL_BAD_ARGUMENT, "coverage_penalty is %g, but no state is the alignment",
                    o->coverage_penalty);
    }
    return true;
}

static bool check_decoder(const reel__decoding *d)
{
    const reel_decoder *decoder = &d->decoder;
    int states = decoder->states;
    if (!decoder->step) {
        return FAIL(d, REEL_BAD_ARGUMENT, "the decoder has no step function");
    }
    if (states < 0 || states > REEL_MAX_STATES) {
        return FAIL(d, REEL_BAD_ARGUMENT, "decoder.states = %d is outside 0 … %d", states,
                    REEL_MAX_STATES);
    }
    if (decoder->constants < 0 || decoder->constants > states) {
        return FAIL(d, REEL_BAD_ARGUMENT, "decoder.constants = %d is outside 0 … %d",
                    decoder->constants, states);
    }
    if (decoder->alignment < 0 || decoder->alignment > states - decoder->constants) {
        return FAIL(d, REEL_BAD_ARGUMENT, "decoder.alignment = %d is outside 0 … %d",
                    decoder->alignment, states - decoder->constants);
    }
    if (d->batch < 1) {
        return FAIL(d, REEL_BAD_ARGUMENT, "the batch is empty: batch = %lld", (long long)d->batch);
    }
    if (d->batch > INT32_MAX / d->width) {
        return FAIL(d, REEL_BAD_ARGUMENT, "batch = %lld is too large", (long long)d->batch);
    }
    return true;
}

/* ---- the initial states -------------------------------------------------------------------- */

static bool read_state(const reel__decoding *d, const reel__decode_state *s, reel_var v, void *out)
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

static bool take_shape(reel__decoding *d, int k, reel_var given)
{
    reel__decode_state *s = &d->state[k];
    s->constant = k >= d->decoder.states - d->decoder.constants;
    if (reel__is_absent(given)) {
        if (d->decoder.width[k] < 0) {
            return FAIL(d, REEL_BAD_ARGUMENT, "decoder.width[%d] = %lld is negative", k,
                        (long long)d->decoder.width[k]);
        }
        s->shape = REEL_SHAPE(d->batch, d->decoder.width[k]);
    } else if (!reel__check_handle(d->tape, d->name, given)) {
        return false;
    } else {
        s->shape = reel_shape_of(given);
        s->index = reel_is_index(given);
    }
    if (s->shape.rank < 1 || s->shape.dim[0] != d->batch) {
        return FAIL(d, REEL_BAD_SHAPE, "initial[%d] is %s, expected [%lld, ...]", k,
                    REEL_SHAPE_TEXT(s->shape), (long long)d->batch);
    }
    size_t element = s->index ? sizeof(int32_t) : d->tape->element;
    s->row_bytes = (size_t)(reel_shape_size(s->shape) / d->batch) * element;
    s->shape.dim[0] = d->rows;
    return true;
}

/* Each row of the batch `width` times, from the last to the first, in place. */
static void repeat_rows(const reel__decoding *d, char *rows, size_t row_bytes)
{
    for (int64_t r = d->rows - 1; r >= 0; r--) {
        memmove(rows + (size_t)r * row_bytes, rows + (size_t)(r / d->width) * row_bytes, row_bytes);
    }
}

static bool take_state(reel__decoding *d, int k, reel_var given)
{
    reel__decode_state *s = &d->state[k];
    if (!take_shape(d, k, given)) {
        return false;
    }
    size_t bytes = (size_t)d->rows * s->row_bytes;
    s->now = reel__arena_take(d->tape, &d->arena, bytes + 1);
    s->next = s->constant ? s->now : reel__arena_take(d->tape, &d->arena, bytes + 1);
    if (!s->now || !s->next) {
        return false;
    }
    if (reel__is_absent(given)) {
        memset(s->now, 0, bytes);
        return true;
    }
    if (!read_state(d, s, given, s->now)) {
        return false;
    }
    repeat_rows(d, s->now, s->row_bytes);
    return true;
}

static bool take_states(reel__decoding *d, const reel_var initial[])
{
    for (int k = 0; k < d->decoder.states; k++) {
        if (!take_state(d, k, initial ? initial[k] : (reel_var){ 0 })) {
            return false;
        }
    }
    d->token = reel__arena_take(d->tape, &d->arena, (size_t)d->rows * sizeof *d->token);
    for (int64_t r = 0; d->token && r < d->rows; r++) {
        const int32_t *starts = d->options.starts;
        d->token[r] = starts ? starts[r / d->width] : d->options.start;
    }
    return d->token != NULL;
}

bool reel__decode_open(reel__decoding *d, const reel_var initial[])
{
    if (!d->tape) {
        return false;
    }
    reel__decode_call_begins(d->tape);
    d->training = reel_is_training(d->tape);
    d->site_file = d->tape->site_file;
    d->site_line = d->tape->site_line;
    d->opened = true;
    set_defaults(&d->options);
    if (!check_options(d) || !check_decoder(d)) {
        return false;
    }
    d->rows = d->batch * d->width;
    reel_set_training(d->tape, false);
    return take_states(d, initial);
}

void reel__decode_close(reel__decoding *d)
{
    if (!d->tape) {
        return;
    }
    if (d->opened) {
        reel_set_training(d->tape, d->training);
        reel__decode_call_ends(d->tape);
    }
    if (d->log_p) { /* a step was recorded */
        reel_rewind(d->tape);
    }
    reel__list_free(d->tape, &d->tokens, sizeof(int32_t));
    reel__list_free(d->tape, &d->parents, sizeof(int32_t));
    reel__list_free(d->tape, &d->alignments, sizeof(double));
    reel__arena_free(d->tape, &d->arena);
}

/* ---- one step ------------------------------------------------------------------------------ */

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
        good = d->state[k].constant || read_state(d, &d->state[k], state[k], d->state[k].next);
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
    d->tape->site_file = d->site_file; /* a rewind ends a call, but not ours */
    d->tape->site_line = d->site_line;
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
