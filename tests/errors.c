/* errors.c: each misuse gives its message, word for word and with the caller's line, and leaves
 * the tape usable after reel_tape_clear. Bad shapes of each op stand in the ops' own samples,
 * see ops.c. */
#include <reel.h>

#include <criterion/criterion.h>
#include <limits.h>
#include <math.h>
#include <string.h>

/* ---- what the tests share -------------------------------------------------------------------- */

static const double six[] = { 1, 2, 3, 4, 5, 6 };

static reel_tape *new_tape(reel_dtype dtype)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 2, .threads = 1 });
    reel_var W = reel_param(t, "W", REEL_SHAPE(2, 3), reel_zeros());
    cr_assert_eq(reel_write_param_f64(W, six, 6), REEL_OK);
    return t;
}

/* The parameter is as it was, and a step of recording, differentiating and reading works. */
static void expect_usable(reel_tape *t)
{
    double values[6], gradient[6];
    reel_tape_clear(t);
    cr_assert_eq(reel_tape_status(t), REEL_OK);
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_var W = reel_find_param(t, "W"), loss = reel_sum_all(reel_square(W));
    reel_zero_grad(t);
    reel_backward(loss);
    cr_expect_eq(reel_item(loss), 91.0, "%s", reel_tape_error(t));
    cr_expect_eq(reel_read_f64(W, values, 6), REEL_OK);
    cr_expect_arr_eq(values, six, sizeof six);
    cr_expect_eq(reel_read_grad_f64(W, gradient, 6), REEL_OK);
    cr_expect_eq(gradient[5], 12.0);
}

static void expect_error_within(reel_tape *t, reel_status status, const char *op, int first_line,
                                int last_line, const char *text)
{
    char message[512];
    int line = first_line;
    do {
        snprintf(message, sizeof message, "%s at errors.c:%d: %s", op, line, text);
    } while (strcmp(message, reel_tape_error(t)) != 0 && ++line <= last_line);
    cr_expect_eq(reel_tape_status(t), status, "%s: \"%s\" instead of \"%s\"", op,
                 reel_status_text(reel_tape_status(t)), reel_status_text(status));
    cr_expect_str_eq(reel_tape_error(t), message, "\"%s\" instead of \"%s\"", reel_tape_error(t),
                     message);
    expect_usable(t);
}

static void expect_error(reel_tape *t, reel_status status, const char *op, int line,
                         const char *text)
{
    expect_error_within(t, status, op, line, line, text);
}

/* The call and what the tape `t` then says. Which of the lines of a call over several lines is its
 * line, compilers see differently. */
#define EXPECT_ERROR(status, op, text, call)                                                       \
    do {                                                                                           \
        (void)(call);                                                                              \
        expect_error_within(t, status, op, __LINE__, __LINE__ + 3, text);                          \
    } while (0)

/* The test's body runs on an f32 and on an f64 tape. */
#define TestMisuse(name)                                                                           \
    static void name(reel_tape *t);                                                                \
    Test(errors, name)                                                                             \
    {                                                                                              \
        for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {                                   \
            reel_tape *fresh = new_tape((reel_dtype)dtype);                                        \
            name(fresh);                                                                           \
            reel_tape_free(fresh);                                                                 \
        }                                                                                          \
    }                                                                                              \
    static void name(reel_tape *t)

static reel_var zeros(reel_tape *t, reel_shape shape)
{
    return reel_fill(t, shape, 0);
}

static int void_call(void)
{
    return 0;
}
#define VOID(call) ((call), void_call())

/* ---- shapes, axes, indices ------------------------------------------------------------------- */

TestMisuse(shapes_that_do_not_fit_are_named)
{
    EXPECT_ERROR(REEL_BAD_SHAPE, "matmul", "inner dimensions differ: [4,5] x [6,3]",
                 reel_matmul(zeros(t, REEL_SHAPE(4, 5)), zeros(t, REEL_SHAPE(6, 3))));
    EXPECT_ERROR(REEL_BAD_SHAPE, "add", "shapes do not broadcast: [4,5] and [3,5]",
                 reel_add(zeros(t, REEL_SHAPE(4, 5)), zeros(t, REEL_SHAPE(3, 5))));
    EXPECT_ERROR(REEL_BAD_SHAPE, "reshape", "[4,5] does not become [3,7]",
                 reel_reshape(zeros(t, REEL_SHAPE(4, 5)), REEL_SHAPE(3, 7)));
    EXPECT_ERROR(REEL_BAD_SHAPE, "expand", "[4,5] does not broadcast to [4,6]",
                 reel_expand(zeros(t, REEL_SHAPE(4, 5)), REEL_SHAPE(4, 6)));
}

TestMisuse(a_place_for_the_result_that_is_NULL_is_named)
{
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "split", "out is NULL",
                 reel_split(zeros(t, REEL_SHAPE(4, 5)), 0, 2, NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "flat_begin", "there is nowhere to put it: NULL",
                 reel_flat_begin(t, NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "spectral_radius", "radius is NULL",
                 reel_spectral_radius(zeros(t, REEL_SHAPE(4, 4)), 1, NULL));
    reel_record_on(t, NULL, NULL);
    cr_expect_str_eq(reel_tape_error(t), "record: the op is NULL");
    expect_usable(t);
    cr_expect_eq(reel_shape_from(2, NULL).rank, -1);
    cr_expect_null(reel_op_named(NULL));
    reel_detach(1, NULL);
}

TestMisuse(an_axis_that_is_not_there_is_named)
{
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "sum", "axis 2 is outside [4,5]",
                 reel_sum(zeros(t, REEL_SHAPE(4, 5)), 2));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "softmax", "axis -3 is outside [4,5]",
                 reel_softmax(zeros(t, REEL_SHAPE(4, 5)), -3));
}

TestMisuse(an_index_out_of_range_is_named_at_the_call)
{
    const int32_t rows[] = { 0, 1, 7 };
    EXPECT_ERROR(REEL_BAD_INDEX, "gather", "index 7 at position 2 is outside the table's 2 rows",
                 reel_gather(reel_find_param(t, "W"), reel_indices(t, REEL_SHAPE(3), rows)));
}

TestMisuse(an_index_out_of_range_that_was_computed_is_named_at_the_read)
{
    reel_var W = reel_find_param(t, "W");
    reel_var last = reel_argmax(W, 1); /* 2 and 2 */
    int line = __LINE__ + 1;
    reel_var rows = reel_gather(W, last);
    double out[6];
    cr_expect_eq(reel_tape_status(t), REEL_OK, "%s", reel_tape_error(t));
    cr_expect_eq(reel_read_f64(rows, out, 6), REEL_BAD_INDEX);
    expect_error(t, REEL_BAD_INDEX, "gather", line,
                 "index 2 at position 0 is outside the table's 2 rows");
}

TestMisuse(index_tensors_and_numbers_are_not_mixed_up)
{
    const int32_t one[] = { 1 };
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "tanh", "input 0 is an index tensor, where numbers are needed",
                 reel_tanh(reel_indices(t, REEL_SHAPE(1), one)));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "gather", "input 1 must be an index tensor (reel_indices)",
                 reel_gather(reel_find_param(t, "W"), reel_scalar(t, 1)));
    int32_t out[6];
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "read_indices", "the value is not an index tensor",
                 reel_read_indices(reel_find_param(t, "W"), out, 6));
}

TestMisuse(a_leaf_of_an_impossible_shape_is_refused)
{
    const float data[9] = { 0 };
    EXPECT_ERROR(REEL_BAD_SHAPE, "input", "the shape [9 axes] is out of range",
                 reel_input(t, REEL_SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), data));
    EXPECT_ERROR(REEL_BAD_SHAPE, "input", "the shape [2,-3] is out of range",
                 reel_input(t, REEL_SHAPE(2, -3), data));
    EXPECT_ERROR(REEL_BAD_SHAPE, "input_f64", "the shape [4294967296,4294967296] is out of range",
                 reel_input_f64(t, REEL_SHAPE((int64_t)1 << 32, (int64_t)1 << 32), six));
    EXPECT_ERROR(REEL_BAD_SHAPE, "param", "V: the shape [-1] is out of range",
                 reel_param(t, "V", REEL_SHAPE(-1), reel_zeros()));
    EXPECT_ERROR(REEL_BAD_SHAPE, "fill", "the result's shape [3,-1] is out of range",
                 reel_fill(t, REEL_SHAPE(3, -1), 0));
    cr_expect_eq(reel_param_count(t), 1);
}

/* ---- data ------------------------------------------------------------------------------------ */

TestMisuse(absent_data_is_refused)
{
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "input", "no data for [2,3]",
                 reel_input(t, REEL_SHAPE(2, 3), NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "input_f64", "no data for [2,3]",
                 reel_input_f64(t, REEL_SHAPE(2, 3), NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "indices", "no data for [2,3]",
                 reel_indices(t, REEL_SHAPE(2, 3), NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "read", "no room for 6 numbers",
                 reel_read(reel_find_param(t, "W"), NULL, 6));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "write_param", "no data: 6 numbers for W [2,3] of 6",
                 reel_write_param(reel_find_param(t, "W"), NULL, 6));
    cr_expect_eq(reel_shape_of(reel_input(t, REEL_SHAPE(0, 3), NULL)).rank, 2,
                 "nothing needs no data");
}

TestMisuse(a_wrong_number_of_numbers_is_refused)
{
    float narrow[7];
    double wide[7];
    reel_var W = reel_find_param(t, "W");
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "read", "5 numbers asked for, the value [2,3] holds 6",
                 reel_read(W, narrow, 5));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "read_f64", "7 numbers asked for, the value [2,3] holds 6",
                 reel_read_f64(W, wide, 7));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "item", "1 numbers asked for, the value [2,3] holds 6",
                 reel_item(W));
    cr_expect(isnan(reel_item(W)));
    reel_tape_clear(t);
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "write_param", "5 numbers given, W [2,3] holds 6",
                 reel_write_param(W, narrow, 5));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "write_param_f64", "7 numbers given, W [2,3] holds 6",
                 reel_write_param_f64(W, wide, 7));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "read_grad", "5 numbers given, W [2,3] holds 6",
                 reel_read_grad(W, narrow, 5));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "read_grad_f64", "5 numbers given, W [2,3] holds 6",
                 reel_read_grad_f64(W, wide, 5));
}

/* ---- parameters ------------------------------------------------------------------------------ */

TestMisuse(a_parameters_name_is_its_own)
{
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "param", "W exists already",
                 reel_param(t, "W", REEL_SHAPE(4), reel_zeros()));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "param", "a parameter needs a name",
                 reel_param(t, NULL, REEL_SHAPE(4), reel_zeros()));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "param", "a parameter needs a name",
                 reel_param(t, "", REEL_SHAPE(4), reel_zeros()));
    EXPECT_ERROR(REEL_NOT_FOUND, "find_param", "no parameter is called V", reel_find_param(t, "V"));
    EXPECT_ERROR(REEL_NOT_FOUND, "find_param", "no parameter is called NULL",
                 reel_find_param(t, NULL));
    EXPECT_ERROR(REEL_NOT_FOUND, "param_at", "there is no parameter 1", reel_param_at(t, 1));
    cr_expect_eq(reel_param_count(t), 1);
}

TestMisuse(only_parameters_can_be_written)
{
    reel_var value = reel_square(reel_find_param(t, "W"));
    double out[6];
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "write_param_f64", "the handle is not a parameter's",
                 reel_write_param_f64(value, six, 6));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "read_grad_f64", "the handle is not a parameter's",
                 reel_read_grad_f64(value, out, 6));
    cr_expect_null(reel_param_name(value));
}

/* ---- handles --------------------------------------------------------------------------------- */

TestMisuse(a_handle_dies_at_the_rewind)
{
    reel_var old = reel_square(reel_find_param(t, "W"));
    reel_rewind(t);
    EXPECT_ERROR(REEL_BAD_HANDLE, "tanh",
                 "a handle is from before reel_rewind; only parameters live on", reel_tanh(old));
    double out[6];
    EXPECT_ERROR(REEL_BAD_HANDLE, "read_f64",
                 "a handle is from before reel_rewind; only parameters live on",
                 reel_read_f64(old, out, 6));
    EXPECT_ERROR(REEL_BAD_HANDLE, "backward",
                 "a handle is from before reel_rewind; only parameters live on",
                 VOID(reel_backward(old)));
    reel_rewind(t);
    reel_tanh(reel_find_param(t, "W")); /* the same place in the recording, another value */
    EXPECT_ERROR(REEL_BAD_HANDLE, "tanh",
                 "a handle is from before reel_rewind; only parameters live on", reel_tanh(old));
}

TestMisuse(a_handle_belongs_to_its_tape)
{
    reel_tape *other = new_tape(REEL_F32);
    EXPECT_ERROR(REEL_BAD_HANDLE, "add", "a handle belongs to another tape",
                 reel_add(reel_find_param(t, "W"), reel_find_param(other, "W")));
    cr_expect_eq(reel_tape_status(other), REEL_OK);
    reel_tape_free(other);
}

TestMisuse(an_absent_handle_is_refused)
{
    const reel_var absent = { 0 };
    EXPECT_ERROR(REEL_BAD_HANDLE, "mul", "a handle is absent",
                 reel_mul(reel_find_param(t, "W"), absent));
    cr_expect_null(reel_tanh(absent).tape);
    cr_expect(isnan(reel_item(absent)));
    cr_expect_eq(reel_shape_of(absent).rank, -1);
    cr_expect_eq(reel_read_f64(absent, NULL, 0), REEL_BAD_HANDLE);
    cr_expect_eq(reel_write_param_f64(absent, six, 6), REEL_BAD_HANDLE);
    cr_expect_eq(reel_gradients(absent, 0, NULL, NULL), REEL_BAD_HANDLE);
    reel_backward(absent);
    expect_usable(t);
}

TestMisuse(calls_on_poisoned_handles_do_nothing_and_the_first_error_stays)
{
    reel_var bad = reel_matmul(zeros(t, REEL_SHAPE(4, 5)), zeros(t, REEL_SHAPE(6, 3)));
    int line = __LINE__ - 1;
    size_t nodes = reel_node_count(t);
    double out[6] = { 0 };
    cr_expect_eq(bad.id, 0);
    reel_var after = reel_sum_all(reel_tanh(reel_add(bad, reel_find_param(t, "W"))));
    cr_expect_eq(after.id, 0);
    cr_expect_eq(after.tape, t);
    cr_expect_eq(reel_node_count(t), nodes, "something was recorded");
    cr_expect(isnan(reel_item(after)));
    reel_backward(after);
    cr_expect_neq(reel_read_f64(after, out, 6), REEL_OK);
    cr_expect_eq(reel_shape_of(after).rank, -1);
    cr_expect_eq(reel_find_param(t, "absent").id, 0);
    expect_error(t, REEL_BAD_SHAPE, "matmul", line, "inner dimensions differ: [4,5] x [6,3]");
}

/* ---- values and derivatives ------------------------------------------------------------------ */

TestMisuse(a_value_of_older_parameters_is_never_computed_from_newer_ones)
{
    const double others[] = { 9, 9, 9, 9, 9, 9 };
    reel_var W = reel_find_param(t, "W");
    int line = __LINE__ + 1;
    reel_var unread = reel_square(W);
    reel_var loss = reel_sum_all(unread), kept = reel_keep(reel_neg(W));
    reel_write_param_f64(W, others, 6);
    double out[6];
    cr_expect_eq(reel_read_f64(kept, out, 6), REEL_OK, "%s", reel_tape_error(t));
    cr_expect_eq(out[5], -6.0);
    cr_expect(isnan(reel_item(loss)));
    reel_write_param_f64(W, six, 6);
    expect_error(t, REEL_STALE_VALUE, "square", line,
                 "it was recorded before parameter W changed and was not held; call reel_keep on "
                 "what is to be read after an update");
}

TestMisuse(only_one_number_has_a_gradient)
{
    reel_var W = reel_find_param(t, "W"), out;
    EXPECT_ERROR(REEL_BAD_SHAPE, "backward",
                 "the loss must have one element, not [2,3]; sum or average it first",
                 VOID(reel_backward(reel_square(W))));
    EXPECT_ERROR(REEL_BAD_SHAPE, "gradients",
                 "the loss must have one element, not [2,3]; sum or average it first",
                 reel_gradients(reel_square(W), 1, &W, &out));
    cr_expect_eq(out.id, 0);
    EXPECT_ERROR(REEL_NOT_DIFFERENTIABLE, "backward", "the loss is an index tensor",
                 VOID(reel_backward(reel_argmax_all(W))));
    EXPECT_ERROR(REEL_BAD_SHAPE, "vjp", "the vector is [3], the value [2,3]",
                 reel_vjp(reel_square(W), zeros(t, REEL_SHAPE(3)), 1, &W, &out));
}

TestMisuse(a_gradient_in_a_dead_handle_is_refused)
{
    reel_var old = reel_square(reel_find_param(t, "W")), out;
    reel_rewind(t);
    EXPECT_ERROR(REEL_BAD_HANDLE, "gradients",
                 "a handle is from before reel_rewind; only parameters live on",
                 reel_gradients(reel_sum_all(reel_find_param(t, "W")), 1, &old, &out));
}

TestMisuse(a_gradient_in_no_list_of_variables_is_refused)
{
    reel_var W = reel_find_param(t, "W"), y = reel_sum_all(W), out[2];
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "gradients", "2 variables and no list",
                 reel_gradients(y, 2, NULL, out));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "gradients", "1 variables and no list",
                 reel_gradients(y, 1, &W, NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "gradients", "-1 variables", reel_gradients(y, -1, &W, out));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "vjp", "1 variables and no list", reel_vjp(y, y, 1, NULL, out));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "jvp", "1 variables and no list", reel_jvp(y, 1, &W, NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "hvp", "1 variables and no list", reel_hvp(y, 1, &W, &W, NULL));
    cr_expect_eq(reel_concat_n(0, 2, NULL).id, 0);
}

TestMisuse(a_shape_of_too_many_axes_is_refused_by_expand)
{
    reel_shape nine = REEL_SHAPE(1, 1, 1, 1, 1, 1, 1, 2, 3), none = { .rank = -1 };
    EXPECT_ERROR(REEL_BAD_SHAPE, "expand", "[2,3] does not broadcast to [9 axes]",
                 reel_expand(reel_find_param(t, "W"), nine));
    EXPECT_ERROR(REEL_BAD_SHAPE, "expand", "[2,3] does not broadcast to [-1 axes]",
                 reel_expand(reel_find_param(t, "W"), none));
}

TestMisuse(what_is_absent_is_named)
{
    reel_var W = reel_find_param(t, "W");
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "attend", "memory is NULL", reel_attend(W, NULL, NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "attention_softmax", "memory is NULL",
                 reel_attention_softmax(W, NULL));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "data_take", "2 rows and no list of them",
                 reel_data_take(t, reel_data_f64(six, REEL_SHAPE(6, 1)), 2, NULL));
    cr_expect_null(reel_crf_new(NULL, "crf", 3).start.tape);
    cr_expect(isnan(reel_plateau_report(NULL, 1, 1)));
}

TestMisuse(numbers_whose_products_overflow_are_named)
{
    const int64_t huge = (int64_t)1 << 60;
    EXPECT_ERROR(REEL_BAD_SHAPE, "sinusoidal_positions", "[1152921504606846976,4] is too large",
                 reel_sinusoidal_positions(t, huge, 4, 0, 0));
    EXPECT_ERROR(REEL_BAD_ARGUMENT, "unpack", "rows are [2,3], steps 1152921504606846976, batch 4",
                 reel_unpack(reel_find_param(t, "W"), huge, 4, (const int32_t[4]){ 0 }));
    cr_expect_eq(reel_mixture_inputs((reel_mixture_options){ .components = 2, .width = huge }), 0);
    cr_expect_eq(reel_conv1d_steps(8, INT64_MAX, (reel_conv1d_options){ .dilation = 3 }), 0);
    cr_expect_not_null(reel_lbfgs(t, (reel_lbfgs_options){ .iterations = INT_MAX }));
    reel_data nine = reel_data_f64(six, REEL_SHAPE(6, 1, 1, 1, 1, 1, 1, 1, 1));
    cr_expect_eq(reel_data_rows(reel_data_slice(nine, 0, 2)), 2);
}

/* ---- NaN and infinity ------------------------------------------------------------------------ */

Test(errors, an_eager_tape_stops_at_the_first_infinity_and_says_where_it_came_from)
{
    for (int dtype = REEL_F32; dtype <= REEL_F64; dtype++) {
        reel_tape_options options = { .dtype = (reel_dtype)dtype, .eager = true, .threads = 1 };
        reel_tape *t = reel_tape_new(options);
        reel_var x = reel_input_f64(t, REEL_SHAPE(3), (const double[]){ 1, 0, 0.5 });
        reel_step_begin(t, 3);
        reel_var y = reel_log(x);
        int line = __LINE__ - 1;
        reel_step_end(t);
        cr_expect_eq(y.id, 0);
        cr_expect_eq(reel_tape_status(t), REEL_NOT_FINITE);
        char message[256];
        snprintf(message, sizeof message,
                 "log at errors.c:%d, step 3: -inf at [1]; input 0 in [0, 1]", line);
        cr_expect_str_eq(reel_tape_error(t), message, "\"%s\" instead of \"%s\"",
                         reel_tape_error(t), message);
        reel_tape_clear(t);
        cr_expect_eq(reel_item(reel_sum_all(x)), 1.5);
        reel_tape_free(t);
    }
}

TestMisuse(an_infinity_that_was_asked_for_is_not_one_that_came_up)
{
    reel_tape *eager = reel_tape_new((reel_tape_options){ .eager = true, .threads = 1 });
    reel_tape *each[] = { t, eager };
    for (int i = 0; i < 2; i++) {
        const float scores[] = { 1, 2, 3 }, hidden[] = { 0, 1, 0 };
        reel_var never = reel_fill(each[i], REEL_SHAPE(), -INFINITY);
        reel_var seen = reel_where(reel_input(each[i], REEL_SHAPE(3), hidden), never,
                                   reel_input(each[i], REEL_SHAPE(3), scores));
        reel_var y = reel_max_all(reel_softmax(seen, 0));
        cr_expect_float_eq(reel_item(y), 0.880797, 1e-5, "%s", reel_tape_error(each[i]));
        cr_expect_eq(reel_find_nan(y), REEL_OK, "%s", reel_tape_error(each[i]));
    }
    reel_tape_free(eager);
}

TestMisuse(the_origin_of_a_nan_is_found_after_the_fact)
{
    reel_var x = reel_input_f64(t, REEL_SHAPE(2), (const double[]){ 2, -1 });
    reel_var y = reel_sum_all(reel_square(reel_sqrt(x)));
    int line = __LINE__ - 1;
    char expected[256];
    snprintf(expected, sizeof expected, "sqrt at errors.c:%d: nan at [1]; input 0 in [-1, 2]",
             line);
    cr_expect(isnan(reel_item(y)));
    cr_expect_eq(reel_find_nan(y), REEL_NOT_FINITE);
    cr_expect_str_eq(reel_tape_error(t), expected, "\"%s\" instead of \"%s\"", reel_tape_error(t),
                     expected);
    reel_tape_clear(t);
    cr_expect_eq(reel_find_nan(reel_sum_all(x)), REEL_OK);
    cr_expect_str_eq(reel_tape_error(t), "");
    expect_usable(t);
}

/* ---- limits and options ---------------------------------------------------------------------- */

Test(errors, passing_the_memory_limit_is_an_error)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .memory_limit = 65536, .threads = 1 });
    reel_var large = reel_fill(t, REEL_SHAPE(1024, 1024), 2),
             small = reel_fill(t, REEL_SHAPE(4), 2);
    cr_expect(isnan(reel_item(reel_sum_all(reel_exp(large)))));
    cr_expect_eq(reel_tape_status(t), REEL_MEMORY_LIMIT);
    const char *begin = "tape at errors.c:";
    cr_expect_eq(strncmp(reel_tape_error(t), begin, strlen(begin)), 0, "%s", reel_tape_error(t));
    const char *text = "memory limit exceeded: 0 bytes in use and 4194304 asked for, limit 65536";
    cr_expect_not_null(strstr(reel_tape_error(t), text), "%s", reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_eq(reel_item(reel_sum_all(small)), 8.0, "%s", reel_tape_error(t));
    cr_expect_leq(reel_tape_statistics_of(t).bytes_peak, 65536);
    reel_tape_free(t);
}

Test(errors, a_tape_with_impossible_options_is_not_made)
{
    cr_expect_null(reel_tape_new((reel_tape_options){ .dtype = (reel_dtype)7 }));
    cr_expect_null(reel_tape_new((reel_tape_options){ .threads = -1 }));
}

Test(errors, calls_without_a_tape_do_nothing)
{
    reel_tape_free(NULL);
    reel_rewind(NULL);
    reel_tape_clear(NULL);
    reel_zero_grad(NULL);
    cr_expect_neq(reel_tape_status(NULL), REEL_OK);
    cr_expect_str_eq(reel_tape_error(NULL), "no tape");
    cr_expect_null(reel_scalar(NULL, 1).tape);
    cr_expect_null(reel_param(NULL, "W", REEL_SHAPE(2), reel_zeros()).tape);
    cr_expect_eq(reel_param_count(NULL), 0);
    cr_expect_eq(reel_node_count(NULL), 0);
}

Test(errors, every_status_has_a_text)
{
    for (int status = 0; status < REEL_STATUS_COUNT; status++) {
        cr_expect_str_neq(reel_status_text((reel_status)status), "unknown status");
    }
    cr_expect_str_eq(reel_status_text(REEL_OK), "ok");
    cr_expect_str_eq(reel_status_text((reel_status)-1), "unknown status");
    cr_expect_str_eq(reel_status_text((reel_status)99), "unknown status");
}
