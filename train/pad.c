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

static bool check(reel_tape *tape, int64_t n, int64_t features, int64_t steps)
{
    if (n < 1 || features < 1 || steps < 0 || steps > INT32_MAX) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "pad_sequences",
                  "%lld sequences of %lld features, padded to %lld steps", (long long)n,
                  (long long)features, (long long)steps);
        return false;
    }
    return tape != NULL;
}

reel_data reel_pad_sequences(reel_tape *tape, int64_t n, const float *const sequence[],
                             const int32_t lengths[], int64_t features, int64_t steps)
{
    if (!check(tape, n, features, steps)) {
        return (reel_data){ 0 };
    }
    int32_t *kept = find_lengths(tape, n, lengths, &steps);
    float *out = kept ? reel__new_array(tape, n * steps * features, sizeof *out) : NULL;
    for (int64_t i = 0; out && i < n; i++) {
        if (kept[i] > 0) {
            memcpy(out + i * steps * features, sequence[i],
                   (size_t)(kept[i] * features) * sizeof *out);
        }
    }
    return (reel_data){ .shape = REEL_SHAPE(n, steps, features), .f32 = out, .lengths = kept };
}

reel_data reel_pad_symbols(reel_tape *tape, int64_t n, const int32_t *const sequence[],
                           const int32_t lengths[], int64_t steps, int32_t padding)
{
    if (!check(tape, n, 1, steps)) {
        return (reel_data){ 0 };
    }
    int32_t *kept = find_lengths(tape, n, lengths, &steps);
    int32_t *out = kept ? reel__new_array(tape, n * steps, sizeof *out) : NULL;
    for (int64_t i = 0; out && i < n * steps; i++) {
        int64_t row = i / steps, step = i % steps;
        out[i] = step < kept[row] ? sequence[row][step] : padding;
    }
    return (reel_data){ .shape = REEL_SHAPE(n, steps), .i32 = out, .lengths = kept };
}
