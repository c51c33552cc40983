/* crf.c: the linear-chain conditional random field (Lafferty et al. 2001). */
#include <math.h>

#include "loss.h"

typedef struct {
    reel_tape *tape;
    reel_crf crf;
    reel_var emissions; /* [steps, batch, tags], 0 in the padding */
    const int32_t *lengths;
    int64_t steps, batch, tags;
    reel_var mask; /* [steps, batch] */
    reel_var some; /* [batch]: 1 where there is a step */
} chain;

#define FAIL(c, status, ...) (reel_fail((c)->tape, status, "crf", __VA_ARGS__), false)

reel_crf reel_crf_new(reel_tape *tape, const char *name, int64_t tags)
{
    if (!reel__check_size(tape, "crf", "tags", tags)) {
        reel_var none = reel__poisoned(tape);
        return (reel_crf){ none, none, none };
    }
    reel_init init = reel_uniform(-0.1, 0.1);
    return (reel_crf){
        .transitions = reel__layer_param(tape, name, "transitions", REEL_SHAPE(tags, tags), init),
        .start = reel__layer_param(tape, name, "start", REEL_SHAPE(tags), init),
        .end = reel__layer_param(tape, name, "end", REEL_SHAPE(tags), init),
    };
}

/* ---- what comes in ------------------------------------------------------------------------- */

static bool check_scores(const chain *c, const char *what, reel_var v, reel_shape expected)
{
    if (!reel__check_handle(c->tape, "crf", v)) {
        return false;
    }
    if (!reel_shape_equal(reel_shape_of(v), expected)) {
        return FAIL(c, REEL_BAD_SHAPE, "%s %s, expected %s", what,
                    REEL_SHAPE_TEXT(reel_shape_of(v)), REEL_SHAPE_TEXT(expected));
    }
    return true;
}

static bool take_emissions(chain *c)
{
    if (!reel__check_handle(c->tape, "crf", c->emissions)) {
        return false;
    }
    reel_shape shape = reel_shape_of(c->emissions);
    if (shape.rank != 3 || reel_is_index(c->emissions)) {
        return FAIL(c, REEL_BAD_SHAPE, "emissions are %s, expected [steps, batch, tags]",
                    REEL_SHAPE_TEXT(shape));
    }
    if (shape.dim[1] == 0 || shape.dim[2] == 0) {
        return FAIL(c, REEL_BAD_SHAPE, "the batch is empty: emissions are %s",
                    REEL_SHAPE_TEXT(shape));
    }
    c->steps = shape.dim[0];
    c->batch = shape.dim[1];
    c->tags = shape.dim[2];
    return check_scores(c, "transitions are", c->crf.transitions, REEL_SHAPE(c->tags, c->tags)) &&
           check_scores(c, "start is", c->crf.start, REEL_SHAPE(c->tags)) &&
           check_scores(c, "end is", c->crf.end, REEL_SHAPE(c->tags)) &&
           reel__check_lengths(c->tape, "crf", "lengths", c->lengths, c->batch, c->steps);
}

static chain chain_of(reel_crf crf, reel_var emissions, const int32_t *lengths)
{
    return (
        chain){ .tape = emissions.tape, .crf = crf, .emissions = emissions, .lengths = lengths };
}

static bool open_chain(chain *c)
{
    if (!take_emissions(c)) {
        return false;
    }
    if (c->steps > 0) {
        c->mask = reel_length_mask(c->tape, c->steps, c->batch, c->lengths);
        c->some = reel_at(c->mask, 0);
        c->emissions =
            reel_where(reel_unsqueeze(c->mask, -1), c->emissions, reel_scalar(c->tape, 0));
    }
    return true;
}

/* ---- the partition function ---------------------------------------------------------------- */

/* log α'_j = emission_j + log Σ_i exp(log α_i + transitions_ij) */
static reel_var step(void *self, reel_var x, reel_var state[])
{
    const chain *c = self;
    reel_var ways = reel_add(reel_unsqueeze(state[0], -1), c->crf.transitions);
    return state[0] = reel_add(reel_logsumexp(ways, 1), x);
}

/* Lengths of what follows the first step, for the caller to free. */
static int32_t *lengths_after_first(const chain *c, size_t *bytes)
{
    *bytes = (size_t)c->batch * sizeof(int32_t);
    int32_t *after = reel__resize(c->tape, NULL, 0, *bytes);
    for (int64_t row = 0; after && row < c->batch; row++) {
        int64_t length = reel__length_at(c->lengths, row, c->steps);
        after[row] = (int32_t)(length > 0 ? length - 1 : 0);
    }
    return after;
}

static reel_var log_partition(chain *c)
{
    if (c->steps == 0) {
        return reel_fill(c->tape, REEL_SHAPE(c->batch), 0);
    }
    size_t bytes;
    int32_t *after = lengths_after_first(c, &bytes);
    if (!after) {
        return reel__poisoned(c->tape);
    }
    reel_cell cell = { .self = c, .step = step, .states = 1, .width = { c->tags } };
    reel_unroll_options options = { .lengths = after };
    options.initial[0] = reel_add(reel_at(c->emissions, 0), c->crf.start);
    reel_rollout r = reel_unroll(cell, reel_slice(c->emissions, 0, 1, c->steps), options);
    reel__resize(c->tape, after, bytes, 0);
    reel_var log_z = reel_logsumexp(reel_add(r.state[0], c->crf.end), -1);
    return reel_where(c->some, log_z, reel_scalar(c->tape, 0));
}

reel_var reel_crf_log_partition(reel_crf crf, reel_var emissions, const int32_t *lengths)
{
    chain c = chain_of(crf, emissions, lengths);
    return open_chain(&c) ? log_partition(&c) : reel__poisoned(emissions.tape);
}

reel_var reel_crf_marginals(reel_crf crf, reel_var emissions, const int32_t *lengths)
{
    reel_var log_z = reel_crf_log_partition(crf, emissions, lengths);
    return reel_gradient(reel_sum_all(log_z), emissions);
}

/* ---- the score of given tags --------------------------------------------------------------- */

/* [steps - 1, batch]: where a transition stands among all tags·tags */
static reel_var transition_indices(const chain *c, const int32_t *tag)
{
    int64_t count = (c->steps - 1) * c->batch;
    size_t bytes = ((size_t)count + 1) * sizeof(int32_t);
    int32_t *index = reel__resize(c->tape, NULL, 0, bytes);
    if (!index) {
        return reel__poisoned(c->tape);
    }
    for (int64_t i = 0; i < count; i++) {
        index[i] = (int32_t)(tag[i] * c->tags + tag[i + c->batch]);
    }
    reel_var v = reel_indices(c->tape, REEL_SHAPE(c->steps - 1, c->batch), index);
    reel__resize(c->tape, index, bytes, 0);
    return v;
}

/* [batch]: each row's last tag */
static reel_var last_tags(const chain *c, const int32_t *tag)
{
    size_t bytes = (size_t)c->batch * sizeof(int32_t);
    int32_t *last = reel__resize(c->tape, NULL, 0, bytes);
    if (!last) {
        return reel__poisoned(c->tape);
    }
    for (int64_t row = 0; row < c->batch; row++) {
        int64_t length = reel__length_at(c->lengths, row, c->steps);
        last[row] = length > 0 ? tag[(length - 1) * c->batch + row] : 0;
    }
    reel_var v = reel_indices(c->tape, REEL_SHAPE(c->batch), last);
    reel__resize(c->tape, last, bytes, 0);
    return v;
}

static reel_var transition_scores(const chain *c, const int32_t *tag)
{
    reel_var zero = reel_scalar(c->tape, 0);
    reel_var table = reel_reshape(c->crf.transitions, REEL_SHAPE(c->tags * c->tags));
    reel_var taken = reel_gather(table, transition_indices(c, tag));
    reel_var counts = reel_slice(c->mask, 0, 1, c->steps);
    return reel_sum(reel_where(counts, taken, zero), 0);
}

/* [batch] */
static reel_var score(const chain *c, const int32_t *tag)
{
    reel_var zero = reel_scalar(c->tape, 0);
    reel_var tags = reel_indices(c->tape, REEL_SHAPE(c->steps, c->batch), tag);
    reel_var emitted = reel_where(c->mask, reel_pick(c->emissions, tags), zero);
    reel_var ends = reel_add(reel_gather(c->crf.start, reel_at(tags, 0)),
                             reel_gather(c->crf.end, last_tags(c, tag)));
    reel_var inside = reel_add(reel_sum(emitted, 0), transition_scores(c, tag));
    return reel_add(inside, reel_where(c->some, ends, zero));
}

reel_var reel_crf_loss(reel_crf crf, reel_var emissions, reel_var tags, const int32_t *lengths,
                       reel_reduction reduction)
{
    chain c = chain_of(crf, emissions, lengths);
    if (!open_chain(&c) || !reel__check_reduction(c.tape, "crf", reduction)) {
        return reel__poisoned(emissions.tape);
    }
    reel__labels given = {
        .tape = c.tape,
        .loss = "crf",
        .what = "tags",
        .sizes = "[steps, batch]",
        .batch = c.batch,
        .longest = c.steps,
        .time_first = true,
        .lengths = lengths,
        .labels = c.tags,
        .blank = -1,
    };
    if (!reel__read_labels(&given, tags)) {
        return reel__poisoned(emissions.tape);
    }
    reel_var losses = log_partition(&c);
    if (c.steps > 0) {
        losses = reel_sub(losses, score(&c, given.label));
    }
    reel__free_labels(&given);
    return reel__reduce_loss("crf", losses, reduction);
}

/* ---- the best tags ------------------------------------------------------------------------- */

typedef struct {
    reel_tape *tape;
    int64_t steps, batch, tags;
    double *emissions, *transitions, *start, *end;
    double *best, *next; /* [tags]: the score of the best way to each tag */
    int32_t *from;       /* [steps, tags]: the tag before, on that way */
} viterbi;

static void advance(viterbi *v, const double *emission, int32_t *from)
{
    for (int64_t j = 0; j < v->tags; j++) {
        int64_t best = 0;
        for (int64_t i = 1; i < v->tags; i++) {
            double rival = v->best[i] + v->transitions[i * v->tags + j];
            best = rival > v->best[best] + v->transitions[best * v->tags + j] ? i : best;
        }
        from[j] = (int32_t)best;
        v->next[j] = v->best[best] + v->transitions[best * v->tags + j] + emission[j];
    }
    double *done = v->best;
    v->best = v->next;
    v->next = done;
}

static const double *emission_at(const viterbi *v, int64_t t, int64_t row)
{
    return v->emissions + (t * v->batch + row) * v->tags;
}

static int32_t best_end(const viterbi *v)
{
    int32_t best = 0;
    for (int32_t k = 1; k < v->tags; k++) {
        best = v->best[k] + v->end[k] > v->best[best] + v->end[best] ? k : best;
    }
    return best;
}

/* Returns the score. */
static double decode_row(viterbi *v, int64_t row, int64_t length, int32_t *tags)
{
    for (int64_t t = length; t < v->steps; t++) {
        tags[t * v->batch + row] = 0;
    }
    if (length == 0) {
        return 0;
    }
    for (int64_t k = 0; k < v->tags; k++) {
        v->best[k] = v->start[k] + emission_at(v, 0, row)[k];
    }
    for (int64_t t = 1; t < length; t++) {
        advance(v, emission_at(v, t, row), v->from + t * v->tags);
    }
    int32_t tag = best_end(v);
    double score = v->best[tag] + v->end[tag];
    for (int64_t t = length - 1; t >= 0; t--) {
        tags[t * v->batch + row] = tag;
        tag = t > 0 ? v->from[t * v->tags + tag] : tag;
    }
    return score;
}

static bool read_scores(const chain *c, viterbi *v)
{
    size_t tags = (size_t)v->tags, emissions = (size_t)(v->steps * v->batch) * tags;
    return reel_read_f64(c->emissions, v->emissions, emissions) == REEL_OK &&
           reel_read_f64(c->crf.transitions, v->transitions, tags * tags) == REEL_OK &&
           reel_read_f64(c->crf.start, v->start, tags) == REEL_OK &&
           reel_read_f64(c->crf.end, v->end, tags) == REEL_OK;
}

static size_t doubles_of(const chain *c)
{
    return (size_t)(c->steps * c->batch * c->tags + c->tags * c->tags + 4 * c->tags);
}

static viterbi lay_out(const chain *c, double *block)
{
    viterbi v = { .tape = c->tape, .steps = c->steps, .batch = c->batch, .tags = c->tags };
    v.emissions = block;
    v.transitions = v.emissions + c->steps * c->batch * c->tags;
    v.start = v.transitions + c->tags * c->tags;
    v.end = v.start + c->tags;
    v.best = v.end + c->tags;
    v.next = v.best + c->tags;
    v.from = (int32_t *)(v.next + c->tags);
    return v;
}

reel_status reel_crf_viterbi(reel_crf crf, reel_var emissions, const int32_t *lengths,
                             int32_t *tags, double *scores)
{
    chain c = chain_of(crf, emissions, lengths);
    if (!take_emissions(&c)) {
        return c.tape ? reel_tape_status(c.tape) : REEL_BAD_HANDLE;
    }
    if (!tags) {
        reel_fail(c.tape, REEL_BAD_ARGUMENT, "crf_viterbi", "tags is NULL");
        return REEL_BAD_ARGUMENT;
    }
    size_t bytes = doubles_of(&c) * sizeof(double) + (size_t)(c.steps * c.tags) * sizeof(int32_t);
    double *block = reel__resize(c.tape, NULL, 0, bytes);
    if (!block) {
        return REEL_OUT_OF_MEMORY;
    }
    viterbi v = lay_out(&c, block);
    bool good = read_scores(&c, &v);
    for (int64_t row = 0; good && row < c.batch; row++) {
        double score = decode_row(&v, row, reel__length_at(lengths, row, c.steps), tags);
        if (scores) {
            scores[row] = score;
        }
    }
    reel__resize(c.tape, block, bytes, 0);
    return good ? REEL_OK : reel_tape_status(c.tape);
}
