/* The Keras way of the design's contract, with the lines around it that it needs: a sequence of
 * eight features is to give the sum of the first over its last steps. */
#include <reel.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { ROWS = 200, STEPS = 10, FEATURES = 8 };

static float draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f - 0.5f;
}

int main(void)
{
    static float x[ROWS][STEPS][FEATURES], y[ROWS][1], predicted[ROWS];
    uint32_t state = 3;
    for (int r = 0; r < ROWS; r++) {
        for (int i = 0; i < STEPS * FEATURES; i++) {
            x[r][i / FEATURES][i % FEATURES] = draw(&state);
        }
        y[r][0] = x[r][STEPS - 1][0] + x[r][STEPS - 2][0];
    }

    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    reel_data X = REEL_DATA(&x[0][0][0], ROWS, STEPS, FEATURES);
    reel_data Y = REEL_DATA(&y[0][0], ROWS, 1);

    reel_model *m = reel_sequential(t, REEL_LSTM(64), REEL_DENSE(32, .activation = REEL_RELU), REEL_DENSE(1));
    reel_compile(m, (reel_compile_options){ .optimizer = "adam", .loss = "mse", .metrics = { "mae" } });
    reel_history *h = reel_fit(m, X, Y, (reel_fit_options){ .epochs = 50, .batch_size = 32, .validation_split = 0.2 });

    bool learned = h && h->epochs == 50 && h->loss[49] < 0.3 * h->loss[0] &&
                   h->val_loss[49] < h->val_loss[0] &&
                   reel_predict(m, X, predicted, ROWS) == REEL_OK;
    printf("loss %g, then %g; mae %g; validation %g; %g for %g; %s\n", h ? h->loss[0] : NAN,
           reel_history_at(h, "loss", -1), reel_history_at(h, "mae", -1),
           reel_history_at(h, "val_loss", -1), (double)predicted[0], (double)y[0][0],
           reel_tape_error(t));
    reel_tape_free(t);
    return !learned;
}
