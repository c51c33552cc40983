/* pad.c: sequences of unequal length as one array. */
#include <string.h>

#include "store.h"

/* The steps of the result, and each row's length in it. */
static int32_t *find_lengths(reel_tape *tape, int64_t n, const int32_t lengths[], int64_t *steps)
{
    int32_t longest = 0;
    for (int64_t i = 0; i < n; i++) {
        if (lengths[i] < 0) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "pad_sequences",
                      "the length of sequence %lld is %d, must be at least 0", (long long)i,
                      (int)lengths[i]);
            return NULL;
        }
        longest = lengths[i] > longest ? lengths[i] : longest;
    }
    *steps = *steps > 0 ? *steps : longest;
    int32_t *out = reel__new_array(tape, n, sizeof *out);
    for (int64_t i = 0; out && i < n; i++) {
        out[i] = lengths[i] < *steps ? lengths[i] : (int32_t)*steps;
    }
    return out;
}

/* The sequences are there, and the result's size is one. */
static bool check(reel_tape *tape, int64_t n, int64_t features, int64_t steps,
                  const void *sequences, const int32_t *lengths)
{
    if (!sequences || !lengths) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "pad_sequences", "%s is NULL",
                  sequences ? "lengths" : "sequence");
        return false;
    }
    if (n < 1 || features < 1 || steps < 0 || steps > INT32_MAX) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "pad_sequences",
                  "%lld sequences of %lld features, padded to %lld steps", (long long)n,
                  (long long)features, (long long)steps);
        return false;
    }
    return tape != NULL;
}

/* What is to be copied from is there, and so is room for the result. */
static void *make_room(reel_tape *tape, const void *const sequence[], const int32_t *kept,
                       reel_shape shape)
{
    for (int64_t i = 0; kept && i < shape.dim[0]; i++) {
        if (kept[i] > 0 && !sequence[i]) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "pad_sequences", "sequence %lld is NULL",
                      (long long)i);
            return NULL;
        }
    }
    int64_t count = reel__shape_valid(shape) ? reel_shape_size(shape) : -1;
    return kept ? reel__new_array(tape, count, sizeof(float)) : NULL;
}

reel_data reel_pad_sequences(reel_tape *tape, int64_t n, const float *const sequence[],
                             const int32_t lengths[], int64_t features, int64_t steps)
{
    if (!check(tape, n, features, steps, sequence, lengths)) {
        return (reel_data){ 0 };
    }
    int32_t *kept = find_lengths(tape, n, lengths, &steps);
    reel_shape shape = REEL_SHAPE(n, steps, features);
    float *out = make_room(tape, (const void *const *)sequence, kept, shape);
    for (int64_t i = 0; out && i < n; i++) {
        if (kept[i] > 0) {
            memcpy(out + i * steps * features, sequence[i],
                   (size_t)(kept[i] * features) * sizeof *out);
        }
    }
    return out ? (reel_data){ .shape = shape, .f32 = out, .lengths = kept } : (reel_data){ 0 };
}

reel_data reel_pad_symbols(reel_tape *tape, int64_t n, const int32_t *const sequence[],
                           const int32_t lengths[], int64_t steps, int32_t padding)
{
    if (!check(tape, n, 1, steps, sequence, lengths)) {
        return (reel_data){ 0 };
    }
    int32_t *kept = find_lengths(tape, n, lengths, &steps);
    reel_shape shape = REEL_SHAPE(n, steps);
    int32_t *out = make_room(tape, (const void *const *)sequence, kept, shape);
    for (int64_t i = 0; out && i < n * steps; i++) {
        int64_t row = i / steps, step = i % steps;
        out[i] = step < kept[row] ? sequence[row][step] : padding;
    }
    return out ? (reel_data){ .shape = shape, .i32 = out, .lengths = kept } : (reel_data){ 0 };
}
