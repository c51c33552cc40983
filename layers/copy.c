/* copy.c: words of the source as words of the output. */
#include "layer.h"

#define LEAST_PROBABILITY 1e-20

typedef struct {
    int64_t batch, vocabulary, steps, extended;
} sizes;

static bool check(reel_var logits, reel_var weights, reel_var p_gen, const int32_t *source, sizes s)
{
    reel_tape *tape = logits.tape;
    reel_shape of_logits = reel_shape_of(logits), of_weights = reel_shape_of(weights);
    if (of_logits.rank != 2 || of_weights.rank != 2 || of_weights.dim[0] != s.batch ||
        !reel_shape_equal(reel_shape_of(p_gen), REEL_SHAPE(s.batch, 1))) {
        reel_fail(tape, REEL_BAD_SHAPE, "copy",
                  "logits %s, weights %s, p_gen %s: expected [batch, vocabulary], [batch, steps], "
                  "[batch, 1]",
                  REEL_SHAPE_TEXT(of_logits), REEL_SHAPE_TEXT(of_weights),
                  REEL_SHAPE_TEXT(reel_shape_of(p_gen)));
        return false;
    }
    if (!source || s.extended < s.vocabulary || s.batch * (s.extended + 1) > INT32_MAX) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "copy", "extended is %lld with a vocabulary of %lld",
                  (long long)s.extended, (long long)s.vocabulary);
        return false;
    }
    for (int64_t i = 0; i < s.steps * s.batch; i++) {
        if (source[i] < -1 || source[i] >= s.extended) {
            reel_fail(tape, REEL_BAD_INDEX, "copy", "source[%lld] = %d is outside -1 … %lld",
                      (long long)i, (int)source[i], (long long)s.extended - 1);
            return false;
        }
    }
    return true;
}

/* int32 [batch·steps]: where each weight goes in [batch, extended + 1], padding to the last
 * column. */
static reel_var places(reel_tape *tape, const int32_t *source, sizes s)
{
    size_t bytes = (size_t)(s.steps * s.batch) * sizeof(int32_t);
    int32_t *place = bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (bytes && !place) {
        return reel__poisoned(tape);
    }
    for (int64_t row = 0; row < s.batch; row++) {
        for (int64_t i = 0; i < s.steps; i++) {
            int64_t word = source[i * s.batch + row];
            word = word < 0 ? s.extended : word;
            place[row * s.steps + i] = (int32_t)(row * (s.extended + 1) + word);
        }
    }
    reel_var v = reel_indices(tape, REEL_SHAPE(s.batch * s.steps), place);
    reel__resize(tape, place, bytes, 0);
    return v;
}

reel_var reel_copy_log_probabilities(reel_var logits, reel_var weights, reel_var p_gen,
                                     const int32_t *source, int64_t extended)
{
    reel_tape *tape = logits.tape;
    if (logits.id == 0 || weights.id == 0 || p_gen.id == 0) {
        return reel__poisoned(tape);
    }
    sizes s = { .batch = reel_shape_of(logits).dim[0],
                .vocabulary = reel_shape_of(logits).dim[1],
                .steps = reel_shape_of(weights).dim[1],
                .extended = extended };
    if (!check(logits, weights, p_gen, source, s)) {
        return reel__poisoned(tape);
    }
    reel_var copied = reel_mul(weights, reel_shift(reel_neg(p_gen), 1));
    reel_var flat = reel_reshape(copied, REEL_SHAPE(s.batch * s.steps));
    reel_var none = reel_fill(tape, REEL_SHAPE(s.batch * (extended + 1)), 0);
    reel_var spread = reel_scatter_add(none, places(tape, source, s), flat);
    reel_var by_word = reel_reshape(spread, REEL_SHAPE(s.batch, extended + 1));
    reel_var generated = reel_mul(reel_softmax(logits, -1), p_gen);
    reel_var both = reel_add(reel_pad(generated, 1, 0, extended - s.vocabulary),
                             reel_slice(by_word, 1, 0, extended));
    reel_var least = reel_scalar(tape, LEAST_PROBABILITY);
    return reel_log(reel_where(reel_greater(both, least), both, least));
}
