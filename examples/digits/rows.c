/* rows.c: many to one. An LSTM reads an image row by row, eight steps of eight pixels, and says at
 * the end which digit it was.
 */
#include <stdio.h>
#include <string.h>

#include "digits.h"

enum { BATCH = 32, HIDDEN = 64 };

#define RATE 1e-2 /* of learning, at the start */

typedef struct {
    reel_tape *tape;
    reel_cell lstm;
    reel_layer out;
} reader;

/* Time comes first: [rows of the image, batch, pixels of a row]. */
static reel_var logits_of(const reader *r, const digits *d, int epoch, int first, int count)
{
    static float x[SIDE * MOST_DIGITS * SIDE];
    for (int i = 0; i < count; i++) {
        const float *image = d->pixel[digits_at(d, epoch, first + i)];
        for (int row = 0; row < SIDE; row++) {
            memcpy(x + (row * count + i) * SIDE, image + row * SIDE, SIDE * sizeof *x);
        }
    }
    reel_var rows = reel_input(r->tape, REEL_SHAPE(SIDE, count, SIDE), x);
    return reel_apply(r->out, reel_unroll(r->lstm, rows, (reel_unroll_options){ 0 }).state[0]);
}

static double train(const reader *r, reel_optimizer *adam, const digits *d, int epoch, int first)
{
    int32_t targets[BATCH];
    for (int b = 0; b < BATCH; b++) {
        targets[b] = d->digit[digits_at(d, epoch, first + b)];
    }
    reel_rewind(r->tape);
    reel_var logits = logits_of(r, d, epoch, first, BATCH);
    reel_var loss = reel_cross_entropy(logits, reel_indices(r->tape, REEL_SHAPE(BATCH), targets));
    reel_backward(loss);
    reel_clip_norm(r->tape, 1);
    reel_optimizer_step(adam);
    return reel_item(loss);
}

static double evaluate(const reader *r, const digits *d)
{
    static float guess[MOST_DIGITS];
    int right = 0;
    reel_rewind(r->tape);
    reel_var logits = logits_of(r, d, 0, 0, d->count);
    reel_read(reel_argmax(logits, -1), guess, (size_t)d->count);
    for (int i = 0; i < d->count; i++) {
        right += (int32_t)guess[i] == d->digit[digits_at(d, 0, i)];
    }
    return (double)right / d->count;
}

double learn_by_rows(const digit_sets *sets, int epochs)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    reader r = { .tape = t,
                 .lstm = reel_lstm(t, "lstm", SIDE, HIDDEN, (reel_lstm_options){ 0 }),
                 .out = reel_dense(t, "out", HIDDEN, 10, (reel_dense_options){ 0 }) };
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = RATE });
    double right = 0;
    for (int epoch = 0; epoch < epochs; epoch++) {
        double loss = 0;
        int updates = sets->learnt.count / BATCH;
        reel_optimizer_set_lr(adam, RATE * (1 - (double)epoch / epochs));
        for (int i = 0; i < updates; i++) {
            loss += train(&r, adam, &sets->learnt, epoch, i * BATCH) / updates;
        }
        right = evaluate(&r, &sets->held_out);
        printf("row by row, epoch %2d: loss %.4f, %.1f %% of %d held-out digits right\n", epoch + 1,
               loss, 100 * right, sets->held_out.count);
    }
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "%s\n", reel_tape_error(t));
        right = 0;
    }
    reel_tape_free(t);
    return right;
}
