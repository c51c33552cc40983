/* lengths.c: masks and numbers out of the lengths of rows. */
#include "lengths.h"

bool reel__check_lengths(reel_tape *tape, const char *layer, const char *what,
                         const int32_t *lengths, int64_t batch, int64_t most)
{
    for (int64_t row = 0; lengths && row < batch; row++) {
        if (lengths[row] < 0 || lengths[row] > most) {
            reel_fail(tape, REEL_BAD_ARGUMENT, layer, "%s[%lld] = %d is outside 0 … %lld", what,
                      (long long)row, (int)lengths[row], (long long)most);
            return false;
        }
    }
    return true;
}

/* ---- numbers -------------------------------------------------------------------------------- */

typedef struct {
    const int32_t *lengths;
    int64_t all;
} row_lengths;

typedef double (*number)(const row_lengths *, int64_t i);

static double position_at(const row_lengths *none, int64_t i)
{
    (void)none;
    return (double)i;
}

static double length_at(const row_lengths *r, int64_t row)
{
    return (double)reel__length_at(r->lengths, row, r->all);
}

static reel_var leaf(reel_tape *tape, reel_shape shape, number at, const row_lengths *lengths)
{
    int64_t count = reel_shape_size(shape);
    size_t bytes = (size_t)count * sizeof(double);
    double *numbers = bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (bytes && !numbers) {
        return reel__poisoned(tape);
    }
    for (int64_t i = 0; i < count; i++) {
        numbers[i] = at(lengths, i);
    }
    reel_var v = reel_input_f64(tape, shape, numbers);
    reel__resize(tape, numbers, bytes, 0);
    return v;
}

reel_var reel__positions(reel_tape *tape, reel_shape shape)
{
    return leaf(tape, shape, position_at, NULL);
}

reel_var reel__lengths(reel_tape *tape, reel_shape shape, const int32_t *lengths, int64_t all)
{
    return leaf(tape, shape, length_at, &(row_lengths){ lengths, all });
}

/* ---- masks ---------------------------------------------------------------------------------- */

reel_var reel__length_mask(reel_tape *tape, const char *layer, int64_t steps, int64_t batch,
                           const int32_t *lengths, int rank)
{
    if (!reel__check_lengths(tape, layer, "lengths", lengths, batch, steps)) {
        return reel__poisoned(tape);
    }
    reel_shape step = REEL_SHAPE(steps, 1), row = REEL_SHAPE(1, batch);
    while (step.rank < rank) {
        step.dim[step.rank++] = row.dim[row.rank++] = 1;
    }
    return reel_less(reel__positions(tape, step), reel__lengths(tape, row, lengths, steps));
}

reel_var reel_length_mask(reel_tape *tape, int64_t steps, int64_t batch, const int32_t *lengths)
{
    if (steps < 0 || batch < 0 || steps > INT32_MAX || batch > INT32_MAX) {
        return reel_fail(tape, REEL_BAD_SHAPE, "length_mask", "steps %lld, batch %lld",
                         (long long)steps, (long long)batch);
    }
    return tape ? reel__length_mask(tape, "length_mask", steps, batch, lengths, 2)
                : reel__poisoned(tape);
}

reel_var reel_mask_steps(reel_var x, const int32_t *lengths)
{
    reel_tape *tape = x.tape;
    if (!reel__check_handle(tape, "mask_steps", x)) {
        return reel__poisoned(tape);
    }
    reel_shape shape = reel_shape_of(x);
    if (shape.rank < 2 || !lengths) {
        return reel_fail(tape, REEL_BAD_SHAPE, "mask_steps",
                         "x is %s, expected [steps, batch, …]%s", REEL_SHAPE_TEXT(shape),
                         lengths ? "" : ", and lengths are NULL");
    }
    reel_var mask =
        reel__length_mask(tape, "mask_steps", shape.dim[0], shape.dim[1], lengths, shape.rank);
    return reel_where(mask, x, reel_scalar(tape, 0));
}
