/* pack.c: the steps that count, without the padding between them. */
#include "lengths.h"

/* The indices, int32, of the steps of [steps·batch] that count; poisoned where memory is short. */
static reel_var valid_steps(reel_tape *tape, const int32_t *lengths, int64_t batch, int64_t steps,
                            int64_t *count)
{
    size_t bytes = (size_t)(batch * steps) * sizeof(int32_t);
    int32_t *list = bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    *count = 0;
    if (bytes && !list) {
        return reel__poisoned(tape);
    }
    for (int64_t t = 0; t < steps; t++) {
        for (int64_t row = 0; row < batch; row++) {
            if (t < lengths[row]) {
                list[(*count)++] = (int32_t)(t * batch + row);
            }
        }
    }
    reel_var indices = reel_indices(tape, REEL_SHAPE(*count), list);
    reel__resize(tape, list, bytes, 0);
    return indices;
}

/* [a, b, …] → [a·b, …] */
static reel_shape joined(reel_shape shape)
{
    reel_shape out = { .rank = shape.rank - 1 };
    out.dim[0] = shape.dim[0] * shape.dim[1];
    for (int axis = 1; axis < out.rank; axis++) {
        out.dim[axis] = shape.dim[axis + 1];
    }
    return out;
}

reel_var reel_pack(reel_var x, const int32_t *lengths)
{
    reel_shape shape = reel_shape_of(x);
    if (x.id == 0) {
        return reel__poisoned(x.tape);
    }
    if (shape.rank < 2 || !lengths || shape.dim[0] * shape.dim[1] > INT32_MAX) {
        return reel_fail(x.tape, REEL_BAD_SHAPE, "pack", "x is %s, expected [steps, batch, …]%s",
                         REEL_SHAPE_TEXT(shape), lengths ? "" : ", and lengths");
    }
    if (!reel__check_lengths(x.tape, "pack", "lengths", lengths, shape.dim[1], shape.dim[0])) {
        return reel__poisoned(x.tape);
    }
    int64_t count;
    reel_var steps = valid_steps(x.tape, lengths, shape.dim[1], shape.dim[0], &count);
    return reel_gather(reel_reshape(x, joined(shape)), steps);
}

static int64_t sum(const int32_t *lengths, int64_t batch)
{
    int64_t total = 0;
    for (int64_t row = 0; row < batch; row++) {
        total += lengths[row];
    }
    return total;
}

reel_var reel_pack_indices(reel_tape *tape, int64_t steps, int64_t batch, const int32_t *indices,
                           const int32_t *lengths)
{
    if (steps < 0 || batch < 0 || !reel__shape_valid(REEL_SHAPE(steps, batch)) || !indices ||
        !lengths) {
        return reel_fail(tape, REEL_BAD_ARGUMENT, "pack_indices", "%s of %lld steps, batch %lld",
                         indices ? lengths ? "indices" : "no lengths" : "no indices",
                         (long long)steps, (long long)batch);
    }
    if (!tape || !reel__check_lengths(tape, "pack_indices", "lengths", lengths, batch, steps)) {
        return reel__poisoned(tape);
    }
    size_t count = 0, bytes = (size_t)sum(lengths, batch) * sizeof(int32_t);
    int32_t *list = bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (bytes && !list) {
        return reel__poisoned(tape);
    }
    for (int64_t i = 0; i < steps * batch; i++) {
        if (i / batch < lengths[i % batch]) {
            list[count++] = indices[i];
        }
    }
    reel_var packed = reel_indices(tape, REEL_SHAPE((int64_t)count), list);
    reel__resize(tape, list, bytes, 0);
    return packed;
}

reel_var reel_unpack(reel_var rows, int64_t steps, int64_t batch, const int32_t *lengths)
{
    reel_shape shape = reel_shape_of(rows);
    if (rows.id == 0) {
        return reel__poisoned(rows.tape);
    }
    if (shape.rank < 1 || shape.rank >= REEL_MAX_RANK || !lengths || steps < 0 || batch < 0 ||
        (batch > 0 && steps > INT32_MAX / batch)) {
        return reel_fail(rows.tape, REEL_BAD_ARGUMENT, "unpack",
                         "rows are %s, steps %lld, batch %lld", REEL_SHAPE_TEXT(shape),
                         (long long)steps, (long long)batch);
    }
    if (!reel__check_lengths(rows.tape, "unpack", "lengths", lengths, batch, steps)) {
        return reel__poisoned(rows.tape);
    }
    int64_t count;
    reel_var valid = valid_steps(rows.tape, lengths, batch, steps, &count);
    if (count != shape.dim[0]) {
        return reel_fail(rows.tape, REEL_BAD_SHAPE, "unpack",
                         "rows are %s, but lengths add up to %lld", REEL_SHAPE_TEXT(shape),
                         (long long)count);
    }
    reel_shape flat = shape, out = { .rank = shape.rank + 1, .dim = { steps, batch } };
    flat.dim[0] = steps * batch;
    for (int axis = 1; axis < shape.rank; axis++) {
        out.dim[axis + 1] = shape.dim[axis];
    }
    return reel_reshape(reel_scatter_add(reel_fill(rows.tape, flat, 0), valid, rows), out);
}
