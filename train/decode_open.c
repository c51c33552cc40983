/* decode_open.c: what comes into decoding: options, the decoder, the states it starts from. */
#include <string.h>

#include "decoding.h"

#define FAIL(d, status, ...) (reel_fail((d)->tape, status, (d)->name, __VA_ARGS__), false)

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
    if (!reel__decode_read_state(d, s, given, s->now)) {
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
