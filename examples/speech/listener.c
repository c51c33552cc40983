/* listener.c: two bidirectional LSTM layers under connectionist temporal classification. */
#include <stdlib.h>
#include <string.h>

#include "speech.h"

enum { HIDDEN = 96, AT_ONCE = 64 };

listener listener_make(reel_tape *t)
{
    reel_lstm_options plain = { 0 };
    return (listener){
        .tape = t,
        .forwards = { reel_lstm(t, "forwards_0", FEATURES, HIDDEN, plain),
                      reel_lstm(t, "forwards_1", 2 * HIDDEN, HIDDEN, plain) },
        .backwards = { reel_lstm(t, "backwards_0", FEATURES, HIDDEN, plain),
                       reel_lstm(t, "backwards_1", 2 * HIDDEN, HIDDEN, plain) },
        .out = reel_dense(t, "out", 2 * HIDDEN, LABELS, (reel_dense_options){ 0 }),
    };
}

/* [steps, batch, FEATURES], zeros behind the end of each. */
static reel_var features_of(reel_tape *t, const utterance *u, int count, int32_t *lengths)
{
    int steps = 0;
    for (int i = 0; i < count; i++) {
        lengths[i] = u[i].steps;
        steps = lengths[i] > steps ? lengths[i] : steps;
    }
    float *x = calloc((size_t)steps * (size_t)count * FEATURES, sizeof *x);
    for (int i = 0; x != NULL && i < count; i++) {
        for (int s = 0; s < lengths[i]; s++) {
            memcpy(x + ((size_t)s * (size_t)count + (size_t)i) * FEATURES,
                   u[i].features + (size_t)s * FEATURES, FEATURES * sizeof *x);
        }
    }
    reel_var v = reel_input(t, REEL_SHAPE(steps, count, FEATURES), x);
    free(x);
    return v;
}

static reel_var logits_of(const listener *l, const utterance *u, int count, int32_t *lengths)
{
    reel_var x = features_of(l->tape, u, count, lengths);
    reel_unroll_options onwards = { .lengths = lengths },
                        back = { .lengths = lengths, .reverse = true };
    for (int layer = 0; layer < 2; layer++) {
        reel_var f = reel_unroll(l->forwards[layer], x, onwards).outputs;
        reel_var b = reel_unroll(l->backwards[layer], x, back).outputs;
        x = reel_dropout(reel_concat(-1, f, b), 0.3);
    }
    return reel_apply(l->out, x);
}

reel_var listener_loss(const listener *l, const utterance *u, int count)
{
    int32_t lengths[AT_ONCE], digits[AT_ONCE], labels[AT_ONCE][MOST_DIGITS];
    for (int i = 0; i < count; i++) {
        digits[i] = u[i].digits;
        memcpy(labels[i], u[i].label, sizeof labels[i]);
    }
    reel_var logits = logits_of(l, u, count, lengths);
    reel_var targets = reel_indices(l->tape, REEL_SHAPE(count, MOST_DIGITS), &labels[0][0]);
    return reel_ctc(logits, targets, lengths, digits, (reel_ctc_options){ .blank = BLANK });
}

reel_decoded *listen(const listener *l, const utterance *u, int count)
{
    int32_t lengths[AT_ONCE];
    reel_rewind(l->tape);
    reel_set_training(l->tape, false);
    reel_decoded *d = reel_ctc_greedy(logits_of(l, u, count, lengths), lengths, BLANK);
    reel_set_training(l->tape, true);
    return d;
}
