#include "decoder.h"

#include <math.h>

const int32_t decoder_starts[DECODER_BATCH] = { 0, 2, 3 };

double encoded_at(int b, int i)
{
    return cos(1.3 * b + 0.7 * i);
}

void initial_states(reel_tape *t, int first, int batch, reel_var initial[])
{
    double encoded[64];
    int32_t zero[16] = { 0 };
    for (int i = 0; i < batch * SOURCE; i++) {
        encoded[i] = encoded_at(first + i / SOURCE, i % SOURCE);
    }
    initial[0] = reel_fill(t, REEL_SHAPE(batch), 0);
    initial[1] = reel_fill(t, REEL_SHAPE(batch, 2, 3), 0);
    initial[2] = reel_indices(t, REEL_SHAPE(batch), zero);
    initial[3] = reel_fill(t, REEL_SHAPE(batch, SOURCE), 0);
    initial[4] = reel_input_f64(t, REEL_SHAPE(batch, SOURCE), encoded);
}

/* ---- on the tape --------------------------------------------------------------------------- */

static reel_var numbers(reel_tape *t, int first, int count)
{
    double n[8];
    for (int i = 0; i < count; i++) {
        n[i] = first + i;
    }
    return reel_input_f64(t, REEL_SHAPE(count), n);
}

static reel_var step(void *self, reel_var tokens, reel_var state[])
{
    counting *c = self;
    reel_tape *t = tokens.tape;
    reel_var values = numbers(t, 0, VOCABULARY);
    reel_var token = reel_gather(values, tokens), before = reel_gather(values, state[2]);
    reel_var code = reel_shift(reel_add(reel_scale(state[0], 3), token), 1);
    reel_var sum = reel_add(reel_unsqueeze(reel_unsqueeze(token, -1), -1), state[1]);
    reel_var mixed =
        reel_add(reel_add(reel_scale(code, 0.37), reel_mean(reel_mean(sum, -1), -1)), before);
    reel_var places = reel_mul(reel_unsqueeze(code, -1), numbers(t, 1, SOURCE));
    reel_var alignment = reel_softmax(reel_scale(reel_sin(places), 2), -1);
    reel_var context = reel_sum_keep(reel_mul(alignment, state[4]), -1);
    reel_var angles = reel_mul(reel_unsqueeze(mixed, -1), numbers(t, 1, VOCABULARY));
    state[0] = code;
    state[1] = sum;
    state[2] = tokens;
    state[3] = alignment;
    c->steps++;
    reel_var logits = reel_scale(reel_sin(reel_add(angles, context)), 1.5);
    c->nodes = reel_node_count(t);
    return logits;
}

reel_decoder counting_decoder(counting *c)
{
    return (reel_decoder){
        .self = c, .step = step, .states = DECODER_STATES, .constants = 1, .alignment = 4
    };
}

/* ---- in plain C ---------------------------------------------------------------------------- */

static void normalise(int n, double *x)
{
    double total = 0;
    for (int i = 0; i < n; i++) {
        total += exp(x[i]);
    }
    for (int i = 0; i < n; i++) {
        x[i] -= log(total);
    }
}

void model_log_p(int b, int32_t start, const int32_t *tokens, int length, double *log_p,
                 double *alignment)
{
    double code = 0, sum = 0, before = 0, last = 0, context = 0;
    for (int i = -1; i < length; i++) {
        before = last;
        last = i < 0 ? start : tokens[i];
        code = 3 * code + last + 1;
        sum += last;
    }
    for (int i = 0; i < SOURCE; i++) {
        alignment[i] = 2 * sin(code * (i + 1));
    }
    normalise(SOURCE, alignment);
    for (int i = 0; i < SOURCE; i++) {
        alignment[i] = exp(alignment[i]);
        context += alignment[i] * encoded_at(b, i);
    }
    for (int k = 0; k < VOCABULARY; k++) {
        log_p[k] = 1.5 * sin((0.37 * code + sum + before) * (k + 1) + context);
    }
    normalise(VOCABULARY, log_p);
}

reel_decoded *decode_batch(reel_tape *t, decode_function how, reel_decode_options options)
{
    counting c = { 0 };
    reel_var initial[DECODER_STATES];
    initial_states(t, 0, DECODER_BATCH, initial);
    options.starts = decoder_starts;
    options.end = DECODER_END;
    return how(t, counting_decoder(&c), DECODER_BATCH, initial, options);
}
