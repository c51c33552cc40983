/* random.c: Philox against Random123's own vectors, the distributions against their moments, and
 * dropout, whose backward pass must see the mask of its forward pass. Seeds are fixed, so nothing
 * here is left to chance; bounds are five standard errors wide. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/philox.h"
#include "ops/ops.h"

/* ---- what the tests share ------------------------------------------------------------------ */

enum { MANY = 200000 };

static reel_tape *new_tape(reel_dtype dtype, uint64_t seed, int threads)
{
    reel_tape *t =
        reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = seed, .threads = threads });
    cr_assert_not_null(t);
    return t;
}

static double *read_all(reel_var v)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    double *values = calloc(n + 1, sizeof *values);
    cr_assert_eq(reel_read_f64(v, values, n), REEL_OK, "%s", reel_tape_error(v.tape));
    return values;
}

static size_t count_differences(const double *a, const double *b, size_t n)
{
    size_t different = 0;
    for (size_t i = 0; i < n; i++) {
        different += a[i] != b[i];
    }
    return different;
}

/* Mean of ((v - centre)/scale)^power. */
static double moment(const double *v, size_t n, double centre, double scale, int power)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += pow((v[i] - centre) / scale, power);
    }
    return sum / (double)n;
}

/* The mean of n numbers of standard deviation `spread` lies within five standard errors of
 * `expected`. */
static void expect_mean(double mean, double expected, double spread, size_t n, const char *what)
{
    double bound = 5 * spread / sqrt((double)n);
    cr_expect(fabs(mean - expected) < bound, "%s: %g, expected %g ± %g", what, mean, expected,
              bound);
}

/* ---- the generator ------------------------------------------------------------------------- */

/* The lines "philox4x32 10" of tests/kat_vectors in Random123 1.14.0: counter, key, result. */
Test(random, philox_gives_the_published_words)
{
    static const uint32_t lines[3][10] = {
        { 0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
        { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
          0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
        { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
          0x94fdcceb, 0x5001e420, 0x24126ea1 },
    };
    for (int k = 0; k < 3; k++) {
        const uint32_t *line = lines[k];
        reel__philox_block drawn =
            reel__philox((uint64_t)line[5] << 32 | line[4], (uint64_t)line[3] << 32 | line[2],
                         (uint64_t)line[1] << 32 | line[0]);
        cr_expect_arr_eq(drawn.word, line + 6, sizeof drawn.word);
    }
}

Test(random, uniform_of_all_ones_stays_below_one_and_of_zeros_is_zero)
{
    reel__philox_block ones = { { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX } };
    double normal[2];
    cr_expect_eq(reel__philox_uniform(ones, 1), 1 - 0x1p-53);
    cr_expect_eq(reel__philox_uniform((reel__philox_block){ { 0 } }, 0), 0);
    reel__philox_normal(ones, normal);
    cr_expect(isfinite(normal[0]) && isfinite(normal[1]));
}

/* ---- distributions ------------------------------------------------------------------------- */

Test(random, uniform_has_its_moments_and_keeps_within_its_bounds)
{
    reel_tape *t = new_tape(REEL_F64, 1, 0);
    double *v = read_all(reel_random_uniform(t, REEL_SHAPE(MANY), -1, 3)), neighbours = 0;
    for (int i = 0; i < MANY; i++) {
        cr_assert(v[i] >= -1 && v[i] < 3);
        neighbours += i > 0 ? (v[i] - 1) * (v[i - 1] - 1) / 4 : 0;
    }
    expect_mean(moment(v, MANY, 1, 2, 1), 0, sqrt(1.0 / 3), MANY, "mean");
    expect_mean(moment(v, MANY, 1, 2, 2), 1.0 / 3, sqrt(4.0 / 45), MANY, "variance");
    expect_mean(moment(v, MANY, 1, 2, 4), 1.0 / 5, sqrt(16.0 / 225), MANY, "fourth moment");
    expect_mean(neighbours / (MANY - 1), 0, 1.0 / 3, MANY, "correlation of neighbours");
    free(v);
    reel_tape_free(t);
}

Test(random, uniform_never_rounds_up_to_its_end)
{
    reel_tape *t = new_tape(REEL_F32, 1, 1);
    double *v = read_all(reel_random_uniform(t, REEL_SHAPE(1000), 16777215, 16777216));
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(v[i], 16777215);
    }
    free(v);
    reel_tape_free(t);
}

Test(random, normal_has_its_moments_and_tails)
{
    reel_tape *t = new_tape(REEL_F64, 2, 0);
    double *v = read_all(reel_random_normal(t, REEL_SHAPE(MANY), 10, 0.5)), pairs = 0, tail = 0;
    for (int i = 0; i < MANY; i++) {
        pairs += i % 2 ? (v[i] - 10) * (v[i - 1] - 10) * 4 : 0;
        tail += fabs(v[i] - 10) > 1.5;
    }
    expect_mean(moment(v, MANY, 10, 0.5, 1), 0, 1, MANY, "mean");
    expect_mean(moment(v, MANY, 10, 0.5, 2), 1, sqrt(2), MANY, "variance");
    expect_mean(moment(v, MANY, 10, 0.5, 3), 0, sqrt(15), MANY, "skewness");
    expect_mean(moment(v, MANY, 10, 0.5, 4), 3, sqrt(96), MANY, "kurtosis");
    expect_mean(pairs / (MANY / 2), 0, 1, MANY / 2, "correlation of the two of a block");
    expect_mean(tail / MANY, erfc(3 / sqrt(2)), 0.052, MANY, "beyond three deviations");
    free(v);
    reel_tape_free(t);
}

Test(random, bernoulli_is_one_as_often_as_asked)
{
    reel_tape *t = new_tape(REEL_F32, 3, 0);
    static const double p[] = { 0, 1e-3, 0.3, 0.5, 1 };
    for (int k = 0; k < 5; k++) {
        double *v = read_all(reel_random_bernoulli(t, REEL_SHAPE(MANY), p[k]));
        double mean = moment(v, MANY, 0, 1, 1);
        cr_expect_eq(mean, moment(v, MANY, 0, 1, 2));
        cr_expect(p[k] * (1 - p[k]) > 0 || mean == p[k]);
        expect_mean(mean, p[k], sqrt(p[k] * (1 - p[k])) + 1e-12, MANY, "p");
        free(v);
    }
    reel_tape_free(t);
}

/* ---- what a number depends on -------------------------------------------------------------- */

static double *draw(reel_dtype dtype, uint64_t seed, int threads, int before, int64_t n)
{
    reel_tape *t = new_tape(dtype, seed, threads);
    for (int k = 0; k < before; k++) {
        reel_random_normal(t, REEL_SHAPE(3), 0, 1);
    }
    double *v = read_all(reel_random_normal(t, REEL_SHAPE(n), 0, 1));
    reel_tape_free(t);
    return v;
}

Test(random, numbers_depend_on_seed_stream_and_position_alone)
{
    double *v = draw(REEL_F64, 7, 1, 0, 40000), *again = draw(REEL_F64, 7, 2, 0, 40000);
    double *shorter = draw(REEL_F64, 7, 1, 0, 777), *seed = draw(REEL_F64, 8, 1, 0, 777);
    double *stream = draw(REEL_F64, 7, 1, 1, 777);
    cr_expect_eq(count_differences(v, again, 40000), 0u);
    cr_expect_eq(count_differences(v, shorter, 777), 0u);
    cr_expect_eq(count_differences(v, seed, 777), 777u);
    cr_expect_eq(count_differences(v, stream, 777), 777u);
    free(v), free(again), free(shorter), free(seed), free(stream);
}

Test(random, an_f32_tape_draws_what_an_f64_tape_does)
{
    double *wide = draw(REEL_F64, 9, 1, 0, 1000), *narrow = draw(REEL_F32, 9, 1, 0, 1000);
    for (int i = 0; i < 1000; i++) {
        wide[i] = (double)(float)wide[i];
    }
    cr_expect_eq(count_differences(wide, narrow, 1000), 0u);
    free(wide), free(narrow);
}

/* ---- dropout ------------------------------------------------------------------------------- */

static reel_var ones(reel_tape *t, int64_t n)
{
    return reel_fill(t, REEL_SHAPE(n), 1);
}

Test(random, dropout_keeps_the_expected_value)
{
    reel_tape *t = new_tape(REEL_F64, 4, 0);
    double *v = read_all(reel_dropout(ones(t, MANY), 0.2)), dropped = 0;
    for (int i = 0; i < MANY; i++) {
        cr_assert(v[i] == 0 || v[i] == 1.25);
        dropped += v[i] == 0;
    }
    expect_mean(dropped / MANY, 0.2, 0.4, MANY, "dropped");
    free(v);
    reel_tape_free(t);
}

Test(random, backward_of_dropout_uses_the_mask_of_forward)
{
    reel_tape *t = new_tape(REEL_F64, 5, 1);
    reel_var x = reel_param(t, "x", REEL_SHAPE(1000), reel_constant(1));
    reel_var y = reel_dropout(x, 0.5);
    reel_backward(reel_sum_all(y));
    double *forward = read_all(y), *again = read_all(y), backward[1000];
    cr_assert_eq(reel_read_grad_f64(x, backward, 1000), REEL_OK);
    cr_expect_eq(count_differences(forward, backward, 1000), 0u);
    cr_expect_eq(count_differences(forward, again, 1000), 0u);
    free(forward), free(again);
    reel_tape_free(t);
}

/* y = (m·x)², dy/dx = 2m²x, d²y/dx² = 2m²: m is 0 or 2. */
Test(random, dropout_has_a_second_derivative)
{
    reel_tape *t = new_tape(REEL_F64, 5, 1);
    reel_var x = ones(t, 100), y = reel_dropout(x, 0.5);
    reel_var first = reel_gradient(reel_sum_all(reel_square(y)), x);
    double *second = read_all(reel_gradient(reel_sum_all(first), x)), *mask = read_all(y);
    for (int i = 0; i < 100; i++) {
        cr_expect_eq(second[i], 2 * mask[i] * mask[i]);
    }
    free(second), free(mask);
    reel_tape_free(t);
}

Test(random, every_call_and_every_step_drops_others)
{
    reel_tape *t = new_tape(REEL_F64, 6, 1);
    double *first = read_all(reel_dropout(ones(t, 100), 0.5));
    double *second = read_all(reel_dropout(ones(t, 100), 0.5));
    reel_rewind(t);
    double *next_step = read_all(reel_dropout(ones(t, 100), 0.5));
    cr_expect_gt(count_differences(first, second, 100), 20u);
    cr_expect_gt(count_differences(first, next_step, 100), 20u);
    free(first), free(second), free(next_step);
    reel_tape_free(t);
}

Test(random, dropout_leaves_alone_what_it_should)
{
    reel_tape *t = new_tape(REEL_F64, 6, 1);
    reel_var x = ones(t, 10);
    cr_expect_eq(reel_dropout(x, 0).id, x.id);
    reel_set_training(t, false);
    cr_expect_eq(reel_dropout(x, 0.9).id, x.id);
    reel_tape_free(t);
}

Test(random, what_is_dropped_is_zero_even_if_it_was_infinite)
{
    reel_tape *t = new_tape(REEL_F64, 6, 1);
    double *v = read_all(reel_dropout(reel_fill(t, REEL_SHAPE(100), INFINITY), 0.5));
    for (int i = 0; i < 100; i++) {
        cr_expect(v[i] == 0 || v[i] == INFINITY);
    }
    free(v);
    reel_tape_free(t);
}

Test(random, dropout_refuses_a_bad_probability_and_a_bad_handle)
{
    reel_tape *t = new_tape(REEL_F64, 6, 1);
    static const double bad[] = { 1, -0.1, NAN };
    static const char *const message[] = { "dropout: probability 1 is outside [0, 1)",
                                           "dropout: probability -0.1 is outside [0, 1)",
                                           "dropout: probability nan is outside [0, 1)" };
    for (int k = 0; k < 3; k++) {
        cr_expect_eq(reel_dropout(ones(t, 3), bad[k]).id, 0u);
        cr_expect_eq(reel_tape_status(t), REEL_BAD_ARGUMENT);
        cr_expect_str_eq(reel_tape_error(t), message[k]);
        reel_tape_clear(t);
    }
    reel_var dead = ones(t, 3);
    reel_rewind(t);
    cr_expect_eq(reel_dropout(dead, 0.5).id, 0u);
    cr_expect_eq(reel_tape_status(t), REEL_BAD_HANDLE);
    cr_expect_null(reel_dropout((reel_var){ NULL, 0 }, 0.5).tape);
    reel_tape_free(t);
}
