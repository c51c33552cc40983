#include "cell_case.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const char *numbered(char out[16], const char *what, int k)
{
    snprintf(out, 16, "%s%d", what, k);
    return out;
}
#define NUMBERED(what, k) numbered((char[16]){ 0 }, what, k)

static void expect_near(golden_case at, const char *what, double distance)
{
    cr_expect(distance <= CELL_CASE_TOLERANCE, "%s, %s: off by %g", at.name, what, distance);
}

int32_t *cell_case_lengths(golden_case at)
{
    golden_row row;
    if (!golden_find(at.file, at.name, "lengths", &row)) {
        return NULL;
    }
    int32_t *lengths = malloc((row.count + 1) * sizeof *lengths);
    for (size_t i = 0; i < row.count; i++) {
        lengths[i] = (int32_t)row.values[i];
    }
    golden_free(&row);
    return lengths;
}

static reel_rollout run(reel_tape *t, golden_case at, reel_cell cell, cell_case_options how)
{
    reel_unroll_options options = { .all_states = true, .reverse = how.reverse };
    int32_t *lengths = cell_case_lengths(at);
    options.lengths = lengths;
    if (golden_has(at, "resets")) {
        options.resets = golden_input(t, at, "resets");
    }
    for (int k = 0; k < cell.states; k++) {
        options.initial[k] = golden_param(t, at, NUMBERED("initial", k));
    }
    reel_var x = golden_param(t, at, "x");
    reel_rollout r =
        how.all_at_once ? reel_unroll_parallel(cell, x, options) : reel_unroll(cell, x, options);
    free(lengths);
    return r;
}

static void expect_values(golden_case at, reel_cell cell, reel_rollout r)
{
    expect_near(at, "outputs", golden_distance(at, "outputs", r.outputs));
    for (int k = 0; k < cell.states; k++) {
        expect_near(at, NUMBERED("state", k),
                    golden_distance(at, NUMBERED("state", k), r.state[k]));
        if (golden_has(at, NUMBERED("states", k))) {
            expect_near(at, NUMBERED("states", k),
                        golden_distance(at, NUMBERED("states", k), r.states[k]));
        }
    }
}

void cell_case_expect_gradients(reel_tape *t, golden_case at)
{
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var parameter = reel_param_at(t, i);
        expect_near(at, reel_param_name(parameter), golden_gradient_distance(at, parameter));
    }
}

reel_var cell_case_weighted(reel_tape *t, golden_case at, const char *weights, reel_var v)
{
    return reel_sum_all(reel_mul(v, golden_input(t, at, weights)));
}

void cell_case_expect(reel_tape *t, golden_case at, reel_cell cell, cell_case_options how)
{
    golden_write_params(t, at);
    reel_rollout r = run(t, at, cell, how);
    reel_var loss = cell_case_weighted(t, at, "u", r.outputs);
    for (int k = 0; k < cell.states; k++) {
        loss = reel_add(loss, cell_case_weighted(t, at, NUMBERED("v", k), r.state[k]));
    }
    reel_backward(loss);
    expect_values(at, cell, r);
    cell_case_expect_gradients(t, at);
    cr_expect_str_eq(reel_tape_error(t), "", "%s: %s", at.name, reel_tape_error(t));
}
