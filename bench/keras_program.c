/* keras_program.c: a whole program as people write it: LSTM(64) → Dense(32, relu) → Dense(1), Adam, mean
 * squared error, batches of 32, a fifth of the rows for validation, and a prediction at the end.
 *
 *     keras_program EPOCHS ROWS STEPS FEATURES THREADS [f64]
 *
 * prints the milliseconds of a median epoch and the losses of all epochs. Its start and end, as its
 * caller sees them, are the time of the whole program. Rows are not shuffled, and weights are what
 * bench_fill makes, so that a peer has the same losses.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { UNITS = 64 };

typedef struct {
    double began, *ms;
} stopwatch;

static reel_status start(void *self, reel_training *t)
{
    (void)t;
    ((stopwatch *)self)->began = bench_clock();
    return REEL_OK;
}

static reel_status stop(void *self, reel_training *t)
{
    stopwatch *s = self;
    s->ms[t->epoch] = bench_clock() - s->began;
    return REEL_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void same_weights(reel_tape *t)
{
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var v = reel_param_at(t, i);
        size_t n = (size_t)reel_shape_size(reel_shape_of(v));
        float *numbers = bench_allocate(n * sizeof *numbers);
        bench_fill(reel_param_name(v), bench_scale(reel_param_name(v), UNITS), n, numbers);
        reel_write_param(v, numbers, n);
        free(numbers);
    }
}

static reel_model *make_model(reel_tape *t, int64_t steps, int64_t features)
{
    reel_model *m = reel_sequential(t, REEL_LSTM(UNITS), REEL_DENSE(32, .activation = REEL_RELU),
                                    REEL_DENSE(1));
    reel_compile(
        m, (reel_compile_options){ .optimizer = "adam", .loss = "mse", .metrics = { "mae" } });
    reel_model_build(m, REEL_SHAPE(steps, features), false);
    same_weights(t);
    return m;
}

static float *filled(const char *name, int64_t n)
{
    float *numbers = bench_allocate((size_t)n * sizeof *numbers);
    bench_fill(name, 1, (size_t)n, numbers);
    return numbers;
}

/* What the rows are to tell: something that can be learnt. On noise alone a network learns by heart, and
 * after twenty epochs the last bit of a sum decides where that leads. */
static float *targets_of(const float *x, int64_t rows, int64_t steps, int64_t features)
{
    float *y = bench_allocate((size_t)rows * sizeof *y);
    for (int64_t r = 0; r < rows; r++) {
        const float *end = x + (r + 1) * steps * features;
        y[r] = 0.5f * end[-1] + 0.25f * end[-1 - features];
    }
    return y;
}

static void print(const reel_history *h, double *ms, float first)
{
    printf("{\"losses\": [");
    for (int e = 0; e < h->epochs; e++) {
        printf("%s%.17g", e ? ", " : "", h->loss[e]);
    }
    qsort(ms, (size_t)h->epochs, sizeof *ms, ascending);
    printf("], \"ms\": %.6f, \"prediction\": %.9g}\n", ms[h->epochs / 2], first);
}

int main(int count, char **argument)
{
    bool f64 = count == 7 && strcmp(argument[6], "f64") == 0;
    if (count != 6 && !f64) {
        fprintf(stderr, "keras_program EPOCHS ROWS STEPS FEATURES THREADS [f64]\n");
        return 2;
    }
    int epochs = atoi(argument[1]);
    int64_t rows = atoll(argument[2]), steps = atoll(argument[3]), features = atoll(argument[4]);
    reel_tape *t = reel_tape_new(
        (reel_tape_options){ .dtype = f64 ? REEL_F64 : REEL_F32, .threads = atoi(argument[5]) });
    float *x = filled("x", rows * steps * features);
    float *y = targets_of(x, rows, steps, features);
    float *out = bench_allocate((size_t)rows * sizeof *out);
    stopwatch watch = { .ms = bench_allocate((size_t)epochs * sizeof *watch.ms) };
    reel_model *m = make_model(t, steps, features);
    reel_data X = REEL_DATA(x, rows, steps, features), Y = REEL_DATA(y, rows, 1);
    reel_fit_options options = { .epochs = epochs,
                                 .batch_size = 32,
                                 .validation_split = 0.2,
                                 .no_shuffle = true,
                                 .callbacks = { { .name = "stopwatch",
                                                  .self = &watch,
                                                  .on_epoch_begin = start,
                                                  .on_epoch_end = stop } } };
    const reel_history *h = reel_fit(m, X, Y, options);
    reel_predict(m, X, out, (size_t)rows);
    bench_expect_fine(t);
    print(h, watch.ms, out[0]);
    free(x);
    free(y);
    free(out);
    free(watch.ms);
    reel_tape_free(t);
    return 0;
}
