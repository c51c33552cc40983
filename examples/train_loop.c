/* train_loop: training by hand. An LSTM reads a row of numbers with two of them marked, and learns
 * to give their sum (the adding problem, Hochreiter & Schmidhuber 1997).
 */
#include <reel.h>

#include <stdint.h>

enum { STEPS = 12, BATCH = 64, HIDDEN = 32, UPDATES = 600 };

/* A number in [0, 1) from a linear congruential generator (Knuth). */
static float draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / 16777216.0f;
}

/* x[t][b] is a number and a mark, y[b] the sum of the two numbers that are marked. */
static void draw_problems(uint64_t *state, float x[STEPS][BATCH][2], float y[BATCH][1])
{
    for (int b = 0; b < BATCH; b++) {
        int first = (int)(draw(state) * STEPS / 2);
        int second = STEPS / 2 + (int)(draw(state) * STEPS / 2);
        for (int t = 0; t < STEPS; t++) {
            x[t][b][0] = draw(state);
            x[t][b][1] = t == first || t == second ? 1 : 0;
        }
        y[b][0] = x[first][b][0] + x[second][b][0];
    }
}

static double train(reel_tape *t)
{
    static float x[STEPS][BATCH][2];
    static float y[BATCH][1];
    uint64_t state = 1;
    double error = 1;
    reel_cell lstm = reel_lstm(t, "lstm", 2, HIDDEN, (reel_lstm_options){ 0 });
    reel_layer out = reel_dense(t, "out", HIDDEN, 1, (reel_dense_options){ 0 });
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 1e-2 });

    for (int update = 1; update <= UPDATES; update++) {
        draw_problems(&state, x, y);
        reel_rewind(t);
        reel_var inputs = reel_input(t, REEL_SHAPE(STEPS, BATCH, 2), &x[0][0][0]);
        reel_var sums = reel_input(t, REEL_SHAPE(BATCH, 1), &y[0][0]);
        reel_rollout r = reel_unroll(lstm, inputs, (reel_unroll_options){ 0 });
        reel_var loss = reel_mse(reel_apply(out, r.state[0]), sums);
        reel_backward(loss);
        reel_clip_norm(t, 1);
        reel_optimizer_step(adam);
        error = reel_item(loss);
        if (update % 100 == 0) {
            printf("update %d: mean squared error %.5f\n", update, error);
        }
    }
    return error;
}

int main(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    double error = train(t);
    /* One look at the end is enough: after a mistake calls do nothing, and the first is kept. */
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "train_loop: %s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
    return !(error < 0.01);
}
