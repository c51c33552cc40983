/* elementwise.c: nanoseconds an element for the tile kernels that recurrent cells live on.
 *
 * A tile of 1024 elements stays in the first-level cache; the fastest of many runs counts, since
 * whatever else the machine does can only slow one down.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <stdio.h>
#include <time.h>

#include "graph/op.h"

#define TILE_LENGTH 1024
#define CALLS 8
#define RUNS 2000

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double nanoseconds_an_element(reel_tile_kernel kernel, const void *const x[], void *y)
{
    double best = 1;
    for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        for (int call = 0; call < CALLS; call++) {
            kernel(TILE_LENGTH, x, y, NULL);
        }
        double elapsed = seconds() - start;
        best = elapsed < best ? elapsed : best;
    }
    return best * 1e9 / (CALLS * TILE_LENGTH);
}

/* Numbers from -4 to 4, out of order. */
static double sample(int i)
{
    return (i * 619 % TILE_LENGTH) * (8.0 / TILE_LENGTH) - 4;
}

int main(void)
{
    static const char *const names[] = { "add",           "mul",     "sigmoid_gradient",
                                         "tanh_gradient", "exp",     "log",
                                         "tanh",          "sigmoid", "gelu",
                                         "sqrt",          "softplus" };
    static float x_f32[TILE_LENGTH], y_f32[TILE_LENGTH];
    static double x_f64[TILE_LENGTH], y_f64[TILE_LENGTH];
    for (int i = 0; i < TILE_LENGTH; i++) {
        x_f64[i] = sample(i);
        x_f32[i] = (float)x_f64[i];
    }
    printf("%-18s %10s %10s\n", "ns an element", "f32", "f64");
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        const reel_op *op = reel_op_named(names[k]);
        double f32 = nanoseconds_an_element(op->tile[0], (const void *[]){ x_f32, x_f32 }, y_f32);
        double f64 = nanoseconds_an_element(op->tile[1], (const void *[]){ x_f64, x_f64 }, y_f64);
        printf("%-18s %10.3f %10.3f\n", op->name, f32, f64);
    }
    return 0;
}
