/* attention.c: the memory, one step of any attention over it, and the loss of coverage. */
#include <math.h>

#include "lengths.h"

static reel_memory no_memory(reel_tape *tape)
{
    return (reel_memory){ .values = reel__poisoned(tape) };
}

static bool check_attention(reel_tape *tape, const reel_attention *attention)
{
    if (!attention->weigh) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "memorize", "the attention has no weigh function");
        return false;
    }
    if (attention->states < 0 || attention->states > REEL_ATTENTION_STATES) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "memorize", "the attention has %d states, not 0 … %d",
                  attention->states, REEL_ATTENTION_STATES);
        return false;
    }
    return true;
}

/* What stands in the padding is read as zeros, before anything can see it. */
static bool mark_padding(reel_memory *m, const int32_t *lengths)
{
    reel_tape *tape = m->values.tape;
    if (!reel__check_lengths(tape, "memorize", "lengths", lengths, m->batch, m->steps)) {
        return false;
    }
    m->position = reel__positions(tape, REEL_SHAPE(1, m->steps));
    m->length = reel__lengths(tape, REEL_SHAPE(m->batch, 1), lengths, m->steps);
    if (!lengths) {
        return true;
    }
    m->valid = reel_less(m->position, m->length);
    m->values = reel_where(reel_unsqueeze(m->valid, -1), m->values, reel_scalar(tape, 0));
    return m->values.id != 0;
}

static bool memorize(reel_memory *m, reel_var memory, const int32_t *lengths)
{
    reel_tape *tape = memory.tape;
    if (!reel__check_handle(tape, "memorize", memory) || !check_attention(tape, &m->attention)) {
        return false;
    }
    reel_shape shape = reel_shape_of(memory);
    if (shape.rank != 3 || reel_is_index(memory)) {
        reel_fail(tape, REEL_BAD_SHAPE, "memorize",
                  "memory is %s%s, expected [steps, batch, width]",
                  reel_is_index(memory) ? "indices " : "", REEL_SHAPE_TEXT(shape));
        return false;
    }
    m->steps = shape.dim[0];
    m->batch = shape.dim[1];
    m->width = shape.dim[2];
    m->values = reel_transpose(memory, 0, 1);
    if (!mark_padding(m, lengths)) {
        return false;
    }
    const reel_attention *a = &m->attention;
    m->keys = a->keys ? a->keys(a->self, m->values) : m->values;
    return m->keys.id != 0;
}

reel_memory reel_memorize(reel_var memory, reel_attention attention, const int32_t *lengths)
{
    reel_memory m = { .attention = attention };
    if (!memory.tape) {
        return no_memory(NULL);
    }
    memory.tape->nested++;
    bool good = memorize(&m, memory, lengths);
    memory.tape->nested--;
    return good ? m : no_memory(memory.tape);
}

reel_var reel_attention_softmax(reel_var scores, const reel_memory *m)
{
    if (!reel__is_absent(m->valid)) {
        scores = reel_where(m->valid, scores, reel_scalar(scores.tape, -INFINITY));
    }
    return reel_softmax(scores, -1);
}

/* ---- one step ------------------------------------------------------------------------------- */

static bool check_states(const reel_memory *m, reel_var state[])
{
    reel_tape *tape = m->values.tape;
    const reel_attention *a = &m->attention;
    for (int k = 0; k < a->states; k++) {
        reel_shape expected = REEL_SHAPE(m->batch, a->width[k] ? a->width[k] : m->steps);
        if (reel__is_absent(state[k])) {
            state[k] = reel_fill(tape, expected, 0);
        }
        if (!reel__check_shape(tape, "attend", k ? "state[1]" : "state[0]", state[k], expected)) {
            return false;
        }
    }
    return true;
}

static bool check_step(reel_var query, const reel_memory *m, reel_var state[])
{
    reel_tape *tape = query.tape;
    if (!reel__check_handle(tape, "attend", query) ||
        !reel__check_handle(tape, "attend", m->values)) {
        return false;
    }
    reel_shape shape = reel_shape_of(query);
    if (shape.rank != 2 || shape.dim[0] != m->batch) {
        reel_fail(tape, REEL_BAD_SHAPE, "attend", "query is %s, expected [%lld, width]",
                  REEL_SHAPE_TEXT(shape), (long long)m->batch);
        return false;
    }
    if (m->attention.states > 0 && !state) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "attend", "the attention has %d states, state is NULL",
                  m->attention.states);
        return false;
    }
    return check_states(m, state);
}

static reel_attended attend(reel_var query, const reel_memory *m, reel_var state[])
{
    reel_attended out = { reel__poisoned(query.tape), reel__poisoned(query.tape) };
    if (!check_step(query, m, state)) {
        return out;
    }
    reel_var weights = m->attention.weigh(m->attention.self, m, query, state);
    if (reel__check_shape(query.tape, "attend", "what the attention gave", weights,
                          REEL_SHAPE(m->batch, m->steps))) {
        out.weights = weights;
        out.context = reel_squeeze(reel_matmul(reel_unsqueeze(weights, 1), m->values), 1);
    }
    return out;
}

reel_attended reel_attend(reel_var query, const reel_memory *m, reel_var state[])
{
    if (!query.tape) {
        return (reel_attended){ 0 };
    }
    query.tape->nested++;
    reel_attended out = attend(query, m, state);
    query.tape->nested--;
    return out;
}

/* ---- coverage ------------------------------------------------------------------------------- */

reel_var reel_coverage_loss(reel_var weights, reel_var mask)
{
    reel_tape *tape = weights.tape;
    if (!reel__check_handle(tape, "coverage_loss", weights)) {
        return reel__poisoned(tape);
    }
    reel_shape shape = reel_shape_of(weights);
    if (shape.rank != 3) {
        return reel_fail(tape, REEL_BAD_SHAPE, "coverage_loss",
                         "weights are %s, expected [queries, batch, steps]",
                         REEL_SHAPE_TEXT(shape));
    }
    if (!reel__is_absent(mask)) {
        reel_shape expected = REEL_SHAPE(shape.dim[0], shape.dim[1]);
        if (!reel__check_shape(tape, "coverage_loss", "mask", mask, expected)) {
            return reel__poisoned(tape);
        }
        weights = reel_where(reel_unsqueeze(mask, -1), weights, reel_scalar(tape, 0));
    }
    reel_var before = reel_sub(reel_cumsum(weights, 0), weights);
    return reel_masked_mean(reel_sum(reel_minimum(weights, before), -1), mask);
}
