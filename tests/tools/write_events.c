/* write_events.c: trains a sequential and a functional model with TensorBoard's logs, for
 * bench/tensorboard_check.py:
 *
 *     write_events FOLDER
 *
 * writes FOLDER/sequential and FOLDER/functional, and prints what the scalars must be: the model, the
 * tag's name, and its value of each epoch. */
#include <math.h>
#include <reel.h>

enum { ROWS = 40, STEPS = 12, FEATURES = 3, EPOCHS = 4 };

static float x[ROWS][STEPS][FEATURES], y[ROWS][1];

static void fill(void)
{
    for (int r = 0; r < ROWS; r++) {
        for (int s = 0; s < STEPS; s++) {
            for (int k = 0; k < FEATURES; k++) {
                x[r][s][k] = (float)sin(r + s * (k + 1));
            }
        }
        y[r][0] = x[r][STEPS - 1][0];
    }
}

typedef struct {
    reel_cell cell;
    reel_layer out;
} functional;

static reel_var build(reel_tape *t, void *self, reel_batch *batch)
{
    (void)t;
    const functional *f = self;
    reel_rollout r = reel_unroll(f->cell, batch->x, (reel_unroll_options){ 0 });
    return reel_apply(f->out, r.state[0]);
}

static void print_series(const char *model, const char *name, const double *values)
{
    printf("%s %s", model, name);
    for (int e = 0; e < EPOCHS; e++) {
        printf(" %.9g", values[e]);
    }
    printf("\n");
}

static bool train(reel_model *m, const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%.900s/%s", folder, name);
    reel_compile(m, (reel_compile_options){ .loss = "mse", .metrics = { "mae" } });
    reel_tensorboard_options board = { .histograms_every = 1, .graph = true, .batches_every = 1 };
    reel_fit_options options = { .epochs = EPOCHS, .batch_size = 8, .validation_split = 0.2 };
    options.callbacks[0] = reel_tensorboard(m, path, board);
    reel_data X = REEL_DATA(&x[0][0][0], ROWS, STEPS, FEATURES), Y = REEL_DATA(&y[0][0], ROWS, 1);
    const reel_history *h = reel_fit(m, X, Y, options);
    for (int i = 0; h && i < h->count; i++) {
        print_series(name, h->name[i], h->values[i]);
    }
    return h != NULL;
}

int main(int argc, char **argv)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1, .threads = 1 });
    functional f = { .cell = reel_gru(t, "gru", FEATURES, 5, (reel_gru_options){ 0 }),
                     .out = reel_dense(t, "out", 5, 1, (reel_dense_options){ 0 }) };
    fill();
    bool good = argc == 2 &&
                train(reel_sequential(t, REEL_LSTM(6), REEL_DENSE(1)), argv[1], "sequential") &&
                train(reel_model_new(t, build, &f), argv[1], "functional");
    if (!good) {
        fprintf(stderr, "write_events FOLDER: %s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
    return !good;
}
