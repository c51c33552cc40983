/* initialisers.c: how parameters start: ranges, moments, orthogonality, and independence of the
 * order in which they are created. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "graph/graph.h"

/* ---- what the tests share ------------------------------------------------------------------ */

static reel_tape *new_tape(reel_dtype dtype, uint64_t seed)
{
    return reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = seed, .threads = 1 });
}

static double *values_of(reel_var v)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    double *values = calloc(n + 1, sizeof *values);
    cr_assert_eq(reel_read_f64(v, values, n), REEL_OK, "%s", reel_tape_error(v.tape));
    return values;
}

/* A parameter's numbers on a tape of its own, of seed 1. */
static double *start(reel_dtype dtype, const char *name, reel_shape shape, reel_init init)
{
    reel_tape *t = new_tape(dtype, 1);
    double *values = values_of(reel_param(t, name, shape, init));
    reel_tape_free(t);
    return values;
}

static size_t count_equal(const double *a, const double *b, size_t n)
{
    size_t equal = 0;
    for (size_t i = 0; i < n; i++) {
        equal += a[i] == b[i];
    }
    return equal;
}

static double largest(const double *v, size_t n)
{
    double found = 0;
    for (size_t i = 0; i < n; i++) {
        found = fmax(found, fabs(v[i]));
    }
    return found;
}

static double root_mean_square(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += v[i] * v[i];
    }
    return sqrt(sum / (double)n);
}

/* ---- what a number depends on -------------------------------------------------------------- */

Test(initialisers, do_not_depend_on_the_order_of_creation)
{
    reel_tape *forward = new_tape(REEL_F64, 5), *backward = new_tape(REEL_F64, 5);
    reel_shape shape = REEL_SHAPE(7, 5);
    reel_var a = reel_param(forward, "a", shape, reel_glorot());
    reel_var b = reel_param(forward, "b", shape, reel_orthogonal(1));
    reel_var b_first = reel_param(backward, "b", shape, reel_orthogonal(1));
    reel_var a_last = reel_param(backward, "a", shape, reel_glorot());
    double *one = values_of(a), *other = values_of(a_last);
    cr_expect_eq(count_equal(one, other, 35), 35u);
    free(one), free(other);
    one = values_of(b), other = values_of(b_first);
    cr_expect_eq(count_equal(one, other, 35), 35u);
    free(one), free(other);
    reel_tape_free(forward);
    reel_tape_free(backward);
}

Test(initialisers, differ_between_names_and_seeds)
{
    double *v = start(REEL_F64, "a", REEL_SHAPE(100), reel_normal(0, 1));
    double *name = start(REEL_F64, "b", REEL_SHAPE(100), reel_normal(0, 1));
    reel_tape *t = new_tape(REEL_F64, 2);
    double *seed = values_of(reel_param(t, "a", REEL_SHAPE(100), reel_normal(0, 1)));
    cr_expect_eq(count_equal(v, name, 100), 0u);
    cr_expect_eq(count_equal(v, seed, 100), 0u);
    free(v), free(name), free(seed);
    reel_tape_free(t);
}

Test(initialisers, of_an_f32_tape_are_those_of_an_f64_tape_rounded)
{
    const reel_init inits[] = { reel_uniform(-1, 2), reel_normal(1, 2),  reel_glorot(),
                                reel_he(),           reel_orthogonal(1), reel_constant(0.1) };
    for (int k = 0; k < 6; k++) {
        double *wide = start(REEL_F64, "W", REEL_SHAPE(9, 6), inits[k]);
        double *narrow = start(REEL_F32, "W", REEL_SHAPE(9, 6), inits[k]);
        for (int i = 0; i < 54; i++) {
            cr_expect_eq(narrow[i], (double)(float)wide[i]);
        }
        free(wide), free(narrow);
    }
}

/* ---- ranges and moments -------------------------------------------------------------------- */

Test(initialisers, constants_are_constant)
{
    double *zeros = start(REEL_F64, "b", REEL_SHAPE(5), reel_zeros());
    double *ones = start(REEL_F64, "b", REEL_SHAPE(), reel_constant(1));
    cr_expect_eq(largest(zeros, 5), 0);
    cr_expect_eq(ones[0], 1);
    free(zeros), free(ones);
}

Test(initialisers, uniform_fills_its_range_and_normal_has_its_moments)
{
    enum { N = 40000 };
    double *u = start(REEL_F64, "u", REEL_SHAPE(N), reel_uniform(2, 4)), sum = 0;
    for (int i = 0; i < N; i++) {
        cr_assert(u[i] >= 2 && u[i] < 4);
        sum += u[i];
    }
    cr_expect_float_eq(sum / N, 3, 5 / sqrt(3.0 * N));
    double *v = start(REEL_F64, "v", REEL_SHAPE(N), reel_normal(0, 3));
    cr_expect_float_eq(root_mean_square(v, N), 3, 5 * 3 / sqrt(2.0 * N));
    free(u), free(v);
}

/* With limit a the largest of n uniform numbers falls short of a by about a/n. */
static void expect_glorot_limit(reel_shape shape, int blocks, double limit)
{
    size_t n = (size_t)reel_shape_size(shape);
    double *v = start(REEL_F64, "W", shape, reel_init_blocks(reel_glorot(), blocks));
    double found = largest(v, n);
    cr_expect(found <= limit && found > limit * (1 - 20 / (double)n), "%s: %g, expected %g",
              REEL_SHAPE_TEXT(shape), found, limit);
    free(v);
}

Test(initialisers, glorot_counts_what_goes_in_and_what_comes_out)
{
    expect_glorot_limit(REEL_SHAPE(100, 50), 1, sqrt(6.0 / 150));
    expect_glorot_limit(REEL_SHAPE(100, 200), 4, sqrt(6.0 / 150));
    expect_glorot_limit(REEL_SHAPE(1000), 1, sqrt(6.0 / 2000));
    expect_glorot_limit(REEL_SHAPE(3, 20, 40), 1, sqrt(6.0 / 180));
}

Test(initialisers, he_counts_what_goes_in)
{
    double *v = start(REEL_F64, "W", REEL_SHAPE(200, 100), reel_he());
    cr_expect_float_eq(root_mean_square(v, 20000), 0.1, 0.1 * 5 / sqrt(2 * 20000.0));
    free(v);
}

/* ---- orthogonal ---------------------------------------------------------------------------- */

/* Vectors of `length`, `count` of them: element i of vector k is v[k·step + i·stride]. Each has
 * norm `gain`, and they are at right angles. */
static void expect_orthogonal(const double *v, int count, int step, int length, int stride,
                              double gain)
{
    for (int a = 0; a < count; a++) {
        for (int b = 0; b <= a; b++) {
            double product = 0;
            for (int i = 0; i < length; i++) {
                product += v[a * step + i * stride] * v[b * step + i * stride];
            }
            cr_expect_float_eq(product, a == b ? gain * gain : 0, 1e-12 * gain * gain,
                               "%d·%d: %.17g", a, b, product);
        }
    }
}

Test(initialisers, orthogonal_matrices_are_orthogonal_in_every_proportion)
{
    double *square = start(REEL_F64, "W", REEL_SHAPE(40, 40), reel_orthogonal(1));
    expect_orthogonal(square, 40, 1, 40, 40, 1);
    expect_orthogonal(square, 40, 40, 40, 1, 1);
    double *tall = start(REEL_F64, "W", REEL_SHAPE(70, 30), reel_orthogonal(2));
    expect_orthogonal(tall, 30, 1, 70, 30, 2);
    double *wide = start(REEL_F64, "W", REEL_SHAPE(30, 70), reel_orthogonal(0.5));
    expect_orthogonal(wide, 30, 70, 70, 1, 0.5);
    double *deep = start(REEL_F64, "W", REEL_SHAPE(2, 3, 4), reel_orthogonal(1));
    expect_orthogonal(deep, 4, 1, 6, 4, 1);
    double *vector = start(REEL_F64, "W", REEL_SHAPE(9), reel_orthogonal(3));
    expect_orthogonal(vector, 1, 9, 9, 1, 3);
    free(square), free(tall), free(wide), free(deep), free(vector);
}

Test(initialisers, each_block_is_orthogonal_for_itself)
{
    enum { H = 24, GATES = 4 };
    reel_init init = reel_init_blocks(reel_orthogonal(1), GATES);
    double *v = start(REEL_F64, "W_h", REEL_SHAPE(H, GATES * H), init);
    for (int gate = 0; gate < GATES; gate++) {
        expect_orthogonal(v + gate * H, H, 1, H, GATES * H, 1);
    }
    cr_expect_neq(v[0], v[H]);
    free(v);
}

/* Without the signs of R's diagonal the first element of Q would always be negative (LAPACK
 * reflects to -‖x‖); of a uniformly distributed Q it is positive as often as not. */
Test(initialisers, orthogonal_has_no_preferred_sign)
{
    int positive = 0;
    for (int k = 0; k < 200; k++) {
        reel_tape *t = new_tape(REEL_F64, (uint64_t)k);
        double *v = values_of(reel_param(t, "W", REEL_SHAPE(3, 3), reel_orthogonal(1)));
        positive += v[0] > 0;
        free(v);
        reel_tape_free(t);
    }
    cr_expect(positive > 65 && positive < 135, "%d of 200", positive);
}

/* ---- corners ------------------------------------------------------------------------------- */

Test(initialisers, fill_empty_and_scalar_parameters)
{
    const reel_init inits[] = { reel_zeros(),  reel_uniform(0, 1), reel_normal(0, 1),
                                reel_glorot(), reel_he(),          reel_orthogonal(1) };
    const char *const names[] = { "a", "b", "c", "d", "e", "f" };
    for (int k = 0; k < 6; k++) {
        double *empty = start(REEL_F64, names[k], REEL_SHAPE(0, 4), inits[k]);
        double *scalar = start(REEL_F64, names[k], REEL_SHAPE(), inits[k]);
        cr_expect(isfinite(scalar[0]));
        free(empty), free(scalar);
    }
}

Test(initialisers, blocks_that_do_not_divide_the_last_axis_are_an_error)
{
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_var W = reel_param(t, "W", REEL_SHAPE(4, 10), reel_init_blocks(reel_orthogonal(1), 4));
    cr_expect_eq(W.id, 0u);
    cr_expect_neq(reel_tape_status(t), REEL_OK);
    cr_expect_eq(reel_param_count(t), 0u);
    reel_tape_free(t);
}

static bool fill_with_positions(const reel_init *init, reel_init_key key, reel_shape shape,
                                double *out)
{
    (void)key;
    for (int64_t i = 0, n = reel_shape_size(shape); i < n; i++) {
        out[i] = init->a * (double)i;
    }
    return true;
}

Test(initialisers, of_a_program_are_equal_to_the_library_s)
{
    reel_init init = { .fill = fill_with_positions, .a = 2 };
    double *v = start(REEL_F32, "W", REEL_SHAPE(3), init);
    cr_expect(v[0] == 0 && v[1] == 2 && v[2] == 4);
    free(v);
}
