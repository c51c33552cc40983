/* loss_ctc.c: connectionist temporal classification (Graves et al. 2006).
 *
 * The forward recursion is a cell. Its states are log-probabilities of all paths that end, at this
 * step, in the blank before label i (blanks [batch, longest + 1]) or in label i (labels [batch,
 * longest]):
 *
 *     blanks'_i = log p(blank) + log(e^blanks_i + e^labels_{i-1})
 *     labels'_i = log p(label i)
 *               + log(e^labels_i + e^blanks_i + [label i ≠ label i-1]·e^labels_{i-1})
 *
 * which reel_unroll runs over the steps, lengths included; the backward recursion is its gradient.
 * Impossible is -infinity, which logsumexp and its derivatives take for what it is. */
#include <math.h>

#include "loss.h"

typedef struct {
    reel_tape *tape;
    reel_ctc_options options;
    reel_var logits;
    const int32_t *input_lengths, *target_lengths;
    int64_t steps, batch, labels, longest; /* longest: at least 1 */
    reel__labels targets;
    reel_var never; /* [batch, 1]: -infinity */
    reel_var
        skip; /* [batch, longest]: 0 where label i differs from the one before, else -infinity */
    reel_var final[2]; /* 0 at the blank, at the label where a path may end, else -infinity */
    int64_t width;     /* of the targets as given */
} ctc;

#define FAIL(c, status, ...) (reel_fail((c)->tape, status, "ctc", __VA_ARGS__), false)

/* ---- what comes in ------------------------------------------------------------------------- */

static bool take_logits(ctc *c)
{
    if (!reel__check_handle(c->tape, "ctc", c->logits)) {
        return false;
    }
    reel_shape shape = reel_shape_of(c->logits);
    if (shape.rank != 3 || reel_is_index(c->logits)) {
        return FAIL(c, REEL_BAD_SHAPE, "logits are %s, expected [steps, batch, labels]",
                    REEL_SHAPE_TEXT(shape));
    }
    c->steps = shape.dim[0];
    c->batch = shape.dim[1];
    c->labels = shape.dim[2];
    if (c->batch == 0) {
        return FAIL(c, REEL_BAD_SHAPE, "the batch is empty: logits are %s", REEL_SHAPE_TEXT(shape));
    }
    if (c->options.blank < 0 || c->options.blank >= c->labels) {
        return FAIL(c, REEL_BAD_INDEX, "blank = %d is outside 0 … %lld", (int)c->options.blank,
                    (long long)c->labels - 1);
    }
    return true;
}

static bool take_targets(ctc *c, reel_var targets)
{
    if (!reel__check_handle(c->tape, "ctc", targets)) {
        return false;
    }
    reel_shape shape = reel_shape_of(targets);
    if (shape.rank != 2) {
        return FAIL(c, REEL_BAD_SHAPE, "targets are %s, expected [batch, longest]",
                    REEL_SHAPE_TEXT(shape));
    }
    c->width = shape.dim[1];
    c->longest = c->width > 0 ? c->width : 1;
    c->targets = (reel__labels){
        .tape = c->tape,
        .loss = "ctc",
        .what = "targets",
        .sizes = "[batch, longest]",
        .batch = c->batch,
        .longest = c->width,
        .lengths = c->target_lengths,
        .labels = c->labels,
        .blank = c->options.blank,
    };
    return reel__check_lengths(c->tape, "ctc", "input_lengths", c->input_lengths, c->batch,
                               c->steps) &&
           reel__check_lengths(c->tape, "ctc", "target_lengths", c->target_lengths, c->batch,
                               c->width) &&
           reel__read_labels(&c->targets, targets);
}

static int64_t target_length(const ctc *c, int64_t row)
{
    return reel__length_at(c->target_lengths, row, c->width);
}

static int32_t label_at(const ctc *c, int64_t row, int64_t i)
{
    return i < c->width ? c->targets.label[row * c->width + i] : 0;
}

/* ---- constants ----------------------------------------------------------------------------- */

static void fill_skip(const ctc *c, double *out)
{
    for (int64_t row = 0; row < c->batch; row++) {
        for (int64_t i = 0; i < c->longest; i++) {
            bool differs = i > 0 && label_at(c, row, i) != label_at(c, row, i - 1);
            out[row * c->longest + i] = differs ? 0 : -INFINITY;
        }
    }
}

static void fill_final_blank(const ctc *c, double *out)
{
    for (int64_t row = 0; row < c->batch; row++) {
        for (int64_t i = 0; i <= c->longest; i++) {
            out[row * (c->longest + 1) + i] = i == target_length(c, row) ? 0 : -INFINITY;
        }
    }
}

static void fill_final_label(const ctc *c, double *out)
{
    for (int64_t row = 0; row < c->batch; row++) {
        for (int64_t i = 0; i < c->longest; i++) {
            out[row * c->longest + i] = i == target_length(c, row) - 1 ? 0 : -INFINITY;
        }
    }
}

/* Before the first step the only path is at the blank before the first label. */
static void fill_first(const ctc *c, double *out)
{
    for (int64_t row = 0; row < c->batch; row++) {
        for (int64_t i = 0; i <= c->longest; i++) {
            out[row * (c->longest + 1) + i] = i == 0 ? 0 : -INFINITY;
        }
    }
}

/* 1 / max(length, 1) of each target */
static void fill_inverse_lengths(const ctc *c, double *out)
{
    for (int64_t row = 0; row < c->batch; row++) {
        out[row] = 1.0 / fmax((double)target_length(c, row), 1);
    }
}

static reel_var constant(const ctc *c, reel_shape shape, void (*fill)(const ctc *, double *out))
{
    size_t bytes = (size_t)reel_shape_size(shape) * sizeof(double);
    double *numbers = reel__resize(c->tape, NULL, 0, bytes);
    if (!numbers) {
        return reel__poisoned(c->tape);
    }
    fill(c, numbers);
    reel_var v = reel_input_f64(c->tape, shape, numbers);
    reel__resize(c->tape, numbers, bytes, 0);
    return v;
}

static void make_constants(ctc *c)
{
    reel_shape labels = REEL_SHAPE(c->batch, c->longest);
    c->never = reel_fill(c->tape, REEL_SHAPE(c->batch, 1), -INFINITY);
    c->skip = constant(c, labels, fill_skip);
    c->final[0] = constant(c, REEL_SHAPE(c->batch, c->longest + 1), fill_final_blank);
    c->final[1] = constant(c, labels, fill_final_label);
}

/* ---- the recursion ------------------------------------------------------------------------- */

/* Row `row` of a table [batch·labels, steps]: the target's labels, [batch, longest]. */
static reel_var label_rows(const ctc *c)
{
    size_t count = (size_t)(c->batch * c->longest), bytes = count * sizeof(int32_t);
    int32_t *index = reel__resize(c->tape, NULL, 0, bytes);
    if (!index) {
        return reel__poisoned(c->tape);
    }
    for (int64_t row = 0; row < c->batch; row++) {
        for (int64_t i = 0; i < c->longest; i++) {
            index[row * c->longest + i] = (int32_t)(row * c->labels + label_at(c, row, i));
        }
    }
    reel_var rows = reel_indices(c->tape, REEL_SHAPE(c->batch, c->longest), index);
    reel__resize(c->tape, index, bytes, 0);
    return rows;
}

/* log-probabilities [steps, batch, 1 + longest]: of the blank, and of each label of the target */
static reel_var emissions(const ctc *c)
{
    reel_var x = c->logits;
    if (c->input_lengths) { /* log_softmax would spread what stands in the padding over its row */
        reel_var mask = reel_length_mask(c->tape, c->steps, c->batch, c->input_lengths);
        x = reel_where(reel_unsqueeze(mask, -1), x, reel_scalar(c->tape, 0));
    }
    reel_var log_p = c->options.log_probabilities ? x : reel_log_softmax(x, -1);
    reel_var table = reel_reshape(reel_permute_n(log_p, 3, (const int[]){ 1, 2, 0 }),
                                  REEL_SHAPE(c->batch * c->labels, c->steps));
    reel_var of_labels = reel_gather(table, label_rows(c));
    reel_var blank = reel_slice(log_p, -1, c->options.blank, c->options.blank + 1);
    const reel_var parts[] = { blank, reel_permute_n(of_labels, 3, (const int[]){ 2, 0, 1 }) };
    return reel_concat_n(-1, 2, parts);
}

static reel_var log_add(int n, const reel_var terms[])
{
    return reel_logsumexp(reel_stack_n(1, n, terms), 1);
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const ctc *c = self;
    reel_var blanks = state[0], labels = state[1];
    const reel_var shifted[] = { c->never, labels };
    reel_var previous = reel_concat_n(-1, 2, shifted); /* label i - 1 beside blank i */
    const reel_var at_blank[] = { blanks, previous };
    const reel_var at_label[] = {
        labels,
        reel_slice(blanks, -1, 0, c->longest),
        reel_add(reel_slice(previous, -1, 0, c->longest), c->skip),
    };
    state[0] = reel_add(log_add(2, at_blank), reel_slice(x, -1, 0, 1));
    state[1] = reel_add(log_add(3, at_label), reel_slice(x, -1, 1, 1 + c->longest));
    return state[1];
}

/* [batch]: the log-probability of each target */
static reel_var log_likelihood(ctc *c)
{
    reel_cell cell = {
        .self = c, .step = step, .states = 2, .width = { c->longest + 1, c->longest }
    };
    reel_unroll_options options = { .lengths = c->input_lengths };
    options.initial[0] = constant(c, REEL_SHAPE(c->batch, c->longest + 1), fill_first);
    options.initial[1] = reel_fill(c->tape, REEL_SHAPE(c->batch, c->longest), -INFINITY);
    reel_rollout r = reel_unroll(cell, emissions(c), options);
    const reel_var ends[] = { reel_add(r.state[0], c->final[0]),
                              reel_add(r.state[1], c->final[1]) };
    return reel_logsumexp(reel_concat_n(-1, 2, ends), -1);
}

static reel_var loss_of(ctc *c)
{
    make_constants(c);
    reel_var log_p = log_likelihood(c);
    reel_var impossible = reel_equal(log_p, reel_scalar(c->tape, -INFINITY));
    double otherwise = c->options.zero_infinity ? 0 : INFINITY;
    reel_var losses = reel_where(impossible, reel_scalar(c->tape, otherwise), reel_neg(log_p));
    if (c->options.reduction == REEL_REDUCE_MEAN) {
        losses = reel_mul(losses, constant(c, REEL_SHAPE(c->batch), fill_inverse_lengths));
    }
    return reel__reduce_loss("ctc", losses, c->options.reduction);
}

reel_var reel_ctc(reel_var logits, reel_var targets, const int32_t *input_lengths,
                  const int32_t *target_lengths, reel_ctc_options options)
{
    ctc c = { .tape = logits.tape,
              .options = options,
              .logits = logits,
              .input_lengths = input_lengths,
              .target_lengths = target_lengths };
    if (!take_logits(&c) || !reel__check_reduction(c.tape, "ctc", options.reduction) ||
        !take_targets(&c, targets)) {
        return reel__poisoned(logits.tape);
    }
    reel_var loss = loss_of(&c);
    reel__free_labels(&c.targets);
    return loss;
}
