/* Multi-head and scaled dot-product attention against PyTorch (golden/attention.py). */
#include <math.h>
#include <string.h>

#include "support/attention_data.h"

/* ---- multi-head attention against PyTorch --------------------------------------------------- */

static void expect_heads(const char *name, int64_t width, int64_t count,
                         reel_multi_head_options options, bool causal)
{
    reel_tape *t = new_tape();
    golden_case at = { "attention.txt", name };
    int32_t room[8];
    reel_multi_head heads = reel_multi_head_attention(t, "a", width, count, options);
    golden_write_params(t, at);
    reel_var query = golden_param(t, at, "query"), key = query, value = query;
    if (golden_has(at, "key")) {
        key = golden_param(t, at, "key");
        value = golden_param(t, at, "value");
    }
    reel_attention_mask mask = { .lengths = lengths_of(at, room), .causal = causal };
    mask.mask = golden_has(at, "mask") ? golden_input(t, at, "mask") : mask.mask;
    mask.bias = golden_has(at, "bias") ? golden_input(t, at, "bias") : mask.bias;
    reel_attended out = reel_attend_heads(query, key, value, heads, mask);
    reel_backward(reel_add(weighted(out.context, golden_input(t, at, "u:context")),
                           weighted(out.weights, golden_input(t, at, "u:weights"))));
    expect_near(golden_distance(at, "context", out.context), name, "context");
    expect_near(golden_distance(at, "weights", out.weights), name, "weights");
    expect_all_gradients(t, at);
    expect_clean(t);
}

Test(multi_head, multi_head_attention_is_torchs_with_every_mask)
{
    reel_multi_head_options plain = { 0 };
    expect_heads("heads_cross", 4, 2, plain, false);
    expect_heads("heads_self", 4, 2, plain, false);
    expect_heads("heads_self_causal", 4, 2, plain, true);
    expect_heads("heads_widths", 4, 2, (reel_multi_head_options){ .key = 3, .value = 5 }, false);
    expect_heads("heads_no_bias", 4, 4, (reel_multi_head_options){ .no_bias = true }, false);
    expect_heads("heads_lengths", 4, 2, plain, false);
    expect_heads("heads_mask", 4, 2, plain, false);
    expect_heads("heads_added", 4, 2, plain, false);
    expect_heads("heads_one", 1, 1, plain, false);
}

/* PyTorch reads padded queries, which are padded keys here: what they attend to differs, what
 * others do does not. */
Test(multi_head, causal_self_attention_with_lengths_is_torchs_at_every_step)
{
    reel_tape *t = new_tape();
    golden_case at = { "attention.txt", "heads_self_lengths_causal" };
    int32_t room[8];
    reel_multi_head heads = reel_multi_head_attention(t, "a", 4, 2, (reel_multi_head_options){ 0 });
    golden_write_params(t, at);
    reel_var x = golden_param(t, at, "query");
    reel_attention_mask mask = { .lengths = lengths_of(at, room), .causal = true };
    reel_attended out = reel_attend_heads(x, x, x, heads, mask);
    double context[36], expected[36];
    cr_assert_eq(reel_read_f64(out.context, context, 36), REEL_OK);
    cr_assert_eq(reel_read_f64(golden_input(t, at, "context"), expected, 36), REEL_OK);
    for (int i = 0; i < 36; i++) {
        bool counts = i / 12 < room[i / 4 % 3];
        cr_expect(!counts || fabs(context[i] - expected[i]) < 1e-12, "[%d]", i);
    }
    expect_clean(t);
}

/* ---- what must hold of any ------------------------------------------------------------------- */

Test(multi_head, a_query_that_sees_nothing_gets_zeros_and_zero_gradient)
{
    reel_tape *t = new_tape();
    reel_var q = reel_param(t, "q", REEL_SHAPE(2, 3), reel_normal(0, 1));
    reel_var k = reel_param(t, "k", REEL_SHAPE(4, 3), reel_normal(0, 1));
    const float shown[] = { 0, 0, 0, 0, 1, 0, 0, 1 };
    reel_dot_product_options options = { .mask = { .mask =
                                                       reel_input(t, REEL_SHAPE(2, 4), shown) } };
    reel_attended out = reel_dot_product_attention(q, k, k, options);
    reel_backward(reel_sum_all(reel_square(out.context)));
    double context[6], gradient[6];
    cr_assert_eq(reel_read_f64(out.context, context, 6), REEL_OK);
    cr_assert_eq(reel_read_grad_f64(q, gradient, 6), REEL_OK);
    for (int i = 0; i < 6; i++) {
        cr_expect(i < 3 ? context[i] == 0 && gradient[i] == 0
                        : context[i] != 0 && isfinite(gradient[i]));
    }
    expect_clean(t);
}

Test(multi_head, keys_hidden_from_all_queries_may_hold_nan)
{
    reel_tape *t = new_tape();
    const double keys[] = { 1, 2, NAN, INFINITY, 3, 1 };
    const float shown[] = { 1, 0, 1 };
    reel_var q = reel_param(t, "q", REEL_SHAPE(2, 2), reel_normal(0, 1));
    reel_var k = reel_input_f64(t, REEL_SHAPE(3, 2), keys);
    reel_dot_product_options options = { .mask = { .mask = reel_input(t, REEL_SHAPE(3), shown) } };
    reel_attended out = reel_dot_product_attention(q, k, k, options);
    reel_var loss = reel_sum_all(reel_square(out.context));
    reel_backward(loss);
    double gradient[4];
    cr_assert_eq(reel_read_grad_f64(q, gradient, 4), REEL_OK);
    cr_expect(isfinite(reel_item(loss)) && isfinite(gradient[0]) && isfinite(gradient[3]));
    expect_clean(t);
}

static reel_var loss_of_heads(reel_tape *t, void *self)
{
    static const int32_t lengths[BATCH] = { 5, 0, 3 };
    reel_attention_mask mask = { .lengths = lengths,
                                 .causal = true,
                                 .bias = reel_find_param(t, "bias") };
    reel_var x = reel_find_param(t, "memory");
    reel_attended out = reel_attend_heads(x, x, x, *(reel_multi_head *)self, mask);
    return reel_add(reel_sum_all(reel_square(out.context)), reel_sum_all(reel_square(out.weights)));
}

Test(multi_head, first_and_second_derivatives_of_multi_head_attention_are_right)
{
    reel_tape *t = new_tape();
    reel_multi_head heads =
        reel_multi_head_attention(t, "a", MEMORY, 2, (reel_multi_head_options){ .rotary = true });
    add_data(t);
    reel_param(t, "bias", REEL_SHAPE(STEPS, STEPS), reel_normal(0, 1));
    reel_gradcheck_report report;
    bool passed = reel_gradcheck(t, loss_of_heads, &heads,
                                 (reel_gradcheck_options){ .order = 2, .directions = 8 }, &report);
    cr_expect(passed, "%zu of %zu differ, worst %g (%s)", report.failed, report.compared,
              report.worst_relative_error, report.message);
    expect_clean(t);
}

Test(multi_head, nothing_gets_out_of_padded_keys)
{
    static const int32_t lengths[BATCH] = { 5, 0, 3 };
    reel_tape *t = new_tape();
    reel_multi_head heads =
        reel_multi_head_attention(t, "a", MEMORY, 2, (reel_multi_head_options){ 0 });
    add_data(t);
    reel_param(t, "bias", REEL_SHAPE(STEPS, STEPS), reel_zeros());
    double loss[2], gradient[2][MEMORY * MEMORY];
    for (int i = 0; i < 2; i++) {
        fill_padding(t, lengths, i ? NAN : 0);
        reel_rewind(t);
        reel_zero_grad(t);
        reel_var v = loss_of_heads(t, &heads);
        reel_backward(v);
        loss[i] = reel_item(v);
        reel_read_grad_f64(reel_find_param(t, "a.W_q"), gradient[i], MEMORY * MEMORY);
    }
    cr_expect(isfinite(loss[0]) && loss[0] == loss[1], "%g and %g", loss[0], loss[1]);
    cr_expect_arr_eq(gradient[0], gradient[1], sizeof gradient[0]);
    expect_clean(t);
}

Test(multi_head, dropout_of_weights_is_off_in_evaluation)
{
    reel_tape *t = new_tape();
    reel_var q = reel_param(t, "q", REEL_SHAPE(3, 4), reel_normal(0, 1));
    reel_dot_product_options dropping = { .dropout = 0.5 }, plain = { 0 };
    reel_var kept = reel_dot_product_attention(q, q, q, plain).context;
    reel_var dropped = reel_dot_product_attention(q, q, q, dropping).context;
    cr_expect_gt(reel_item(reel_max_all(reel_abs(reel_sub(kept, dropped)))), 1e-3);
    reel_set_training(t, false);
    dropped = reel_dot_product_attention(q, q, q, dropping).context;
    cr_expect_eq(reel_item(reel_max_all(reel_abs(reel_sub(kept, dropped)))), 0);
    expect_clean(t);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "at multi_head.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(multi_head, masks_of_the_wrong_shape_are_named)
{
    reel_tape *t = new_tape();
    reel_multi_head heads =
        reel_multi_head_attention(t, "a", MEMORY, 2, (reel_multi_head_options){ 0 });
    add_data(t);
    reel_var x = reel_find_param(t, "memory"), square = reel_fill(t, REEL_SHAPE(3, 4), 1);
    static const int32_t lengths[] = { 5, 9, 3 };
    reel_attend_heads(x, x, x, heads, (reel_attention_mask){ .mask = square });
    expect_error(t, "mask is [3,4], which does not broadcast to the scores [3,2,5,5]");
    reel_attend_heads(x, x, x, heads, (reel_attention_mask){ .bias = square });
    expect_error(t, "bias is [3,4], which does not broadcast to the scores [3,2,5,5]");
    reel_attend_heads(x, x, x, heads, (reel_attention_mask){ .lengths = lengths });
    expect_error(t, "lengths[1] = 9 is outside 0 … 5");
    reel_attend_heads(x, square, x, heads, (reel_attention_mask){ 0 });
    expect_error(t, "key is [3,4], expected [steps, batch, 4]");
    reel_attend_heads(x, reel_slice(x, 1, 0, 2), x, heads, (reel_attention_mask){ 0 });
    expect_error(t, "query [5,3,4], key [5,2,4] and value [5,3,4] differ in batch or steps");
    reel_attend_heads(x, x, x, (reel_multi_head){ 0 }, (reel_attention_mask){ 0 });
    expect_error(t, "there is no attention");
    reel_dot_product_attention(square, square, x, (reel_dot_product_options){ 0 });
    expect_error(t, "queries [3,4], keys [3,4] and values [5,3,4] are not");
    expect_clean(t);
}

Test(multi_head, bad_options_are_named)
{
    reel_tape *t = new_tape();
    cr_expect_null(reel_multi_head_attention(t, "a", 6, 4, (reel_multi_head_options){ 0 }).self);
    expect_error(t, "width 6 is not a multiple of 4 heads");
    reel_multi_head_attention(t, "a", 6, 2, (reel_multi_head_options){ .rotary = true });
    expect_error(t, "rotary needs heads of an even width, this is 3");
    reel_multi_head_attention(t, "a", 6, 2, (reel_multi_head_options){ .dropout = 1 });
    expect_error(t, "dropout is 1, must be in [0, 1)");
    cr_expect_eq(reel_param_count(t), 0);
    expect_clean(t);
}
