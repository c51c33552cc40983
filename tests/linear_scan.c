/* linear_scan.c: the scan over many steps: cut into chunks, shared by threads, against a plain
 * loop. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "reel.h"

typedef struct {
    int64_t steps, columns;
    bool reverse;
    int threads;
} scan_case;

static double *numbers(size_t n, unsigned seed, double lo, double hi)
{
    double *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = lo + (hi - lo) * (seed >> 8) / (double)(1 << 24);
    }
    return x;
}

static void plain_scan(const scan_case *c, const double *a, const double *b, const double *start,
                       double *y)
{
    for (int64_t i = 0; i < c->steps; i++) {
        int64_t t = c->reverse ? c->steps - 1 - i : i, before = c->reverse ? t + 1 : t - 1;
        for (int64_t k = 0; k < c->columns; k++) {
            double old = i == 0 ? start[k] : y[before * c->columns + k];
            y[t * c->columns + k] = a[t * c->columns + k] * old + b[t * c->columns + k];
        }
    }
}

static void expect_scan(scan_case c)
{
    size_t n = (size_t)(c.steps * c.columns), row = (size_t)c.columns;
    double *a = numbers(n, 1, -1, 1), *b = numbers(n, 2, -1, 1), *start = numbers(row, 3, -1, 1);
    double *y = malloc(n * sizeof *y), *got = malloc(n * sizeof *got), worst = 0;
    plain_scan(&c, a, b, start, y);
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = c.threads });
    reel_shape shape = REEL_SHAPE(c.steps, c.columns);
    reel_linear_scan_options options = { .initial = reel_input_f64(t, REEL_SHAPE(c.columns), start),
                                         .reverse = c.reverse };
    reel_var v =
        reel_linear_scan(reel_input_f64(t, shape, a), reel_input_f64(t, shape, b), options);
    cr_assert_eq(reel_read_f64(v, got, n), REEL_OK, "%s", reel_tape_error(t));
    for (size_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs(got[i] - y[i]) / (1 + fabs(y[i])));
    }
    cr_expect_leq(worst, 1e-13, "%lld steps of %lld columns, %d threads: off by %g",
                  (long long)c.steps, (long long)c.columns, c.threads, worst);
    reel_tape_free(t);
    free(a), free(b), free(start), free(y), free(got);
}

Test(linear_scan, is_a_plain_loop_however_its_steps_and_columns_are_shared)
{
    for (int threads = 1; threads <= 5; threads += 2) {
        for (int reverse = 0; reverse < 2; reverse++) {
            expect_scan((scan_case){ 70001, 1, reverse, threads });
            expect_scan((scan_case){ 2 * 512 * 7, 11, reverse, threads });
            expect_scan((scan_case){ 1025, 70, reverse, threads });
            expect_scan((scan_case){ 40, 2500, reverse, threads });
        }
    }
}

static double *scanned(int threads, int64_t steps, int64_t columns, bool complex_values)
{
    size_t n = (size_t)(steps * columns);
    double *a = numbers(n, 1, -1, 1), *b = numbers(n, 2, -1, 1);
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = threads });
    reel_shape shape = REEL_SHAPE(steps, columns);
    reel_var y = reel_linear_scan(reel_input_f64(t, shape, a), reel_input_f64(t, shape, b),
                                  (reel_linear_scan_options){ .complex_values = complex_values });
    cr_assert_eq(reel_read_f64(y, b, n), REEL_OK, "%s", reel_tape_error(t));
    reel_tape_free(t);
    free(a);
    return b;
}

Test(linear_scan, gives_the_same_bits_on_any_number_of_threads)
{
    static const int64_t shapes[][2] = { { 70000, 1 }, { 20000, 4 }, { 4200, 16 },
                                         { 4100, 18 }, { 2100, 34 }, { 60, 2500 } };
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        int64_t steps = shapes[k][0], columns = shapes[k][1];
        for (int complex_values = 0; complex_values < (columns > 1 ? 2 : 1); complex_values++) {
            double *one = scanned(1, steps, columns, complex_values);
            for (int threads = 2; threads <= 5; threads++) {
                double *y = scanned(threads, steps, columns, complex_values);
                cr_expect_arr_eq(y, one, (size_t)(steps * columns) * sizeof *y,
                                 "%lld steps of %lld columns differ on %d threads",
                                 (long long)steps, (long long)columns, threads);
                free(y);
            }
            free(one);
        }
    }
}

/* A rotation by 1 radian a step: y[t] = exp(i·t), whatever chunk it is in. */
Test(linear_scan, of_complex_numbers_in_chunks_rotates)
{
    enum { STEPS = 40000 };
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = 3 });
    reel_var turn = reel_input_f64(t, REEL_SHAPE(2), (const double[]){ cos(1), sin(1) });
    reel_var zero = reel_fill(t, REEL_SHAPE(STEPS, 2), 0);
    reel_linear_scan_options options = { .initial = reel_input_f64(t, REEL_SHAPE(2),
                                                                   (const double[]){ 1, 0 }),
                                         .complex_values = true };
    reel_var y = reel_linear_scan(turn, zero, options);
    double *got = malloc(2 * STEPS * sizeof *got), worst = 0;
    cr_assert_eq(reel_read_f64(y, got, 2 * (size_t)STEPS), REEL_OK, "%s", reel_tape_error(t));
    for (int i = 0; i < STEPS; i++) {
        worst = fmax(worst, hypot(got[2 * i] - cos(i + 1), got[2 * i + 1] - sin(i + 1)));
    }
    cr_expect_leq(worst, 1e-10, "off by %g", worst);
    reel_tape_free(t);
    free(got);
}

Test(linear_scan, takes_one_decay_for_all_steps_and_sums_its_gradient)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64 });
    reel_var a = reel_param(t, "a", REEL_SHAPE(1), reel_constant(0.5));
    reel_var b = reel_fill(t, REEL_SHAPE(3, 2, 1), 1);
    reel_var y = reel_linear_scan(a, b, (reel_linear_scan_options){ 0 });
    const double expected[] = { 1, 1.5, 1.75 };
    double got[6], gradient;
    reel_backward(reel_sum_all(y));
    cr_assert_eq(reel_read_f64(y, got, 6), REEL_OK, "%s", reel_tape_error(t));
    cr_assert_eq(reel_read_grad_f64(a, &gradient, 1), REEL_OK, "%s", reel_tape_error(t));
    for (int i = 0; i < 6; i++) {
        cr_expect_float_eq(got[i], expected[i / 2], 1e-15);
    }
    /* two columns of Σ d/da (1, 1 + a, 1 + a + a²) = 1 + 1 + 2a */
    cr_expect_float_eq(gradient, 2 * 3, 1e-14);
    reel_tape_free(t);
}

Test(linear_scan, of_a_scalar_is_an_error)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64 });
    reel_linear_scan(reel_scalar(t, 1), reel_scalar(t, 1), (reel_linear_scan_options){ 0 });
    cr_expect_eq(reel_tape_status(t), REEL_BAD_SHAPE);
    reel_tape_free(t);
}
