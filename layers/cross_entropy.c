/* cross_entropy.c: -log softmax(logits)[target], weighted and averaged as PyTorch does. */
#include "layer.h"

typedef struct {
    reel_var logits, targets;
    reel_var kept;   /* [...]: 1 where the target is not the ignored one, or absent */
    reel_var weight; /* [...]: of each position, or absent for ones */
    reel_cross_entropy_options options;
} loss;

#define FAIL(l, status, ...)                                                                       \
    (reel_fail((l)->logits.tape, status, "cross_entropy", __VA_ARGS__), false)

static bool is_good(const loss *l, reel_var v)
{
    return reel__check_handle(l->logits.tape, "cross_entropy", v);
}

static bool check_shape(const loss *l, const char *what, reel_var v, reel_shape expected)
{
    if (!is_good(l, v)) {
        return false;
    }
    reel_shape shape = reel_shape_of(v);
    if (reel_shape_equal(shape, expected)) {
        return true;
    }
    return FAIL(l, REEL_BAD_SHAPE, "%s %s, expected %s for logits %s", what, REEL_SHAPE_TEXT(shape),
                REEL_SHAPE_TEXT(expected), REEL_SHAPE_TEXT(reel_shape_of(l->logits)));
}

static bool check_shapes(const loss *l)
{
    const reel_cross_entropy_options *options = &l->options;
    reel_shape rows = reel_shape_of(l->logits);
    if (rows.rank == 0) {
        return FAIL(l, REEL_BAD_SHAPE, "logits are [], expected [..., classes]");
    }
    int64_t classes = rows.dim[--rows.rank];
    return check_shape(l, "targets are", l->targets, rows) &&
           (reel__is_absent(options->mask) || check_shape(l, "mask is", options->mask, rows)) &&
           (reel__is_absent(options->class_weights) ||
            check_shape(l, "class_weights are", options->class_weights, REEL_SHAPE(classes)));
}

static bool check(const loss *l)
{
    double smoothing = l->options.label_smoothing;
    if (!is_good(l, l->logits) || !is_good(l, l->targets) || !check_shapes(l)) {
        return false;
    }
    if (!reel_is_index(l->targets)) {
        return FAIL(l, REEL_BAD_ARGUMENT, "targets are numbers, must be indices (reel_indices)");
    }
    if (!(smoothing >= 0 && smoothing <= 1)) {
        return FAIL(l, REEL_BAD_ARGUMENT, "label_smoothing is %g, must be in [0, 1]", smoothing);
    }
    return true;
}

/* ---- ignored targets ----------------------------------------------------------------------- */

/* Splits the targets' numbers into clean ones, with 0 for the ignored, and marks. */
static void part(int32_t ignored, size_t count, int32_t target[], float kept[])
{
    for (size_t i = 0; i < count; i++) {
        kept[i] = target[i] != ignored;
        target[i] = target[i] != ignored ? target[i] : 0;
    }
}

/* An ignored target may be out of range, so it must be gone before anything looks it up. */
static bool take_out_ignored(loss *l)
{
    reel_tape *tape = l->logits.tape;
    reel_shape shape = reel_shape_of(l->targets);
    size_t count = (size_t)reel_shape_size(shape);
    if (!l->options.ignore || count == 0) {
        return true;
    }
    size_t bytes = count * (sizeof(int32_t) + sizeof(float));
    int32_t *target = reel__resize(tape, NULL, 0, bytes);
    if (!target) {
        return false;
    }
    float *kept = (float *)(target + count);
    bool good = reel_read_indices(l->targets, target, count) == REEL_OK;
    if (good) {
        part(l->options.ignore_index, count, target, kept);
        l->targets = reel_indices(tape, shape, target);
        l->kept = reel_input(tape, shape, kept);
    }
    reel__resize(tape, target, bytes, 0);
    return good;
}

/* ---- weights ------------------------------------------------------------------------------- */

static reel_var times(reel_var a, reel_var b)
{
    if (reel__is_absent(a)) {
        return b;
    }
    return reel__is_absent(b) ? a : reel_mul(a, b);
}

/* What stands at positions that do not count is read as 0, so that nothing of it gets through. */
static void blank(loss *l)
{
    reel_var counts = times(l->kept, l->options.mask);
    if (!reel__is_absent(counts)) {
        reel_var zero = reel_scalar(l->logits.tape, 0);
        l->logits = reel_where(reel_unsqueeze(counts, -1), l->logits, zero);
    }
    l->weight = counts;
}

/* [...] -log p of the target, times its class's weight */
static reel_var of_targets(const loss *l, reel_var log_p)
{
    reel_var nll = reel_neg(reel_pick(log_p, l->targets));
    if (reel__is_absent(l->options.class_weights)) {
        return nll;
    }
    return reel_mul(nll, reel_gather(l->options.class_weights, l->targets));
}

/* [...] the mean over classes of -log p, each times its class's weight */
static reel_var of_all_classes(const loss *l, reel_var log_p)
{
    reel_var weighted = log_p;
    if (!reel__is_absent(l->options.class_weights)) {
        weighted = reel_mul(log_p, l->options.class_weights);
    }
    return reel_neg(reel_mean(weighted, -1));
}

static reel_var of_positions(const loss *l)
{
    double smoothing = l->options.label_smoothing;
    reel_var log_p = reel_log_softmax(l->logits, -1);
    reel_var nll = of_targets(l, log_p);
    if (smoothing > 0) {
        reel_var uniform = reel_scale(of_all_classes(l, log_p), smoothing);
        nll = reel_add(reel_scale(nll, 1 - smoothing), uniform);
    }
    return times(nll, l->weight);
}

/* Σ w, or 1 where that is 0: there Σ w·l is 0 as well. */
static reel_var total_weight(const loss *l)
{
    reel_var weight = l->weight;
    if (!reel__is_absent(l->options.class_weights)) {
        weight = times(reel_gather(l->options.class_weights, l->targets), weight);
    }
    reel_var total = reel_sum_all(weight), zero = reel_scalar(total.tape, 0);
    return reel_where(reel_equal(total, zero), reel_scalar(total.tape, 1), total);
}

reel_var reel_cross_entropy_ex(reel_var logits, reel_var targets,
                               reel_cross_entropy_options options)
{
    loss l = { .logits = logits, .targets = targets, .options = options };
    if (!check(&l) || !take_out_ignored(&l)) {
        return reel__poisoned(logits.tape);
    }
    blank(&l);
    reel_var sum = reel_sum_all(of_positions(&l));
    if (options.sum) {
        return sum;
    }
    if (reel__is_absent(l.weight) && reel__is_absent(options.class_weights)) {
        int64_t count = reel_shape_size(reel_shape_of(targets));
        return reel_scale(sum, count > 0 ? 1.0 / (double)count : 1.0);
    }
    return reel_div(sum, total_weight(&l));
}

reel_var reel_cross_entropy(reel_var logits, reel_var targets)
{
    return reel_cross_entropy_ex(logits, targets, (reel_cross_entropy_options){ 0 });
}
