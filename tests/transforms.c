/* Normalisation, convolution, pooling and positions against PyTorch and NumPy
 * (golden/transforms.py). */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "support/golden_cells.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void expect_near(double distance, const char *name, const char *what)
{
    cr_expect(distance <= 1e-12, "%s, %s: off by %g", name, what, distance);
}

/* y and the gradients of Σ y∘u in every parameter that has a row. */
static void expect_case(reel_tape *t, golden_case at, reel_var y)
{
    expect_near(golden_distance(at, "y", y), at.name, "y");
    if (golden_has(at, "u")) {
        reel_backward(reel_sum_all(reel_mul(y, golden_input(t, at, "u"))));
    }
    for (size_t i = 0; i < reel_param_count(t); i++) {
        char label[64];
        snprintf(label, sizeof label, "d:%s", reel_param_name(reel_param_at(t, i)));
        if (golden_has(at, label)) {
            expect_near(golden_gradient_distance(at, reel_param_at(t, i)), at.name, label);
        }
    }
}

static golden_case of(const char *name)
{
    return (golden_case){ "transforms.txt", name };
}

/* ---- normalisation --------------------------------------------------------------------------- */

Test(transforms, rms_norm_and_layer_norm_are_torchs)
{
    reel_tape *t = new_tape();
    golden_case at = of("rms_norm");
    reel_var x = golden_param(t, at, "x"), gain = golden_param(t, at, "gain");
    expect_case(t, at, reel_rms_norm(x, gain, 1e-3));
    expect_clean(t);
    t = new_tape();
    at = of("layer_norm");
    x = golden_param(t, at, "x");
    gain = golden_param(t, at, "gain");
    expect_case(t, at, reel_layer_norm(x, gain, golden_param(t, at, "bias"), 1e-3));
    expect_clean(t);
}

static void expect_batch_norm_step(reel_tape *t, reel_layer norm, const char *name, int step)
{
    char full[32];
    snprintf(full, sizeof full, "%s_%d", name, step);
    golden_case at = of(full);
    reel_rewind(t);
    reel_zero_grad(t);
    reel_set_training(t, step < 3);
    reel_var mask = golden_has(at, "mask") ? golden_input(t, at, "mask") : (reel_var){ 0 };
    reel_var x = reel_find_param(t, "x");
    golden_row row;
    cr_assert(golden_find(at.file, at.name, "x", &row));
    reel_write_param_f64(x, row.values, row.count);
    golden_free(&row);
    expect_case(t, at, reel_batch_norm_apply(x, norm, mask));
    cr_expect_eq(reel_batch_norm_update(norm), REEL_OK);
    static const char *const running[] = { "n.running_mean", "n.running_variance" };
    for (int i = 0; i < 2; i++) {
        expect_near(golden_distance(at, running[i], reel_find_param(t, running[i])), full,
                    running[i]);
    }
}

Test(transforms, batch_norm_is_torchs_in_training_and_evaluation_with_and_without_a_mask)
{
    static const char *const names[] = { "batch_norm", "batch_norm_mask" };
    for (int i = 0; i < 2; i++) {
        reel_tape *t = new_tape();
        reel_layer norm = reel_batch_norm(
            t, "n", 3, (reel_batch_norm_options){ .momentum = 0.2, .epsilon = 1e-3 });
        char first[32];
        snprintf(first, sizeof first, "%s_0", names[i]);
        const double start[] = { 0, 0, 0, 1, 1, 1 };
        golden_write_params(t, of(first));
        reel_write_param_f64(reel_find_param(t, "n.running_mean"), start, 3);
        reel_write_param_f64(reel_find_param(t, "n.running_variance"), start + 3, 3);
        reel_param(t, "x", REEL_SHAPE(4, 2, 3), reel_zeros());
        for (int step = 0; step < 4; step++) {
            expect_batch_norm_step(t, norm, names[i], step);
        }
        expect_clean(t);
    }
}

Test(transforms, what_batch_norm_leaves_out_never_matters)
{
    const double x[] = { 1, 2, NAN, INFINITY, 3, 5, NAN, NAN };
    const float mask[] = { 1, 0, 1, 0 };
    double y[2][8], gain[2][2];
    for (int i = 0; i < 2; i++) {
        reel_tape *t = new_tape();
        reel_layer norm = reel_batch_norm(t, "n", 2, (reel_batch_norm_options){ 0 });
        double numbers[8];
        for (int k = 0; k < 8; k++) {
            numbers[k] = i && !isfinite(x[k]) ? 7 : x[k];
        }
        reel_var v = reel_batch_norm_apply(reel_input_f64(t, REEL_SHAPE(2, 2, 2), numbers), norm,
                                           reel_input(t, REEL_SHAPE(2, 2), mask));
        reel_backward(reel_sum_all(reel_square(v)));
        cr_assert_eq(reel_read_f64(v, y[i], 8), REEL_OK);
        reel_read_grad_f64(reel_find_param(t, "n.gain"), gain[i], 2);
        cr_expect(y[i][2] == 0 && y[i][3] == 0 && isfinite(gain[i][0]));
        expect_clean(t);
    }
    cr_expect_arr_eq(y[0], y[1], sizeof y[0]);
    cr_expect_arr_eq(gain[0], gain[1], sizeof gain[0]);
}

Test(transforms, batch_norm_of_nothing_is_zeros_and_moves_nothing)
{
    reel_tape *t = new_tape();
    reel_layer norm = reel_batch_norm(t, "n", 2, (reel_batch_norm_options){ 0 });
    const double x[] = { 1, 2, 3, 4 };
    reel_var v = reel_batch_norm_apply(reel_input_f64(t, REEL_SHAPE(2, 2), x), norm,
                                       reel_fill(t, REEL_SHAPE(2), 0));
    cr_expect_eq(reel_item(reel_sum_all(reel_abs(v))), 0);
    cr_expect_eq(reel_batch_norm_update(norm), REEL_OK);
    cr_expect_eq(reel_item(reel_sum_all(reel_find_param(t, "n.running_mean"))), 0);
    cr_expect_eq(reel_item(reel_sum_all(reel_find_param(t, "n.running_variance"))), 2);
    reel_rewind(t);
    cr_expect_eq(reel_batch_norm_update(norm), REEL_OK, "nothing was applied since the rewind");
    reel_var none = reel_apply(norm, reel_fill(t, REEL_SHAPE(0, 3, 2), 0));
    cr_expect_eq(reel_shape_of(none).dim[0], 0);
    expect_clean(t);
}

Test(transforms, running_statistics_survive_the_optimisers_step)
{
    reel_tape *t = new_tape();
    reel_layer norm = reel_batch_norm(t, "n", 2, (reel_batch_norm_options){ .momentum = 1 });
    reel_param(t, "x", REEL_SHAPE(8, 2), reel_normal(3, 2));
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 0.1 });
    double mean = reel_item(reel_mean_all(reel_find_param(t, "x")));
    reel_backward(reel_mean_all(reel_square(reel_apply(norm, reel_find_param(t, "x")))));
    reel_optimizer_step(adam);
    cr_expect_eq(reel_batch_norm_update(norm), REEL_OK);
    double seen = reel_item(reel_mean_all(reel_find_param(t, "n.running_mean")));
    cr_expect_float_eq(seen, mean, 1e-12, "%g, expected %g", seen, mean);
    expect_clean(t);
}

Test(transforms, masked_steps_are_zero_and_learn_nothing)
{
    reel_tape *t = new_tape();
    static const int32_t lengths[] = { 2, 0 };
    const double numbers[] = { 1, NAN, 2, NAN, NAN, NAN };
    reel_var x = reel_param(t, "x", REEL_SHAPE(3, 2, 1), reel_zeros());
    reel_write_param_f64(x, numbers, 6);
    reel_var y = reel_mask_steps(x, lengths);
    reel_backward(reel_sum_all(reel_square(y)));
    double value[6], gradient[6];
    reel_read_f64(y, value, 6);
    reel_read_grad_f64(x, gradient, 6);
    const double expected[] = { 1, 0, 2, 0, 0, 0 };
    for (int i = 0; i < 6; i++) {
        cr_expect(value[i] == expected[i] && gradient[i] == 2 * expected[i], "[%d]", i);
    }
    expect_clean(t);
}

/* ---- convolution and pooling ----------------------------------------------------------------- */

static void expect_conv(const char *name, int64_t kernel, reel_conv1d_options options)
{
    reel_tape *t = new_tape();
    golden_case at = of(name);
    reel_layer conv = reel_conv1d(t, "c", 4, 6, kernel, options);
    golden_write_params(t, at);
    reel_var x = golden_param(t, at, "x"), y = reel_apply(conv, x);
    expect_case(t, at, y);
    cr_expect_eq(reel_conv1d_steps(reel_shape_of(x).dim[0], kernel, options),
                 reel_shape_of(y).dim[0]);
    expect_clean(t);
}

Test(transforms, convolution_is_torchs_with_stride_dilation_groups_and_padding)
{
    expect_conv("conv", 3, (reel_conv1d_options){ 0 });
    expect_conv("conv_stride", 3, (reel_conv1d_options){ .stride = 2 });
    expect_conv("conv_stride_3_kernel_5", 5, (reel_conv1d_options){ .stride = 3 });
    expect_conv("conv_dilation", 3, (reel_conv1d_options){ .dilation = 2 });
    expect_conv("conv_stride_dilation", 3, (reel_conv1d_options){ .stride = 2, .dilation = 3 });
    expect_conv("conv_groups", 3, (reel_conv1d_options){ .groups = 2 });
    expect_conv("conv_one", 1, (reel_conv1d_options){ 0 });
    expect_conv("conv_same", 3, (reel_conv1d_options){ .padding = REEL_SAME });
    expect_conv("conv_same_even", 4, (reel_conv1d_options){ .padding = REEL_SAME });
    expect_conv("conv_same_stride", 5, (reel_conv1d_options){ .stride = 2, .padding = REEL_SAME });
    expect_conv("conv_causal", 3, (reel_conv1d_options){ .dilation = 2, .padding = REEL_CAUSAL });
    expect_conv("conv_torch_same", 4, (reel_conv1d_options){ .dilation = 3, .padding = REEL_SAME });
}

typedef reel_var (*pooling)(reel_var, int64_t, reel_conv1d_options);

static void expect_pool(const char *name, pooling pool, int64_t kernel, reel_conv1d_options options)
{
    reel_tape *t = new_tape();
    golden_case at = of(name);
    expect_case(t, at, pool(golden_param(t, at, "x"), kernel, options));
    expect_clean(t);
}

Test(transforms, pooling_is_torchs)
{
    reel_conv1d_options plain = { 0 }, by_2 = { .stride = 2 };
    expect_pool("max_pool", reel_max_pool1d, 2, plain);
    expect_pool("max_pool_stride", reel_max_pool1d, 3, by_2);
    expect_pool("max_pool_same", reel_max_pool1d, 3,
                (reel_conv1d_options){ .stride = 1, .padding = REEL_SAME });
    expect_pool("max_pool_dilation", reel_max_pool1d, 3,
                (reel_conv1d_options){ .stride = 1, .dilation = 2 });
    expect_pool("mean_pool", reel_mean_pool1d, 2, plain);
    expect_pool("mean_pool_stride", reel_mean_pool1d, 3, by_2);
    expect_pool("mean_pool_same", reel_mean_pool1d, 3,
                (reel_conv1d_options){ .stride = 2, .padding = REEL_SAME });
}

Test(transforms, too_few_steps_for_a_window_give_no_steps)
{
    reel_tape *t = new_tape();
    reel_layer conv = reel_conv1d(t, "c", 2, 3, 5, (reel_conv1d_options){ 0 });
    reel_var x = reel_fill(t, REEL_SHAPE(4, 2, 2), 1);
    cr_expect(reel_shape_equal(reel_shape_of(reel_apply(conv, x)), REEL_SHAPE(0, 2, 3)));
    reel_var pooled = reel_max_pool1d(x, 5, (reel_conv1d_options){ 0 });
    cr_expect(reel_shape_equal(reel_shape_of(pooled), REEL_SHAPE(0, 2, 2)));
    pooled = reel_mean_pool1d(x, 5, (reel_conv1d_options){ 0 });
    cr_expect(reel_shape_equal(reel_shape_of(pooled), REEL_SHAPE(0, 2, 2)));
    cr_expect_eq(reel_conv1d_steps(4, 5, (reel_conv1d_options){ 0 }), 0);
    cr_expect_eq(reel_conv1d_steps(0, 3, (reel_conv1d_options){ .padding = REEL_SAME }), 0);
    expect_clean(t);
}

Test(transforms, a_causal_convolution_does_not_see_what_comes)
{
    reel_tape *t = new_tape();
    reel_conv1d_options causal = { .dilation = 2, .padding = REEL_CAUSAL };
    reel_layer conv = reel_conv1d(t, "c", 1, 1, 3, causal);
    reel_var x = reel_param(t, "x", REEL_SHAPE(6, 1, 1), reel_normal(0, 1));
    reel_backward(reel_sum_all(reel_at(reel_apply(conv, x), 4)));
    double gradient[6];
    reel_read_grad_f64(x, gradient, 6);
    for (int i = 0; i < 6; i++) {
        cr_expect_eq(gradient[i] != 0, i == 0 || i == 2 || i == 4, "[%d]: %g", i, gradient[i]);
    }
    expect_clean(t);
}

/* ---- positions ------------------------------------------------------------------------------- */

Test(transforms, sinusoidal_positions_are_vaswanis)
{
    reel_tape *t = new_tape();
    expect_case(t, of("sinusoidal"), reel_sinusoidal_positions(t, 6, 4, 0, 0));
    expect_case(t, of("sinusoidal_odd"), reel_sinusoidal_positions(t, 3, 5, 100, 50));
    cr_expect_eq(reel_shape_of(reel_sinusoidal_positions(t, 0, 4, 0, 0)).dim[0], 0);
    expect_clean(t);
}

Test(transforms, rotary_positions_turn_pairs)
{
    reel_tape *t = new_tape();
    golden_case at = of("rotary");
    expect_case(t, at, reel_rotary(golden_input(t, at, "x"), (reel_rotary_options){ 0 }));
    at = of("rotary_halves");
    reel_rotary_options options = { .first = 7, .base = 100, .halves = true };
    expect_case(t, at, reel_rotary(golden_input(t, at, "x"), options));
    expect_clean(t);
}

/* Rows of q and k alike: every product q_i·k_j depends on i - j alone. */
Test(transforms, rotary_products_depend_on_the_distance_alone)
{
    reel_tape *t = new_tape();
    reel_var one = reel_param(t, "one", REEL_SHAPE(1, 8), reel_normal(0, 1));
    reel_var x = reel_rotary(reel_expand(one, REEL_SHAPE(5, 8)), (reel_rotary_options){ 0 });
    double products[25];
    reel_matmul_options by_row = { .transpose_b = true };
    reel_read_f64(reel_matmul_ex(x, x, by_row), products, 25);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            cr_expect_float_eq(products[5 * i + j], products[5 * (i + 1) + j + 1], 1e-12);
        }
    }
    expect_clean(t);
}

Test(transforms, learned_positions_are_added_to_every_row)
{
    reel_tape *t = new_tape();
    reel_layer positions = reel_learned_positions(t, "p", 4, 2);
    const double table[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    reel_var rows = reel_find_param(t, "p.table");
    reel_write_param_f64(rows, table, 8);
    reel_var y = reel_apply(positions, reel_fill(t, REEL_SHAPE(3, 2, 2), 10));
    reel_backward(reel_sum_all(y));
    double value[12], gradient[8];
    reel_read_f64(y, value, 12);
    reel_read_grad_f64(rows, gradient, 8);
    for (int i = 0; i < 12; i++) {
        cr_expect_eq(value[i], 10 + table[i / 4 * 2 + i % 2]);
    }
    for (int i = 0; i < 8; i++) {
        cr_expect_eq(gradient[i], i < 6 ? 2 : 0);
    }
    expect_clean(t);
}

/* ---- tied output ----------------------------------------------------------------------------- */

Test(transforms, a_tied_output_reads_and_teaches_the_embeddings_table)
{
    reel_tape *t = new_tape();
    reel_layer words = reel_embedding(t, "words", 3, 2, (reel_embedding_options){ 0 });
    reel_layer out = reel_tied_output(t, "out", words, (reel_tied_output_options){ 0 });
    const double table[] = { 1, 2, 3, 4, 5, 6 }, bias[] = { 0, 10, 20 };
    const int32_t index[] = { 2 };
    reel_write_param_f64(reel_find_param(t, "words.table"), table, 6);
    reel_write_param_f64(reel_find_param(t, "out.b"), bias, 3);
    reel_var y = reel_apply(out, reel_apply(words, reel_indices(t, REEL_SHAPE(1), index)));
    double logits[3], gradient[6];
    cr_assert_eq(reel_read_f64(y, logits, 3), REEL_OK);
    cr_expect(logits[0] == 17 && logits[1] == 39 + 10 && logits[2] == 61 + 20);
    reel_backward(reel_sum_all(reel_slice(y, 1, 0, 1)));
    reel_read_grad_f64(reel_find_param(t, "words.table"), gradient, 6);
    const double expected[] = { 5, 6, 0, 0, 1, 2 };
    cr_expect_arr_eq(gradient, expected, sizeof expected);
    cr_expect_eq(reel_param_count(t), 2);
    expect_clean(t);
}

/* ---- derivatives ----------------------------------------------------------------------------- */

typedef struct {
    reel_layer conv, norm, words, out;
} stack;

static reel_var loss_of_stack(reel_tape *t, void *self)
{
    stack *s = self;
    const float mask[] = { 1, 1, 1, 0, 0, 1 };
    const int32_t index[] = { 0, 2, 1, 1, 2, 0 };
    reel_conv1d_options by_1 = { .stride = 1 };
    reel_var x = reel_add(reel_find_param(t, "x"),
                          reel_apply(s->words, reel_indices(t, REEL_SHAPE(6, 1), index)));
    x = reel_rotary(x, (reel_rotary_options){ 0 });
    x = reel_apply(s->conv, x);
    x = reel_batch_norm_apply(x, s->norm, reel_input(t, REEL_SHAPE(6, 1), mask));
    x = reel_rms_norm(x, reel_find_param(t, "gain"), 0);
    x = reel_add(reel_max_pool1d(x, 2, by_1), reel_mean_pool1d(x, 2, by_1));
    return reel_mean_all(reel_square(reel_apply(s->out, reel_tanh(x))));
}

Test(transforms, first_and_second_derivatives_are_right)
{
    reel_tape *t = new_tape();
    reel_conv1d_options same = { .padding = REEL_SAME, .groups = 2 };
    stack s = { .conv = reel_conv1d(t, "conv", 4, 4, 3, same),
                .norm = reel_batch_norm(t, "norm", 4, (reel_batch_norm_options){ 0 }),
                .words = reel_embedding(t, "words", 3, 4, (reel_embedding_options){ 0 }) };
    s.out = reel_tied_output(t, "out", s.words, (reel_tied_output_options){ 0 });
    reel_param(t, "x", REEL_SHAPE(6, 1, 4), reel_normal(0, 1));
    reel_param(t, "gain", REEL_SHAPE(4), reel_normal(0, 1));
    reel_gradcheck_report report;
    bool passed = reel_gradcheck(t, loss_of_stack, &s,
                                 (reel_gradcheck_options){ .order = 2, .directions = 8 }, &report);
    cr_expect(passed, "%zu of %zu differ, worst %g (%s)", report.failed, report.compared,
              report.worst_relative_error, report.message);
    expect_clean(t);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "at transforms.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(transforms, misuse_of_normalisation_is_named)
{
    reel_tape *t = new_tape();
    reel_var x = reel_fill(t, REEL_SHAPE(4, 3), 1);
    reel_rms_norm(x, (reel_var){ 0 }, -1);
    expect_error(t, "epsilon is -1, must be at least 0");
    reel_batch_norm(t, "n", 0, (reel_batch_norm_options){ 0 });
    expect_error(t, "width is 0, must be at least 1");
    reel_batch_norm(t, "n", 2, (reel_batch_norm_options){ .momentum = 2 });
    expect_error(t, "momentum is 2, must be in [0, 1]");
    reel_layer norm = reel_batch_norm(t, "n", 2, (reel_batch_norm_options){ 0 });
    reel_apply(norm, x);
    expect_error(t, "x is [4,3], expected [..., 2]");
    reel_batch_norm_apply(reel_fill(t, REEL_SHAPE(4, 2), 1), norm, x);
    expect_error(t, "mask is [4,3], expected [4]");
    reel_batch_norm_apply(x, (reel_layer){ 0 }, (reel_var){ 0 });
    expect_error(t, "the layer is not a reel_batch_norm");
    cr_expect_eq(reel_batch_norm_update((reel_layer){ 0 }), REEL_BAD_ARGUMENT);
    static const int32_t lengths[] = { 1, 5, 2 };
    reel_mask_steps(x, lengths);
    expect_error(t, "lengths[1] = 5 is outside 0 … 4");
    reel_mask_steps(x, NULL);
    expect_error(t, "lengths are NULL");
    expect_clean(t);
}

Test(transforms, misuse_of_windows_and_positions_is_named)
{
    reel_tape *t = new_tape();
    reel_var x = reel_fill(t, REEL_SHAPE(4, 3), 1);
    reel_conv1d(t, "c", 3, 4, 2, (reel_conv1d_options){ .groups = 2 });
    expect_error(t, "in 3 and out 4 are not multiples of 2 groups");
    reel_conv1d(t, "c", 3, 4, 0, (reel_conv1d_options){ 0 });
    expect_error(t, "kernel is 0, must be at least 1");
    reel_conv1d(t, "c", 3, 4, 1, (reel_conv1d_options){ .stride = -1 });
    expect_error(t, "stride is -1, must be at least 1");
    reel_conv1d(t, "c", 3, 4, 1, (reel_conv1d_options){ .padding = (reel_padding)7 });
    expect_error(t, "there is no padding 7");
    reel_apply(reel_conv1d(t, "c", 3, 4, 2, (reel_conv1d_options){ 0 }), x);
    expect_error(t, "x is [4,3], expected [steps, batch, 3]");
    reel_max_pool1d(x, 0, (reel_conv1d_options){ 0 });
    expect_error(t, "kernel is 0, must be at least 1");
    reel_mean_pool1d(reel_scalar(t, 1), 1, (reel_conv1d_options){ 0 });
    expect_error(t, "x is [], expected [steps, …]");
    reel_rotary(x, (reel_rotary_options){ 0 });
    expect_error(t, "x is [4,3], expected [steps, …, an even width]");
    reel_sinusoidal_positions(t, 3, 4, -1, 0);
    expect_error(t, "first is -1, must be at least 0");
    reel_sinusoidal_positions(t, 3, 4, 0, 0.5);
    expect_error(t, "base is 0.5, must be greater than 1");
    reel_layer positions = reel_learned_positions(t, "p", 2, 3);
    reel_apply(positions, reel_fill(t, REEL_SHAPE(3, 1, 3), 0));
    expect_error(t, "x is [3,1,3], expected [at most 2, batch, 3]");
    reel_tied_output(t, "o", positions, (reel_tied_output_options){ 0 });
    expect_error(t, "the layer is not a reel_embedding");
    expect_clean(t);
}
