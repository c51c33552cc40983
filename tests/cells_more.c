/* The cells of layers/cells.h against their papers' formulas in PyTorch (golden/more_cells.py), and
 * what else holds for each of them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/cell_case.h"
#include "support/more_cells.h"

static reel_tape *tape_with(const char *plan, bool eager)
{
    return reel_tape_new((reel_tape_options){
        .dtype = REEL_F64, .seed = 3, .threads = 1, .plan = plan, .eager = eager });
}

static reel_tape *new_tape(void)
{
    return tape_with(NULL, false);
}

/* ---- against PyTorch ----------------------------------------------------------------------- */

static void expect_golden(const more_cell *c, bool all_at_once, bool eager)
{
    reel_tape *t = tape_with(NULL, eager);
    cell_case_expect(t, (golden_case){ "more_cells.txt", c->name }, c->make(t),
                     (cell_case_options){ .reverse = c->reverse, .all_at_once = all_at_once });
    reel_tape_free(t);
}

Test(cells_more, are_their_papers_formulas_with_lengths_resets_and_either_direction)
{
    for (int i = 0; i < more_cells_count; i++) {
        expect_golden(&more_cells[i], false, false);
    }
}

Test(cells_more, are_so_without_a_plan_as_well)
{
    for (int i = 0; i < more_cells_count; i++) {
        expect_golden(&more_cells[i], false, true);
    }
}

Test(cells_more, linear_ones_are_so_all_steps_at_once_as_well)
{
    for (int i = 0; i < more_cells_count; i++) {
        if (more_cells[i].linear) {
            expect_golden(&more_cells[i], true, false);
            expect_golden(&more_cells[i], true, true);
        }
    }
}

/* ---- gradient check ------------------------------------------------------------------------ */

static reel_var loss_of_cell(reel_tape *t, void *self)
{
    const reel_cell *cell = self;
    reel_var x = reel_find_param(t, "x");
    reel_rollout r = reel_unroll(*cell, x, (reel_unroll_options){ 0 });
    reel_var loss = reel_mean_all(reel_square(r.outputs));
    for (int k = 0; k < cell->states; k++) {
        loss = reel_add(loss, reel_mean_all(reel_sin(r.state[k])));
    }
    return loss;
}

static reel_var loss_all_at_once(reel_tape *t, void *self)
{
    const int32_t lengths[] = { 2, 3 };
    reel_rollout r = reel_unroll_parallel(*(const reel_cell *)self, reel_find_param(t, "x"),
                                          (reel_unroll_options){ .lengths = lengths });
    return reel_add(reel_mean_all(reel_square(r.outputs)), reel_mean_all(reel_sin(r.state[0])));
}

static void expect_gradcheck(const more_cell *c, reel_loss_fn loss)
{
    reel_tape *t = new_tape();
    reel_cell cell = c->make(t);
    reel_param(t, "x", REEL_SHAPE(3, 2, c->in), reel_normal(0, 1));
    reel_gradcheck_report report;
    reel_gradcheck(t, loss, &cell, (reel_gradcheck_options){ .order = 2 }, &report);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_PASSED, "%s: %s", c->name, report.message);
    reel_tape_free(t);
}

Test(cells_more, pass_the_gradient_check_of_first_and_second_order)
{
    for (int i = 0; i < more_cells_count; i++) {
        expect_gradcheck(&more_cells[i], loss_of_cell);
    }
}

Test(cells_more, linear_ones_pass_it_all_steps_at_once)
{
    for (int i = 0; i < more_cells_count; i++) {
        if (more_cells[i].linear) {
            expect_gradcheck(&more_cells[i], loss_all_at_once);
        }
    }
}

/* ---- planned and eager --------------------------------------------------------------------- */

typedef struct {
    size_t n;
    double at[2048];
} gradients;

static double train(const more_cell *c, reel_tape *t, gradients *out)
{
    reel_cell cell = c->make(t);
    reel_param(t, "x", REEL_SHAPE(9, 2, c->in), reel_normal(0, 1));
    double loss = 0;
    for (int again = 0; again < 2; again++) {
        reel_rewind(t);
        reel_zero_grad(t);
        reel_var l = loss_of_cell(t, &cell);
        reel_backward(l);
        loss = reel_item(l);
    }
    out->n = 0;
    for (size_t k = 0; k < reel_param_count(t); k++) {
        size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, k)));
        cr_assert_leq(out->n + n, sizeof out->at / sizeof out->at[0]);
        reel_read_grad_f64(reel_param_at(t, k), out->at + out->n, n);
        out->n += n;
    }
    cr_expect_str_eq(reel_tape_error(t), "", "%s: %s", c->name, reel_tape_error(t));
    reel_tape_free(t);
    return loss;
}

Test(cells_more, train_alike_planned_and_eager)
{
    static const char *const plans[] = { NULL, "-roll", "-split", "-hoist", "-sink", "-all" };
    for (int i = 0; i < more_cells_count; i++) {
        gradients expected, got;
        double loss = train(&more_cells[i], tape_with(NULL, true), &expected);
        for (size_t p = 0; p < sizeof plans / sizeof *plans; p++) {
            double worst = fabs(train(&more_cells[i], tape_with(plans[p], false), &got) - loss);
            for (size_t k = 0; k < expected.n; k++) {
                worst = fmax(worst, fabs(got.at[k] - expected.at[k]));
            }
            cr_expect_leq(worst, 1e-12, "%s, plan \"%s\": off by %g", more_cells[i].name,
                          plans[p] ? plans[p] : "", worst);
        }
    }
}

/* ---- steps one by one, and all at once ------------------------------------------------------ */

enum { STEPS = 100, BATCH = 3 };

static double distance(reel_var a, reel_var b)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(a));
    double *p = malloc(n * sizeof *p), *q = malloc(n * sizeof *q), worst = 0;
    bool good = reel_shape_equal(reel_shape_of(a), reel_shape_of(b)) &&
                reel_read_f64(a, p, n) == REEL_OK && reel_read_f64(b, q, n) == REEL_OK;
    for (size_t i = 0; good && i < n; i++) {
        worst = fmax(worst, fabs(p[i] - q[i]) / (1 + fabs(p[i])));
    }
    free(p), free(q);
    return good ? worst : INFINITY;
}

static void expect_alike(const more_cell *c, bool reverse, bool masked)
{
    const int32_t lengths[BATCH] = { 70, 100, 0 };
    reel_tape *t = new_tape();
    reel_cell cell = c->make(t);
    reel_var x = reel_random_normal(t, REEL_SHAPE(STEPS, BATCH, c->in), 0, 1);
    reel_unroll_options options = { .reverse = reverse, .all_states = true };
    if (masked) {
        options.lengths = lengths;
        options.resets = reel_random_bernoulli(t, REEL_SHAPE(STEPS, BATCH), 0.1);
        options.initial[0] = reel_random_normal(t, REEL_SHAPE(BATCH, cell.width[0]), 0, 1);
    }
    reel_rollout a = reel_unroll(cell, x, options), b = reel_unroll_parallel(cell, x, options);
    double worst = distance(a.outputs, b.outputs);
    for (int k = 0; k < cell.states; k++) {
        worst = fmax(worst, distance(a.state[k], b.state[k]));
        worst = fmax(worst, distance(a.states[k], b.states[k]));
    }
    cr_expect_leq(worst, 1e-12, "%s%s%s: off by %g; %s", c->name, reverse ? ", reverse" : "",
                  masked ? ", lengths and resets" : "", worst, reel_tape_error(t));
    reel_tape_free(t);
}

Test(cells_more, linear_ones_give_step_by_step_what_they_give_all_at_once)
{
    for (int i = 0; i < more_cells_count; i++) {
        for (int how = 0; more_cells[i].linear && how < 4; how++) {
            expect_alike(&more_cells[i], how & 1, how & 2);
        }
    }
}

/* A leaky average with a leak of its own for each column, as a program writes it. */
static reel_linear_terms leaky_terms(void *self, reel_var x)
{
    reel_var a = reel_sigmoid(*(const reel_var *)self);
    return (reel_linear_terms){ .decay = a,
                                .drive = reel_mul(reel_sub(reel_scalar(x.tape, 1), a), x) };
}

Test(cells_more, a_programs_own_linear_cell_runs_both_ways)
{
    const double x[] = { 1, 2, 3, 4, 5, 6 }, logit[] = { 0, 0 };
    const double expected[] = { 0.5, 1, 1.75, 2.5, 3.375, 4.25 };
    reel_tape *t = new_tape();
    reel_var leak = reel_input_f64(t, REEL_SHAPE(2), logit);
    reel_cell cell =
        reel_linear(t, (reel_linear_cell){ .self = &leak, .width = 2, .terms = leaky_terms });
    reel_var v = reel_input_f64(t, REEL_SHAPE(3, 1, 2), x);
    double got[2][6];
    reel_read_f64(reel_unroll(cell, v, (reel_unroll_options){ 0 }).outputs, got[0], 6);
    reel_read_f64(reel_unroll_parallel(cell, v, (reel_unroll_options){ 0 }).outputs, got[1], 6);
    for (int i = 0; i < 6; i++) {
        cr_expect_float_eq(got[0][i], expected[i], 1e-14);
        cr_expect_float_eq(got[1][i], expected[i], 1e-14);
    }
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

Test(cells_more, a_sequence_without_steps_may_run_all_at_once)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_mingru(t, "cell", 2, 4, (reel_mingru_options){ 0 });
    reel_var x = reel_fill(t, REEL_SHAPE(0, 3, 2), 0);
    reel_rollout r = reel_unroll_parallel(cell, x, (reel_unroll_options){ 0 });
    cr_expect(reel_shape_equal(reel_shape_of(r.outputs), REEL_SHAPE(0, 3, 4)));
    cr_expect(reel_shape_equal(reel_shape_of(r.state[0]), REEL_SHAPE(3, 4)));
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

Test(cells_more, a_cell_that_is_not_linear_does_not_run_all_at_once)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_mgu(t, "cell", 2, 4, (reel_mgu_options){ 0 });
    reel_var x = reel_fill(t, REEL_SHAPE(5, 3, 2), 0);
    reel_unroll_parallel(cell, x, (reel_unroll_options){ 0 });
    cr_expect(strstr(reel_tape_error(t), "the cell is none of reel_linear's"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    reel_unroll(cell, x, (reel_unroll_options){ 0 });
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static void expect_parallel_error(reel_var x, reel_unroll_options options, const char *message)
{
    reel_cell cell = reel_mingru(x.tape, "cell", 2, 4, (reel_mingru_options){ 0 });
    reel_rollout r = reel_unroll_parallel(cell, x, options);
    cr_expect_eq(r.outputs.id, 0);
    cr_expect(strstr(reel_tape_error(x.tape), message), "%s", reel_tape_error(x.tape));
    cr_expect(strstr(reel_tape_error(x.tape), "unroll_parallel at "), "%s",
              reel_tape_error(x.tape));
    reel_tape_free(x.tape);
}

Test(cells_more, all_steps_at_once_is_refused_what_step_by_step_is)
{
    reel_tape *t = new_tape();
    expect_parallel_error(reel_fill(t, REEL_SHAPE(3, 2), 0), (reel_unroll_options){ 0 },
                          "x is [3,2], expected [steps, batch, in]");
    t = new_tape();
    expect_parallel_error(reel_fill(t, REEL_SHAPE(3, 2, 2), 0),
                          (reel_unroll_options){ .lengths = (const int32_t[]){ 1, 4 } },
                          "lengths[1] = 4 is outside 0 … 3");
    t = new_tape();
    expect_parallel_error(reel_fill(t, REEL_SHAPE(3, 2, 2), 0),
                          (reel_unroll_options){ .initial[0] = reel_fill(t, REEL_SHAPE(2, 3), 0) },
                          "initial[0] is [2,3], expected [2,4]");
    t = new_tape();
    expect_parallel_error(reel_fill(t, REEL_SHAPE(3, 2, 2), 0),
                          (reel_unroll_options){ .resets = reel_fill(t, REEL_SHAPE(2, 2), 0) },
                          "resets are [2,2], expected [3,2]");
}

/* ---- trees --------------------------------------------------------------------------------- */

static const char *const tree = "tree_lstm";

Test(cells_more, the_tree_lstm_is_the_recursion_of_Tai_2015)
{
    golden_case at = { "more_cells.txt", tree };
    golden_row row;
    cr_assert(golden_find(at.file, at.name, "parent", &row));
    int32_t parent[16];
    for (size_t i = 0; i < row.count; i++) {
        parent[i] = (int32_t)row.values[i];
    }
    golden_free(&row);
    reel_tape *t = new_tape();
    reel_tree_cell cell = reel_tree_lstm(t, "cell", 2, 4, (reel_tree_lstm_options){ 0 });
    golden_write_params(t, at);
    reel_tree_state nodes = reel_tree_fold(cell, golden_param(t, at, "x"), parent);
    reel_backward(
        reel_add(cell_case_weighted(t, at, "u", nodes.h), cell_case_weighted(t, at, "v", nodes.c)));
    cr_expect_leq(golden_distance(at, "h", nodes.h), CELL_CASE_TOLERANCE);
    cr_expect_leq(golden_distance(at, "c", nodes.c), CELL_CASE_TOLERANCE);
    cell_case_expect_gradients(t, at);
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static reel_var loss_of_tree(reel_tape *t, void *self)
{
    const int32_t parent[] = { 2, 2, 4, 4, -1 };
    const reel_tree_cell *cell = self;
    return reel_mean_all(reel_square(reel_tree_fold(*cell, reel_find_param(t, "x"), parent).h));
}

Test(cells_more, the_tree_lstm_passes_the_gradient_check)
{
    reel_tape *t = new_tape();
    reel_tree_cell cell = reel_tree_lstm(t, "cell", 2, 3, (reel_tree_lstm_options){ 0 });
    reel_param(t, "x", REEL_SHAPE(5, 2, 2), reel_normal(0, 1));
    reel_gradcheck_report report;
    reel_gradcheck(t, loss_of_tree, &cell, (reel_gradcheck_options){ .order = 2 }, &report);
    cr_expect_eq(report.verdict, REEL_GRADCHECK_PASSED, "%s", report.message);
    reel_tape_free(t);
}

Test(cells_more, a_child_that_comes_after_its_parent_is_an_error)
{
    reel_tape *t = new_tape();
    reel_tree_cell cell = reel_tree_lstm(t, "cell", 2, 3, (reel_tree_lstm_options){ 0 });
    reel_var x = reel_fill(t, REEL_SHAPE(3, 1, 2), 0);
    reel_tree_fold(cell, x, (const int32_t[]){ 2, 0, -1 });
    cr_expect(strstr(reel_tape_error(t), "parent[1] is 0, must be -1 or in 2 … 2"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    reel_tree_state odd = { reel_fill(t, REEL_SHAPE(1, 2), 0), reel_fill(t, REEL_SHAPE(1, 3), 0) };
    reel_tree_node(cell, reel_at(x, 0), 1, &odd);
    cr_expect(strstr(reel_tape_error(t), "child[0] is h [1,2] and c [1,3], expected [1,3] each"),
              "%s", reel_tape_error(t));
    reel_tape_clear(t);
    reel_tree_node(cell, reel_at(x, 0), -1, NULL);
    cr_expect(strstr(reel_tape_error(t), "children is -1"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}

/* ---- bad options ---------------------------------------------------------------------------- */

#define EXPECT_NO_CELL(message, function, in, hidden, ...)                                         \
    do {                                                                                           \
        reel_tape *t = new_tape();                                                                 \
        reel_cell cell =                                                                           \
            reel_##function(t, "cell", in, hidden, (reel_##function##_options){ __VA_ARGS__ });    \
        cr_expect_null(cell.step);                                                                 \
        cr_expect_eq(reel_param_count(t), 0);                                                      \
        cr_expect(strstr(reel_tape_error(t), message), "%s", reel_tape_error(t));                  \
        reel_tape_free(t);                                                                         \
    } while (0)

Test(cells_more, bad_options_make_no_cell_and_are_named)
{
    EXPECT_NO_CELL("coupled_lstm at ", coupled_lstm, 0, 3, 0);
    EXPECT_NO_CELL("in is 0, must be at least 1", mgu, 0, 3, 0);
    EXPECT_NO_CELL("hidden is -3, must be at least 1", multiplicative_lstm, 2, -3, 0);
    EXPECT_NO_CELL("hidden is 0, must be at least 1", clockwork, 2, 0, 0);
    EXPECT_NO_CELL("modules is 3, must be a divisor of hidden = 4", clockwork, 2, 4, .modules = 3);
    EXPECT_NO_CELL("modules is -1", clockwork, 2, 4, .modules = -1);
    EXPECT_NO_CELL("periods[1] is 0, must be at least 1", clockwork, 2, 4, .modules = 2,
                   .periods = (const int32_t[]){ 1, 0 });
    EXPECT_NO_CELL("shortest is -1, must be", phased_lstm, 2, 4, .shortest = -1);
    EXPECT_NO_CELL("longest is 2, must be", phased_lstm, 2, 4, .shortest = 5, .longest = 2);
    EXPECT_NO_CELL("open is 1.5, must be", phased_lstm, 2, 4, .open = 1.5);
    EXPECT_NO_CELL("leak is -0.1, must be", phased_lstm, 2, 4, .leak = -0.1);
    EXPECT_NO_CELL("heads is 3, must divide hidden = 4", mlstm, 2, 4, .heads = 3);
    EXPECT_NO_CELL("heads is -1, must divide hidden = 4", mlstm, 2, 4, .heads = -1);
    EXPECT_NO_CELL("heads is 3, must divide hidden = 4", slstm, 2, 4, .heads = 3);
    EXPECT_NO_CELL("heads is 65, must divide hidden = 65 and be at most 64", slstm, 2, 65,
                   .heads = 65);
    EXPECT_NO_CELL("steps is -1, must be at least 0", indrnn, 2, 4, .steps = -1);
    EXPECT_NO_CELL("there is no activation 99", indrnn, 2, 4, .activation = (reel_activation)99);
    EXPECT_NO_CELL("width is 0, must be at least 1", conv_lstm, 2, 4, 0);
    EXPECT_NO_CELL("height is -2, must be at least 1", conv_lstm, 2, 4, .height = -2, .width = 3);
    EXPECT_NO_CELL("kernel is 2, must be odd", conv_lstm, 2, 4, .width = 3, .kernel = 2);
    EXPECT_NO_CELL("kernel is -1, must be at least 1", qrnn, 2, 4, .kernel = -1);
    EXPECT_NO_CELL("least = 0.5, most = 0.4", lru, 2, 4, .least = 0.5, .most = 0.4);
    EXPECT_NO_CELL("out is -1, must be at least 0", lru, 2, 4, .out = -1);
    EXPECT_NO_CELL("epsilon is -1, must be at least 0", gru, 2, 4, .epsilon = -1);
}

Test(cells_more, sizes_whose_products_overflow_make_no_cell)
{
    const char *limit = "hidden is 9223372036854775807, must be at most 2147483647";
    EXPECT_NO_CELL(limit, lstm, 2, INT64_MAX, 0);
    EXPECT_NO_CELL(limit, gru, 2, INT64_MAX, 0);
    EXPECT_NO_CELL(limit, mlstm, 2, INT64_MAX, 0);
    EXPECT_NO_CELL("kernel is 4611686018427387904, must be at most", qrnn, 4, 4,
                   .kernel = (int64_t)1 << 62);
    EXPECT_NO_CELL("a picture of 2147483647 x 2147483647 is too large", conv_lstm, 2, 4,
                   .height = INT32_MAX, .width = INT32_MAX);
}

Test(cells_more, a_linear_cell_without_terms_or_of_half_a_number_is_an_error)
{
    reel_tape *t = new_tape();
    cr_expect_null(reel_linear(t, (reel_linear_cell){ .width = 2 }).step);
    cr_expect(strstr(reel_tape_error(t), "the cell has no terms function"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    reel_linear_cell odd = { .width = 3, .complex_values = true, .terms = leaky_terms };
    cr_expect_null(reel_linear(t, odd).step);
    cr_expect(strstr(reel_tape_error(t), "width is 3: complex values need an even one"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_null(
        reel_linear(t, (reel_linear_cell){ .width = 2, .window = 2, .terms = leaky_terms }).step);
    cr_expect(strstr(reel_tape_error(t), "in is 0, must be at least 1"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}

/* ---- how cells start ------------------------------------------------------------------------ */

Test(cells_more, the_eigenvalues_of_an_lru_start_in_their_ring)
{
    enum { N = 500 };
    reel_tape *t = new_tape();
    double nu[N], theta[N], least = 1, most = 0;
    reel_lru(t, "cell", 2, N, (reel_lru_options){ .least = 0.5, .most = 0.9, .angle = 2 });
    reel_read_f64(reel_find_param(t, "cell.nu"), nu, N);
    reel_read_f64(reel_find_param(t, "cell.theta"), theta, N);
    for (int i = 0; i < N; i++) {
        double radius = exp(-exp(nu[i]));
        cr_expect(exp(theta[i]) > 0 && exp(theta[i]) <= 2);
        least = fmin(least, radius);
        most = fmax(most, radius);
    }
    cr_expect(least >= 0.5 && least < 0.55, "%g", least);
    cr_expect(most <= 0.9 && most > 0.88, "%g", most);
    reel_tape_free(t);
}

static double param_at(reel_tape *t, const char *name, int index)
{
    double values[72] = { 0 };
    reel_var v = reel_find_param(t, name);
    cr_assert_eq(reel_read_f64(v, values, (size_t)reel_shape_size(reel_shape_of(v))), REEL_OK, "%s",
                 reel_tape_error(t));
    return values[index];
}

#define EXPECT_BIAS(block, value, function, ...)                                                   \
    do {                                                                                           \
        reel_tape *t = new_tape();                                                                 \
        reel_##function(t, "cell", 2, 3, (reel_##function##_options){ __VA_ARGS__ });              \
        for (int k = 0; k < 6; k++) {                                                              \
            cr_expect_eq(param_at(t, "cell.b", k), k / 3 == (block) ? (value) : 0);                \
        }                                                                                          \
        reel_tape_free(t);                                                                         \
    } while (0)

Test(cells_more, forget_gates_start_as_their_options_say)
{
    EXPECT_BIAS(0, -1.0, coupled_lstm, 0);
    EXPECT_BIAS(0, -2.0, coupled_lstm, .forget_bias = 2);
    EXPECT_BIAS(1, 1.0, multiplicative_lstm, 0);
    EXPECT_BIAS(1, 0.0, multiplicative_lstm, .forget_bias = REEL_ZERO);
    EXPECT_BIAS(1, 1.0, phased_lstm, 0);
    EXPECT_BIAS(1, 3.0, slstm, .forget_bias = 3);
    EXPECT_BIAS(0, 0.5, mgu, .forget_bias = 0.5);
    EXPECT_BIAS(0, 0.5, minlstm, .forget_bias = 0.5);
    EXPECT_BIAS(1, -3.0, sru, .highway_bias = -3);
}

Test(cells_more, what_else_papers_say_of_the_start_holds)
{
    reel_tape *t = new_tape();
    reel_phased_lstm(t, "phased", 2, 9, (reel_phased_lstm_options){ .shortest = 5, .longest = 8 });
    reel_mlstm(t, "mlstm", 2, 3, (reel_mlstm_options){ .heads = 3 });
    reel_indrnn(t, "indrnn", 2, 9, (reel_indrnn_options){ .steps = 2 });
    for (int k = 0; k < 9; k++) {
        double period = param_at(t, "phased.period", k), w_h = param_at(t, "indrnn.w_h", k);
        cr_expect(period >= 5 && period <= 8, "%g", period);
        cr_expect_eq(param_at(t, "phased.open", k), 0.05);
        cr_expect(w_h >= 0 && w_h <= sqrt(2), "%g", w_h);
    }
    for (int k = 0; k < 3; k++) {
        cr_expect_eq(param_at(t, "mlstm.b", 4 * 3 + 3 + k), 3 + 1.5 * k);
        cr_expect_eq(param_at(t, "mlstm.b", 4 * 3 + k), 0);
    }
    reel_tape_free(t);
}

Test(cells_more, an_slstms_heads_start_orthogonal_each_for_itself)
{
    reel_tape *t = new_tape();
    reel_slstm(t, "cell", 2, 6, (reel_slstm_options){ .heads = 2 });
    for (int head = 0; head < 2; head++) {
        for (int a = 0; a < 12; a++) { /* columns: four gates of three */
            double dot[3] = { 0 };
            for (int row = 3 * head; row < 3 * head + 3; row++) {
                for (int b = 0; b < 3; b++) {
                    dot[b] += param_at(t, "cell.W_h", 12 * row + a) *
                              param_at(t, "cell.W_h", 12 * row + a / 3 * 3 + b);
                }
            }
            for (int b = 0; b < 3; b++) {
                cr_expect_float_eq(dot[b], a % 3 == b, 1e-12, "head %d, %d and %d: %g", head, a, b,
                                   dot[b]);
            }
        }
    }
    cr_expect_neq(param_at(t, "cell.W_h", 0), param_at(t, "cell.W_h", 36));
    reel_tape_free(t);
}

Test(cells_more, an_slstm_holds_where_exponentials_would_not)
{
    reel_tape *t = new_tape();
    reel_cell cell = reel_slstm(t, "cell", 1, 1, (reel_slstm_options){ 0 });
    reel_write_param_f64(reel_find_param(t, "cell.W_x"), (const double[]){ 1, 0, 0, 0 }, 4);
    reel_write_param_f64(reel_find_param(t, "cell.W_h"), (const double[]){ 0, 0, 0, 0 }, 4);
    reel_write_param_f64(reel_find_param(t, "cell.b"), (const double[]){ 0, 0, 1, 0 }, 4);
    reel_var x = reel_param(t, "x", REEL_SHAPE(3, 1, 1), reel_zeros());
    reel_write_param_f64(x, (const double[]){ -900, 2000, -5000 }, 3);
    reel_var outputs = reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs;
    double h[3], dx[3];
    reel_backward(reel_sum_all(outputs));
    reel_read_f64(outputs, h, 3);
    reel_read_grad_f64(x, dx, 3);
    for (int i = 0; i < 3; i++) {
        cr_expect_float_eq(h[i], 0.5 * tanh(1), 1e-12, "step %d: %g", i, h[i]);
        cr_expect(isfinite(dx[i]), "gradient of step %d: %g", i, dx[i]);
    }
    reel_tape_free(t);
}
