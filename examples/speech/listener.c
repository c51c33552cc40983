/* listener.c: two bidirectional LSTM layers under connectionist temporal classification. */
#include <stdlib.h>
#include <string.h>

#include "speech.h"

enum { HIDDEN = 96, AT_ONCE = 64 };

static reel_recurrent_layer layer_of(reel_tape *t, const char *forwards, const char *backwards,
                                     int64_t in)
{
    return (reel_recurrent_layer){
        .cell = reel_lstm(t, forwards, in, HIDDEN, (reel_lstm_options){ 0 }),
        .backward = reel_lstm(t, backwards, in, HIDDEN, (reel_lstm_options){ 0 })
    };
}

listener listener_make(reel_tape *t)
{
    return (listener){
        .tape = t,
        .layer = { layer_of(t, "forwards_0", "backwards_0", FEATURES),
                   layer_of(t, "forwards_1", "backwards_1", 2 * HIDDEN) },
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
    reel_unroll_layers_options options = { .lengths = lengths, .between = { .dropout = 0.3 } };
    reel_var y = reel_unroll_layers(LAYERS, l->layer, x, options, NULL);
    return reel_apply(l->out, reel_dropout(y, 0.3));
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
