/* ops.c: what holds for every op and every one of its samples. The samples stand in the ops'
 * entries; the numbers to expect were made by tests/golden/ops.py from NumPy, SciPy and PyTorch. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"
#include "ops/ops.h"
#include "support/golden.h"
#include "support/sample.h"

#define GOLDEN_FILE "ops.txt"
#define REGENERATE "run ./dev golden"

/* ---- one test for each op -------------------------------------------------------------------- */

typedef struct {
    int op;
} op_index;

static void free_parameters(struct criterion_test_params *parameters)
{
    cr_free(parameters->params);
}

static struct criterion_test_params every_op(void)
{
    size_t n = 0;
    while (reel_ops()[n]) {
        n++;
    }
    op_index *all = cr_malloc(n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        all[i].op = (int)i;
    }
    return cr_make_param_array(op_index, all, n, free_parameters);
}

#define TestEveryOp(name)                                                                          \
    ParameterizedTestParameters(ops, name)                                                         \
    {                                                                                              \
        return every_op();                                                                         \
    }                                                                                              \
    ParameterizedTest(op_index *subject, ops, name, .timeout = 120)

/* Runs the statement for each sample; `good` says which kind. */
#define FOR_SAMPLES(op, sample, good)                                                              \
    for (const reel_sample *sample = (op)->samples; sample && sample->label; sample++)             \
        if ((sample->fails == NULL) == (good))

/* ---- results --------------------------------------------------------------------------------- */

typedef struct {
    reel_shape shape;
    size_t count;
    double *values;
} result;

static reel_tape *new_tape(reel_dtype dtype)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 11, .threads = 1 });
    cr_assert(t != NULL);
    return t;
}

static result read_result(reel_var y)
{
    result r = { .shape = reel_shape_of(y) };
    cr_assert(r.shape.rank >= 0, "%s", reel_tape_error(y.tape));
    r.count = (size_t)reel_shape_size(r.shape);
    r.values = calloc(r.count + 1, sizeof *r.values);
    if (!reel_is_index(y)) {
        reel_read_f64(y, r.values, r.count);
        return r;
    }
    int32_t *whole = calloc(r.count + 1, sizeof *whole);
    reel_read_indices(y, whole, r.count);
    for (size_t i = 0; i < r.count; i++) {
        r.values[i] = whole[i];
    }
    free(whole);
    return r;
}

static result run(reel_tape *t, const reel_op *op, const reel_sample *sample, sample_form form)
{
    result r = read_result(sample_record(t, op, sample, form));
    cr_expect(reel_tape_status(t) == REEL_OK, "%s: %s", SAMPLE_NAME(op, sample),
              reel_tape_error(t));
    return r;
}

static result run_on_new(reel_dtype dtype, const reel_op *op, const reel_sample *sample,
                         sample_form form)
{
    reel_tape *t = new_tape(dtype);
    result r = run(t, op, sample, form);
    reel_tape_free(t);
    return r;
}

static bool all_finite(const result *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (!isfinite(r->values[i])) {
            return false;
        }
    }
    return true;
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* Products and sums may cancel: they are held to the largest result beside them, up to 1. What is
 * computed element by element answers for each alone. */
static double scale_of(const reel_op *op, const result *r)
{
    double scale = 0;
    for (size_t i = 0; op->kind != REEL_ELEMENTWISE && i < r->count; i++) {
        scale = isfinite(r->values[i]) ? fmax(scale, fabs(r->values[i])) : scale;
    }
    return fmin(scale, 1);
}

static bool close_to(double got, double expected, double rtol, double scale, double smallest)
{
    if (!isfinite(expected)) {
        return isnan(expected) ? isnan(got) != 0 : got == expected;
    }
    return fabs(got - expected) <= rtol * fmax(fabs(expected), scale) + smallest;
}

static bool same_bits(double a, double b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static void expect_same_shape(const char *name, const result *got, reel_shape expected)
{
    cr_assert(reel_shape_equal(got->shape, expected), "%s: shape %s instead of %s", name,
              REEL_SHAPE_TEXT(got->shape), REEL_SHAPE_TEXT(expected));
}

/* Names the first element that is off: the others would only repeat it. */
static void expect_close(const char *name, const result *got, const result *expected, double rtol,
                         double scale, double smallest)
{
    expect_same_shape(name, got, expected->shape);
    for (size_t i = 0; i < got->count; i++) {
        double g = got->values[i], e = expected->values[i];
        if (!close_to(g, e, rtol, scale, smallest)) {
            cr_expect(false, "%s: element %zu is %.17g, expected %.17g (off by %.3g, rtol %.3g)",
                      name, i, g, e, fabs(g - e), rtol);
            return;
        }
    }
}

static void expect_same_bits(const char *name, const result *got, const result *expected)
{
    expect_same_shape(name, got, expected->shape);
    for (size_t i = 0; i < got->count; i++) {
        if (!same_bits(got->values[i], expected->values[i])) {
            cr_expect(false, "%s: element %zu is %a, expected the bits of %a", name, i,
                      got->values[i], expected->values[i]);
            return;
        }
    }
}

/* ---- values ---------------------------------------------------------------------------------- */

static void compare_with_golden(const reel_op *op, const reel_sample *sample)
{
    const char *name = SAMPLE_NAME(op, sample);
    golden_row row;
    if (!golden_find(GOLDEN_FILE, op->name, sample->label, &row)) {
        cr_expect(false, "%s: no row in tests/golden/" GOLDEN_FILE "; " REGENERATE, name);
        return;
    }
    if (row.hash != sample_hash(op, sample)) {
        cr_expect(false,
                  "%s: the row in tests/golden/" GOLDEN_FILE " is of an older sample; " REGENERATE,
                  name);
    } else {
        result got = run_on_new(REEL_F64, op, sample, SAMPLE_PLAIN);
        result expected = { row.shape, row.count, row.values };
        double rtol = sample->rtol > 0 ? sample->rtol : 1e-12;
        expect_close(name, &got, &expected, rtol, scale_of(op, &expected), 1e-300);
        free(got.values);
    }
    golden_free(&row);
}

TestEveryOp(computes_the_golden_value)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, true)
    {
        if (sample->no_golden == NULL) {
            compare_with_golden(op, sample);
        }
    }
}

/* What float cannot hold is infinite there. */
static void overflow_to_infinity(result *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (fabs(r->values[i]) > (double)3.4028235e38f) {
            r->values[i] = copysign(INFINITY, r->values[i]);
        }
    }
}

TestEveryOp(computes_in_f32_what_it_does_in_f64)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, true)
    {
        result wide = run_on_new(REEL_F64, op, sample, SAMPLE_ROUNDED);
        result narrow = run_on_new(REEL_F32, op, sample, SAMPLE_ROUNDED);
        double rtol = sample->f32_rtol > 0 ? sample->f32_rtol : 2e-5;
        overflow_to_infinity(&wide);
        expect_close(SAMPLE_NAME(op, sample), &narrow, &wide, rtol, scale_of(op, &wide), 1e-37);
        free(wide.values);
        free(narrow.values);
    }
}

static void compare_eager_with_lazy(const reel_op *op, const reel_sample *sample, reel_dtype dtype)
{
    const char *name = SAMPLE_NAME(op, sample);
    result lazy = run_on_new(dtype, op, sample, SAMPLE_PLAIN);
    reel_tape *t = reel_tape_new(
        (reel_tape_options){ .dtype = dtype, .seed = 11, .threads = 1, .eager = true });
    reel_var y = sample_record(t, op, sample, SAMPLE_PLAIN);
    bool asked_for = sample->inputs == 0 || sample_is_special(op, sample, dtype);
    if (all_finite(&lazy) || asked_for) {
        result eager = read_result(y);
        cr_expect(reel_tape_status(t) == REEL_OK, "%s: %s", name, reel_tape_error(t));
        expect_same_bits(name, &eager, &lazy);
        free(eager.values);
    } else {
        cr_expect(reel_tape_status(t) == REEL_NOT_FINITE, "%s: eager let %s pass", name,
                  "NaN or infinity out of finite numbers");
        cr_expect(strncmp(reel_tape_error(t), op->name, strlen(op->name)) == 0, "%s: %s", name,
                  reel_tape_error(t));
    }
    free(lazy.values);
    reel_tape_free(t);
}

TestEveryOp(computes_eagerly_what_it_does_lazily)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, true)
    {
        compare_eager_with_lazy(op, sample, REEL_F32);
        compare_eager_with_lazy(op, sample, REEL_F64);
    }
}

/* A product of a transposed matrix may take another way through BLAS, a sum another order. */
static void compare_strided(const reel_op *op, const reel_sample *sample, reel_dtype dtype)
{
    const char *name = SAMPLE_NAME(op, sample);
    result plain = run_on_new(dtype, op, sample, SAMPLE_PLAIN);
    result strided = run_on_new(dtype, op, sample, SAMPLE_STRIDED);
    if (op->kind == REEL_CONTRACTION || op->kind == REEL_REDUCTION) {
        double rtol = dtype == REEL_F64 ? 1e-14 : 4e-6;
        expect_close(name, &strided, &plain, rtol, scale_of(op, &plain), 0);
    } else if (!op->random) {
        expect_same_bits(name, &strided, &plain);
    }
    free(plain.values);
    free(strided.values);
}

TestEveryOp(reads_views_as_it_reads_contiguous_tensors)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, true)
    {
        compare_strided(op, sample, REEL_F32);
        compare_strided(op, sample, REEL_F64);
    }
}

TestEveryOp(gives_the_same_bits_after_a_rewind)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, true)
    {
        for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
            reel_tape *t = new_tape((reel_dtype)dtype);
            result first = run(t, op, sample, SAMPLE_PLAIN);
            reel_rewind(t);
            result second = run(t, op, sample, SAMPLE_PLAIN);
            if (!op->random) {
                expect_same_bits(SAMPLE_NAME(op, sample), &second, &first);
            }
            free(first.values);
            free(second.values);
            reel_tape_free(t);
        }
    }
}

/* 1/2 + y + y, where the executor may let the kernel add in place. */
static void compare_in_a_sum(const reel_op *op, const reel_sample *sample, reel_dtype dtype)
{
    result alone = run_on_new(dtype, op, sample, SAMPLE_PLAIN);
    reel_tape *t = new_tape(dtype);
    reel_var sum = reel_fill(t, alone.shape, 0.5);
    for (int i = 0; i < 2; i++) {
        sum = reel_accumulate(sum, sample_record(t, op, sample, SAMPLE_PLAIN));
    }
    result together = read_result(sum);
    for (size_t i = 0; i < alone.count; i++) {
        alone.values[i] = 0.5 + 2 * alone.values[i];
    }
    expect_close(SAMPLE_NAME(op, sample), &together, &alone, dtype == REEL_F64 ? 1e-14 : 1e-6, 1,
                 0);
    free(alone.values);
    free(together.values);
    reel_tape_free(t);
}

TestEveryOp(adds_to_a_sum_what_it_computes_alone)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, true)
    {
        if (!op->accumulates) {
            continue;
        }
        compare_in_a_sum(op, sample, REEL_F32);
        compare_in_a_sum(op, sample, REEL_F64);
    }
}

/* ---- gradients ------------------------------------------------------------------------------- */

/* Inputs that only choose: a small step from 0 flips the choice. */
static bool is_choice(const reel_op *op, int input)
{
    return strcmp(op->name, "where") == 0 && input == 0;
}

static bool is_varied(const reel_op *op, const reel_sample *sample, int input)
{
    return !sample_is_index(op, input) && !is_choice(op, input) &&
           reel_shape_size(sample->x[input].shape) > 0;
}

static bool has_finite_output(const reel_op *op, const reel_sample *sample)
{
    result r = run_on_new(REEL_F64, op, sample, SAMPLE_PLAIN);
    bool finite = all_finite(&r);
    free(r.values);
    return finite;
}

/* Why finite differences do not apply; NULL where they do. */
static const char *reason_to_skip(const reel_op *op, const reel_sample *sample)
{
    bool varied = false;
    for (int i = 0; i < sample->inputs; i++) {
        varied = varied || is_varied(op, sample, i);
    }
    if (op->nondifferentiable || op->index_output) {
        return "the op has no derivative, and says why";
    }
    if (!varied) {
        return "no floating input has an element";
    }
    if (sample->no_gradcheck) {
        return sample->no_gradcheck;
    }
    if (sample_is_special(op, sample, REEL_F64)) {
        return "NaN or infinity in an input";
    }
    return has_finite_output(op, sample) ? NULL : "NaN or infinity in the output";
}

typedef struct {
    const reel_op *op;
    const reel_sample *sample;
    int order;
    double *weights;
} checked;

#define INPUT_NAME_SIZE 16
static void input_name(char out[INPUT_NAME_SIZE], int input)
{
    snprintf(out, INPUT_NAME_SIZE, "x%d", input);
}

/* ±[0.5, 1], divided by |y| where that is larger than 1: one large element would drown the others'
 * differences in its rounding error. */
static double *make_weights(const reel_op *op, const reel_sample *sample)
{
    result y = run_on_new(REEL_F64, op, sample, SAMPLE_PLAIN);
    for (size_t i = 0; i < y.count; i++) {
        double turn = (double)(i + 1) * 0.6180339887498949;
        double weight = (i & 1 ? -1 : 1) * (0.5 + 0.5 * (turn - floor(turn)));
        y.values[i] = weight / fmax(1, fabs(y.values[i]));
    }
    return y.values;
}

/* Σ w·y, so that each element has another gradient. For order 2, Σ (w·y + (w·y)²): then dy
 * depends on the inputs, and the VJP's own derivative in dy is seen as well. */
static reel_var weighted_sum(reel_tape *t, void *self)
{
    const checked *c = self;
    reel_var x[REEL_SAMPLE_INPUTS];
    for (int i = 0; i < c->sample->inputs; i++) {
        char name[INPUT_NAME_SIZE];
        input_name(name, i);
        x[i] = is_varied(c->op, c->sample, i) ? reel_find_param(t, name)
                                              : sample_input(t, c->op, c->sample, i, SAMPLE_PLAIN);
    }
    reel_var y = reel_record(c->op, c->sample->inputs, x, c->sample->attributes);
    y = reel_mul(y, reel_input_f64(t, reel_shape_of(y), c->weights));
    return reel_sum_all(c->order == 2 ? reel_add(y, reel_square(y)) : y);
}

static void make_params(reel_tape *t, const checked *c)
{
    for (int i = 0; i < c->sample->inputs; i++) {
        if (is_varied(c->op, c->sample, i)) {
            char name[INPUT_NAME_SIZE];
            input_name(name, i);
            reel_shape shape = c->sample->x[i].shape;
            double *values = sample_values(c->op, c->sample, i);
            reel_var p = reel_param(t, name, shape, reel_zeros());
            reel_write_param_f64(p, values, (size_t)reel_shape_size(shape));
            free(values);
        }
    }
}

static void print_report(const char *name, const reel_gradcheck_report *report)
{
    fprintf(stderr, "%s\n", name);
    reel_gradcheck_print(report, stderr);
}

static void check_gradient(const reel_op *op, const reel_sample *sample, int order)
{
    if (reason_to_skip(op, sample)) {
        return;
    }
    checked c = { op, sample, order, make_weights(op, sample) };
    reel_tape *t = new_tape(REEL_F64);
    reel_gradcheck_report report;
    make_params(t, &c);
    reel_gradcheck_options options = { .order = order };
    if (!reel_gradcheck(t, weighted_sum, &c, options, &report)) {
        print_report(SAMPLE_NAME(op, sample), &report);
        cr_expect(false, "%s: %s", SAMPLE_NAME(op, sample), report.message);
    }
    free(c.weights);
    reel_tape_free(t);
}

TestEveryOp(has_the_gradient_that_differences_show)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, true)
    {
        check_gradient(op, sample, 1);
    }
}

TestEveryOp(has_the_second_derivative_that_differences_show)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, true)
    {
        check_gradient(op, sample, 2);
    }
}

/* ---- bad calls ------------------------------------------------------------------------------- */

static void expect_failure(reel_tape *t, const reel_op *op, const reel_sample *sample)
{
    char expected[1200];
    reel_var y = sample_record(t, op, sample, SAMPLE_PLAIN);
    if (reel_tape_status(t) == REEL_OK) { /* an index is looked at only when the op runs */
        free(read_result(y).values);
    }
    snprintf(expected, sizeof expected, "%s: %s", op->name, sample->fails);
    cr_expect(reel_tape_status(t) != REEL_OK, "%s was let through", SAMPLE_NAME(op, sample));
    cr_expect_str_eq(reel_tape_error(t), expected, "%s says \"%s\", expected \"%s\"",
                     SAMPLE_NAME(op, sample), reel_tape_error(t), expected);
}

static void expect_usable(reel_tape *t, const char *name)
{
    reel_tape_clear(t);
    cr_expect_eq(reel_tape_status(t), REEL_OK);
    reel_var six = reel_mul(reel_scalar(t, 2), reel_scalar(t, 3));
    cr_expect_eq(reel_item(six), 6.0, "%s left the tape unusable: %s", name, reel_tape_error(t));
}

TestEveryOp(refuses_its_bad_samples_with_their_messages)
{
    const reel_op *op = reel_ops()[subject->op];
    FOR_SAMPLES(op, sample, false)
    {
        for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
            reel_tape *t = new_tape((reel_dtype)dtype);
            expect_failure(t, op, sample);
            expect_usable(t, SAMPLE_NAME(op, sample));
            reel_tape_free(t);
        }
    }
}

/* ---- the entries themselves ------------------------------------------------------------------ */

/* An op of one input that has neither attributes nor indices to judge takes anything. */
static bool can_fail(const reel_op *op)
{
    return op->inputs != 1 || (op->shape && (op->attributes || op->index_inputs));
}

static void count_samples(const reel_op *op, int *good, int *bad)
{
    *good = *bad = 0;
    for (int i = 0; i < sample_count(op); i++) {
        *(op->samples[i].fails ? bad : good) += 1;
    }
}

TestEveryOp(has_a_complete_entry)
{
    const reel_op *op = reel_ops()[subject->op];
    int good, bad;
    count_samples(op, &good, &bad);
    cr_expect(op->doc && strlen(op->doc) > 10, "%s has no doc", op->name);
    cr_expect(good > 0, "%s has no good sample", op->name);
    cr_expect(bad > 0 || !can_fail(op), "%s can fail and has no bad sample", op->name);
    bool derivative = op->vjp || op->flat || op->nondifferentiable || op->index_output;
    cr_expect(derivative, "%s has neither a vjp nor a reason for having none", op->name);
    cr_expect(reel_op_named(op->name) == op, "%s is not found by its name", op->name);
    for (int i = 0; i < sample_count(op); i++) {
        for (int k = 0; k < i; k++) {
            cr_expect_str_neq(op->samples[i].label, op->samples[k].label,
                              "%s: \"%s\" is there twice", op->name, op->samples[k].label);
        }
    }
}

/* ---- skips ----------------------------------------------------------------------------------- */

#define MOST_REASONS 256
typedef struct {
    const char *text[MOST_REASONS];
    int times[MOST_REASONS], count;
} reasons;

static void count_reason(reasons *all, const char *text)
{
    int i = 0;
    while (i < all->count && strcmp(all->text[i], text) != 0) {
        i++;
    }
    cr_assert(i < MOST_REASONS);
    all->count += i == all->count;
    all->text[i] = text;
    all->times[i]++;
}

Test(ops, tell_which_samples_gradcheck_leaves_out)
{
    reasons all = { 0 };
    int samples = 0, skipped = 0;
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        FOR_SAMPLES(*op, sample, true)
        {
            const char *reason = reason_to_skip(*op, sample);
            samples++;
            if (reason) {
                skipped++;
                count_reason(&all, reason);
            }
        }
    }
    printf("gradcheck: %d of %d samples checked\n", samples - skipped, samples);
    for (int i = 0; i < all.count; i++) {
        printf("%6d left out: %s\n", all.times[i], all.text[i]);
    }
    cr_expect(skipped < samples / 2);
}
