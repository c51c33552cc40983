/* Dense and embedding layers, activations, layer norm. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 2 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void expect_values(reel_var v, size_t n, const double *expected)
{
    double values[32];
    cr_assert_eq(reel_read_f64(v, values, n), REEL_OK, "%s", reel_tape_error(v.tape));
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(values[i] - expected[i]) < 1e-12, "[%zu]: %g, expected %g", i, values[i],
                  expected[i]);
    }
}

static void write_param(reel_tape *t, const char *name, size_t n, const double *values)
{
    cr_assert_eq(reel_write_param_f64(reel_find_param(t, name), values, n), REEL_OK, "%s",
                 reel_tape_error(t));
}

Test(layers, a_dense_layer_is_x_W_plus_b_over_the_last_axis)
{
    reel_tape *t = new_tape();
    reel_layer out = reel_dense(t, "out", 2, 3, (reel_dense_options){ .activation = REEL_RELU });
    write_param(t, "out.W", 6, (const double[]){ 1, 2, 3, 4, 5, 6 });
    write_param(t, "out.b", 3, (const double[]){ 0, -1, -100 });
    const double x[] = { 1, 0, 1, 1, -1, 0, 2, 1 };
    reel_var y = reel_apply(out, reel_input_f64(t, REEL_SHAPE(2, 2, 2), x));
    expect_values(y, 12, (const double[]){ 1, 1, 0, 5, 6, 0, 0, 0, 0, 6, 8, 0 });
    expect_clean(t);
}

Test(layers, a_dense_layer_may_have_no_bias_and_its_own_start)
{
    reel_tape *t = new_tape();
    reel_dense_options options = { .no_bias = true, .W = reel_constant(0.5) };
    reel_layer out = reel_dense(t, "out", 2, 1, options);
    cr_expect_eq(reel_param_count(t), 1);
    const double x[] = { 3, 5 };
    cr_expect_eq(reel_item(reel_apply(out, reel_input_f64(t, REEL_SHAPE(1, 2), x))), 4);
    expect_clean(t);
}

Test(layers, an_embedding_looks_rows_up_and_collects_their_gradients)
{
    reel_tape *t = new_tape();
    reel_layer e = reel_embedding(t, "e", 3, 2, (reel_embedding_options){ 0 });
    write_param(t, "e.table", 6, (const double[]){ 1, 2, 3, 4, 5, 6 });
    reel_var y = reel_apply(e, reel_indices(t, REEL_SHAPE(2, 2), (const int32_t[]){ 2, 0, 2, 2 }));
    expect_values(y, 8, (const double[]){ 5, 6, 1, 2, 5, 6, 5, 6 });
    reel_backward(reel_sum_all(y));
    double gradient[6];
    reel_read_grad_f64(reel_find_param(t, "e.table"), gradient, 6);
    const double expected[] = { 1, 1, 0, 0, 3, 3 };
    cr_expect_arr_eq(gradient, expected, sizeof expected);
    expect_clean(t);
}

Test(layers, the_padding_of_an_embedding_is_zero_and_learns_nothing)
{
    reel_tape *t = new_tape();
    reel_layer e = reel_embedding(t, "e", 3, 2,
                                  (reel_embedding_options){ .padded = true, .padding_index = 1 });
    write_param(t, "e.table", 6, (const double[]){ 1, 2, NAN, 4, 5, 6 });
    reel_var y = reel_apply(e, reel_indices(t, REEL_SHAPE(3), (const int32_t[]){ 1, 0, 1 }));
    expect_values(y, 6, (const double[]){ 0, 0, 1, 2, 0, 0 });
    reel_backward(reel_sum_all(reel_square(y)));
    double gradient[6];
    reel_read_grad_f64(reel_find_param(t, "e.table"), gradient, 6);
    const double expected[] = { 2, 4, 0, 0, 0, 0 };
    cr_expect_arr_eq(gradient, expected, sizeof expected);
    expect_clean(t);
}

Test(layers, layer_norm_has_mean_0_and_variance_1)
{
    reel_tape *t = new_tape();
    const double x[] = { 1, 2, 3, 10, 10, 13 }, gain[] = { 1, 2, 1 }, bias[] = { 0, 0, 5 };
    reel_var v = reel_layer_norm(reel_input_f64(t, REEL_SHAPE(2, 3), x),
                                 reel_input_f64(t, REEL_SHAPE(3), gain),
                                 reel_input_f64(t, REEL_SHAPE(3), bias), 1e-300);
    const double a = sqrt(1.5), b = sqrt(0.5);
    expect_values(v, 6, (const double[]){ -a, 0, 5 + a, -b, -2 * b, 5 + 2 * b });
    expect_clean(t);
}

Test(layers, every_activation_has_its_function)
{
    static const struct {
        reel_activation activation;
        double at_minus_2;
    } table[] = {
        { REEL_DEFAULT_ACTIVATION, -2 },
        { REEL_LINEAR, -2 },
        { REEL_TANH, -0.9640275800758169 },
        { REEL_RELU, 0 },
        { REEL_SIGMOID, 0.11920292202211755 },
        { REEL_HARD_SIGMOID, 0.16666666666666666 },
        { REEL_LEAKY_RELU, -0.02 },
        { REEL_ELU, -0.8646647167633873 },
        { REEL_SOFTPLUS, 0.1269280110429725 },
        { REEL_GELU, -0.04550026389635842 },
        { REEL_SILU, -0.23840584404423512 },
    };
    cr_expect_eq(sizeof table / sizeof *table, REEL_ACTIVATION_COUNT);
    reel_tape *t = new_tape();
    for (size_t i = 0; i < REEL_ACTIVATION_COUNT; i++) {
        double y = reel_item(reel_activate(reel_scalar(t, -2), table[i].activation));
        cr_expect_float_eq(y, table[i].at_minus_2, 1e-14, "activation %zu: %.17g", i, y);
    }
    expect_clean(t);
}

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    reel_tape_clear(t);
}

Test(layers, misuse_is_named)
{
    reel_tape *t = new_tape();
    char longest[300] = { 0 };
    memset(longest, 'n', sizeof longest - 1);
    cr_expect_null(reel_dense(t, "d", 0, 3, (reel_dense_options){ 0 }).apply);
    expect_error(t, "in is 0, must be at least 1");
    cr_expect_null(reel_embedding(t, "e", 3, -2, (reel_embedding_options){ 0 }).apply);
    expect_error(t, "width is -2, must be at least 1");
    reel_embedding(t, "e", 3, 2, (reel_embedding_options){ .padded = true, .padding_index = 3 });
    expect_error(t, "padding_index 3 is outside 0 … 2");
    reel_dense(t, NULL, 2, 2, (reel_dense_options){ 0 });
    expect_error(t, "a layer needs a name");
    reel_dense(t, longest, 2, 2, (reel_dense_options){ 0 });
    expect_error(t, "is longer than 253 bytes");
    reel_apply((reel_layer){ 0 }, reel_scalar(t, 1));
    expect_error(t, "the layer has no apply function");
    reel_activate(reel_scalar(t, 1), (reel_activation)-1);
    expect_error(t, "there is no activation -1");
    reel_layer_norm(reel_fill(t, REEL_SHAPE(2), 1), (reel_var){ 0 }, (reel_var){ 0 }, -1);
    expect_error(t, "epsilon is -1, must be at least 0");
    expect_clean(t);
}
