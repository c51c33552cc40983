/* spell.c: one to many. The image of a digit becomes the first state of an LSTM, which then names the
 * digit letter by letter, reading each letter it wrote.
 */
#include <stdio.h>
#include <string.h>

#include "digits.h"

enum { LETTERS = 26, END = LETTERS, START, SYMBOLS, STEPS = 6, BATCH = 32, HIDDEN = 64 };

static const char *const names[10] = { "zero", "one", "two",   "three", "four",
                                       "five", "six", "seven", "eight", "nine" };

typedef struct {
    reel_tape *tape;
    reel_layer look, letter, out; /* the image's state; letters in; letters out */
    reel_cell lstm;
} speller;

static speller make(reel_tape *t)
{
    return (speller){
        .tape = t,
        .look =
            reel_dense(t, "look", PIXELS, HIDDEN, (reel_dense_options){ .activation = REEL_TANH }),
        .letter = reel_embedding(t, "letter", SYMBOLS, 16, (reel_embedding_options){ 0 }),
        .lstm = reel_lstm(t, "lstm", 16, HIDDEN, (reel_lstm_options){ 0 }),
        .out = reel_dense(t, "out", HIDDEN, SYMBOLS, (reel_dense_options){ 0 }),
    };
}

/* Letter `step` of a digit's name; the end symbol behind the last one, and ever after. */
static int32_t letter_of(int32_t digit, int step)
{
    const char *name = names[digit];
    return step < (int)strlen(name) ? name[step] - 'a' : END;
}

static reel_var see(const speller *s, const digits *d, int epoch, int first, int count)
{
    static float pixels[MOST_DIGITS][PIXELS];
    for (int i = 0; i < count; i++) {
        memcpy(pixels[i], d->pixel[digits_at(d, epoch, first + i)], sizeof pixels[i]);
    }
    return reel_apply(s->look, reel_input(s->tape, REEL_SHAPE(count, PIXELS), &pixels[0][0]));
}

/* Teacher forcing: at each step the letter before is the right one. */
static double train(const speller *s, reel_optimizer *adam, const digits *d, int epoch, int first)
{
    int32_t before[STEPS][BATCH], after[STEPS][BATCH];
    for (int step = 0; step < STEPS; step++) {
        for (int b = 0; b < BATCH; b++) {
            int32_t digit = d->digit[digits_at(d, epoch, first + b)];
            before[step][b] = step ? letter_of(digit, step - 1) : START;
            after[step][b] = letter_of(digit, step);
        }
    }
    reel_rewind(s->tape);
    reel_unroll_options start = { .initial = { see(s, d, epoch, first, BATCH) } };
    reel_var letters = reel_indices(s->tape, REEL_SHAPE(STEPS, BATCH), &before[0][0]);
    reel_rollout r = reel_unroll(s->lstm, reel_apply(s->letter, letters), start);
    reel_var targets = reel_indices(s->tape, REEL_SHAPE(STEPS, BATCH), &after[0][0]);
    reel_var loss = reel_cross_entropy(reel_apply(s->out, r.outputs), targets);
    reel_backward(loss);
    reel_clip_norm(s->tape, 1);
    reel_optimizer_step(adam);
    return reel_item(loss);
}

/* Without a teacher: the likeliest letter goes in again, on the tape itself. The share of words that
 * are right to the last letter. */
static double evaluate(const speller *s, const digits *d)
{
    static int32_t start[MOST_DIGITS];
    float written[STEPS][MOST_DIGITS];
    int n = d->count, right = 0;
    for (int i = 0; i < n; i++) {
        start[i] = START;
    }
    reel_rewind(s->tape);
    reel_var state[2] = { see(s, d, 0, 0, n), reel_fill(s->tape, REEL_SHAPE(n, HIDDEN), 0) };
    reel_var letter = reel_indices(s->tape, REEL_SHAPE(n), start);
    for (int step = 0; step < STEPS; step++) {
        reel_var h = s->lstm.step(s->lstm.self, reel_apply(s->letter, letter), state);
        letter = reel_argmax(reel_apply(s->out, h), -1);
        reel_read(letter, written[step], (size_t)n);
    }
    for (int i = 0; i < n; i++) {
        bool all = true;
        for (int step = 0; step < STEPS; step++) {
            all = all && (int32_t)written[step][i] == letter_of(d->digit[digits_at(d, 0, i)], step);
        }
        right += all;
    }
    return (double)right / n;
}

double learn_to_spell(const digit_sets *sets, int epochs)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    speller s = make(t);
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 3e-3 });
    double right = 0;
    for (int epoch = 0; epoch < epochs; epoch++) {
        double loss = 0;
        int updates = sets->learnt.count / BATCH;
        for (int i = 0; i < updates; i++) {
            loss += train(&s, adam, &sets->learnt, epoch, i * BATCH) / updates;
        }
        right = evaluate(&s, &sets->held_out);
        printf("spelling, epoch %2d: loss %.4f, %.1f %% of %d held-out words right\n", epoch + 1,
               loss, 100 * right, sets->held_out.count);
    }
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "%s\n", reel_tape_error(t));
        right = 0;
    }
    reel_tape_free(t);
    return right;
}
