/* views.c: views of views, what is joined from them, and the gradients of both. The expected
 * numbers are the elements' own positions: every tensor here counts 0, 1, 2, … in row-major order.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "graph/op.h"
#include "ops/ops.h"

/* ---- what the tests share ------------------------------------------------------------------ */

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 3, .threads = 1 });
}

static reel_var counting(reel_tape *t, reel_shape shape)
{
    double values[512];
    for (int i = 0; i < 512; i++) {
        values[i] = i;
    }
    return reel_input_f64(t, shape, values);
}

static void expect_values(reel_var v, size_t n, const double *expected)
{
    double *got = calloc(n, sizeof *got);
    cr_assert_eq(reel_read_f64(v, got, n), REEL_OK, "%s", reel_tape_error(v.tape));
    for (size_t i = 0; i < n; i++) {
        cr_expect_eq(got[i], expected[i], "[%zu]: %g, expected %g", i, got[i], expected[i]);
    }
    free(got);
}
#define EXPECT_VALUES(v, ...)                                                                      \
    expect_values((v), sizeof((double[]){ __VA_ARGS__ }) / sizeof(double),                         \
                  (double[]){ __VA_ARGS__ })

static void expect_shape(reel_var v, reel_shape expected)
{
    cr_expect(reel_shape_equal(reel_shape_of(v), expected), "%s, expected %s",
              REEL_SHAPE_TEXT(reel_shape_of(v)), REEL_SHAPE_TEXT(expected));
}

static void expect_error(reel_tape *t, reel_status status, const char *message)
{
    cr_expect_eq(reel_tape_status(t), status);
    cr_expect_str_eq(reel_tape_error(t), message);
    reel_tape_clear(t);
}

/* ---- views of views ------------------------------------------------------------------------ */

Test(views, of_views_compose)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(2, 3, 4));
    EXPECT_VALUES(reel_at(reel_transpose(x, 0, 2), 1), 1, 13, 5, 17, 9, 21);
    EXPECT_VALUES(reel_slice(reel_at(x, 1), 1, 1, 3), 13, 14, 17, 18, 21, 22);
    EXPECT_VALUES(reel_at(reel_at(reel_permute_n(x, 3, (int[]){ 2, 0, 1 }), -1), 0), 3, 7, 11);
    EXPECT_VALUES(reel_slice(reel_slice(x, 2, 1, 4), 2, 1, 2), 2, 6, 10, 14, 18, 22);
    EXPECT_VALUES(reel_at(reel_unsqueeze(reel_at(x, 0), 1), 2), 8, 9, 10, 11);
    reel_tape_free(t);
}

Test(views, flips_of_flips_slices_and_transposes)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(3, 4));
    reel_var backwards = reel_flip(x, 0);
    EXPECT_VALUES(reel_at(backwards, 0), 8, 9, 10, 11);
    EXPECT_VALUES(reel_slice(backwards, 0, 1, 3), 4, 5, 6, 7, 0, 1, 2, 3);
    EXPECT_VALUES(reel_flip(reel_slice(backwards, 0, 1, 3), 0), 0, 1, 2, 3, 4, 5, 6, 7);
    EXPECT_VALUES(reel_at(reel_flip(reel_transpose(backwards, 0, 1), 0), 0), 11, 7, 3);
    EXPECT_VALUES(reel_flip(backwards, 1), 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    reel_tape_free(t);
}

Test(views, reshape_of_strided_values_reads_them_in_row_major_order)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(2, 3));
    EXPECT_VALUES(reel_reshape(reel_transpose(x, 0, 1), REEL_SHAPE(6)), 0, 3, 1, 4, 2, 5);
    EXPECT_VALUES(reel_reshape(reel_flip(x, 0), REEL_SHAPE(-1)), 3, 4, 5, 0, 1, 2);
    EXPECT_VALUES(reel_reshape(reel_slice(x, 1, 0, 2), REEL_SHAPE(4, 1)), 0, 1, 3, 4);
    reel_var rows =
        reel_reshape(reel_expand(reel_slice(x, 0, 0, 1), REEL_SHAPE(2, 3)), REEL_SHAPE(6));
    EXPECT_VALUES(rows, 0, 1, 2, 0, 1, 2);
    reel_tape_free(t);
}

/* Strides express these; the view rule alone decides, so it is asked directly. */
Test(views, reshape_moves_nothing_where_strides_can_express_it)
{
    const reel_op *reshape = reel_op_named("reshape");
    reel_shape x = REEL_SHAPE(4, 6), split = REEL_SHAPE(2, 2, 3, 1, 2), whole = REEL_SHAPE(24);
    int64_t padded[] = { 10, 1 }, backwards[] = { 6, -1 }, stride[REEL_MAX_RANK], offset = 7;
    cr_expect(reshape->view(NULL, &x, padded, &split, &offset, stride));
    cr_expect_eq(offset, 0);
    cr_expect(stride[0] == 20 && stride[1] == 10 && stride[2] == 2 && stride[4] == 1);
    cr_expect_not(reshape->view(NULL, &x, padded, &whole, &offset, stride));
    cr_expect(reshape->view(NULL, &x, backwards, &split, &offset, stride));
    cr_expect(stride[2] == -2 && stride[4] == -1);
    cr_expect_not(reshape->view(NULL, &x, backwards, &whole, &offset, stride));
}

Test(views, of_indices_are_indices)
{
    reel_tape *t = new_tape();
    reel_var indices = reel_indices(t, REEL_SHAPE(3, 2), (const int32_t[]){ 0, 1, 2, 3, 4, 5 });
    reel_var step = reel_at(reel_flip(indices, 0), 0);
    int32_t got[2];
    cr_expect(reel_is_index(step));
    cr_expect_eq(reel_read_indices(step, got, 2), REEL_OK);
    cr_expect(got[0] == 4 && got[1] == 5);
    reel_var table = counting(t, REEL_SHAPE(6, 1));
    EXPECT_VALUES(reel_gather(table, reel_transpose(indices, 0, 1)), 0, 2, 4, 1, 3, 5);
    reel_tape_free(t);
}

Test(views, split_makes_equal_parts_and_refuses_others)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(2, 6)), part[3];
    cr_expect_eq(reel_split(x, -1, 3, part), REEL_OK);
    EXPECT_VALUES(part[1], 2, 3, 8, 9);
    cr_expect_eq(reel_split(x, 1, 4, (reel_var[4]){ { 0 } }), REEL_BAD_ARGUMENT);
    expect_error(t, REEL_BAD_ARGUMENT, "split: axis 1 of [2,6] does not split into 4 equal parts");
    cr_expect_eq(reel_split(x, 2, 2, part), REEL_BAD_ARGUMENT);
    cr_expect_eq(part[0].id, 0u);
    reel_tape_clear(t);
    cr_expect_eq(reel_split((reel_var){ t, 0 }, 0, 2, part), reel_tape_status(t));
    cr_expect_eq(part[1].id, 0u);
    reel_tape_free(t);
}

Test(views, slices_follow_python_and_may_be_empty)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(5));
    EXPECT_VALUES(reel_slice(x, 0, -3, -1), 2, 3);
    EXPECT_VALUES(reel_slice(x, 0, -2, INT64_MAX), 3, 4);
    expect_shape(reel_slice(x, 0, 5, INT64_MAX), REEL_SHAPE(0));
    expect_shape(reel_slice(x, 0, 2, 2), REEL_SHAPE(0));
    cr_expect_eq(reel_item(reel_sum_all(reel_slice(x, 0, 2, 2))), 0);
    cr_expect_eq(reel_slice(x, 0, 3, 6).id, 0u);
    expect_error(t, REEL_BAD_INDEX, "slice: slice 3:6 is outside axis 0 of [5]");
    reel_tape_free(t);
}

/* ---- joining ------------------------------------------------------------------------------- */

Test(views, are_joined_without_being_contiguous)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(2, 3));
    reel_var turned = reel_transpose(x, 0, 1), backwards = reel_flip(x, 1);
    EXPECT_VALUES(reel_concat(0, turned, reel_slice(turned, 0, 0, 1)), 0, 3, 1, 4, 2, 5, 0, 3);
    EXPECT_VALUES(reel_concat(1, x, backwards), 0, 1, 2, 2, 1, 0, 3, 4, 5, 5, 4, 3);
    EXPECT_VALUES(reel_stack(-1, x, backwards), 0, 2, 1, 1, 2, 0, 3, 5, 4, 4, 5, 3);
    EXPECT_VALUES(reel_stack(0, reel_at(x, 1), reel_at(backwards, 0)), 3, 4, 5, 2, 1, 0);
    EXPECT_VALUES(reel_pad(reel_at(turned, 1), 0, 1, 2), 0, 1, 4, 0, 0);
    EXPECT_VALUES(reel_pad(backwards, 0, 1, 0), 0, 0, 0, 2, 1, 0, 5, 4, 3);
    reel_tape_free(t);
}

Test(views, joining_nothing_is_an_absent_handle)
{
    cr_expect_null(reel_concat_n(0, 0, NULL).tape);
    cr_expect_null(reel_stack_n(0, 0, NULL).tape);
}

/* ---- gradients ----------------------------------------------------------------------------- */

/* Sum of v's elements, each times its place in v: tells the gradients of all places apart. */
static reel_var weighted(reel_var v)
{
    return reel_sum_all(reel_mul(v, counting(v.tape, reel_shape_of(v))));
}

Test(views, gradients_go_back_through_the_same_strides)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(2, 3));
    EXPECT_VALUES(reel_gradient(weighted(reel_flip(x, 1)), x), 2, 1, 0, 5, 4, 3);
    EXPECT_VALUES(reel_gradient(weighted(reel_transpose(x, 0, 1)), x), 0, 2, 4, 1, 3, 5);
    EXPECT_VALUES(reel_gradient(weighted(reel_slice(x, 1, 1, 3)), x), 0, 0, 1, 0, 2, 3);
    EXPECT_VALUES(reel_gradient(weighted(reel_at(reel_flip(x, 0), 0)), x), 0, 0, 0, 0, 1, 2);
    EXPECT_VALUES(reel_gradient(weighted(reel_reshape(reel_transpose(x, 0, 1), REEL_SHAPE(6))), x),
                  0, 2, 4, 1, 3, 5);
    EXPECT_VALUES(reel_gradient(weighted(reel_pad(x, 1, 1, 0)), x), 1, 2, 3, 5, 6, 7);
    EXPECT_VALUES(reel_gradient(weighted(reel_concat(0, x, reel_flip(x, 0))), x), 9, 11, 13, 9, 11,
                  13);
    EXPECT_VALUES(reel_gradient(weighted(reel_stack(1, x, x)), x), 3, 5, 7, 15, 17, 19);
    reel_tape_free(t);
}

Test(views, overlapping_slices_add_up_in_the_gradient)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(4));
    reel_var sum = reel_scalar(t, 0);
    for (int k = 0; k < 3; k++) {
        sum = reel_add(sum, reel_sum_all(reel_slice(x, 0, k, k + 2)));
    }
    EXPECT_VALUES(reel_gradient(sum, x), 1, 2, 2, 1);
    reel_tape_free(t);
}

Test(views, second_derivatives_pass_through_slices)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(3, 2));
    reel_var product = reel_mul(reel_at(x, 0), reel_at(reel_flip(x, 0), 0));
    reel_var first = reel_gradient(reel_sum_all(reel_square(product)), x);
    EXPECT_VALUES(first, 0, 50, 0, 0, 0, 10);
    EXPECT_VALUES(reel_gradient(reel_sum_all(first), x), 32, 70, 0, 0, 0, 22);
    reel_tape_free(t);
}

Test(views, stop_gradient_is_a_constant)
{
    reel_tape *t = new_tape();
    reel_var x = counting(t, REEL_SHAPE(3));
    reel_var y = reel_sum_all(reel_mul(x, reel_stop_gradient(x)));
    EXPECT_VALUES(reel_gradient(y, x), 0, 1, 2);
    EXPECT_VALUES(reel_gradient(reel_sum_all(reel_stop_gradient(x)), x), 0, 0, 0);
    reel_tape_free(t);
}

/* ---- ten thousand steps -------------------------------------------------------------------- */

enum { STEPS = 10000, WIDTH = 16 };

/* Scales every step of a sequence by its own number, and stacks them. */
static reel_var scale_steps(reel_var x)
{
    reel_var *step = calloc(STEPS, sizeof *step);
    for (int k = 0; k < STEPS; k++) {
        step[k] = reel_scale(reel_at(x, k), k);
    }
    reel_var stacked = reel_stack_n(0, STEPS, step);
    free(step);
    return stacked;
}

/* Work that grew with the square of the steps would move 10⁴ · 10⁴ · 16 numbers: 12.8 GB in some
 * 10⁴ buffers, where a linear sweep holds a few copies of the sequence, 1.28 MB each. */
Test(views, gradient_of_ten_thousand_steps_takes_memory_for_a_few_sequences, .timeout = 60)
{
    reel_tape *t = new_tape();
    double *values = calloc(STEPS * WIDTH, sizeof *values);
    reel_var x = reel_input_f64(t, REEL_SHAPE(STEPS, WIDTH), values);
    reel_var dx = reel_gradient(reel_sum_all(scale_steps(x)), x);
    cr_assert_eq(reel_read_f64(dx, values, STEPS * WIDTH), REEL_OK, "%s", reel_tape_error(t));
    for (int i = 0; i < STEPS * WIDTH; i++) {
        cr_assert_eq(values[i], i / WIDTH);
    }
    reel_tape_statistics statistics = reel_tape_statistics_of(t);
    cr_expect_lt(statistics.bytes_peak, 4u * STEPS * WIDTH * sizeof(double));
    cr_expect_lt(statistics.kernels, 4u * STEPS);
    free(values);
    reel_tape_free(t);
}

Test(views, gradient_of_ten_thousand_gathers_takes_memory_for_a_few_tables, .timeout = 60)
{
    reel_tape *t = new_tape();
    double values[50 * WIDTH] = { 0 };
    reel_var table = reel_input_f64(t, REEL_SHAPE(50, WIDTH), values);
    reel_var sum = reel_scalar(t, 0);
    for (int k = 0; k < STEPS; k++) {
        reel_var index = reel_indices(t, REEL_SHAPE(1), (const int32_t[]){ k % 50 });
        sum = reel_add(sum, reel_sum_all(reel_gather(table, index)));
    }
    cr_assert_eq(reel_read_f64(reel_gradient(sum, table), values, 50 * WIDTH), REEL_OK, "%s",
                 reel_tape_error(t));
    for (int i = 0; i < 50 * WIDTH; i++) {
        cr_expect_eq(values[i], STEPS / 50);
    }
    reel_tape_free(t);
}

/* ---- by index ------------------------------------------------------------------------------ */

Test(views, gradients_by_index_add_up_duplicates)
{
    reel_tape *t = new_tape();
    reel_var table = counting(t, REEL_SHAPE(3, 2));
    reel_var twice = reel_indices(t, REEL_SHAPE(3), (const int32_t[]){ 2, 0, 2 });
    EXPECT_VALUES(reel_gradient(weighted(reel_gather(table, twice)), table), 2, 3, 0, 0, 4, 6);
    EXPECT_VALUES(reel_scatter_add(table, twice, counting(t, REEL_SHAPE(3, 2))), 2, 4, 2, 3, 8, 11);
    reel_var doubled = reel_scatter_add(reel_scale(table, 2), twice, counting(t, REEL_SHAPE(3, 2)));
    EXPECT_VALUES(doubled, 2, 5, 4, 6, 12, 16);
    reel_var column = reel_indices(t, REEL_SHAPE(3), (const int32_t[]){ 1, 1, 0 });
    EXPECT_VALUES(reel_pick(table, column), 1, 3, 4);
    EXPECT_VALUES(reel_gradient(weighted(reel_pick(table, column)), table), 0, 0, 0, 1, 2, 0);
    reel_tape_free(t);
}

/* Enough rows for the threads to share them; sums of thirds round differently in another order. */
static void gather_gradient(int threads, double *out)
{
    enum { ROWS = 20000, WIDE = 8, TABLE = 64 };
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = threads });
    double table[TABLE * WIDE] = { 0 }, *third = calloc(ROWS * WIDE, sizeof *third);
    int32_t *row = calloc(ROWS, sizeof *row);
    for (int i = 0; i < ROWS * WIDE; i++) {
        third[i] = 1.0 / (3 + i);
        row[i / WIDE] = i / WIDE * 7 % TABLE;
    }
    reel_var v = reel_input_f64(t, REEL_SHAPE(TABLE, WIDE), table);
    reel_var rows = reel_gather(v, reel_indices(t, REEL_SHAPE(ROWS), row));
    reel_var weights = reel_input_f64(t, REEL_SHAPE(ROWS, WIDE), third);
    reel_var dv = reel_gradient(reel_sum_all(reel_mul(rows, weights)), v);
    cr_assert_eq(reel_read_f64(dv, out, TABLE * WIDE), REEL_OK, "%s", reel_tape_error(t));
    free(third), free(row);
    reel_tape_free(t);
}

Test(views, gradients_by_index_are_the_same_bits_with_any_number_of_threads)
{
    double one[512], three[512];
    gather_gradient(1, one);
    gather_gradient(3, three);
    cr_expect_arr_eq(one, three, sizeof one);
    cr_expect_gt(one[0], 0);
}

Test(views, an_index_found_out_of_range_while_running_is_named)
{
    reel_tape *t = new_tape();
    reel_var last = reel_argmax(counting(t, REEL_SHAPE(2, 6)), 1);
    reel_var rows = reel_gather(counting(t, REEL_SHAPE(3, 2)), last);
    double values[4];
    cr_expect_eq(reel_tape_status(t), REEL_OK);
    cr_expect_eq(reel_read_f64(rows, values, 4), REEL_BAD_INDEX);
    expect_error(t, REEL_BAD_INDEX, "gather: index 5 at position 0 is outside the table's 3 rows");
    reel_tape_free(t);
}
