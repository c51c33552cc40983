/* The training loop by hand of the design's contract, with the lines around it that it needs: an
 * LSTM learns to say which of the last two symbols was the larger one. */
#include <reel.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { STEPS = 6, BATCH = 8, SYMBOLS = 4, HIDDEN = 12 };

static void draw(uint32_t *state, float data[STEPS][BATCH][SYMBOLS], int32_t answer[STEPS][BATCH])
{
    int last[BATCH] = { 0 };
    for (int i = 0; i < STEPS * BATCH; i++) {
        int t = i / BATCH, b = i % BATCH;
        *state = *state * 1664525u + 1013904223u;
        int symbol = (int)(*state >> 30);
        for (int k = 0; k < SYMBOLS; k++) {
            data[t][b][k] = k == symbol ? 1 : 0;
        }
        answer[t][b] = symbol > last[b] ? symbol : last[b];
        last[b] = symbol;
    }
}

int main(void)
{
    float data[STEPS][BATCH][SYMBOLS];
    int32_t answer[STEPS][BATCH];
    uint32_t state = 5;
    double first = NAN, last = NAN;

    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    reel_cell cell = reel_lstm(t, "lstm", SYMBOLS, HIDDEN, (reel_lstm_options){ 0 });
    reel_layer out = reel_dense(t, "out", HIDDEN, SYMBOLS, (reel_dense_options){ 0 });
    reel_unroll_options opt = { 0 };

    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 1e-2 });
    for (int i = 0; i < 150; i++) {
        draw(&state, data, answer);
        reel_rewind(t);
        reel_var x = reel_input(t, REEL_SHAPE(STEPS, BATCH, SYMBOLS), &data[0][0][0]);
        reel_var targets = reel_indices(t, REEL_SHAPE(STEPS, BATCH), &answer[0][0]);
        reel_var l = reel_cross_entropy(reel_apply(out, reel_unroll(cell, x, opt).outputs), targets);
        reel_backward(l);
        reel_clip_norm(t, 5.0);              /* returns the norm before clipping */
        reel_optimizer_step(adam);           /* and zeroes the gradients */
        printf("%g\n", reel_item(l));
        first = i == 0 ? reel_item(l) : first;
        last = reel_item(l);
    }
    bool learned = reel_tape_status(t) == REEL_OK && last < first / 2;
    printf("%g before, %g after; %s\n", first, last, reel_tape_error(t));
    reel_tape_free(t);
    return !learned;
}
