/* loss_check.c: what comes into the losses and how their results are reduced. */
#include "loss.h"

bool reel__check_reduction(reel_tape *tape, const char *loss, reel_reduction reduction)
{
    if ((int)reduction >= 0 && reduction < REEL_REDUCTION_COUNT) {
        return true;
    }
    reel_fail(tape, REEL_BAD_ARGUMENT, loss, "reduction %d is none of REEL_REDUCE_…",
              (int)reduction);
    return false;
}

reel_var reel__reduce_loss(const char *loss, reel_var losses, reel_reduction reduction)
{
    int64_t count = reel_shape_size(reel_shape_of(losses));
    if (!reel__check_reduction(losses.tape, loss, reduction)) {
        return reel__poisoned(losses.tape);
    }
    if (reduction == REEL_REDUCE_NONE) {
        return losses;
    }
    reel_var sum = reel_sum_all(losses);
    bool mean = reduction == REEL_REDUCE_MEAN && count > 0;
    return mean ? reel_scale(sum, 1.0 / (double)count) : sum;
}

bool reel__check_same_shape(const char *loss, reel_var a, reel_var b)
{
    if (!reel__check_handle(a.tape, loss, a) || !reel__check_handle(a.tape, loss, b)) {
        return false;
    }
    reel_shape shape = reel_shape_of(a), other = reel_shape_of(b);
    if (reel_shape_equal(shape, other)) {
        return true;
    }
    reel_fail(a.tape, REEL_BAD_SHAPE, loss, "shapes differ: %s and %s", REEL_SHAPE_TEXT(shape),
              REEL_SHAPE_TEXT(other));
    return false;
}

bool reel__check_class_targets(const char *loss, reel_var logits, reel_var targets)
{
    reel_tape *tape = logits.tape;
    if (!reel__check_handle(tape, loss, logits) || !reel__check_handle(tape, loss, targets)) {
        return false;
    }
    reel_shape shape = reel_shape_of(logits), rows = shape, given = reel_shape_of(targets);
    rows.rank--;
    if (shape.rank == 0) {
        reel_fail(tape, REEL_BAD_SHAPE, loss, "scores are [], expected [..., classes]");
    } else if (!reel_is_index(targets)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, loss,
                  "targets are numbers, must be indices (reel_indices)");
    } else if (!reel_shape_equal(given, rows)) {
        reel_fail(tape, REEL_BAD_SHAPE, loss, "targets are %s, expected %s for scores %s",
                  REEL_SHAPE_TEXT(given), REEL_SHAPE_TEXT(rows), REEL_SHAPE_TEXT(shape));
    } else {
        return true;
    }
    return false;
}

/* ---- labels -------------------------------------------------------------------------------- */

static bool check_label(const reel__labels *l, int64_t row, int64_t i, int32_t label)
{
    char position[64];
    if (label >= 0 && label < l->labels && label != l->blank) {
        return true;
    }
    snprintf(position, sizeof position, "%s[%lld,%lld] = %d", l->what,
             (long long)(l->time_first ? i : row), (long long)(l->time_first ? row : i),
             (int)label);
    if (label == l->blank) {
        reel_fail(l->tape, REEL_BAD_INDEX, l->loss, "%s is the blank", position);
    } else {
        reel_fail(l->tape, REEL_BAD_INDEX, l->loss, "%s is outside 0 … %lld", position,
                  (long long)l->labels - 1);
    }
    return false;
}

static bool clean_row(const reel__labels *l, int64_t row)
{
    int64_t length = reel__length_at(l->lengths, row, l->longest);
    for (int64_t i = 0; i < l->longest; i++) {
        int32_t *label = l->label + (l->time_first ? i * l->batch + row : row * l->longest + i);
        if (i >= length) {
            *label = 0;
        } else if (!check_label(l, row, i, *label)) {
            return false;
        }
    }
    return true;
}

static size_t bytes_of(const reel__labels *l)
{
    size_t count = (size_t)(l->batch * l->longest);
    return (count ? count : 1) * sizeof(int32_t);
}

static bool check_labels(const reel__labels *l, reel_var v)
{
    if (!reel__check_handle(l->tape, l->loss, v)) {
        return false;
    }
    reel_shape expected =
        l->time_first ? REEL_SHAPE(l->longest, l->batch) : REEL_SHAPE(l->batch, l->longest);
    if (!reel_is_index(v)) {
        reel_fail(l->tape, REEL_BAD_ARGUMENT, l->loss,
                  "%s are numbers, must be indices (reel_indices)", l->what);
        return false;
    }
    if (!reel_shape_equal(reel_shape_of(v), expected)) {
        reel_fail(l->tape, REEL_BAD_SHAPE, l->loss, "%s are %s, expected %s = %s", l->what,
                  REEL_SHAPE_TEXT(reel_shape_of(v)), l->sizes, REEL_SHAPE_TEXT(expected));
        return false;
    }
    return true;
}

bool reel__read_labels(reel__labels *l, reel_var v)
{
    size_t count = (size_t)(l->batch * l->longest);
    if (!check_labels(l, v)) {
        return false;
    }
    l->label = reel__resize(l->tape, NULL, 0, bytes_of(l));
    bool good = l->label && reel_read_indices(v, l->label, count) == REEL_OK;
    for (int64_t row = 0; good && row < l->batch; row++) {
        good = clean_row(l, row);
    }
    if (!good) {
        reel__free_labels(l);
    }
    return good;
}

void reel__free_labels(reel__labels *l)
{
    reel__resize(l->tape, l->label, l->label ? bytes_of(l) : 0, 0);
    l->label = NULL;
}
