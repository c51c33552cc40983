/* The transducer's loss against the sum over all alignments, its derivatives and its edges. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 9 });
}

static void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

enum { BATCH = 4, STEPS = 4, LONGEST = 3, LABELS = 4, BLANK = 1 };
static const int32_t label[BATCH * LONGEST] = { 0, 2, 3, 2, 2, -5, 3, -1, -1, 9, 9, 9 };
static const int32_t steps[BATCH] = { 4, 3, 1, 2 }, lengths[BATCH] = { 3, 2, 1, 0 };

/* log-probabilities of one row, [STEPS][LONGEST + 1][LABELS] */
typedef struct {
    const double *log_p;
    const int32_t *target;
    int steps, length;
} lattice;

static double at(const lattice *l, int t, int u, int32_t k)
{
    return l->log_p[(t * (LONGEST + 1) + u) * LABELS + k];
}

/* The probability of all that leads from (t, u) to the end, every alignment for itself. */
static double enumerate(const lattice *l, int t, int u)
{
    if (t == l->steps) {
        return u == l->length;
    }
    double total = exp(at(l, t, u, BLANK)) * enumerate(l, t + 1, u);
    if (u < l->length) {
        total += exp(at(l, t, u, l->target[u])) * enumerate(l, t, u + 1);
    }
    return total;
}

static reel_var losses_of(reel_tape *t, reel_var logits)
{
    return reel_transducer(
        logits, reel_indices(t, REEL_SHAPE(BATCH, LONGEST), label), steps, lengths,
        (reel_transducer_options){ .blank = BLANK, .reduction = REEL_REDUCE_NONE });
}

static reel_var new_logits(reel_tape *t)
{
    return reel_param(t, "x", REEL_SHAPE(BATCH, STEPS, LONGEST + 1, LABELS), reel_normal(0, 1));
}

Test(transducer, the_loss_is_minus_log_of_the_sum_over_all_alignments)
{
    enum { ROW = STEPS * (LONGEST + 1) * LABELS };
    reel_tape *t = new_tape();
    reel_var x = new_logits(t);
    double loss[BATCH], log_p[BATCH * ROW];
    cr_assert_eq(reel_read_f64(losses_of(t, x), loss, BATCH), REEL_OK, "%s", reel_tape_error(t));
    reel_read_f64(reel_log_softmax(x, -1), log_p, BATCH * ROW);
    for (int b = 0; b < BATCH; b++) {
        lattice l = { log_p + b * ROW, label + b * LONGEST, steps[b], lengths[b] };
        double expected = -log(enumerate(&l, 0, 0));
        cr_expect(fabs(loss[b] - expected) < 1e-12, "row %d: %g, expected %g", b, loss[b],
                  expected);
    }
    expect_clean(t);
}

static reel_var weighted(reel_tape *t, void *self)
{
    (void)self;
    const double upstream[] = { 1, -2, 0.5, 3 };
    reel_var losses = losses_of(t, reel_find_param(t, "x"));
    return reel_sum_all(reel_mul(losses, reel_input_f64(t, REEL_SHAPE(BATCH), upstream)));
}

Test(transducer, first_and_second_derivatives_are_right)
{
    reel_tape *t = new_tape();
    new_logits(t);
    reel_gradcheck_report report;
    bool passed =
        reel_gradcheck(t, weighted, NULL, (reel_gradcheck_options){ .order = 2 }, &report);
    cr_expect(passed, "%zu of %zu differ, worst %g (%s)", report.failed, report.compared,
              report.worst_relative_error, report.message);
    expect_clean(t);
}

Test(transducer, what_lies_outside_a_rows_lattice_never_gets_in)
{
    enum { ALL = BATCH * STEPS * (LONGEST + 1) * LABELS };
    reel_tape *t = new_tape();
    reel_var x = new_logits(t);
    double before[BATCH], after[BATCH], numbers[ALL], gradient[ALL];
    reel_read_f64(losses_of(t, x), before, BATCH);
    reel_read_f64(x, numbers, ALL);
    bool outside[ALL];
    for (int i = 0; i < ALL; i++) {
        int u = i / LABELS % (LONGEST + 1), s = i / LABELS / (LONGEST + 1) % STEPS;
        int b = i / LABELS / (LONGEST + 1) / STEPS;
        outside[i] = s >= steps[b] || u > lengths[b];
        numbers[i] = outside[i] ? NAN : numbers[i];
    }
    reel_write_param_f64(x, numbers, ALL);
    reel_rewind(t);
    reel_var losses = losses_of(t, x);
    reel_backward(reel_sum_all(losses));
    reel_read_f64(losses, after, BATCH);
    reel_read_grad_f64(x, gradient, ALL);
    for (int b = 0; b < BATCH; b++) {
        cr_expect_eq(after[b], before[b]);
    }
    for (int i = 0; i < ALL; i++) {
        cr_expect(isfinite(gradient[i]) && (!outside[i] || gradient[i] == 0), "[%d]: %g", i,
                  gradient[i]);
    }
    expect_clean(t);
}

Test(transducer, without_steps_only_the_empty_target_is_possible)
{
    reel_tape *t = new_tape();
    const int32_t none[] = { 0, 0 }, length[] = { 0, 1 }, two[] = { 0, 0, 0, 0 };
    reel_var x = reel_param(t, "x", REEL_SHAPE(2, 3, 3, 4), reel_normal(0, 1));
    reel_var losses =
        reel_transducer(x, reel_indices(t, REEL_SHAPE(2, 2), two), none, length,
                        (reel_transducer_options){ .blank = 1, .reduction = REEL_REDUCE_NONE });
    double loss[2], gradient[72];
    reel_read_f64(losses, loss, 2);
    cr_expect_eq(loss[0], 0);
    cr_expect_eq(loss[1], INFINITY);
    reel_backward(reel_sum_all(losses));
    reel_read_grad_f64(x, gradient, 72);
    for (int i = 0; i < 72; i++) {
        cr_expect_eq(gradient[i], 0, "[%d]: %g", i, gradient[i]);
    }
    expect_clean(t);
}

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    cr_expect(strstr(reel_tape_error(t), "transducer at transducer.c:"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

Test(transducer, bad_arguments_are_named)
{
    reel_tape *t = new_tape();
    const int32_t two[] = { 2, 3 }, five[] = { 2, 5 }, ones[] = { 1, 1, 1, 2 };
    reel_transducer_options options = { 0 };
    reel_var x = reel_fill(t, REEL_SHAPE(2, 4, 3, 3), 0);
    reel_var targets = reel_indices(t, REEL_SHAPE(2, 2), ones);
    reel_transducer(x, targets, five, NULL, options);
    expect_error(t, "input_lengths[1] = 5 is outside 0 … 4");
    reel_transducer(x, targets, two, two, options);
    expect_error(t, "target_lengths[1] = 3 is outside 0 … 2");
    reel_transducer(x, reel_indices(t, REEL_SHAPE(4), ones), NULL, NULL, options);
    expect_error(t, "targets are [4], expected [batch, longest] = [2,2]");
    reel_transducer(x, targets, NULL, NULL, (reel_transducer_options){ .blank = 2 });
    expect_error(t, "targets[1,1] = 2 is the blank");
    reel_transducer(reel_at(x, 0), targets, NULL, NULL, options);
    expect_error(t, "logits are [4,3,3], expected [batch, steps, longest + 1, labels]");
    reel_transducer(reel_fill(t, REEL_SHAPE(0, 4, 3, 3), 0), targets, NULL, NULL, options);
    expect_error(t, "the batch is empty");
    cr_expect(isfinite(reel_item(reel_transducer(x, targets, NULL, NULL, options))));
    expect_clean(t);
}
