/* Sight of the gradient: norms against gradients taken one by one, gates, spectral radii,
 * pictures. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reel.h"

enum { STEPS = 7, BATCH = 2, IN = 3, HIDDEN = 4 };

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 2 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

/* h' = a·h + x: the gradient of the last h in the one k steps before is a^k. */
static reel_var decay_step(void *self, reel_var x, reel_var state[])
{
    return state[0] = reel_add(reel_scale(state[0], *(const double *)self), x);
}

Test(flow, norms_are_those_of_a_recurrence_that_is_known)
{
    static const double factors[] = { 0.5, 1, 2 };
    for (int i = 0; i < 3; i++) {
        double a = factors[i];
        reel_tape *t = new_tape();
        reel_cell cell = { .self = &a, .step = decay_step, .states = 1, .width = { 3 } };
        reel_var x = reel_random_normal(t, REEL_SHAPE(STEPS, 1, 3), 0, 1);
        reel_flow_layer layer = { .name = "decay" };
        layer.rollout = reel_unroll(cell, x, (reel_unroll_options){ .all_states = true });
        reel_var loss = reel_sum_all(layer.rollout.state[0]);
        reel_flow *flow = reel_flow_new(loss, 1, &layer);
        cr_assert(flow, "%s", reel_tape_error(t));
        cr_expect_eq(flow->rows, 1);
        cr_expect_str_eq(flow->row[0].name, "decay.0");
        for (int step = 0; step < STEPS; step++) {
            double expected = sqrt(3) * pow(a, STEPS - 1 - step);
            cr_expect_float_eq(flow->row[0].norm[step], expected, 1e-12 * expected);
        }
        reel_flow_free(flow);
        expect_clean(t);
    }
}

Test(flow, layers_states_gates_and_matrices_are_all_measured)
{
    static const int32_t lengths[BATCH] = { 3, 5 };
    reel_tape *t = new_tape();
    reel_watch(t, true);
    reel_cell lstm =
        reel_scope(t, "low", reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 }));
    reel_cell gru = reel_scope(t, "high", reel_gru(t, "gru", HIDDEN, 5, (reel_gru_options){ 0 }));
    reel_unroll_options options = { .all_states = true, .lengths = lengths };
    reel_var x = reel_random_normal(t, REEL_SHAPE(STEPS, BATCH, IN), 0, 1);
    reel_flow_layer layers[2] = { { .name = "low", .W_h = reel_find_param(t, "lstm.W_h") },
                                  { .name = "high", .W_h = reel_find_param(t, "gru.W_h") } };
    layers[0].rollout = reel_unroll(lstm, x, options);
    layers[1].rollout = reel_unroll(gru, layers[0].rollout.outputs, options);
    reel_flow *flow = reel_flow_new(reel_sum_all(layers[1].rollout.outputs), 2, layers);
    cr_assert(flow, "%s", reel_tape_error(t));
    static const char *const rows[] = { "low.0", "low.1", "high.0" };
    cr_assert_eq(flow->rows, 3);
    for (int i = 0; i < 3; i++) {
        cr_expect_str_eq(flow->row[i].name, rows[i]);
        cr_expect_eq(flow->row[i].steps, STEPS);
        cr_expect_gt(flow->row[i].norm[0], 0);
    }
    cr_expect_eq(flow->row[0].norm[STEPS - 1], 0, "padding gets no gradient");
    cr_expect_eq(flow->gates, 7);
    cr_expect_str_eq(flow->gate[0].name, "low.i");
    cr_expect_eq(flow->matrices, 2);
    cr_expect_eq(flow->matrix[0].blocks, 4);
    for (int b = 0; b < 3; b++) {
        cr_expect_float_eq(flow->matrix[1].radius[b], 1, 0.01, "orthogonal: %g",
                           flow->matrix[1].radius[b]);
    }
    reel_flow_free(flow);
    expect_clean(t);
}

/* Names what it is given: numbers whose saturation is known. */
static reel_var gated_step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    reel_probe(x, "gate");
    reel_probe(reel_shift(reel_scale(x, 2), -1), "update");
    return state[0] = x;
}

Test(flow, a_gate_is_saturated_near_its_ends)
{
    static const double x[] = { 0.05, 0.5, 0.95, 0.2, 0.4, 0.5, 0.6, 0.7 };
    reel_tape *t = new_tape();
    reel_watch(t, true);
    reel_cell cell = { .step = gated_step, .states = 1, .width = { 4 } };
    reel_flow_layer layer = { .name = "gated" };
    layer.rollout = reel_unroll(cell, reel_input_f64(t, REEL_SHAPE(2, 1, 4), x),
                                (reel_unroll_options){ .all_states = true });
    reel_flow *flow = reel_flow_new(reel_sum_all(layer.rollout.outputs), 1, &layer);
    cr_assert(flow, "%s", reel_tape_error(t));
    cr_expect_eq(flow->gate[0].saturated[0], 0.5);
    cr_expect_eq(flow->gate[0].saturated[1], 0);
    cr_expect_eq(flow->gate[0].share, 0.25);
    /* of 2x - 1 only the two at ±0.9 are near an end, and just not beyond it */
    cr_expect_leq(flow->gate[1].share, 0.25);
    reel_flow_free(flow);
    expect_clean(t);
}

static double radius_of(const double *W, int64_t n)
{
    reel_tape *t = new_tape();
    double radius = NAN;
    reel_var v = reel_input_f64(t, REEL_SHAPE(n, n), W);
    cr_expect_eq(reel_spectral_radius(v, 1, &radius), REEL_OK);
    expect_clean(t);
    return radius;
}

Test(flow, spectral_radius_is_right_for_real_complex_and_defective_matrices)
{
    static const double real[] = { 2, 1, 0, -3 }, turning[] = { 0, -1.5, 1.5, 0 };
    static const double squeezed[] = { 0, 4, -0.25, 0 }; /* ±i, far from normal */
    static const double defective[] = { 0.9, 1, 0, 0.9 }, nilpotent[] = { 0, 1, 0, 0 };
    cr_expect_float_eq(radius_of(real, 2), 3, 0.03);
    cr_expect_float_eq(radius_of(turning, 2), 1.5, 0.015);
    cr_expect_float_eq(radius_of(squeezed, 2), 1, 0.01);
    cr_expect_float_eq(radius_of(defective, 2), 0.9, 0.009);
    cr_expect_eq(radius_of(nilpotent, 2), 0);
    reel_tape *t = new_tape();
    double radius[4];
    reel_var W = reel_fill(t, REEL_SHAPE(3, 7), 1);
    cr_expect_eq(reel_spectral_radius(W, 2, radius), REEL_BAD_SHAPE);
    cr_expect(strstr(reel_tape_error(t), "W is [3,7], expected 2 square blocks"));
    reel_tape_free(t);
}

/* ---- files ---------------------------------------------------------------------------------- */

static reel_flow *small_flow(reel_tape *t)
{
    reel_cell cell = reel_rnn(t, "rnn", IN, HIDDEN, (reel_rnn_options){ 0 });
    reel_flow_layer layer = { .name = "it's", .W_h = reel_find_param(t, "rnn.W_h") };
    layer.rollout = reel_unroll(cell, reel_random_normal(t, REEL_SHAPE(STEPS, BATCH, IN), 0, 1),
                                (reel_unroll_options){ .all_states = true });
    return reel_flow_new(reel_sum_all(layer.rollout.state[0]), 1, &layer);
}

static bool begins_with(const char *path, const char *ending, const char *start)
{
    char full[256], head[64] = { 0 };
    snprintf(full, sizeof full, "%s%s", path, ending);
    FILE *file = fopen(full, "rb");
    bool good = file && fread(head, 1, strlen(start), file) == strlen(start) &&
                memcmp(head, start, strlen(start)) == 0;
    if (file) {
        fclose(file);
    }
    remove(full);
    return good;
}

Test(flow, a_flow_is_written_as_a_table_a_script_and_pictures_where_gnuplot_is)
{
    reel_tape *t = new_tape();
    reel_flow *flow = small_flow(t);
    cr_assert(flow, "%s", reel_tape_error(t));
    reel_status status = reel_flow_write(flow, "build/test_flow");
    cr_expect(begins_with("build/test_flow", ".dat", "# step, row"));
    cr_expect(begins_with("build/test_flow", ".gnuplot", "set xlabel"));
    if (status == REEL_OK) {
        cr_expect(begins_with("build/test_flow", ".png", "\x89PNG"));
        cr_expect(begins_with("build/test_flow", ".svg", "<?xml"));
    } else {
        cr_expect_eq(status, REEL_NOT_FOUND);
        cr_expect(strstr(reel_tape_error(t), "gnuplot is missing or failed"));
    }
    reel_flow_free(flow);
    reel_tape_free(t);
}

Test(flow, paths_that_a_shell_could_misread_are_refused)
{
    static const char *const bad[] = { "", "a b", "a'b", "$HOME", "a;b", "-a", "a\nb" };
    reel_tape *t = new_tape();
    reel_flow *flow = small_flow(t);
    for (int i = 0; i < 7; i++) {
        cr_expect_eq(reel_flow_write(flow, bad[i]), REEL_BAD_ARGUMENT);
        cr_expect(strstr(reel_tape_error(t), "a path has 1 to 400 letters"));
        reel_tape_clear(t);
    }
    cr_expect_eq(reel_flow_write(flow, "no/such/folder/x"), REEL_NOT_FOUND);
    cr_expect(strstr(reel_tape_error(t), "the files cannot be written: no/such/folder/x"));
    reel_flow_free(flow);
    reel_tape_free(t);
}

Test(flow, a_rollout_without_all_states_is_refused)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_rnn(t, "rnn", IN, HIDDEN, (reel_rnn_options){ 0 });
    reel_flow_layer layer = { .name = "rnn" };
    layer.rollout =
        reel_unroll(cell, reel_fill(t, REEL_SHAPE(2, 1, IN), 1), (reel_unroll_options){ 0 });
    cr_expect_null(reel_flow_new(reel_sum_all(layer.rollout.outputs), 1, &layer));
    cr_expect(strstr(reel_tape_error(t), "layer \"rnn\" was not unrolled over a step with"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_null(reel_flow_new(reel_sum_all(layer.rollout.outputs), 0, &layer));
    cr_expect(strstr(reel_tape_error(t), "0 layers, must be at least 1"));
    reel_tape_free(t);
}
