/* What is random in wrappers: rate, scale, how long a mask lasts, and that evaluation is free of
 * it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reel.h"
#include "support/more_cells.h"

enum { STEPS = 8, BATCH = 50, WIDTH = 200, MANY = STEPS * BATCH * WIDTH };

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 3 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static double *read_all(reel_var v)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(v));
    double *out = calloc(n + 1, sizeof *out);
    cr_assert_eq(reel_read_f64(v, out, n), REEL_OK, "%s", reel_tape_error(v.tape));
    return out;
}

/* Puts out x, and keeps state[0] as it is. */
static reel_var echo_step(void *self, reel_var x, reel_var state[])
{
    (void)self, (void)state;
    return x;
}

/* Puts out the state. */
static reel_var tell_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    reel_var y = state[0];
    state[0] = reel_fill(x.tape, reel_shape_of(x), 1);
    return y;
}

/* x·W with a name for W, and x by the name "g" */
static reel_var named_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    reel_var W = reel_probe(reel_find_param(x.tape, "W"), "W_h");
    return state[0] = reel_matmul(reel_probe(x, "g"), W);
}

static reel_cell plain(reel_var (*step)(void *, reel_var, reel_var[]))
{
    return (reel_cell){ .step = step, .states = 1, .width = { WIDTH } };
}

static reel_var ones(reel_tape *t)
{
    return reel_fill(t, REEL_SHAPE(STEPS, BATCH, WIDTH), 1);
}

static reel_var outputs(reel_cell cell, reel_var x)
{
    reel_unroll_options options = { .initial = { reel_fill(x.tape, REEL_SHAPE(BATCH, WIDTH), 1) } };
    return reel_unroll(cell, x, options).outputs;
}

/* The share of zeros; everything else is 1/(1 - p). */
static double rate(const double *v, size_t n, double p)
{
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++) {
        zeros += v[i] == 0;
        cr_assert(v[i] == 0 || fabs(v[i] - 1 / (1 - p)) < 1e-12, "%g", v[i]);
    }
    return (double)zeros / (double)n;
}

static bool steps_are_alike(const double *v)
{
    size_t step = BATCH * WIDTH;
    for (size_t t = 1; t < STEPS; t++) {
        if (memcmp(v, v + t * step, step * sizeof *v) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- dropout --------------------------------------------------------------------------------- */

static void expect_masks(reel_dropout_cell_options options,
                         reel_var (*step)(void *, reel_var, reel_var[]), double p)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_dropout_cell(t, plain(step), options);
    double *v = read_all(outputs(cell, ones(t)));
    double *again = read_all(outputs(cell, ones(t)));
    cr_expect(fabs(rate(v, MANY, p) - p) < 0.02, "rate %g of %g", rate(v, MANY, p), p);
    cr_expect_eq(steps_are_alike(v), options.variational);
    cr_expect(memcmp(v, again, MANY * sizeof *v) != 0, "another sequence has another mask");
    reel_set_training(t, false);
    double *off = read_all(outputs(cell, ones(t)));
    cr_expect_eq(rate(off, MANY, 0), 0, "nothing is dropped in evaluation");
    free(v);
    free(again);
    free(off);
    expect_clean(t);
}

Test(wrappers, dropout_has_its_rate_and_scale_and_one_mask_a_sequence_where_promised)
{
    for (int variational = 0; variational < 2; variational++) {
        expect_masks((reel_dropout_cell_options){ .input = 0.3, .variational = variational },
                     echo_step, 0.3);
        expect_masks((reel_dropout_cell_options){ .output = 0.6, .variational = variational },
                     echo_step, 0.6);
        expect_masks((reel_dropout_cell_options){ .state = 0.4, .variational = variational },
                     tell_step, 0.4);
    }
}

Test(wrappers, a_mask_reaches_through_wrappers_and_stacks_and_lasts_a_loop_of_ones_own)
{
    reel_tape *t = new_tape();
    reel_dropout_cell_options options = { .input = 0.5, .variational = true };
    reel_cell inner = reel_dropout_cell(t, plain(echo_step), options);
    reel_cell cells[] = { plain(echo_step), reel_scope(t, "upper", inner) };
    reel_cell stack = reel_stack_cells(t, 2, cells, (reel_stack_options){ 0 });
    double *v = read_all(outputs(stack, ones(t))), *other = read_all(outputs(stack, ones(t)));
    cr_expect(steps_are_alike(v));
    cr_expect(memcmp(v, other, MANY * sizeof *v) != 0);

    reel_var x = reel_fill(t, REEL_SHAPE(BATCH, WIDTH), 1), state[] = { x, x };
    reel_begin_sequence(stack);
    reel_var first = stack.step(stack.self, x, state), second = stack.step(stack.self, x, state);
    reel_begin_sequence(stack);
    reel_var third = stack.step(stack.self, x, state);
    double *a = read_all(first), *b = read_all(second), *c = read_all(third);
    cr_expect(memcmp(a, b, BATCH * WIDTH * sizeof *a) == 0);
    cr_expect(memcmp(a, c, BATCH * WIDTH * sizeof *a) != 0);
    free(v), free(other), free(a), free(b), free(c);
    expect_clean(t);
}

typedef struct {
    reel_cell inner;
    int begun;
} counting;

static reel_var counting_step(void *self, reel_var x, reel_var state[])
{
    const counting *c = self;
    return c->inner.step(c->inner.self, x, state);
}

static void count_beginning(void *self)
{
    ((counting *)self)->begun++;
}

Test(wrappers, a_programs_own_wrapper_is_told_of_each_sequence_and_so_is_what_it_wraps)
{
    reel_tape *t = new_tape();
    reel_dropout_cell_options options = { .input = 0.5, .variational = true };
    counting mine = { .inner = reel_dropout_cell(t, plain(echo_step), options) };
    reel_cell outer = plain(counting_step);
    outer.self = &mine;
    reel_cell cell = reel_residual(t, reel_wrap(t, outer, count_beginning, 1, &mine.inner));
    double *a = read_all(outputs(cell, ones(t))), *b = read_all(outputs(cell, ones(t)));
    cr_expect_eq(mine.begun, 2);
    cr_expect(steps_are_alike(a));
    cr_expect(memcmp(a, b, MANY * sizeof *a) != 0, "the mask inside is another one");
    cr_expect_null(reel_wrap(t, (reel_cell){ 0 }, NULL, 1, &mine.inner).step);
    cr_expect(strstr(reel_tape_error(t), "the cell has no step function"));
    reel_tape_clear(t);
    cr_expect_null(reel_wrap(t, outer, NULL, -1, NULL).step);
    cr_expect(strstr(reel_tape_error(t), "-1 inner cells"));
    reel_tape_clear(t);
    free(a), free(b);
    expect_clean(t);
}

Test(wrappers, a_rewind_and_another_batch_size_draw_new_masks)
{
    reel_tape *t = new_tape();
    reel_dropout_cell_options options = { .input = 0.5, .variational = true };
    reel_cell cell = reel_dropout_cell(t, plain(echo_step), options);
    for (int64_t batch = 1; batch < 5; batch++) {
        reel_var x = reel_fill(t, REEL_SHAPE(batch, 3), 1), state[] = { x };
        cr_expect(cell.step(cell.self, x, state).id != 0);
        reel_rewind(t);
        x = reel_fill(t, REEL_SHAPE(batch, 3), 1);
        cr_expect(cell.step(cell.self, x, state).id != 0);
    }
    expect_clean(t);
}

Test(wrappers, dropout_between_layers_is_fresh_each_step_or_one_a_sequence)
{
    for (int variational = 0; variational < 2; variational++) {
        reel_tape *t = new_tape();
        reel_stack_options between = { .dropout = 0.5, .variational = variational };
        reel_cell cells[] = { plain(echo_step), plain(echo_step) };
        reel_recurrent_layer layers[] = { { cells[0] }, { cells[1] } };
        reel_cell stack = reel_stack_cells(t, 2, cells, between);
        double *v = read_all(outputs(stack, ones(t)));
        double *w = read_all(reel_unroll_layers(
            2, layers, ones(t), (reel_unroll_layers_options){ .between = between }, NULL));
        cr_expect(fabs(rate(v, MANY, 0.5) - 0.5) < 0.02 && fabs(rate(w, MANY, 0.5) - 0.5) < 0.02);
        cr_expect_eq(steps_are_alike(v), variational);
        cr_expect_eq(steps_are_alike(w), variational);
        free(v), free(w);
        expect_clean(t);
    }
}

Test(wrappers, variational_dropout_of_a_sequence_has_one_mask_for_all_steps)
{
    reel_tape *t = new_tape();
    double *v = read_all(reel_variational_dropout(ones(t), 0.25));
    cr_expect(steps_are_alike(v));
    cr_expect(fabs(rate(v, MANY, 0.25) - 0.25) < 0.02);
    reel_set_training(t, false);
    reel_var x = ones(t);
    cr_expect_eq(reel_variational_dropout(x, 0.25).id, x.id);
    free(v);
    expect_clean(t);
}

/* ---- inside the cell ------------------------------------------------------------------------- */

Test(wrappers, update_dropout_drops_the_value_of_that_name_alone)
{
    for (int variational = 0; variational < 2; variational++) {
        reel_tape *t = new_tape();
        double *eye = calloc(WIDTH * WIDTH, sizeof *eye);
        for (int i = 0; i < WIDTH; i++) {
            eye[i * WIDTH + i] = 1;
        }
        reel_var W = reel_param(t, "W", REEL_SHAPE(WIDTH, WIDTH), reel_zeros());
        reel_write_param_f64(W, eye, WIDTH * WIDTH);
        reel_update_dropout_options options = { .variational = variational };
        reel_cell cell = reel_update_dropout(t, plain(named_step), "g", 0.3, options);
        double *v = read_all(outputs(cell, ones(t)));
        cr_expect(fabs(rate(v, MANY, 0.3) - 0.3) < 0.02);
        cr_expect_eq(steps_are_alike(v), variational);
        free(v), free(eye);
        expect_clean(t);
    }
}

/* Semeniuta et al. 2016: c' = f∘c + i∘d(g), written out with the mask read back. */
Test(wrappers, update_dropout_of_an_lstm_never_touches_what_the_cell_remembers)
{
    reel_tape *t = new_tape();
    reel_cell lstm = reel_lstm(t, "lstm", 3, 4, (reel_lstm_options){ 0 });
    reel_cell cell = reel_update_dropout(t, lstm, "g", 0.5, (reel_update_dropout_options){ 0 });
    reel_watch(t, true);
    reel_var x = reel_random_normal(t, REEL_SHAPE(1, 2, 3), 0, 1);
    reel_var c = reel_random_normal(t, REEL_SHAPE(2, 4), 0, 1);
    reel_unroll_options options = { .initial = { reel_fill(t, REEL_SHAPE(2, 4), 0.2), c } };
    reel_rollout r = reel_unroll(cell, x, options);
    double *f = read_all(reel_watched(t, "f")), *i = read_all(reel_watched(t, "i"));
    double *g = read_all(reel_watched(t, "g")), *old = read_all(c), *next = read_all(r.state[1]);
    int dropped = 0;
    for (int k = 0; k < 8; k++) {
        dropped += g[k] == 0;
        cr_expect_float_eq(next[k], f[k] * old[k] + i[k] * g[k], 1e-14);
    }
    cr_expect(dropped > 0 && dropped < 8);
    free(f), free(i), free(g), free(old), free(next);
    expect_clean(t);
}

Test(wrappers, weight_drop_thins_the_matrix_once_a_sequence)
{
    reel_tape *t = new_tape();
    reel_param(t, "W", REEL_SHAPE(WIDTH, WIDTH), reel_constant(1.0 / WIDTH));
    reel_cell cell = reel_weight_drop(t, plain(named_step), "W_h", 0.5);
    double *v = read_all(outputs(cell, ones(t))), mean = 0, spread = 0;
    cr_expect(steps_are_alike(v), "one mask a sequence");
    cr_expect(memcmp(v, v + WIDTH, WIDTH * sizeof *v) == 0, "and for all rows");
    for (int i = 0; i < WIDTH; i++) {
        mean += v[i] / WIDTH;
        spread += (v[i] - 1) * (v[i] - 1) / WIDTH;
    }
    cr_expect_float_eq(mean, 1, 0.02);
    cr_expect(spread > 0.001 && spread < 0.01, "binomial: about 1/200, got %g", spread);
    reel_set_training(t, false);
    double *off = read_all(outputs(cell, ones(t)));
    cr_expect_float_eq(off[0], 1, 1e-12);
    free(v), free(off);
    expect_clean(t);
}

Test(wrappers, weight_drop_works_on_every_built_in_cell_and_passes_gradients)
{
    reel_tape *t = new_tape();
    reel_cell cells[] = {
        reel_rnn(t, "rnn", 4, 4, (reel_rnn_options){ 0 }),
        reel_lstm(t, "lstm", 4, 4, (reel_lstm_options){ .layer_norm = true }),
        reel_gru(t, "gru", 4, 4, (reel_gru_options){ 0 }),
        reel_gru(t, "after", 4, 4, (reel_gru_options){ .reset_after = true }),
    };
    static const char *const name[] = { "rnn.W_h", "lstm.W_h", "gru.W_h", "after.W_h" };
    for (int k = 0; k < 4; k++) {
        reel_cell cell = reel_weight_drop(t, cells[k], "W_h", 0.5);
        reel_var x = reel_random_normal(t, REEL_SHAPE(5, 2, 4), 0, 1);
        reel_var W = reel_find_param(t, name[k]);
        reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
        size_t n = (size_t)reel_shape_size(reel_shape_of(W)), zeros = 0;
        double *d = read_all(reel_gradient(reel_sum_all(reel_square(r.outputs)), W));
        for (size_t i = 0; i < n; i++) {
            zeros += d[i] == 0;
        }
        cr_expect(zeros > n / 5 && zeros < 4 * n / 5, "%s: %zu of %zu are zero", name[k], zeros, n);
        free(d);
    }
    expect_clean(t);
}

/* How many numbers of dΣoutputs²/dW_h are zero, of a row that is long enough for every gate. */
static size_t zeros_of_gradient(reel_tape *t, reel_cell cell, int64_t in, reel_var W_h)
{
    reel_var x = reel_random_normal(t, REEL_SHAPE(9, 3, in), 1, 1);
    reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
    size_t n = (size_t)reel_shape_size(reel_shape_of(W_h)), zeros = 0;
    double *d = read_all(reel_gradient(reel_sum_all(reel_square(r.outputs)), W_h));
    for (size_t i = 0; i < n; i++) {
        zeros += d[i] == 0;
    }
    free(d);
    return zeros;
}

Test(wrappers, weight_drop_works_on_the_further_cells_that_have_a_recurrent_matrix)
{
    int met = 0;
    for (int k = 0; k < more_cells_count; k++) {
        reel_tape *t = new_tape();
        const more_cell *c = &more_cells[k];
        reel_cell cell = c->make(t);
        reel_var W_h = reel_find_param(t, "cell.W_h");
        if (!W_h.tape || !W_h.id) {
            reel_tape_free(t);
            continue;
        }
        size_t n = (size_t)reel_shape_size(reel_shape_of(W_h));
        size_t plain_zeros = zeros_of_gradient(t, cell, c->in, W_h);
        reel_cell dropped = reel_weight_drop(t, cell, "W_h", 0.5);
        size_t zeros = zeros_of_gradient(t, dropped, c->in, W_h);
        cr_expect(zeros > plain_zeros + n / 6 && zeros < n, "%s: %zu of %zu are zero, %zu without",
                  c->name, zeros, n, plain_zeros);
        met++;
        expect_clean(t);
    }
    cr_expect_geq(met, 12);
}

Test(wrappers, a_name_that_is_not_there_is_an_error)
{
    reel_tape *t = new_tape();
    reel_cell rnn = reel_rnn(t, "rnn", 3, 4, (reel_rnn_options){ 0 });
    reel_cell cell = reel_update_dropout(t, rnn, "g", 0.5, (reel_update_dropout_options){ 0 });
    reel_unroll(cell, reel_fill(t, REEL_SHAPE(2, 1, 3), 1), (reel_unroll_options){ 0 });
    cr_expect(strstr(reel_tape_error(t), "no value \"g\" is named in the cell"), "%s",
              reel_tape_error(t));
    reel_tape_free(t);
}

/* ---- zoneout --------------------------------------------------------------------------------- */

/* The state counts its steps. */
static reel_var count_step(void *self, reel_var x, reel_var state[])
{
    (void)self, (void)x;
    return state[0] = reel_shift(state[0], 1);
}

Test(wrappers, zoneout_keeps_old_values_at_its_rate_and_blends_in_evaluation)
{
    reel_tape *t = new_tape();
    reel_zoneout_options options = { .probability = { 0.3 } };
    reel_cell cell = reel_zoneout(t, plain(count_step), options);
    double *v = read_all(outputs(cell, ones(t)));
    size_t stayed = 0, step = BATCH * WIDTH;
    for (size_t i = step; i < MANY; i++) {
        double moved = v[i] - v[i - step];
        cr_assert(moved == 0 || moved == 1);
        stayed += moved == 0;
    }
    cr_expect_float_eq((double)stayed / (double)(MANY - step), 0.3, 0.02);
    reel_set_training(t, false);
    double *mean = read_all(outputs(cell, ones(t)));
    cr_expect_float_eq(mean[0], 1 + 0.7, 1e-14);
    cr_expect_float_eq(mean[(STEPS - 1) * step], 1 + STEPS * 0.7, 1e-13);
    free(v), free(mean);
    expect_clean(t);
}
