/* derivatives.c: derivatives of compositions, of any order, against closed forms and
 * differences. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"
#include "ops/ops.h"

/* ---- what the tests share -------------------------------------------------------------------- */

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5, .threads = 1 });
}

static void expect_fine(const reel_tape *t)
{
    cr_expect_eq(reel_tape_status(t), REEL_OK, "%s", reel_tape_error(t));
}

static void expect_close(double got, double expected, double tolerance, const char *what)
{
    cr_expect(fabs(got - expected) <= tolerance * fmax(1, fabs(expected)),
              "%s: %.17g, expected %.17g", what, got, expected);
}

static void expect_all_close(size_t n, const double *got, const double *expected, double tolerance,
                             const char *what)
{
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(got[i] - expected[i]) <= tolerance * fmax(1, fabs(expected[i])),
                  "%s[%zu]: %.17g, expected %.17g", what, i, got[i], expected[i]);
    }
}

static void read_all(reel_var v, double *out, size_t n)
{
    cr_assert_eq(reel_read_f64(v, out, n), REEL_OK, "%s", reel_tape_error(v.tape));
}

static reel_var vector(reel_tape *t, const char *name, int64_t n, const double *values)
{
    reel_var p = reel_param(t, name, REEL_SHAPE(n), reel_zeros());
    reel_write_param_f64(p, values, (size_t)n);
    return p;
}

/* ---- closed forms ---------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    reel_var (*f)(reel_var);
    double at, derivative[3];
} closed_form;

static reel_var fourth_power(reel_var x)
{
    return reel_square(reel_square(x));
}

static reel_var exp_of_sin(reel_var x)
{
    return reel_exp(reel_sin(x));
}

static reel_var x_log_x(reel_var x)
{
    return reel_mul(x, reel_log(x));
}

static reel_var quotient(reel_var x)
{
    return reel_div(x, reel_shift(reel_square(x), 1));
}

static reel_var log_of_softplus(reel_var x)
{
    return reel_logsumexp_all(reel_stack_n(0, 2, (const reel_var[]){ x, reel_scale(x, 0) }));
}

/* At 0.7, by SymPy's formulas: see derivative of each in the table. */
Test(derivatives, of_orders_one_to_three_agree_with_closed_forms)
{
    const double x = 0.7, s = sin(x), c = cos(x), e = exp(s), h = tanh(x), q = 1 - h * h;
    const double g = 1 / (1 + exp(-x)), g1 = g * (1 - g), d = 1 + x * x;
    const closed_form forms[] = {
        { "x^4", fourth_power, x, { 4 * x * x * x, 12 * x * x, 24 * x } },
        { "exp(sin x)",
          exp_of_sin,
          x,
          { c * e, (c * c - s) * e, (c * c * c - 3 * s * c - c) * e } },
        { "x log x", x_log_x, x, { log(x) + 1, 1 / x, -1 / (x * x) } },
        { "tanh x", reel_tanh, x, { q, -2 * h * q, -2 * q * (q - 2 * h * h) } },
        { "sigmoid x", reel_sigmoid, x, { g1, g1 * (1 - 2 * g), g1 * (1 - 6 * g + 6 * g * g) } },
        { "x/(1+x^2)",
          quotient,
          x,
          { (1 - x * x) / (d * d), 2 * x * (x * x - 3) / (d * d * d),
            -6 * (x * x * x * x - 6 * x * x + 1) / (d * d * d * d) } },
        { "log(1+e^x)", log_of_softplus, x, { g, g1, g1 * (1 - 2 * g) } },
        { "sqrt x", reel_sqrt, x, { 0.5 / sqrt(x), -0.25 * pow(x, -1.5), 0.375 * pow(x, -2.5) } },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        reel_tape *t = new_tape();
        reel_var v = reel_scalar(t, forms[i].at), y = forms[i].f(v);
        for (int order = 0; order < 3; order++) {
            y = reel_gradient(y, v);
            expect_close(reel_item(y), forms[i].derivative[order], 1e-12, forms[i].name);
        }
        expect_fine(t);
        reel_tape_free(t);
    }
}

Test(derivatives, of_a_matrix_product_are_the_known_matrices)
{
    reel_tape *t = new_tape();
    const double a_values[] = { 1, -2, 0.5, 3, 1.5, -1 }, b_values[] = { 0.2, 1, -1, 0.4, 2, -0.3 };
    reel_var a = reel_input_f64(t, REEL_SHAPE(2, 3), a_values);
    reel_var b = reel_input_f64(t, REEL_SHAPE(3, 2), b_values);
    reel_var x[] = { a, b }, dx[2];
    cr_assert_eq(reel_gradients(reel_sum_all(reel_matmul(a, b)), 2, x, dx), REEL_OK);
    double da[6], db[6];
    read_all(dx[0], da, 6);
    read_all(dx[1], db, 6);
    expect_all_close(6, da, (const double[]){ 1.2, -0.6, 1.7, 1.2, -0.6, 1.7 }, 1e-14, "dA");
    expect_all_close(6, db, (const double[]){ 4, 4, -0.5, -0.5, -0.5, -0.5 }, 1e-14, "dB");
    reel_tape_free(t);
}

/* ---- which variables ------------------------------------------------------------------------- */

Test(derivatives, are_zero_where_nothing_depends)
{
    reel_tape *t = new_tape();
    reel_var a = reel_input_f64(t, REEL_SHAPE(2), (const double[]){ 1, 2 });
    reel_var b = reel_input_f64(t, REEL_SHAPE(2, 2), (const double[]){ 1, 2, 3, 4 });
    double g[4] = { 9, 9, 9, 9 };
    reel_var db = reel_gradient(reel_sum_all(reel_square(a)), b);
    cr_expect(reel_shape_equal(reel_shape_of(db), REEL_SHAPE(2, 2)));
    read_all(db, g, 4);
    expect_all_close(4, g, (const double[]){ 0, 0, 0, 0 }, 0, "db");
    expect_fine(t);
    reel_tape_free(t);
}

Test(derivatives, reach_intermediate_values_and_inputs)
{
    reel_tape *t = new_tape();
    reel_var x = reel_input_f64(t, REEL_SHAPE(2), (const double[]){ 0.5, -1 });
    reel_var middle = reel_exp(x), y = reel_sum_all(reel_square(middle));
    double g[2];
    read_all(reel_gradient(y, middle), g, 2);
    expect_all_close(2, g, (const double[]){ 2 * exp(0.5), 2 * exp(-1) }, 1e-14, "d middle");
    read_all(reel_gradient(y, x), g, 2);
    expect_all_close(2, g, (const double[]){ 2 * exp(1), 2 * exp(-2) }, 1e-14, "d x");
    reel_var self = reel_gradient(y, y);
    expect_close(reel_item(self), 1, 0, "dy/dy");
    reel_tape_free(t);
}

Test(derivatives, do_not_pass_stop_gradient)
{
    reel_tape *t = new_tape();
    reel_var x = reel_scalar(t, 3), y = reel_mul(x, reel_stop_gradient(reel_square(x)));
    expect_close(reel_item(reel_gradient(y, x)), 9, 0, "d (x·stop(x²))");
    expect_close(reel_item(reel_gradient(reel_stop_gradient(y), x)), 0, 0, "d stop(y)");
    reel_tape_free(t);
}

/* A chain of `length` matrix products behind parameter p. */
static reel_var chain(reel_var x, reel_var p, int length)
{
    for (int i = 0; i < length; i++) {
        x = reel_tanh(reel_matmul(x, p));
    }
    return x;
}

static uint64_t kernels_for(reel_tape *t, int n, const reel_var x[])
{
    reel_var dx[2];
    reel_rewind(t);
    reel_var in = reel_fill(t, REEL_SHAPE(2, 4), 0.5);
    reel_var loss = reel_sum_all(
        chain(chain(in, reel_find_param(t, "first"), 20), reel_find_param(t, "second"), 20));
    reel_item(loss);
    reel_gradients(loss, n, x, dx);
    uint64_t before = reel_tape_statistics_of(t).kernels;
    double g[16];
    for (int i = 0; i < n; i++) {
        read_all(dx[i], g, 16);
    }
    return reel_tape_statistics_of(t).kernels - before;
}

Test(derivatives, of_some_parameters_do_not_run_what_only_others_need)
{
    reel_tape *t = new_tape();
    reel_var first = reel_param(t, "first", REEL_SHAPE(4, 4), reel_orthogonal(1));
    reel_var second = reel_param(t, "second", REEL_SHAPE(4, 4), reel_orthogonal(1));
    reel_var both[] = { first, second };
    uint64_t for_second = kernels_for(t, 1, &second), for_both = kernels_for(t, 2, both);
    cr_expect_lt(for_second * 5, for_both * 4, "%llu kernels for one, %llu for both",
                 (unsigned long long)for_second, (unsigned long long)for_both);
    expect_fine(t);
    reel_tape_free(t);
}

/* ---- reel_backward --------------------------------------------------------------------------- */

Test(derivatives, accumulate_over_backward_calls)
{
    reel_tape *t = new_tape();
    reel_var w = vector(t, "w", 3, (const double[]){ 1, -2, 3 });
    reel_var loss = reel_sum_all(reel_square(w));
    double g[3];
    reel_backward(loss);
    reel_backward(loss);
    reel_read_grad_f64(w, g, 3);
    expect_all_close(3, g, (const double[]){ 4, -8, 12 }, 0, "twice");
    reel_rewind(t);
    reel_backward(reel_sum_all(w));
    reel_rewind(t); /* computes what was asked for */
    reel_read_grad_f64(w, g, 3);
    expect_all_close(3, g, (const double[]){ 5, -7, 13 }, 0, "over a rewind");
    reel_zero_grad(t);
    reel_read_grad_f64(w, g, 3);
    expect_all_close(3, g, (const double[]){ 0, 0, 0 }, 0, "zeroed");
    expect_fine(t);
    reel_tape_free(t);
}

Test(derivatives, of_backward_and_of_gradients_are_the_same)
{
    reel_tape *t = new_tape();
    reel_var w = vector(t, "w", 3, (const double[]){ 0.1, -0.2, 0.3 });
    reel_var loss = reel_mean_all(reel_tanh(reel_mul(w, reel_flip(w, 0))));
    double a[3], b[3];
    read_all(reel_gradient(loss, w), a, 3);
    reel_backward(loss);
    reel_read_grad_f64(w, b, 3);
    cr_expect_arr_eq(a, b, sizeof a);
    reel_tape_free(t);
}

Test(derivatives, of_a_variable_used_many_times_add_up)
{
    reel_tape *t = new_tape();
    reel_var x = reel_scalar(t, 1.5), y = x;
    for (int i = 0; i < 9; i++) {
        y = reel_mul(y, x);
    }
    expect_close(reel_item(reel_gradient(y, x)), 10 * pow(1.5, 9), 1e-14, "d x^10");
    reel_tape_free(t);
}

/* ---- products with vectors ------------------------------------------------------------------- */

/* y = tanh(A·x) as a vector of three, with its explicit Jacobian. */
static const double A[] = { 0.5, -1, 0.25, 2, 0.75, -0.5 }, at[] = { 0.3, -0.7 };

static reel_var three_of_two(reel_tape *t, reel_var x)
{
    reel_var a = reel_input_f64(t, REEL_SHAPE(3, 2), A);
    return reel_tanh(reel_matmul(a, x));
}

static void explicit_jacobian(double J[6])
{
    for (int i = 0; i < 3; i++) {
        double y = tanh(A[2 * i] * at[0] + A[2 * i + 1] * at[1]);
        J[2 * i] = (1 - y * y) * A[2 * i];
        J[2 * i + 1] = (1 - y * y) * A[2 * i + 1];
    }
}

Test(derivatives, vector_jacobian_product_takes_values_of_any_shape)
{
    reel_tape *t = new_tape();
    const double u[] = { 1, -2, 0.5 };
    double J[6], got[2], expected[2] = { 0 };
    explicit_jacobian(J);
    for (int i = 0; i < 6; i++) {
        expected[i % 2] += u[i / 2] * J[i];
    }
    reel_var x = reel_input_f64(t, REEL_SHAPE(2), at), out;
    reel_var y = three_of_two(t, x), weight = reel_input_f64(t, REEL_SHAPE(3), u);
    cr_assert_eq(reel_vjp(y, weight, 1, &x, &out), REEL_OK, "%s", reel_tape_error(t));
    read_all(out, got, 2);
    expect_all_close(2, got, expected, 1e-14, "uJ");
    reel_tape_free(t);
}

Test(derivatives, jacobian_vector_product_is_the_jacobians)
{
    reel_tape *t = new_tape();
    const double v[] = { 0.4, -1.1 };
    double J[6], got[3], expected[3] = { 0 };
    explicit_jacobian(J);
    for (int i = 0; i < 6; i++) {
        expected[i / 2] += J[i] * v[i % 2];
    }
    reel_var x = reel_input_f64(t, REEL_SHAPE(2), at),
             direction = reel_input_f64(t, REEL_SHAPE(2), v);
    reel_var product = reel_jvp(three_of_two(t, x), 1, &x, &direction);
    cr_assert(reel_shape_equal(reel_shape_of(product), REEL_SHAPE(3)), "%s", reel_tape_error(t));
    read_all(product, got, 3);
    expect_all_close(3, got, expected, 1e-14, "Jv");
    reel_tape_free(t);
}

/* f = exp(x0)·x1 + x0²·x1³ */
static reel_var two_variables(reel_var x, reel_var y)
{
    reel_var cubed = reel_mul(y, reel_square(y));
    return reel_add(reel_mul(reel_exp(x), y), reel_mul(reel_square(x), cubed));
}

Test(derivatives, hessian_vector_product_is_the_hessians)
{
    reel_tape *t = new_tape();
    const double a = 0.6, b = -1.2, v[] = { 0.7, 0.3 };
    reel_var x[] = { reel_scalar(t, a), reel_scalar(t, b) }, out[2];
    reel_var direction[] = { reel_scalar(t, v[0]), reel_scalar(t, v[1]) };
    reel_var loss = two_variables(x[0], x[1]);
    cr_assert_eq(reel_hvp(loss, 2, x, direction, out), REEL_OK, "%s", reel_tape_error(t));
    double aa = exp(a) * b + 2 * b * b * b, ab = exp(a) + 6 * a * b * b, bb = 6 * a * a * b;
    expect_close(reel_item(out[0]), aa * v[0] + ab * v[1], 1e-14, "first row");
    expect_close(reel_item(out[1]), ab * v[0] + bb * v[1], 1e-14, "second row");
    reel_tape_free(t);
}

/* ---- a recurrent composition ----------------------------------------------------------------- */

enum { HIDDEN = 3, WIDTH = 2, STEPS = 4, WEIGHTS = (HIDDEN + WIDTH) * 4 * HIDDEN };

/* An LSTM of primitives: gates i, f, g, o. */
static reel_var lstm_loss(reel_tape *t, reel_var W)
{
    reel_var h = reel_fill(t, REEL_SHAPE(2, HIDDEN), 0), c = h, gate[4];
    for (int step = 0; step < STEPS; step++) {
        double x[2 * WIDTH];
        for (int i = 0; i < 2 * WIDTH; i++) {
            x[i] = sin(1 + i + 3 * step);
        }
        reel_var in[] = { h, reel_input_f64(t, REEL_SHAPE(2, WIDTH), x) };
        reel_split(reel_matmul(reel_concat_n(-1, 2, in), W), -1, 4, gate);
        c = reel_add(reel_mul(reel_sigmoid(gate[1]), c),
                     reel_mul(reel_sigmoid(gate[0]), reel_tanh(gate[2])));
        h = reel_mul(reel_sigmoid(gate[3]), reel_tanh(c));
    }
    return reel_mean_all(reel_square(h));
}

static void lstm_gradient(reel_tape *t, const double *weights, double *out)
{
    reel_rewind(t);
    reel_var W = reel_find_param(t, "W");
    reel_write_param_f64(W, weights, WEIGHTS);
    read_all(reel_gradient(lstm_loss(t, W), W), out, WEIGHTS);
}

Test(derivatives, hessian_vector_product_of_an_lstm_is_the_difference_of_gradients)
{
    reel_tape *t = new_tape();
    reel_var W = reel_param(t, "W", REEL_SHAPE(HIDDEN + WIDTH, 4 * HIDDEN), reel_glorot()), out;
    double w[WEIGHTS], v[WEIGHTS], moved[WEIGHTS], up[WEIGHTS], down[WEIGHTS], got[WEIGHTS];
    read_all(W, w, WEIGHTS);
    for (int i = 0; i < WEIGHTS; i++) {
        v[i] = cos(2.0 * i);
    }
    reel_var direction = reel_input_f64(t, REEL_SHAPE(HIDDEN + WIDTH, 4 * HIDDEN), v);
    cr_assert_eq(reel_hvp(lstm_loss(t, W), 1, &W, &direction, &out), REEL_OK);
    read_all(out, got, WEIGHTS);
    const double eps = 1e-5;
    for (int i = 0; i < WEIGHTS; i++) {
        moved[i] = w[i] + eps * v[i];
    }
    lstm_gradient(t, moved, up);
    for (int i = 0; i < WEIGHTS; i++) {
        moved[i] = w[i] - eps * v[i];
    }
    lstm_gradient(t, moved, down);
    for (int i = 0; i < WEIGHTS; i++) {
        expect_close(got[i], (up[i] - down[i]) / (2 * eps), 1e-9, "Hv");
    }
    reel_tape_free(t);
}

/* ---- views, masks, checkpoints --------------------------------------------------------------- */

static reel_var loss_through_views(reel_tape *t, void *self)
{
    (void)self;
    reel_var x = reel_find_param(t, "x");
    reel_var turned = reel_flip(reel_transpose(x, 0, 2), 1), part = reel_slice(turned, 0, 1, 4);
    reel_var flat = reel_reshape(part, REEL_SHAPE(-1, 2)), row = reel_at(flat, -1);
    reel_var wide = reel_expand(reel_unsqueeze(row, 0), REEL_SHAPE(3, 2));
    reel_var back = reel_permute_n(part, 3, (const int[]){ 2, 0, 1 });
    return reel_add(reel_sum_all(reel_tanh(reel_matmul(wide, reel_transpose(flat, 0, 1)))),
                    reel_sum_all(reel_sin(reel_square(back))));
}

Test(derivatives, pass_through_chains_of_views)
{
    reel_tape *t = new_tape();
    reel_param(t, "x", REEL_SHAPE(2, 3, 5), reel_normal(0, 1));
    reel_gradcheck_report report;
    reel_gradcheck_options options = { .order = 2 };
    cr_expect(reel_gradcheck(t, loss_through_views, NULL, options, &report), "%s", report.message);
    reel_tape_free(t);
}

typedef reel_var (*masked_fn)(reel_var x, reel_var mask);

static reel_var masked_sqrt(reel_var x, reel_var mask)
{
    return reel_where(mask, reel_sqrt(x), reel_scale(x, 0));
}
static reel_var masked_log(reel_var x, reel_var mask)
{
    return reel_where(mask, reel_log(x), x);
}
static reel_var masked_reciprocal(reel_var x, reel_var mask)
{
    return reel_where(mask, reel_reciprocal(x), x);
}
static reel_var masked_quotient(reel_var x, reel_var mask)
{
    return reel_where(mask, reel_div(x, x), x);
}
static reel_var masked_rsqrt(reel_var x, reel_var mask)
{
    return reel_where(mask, reel_rsqrt(x), x);
}
static reel_var masked_power(reel_var x, reel_var mask)
{
    return reel_where(mask, reel_pow(x, reel_scalar(x.tape, 0.5)), x);
}
static reel_var masked_overflow(reel_var x, reel_var mask)
{
    return reel_where(mask, x, reel_exp(reel_scale(reel_shift(x, 1), 1e4)));
}

/* Element 0 is out of the op's domain and masked out. */
static void expect_no_leak(masked_fn f, const char *name, double first, double mask_first)
{
    reel_tape *t = new_tape();
    reel_var x = reel_input_f64(t, REEL_SHAPE(2), (const double[]){ first, 0.25 });
    reel_var mask = reel_input_f64(t, REEL_SHAPE(2), (const double[]){ mask_first, 1 });
    reel_var dx = reel_gradient(reel_sum_all(f(x, mask)), x);
    double g[2];
    read_all(dx, g, 2);
    cr_expect(isfinite(g[0]) && isfinite(g[1]), "%s at %g: gradient %g, %g", name, first, g[0],
              g[1]);
    read_all(reel_gradient(reel_sum_all(reel_square(dx)), x), g, 2);
    cr_expect(isfinite(g[0]) && isfinite(g[1]), "%s at %g: second derivative %g, %g", name, first,
              g[0], g[1]);
    reel_tape_free(t);
}

Test(derivatives, of_what_a_mask_left_out_are_never_nan)
{
    expect_no_leak(masked_sqrt, "sqrt", 0, 0);
    expect_no_leak(masked_sqrt, "sqrt", -1, 0);
    expect_no_leak(masked_log, "log", 0, 0);
    expect_no_leak(masked_reciprocal, "reciprocal", 0, 0);
    expect_no_leak(masked_quotient, "div", 0, 0);
    expect_no_leak(masked_rsqrt, "rsqrt", 0, 0);
    expect_no_leak(masked_power, "pow", 0, 0);
    expect_no_leak(masked_overflow, "exp", 1, 1);
}

static void checkpointed_gradient(bool checkpoints, double *out, double *second)
{
    reel_tape *t = new_tape();
    reel_var w = reel_param(t, "w", REEL_SHAPE(4, 4), reel_orthogonal(1));
    reel_var h = reel_fill(t, REEL_SHAPE(2, 4), 0.3);
    for (int i = 0; i < 9; i++) {
        h = reel_tanh(reel_matmul(h, w));
        h = checkpoints && i % 3 == 2 ? reel_checkpoint(h) : h;
    }
    reel_var dw = reel_gradient(reel_sum_all(reel_square(h)), w);
    read_all(dw, out, 16);
    read_all(reel_gradient(reel_sum_all(reel_square(dw)), w), second, 16);
    expect_fine(t);
    reel_tape_free(t);
}

Test(derivatives, with_checkpoints_have_the_same_bits)
{
    double plain[16], second[16], recomputed[16], second_recomputed[16];
    checkpointed_gradient(false, plain, second);
    checkpointed_gradient(true, recomputed, second_recomputed);
    cr_expect_arr_eq(plain, recomputed, sizeof plain);
    expect_all_close(16, second_recomputed, second, 1e-13, "second derivative");
}

/* ---- many variables, many paths -------------------------------------------------------------- */

Test(derivatives, of_a_long_chain_need_no_deep_stack)
{
    reel_tape *t = new_tape();
    reel_var x = reel_scalar(t, 1), y = x;
    for (int i = 0; i < 20000; i++) {
        y = reel_shift(y, 1e-4);
    }
    expect_close(reel_item(reel_gradient(y, x)), 1, 0, "d chain");
    reel_tape_free(t);
}

Test(derivatives, in_f32_are_those_of_f64_rounded)
{
    double g[2];
    for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
        reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = (reel_dtype)dtype });
        reel_var x = reel_scalar(t, 0.5);
        g[dtype] = reel_item(reel_gradient(exp_of_sin(x), x));
        reel_tape_free(t);
    }
    expect_close(g[0], g[1], 1e-6, "f32");
}
