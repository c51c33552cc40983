/* Both directions, stacks and wrappers against PyTorch (golden/structure.py), and what must not
 * matter. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/golden_cells.h"

enum { STEPS = 6, BATCH = 4, IN = 3, HIDDEN = 4 };

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void expect_error(reel_tape *t, const char *expected)
{
    cr_expect(strstr(reel_tape_error(t), expected), "\"%s\", expected \"%s\"", reel_tape_error(t),
              expected);
    reel_tape_clear(t);
    cr_expect_eq(reel_item(reel_scalar(t, 2)), 2, "the tape is usable");
}

static void expect_near(double distance, double tolerance, const char *name, const char *what)
{
    cr_expect(distance <= tolerance, "%s, %s: off by %g", name, what, distance);
}

static void expect_golden(golden_case at, const char *label, reel_var v)
{
    expect_near(golden_distance(at, label, v), 1e-12, at.name, label);
}

static void expect_golden_gradients(reel_tape *t, golden_case at)
{
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var p = reel_param_at(t, i);
        expect_near(golden_gradient_distance(at, p), 1e-12, at.name, reel_param_name(p));
    }
}

static double *read_all(reel_var v, size_t *n)
{
    *n = (size_t)reel_shape_size(reel_shape_of(v));
    double *out = calloc(*n + 1, sizeof *out);
    cr_assert_eq(reel_read_f64(v, out, *n), REEL_OK, "%s", reel_tape_error(v.tape));
    return out;
}

static void expect_same(reel_var a, reel_var b, double tolerance, const char *what)
{
    size_t n, m;
    double *x = read_all(a, &n), *y = read_all(b, &m);
    cr_assert_eq(n, m, "%s: %zu and %zu numbers", what, n, m);
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(x[i] - y[i]) <= tolerance, "%s[%zu]: %g and %g", what, i, x[i], y[i]);
    }
    free(x);
    free(y);
}

static reel_cell lstm(reel_tape *t, const char *name, int64_t in)
{
    return reel_lstm(t, name, in, HIDDEN, (reel_lstm_options){ 0 });
}

static reel_cell gru(reel_tape *t, const char *name, int64_t in)
{
    return reel_gru(t, name, in, HIDDEN, (reel_gru_options){ .reset_after = true });
}

static const int32_t lengths[BATCH] = { 3, 6, 1, 5 };

/* ---- against PyTorch ------------------------------------------------------------------------- */

static reel_var weighed(reel_tape *t, golden_case at, const char *label, reel_var v)
{
    return reel_sum_all(reel_mul(v, golden_input(t, at, label)));
}

/* As PyTorch lays the states of its layers and directions out, [layers·2, batch, width]. */
static reel_var torch_states(const reel_bidirectional_rollout layer[2], int k)
{
    return reel_stack(0, layer[0].forward.state[k], layer[0].backward.state[k],
                      layer[1].forward.state[k], layer[1].backward.state[k]);
}

Test(structure, a_bidirectional_stack_over_lengths_is_torchs_gradients_included)
{
    reel_tape *t = new_tape();
    golden_case at = { "structure.txt", "bidirectional_stack" };
    reel_recurrent_layer layers[2] = {
        { .cell = lstm(t, "forward0", IN), .backward = lstm(t, "backward0", IN) },
        { .cell = lstm(t, "forward1", 2 * HIDDEN), .backward = lstm(t, "backward1", 2 * HIDDEN) },
    };
    golden_write_params(t, at);
    reel_var x = golden_param(t, at, "x");
    reel_bidirectional_rollout layer[2];
    reel_unroll_layers_options options = { .lengths = lengths };
    reel_var y = reel_unroll_layers(2, layers, x, options, layer);
    reel_var h = torch_states(layer, 0), c = torch_states(layer, 1);
    expect_golden(at, "outputs", y);
    expect_golden(at, "h", h);
    expect_golden(at, "c", c);
    reel_var loss =
        reel_add(weighed(t, at, "u", y), reel_add(weighed(t, at, "v", h), weighed(t, at, "w", c)));
    reel_backward(loss);
    expect_golden_gradients(t, at);
    expect_clean(t);
}

Test(structure, directions_are_merged_as_asked_and_padding_stays_zero)
{
    static const char *const label[] = { "concat", "sum", "average", "multiply" };
    reel_tape *t = new_tape();
    golden_case at = { "structure.txt", "merges" };
    reel_cell forward = gru(t, "forward", IN), backward = gru(t, "backward", IN);
    golden_write_params(t, at);
    reel_var x = golden_input(t, at, "x");
    for (int merge = 0; merge < 4; merge++) {
        reel_bidirectional_options options = { .merge = (reel_merge)merge, .lengths = lengths };
        expect_golden(at, label[merge], reel_bidirectional(forward, backward, x, options).outputs);
    }
    reel_bidirectional_options apart = { .merge = REEL_MERGE_SEPARATE, .lengths = lengths };
    reel_bidirectional_rollout r = reel_bidirectional(forward, backward, x, apart);
    cr_expect_null(r.outputs.tape);
    expect_golden(at, "concat", reel_concat(-1, r.forward.outputs, r.backward.outputs));
    expect_clean(t);
}

static void expect_cell(const char *name, reel_tape *t, reel_cell cell)
{
    golden_case at = { "structure.txt", name };
    golden_write_params(t, at);
    reel_var x = golden_param(t, at, "x");
    reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
    expect_golden(at, "outputs", r.outputs);
    for (int k = 0; k < cell.states; k++) {
        expect_golden(at, k ? "state1" : "state0", r.state[k]);
    }
    reel_backward(weighed(t, at, "u", r.outputs));
    expect_golden_gradients(t, at);
    expect_clean(t);
}

Test(structure, zoneout_in_evaluation_is_its_expectation)
{
    reel_tape *t = new_tape();
    reel_set_training(t, false);
    reel_zoneout_options options = { .probability = { 0.1, 0.4 } };
    expect_cell("zoneout", t, reel_zoneout(t, lstm(t, "cell", IN), options));
}

Test(structure, highway_residual_and_norm_wrap_as_written_out)
{
    reel_tape *t = new_tape();
    expect_cell(
        "highway", t,
        reel_highway(t, "gate", lstm(t, "cell", HIDDEN), HIDDEN, (reel_highway_options){ 0 }));
    t = new_tape();
    reel_norm_cell_options before = { .input = true };
    reel_cell normed = reel_norm_cell(t, "norm", lstm(t, "cell", HIDDEN), HIDDEN, before);
    expect_cell("residual_norm", t, reel_residual(t, normed));
}

Test(structure, deep_transitions_are_as_written_out)
{
    reel_tape *t = new_tape();
    expect_cell(
        "deep_transition", t,
        reel_deep_transition(t, "cell", IN, HIDDEN, 3, (reel_deep_transition_options){ 0 }));
    t = new_tape();
    reel_deep_transition_options highway = { .highway = true };
    expect_cell("recurrent_highway", t, reel_deep_transition(t, "cell", IN, HIDDEN, 2, highway));
}

/* ---- padding, and other ways to say the same ------------------------------------------------- */

static reel_var numbers(reel_tape *t, reel_shape shape, double offset)
{
    size_t n = (size_t)reel_shape_size(shape);
    double *values = malloc((n + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = sin(1.7 * (double)i + offset);
    }
    reel_var v = reel_input_f64(t, shape, values);
    free(values);
    return v;
}

static void make_layers(reel_tape *t, reel_recurrent_layer layers[2])
{
    layers[0] = (reel_recurrent_layer){ .cell = gru(t, "f0", IN), .backward = lstm(t, "b0", IN) };
    layers[1] = (reel_recurrent_layer){ .cell = lstm(t, "f1", 2 * HIDDEN),
                                        .backward = gru(t, "b1", 2 * HIDDEN),
                                        .merge = REEL_MERGE_SUM };
}

Test(structure, a_padded_batch_gives_what_its_rows_give_alone)
{
    reel_tape *t = new_tape();
    reel_recurrent_layer layers[2];
    make_layers(t, layers);
    reel_var x = numbers(t, REEL_SHAPE(STEPS, BATCH, IN), 0);
    reel_unroll_layers_options together = { .lengths = lengths };
    reel_var all = reel_unroll_layers(2, layers, x, together, NULL);
    for (int row = 0; row < BATCH; row++) {
        reel_var alone = reel_slice(reel_slice(x, 0, 0, lengths[row]), 1, row, row + 1);
        reel_var y = reel_unroll_layers(2, layers, alone, (reel_unroll_layers_options){ 0 }, NULL);
        reel_var of_row = reel_slice(reel_slice(all, 1, row, row + 1), 0, 0, lengths[row]);
        expect_same(of_row, y, 1e-12, "a row alone");
    }
    expect_clean(t);
}

Test(structure, resets_cut_a_sequence_into_episodes_for_both_directions)
{
    reel_tape *t = new_tape();
    reel_cell forward = gru(t, "f", IN), backward = lstm(t, "b", IN);
    reel_var x = numbers(t, REEL_SHAPE(STEPS, 1, IN), 1);
    static const float begins[STEPS] = { 0, 0, 1, 0, 0, 0 };
    reel_bidirectional_options cut = { .resets = reel_input(t, REEL_SHAPE(STEPS, 1), begins) };
    reel_var all = reel_bidirectional(forward, backward, x, cut).outputs;
    for (int part = 0; part < 2; part++) {
        int64_t begin = part ? 2 : 0, end = part ? STEPS : 2;
        reel_var alone = reel_bidirectional(forward, backward, reel_slice(x, 0, begin, end),
                                            (reel_bidirectional_options){ 0 })
                             .outputs;
        expect_same(reel_slice(all, 0, begin, end), alone, 1e-14, "an episode");
    }
    expect_clean(t);
}

Test(structure, a_stack_of_cells_is_the_layers_one_after_another)
{
    reel_tape *t = new_tape();
    reel_cell cells[] = { lstm(t, "a", IN), gru(t, "b", HIDDEN), lstm(t, "c", HIDDEN) };
    for (int residual = 0; residual < 2; residual++) {
        reel_stack_options between = { .residual = residual };
        reel_var x = numbers(t, REEL_SHAPE(STEPS, BATCH, IN), 2);
        reel_cell stack = reel_stack_cells(t, 3, cells, between);
        cr_expect_eq(stack.states, 5);
        reel_rollout deep = reel_unroll(stack, x, (reel_unroll_options){ .lengths = lengths });
        reel_recurrent_layer layers[3] = { { cells[0] }, { cells[1] }, { cells[2] } };
        reel_bidirectional_rollout layer[3];
        reel_unroll_layers_options options = { .lengths = lengths, .between = between };
        reel_var wide = reel_unroll_layers(3, layers, x, options, layer);
        /* In the padding a residual stack puts out zeros, layer by layer as well. */
        expect_same(deep.outputs, wide, 1e-13, "outputs");
        expect_same(deep.state[0], layer[0].forward.state[0], 1e-13, "h of the first");
        expect_same(deep.state[4], layer[2].forward.state[1], 1e-13, "c of the last");
    }
    expect_clean(t);
}

Test(structure, parallel_cells_are_an_ensemble_in_one_loop)
{
    reel_tape *t = new_tape();
    reel_cell cells[] = { lstm(t, "a", IN), lstm(t, "b", IN), lstm(t, "c", IN) };
    reel_var x = numbers(t, REEL_SHAPE(STEPS, BATCH, IN), 3), alone[3];
    for (int i = 0; i < 3; i++) {
        alone[i] = reel_unroll(cells[i], x, (reel_unroll_options){ 0 }).outputs;
    }
    reel_cell all = reel_parallel_cells(t, 3, cells);
    reel_rollout r = reel_unroll(all, x, (reel_unroll_options){ 0 });
    expect_same(r.outputs, reel_concat_n(-1, 3, alone), 1e-13, "members");
    cr_expect_eq(all.width[1], 3 * HIDDEN);
    expect_clean(t);
}

/* An ensemble by a batch axis on the parameters: W [members, …], the state's members side by
 * side. */
enum { MEMBERS = 3 };
static reel_var ensemble_step(void *self, reel_var x, reel_var state[])
{
    reel_tape *t = self;
    reel_var h = reel_transpose(reel_reshape(state[0], REEL_SHAPE(BATCH, MEMBERS, HIDDEN)), 0, 1);
    reel_var z = reel_add(reel_matmul(x, reel_find_param(t, "W_x")),
                          reel_matmul(h, reel_find_param(t, "W_h")));
    reel_var next = reel_transpose(reel_tanh(z), 0, 1);
    return state[0] = reel_reshape(next, REEL_SHAPE(BATCH, MEMBERS * HIDDEN));
}

static reel_var member_step(void *self, reel_var x, reel_var state[])
{
    const int *member = self;
    reel_var W_x = reel_at(reel_find_param(x.tape, "W_x"), *member);
    reel_var W_h = reel_at(reel_find_param(x.tape, "W_h"), *member);
    return state[0] = reel_tanh(reel_add(reel_matmul(x, W_x), reel_matmul(state[0], W_h)));
}

Test(structure, parameters_with_a_batch_axis_are_an_ensemble)
{
    reel_tape *t = new_tape();
    reel_param(t, "W_x", REEL_SHAPE(MEMBERS, IN, HIDDEN), reel_normal(0, 0.5));
    reel_param(t, "W_h", REEL_SHAPE(MEMBERS, HIDDEN, HIDDEN), reel_normal(0, 0.5));
    reel_var x = numbers(t, REEL_SHAPE(STEPS, BATCH, IN), 4), member[MEMBERS];
    reel_cell all = {
        .self = t, .step = ensemble_step, .states = 1, .width = { MEMBERS * HIDDEN }
    };
    for (int i = 0; i < MEMBERS; i++) {
        reel_cell one = { .self = &i, .step = member_step, .states = 1, .width = { HIDDEN } };
        member[i] = reel_unroll(one, x, (reel_unroll_options){ 0 }).outputs;
    }
    expect_same(reel_unroll(all, x, (reel_unroll_options){ 0 }).outputs,
                reel_concat_n(-1, MEMBERS, member), 1e-13, "members");
    expect_clean(t);
}

static reel_var flattened(void *self, reel_var x)
{
    (void)self;
    return reel_reshape(x, REEL_SHAPE(reel_shape_of(x).dim[0], 2 * IN));
}

Test(structure, time_distributed_hides_the_steps_from_a_layer)
{
    reel_tape *t = new_tape();
    reel_var x = numbers(t, REEL_SHAPE(STEPS, BATCH, 2, IN), 5);
    reel_var y = reel_time_distributed((reel_layer){ .apply = flattened }, x);
    expect_same(y, reel_reshape(x, REEL_SHAPE(STEPS, BATCH, 2 * IN)), 0, "flattened");
    expect_clean(t);
}

/* ---- gradients of wrappers ------------------------------------------------------------------- */

typedef struct {
    reel_cell cell;
    bool layers;
    reel_recurrent_layer layer[2];
} checked;

static reel_var loss_of(reel_tape *t, void *self)
{
    const checked *c = self;
    reel_var x = reel_find_param(t, "x");
    static const int32_t some[] = { 2, 3 };
    reel_var y = c->layers
                     ? reel_unroll_layers(2, c->layer, x,
                                          (reel_unroll_layers_options){ .lengths = some }, NULL)
                     : reel_unroll(c->cell, x, (reel_unroll_options){ .lengths = some }).outputs;
    return reel_mean_all(reel_square(y));
}

static void expect_gradcheck(reel_tape *t, checked *c, int64_t in)
{
    reel_gradcheck_report report;
    reel_set_training(t, false);
    reel_param(t, "x", REEL_SHAPE(3, 2, in), reel_normal(0, 1));
    reel_gradcheck_options options = { .order = 2, .directions = 6 };
    bool good = reel_gradcheck(t, loss_of, c, options, &report);
    cr_expect(good, "worst %g in %s %s", report.worst_relative_error, report.worst.parameter,
              report.message);
    expect_clean(t);
}

Test(structure, gradients_through_every_wrapper_check_to_second_order)
{
    reel_tape *t = new_tape();
    reel_cell inner = reel_gru(t, "gru", HIDDEN, HIDDEN, (reel_gru_options){ 0 });
    inner = reel_zoneout(t, inner, (reel_zoneout_options){ .probability = { 0.2 } });
    inner = reel_norm_cell(t, "norm", inner, HIDDEN, (reel_norm_cell_options){ 0 });
    inner = reel_highway(t, "gate", inner, HIDDEN, (reel_highway_options){ .bias = REEL_ZERO });
    inner = reel_residual(t, inner);
    reel_cell cells[] = { inner, lstm(t, "lstm", HIDDEN) };
    checked c = { .cell = reel_stack_cells(t, 2, cells, (reel_stack_options){ .residual = true }) };
    expect_gradcheck(t, &c, HIDDEN);
}

Test(structure, gradients_of_both_directions_check_to_second_order)
{
    reel_tape *t = new_tape();
    checked c = { .layers = true };
    make_layers(t, c.layer);
    expect_gradcheck(t, &c, IN);
}

Test(structure, gradients_of_deep_transitions_check_to_second_order)
{
    for (int highway = 0; highway < 2; highway++) {
        reel_tape *t = new_tape();
        reel_deep_transition_options options = { .highway = highway };
        checked c = { .cell = reel_deep_transition(t, "cell", IN, HIDDEN, 2, options) };
        expect_gradcheck(t, &c, IN);
    }
}

/* ---- planned and eager ----------------------------------------------------------------------- */

static double *run_planned(bool eager, const char *plan, size_t *n)
{
    reel_tape_options options = { .dtype = REEL_F64, .seed = 5, .eager = eager, .plan = plan };
    reel_tape *t = reel_tape_new(options);
    reel_recurrent_layer layers[2];
    make_layers(t, layers);
    layers[1].cell = reel_dropout_cell(
        t, layers[1].cell, (reel_dropout_cell_options){ .state = 0.3, .variational = true });
    reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, IN), reel_normal(0, 1));
    reel_unroll_layers_options layer_options = { .lengths = lengths };
    reel_var y = reel_unroll_layers(2, layers, reel_find_param(t, "x"), layer_options, NULL);
    reel_backward(reel_mean_all(reel_square(y)));
    double *out = calloc(4096, sizeof *out);
    *n = 0;
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var p = reel_param_at(t, i);
        size_t count = (size_t)reel_shape_size(reel_shape_of(p));
        cr_assert(*n + count <= 4096);
        cr_assert_eq(reel_read_grad_f64(p, out + *n, count), REEL_OK);
        *n += count;
    }
    expect_clean(t);
    return out;
}

Test(structure, planned_and_eager_agree)
{
    size_t n, m;
    double *planned = run_planned(false, NULL, &n), *eager = run_planned(true, NULL, &m);
    double *plain = run_planned(false, "-all", &m);
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabs(planned[i] - plain[i]) <= 1e-13 && fabs(planned[i] - eager[i]) <= 1e-13,
                  "[%zu]: planned %g, recorded %g, eager %g", i, planned[i], plain[i], eager[i]);
    }
    free(planned);
    free(eager);
    free(plain);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

Test(structure, widths_that_do_not_fit_name_layers_and_widths)
{
    reel_tape *t = new_tape();
    reel_cell cells[] = { lstm(t, "a", IN), lstm(t, "b", HIDDEN + 1) };
    reel_var x = numbers(t, REEL_SHAPE(STEPS, BATCH, IN), 0);
    reel_cell stack = reel_stack_cells(t, 2, cells, (reel_stack_options){ 0 });
    cr_expect_eq(reel_unroll(stack, x, (reel_unroll_options){ 0 }).outputs.id, 0u);
    expect_error(t, "layer 1 on the output [4,4] of layer 0: ");
    reel_unroll(stack, x, (reel_unroll_options){ 0 });
    expect_error(t, "[4,4] x [5,16]");

    reel_recurrent_layer layers[] = { { cells[0] }, { cells[1] } };
    reel_unroll_layers(2, layers, x, (reel_unroll_layers_options){ 0 }, NULL);
    expect_error(t, "layer 1 on [6,4,4]: ");

    reel_bidirectional_options sum = { .merge = REEL_MERGE_SUM };
    reel_cell narrow = reel_gru(t, "narrow", IN, 2, (reel_gru_options){ 0 });
    reel_bidirectional(cells[0], narrow, x, sum);
    expect_error(t, "outputs are [6,4,4] forward and [6,4,2] backward");

    reel_unroll(reel_residual(t, cells[0]), x, (reel_unroll_options){ 0 });
    expect_error(t, "the input is [4,3] and the output [4,4]");
    expect_clean(t);
}

Test(structure, bad_options_make_no_cell)
{
    reel_tape *t = new_tape();
    reel_cell good = lstm(t, "a", IN), none = { 0 }, five[5] = { good, good, good, good, good };
    cr_expect_null(reel_dropout_cell(t, good, (reel_dropout_cell_options){ .input = 1 }).step);
    expect_error(t, "input is 1, must be in [0, 1)");
    cr_expect_null(reel_dropout_cell(t, none, (reel_dropout_cell_options){ 0 }).step);
    expect_error(t, "the cell has no step function");
    cr_expect_null(reel_zoneout(t, good, (reel_zoneout_options){ .probability = { 0, -1 } }).step);
    expect_error(t, "probability[1] is -1, must be in [0, 1)");
    cr_expect_null(reel_stack_cells(t, 0, five, (reel_stack_options){ 0 }).step);
    expect_error(t, "0 cells, must be at least 1");
    cr_expect_null(reel_stack_cells(t, 5, five, (reel_stack_options){ 0 }).step);
    expect_error(t, "layers 0 … 4 have 10 states, there may be 8");
    cr_expect_null(reel_weight_drop(t, good, "W_h", NAN).step);
    expect_error(t, "p is nan");
    cr_expect_null(
        reel_deep_transition(t, "d", IN, HIDDEN, 0, (reel_deep_transition_options){ 0 }).step);
    expect_error(t, "depth is 0");
    expect_clean(t);
}

Test(structure, bad_lengths_are_named_and_an_empty_batch_is_empty)
{
    static const int32_t negative[] = { 3, -1, 2, 2 }, beyond[] = { 3, 7, 2, 2 };
    reel_tape *t = new_tape();
    reel_cell f = lstm(t, "f", IN), b = lstm(t, "b", IN);
    reel_var x = numbers(t, REEL_SHAPE(STEPS, BATCH, IN), 0);
    reel_bidirectional(f, b, x, (reel_bidirectional_options){ .lengths = negative });
    expect_error(t, "lengths[1] = -1 is outside 0 … 6");
    reel_bidirectional(f, b, x, (reel_bidirectional_options){ .lengths = beyond });
    expect_error(t, "lengths[1] = 7 is outside 0 … 6");
    reel_bidirectional(f, b, x, (reel_bidirectional_options){ .merge = (reel_merge)9 });
    expect_error(t, "there is no merge 9");
    reel_var empty = numbers(t, REEL_SHAPE(STEPS, 0, IN), 0);
    reel_var y = reel_bidirectional(f, b, empty, (reel_bidirectional_options){ 0 }).outputs;
    cr_expect(reel_shape_equal(reel_shape_of(y), REEL_SHAPE(STEPS, 0, 2 * HIDDEN)));
    expect_clean(t);
}
