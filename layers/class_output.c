/* class_output.c: loss and probabilities of any output for many classes. */
#include "class_output.h"

#include "layer.h"

/* x [..., in] as rows */
static bool take_rows(const char *layer, reel_class_output output, reel_var *x)
{
    reel_tape *tape = x->tape;
    if (!reel__check_handle(tape, layer, *x)) {
        return false;
    }
    if (!output.loss || !output.log_probabilities) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "the output has no functions");
        return false;
    }
    reel_shape shape = reel_shape_of(*x);
    if (shape.rank < 1 || shape.dim[shape.rank - 1] != output.in || reel_is_index(*x)) {
        reel_fail(tape, REEL_BAD_SHAPE, layer, "x is %s, expected [..., %lld]",
                  REEL_SHAPE_TEXT(shape), (long long)output.in);
        return false;
    }
    *x = reel_reshape(*x, REEL_SHAPE(reel_shape_size(shape) / output.in, output.in));
    return true;
}

static bool check_targets(reel_var targets, reel_shape rows, reel_var mask)
{
    reel_tape *tape = targets.tape;
    if (!reel__check_shape(tape, "class_loss", "targets", targets, rows)) {
        return false;
    }
    if (!reel_is_index(targets)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "class_loss",
                  "targets are numbers, must be indices (reel_indices)");
        return false;
    }
    return reel__is_absent(mask) || reel__check_shape(tape, "class_loss", "mask", mask, rows);
}

int32_t *reel__read_targets(reel_var targets, const char *layer, int64_t classes, size_t *bytes)
{
    reel_tape *tape = targets.tape;
    size_t count = (size_t)reel_shape_size(reel_shape_of(targets));
    *bytes = (count + 1) * sizeof(int32_t);
    int32_t *target = reel__resize(tape, NULL, 0, *bytes);
    if (!target || (count && reel_read_indices(targets, target, count) != REEL_OK)) {
        reel__resize(tape, target, target ? *bytes : 0, 0);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (target[i] < 0 || target[i] >= classes) {
            reel_fail(tape, REEL_BAD_INDEX, layer, "target %d at position %zu is outside 0 … %lld",
                      (int)target[i], i, (long long)classes - 1);
            reel__resize(tape, target, *bytes, 0);
            return NULL;
        }
    }
    return target;
}

static reel_var loss(reel_var x, reel_var targets, reel_class_output output, reel_var mask)
{
    reel_tape *tape = x.tape;
    reel_shape rows = reel_shape_of(x);
    if (!take_rows("class_loss", output, &x)) {
        return reel__poisoned(tape);
    }
    rows.rank--;
    if (!reel__check_handle(tape, "class_loss", targets) || !check_targets(targets, rows, mask)) {
        return reel__poisoned(tape);
    }
    reel_shape flat = REEL_SHAPE(reel_shape_of(x).dim[0]);
    if (!reel__is_absent(mask)) {
        mask = reel_reshape(mask, flat);
        x = reel_where(reel_unsqueeze(mask, -1), x, reel_scalar(tape, 0));
    }
    if (flat.dim[0] == 0) {
        return reel_scale(reel_sum_all(x), 0);
    }
    reel_var each = output.loss(output.self, x, reel_reshape(targets, flat));
    if (!reel__check_shape(tape, "class_loss", "what the output gave", each, flat)) {
        return reel__poisoned(tape);
    }
    return reel_masked_mean(each, mask);
}

reel_var reel_class_loss(reel_var x, reel_var targets, reel_class_output output,
                         reel_class_loss_options options)
{
    if (!x.tape) {
        return x;
    }
    x.tape->nested++;
    reel_var result = loss(x, targets, output, options.mask);
    x.tape->nested--;
    return result;
}

reel_var reel_class_log_probabilities(reel_var x, reel_class_output output)
{
    reel_shape shape = reel_shape_of(x);
    if (!take_rows("class_log_probabilities", output, &x)) {
        return reel__poisoned(x.tape);
    }
    shape.dim[shape.rank - 1] = output.classes;
    return reel_reshape(output.log_probabilities(output.self, x), shape);
}
