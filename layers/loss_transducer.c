/* loss_transducer.c: the recurrent neural network transducer (Graves 2012).
 *
 * The lattice of t steps read and u labels put out is walked along its diagonals d = t + u, of
 * which all cells [batch, longest + 1] are computed at once from the diagonal before:
 *
 *     log α_{d+1}[u] = log(α_d[u]·p(blank | d - u, u) + α_d[u-1]·p(label u | d - u + 1, u - 1))
 *
 * To have a diagonal's probabilities side by side, the tables are skewed by a gather that is the
 * same for all rows. A row's path ends with the blank out of its last cell, on diagonal steps +
 * labels: for reel_unroll that is the row's length. */
#include <math.h>

#include "loss.h"

typedef struct {
    reel_tape *tape;
    reel_transducer_options options;
    reel_var logits;
    const int32_t *input_lengths, *target_lengths;
    int64_t batch, steps, longest, labels;
    int64_t width;     /* longest + 1, places on a diagonal */
    int64_t diagonals; /* steps + longest */
    reel__labels targets;
    reel_var never; /* [batch, 1]: -infinity */
} transducer;

#define FAIL(r, status, ...) (reel_fail((r)->tape, status, "transducer", __VA_ARGS__), false)

/* ---- what comes in ------------------------------------------------------------------------- */

static bool take_logits(transducer *r)
{
    if (!reel__check_handle(r->tape, "transducer", r->logits)) {
        return false;
    }
    reel_shape shape = reel_shape_of(r->logits);
    if (shape.rank != 4 || reel_is_index(r->logits) || shape.dim[2] == 0) {
        return FAIL(r, REEL_BAD_SHAPE,
                    "logits are %s, expected [batch, steps, longest + 1, labels]",
                    REEL_SHAPE_TEXT(shape));
    }
    if (shape.dim[0] == 0) {
        return FAIL(r, REEL_BAD_SHAPE, "the batch is empty: logits are %s", REEL_SHAPE_TEXT(shape));
    }
    r->batch = shape.dim[0];
    r->steps = shape.dim[1];
    r->width = shape.dim[2];
    r->longest = r->width - 1;
    r->labels = shape.dim[3];
    r->diagonals = r->steps + r->longest;
    if (r->options.blank < 0 || r->options.blank >= r->labels) {
        return FAIL(r, REEL_BAD_INDEX, "blank = %d is outside 0 … %lld", (int)r->options.blank,
                    (long long)r->labels - 1);
    }
    return true;
}

static bool take_targets(transducer *r, reel_var targets)
{
    r->targets = (reel__labels){
        .tape = r->tape,
        .loss = "transducer",
        .what = "targets",
        .sizes = "[batch, longest]",
        .batch = r->batch,
        .longest = r->longest,
        .lengths = r->target_lengths,
        .labels = r->labels,
        .blank = r->options.blank,
    };
    return reel__check_lengths(r->tape, "transducer", "input_lengths", r->input_lengths, r->batch,
                               r->steps) &&
           reel__check_lengths(r->tape, "transducer", "target_lengths", r->target_lengths, r->batch,
                               r->longest) &&
           reel__read_labels(&r->targets, targets);
}

static int64_t input_length(const transducer *r, int64_t row)
{
    return reel__length_at(r->input_lengths, row, r->steps);
}

static int64_t target_length(const transducer *r, int64_t row)
{
    return reel__length_at(r->target_lengths, row, r->longest);
}

/* ---- constants ----------------------------------------------------------------------------- */

/* 1 where the lattice of the row has the cell [batch, steps, width] */
static void fill_inside(const transducer *r, void *out)
{
    float *inside = out;
    for (int64_t row = 0; row < r->batch; row++) {
        for (int64_t t = 0; t < r->steps; t++) {
            for (int64_t u = 0; u < r->width; u++) {
                *inside++ = t < input_length(r, row) && u <= target_length(r, row);
            }
        }
    }
}

/* 1 where a label may follow, [batch, 1, width] */
static void fill_follows(const transducer *r, void *out)
{
    float *follows = out;
    for (int64_t row = 0; row < r->batch; row++) {
        for (int64_t u = 0; u < r->width; u++) {
            *follows++ = u < target_length(r, row);
        }
    }
}

/* 0 at u = 0, else -infinity: [batch, width] */
static void fill_first(const transducer *r, void *out)
{
    float *first = out;
    for (int64_t i = 0; i < r->batch * r->width; i++) {
        first[i] = i % r->width == 0 ? 0 : -INFINITY;
    }
}

/* The label that follows u of them, [batch, steps, width]. */
static void fill_next_labels(const transducer *r, void *out)
{
    int32_t *next = out;
    for (int64_t row = 0; row < r->batch; row++) {
        for (int64_t t = 0; t < r->steps; t++) {
            for (int64_t u = 0; u < r->width; u++) {
                *next++ = u < r->longest ? r->targets.label[row * r->longest + u] : 0;
            }
        }
    }
}

static int64_t step_on(int64_t diagonal, int64_t u)
{
    return diagonal - u;
}

/* Which row of [steps·width, batch] stands at [diagonal, u]; some row where there is none. */
static void fill_skew(const transducer *r, void *out)
{
    int32_t *cell = out;
    for (int64_t d = 0; d < r->diagonals; d++) {
        for (int64_t u = 0; u < r->width; u++) {
            int64_t t = step_on(d, u);
            *cell++ = t >= 0 && t < r->steps ? (int32_t)(t * r->width + u) : 0;
        }
    }
}

/* 1 where there is one, [diagonals, 1, width] */
static void fill_on_diagonal(const transducer *r, void *out)
{
    float *on = out;
    for (int64_t d = 0; d < r->diagonals; d++) {
        for (int64_t u = 0; u < r->width; u++) {
            *on++ = step_on(d, u) >= 0 && step_on(d, u) < r->steps;
        }
    }
}

static reel_var constant(const transducer *r, reel_shape shape, bool indices,
                         void (*fill)(const transducer *, void *out))
{
    size_t bytes = ((size_t)reel_shape_size(shape) + 1) * sizeof(float);
    void *numbers = reel__resize(r->tape, NULL, 0, bytes);
    if (!numbers) {
        return reel__poisoned(r->tape);
    }
    fill(r, numbers);
    reel_var v =
        indices ? reel_indices(r->tape, shape, numbers) : reel_input(r->tape, shape, numbers);
    reel__resize(r->tape, numbers, bytes, 0);
    return v;
}

/* ---- the lattice --------------------------------------------------------------------------- */

/* [batch, steps, width] → [diagonals, batch, width], -infinity where the lattice has no cell */
static reel_var skewed(const transducer *r, reel_var v, reel_var cells, reel_var on_diagonal)
{
    reel_var table = reel_reshape(reel_permute_n(v, 3, (const int[]){ 1, 2, 0 }),
                                  REEL_SHAPE(r->steps * r->width, r->batch));
    reel_var side_by_side = reel_transpose(reel_gather(table, cells), 1, 2);
    return reel_where(on_diagonal, side_by_side, reel_scalar(r->tape, -INFINITY));
}

/* [diagonals, batch, 2·width]: for each place of a diagonal log p of the blank and of the next
 * label */
static reel_var transitions(const transducer *r)
{
    reel_shape lattice = REEL_SHAPE(r->batch, r->steps, r->width);
    reel_shape diagonals = REEL_SHAPE(r->diagonals, 1, r->width);
    reel_var impossible = reel_scalar(r->tape, -INFINITY);
    reel_var inside = constant(r, lattice, false, fill_inside);
    reel_var x = reel_where(reel_unsqueeze(inside, -1), r->logits, reel_scalar(r->tape, 0));
    reel_var log_p = r->options.log_probabilities ? x : reel_log_softmax(x, -1);
    reel_var blank = reel_slice(log_p, -1, r->options.blank, r->options.blank + 1);
    reel_var next = reel_pick(log_p, constant(r, lattice, true, fill_next_labels));
    reel_var follows = constant(r, REEL_SHAPE(r->batch, 1, r->width), false, fill_follows);
    blank = reel_where(inside, reel_squeeze(blank, -1), impossible);
    next = reel_where(reel_mul(inside, follows), next, impossible);
    reel_var cells = constant(r, REEL_SHAPE(r->diagonals, r->width), true, fill_skew);
    reel_var on_diagonal = constant(r, diagonals, false, fill_on_diagonal);
    const reel_var both[] = { skewed(r, blank, cells, on_diagonal),
                              skewed(r, next, cells, on_diagonal) };
    return reel_concat_n(-1, 2, both);
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const transducer *r = self;
    reel_var blank = reel_slice(x, -1, 0, r->width);
    reel_var label = reel_slice(x, -1, r->width, 2 * r->width);
    reel_var labelled = reel_slice(reel_add(state[0], label), -1, 0, r->longest);
    const reel_var shifted[] = { r->never, labelled };
    const reel_var ways[] = { reel_add(state[0], blank), reel_concat_n(-1, 2, shifted) };
    return state[0] = reel_logsumexp(reel_stack_n(1, 2, ways), 1);
}

/* The diagonal behind a row's last cell, and the place on it: both [batch]. */
static void find_ends(const transducer *r, int32_t *diagonal, int32_t *place)
{
    for (int64_t row = 0; row < r->batch; row++) {
        diagonal[row] = (int32_t)(input_length(r, row) + target_length(r, row));
        place[row] = (int32_t)target_length(r, row);
    }
}

static reel_var log_likelihood(transducer *r, const int32_t *diagonal, const int32_t *place)
{
    reel_shape places = REEL_SHAPE(r->batch, r->width);
    reel_cell cell = { .self = r, .step = step, .states = 1, .width = { r->width } };
    reel_unroll_options options = { .lengths = diagonal };
    options.initial[0] = constant(r, places, false, fill_first);
    r->never = reel_fill(r->tape, REEL_SHAPE(r->batch, 1), -INFINITY);
    reel_rollout out = reel_unroll(cell, transitions(r), options);
    return reel_pick(out.state[0], reel_indices(r->tape, REEL_SHAPE(r->batch), place));
}

static reel_var loss_of(transducer *r)
{
    size_t bytes = 2 * (size_t)r->batch * sizeof(int32_t);
    int32_t *ends = reel__resize(r->tape, NULL, 0, bytes);
    if (!ends) {
        return reel__poisoned(r->tape);
    }
    find_ends(r, ends, ends + r->batch);
    reel_var log_p = log_likelihood(r, ends, ends + r->batch);
    reel__resize(r->tape, ends, bytes, 0);
    return reel__reduce_loss("transducer", reel_neg(log_p), r->options.reduction);
}

reel_var reel_transducer(reel_var logits, reel_var targets, const int32_t *input_lengths,
                         const int32_t *target_lengths, reel_transducer_options options)
{
    transducer r = { .tape = logits.tape,
                     .options = options,
                     .logits = logits,
                     .input_lengths = input_lengths,
                     .target_lengths = target_lengths };
    if (!take_logits(&r) || !reel__check_reduction(r.tape, "transducer", options.reduction) ||
        !take_targets(&r, targets)) {
        return reel__poisoned(logits.tape);
    }
    reel_var loss = loss_of(&r);
    reel__free_labels(&r.targets);
    return loss;
}
