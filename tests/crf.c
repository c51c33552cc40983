/* The linear-chain CRF against the sum and the maximum over all taggings. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reel.h"

enum { STEPS = 4, BATCH = 4, TAGS = 3, ALL = STEPS * BATCH * TAGS };
static const int32_t lengths[BATCH] = { 4, 1, 3, 0 };
static const int32_t tags[STEPS * BATCH] = { 0, 2, 1, -1, 2, 9, 1, 9, 2, 9, 0, 9, 1, 9, 9, 9 };

typedef struct {
    reel_tape *t;
    reel_crf crf;
    reel_var x;
} model;

static model new_model(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 3 });
    reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, TAGS), reel_normal(0, 1));
    model m = { t, reel_crf_new(t, "crf", TAGS), reel_find_param(t, "x") };
    const double transitions[] = { 0.5, -1, 0.2, 1.5, 0.1, -0.7, 0.3, 0.9, -0.4 };
    reel_write_param_f64(m.crf.transitions, transitions, 9);
    return m;
}

static void free_model(model *m)
{
    cr_expect_str_eq(reel_tape_error(m->t), "");
    reel_tape_free(m->t);
}

/* ---- all taggings -------------------------------------------------------------------------- */

typedef struct {
    double x[ALL], transitions[TAGS * TAGS], start[TAGS], end[TAGS];
    double total, best;
    int best_path[STEPS];
    double marginal[STEPS][TAGS];
} enumeration;

static void read_scores(const model *m, enumeration *e)
{
    reel_read_f64(m->x, e->x, ALL);
    reel_read_f64(m->crf.transitions, e->transitions, TAGS * TAGS);
    reel_read_f64(m->crf.start, e->start, TAGS);
    reel_read_f64(m->crf.end, e->end, TAGS);
}

static double score(const enumeration *e, int row, int length, const int path[])
{
    double s = length ? e->start[path[0]] + e->end[path[length - 1]] : 0;
    for (int t = 0; t < length; t++) {
        s += e->x[(t * BATCH + row) * TAGS + path[t]];
        s += t ? e->transitions[path[t - 1] * TAGS + path[t]] : 0;
    }
    return s;
}

static void visit(enumeration *e, int row, int length, const int path[])
{
    double s = score(e, row, length, path);
    e->total += exp(s);
    for (int t = 0; t < length; t++) {
        e->marginal[t][path[t]] += exp(s);
    }
    if (s > e->best) {
        e->best = s;
        memcpy(e->best_path, path, sizeof e->best_path);
    }
}

static void enumerate(enumeration *e, int row)
{
    int length = lengths[row], count = 1, path[STEPS] = { 0 };
    e->total = 0;
    e->best = -INFINITY;
    memset(e->marginal, 0, sizeof e->marginal);
    for (int t = 0; t < length; t++) {
        count *= TAGS;
    }
    for (int i = 0; i < count; i++) {
        for (int t = 0, rest = i; t < length; t++, rest /= TAGS) {
            path[t] = rest % TAGS;
        }
        visit(e, row, length, path);
    }
}

static void expect_close(double value, double expected, const char *what, int row)
{
    cr_expect(fabs(value - expected) < 1e-12, "%s of row %d: %g, expected %g", what, row, value,
              expected);
}

Test(crf, partition_loss_and_marginals_are_sums_over_all_taggings)
{
    model m = new_model();
    double log_z[BATCH], loss[BATCH], marginals[ALL];
    static enumeration e;
    read_scores(&m, &e);
    reel_var labels = reel_indices(m.t, REEL_SHAPE(STEPS, BATCH), tags);
    reel_read_f64(reel_crf_log_partition(m.crf, m.x, lengths), log_z, BATCH);
    reel_read_f64(reel_crf_loss(m.crf, m.x, labels, lengths, REEL_REDUCE_NONE), loss, BATCH);
    reel_read_f64(reel_crf_marginals(m.crf, m.x, lengths), marginals, ALL);
    for (int row = 0; row < BATCH; row++) {
        int path[STEPS];
        enumerate(&e, row);
        for (int t = 0; t < STEPS; t++) {
            path[t] = tags[t * BATCH + row];
        }
        expect_close(log_z[row], log(e.total), "log Z", row);
        expect_close(loss[row], log(e.total) - score(&e, row, lengths[row], path), "loss", row);
        for (int i = 0; i < STEPS * TAGS; i++) {
            int t = i / TAGS, k = i % TAGS;
            expect_close(marginals[(t * BATCH + row) * TAGS + k], e.marginal[t][k] / e.total,
                         "marginal", row);
        }
    }
    free_model(&m);
}

Test(crf, viterbi_finds_the_best_tagging)
{
    model m = new_model();
    int32_t found[STEPS * BATCH];
    double scores[BATCH];
    static enumeration e;
    read_scores(&m, &e);
    cr_assert_eq(reel_crf_viterbi(m.crf, m.x, lengths, found, scores), REEL_OK);
    for (int row = 0; row < BATCH; row++) {
        enumerate(&e, row);
        expect_close(scores[row], e.best, "score", row);
        for (int t = 0; t < STEPS; t++) {
            cr_expect_eq(found[t * BATCH + row], t < lengths[row] ? e.best_path[t] : 0);
        }
    }
    free_model(&m);
}

Test(crf, a_padded_batch_is_its_rows_alone_even_with_NaN_in_the_padding)
{
    model m = new_model();
    double numbers[ALL], gradient[ALL], alone = 0;
    reel_read_f64(m.x, numbers, ALL);
    for (int i = 0; i < ALL; i++) {
        numbers[i] = i / TAGS / BATCH < lengths[i / TAGS % BATCH] ? numbers[i] : NAN;
    }
    reel_write_param_f64(m.x, numbers, ALL);
    reel_var labels = reel_indices(m.t, REEL_SHAPE(STEPS, BATCH), tags);
    for (int row = 0; row < 3; row++) {
        reel_var x = reel_slice(reel_slice(m.x, 1, row, row + 1), 0, 0, lengths[row]);
        reel_var y = reel_slice(reel_slice(labels, 1, row, row + 1), 0, 0, lengths[row]);
        alone += reel_item(reel_crf_loss(m.crf, x, y, NULL, REEL_REDUCE_SUM));
    }
    reel_var loss = reel_crf_loss(m.crf, m.x, labels, lengths, REEL_REDUCE_MEAN);
    cr_expect_float_eq(reel_item(loss), alone / BATCH, 1e-12);
    reel_backward(loss);
    reel_read_grad_f64(m.x, gradient, ALL);
    for (int i = 0; i < ALL; i++) {
        cr_expect(isnan(numbers[i]) ? gradient[i] == 0 : isfinite(gradient[i]), "[%d]: %g", i,
                  gradient[i]);
    }
    free_model(&m);
}

static reel_var loss_of(reel_tape *t, void *self)
{
    const reel_crf *crf = self;
    reel_var labels = reel_indices(t, REEL_SHAPE(STEPS, BATCH), tags);
    return reel_crf_loss(*crf, reel_find_param(t, "x"), labels, lengths, REEL_REDUCE_SUM);
}

Test(crf, first_and_second_derivatives_are_right)
{
    model m = new_model();
    reel_gradcheck_report report;
    bool passed =
        reel_gradcheck(m.t, loss_of, &m.crf, (reel_gradcheck_options){ .order = 2 }, &report);
    cr_expect(passed, "%zu of %zu differ, worst %g (%s)", report.failed, report.compared,
              report.worst_relative_error, report.message);
    free_model(&m);
}

static void expect_error(reel_tape *t, const char *text)
{
    cr_expect(strstr(reel_tape_error(t), text), "\"%s\", expected \"%s\"", reel_tape_error(t),
              text);
    reel_tape_clear(t);
}

Test(crf, bad_arguments_are_named)
{
    model m = new_model();
    const int32_t bad[] = { 1, 2, 3, 5 };
    int32_t found[STEPS * BATCH];
    reel_var labels = reel_indices(m.t, REEL_SHAPE(STEPS, BATCH), tags);
    reel_crf_log_partition(m.crf, m.x, bad);
    expect_error(m.t, "crf at crf.c:");
    cr_expect_neq(reel_crf_viterbi(m.crf, m.x, bad, found, NULL), REEL_OK);
    expect_error(m.t, "lengths[3] = 5 is outside 0 … 4");
    reel_crf_loss(m.crf, m.x, labels, NULL, REEL_REDUCE_MEAN);
    expect_error(m.t, "tags[1,1] = 9 is outside 0 … 2");
    reel_crf_loss(m.crf, m.x, reel_at(labels, 0), lengths, REEL_REDUCE_MEAN);
    expect_error(m.t, "tags are [4], expected [steps, batch] = [4,4]");
    reel_crf_log_partition(m.crf, reel_at(m.x, 0), lengths);
    expect_error(m.t, "emissions are [4,3], expected [steps, batch, tags]");
    reel_crf_log_partition(m.crf, reel_slice(m.x, 2, 0, 2), lengths);
    expect_error(m.t, "transitions are [3,3], expected [2,2]");
    reel_crf_log_partition(m.crf, reel_slice(m.x, 1, 0, 0), NULL);
    expect_error(m.t, "the batch is empty");
    reel_crf_new(m.t, "none", 0);
    expect_error(m.t, "tags is 0, must be at least 1");
    free_model(&m);
}
