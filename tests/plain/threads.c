/* Different tapes train in different threads at once, and come to the bits they come to alone. */
#include <pthread.h>
#include <reel.h>
#include <string.h>

enum { TAPES = 4, STEPS = 6, BATCH = 3, IN = 5, HIDDEN = 8, UPDATES = 12 };

typedef struct {
    uint64_t seed;
    int threads;
    float weights[IN * 4 * HIDDEN];
    bool fine;
} job;

static void train(reel_tape *t, job *j)
{
    reel_cell cell = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 });
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 1e-2 });
    for (int i = 0; i < UPDATES; i++) {
        reel_rewind(t);
        reel_var x = reel_random_normal(t, REEL_SHAPE(STEPS, BATCH, IN), 0, 1);
        reel_var outputs = reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs;
        reel_backward(reel_mean_all(reel_square(reel_shift(reel_dropout(outputs, 0.2), -0.5))));
        reel_clip_norm(t, 1);
        reel_optimizer_step(adam);
    }
    reel_read(reel_find_param(t, "lstm.W_x"), j->weights, sizeof j->weights / sizeof j->weights[0]);
}

static void *run(void *self)
{
    job *j = self;
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = j->seed, .threads = j->threads });
    train(t, j);
    j->fine = reel_tape_status(t) == REEL_OK;
    if (!j->fine) {
        fprintf(stderr, "threads: %s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
    return NULL;
}

int main(void)
{
    job together[TAPES], alone[TAPES];
    pthread_t thread[TAPES];
    for (int i = 0; i < TAPES; i++) {
        together[i] = alone[i] = (job){ .seed = (uint64_t)(i / 2), .threads = 1 };
        if (pthread_create(&thread[i], NULL, run, &together[i]) != 0) {
            return 1;
        }
    }
    int failed = 0;
    for (int i = 0; i < TAPES; i++) {
        pthread_join(thread[i], NULL);
        run(&alone[i]);
        failed += !together[i].fine || !alone[i].fine ||
                  memcmp(together[i].weights, alone[i].weights, sizeof alone[i].weights) != 0;
    }
    failed += memcmp(alone[0].weights, alone[1].weights, sizeof alone[0].weights) != 0;
    failed += memcmp(alone[0].weights, alone[2].weights, sizeof alone[0].weights) == 0;
    if (failed) {
        fprintf(stderr, "threads: %d comparisons failed\n", failed);
    }
    return failed;
}
