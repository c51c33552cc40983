/* optimizers.c: what a step of each optimiser costs against moving its numbers through memory.
 *
 *     optimizers PARAMETERS THREADS SECONDS [f64]
 *
 * A step reads and writes parameters, gradients (which it zeroes) and its own state. Beside it runs a
 * loop that reads and writes as many arrays of that length and does no more than a subtraction, on the
 * same threads and in the same pieces; both in turn, as often as SECONDS allow. Prints a line of JSON:
 * for each optimiser the milliseconds of both and how many times as long a step takes as the loop right
 * after it, all in the median.
 */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "optim/optimizer.h"
#include "support.h"

enum { MOST_ROUNDS = 400, MOST_ARRAYS = 5 };

/* ---- all optimisers ------------------------------------------------------------------------ */

#define WITH(maker, ...)                                                                           \
    static reel_optimizer *maker##_made(reel_tape *t)                                              \
    {                                                                                              \
        return reel_##maker(t, (reel_##maker##_options){ __VA_ARGS__ });                           \
    }
WITH(sgd, .lr = 1e-3)
WITH(adam, .lr = 1e-3)
WITH(nadam, .lr = 1e-3)
WITH(radam, .lr = 1e-3)
WITH(adamax, .lr = 1e-3)
WITH(rmsprop, .lr = 1e-3)
WITH(adagrad, .lr = 1e-3)
WITH(adadelta, .lr = 1e-3)
WITH(rprop, .lr = 1e-3)
WITH(lion, .lr = 1e-4)
WITH(nt_asgd, .lr = 1e-3)

static reel_optimizer *adamw_made(reel_tape *t)
{
    return reel_adamw(t, (reel_adam_options){ .lr = 1e-3 });
}

static reel_optimizer *amsgrad_made(reel_tape *t)
{
    return reel_adam(t, (reel_adam_options){ .lr = 1e-3, .amsgrad = true });
}

static reel_optimizer *momentum_made(reel_tape *t)
{
    return reel_sgd(t, (reel_sgd_options){ .lr = 1e-3, .momentum = 0.9, .nesterov = true });
}

static reel_optimizer *centred_made(reel_tape *t)
{
    return reel_rmsprop(t, (reel_rmsprop_options){ .lr = 1e-3, .momentum = 0.9, .centred = true });
}

static const struct {
    const char *name;
    reel_optimizer *(*make)(reel_tape *);
} optimizers[] = {
    { "SGD", sgd_made },         { "SGD, Nesterov", momentum_made },
    { "Adam", adam_made },       { "AdamW", adamw_made },
    { "AMSGrad", amsgrad_made }, { "NAdam", nadam_made },
    { "RAdam", radam_made },     { "Adamax", adamax_made },
    { "RMSprop", rmsprop_made }, { "RMSprop, centred, momentum", centred_made },
    { "Adagrad", adagrad_made }, { "Adadelta", adadelta_made },
    { "Rprop", rprop_made },     { "Lion", lion_made },
    { "NT-ASGD", nt_asgd_made },
};

/* ---- streaming ----------------------------------------------------------------------------- */

typedef struct {
    int64_t count;
    int arrays, threads;
    bool f64;
    char *array[MOST_ARRAYS];
} stream;

/* All arrays in one loop, which is compiled for each number of them. */
#define PASS(REAL, name)                                                                           \
    static inline __attribute__((always_inline)) void name(int arrays, REAL *const a[], int64_t n, \
                                                           REAL whole)                             \
    {                                                                                              \
        LOOP_WITHOUT_OVERLAP for (int64_t i = 0; i < n; i++)                                       \
        {                                                                                          \
            for (int k = 0; k < arrays; k++) {                                                     \
                a[k][i] = whole - a[k][i];                                                         \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void name##_of(int arrays, char *const array[], int64_t begin, int64_t n)               \
    {                                                                                              \
        REAL *a[MOST_ARRAYS] = { NULL };                                                           \
        for (int k = 0; k < arrays; k++) {                                                         \
            a[k] = (REAL *)(void *)array[k] + begin;                                               \
        }                                                                                          \
        switch (arrays) {                                                                          \
        case 2:                                                                                    \
            name(2, (REAL *[]){ a[0], a[1] }, n, 1);                                               \
            break;                                                                                 \
        case 3:                                                                                    \
            name(3, (REAL *[]){ a[0], a[1], a[2] }, n, 1);                                         \
            break;                                                                                 \
        case 4:                                                                                    \
            name(4, (REAL *[]){ a[0], a[1], a[2], a[3] }, n, 1);                                   \
            break;                                                                                 \
        default:                                                                                   \
            name(5, (REAL *[]){ a[0], a[1], a[2], a[3], a[4] }, n, 1);                             \
        }                                                                                          \
    }
PASS(float, pass_f32)
PASS(double, pass_f64)

static void stream_once(stream *s)
{
    int64_t pieces = (s->count + REEL__RUN - 1) / REEL__RUN;
#pragma omp parallel for schedule(static) num_threads(s->threads)
    for (int64_t p = 0; p < pieces; p++) {
        int64_t begin = p * REEL__RUN, left = s->count - begin;
        int64_t n = left < REEL__RUN ? left : REEL__RUN;
        (s->f64 ? pass_f64_of : pass_f32_of)(s->arrays, s->array, begin, n);
    }
}

/* ---- both in turn -------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *ms, int n)
{
    qsort(ms, (size_t)n, sizeof *ms, ascending);
    return ms[n / 2];
}

/* Gradients that differ from element to element. */
static void fill_gradients(void *out, size_t n, bool f64)
{
    for (size_t i = 0; i < n; i++) {
        double g = 0.01 * ((double)(i % 101) - 50);
        if (f64) {
            ((double *)out)[i] = g;
        } else {
            ((float *)out)[i] = (float)g;
        }
    }
}

/* A step has zeroed them. */
static void new_gradients(reel_tape *t, bool f64)
{
    reel_flat flat;
    reel_flat_begin(t, &flat);
    fill_gradients(flat.gradients, flat.count, f64);
    reel_flat_end(t, false);
}

static double time_of_step(reel_tape *t, reel_optimizer *optimizer, bool f64)
{
    new_gradients(t, f64);
    double began = bench_clock();
    reel_optimizer_step(optimizer);
    return bench_clock() - began;
}

/* One of its arrays was just written, too. */
static double time_of_stream(stream *s)
{
    fill_gradients(s->array[1], (size_t)s->count, s->f64);
    double began = bench_clock();
    stream_once(s);
    return bench_clock() - began;
}

static void measure(int which, int64_t count, int threads, double seconds, bool f64)
{
    static double step_ms[MOST_ROUNDS], stream_ms[MOST_ROUNDS], ratio[MOST_ROUNDS];
    reel_tape *t = reel_tape_new(
        (reel_tape_options){ .dtype = f64 ? REEL_F64 : REEL_F32, .threads = threads });
    reel_param(t, "p", REEL_SHAPE(count), reel_uniform(-1, 1));
    reel_optimizer *optimizer = optimizers[which].make(t);
    time_of_step(t, optimizer, f64);
    bench_expect_fine(t);
    stream s = { .count = count, .arrays = 2 + optimizer->slots, .threads = threads, .f64 = f64 };
    for (int k = 0; k < s.arrays; k++) {
        size_t bytes = (size_t)count * (f64 ? sizeof(double) : sizeof(float));
        s.array[k] = bench_allocate(bytes);
        memset(s.array[k], 0, bytes);
    }
    int rounds = 0;
    for (double end = bench_clock() + 1e3 * seconds;
         rounds < 3 || (rounds < MOST_ROUNDS && bench_clock() < end); rounds++) {
        step_ms[rounds] = time_of_step(t, optimizer, f64);
        stream_ms[rounds] = time_of_stream(&s);
        ratio[rounds] = step_ms[rounds] / stream_ms[rounds];
    }
    bench_expect_fine(t);
    printf("%s\"%s\": {\"ms\": %.6f, \"stream_ms\": %.6f, \"ratio\": %.6f, \"arrays\": %d}",
           which ? ", " : "{", optimizers[which].name, median(step_ms, rounds),
           median(stream_ms, rounds), median(ratio, rounds), s.arrays);
    for (int k = 0; k < s.arrays; k++) {
        free(s.array[k]);
    }
    reel_tape_free(t);
}

int main(int count, char **argument)
{
    bool f64 = count == 5 && strcmp(argument[4], "f64") == 0;
    if (count != 4 && !f64) {
        fprintf(stderr, "optimizers PARAMETERS THREADS SECONDS [f64]\n");
        return 2;
    }
    for (int i = 0; i < (int)(sizeof optimizers / sizeof *optimizers); i++) {
        measure(i, atoll(argument[1]), atoi(argument[2]), atof(argument[3]), f64);
    }
    printf("}\n");
    return 0;
}
