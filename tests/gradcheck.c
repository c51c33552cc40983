/* gradcheck.c: the check must fail where a derivative is wrong, say what is wrong, and blame
 * nothing else. The ops with the wrong derivatives are defined here, as any program may define
 * its own. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"
#include "ops/ops.h"

/* ---- ops of the test's own ------------------------------------------------------------------- */

static void cube_f32(size_t n, const void *const x[], void *y, const void *attributes)
{
    (void)attributes;
    for (size_t i = 0; i < n; i++) {
        float v = ((const float *)x[0])[i];
        ((float *)y)[i] = v * v * v;
    }
}

static void cube_f64(size_t n, const void *const x[], void *y, const void *attributes)
{
    (void)attributes;
    for (size_t i = 0; i < n; i++) {
        double v = ((const double *)x[0])[i];
        ((double *)y)[i] = v * v * v;
    }
}

static reel_var slope_of_cube(reel_var x, double factor)
{
    return reel_scale(reel_square(x), factor);
}

static void cube_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_mul(c->dy, slope_of_cube(c->x[0], 3));
}

static void cube_vjp_off_by_one_percent(reel_vjp_call *c)
{
    c->dx[0] = reel_mul(c->dy, slope_of_cube(c->x[0], 3.03));
}

static void cube_vjp_of_the_wrong_sign(reel_vjp_call *c)
{
    c->dx[0] = reel_mul(c->dy, slope_of_cube(c->x[0], -3));
}

static void cube_vjp_absent(reel_vjp_call *c)
{
    (void)c;
}

/* Right to first order; as a constant it has no derivative of its own. */
static void cube_vjp_of_frozen_slope(reel_vjp_call *c)
{
    c->dx[0] = reel_mul(c->dy, reel_stop_gradient(slope_of_cube(c->x[0], 3)));
}

#define CUBE(suffix, its_vjp)                                                                      \
    static const reel_op cube##suffix = { .name = "cube",                                          \
                                          .kind = REEL_ELEMENTWISE,                                \
                                          .inputs = 1,                                             \
                                          .tile = { cube_f32, cube_f64 },                          \
                                          .vjp = its_vjp };
CUBE(, cube_vjp)
CUBE(_off_by_one_percent, cube_vjp_off_by_one_percent)
CUBE(_of_the_wrong_sign, cube_vjp_of_the_wrong_sign)
CUBE(_without_gradient, cube_vjp_absent)
CUBE(_with_frozen_slope, cube_vjp_of_frozen_slope)

/* A derivative computed by an op that has none. */
static void square_f32(size_t n, const void *const x[], void *y, const void *attributes)
{
    (void)attributes;
    for (size_t i = 0; i < n; i++) {
        ((float *)y)[i] = 3 * ((const float *)x[0])[i] * ((const float *)x[0])[i];
    }
}

static void square_f64(size_t n, const void *const x[], void *y, const void *attributes)
{
    (void)attributes;
    for (size_t i = 0; i < n; i++) {
        ((double *)y)[i] = 3 * ((const double *)x[0])[i] * ((const double *)x[0])[i];
    }
}

static const reel_op cube_slope = { .name = "cube_slope",
                                    .kind = REEL_ELEMENTWISE,
                                    .inputs = 1,
                                    .tile = { square_f32, square_f64 },
                                    .nondifferentiable = "nobody has written its derivative" };

static void cube_vjp_by_slope_op(reel_vjp_call *c)
{
    c->dx[0] = reel_mul(c->dy, reel_record(&cube_slope, 1, &c->x[0], NULL));
}
CUBE(_of_first_order_only, cube_vjp_by_slope_op)

/* Row-wise scaling, y = x·s with x [rows, columns] and s [columns]. As an op of kind REEL_OTHER
 * it sums the broadcast axis itself, or forgets to, or takes the wrong one. */
static bool scale_rows_shape(reel_shape_call *c)
{
    c->y = *c->x[0];
    if (c->x[0]->rank != 2 || c->x[1]->rank != 1 || c->x[0]->dim[1] != c->x[1]->dim[0]) {
        return reel_shape_fail(c, "%s is not scaled by %s", REEL_SHAPE_TEXT(*c->x[0]),
                               REEL_SHAPE_TEXT(*c->x[1]));
    }
    return true;
}

static void scale_rows_f64(const reel_kernel_call *c)
{
    const double *x = c->x[0].data, *s = c->x[1].data;
    double *y = c->y.data;
    int64_t rows = c->x[0].shape->dim[0], columns = c->x[0].shape->dim[1];
    for (int64_t i = 0; i < rows * columns; i++) {
        y[i] = x[i] * s[i % columns];
    }
}

static void scale_rows_f32(const reel_kernel_call *c)
{
    const float *x = c->x[0].data, *s = c->x[1].data;
    float *y = c->y.data;
    int64_t rows = c->x[0].shape->dim[0], columns = c->x[0].shape->dim[1];
    for (int64_t i = 0; i < rows * columns; i++) {
        y[i] = x[i] * s[i % columns];
    }
}

static void scale_rows_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_mul(c->dy, c->x[1]);
    c->dx[1] = reel_sum(reel_mul(c->dy, c->x[0]), 0);
}

static void scale_rows_vjp_unsummed(reel_vjp_call *c)
{
    c->dx[0] = reel_mul(c->dy, c->x[1]);
    c->dx[1] = reel_at(reel_mul(c->dy, c->x[0]), 0);
}

static void scale_rows_vjp_of_the_wrong_axis(reel_vjp_call *c)
{
    c->dx[0] = reel_mul(c->dy, c->x[1]);
    c->dx[1] = reel_sum(reel_mul(c->dy, c->x[0]), 1);
}

#define SCALE_ROWS(suffix)                                                                         \
    static const reel_op scale_rows##suffix = { .name = "scale_rows",                              \
                                                .kind = REEL_OTHER,                                \
                                                .inputs = 2,                                       \
                                                .shape = scale_rows_shape,                         \
                                                .kernel = { scale_rows_f32, scale_rows_f64 },      \
                                                .vjp = scale_rows_vjp##suffix };
SCALE_ROWS()
SCALE_ROWS(_unsummed)
SCALE_ROWS(_of_the_wrong_axis)

/* ---- losses ---------------------------------------------------------------------------------- */

typedef struct {
    const reel_op *op;
    double factor;
} with_op;

static reel_var sum_of_op(reel_tape *t, void *self)
{
    const with_op *c = self;
    reel_var x = reel_find_param(t, "x");
    return reel_scale(reel_sum_all(reel_record(c->op, 1, &x, NULL)), c->factor);
}

static reel_var sum_of_scaled_rows(reel_tape *t, void *self)
{
    reel_var x[] = { reel_find_param(t, "x"), reel_find_param(t, "s") };
    return reel_sum_all(reel_square(reel_record(self, 2, x, NULL)));
}

static reel_tape *new_tape(reel_dtype dtype)
{
    return reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 3, .threads = 1 });
}

static reel_tape *tape_with(const char *name, reel_shape shape, const double *values)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_var p = reel_param(t, name, shape, reel_zeros());
    reel_write_param_f64(p, values, (size_t)reel_shape_size(shape));
    return t;
}

static const double six[] = { 0.7, -1.3, 0.4, 1.1, -0.6, 0.9 };

static reel_gradcheck_report check_op(const reel_op *op, double factor, int order)
{
    reel_tape *t = tape_with("x", REEL_SHAPE(6), six);
    with_op self = { op, factor };
    reel_gradcheck_report report;
    bool passed =
        reel_gradcheck(t, sum_of_op, &self, (reel_gradcheck_options){ .order = order }, &report);
    cr_expect_eq(passed, report.verdict == REEL_GRADCHECK_PASSED);
    reel_tape_free(t);
    return report;
}

static reel_gradcheck_report check_rows(const reel_op *op)
{
    reel_tape *t = tape_with("x", REEL_SHAPE(3, 3),
                             (const double[]){ 0.7, -1.3, 0.4, 1.1, -0.6, 0.9, 0.2, 0.3, -0.8 });
    reel_var s = reel_param(t, "s", REEL_SHAPE(3), reel_zeros());
    reel_write_param_f64(s, (const double[]){ 1.5, -0.5, 0.8 }, 3);
    reel_gradcheck_report report;
    reel_gradcheck(t, sum_of_scaled_rows, (void *)(uintptr_t)op,
                   (reel_gradcheck_options){ .order = 2 }, &report);
    reel_tape_free(t);
    return report;
}

/* ---- right derivatives pass ------------------------------------------------------------------ */

Test(gradcheck, passes_an_op_of_the_programs_own)
{
    reel_gradcheck_report report = check_op(&cube, 1, 2);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_PASSED, "%s", report.message);
    cr_expect_eq(report.compared, 12);
    cr_expect_eq(report.failed + report.kinks, 0);
    cr_expect_eq(report.rows, 0);
    cr_expect_lt(report.worst_relative_error, 1e-6);
    report = check_rows(&scale_rows);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_PASSED, "%s", report.message);
}

Test(gradcheck, passes_small_and_large_gradients)
{
    for (double factor = 1e-12; factor < 1e7; factor *= 10) {
        reel_gradcheck_report report = check_op(&cube, factor, 2);
        cr_expect_eq(report.verdict, REEL_GRADCHECK_PASSED, "factor %g: %s", factor,
                     report.message);
    }
}

static reel_var sum_of_scaled_squares(reel_tape *t, void *self)
{
    const double *factor = self;
    return reel_scale(reel_sum_all(reel_square(reel_find_param(t, "x"))), *factor);
}

Test(gradcheck, steps_far_enough_beside_large_parameters)
{
    double factor = 1e-6;
    reel_tape *t = tape_with("x", REEL_SHAPE(3), (const double[]){ 1e6, -3e5, 2e4 });
    reel_gradcheck_report report;
    reel_gradcheck_options options = { .order = 2 };
    cr_expect(reel_gradcheck(t, sum_of_scaled_squares, &factor, options, &report), "%s",
              report.message);
    cr_expect_lt(report.worst_relative_error, 1e-4, "%g", report.worst_relative_error);
    reel_tape_free(t);
}

/* ---- wrong ones fail ------------------------------------------------------------------------- */

static void expect_failure(reel_gradcheck_report report, int order, size_t failed)
{
    cr_expect_eq(report.verdict, REEL_GRADCHECK_FAILED, "%s", report.message);
    cr_expect_eq(report.failed, failed, "%zu failed", report.failed);
    cr_assert_gt(report.rows, 0);
    cr_expect_eq(report.row[0].order, order);
    cr_expect_not(report.row[0].kink);
}

Test(gradcheck, fails_when_a_vjp_is_off_by_one_percent)
{
    reel_gradcheck_report report = check_op(&cube_off_by_one_percent, 1, 1);
    expect_failure(report, 1, 6);
    cr_expect_str_eq(report.row[1].parameter, "x");
    cr_expect_eq(report.row[1].index, 1);
    cr_expect_eq(report.row[1].step, -1);
    cr_expect_float_eq(report.row[1].analytic, 3.03 * 1.69, 1e-9);
    cr_expect_float_eq(report.row[1].numeric, 3 * 1.69, 1e-6);
    cr_expect_float_eq(report.row[1].relative_error, 0.01 / 1.01, 1e-4);
}

Test(gradcheck, fails_when_a_vjp_has_the_wrong_sign)
{
    expect_failure(check_op(&cube_of_the_wrong_sign, 1, 1), 1, 6);
}

Test(gradcheck, fails_when_a_vjp_gives_nothing)
{
    expect_failure(check_op(&cube_without_gradient, 1, 1), 1, 6);
}

Test(gradcheck, fails_when_a_wrong_gradient_is_below_atol)
{
    expect_failure(check_op(&cube_of_the_wrong_sign, 1e-7, 1), 1, 1);
    expect_failure(check_op(&cube_off_by_one_percent, 1e-6, 1), 1, 1);
    expect_failure(check_op(&cube_without_gradient, 1e-7, 1), 1, 1);
    reel_gradcheck_report report = check_op(&cube_of_the_wrong_sign, 1e-7, 1);
    cr_expect_not_null(strstr(report.message, "below atol"), "%s", report.message);
}

Test(gradcheck, fails_when_a_broadcast_axis_is_not_summed)
{
    expect_failure(check_rows(&scale_rows_unsummed), 1, 6);
}

Test(gradcheck, fails_when_the_wrong_axis_is_summed)
{
    reel_gradcheck_report report = check_rows(&scale_rows_of_the_wrong_axis);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_FAILED, "%s", report.message);
    cr_expect_str_eq(report.row[0].parameter, "s");
}

Test(gradcheck, finds_a_second_derivative_that_is_silently_missing)
{
    cr_expect_eq(check_op(&cube_with_frozen_slope, 1, 1).verdict, REEL_GRADCHECK_PASSED);
    expect_failure(check_op(&cube_with_frozen_slope, 1, 2), 2, 6);
}

Test(gradcheck, names_the_op_that_has_no_second_derivative)
{
    cr_expect_eq(check_op(&cube_of_first_order_only, 1, 1).verdict, REEL_GRADCHECK_PASSED);
    reel_gradcheck_report report = check_op(&cube_of_first_order_only, 1, 2);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_ERROR);
    cr_expect_not_null(strstr(report.message, "cube_slope"), "%s", report.message);
    cr_expect_not_null(strstr(report.message, "second derivative"), "%s", report.message);
    cr_expect_not_null(strstr(report.message, "nobody has written its derivative"), "%s",
                       report.message);
}

static reel_var log_of_x(reel_tape *t, void *self)
{
    (void)self;
    return reel_sum_all(reel_log(reel_find_param(t, "x")));
}

Test(gradcheck, fails_when_a_derivative_is_not_a_number)
{
    reel_tape *t = tape_with("x", REEL_SHAPE(2), (const double[]){ 1.0, -1.0 });
    reel_gradcheck_report report;
    cr_expect_not(reel_gradcheck(t, log_of_x, NULL, (reel_gradcheck_options){ 0 }, &report));
    cr_expect_eq(report.verdict, REEL_GRADCHECK_FAILED, "%s", report.message);
    cr_expect(isinf(report.worst_relative_error));
    reel_tape_free(t);
}

/* ---- random directions ----------------------------------------------------------------------- */

Test(gradcheck, checks_along_random_directions)
{
    for (int right = 0; right < 2; right++) {
        reel_tape *t = tape_with("x", REEL_SHAPE(6), six);
        with_op self = { right ? &cube : &cube_off_by_one_percent, 1 };
        reel_gradcheck_options options = { .order = 2, .directions = 3 };
        reel_gradcheck_report report;
        cr_expect_eq(reel_gradcheck(t, sum_of_op, &self, options, &report), right, "%s",
                     report.message);
        cr_expect_eq(report.compared, 6);
        cr_expect(right || report.row[0].index == -1);
        reel_tape_free(t);
    }
}

/* ---- kinks ----------------------------------------------------------------------------------- */

static reel_var sum_of_relu(reel_tape *t, void *self)
{
    (void)self;
    return reel_sum_all(reel_relu(reel_find_param(t, "x")));
}

static reel_var sum_of_squared_abs(reel_tape *t, void *self)
{
    (void)self;
    reel_var a = reel_abs(reel_find_param(t, "x"));
    return reel_sum_all(reel_add(reel_square(reel_square(a)), a));
}

static reel_var largest(reel_tape *t, void *self)
{
    (void)self;
    return reel_max_all(reel_find_param(t, "x"));
}

static reel_gradcheck_report check_at(reel_loss_fn loss, int order, size_t n, const double *at)
{
    reel_tape *t = tape_with("x", REEL_SHAPE((int64_t)n), at);
    reel_gradcheck_report report;
    reel_gradcheck(t, loss, NULL, (reel_gradcheck_options){ .order = order }, &report);
    reel_tape_free(t);
    return report;
}

Test(gradcheck, tells_a_kink_inside_the_step_from_a_wrong_derivative)
{
    const double at[] = { 0.5, 3e-7, -2e-7, -1 };
    reel_gradcheck_report report = check_at(sum_of_relu, 1, 4, at);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_KINK, "%s", report.message);
    cr_expect_eq(report.kinks, 2);
    cr_expect_eq(report.failed, 0);
    cr_expect(report.row[0].kink && report.row[0].index == 1);
}

Test(gradcheck, sees_kinks_at_the_point_itself_and_at_ties)
{
    reel_gradcheck_report report = check_at(sum_of_relu, 1, 1, (const double[]){ 0 });
    cr_expect_eq(report.verdict, REEL_GRADCHECK_KINK, "%s", report.message);
    report = check_at(largest, 1, 3, (const double[]){ 1, 2, 2 + 1e-8 });
    cr_expect_eq(report.verdict, REEL_GRADCHECK_KINK, "%s", report.message);
    report = check_at(sum_of_squared_abs, 2, 2, (const double[]){ 4e-7, 1 });
    cr_expect_eq(report.verdict, REEL_GRADCHECK_KINK, "%s", report.message);
}

Test(gradcheck, passes_kinked_ops_away_from_their_kinks)
{
    const double at[] = { 0.5, 3e-3, -2e-3, -1 };
    cr_expect_eq(check_at(sum_of_relu, 2, 4, at).verdict, REEL_GRADCHECK_PASSED);
    cr_expect_eq(check_at(sum_of_squared_abs, 2, 4, at).verdict, REEL_GRADCHECK_PASSED);
    cr_expect_eq(check_at(largest, 2, 4, at).verdict, REEL_GRADCHECK_PASSED);
}

static reel_var wrong_beside_relu(reel_tape *t, void *self)
{
    return reel_add(sum_of_relu(t, NULL), sum_of_op(t, self));
}

Test(gradcheck, does_not_take_a_kink_elsewhere_for_an_excuse)
{
    reel_tape *t = tape_with("x", REEL_SHAPE(3), (const double[]){ 1e-7, 0.8, -0.7 });
    with_op self = { &cube_of_the_wrong_sign, 1 };
    reel_gradcheck_report report;
    reel_gradcheck(t, wrong_beside_relu, &self, (reel_gradcheck_options){ 0 }, &report);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_FAILED, "%s", report.message);
    cr_expect_eq(report.kinks, 1);
    cr_expect_eq(report.failed, 2);
    reel_tape_free(t);
}

/* ---- losses that cannot be checked ----------------------------------------------------------- */

static reel_var counting(reel_tape *t, void *self)
{
    int *calls = self;
    return reel_scale(reel_sum_all(reel_find_param(t, "x")), ++*calls);
}

static reel_var counting_late(reel_tape *t, void *self)
{
    int *calls = self;
    return reel_scale(reel_sum_all(reel_find_param(t, "x")), ++*calls > 8 ? 1 + 1e-14 : 1);
}

Test(gradcheck, has_a_verdict_for_a_loss_that_is_not_deterministic)
{
    for (int late = 0; late < 2; late++) {
        reel_tape *t = tape_with("x", REEL_SHAPE(6), six);
        int calls = 0;
        reel_gradcheck_report report;
        cr_expect_not(reel_gradcheck(t, late ? counting_late : counting, &calls,
                                     (reel_gradcheck_options){ 0 }, &report));
        cr_expect_eq(report.verdict, REEL_GRADCHECK_NOT_DETERMINISTIC, "%s", report.message);
        reel_tape_free(t);
    }
}

static reel_var vector_loss(reel_tape *t, void *self)
{
    (void)self;
    return reel_square(reel_find_param(t, "x"));
}

static reel_var missing_loss(reel_tape *t, void *self)
{
    (void)t;
    (void)self;
    return (reel_var){ 0 };
}

static void expect_error(reel_tape *t, reel_loss_fn loss, reel_gradcheck_options options,
                         const char *message)
{
    reel_gradcheck_report report;
    cr_expect_not(reel_gradcheck(t, loss, NULL, options, &report));
    cr_expect_eq(report.verdict, REEL_GRADCHECK_ERROR, "%s", report.message);
    cr_expect_str_eq(report.message, message);
    if (t) {
        cr_expect_neq(reel_tape_status(t), REEL_OK);
        reel_tape_clear(t);
        cr_expect_eq(reel_item(reel_scalar(t, 2)), 2.0);
        reel_tape_free(t);
    }
}

Test(gradcheck, says_what_it_cannot_check)
{
    const reel_gradcheck_options defaults = { 0 };
    expect_error(NULL, vector_loss, defaults, "gradcheck needs a tape");
    expect_error(new_tape(REEL_F32), vector_loss, defaults, "gradcheck needs an f64 tape");
    expect_error(new_tape(REEL_F64), vector_loss, defaults,
                 "gradcheck needs a parameter; the tape has none");
    expect_error(tape_with("x", REEL_SHAPE(6), six), NULL, defaults,
                 "gradcheck needs a loss function");
    expect_error(tape_with("x", REEL_SHAPE(6), six), vector_loss,
                 (reel_gradcheck_options){ .parameter = "lstm." },
                 "gradcheck found no parameter whose name begins so");
    expect_error(tape_with("x", REEL_SHAPE(6), six), vector_loss,
                 (reel_gradcheck_options){ .order = 3 },
                 "gradcheck checks order 1 and order 2 only");
    expect_error(tape_with("x", REEL_SHAPE(6), six), vector_loss,
                 (reel_gradcheck_options){ .eps = -1e-6 },
                 "gradcheck needs positive eps, atol, rtol and directions");
    expect_error(tape_with("x", REEL_SHAPE(6), six), missing_loss, defaults,
                 "gradcheck got no value of this tape from the loss function");
}

Test(gradcheck, repeats_the_tapes_error)
{
    reel_tape *t = tape_with("x", REEL_SHAPE(6), six);
    reel_gradcheck_report report;
    reel_gradcheck(t, vector_loss, NULL, (reel_gradcheck_options){ 0 }, &report);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_ERROR);
    cr_expect_str_eq(report.message, reel_tape_error(t));
    reel_gradcheck(t, sum_of_relu, NULL, (reel_gradcheck_options){ 0 }, &report);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_ERROR, "a tape with an error is not checked");
    reel_tape_free(t);
}

/* ---- what it leaves behind ------------------------------------------------------------------- */

static void expect_untouched(reel_tape *t, const double *values, const double *gradient, size_t n)
{
    double now[16];
    reel_var x = reel_find_param(t, "x");
    cr_assert_eq(reel_read_f64(x, now, n), REEL_OK, "%s", reel_tape_error(t));
    cr_expect_arr_eq(now, values, n * sizeof *now);
    cr_assert_eq(reel_read_grad_f64(x, now, n), REEL_OK, "%s", reel_tape_error(t));
    cr_expect_arr_eq(now, gradient, n * sizeof *now);
}

static reel_var bad_when_moved(reel_tape *t, void *self)
{
    reel_var x = reel_find_param(t, "x");
    int *calls = self;
    return ++*calls < 5 ? reel_sum_all(x) : reel_matmul(x, reel_scalar(t, 1));
}

Test(gradcheck, leaves_parameters_and_gradients_as_they_were)
{
    const double twice[] = { 1.4, -2.6, 0.8, 2.2, -1.2, 1.8 };
    reel_tape *t = tape_with("x", REEL_SHAPE(6), six);
    with_op self = { &cube_off_by_one_percent, 1 };
    int calls = 0;
    reel_gradcheck_report report;
    reel_backward(reel_sum_all(reel_square(reel_find_param(t, "x")))); /* not computed yet */
    reel_gradcheck(t, sum_of_op, &self, (reel_gradcheck_options){ .order = 2 }, &report);
    expect_untouched(t, six, twice, 6);
    reel_gradcheck(t, sum_of_op, &self, (reel_gradcheck_options){ .directions = 2 }, &report);
    expect_untouched(t, six, twice, 6);
    reel_gradcheck(t, bad_when_moved, &calls, (reel_gradcheck_options){ 0 }, &report);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_ERROR, "%s", report.message);
    reel_tape_clear(t);
    expect_untouched(t, six, twice, 6);
    reel_tape_free(t);
}

Test(gradcheck, looks_only_at_the_parameters_asked_for)
{
    reel_tape *t = tape_with("x", REEL_SHAPE(6), six);
    reel_param(t, "y", REEL_SHAPE(3), reel_zeros());
    with_op self = { &cube, 1 };
    reel_gradcheck_report report;
    cr_expect(
        reel_gradcheck(t, sum_of_op, &self, (reel_gradcheck_options){ .parameter = "y" }, &report));
    cr_expect_eq(report.compared, 3);
    cr_expect(reel_gradcheck(t, sum_of_op, &self, (reel_gradcheck_options){ 0 }, NULL));
    reel_tape_free(t);
}

/* ---- the report ------------------------------------------------------------------------------ */

static reel_var wrong_in_step_two(reel_tape *t, void *self)
{
    reel_var x = reel_find_param(t, "x"), last = reel_at(x, 2);
    return reel_add(reel_sum_all(x), reel_sum_all(reel_record(self, 1, &last, NULL)));
}

Test(gradcheck, names_parameter_index_and_time_step)
{
    reel_tape *t = new_tape(REEL_F64);
    reel_param(t, "x", REEL_SHAPE(4, 2, 3), reel_uniform(0.5, 1));
    reel_gradcheck_report report;
    reel_gradcheck(t, wrong_in_step_two, (void *)(uintptr_t)&cube_of_the_wrong_sign,
                   (reel_gradcheck_options){ .max_failures = 4 }, &report);
    cr_expect_eq(report.failed, 6);
    cr_expect_eq(report.rows, 4);
    cr_expect_eq(report.row[0].step, 2);
    cr_expect_eq(report.row[0].index, 12);
    reel_tape_free(t);
}

static void printed(const reel_gradcheck_report *report, char *out, size_t size)
{
    FILE *file = tmpfile();
    reel_gradcheck_print(report, file);
    rewind(file);
    size_t n = fread(out, 1, size - 1, file);
    out[n] = '\0';
    fclose(file);
}

Test(gradcheck, prints_a_table)
{
    char text[4096];
    reel_gradcheck_report report = check_op(&cube_off_by_one_percent, 1, 1);
    printed(&report, text, sizeof text);
    cr_expect_not_null(
        strstr(text, "gradcheck FAILED: 6 of 6 derivatives differ, order 1, worst relative "
                     "error 0.0099 at x["),
        "%s", text);
    cr_expect_not_null(strstr(text, "  order  parameter     index   step         analytic          "
                                    "numeric  relative error"),
                       "%s", text);
    cr_expect_not_null(strstr(text, "      1  x                 1      -           5.1207          "
                                    "   5.07          0.0099"),
                       "%s", text);
    report = check_op(&cube, 1, 2);
    printed(&report, text, sizeof text);
    cr_expect_not_null(strstr(text, "gradcheck PASSED: 12 derivatives compared, order 2, worst"),
                       "%s", text);
}
