/* Attention step by step against loops written from the papers (golden/attention.py), and what must
 * hold whatever the numbers are. */
#include <math.h>
#include <string.h>

#include "support/attention_data.h"

/* ---- the recurrent kinds against their papers ------------------------------------------------ */

typedef struct {
    reel_var context, weights; /* [asked, batch, ...] */
} asked;

static asked ask_all(const reel_memory *memory, reel_var queries)
{
    reel_var context[ASKED], weights[ASKED], state[REEL_ATTENTION_STATES] = { { 0 } };
    for (int i = 0; i < ASKED; i++) {
        reel_attended seen = reel_attend(reel_at(queries, i), memory, state);
        context[i] = seen.context;
        weights[i] = seen.weights;
    }
    return (asked){ reel_stack_n(0, ASKED, context), reel_stack_n(0, ASKED, weights) };
}

static void expect_kind(reel_tape *t, const char *name, reel_attention attention)
{
    golden_case at = { "attention.txt", name };
    int32_t room[8];
    golden_write_params(t, at);
    reel_memory memory =
        reel_memorize(golden_param(t, at, "memory"), attention, lengths_of(at, room));
    asked out = ask_all(&memory, golden_param(t, at, "queries"));
    reel_backward(reel_add(weighted(out.context, golden_input(t, at, "u:context")),
                           weighted(out.weights, golden_input(t, at, "u:weights"))));
    expect_near(golden_distance(at, "context", out.context), name, "context");
    expect_near(golden_distance(at, "weights", out.weights), name, "weights");
    expect_all_gradients(t, at);
    expect_clean(t);
}

static void expect_additive(const char *name, reel_additive_options options)
{
    reel_tape *t = new_tape();
    expect_kind(t, name, reel_additive_attention(t, "a", QUERY, MEMORY, WIDTH, options));
}

Test(attention, additive_attention_is_bahdanaus_with_coverage_and_filters)
{
    expect_additive("additive", (reel_additive_options){ 0 });
    expect_additive("additive_smooth", (reel_additive_options){ .smooth = true });
    expect_additive("coverage", (reel_additive_options){ .coverage = true });
    expect_additive("location", (reel_additive_options){ .filters = 3, .kernel = 5 });
    expect_additive("location_cumulative",
                    (reel_additive_options){ .filters = 3, .kernel = 5, .cumulative = true });
    expect_additive("location_coverage",
                    (reel_additive_options){ .filters = 3, .kernel = 5, .coverage = true });
}

static void expect_luong(const char *name, reel_luong_options options)
{
    reel_tape *t = new_tape();
    expect_kind(t, name, reel_luong_attention(t, "a", QUERY, MEMORY, options));
}

Test(attention, multiplicative_attention_is_luongs_with_every_score_and_window)
{
    expect_luong("dot", (reel_luong_options){ .score = REEL_DOT });
    expect_luong("scaled", (reel_luong_options){ .score = REEL_DOT, .scaled = true });
    expect_luong("general", (reel_luong_options){ .score = REEL_GENERAL });
    expect_luong("concat", (reel_luong_options){ .score = REEL_CONCAT, .width = WIDTH });
    expect_luong("local_m", (reel_luong_options){ .window = REEL_LOCAL_M, .half_width = 1 });
    expect_luong("local_p", (reel_luong_options){
                                .score = REEL_GENERAL, .window = REEL_LOCAL_P, .half_width = 2 });
}

static void expect_monotonic(const char *name, bool training)
{
    reel_tape *t = new_tape();
    reel_set_training(t, training);
    reel_monotonic_options options = { 0 };
    expect_kind(t, name, reel_monotonic_attention(t, "a", QUERY, MEMORY, WIDTH, options));
}

Test(attention, monotonic_attention_is_raffels_expected_and_hard)
{
    expect_monotonic("monotonic", true);
    expect_monotonic("monotonic_hard", false);
}

Test(attention, looking_again_costs_coverage)
{
    reel_tape *t = new_tape();
    golden_case at = { "attention.txt", "coverage_loss" };
    reel_var weights = golden_param(t, at, "weights"), mask = golden_input(t, at, "mask");
    reel_var loss = reel_coverage_loss(weights, mask);
    reel_backward(reel_mul(loss, golden_input(t, at, "u:loss")));
    expect_near(golden_distance(at, "loss", loss), "coverage_loss", "loss");
    expect_all_gradients(t, at);
    reel_var none = reel_fill(t, REEL_SHAPE(4, 2), 0);
    cr_expect_eq(reel_item(reel_coverage_loss(weights, none)), 0);
    expect_clean(t);
}

/* ---- every kind ------------------------------------------------------------------------------ */

enum { KINDS = 9, MOST = 2048 };

static reel_attention kind(reel_tape *t, int which)
{
    reel_additive_options all = { .coverage = true, .filters = 2, .kernel = 3 };
    reel_luong_options local = { .window = REEL_LOCAL_M, .half_width = 2 };
    reel_luong_options placed = { .score = REEL_GENERAL, .window = REEL_LOCAL_P, .half_width = 3 };
    switch (which) {
    case 0:
        return reel_additive_attention(t, "a", QUERY, MEMORY, WIDTH, (reel_additive_options){ 0 });
    case 1:
        return reel_additive_attention(t, "a", QUERY, MEMORY, WIDTH, all);
    case 2:
        return reel_location_attention(t, "a", QUERY, MEMORY, WIDTH,
                                       (reel_additive_options){ .smooth = true });
    case 3:
        return reel_luong_attention(t, "a", QUERY, MEMORY, (reel_luong_options){ .scaled = true });
    case 4:
        return reel_luong_attention(t, "a", QUERY, MEMORY,
                                    (reel_luong_options){ .score = REEL_GENERAL });
    case 5:
        return reel_luong_attention(t, "a", QUERY, MEMORY,
                                    (reel_luong_options){ .score = REEL_CONCAT });
    case 6:
        return reel_luong_attention(t, "a", QUERY, MEMORY, local);
    case 7:
        return reel_luong_attention(t, "a", QUERY, MEMORY, placed);
    default:
        return reel_monotonic_attention(t, "a", QUERY, MEMORY, WIDTH,
                                        (reel_monotonic_options){ .r = REEL_ZERO });
    }
}

typedef struct {
    reel_attention attention;
    const int32_t *lengths;
} subject;

static reel_var loss_of_kind(reel_tape *t, void *self)
{
    const subject *s = self;
    reel_memory memory = reel_memorize(reel_find_param(t, "memory"), s->attention, s->lengths);
    asked out = ask_all(&memory, reel_find_param(t, "queries"));
    return reel_add(reel_sum_all(reel_square(out.context)), reel_sum_all(reel_square(out.weights)));
}

Test(attention, first_and_second_derivatives_of_every_kind_are_right)
{
    static const int32_t lengths[BATCH] = { 5, 0, 3 };
    for (int which = 0; which < KINDS; which++) {
        reel_tape *t = new_tape();
        subject s = { kind(t, which), lengths };
        add_data(t);
        reel_gradcheck_report report;
        bool passed = reel_gradcheck(
            t, loss_of_kind, &s, (reel_gradcheck_options){ .order = 2, .directions = 6 }, &report);
        cr_expect(passed, "kind %d: %zu of %zu differ, worst %g (%s)", which, report.failed,
                  report.compared, report.worst_relative_error, report.message);
        expect_clean(t);
    }
}

/* The loss and all gradients, in one list. */
static size_t everything(reel_tape *t, subject *s, double out[MOST])
{
    reel_rewind(t);
    reel_zero_grad(t);
    reel_var loss = loss_of_kind(t, s);
    reel_backward(loss);
    size_t count = 0;
    out[count++] = reel_item(loss);
    for (size_t i = 0; i < reel_param_count(t); i++) {
        size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, i)));
        cr_assert(count + n <= MOST);
        cr_assert_eq(reel_read_grad_f64(reel_param_at(t, i), out + count, n), REEL_OK);
        count += n;
    }
    return count;
}

Test(attention, nothing_gets_out_of_the_padding_of_a_memory)
{
    static const int32_t lengths[BATCH] = { 5, 0, 3 };
    for (int which = 0; which < KINDS; which++) {
        reel_tape *t = new_tape();
        subject s = { kind(t, which), lengths };
        add_data(t);
        double with_zeros[MOST], with_nan[MOST];
        fill_padding(t, lengths, 0);
        size_t count = everything(t, &s, with_zeros);
        fill_padding(t, lengths, NAN);
        cr_assert_eq(everything(t, &s, with_nan), count);
        for (size_t i = 0; i < count; i++) {
            cr_expect(isfinite(with_zeros[i]), "kind %d, [%zu]", which, i);
            cr_expect_eq(with_zeros[i], with_nan[i], "kind %d, [%zu]: %g and %g", which, i,
                         with_zeros[i], with_nan[i]);
        }
        expect_clean(t);
    }
}

/* Row `row` of [asked, batch, n] against row 0 of [asked, 1, m], m ≤ n. */
static void expect_same_row(reel_var all, reel_var one, int row, int which)
{
    reel_shape a = reel_shape_of(all), b = reel_shape_of(one);
    double left[256], right[256];
    cr_assert_eq(reel_read_f64(all, left, (size_t)reel_shape_size(a)), REEL_OK);
    cr_assert_eq(reel_read_f64(one, right, (size_t)reel_shape_size(b)), REEL_OK);
    for (int64_t q = 0; q < ASKED; q++) {
        for (int64_t i = 0; i < b.dim[2]; i++) {
            double difference = left[(q * BATCH + row) * a.dim[2] + i] - right[q * b.dim[2] + i];
            cr_expect(fabs(difference) < 1e-12, "kind %d, row %d: off by %g", which, row,
                      difference);
        }
    }
}

Test(attention, a_padded_batch_attends_as_each_of_its_rows_alone)
{
    static const int32_t lengths[BATCH] = { 5, 1, 3 };
    for (int which = 0; which < KINDS; which++) {
        reel_tape *t = new_tape();
        reel_attention attention = kind(t, which);
        add_data(t);
        reel_var x = reel_find_param(t, "memory"), queries = reel_find_param(t, "queries");
        reel_memory memory = reel_memorize(x, attention, lengths);
        asked together = ask_all(&memory, queries);
        for (int row = 0; row < BATCH; row++) {
            reel_var own = reel_slice(reel_slice(x, 1, row, row + 1), 0, 0, lengths[row]);
            reel_memory alone = reel_memorize(own, attention, NULL);
            asked single = ask_all(&alone, reel_slice(queries, 1, row, row + 1));
            expect_same_row(together.context, single.context, row, which);
            expect_same_row(together.weights, single.weights, row, which);
        }
        expect_clean(t);
    }
}

Test(attention, an_empty_memory_gives_zeros)
{
    static const int32_t lengths[BATCH] = { 0, 0, 0 };
    for (int which = 0; which < KINDS; which++) {
        reel_tape *t = new_tape();
        reel_attention attention = kind(t, which);
        add_data(t);
        for (int has_steps = 0; has_steps < 2; has_steps++) {
            reel_var x = reel_slice(reel_find_param(t, "memory"), 0, 0, has_steps ? STEPS : 0);
            reel_memory memory = reel_memorize(x, attention, has_steps ? lengths : NULL);
            asked out = ask_all(&memory, reel_find_param(t, "queries"));
            cr_expect_eq(reel_item(reel_sum_all(reel_abs(out.context))), 0, "kind %d", which);
            cr_expect_eq(reel_item(reel_sum_all(reel_abs(out.weights))), 0, "kind %d", which);
        }
        expect_clean(t);
    }
}

/* ---- a cell that attends --------------------------------------------------------------------- */

enum { HIDDEN = QUERY, IN = 2 };

typedef struct {
    reel_cell inner;
    reel_attention attention;
    reel_attention_cell_options options;
} decoder;

static reel_rollout decode(reel_tape *t, const decoder *d, const int32_t *lengths)
{
    reel_memory memory = reel_memorize(reel_find_param(t, "memory"), d->attention, lengths);
    reel_cell cell = reel_attention_cell(d->inner, memory, d->options);
    return reel_unroll(cell, reel_find_param(t, "x"), (reel_unroll_options){ .all_states = true });
}

static reel_var loss_of_decoder(reel_tape *t, void *self)
{
    static const int32_t lengths[BATCH] = { 4, 5, 2 };
    return reel_mean_all(reel_square(decode(t, self, lengths).outputs));
}

Test(attention, the_cell_is_its_parts_step_by_step)
{
    static const int32_t lengths[BATCH] = { 4, 5, 2 };
    reel_tape *t = new_tape();
    decoder d = { reel_lstm(t, "lstm", IN + MEMORY, HIDDEN, (reel_lstm_options){ 0 }),
                  kind(t, 1),
                  { .joined = true, .weights = true } };
    add_data(t);
    reel_var x = reel_param(t, "x", REEL_SHAPE(ASKED, BATCH, IN), reel_normal(0, 1));
    reel_rollout r = decode(t, &d, lengths);
    reel_memory memory = reel_memorize(reel_find_param(t, "memory"), d.attention, lengths);
    reel_var zero = reel_fill(t, REEL_SHAPE(BATCH, HIDDEN), 0), state[] = { zero, zero };
    reel_var seen_before[REEL_ATTENTION_STATES] = { { 0 } };
    for (int i = 0; i < ASKED; i++) {
        reel_attended seen = reel_attend(state[0], &memory, seen_before);
        reel_var in = reel_concat(-1, reel_at(x, i), seen.context);
        reel_var h = d.inner.step(d.inner.self, in, state);
        reel_var expected = reel_concat(-1, h, seen.context);
        reel_var off = reel_sub(reel_at(r.outputs, i), expected);
        cr_expect_lt(reel_item(reel_max_all(reel_abs(off))), 1e-13);
        off = reel_sub(reel_at(r.states[4], i), seen.weights);
        cr_expect_lt(reel_item(reel_max_all(reel_abs(off))), 1e-13);
    }
    expect_clean(t);
}

Test(attention, the_cell_takes_every_kind_before_or_after_with_input_feeding)
{
    for (int which = 0; which < KINDS; which++) {
        reel_tape *t = new_tape();
        decoder d = { reel_gru(t, "gru", IN + HIDDEN, HIDDEN, (reel_gru_options){ 0 }),
                      kind(t, which),
                      { .after = true, .feed = HIDDEN, .weights = true } };
        reel_dense_options squashed = { .activation = REEL_TANH };
        d.options.combine = reel_dense(t, "combine", HIDDEN + MEMORY, HIDDEN, squashed);
        if (which % 2) {
            d.options.after = false;
            d.inner = reel_gru(t, "wide", IN + HIDDEN + MEMORY, HIDDEN, (reel_gru_options){ 0 });
        }
        add_data(t);
        reel_param(t, "x", REEL_SHAPE(ASKED, BATCH, IN), reel_normal(0, 1));
        reel_gradcheck_report report;
        bool passed =
            reel_gradcheck(t, loss_of_decoder, &d,
                           (reel_gradcheck_options){ .order = 2, .directions = 3 }, &report);
        cr_expect(passed, "kind %d: %zu of %zu differ, worst %g (%s)", which, report.failed,
                  report.compared, report.worst_relative_error, report.message);
        expect_clean(t);
    }
}

/* ---- a program's own kind -------------------------------------------------------------------- */

static reel_var equally(void *self, const reel_memory *memory, reel_var query, reel_var state[])
{
    (void)self;
    (void)state;
    reel_var none = reel_fill(query.tape, REEL_SHAPE(memory->batch, memory->steps), 0);
    return reel_attention_softmax(none, memory);
}

Test(attention, a_programs_own_kind_is_a_struct_with_one_function)
{
    static const int32_t lengths[BATCH] = { 5, 1, 2 };
    reel_tape *t = new_tape();
    add_data(t);
    reel_memory memory =
        reel_memorize(reel_find_param(t, "memory"), (reel_attention){ .weigh = equally }, lengths);
    double weights[BATCH * STEPS];
    reel_var query = reel_at(reel_find_param(t, "queries"), 0);
    reel_read_f64(reel_attend(query, &memory, NULL).weights, weights, BATCH * STEPS);
    for (int i = 0; i < BATCH * STEPS; i++) {
        int length = lengths[i / STEPS];
        cr_expect_float_eq(weights[i], i % STEPS < length ? 1.0 / length : 0, 1e-15);
    }
    expect_clean(t);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "at attention.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(attention, a_bad_memory_or_query_is_named)
{
    reel_tape *t = new_tape();
    reel_attention dot = reel_luong_attention(t, "a", QUERY, MEMORY, (reel_luong_options){ 0 });
    add_data(t);
    reel_var x = reel_find_param(t, "memory");
    static const int32_t long_one[] = { 5, 6, 0 }, negative[] = { 0, 1, -2 };
    reel_memorize(x, dot, long_one);
    expect_error(t, "lengths[1] = 6 is outside 0 … 5");
    reel_memorize(x, dot, negative);
    expect_error(t, "lengths[2] = -2 is outside 0 … 5");
    reel_memorize(reel_at(x, 0), dot, NULL);
    expect_error(t, "memory is [3,4], expected [steps, batch, width]");
    cr_expect_eq(reel_memorize(x, (reel_attention){ 0 }, NULL).values.id, 0);
    expect_error(t, "the attention has no weigh function");
    reel_memory memory = reel_memorize(x, dot, NULL);
    reel_attend(reel_fill(t, REEL_SHAPE(2, QUERY), 0), &memory, NULL);
    expect_error(t, "query is [2,4], expected [3, width]");
    reel_attend(reel_fill(t, REEL_SHAPE(BATCH, 7), 0), &memory, NULL);
    expect_error(t, "[3,7,1]");
    reel_attention counting =
        reel_luong_attention(t, "b", QUERY, MEMORY, (reel_luong_options){ .window = REEL_LOCAL_M });
    memory = reel_memorize(x, counting, NULL);
    reel_var query = reel_fill(t, REEL_SHAPE(BATCH, QUERY), 0);
    reel_attend(query, &memory, NULL);
    expect_error(t, "the attention has 1 states, state is NULL");
    reel_attend(query, &memory, &query);
    expect_error(t, "state[0] is [3,4], expected [3,1]");
    expect_clean(t);
}

Test(attention, bad_options_are_named)
{
    reel_tape *t = new_tape();
    reel_additive_attention(t, "a", 0, 1, 1, (reel_additive_options){ 0 });
    expect_error(t, "additive_attention");
    reel_additive_attention(t, "a", 1, 1, 1, (reel_additive_options){ .filters = -1 });
    expect_error(t, "filters is -1, must be at least 0");
    reel_location_attention(t, "a", 1, 1, 1, (reel_additive_options){ .kernel = 4 });
    expect_error(t, "kernel is 4, must be odd");
    reel_luong_attention(t, "a", 2, 3, (reel_luong_options){ 0 });
    expect_error(t, "query is 2 and memory 3, REEL_DOT needs one width");
    reel_luong_attention(t, "a", 2, 2, (reel_luong_options){ .score = (reel_luong_score)9 });
    expect_error(t, "there is no score 9");
    reel_luong_attention(t, "a", 2, 2, (reel_luong_options){ .window = (reel_luong_window)9 });
    expect_error(t, "there is no window 9");
    reel_monotonic_attention(t, "a", 2, 2, 2, (reel_monotonic_options){ .noise = -1 });
    expect_error(t, "noise is -1, must be at least 0");
    reel_var square = reel_fill(t, REEL_SHAPE(3, 4), 1);
    reel_coverage_loss(square, square);
    expect_error(t, "weights are [3,4], expected [queries, batch, steps]");
    reel_coverage_loss(reel_fill(t, REEL_SHAPE(5, 3, 4), 1), square);
    expect_error(t, "mask is [3,4], expected [5,3]");
    cr_expect_eq(reel_param_count(t), 0);
    expect_clean(t);
}

/* Which outputs a variational mask leaves, as bits; all steps agree. */
static unsigned kept_of(reel_cell cell, reel_var x)
{
    double y[STEPS * BATCH * HIDDEN];
    reel_var outputs = reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs;
    cr_assert_eq(reel_read_f64(outputs, y, STEPS * BATCH * HIDDEN), REEL_OK, "%s",
                 reel_tape_error(x.tape));
    unsigned kept = 0;
    for (int i = 0; i < BATCH * HIDDEN; i++) {
        kept |= (unsigned)(y[i] != 0) << i;
        for (int step = 1; step < STEPS; step++) {
            cr_expect_eq(y[step * BATCH * HIDDEN + i] != 0, y[i] != 0);
        }
    }
    return kept;
}

Test(attention, masks_inside_a_cell_that_attends_are_drawn_anew_for_each_sequence)
{
    reel_tape *t = new_tape();
    cr_assert_leq(BATCH * HIDDEN, 32);
    reel_luong_options general = { .score = REEL_GENERAL };
    reel_attention attention = reel_luong_attention(t, "a", HIDDEN, MEMORY, general);
    reel_cell gru = reel_gru(t, "gru", IN + MEMORY, HIDDEN, (reel_gru_options){ 0 });
    reel_cell inner = reel_dropout_cell(
        t, gru, (reel_dropout_cell_options){ .output = 0.5, .variational = true });
    add_data(t);
    reel_memory memory = reel_memorize(reel_find_param(t, "memory"), attention, NULL);
    reel_cell cell = reel_attention_cell(inner, memory, (reel_attention_cell_options){ 0 });
    reel_var x = reel_random_normal(t, REEL_SHAPE(STEPS, BATCH, IN), 0, 1);
    unsigned seen[4], different = 0;
    for (int i = 0; i < 4; i++) {
        seen[i] = kept_of(cell, x);
        different += i > 0 && seen[i] != seen[i - 1];
    }
    cr_expect_eq(different, 3);
    expect_clean(t);
}

Test(attention, a_cell_that_cannot_attend_is_refused)
{
    reel_tape *t = new_tape();
    reel_cell gru = reel_gru(t, "gru", IN, HIDDEN, (reel_gru_options){ 0 });
    reel_attention dot = reel_luong_attention(t, "a", QUERY, MEMORY, (reel_luong_options){ 0 });
    add_data(t);
    reel_memory memory = reel_memorize(reel_find_param(t, "memory"), dot, NULL);
    cr_expect_null(
        reel_attention_cell((reel_cell){ 0 }, memory, (reel_attention_cell_options){ 0 }).step);
    expect_error(t, "the inner cell has no step function");
    reel_attention_cell(gru, memory, (reel_attention_cell_options){ .feed = -1 });
    expect_error(t, "feed is -1, must be at least 0");
    gru.states = 8;
    reel_attention_cell(gru, memory, (reel_attention_cell_options){ .weights = true });
    expect_error(t, "9 states in all, at most 8");
    expect_clean(t);
}
