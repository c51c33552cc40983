/* planner_memory.c: planned programs when memory runs short: no crash, no leak, no wrong number, and the
 * tape is as good as new afterwards. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/planned_cell.h"

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct {
    size_t calls, bytes, fail_at;
    bool failed;
} meter;

static void *metered_resize(void *self, void *old, size_t old_size, size_t new_size)
{
    meter *m = self;
    if (new_size == 0) {
        m->bytes -= old_size;
        free(old);
        return NULL;
    }
    if (m->fail_at && ++m->calls == m->fail_at) {
        m->failed = true;
        return NULL;
    }
    void *block = realloc(old, new_size);
    m->bytes += new_size - old_size;
    return block;
}

/* Reads what planned tapes recompute, redirect and keep; NAN where a read fails. */
static double read_everything(reel_tape *t, reel_var loss, const cell_self *self)
{
    double sum = reel_item(loss), v[BATCH * HIDDEN], gradient[(HIDDEN + IN) * HIDDEN];
    for (int s = 0; s < STEPS; s += 3) {
        sum += reel_read_f64(self->hoisted[s], v, BATCH * HIDDEN) == REEL_OK ? v[s] : (double)NAN;
    }
    reel_zero_grad(t);
    reel_backward(loss);
    bool fine = reel_read_grad_f64(param(t, "W"), gradient, (HIDDEN + IN) * HIDDEN) == REEL_OK;
    return sum + (fine ? gradient[5] : (double)NAN);
}

static double record_and_read(reel_tape *t, reel_var *loss, cell_self *self)
{
    reel_rewind(t);
    *loss = loss_of(run_cell(t, self).outputs);
    return read_everything(t, *loss, self);
}

static reel_tape *metered_tape(meter *m, size_t limit)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64,
                                                      .seed = 5,
                                                      .threads = 1,
                                                      .allocator = { metered_resize, m },
                                                      .memory_limit = limit });
    if (t && !add_params(t)) {
        reel_tape_free(t);
        t = NULL;
    }
    return t;
}

static double expected_sum(void)
{
    meter m = { 0 };
    reel_tape *t = metered_tape(&m, 0);
    cell_self self;
    reel_var loss;
    double sum = record_and_read(t, &loss, &self);
    cr_expect_gt(t->hidden, 0);
    expect_clean(t);
    cr_assert(isfinite(sum));
    return sum;
}

/* The tape without the failure gives the right numbers at once, on the recording that failed where it
 * is whole, and on a new one. */
static void expect_recovery(reel_tape *t, reel_var loss, const cell_self *self, double expected,
                            size_t which)
{
    reel_tape_clear(t);
    if (loss.id && self->steps == STEPS) {
        double again = read_everything(t, loss, self);
        cr_expect_float_eq(again, expected, 1e-12,
                           "the same recording after %zu: %.17g, not %.17g; %s", which, again,
                           expected, reel_tape_error(t));
        reel_tape_clear(t);
    }
    cell_self other;
    double anew = record_and_read(t, &loss, &other);
    cr_expect_float_eq(anew, expected, 1e-12, "a new recording after %zu: %.17g, not %.17g; %s",
                       which, anew, expected, reel_tape_error(t));
}

Test(planner_memory, every_request_for_memory_may_fail)
{
    double expected = expected_sum();
    bool failed = true;
    size_t k = 1;
    for (; failed; k++) {
        meter m = { .fail_at = k };
        reel_tape *t = metered_tape(&m, 0);
        failed = m.failed;
        if (t) {
            cell_self self;
            reel_var loss;
            double sum = record_and_read(t, &loss, &self);
            failed = m.failed;
            m.fail_at = 0;
            cr_expect(failed ? reel_tape_status(t) == REEL_OUT_OF_MEMORY : sum == expected,
                      "request %zu: %.17g, %s", k, sum, reel_tape_error(t));
            expect_recovery(t, loss, &self, expected, k);
            reel_tape_free(t);
        }
        cr_expect_eq(m.bytes, 0, "request %zu: %zu bytes lost", k, m.bytes);
    }
    cr_expect_gt(k, 40);
}

Test(planner_memory, under_a_memory_limit_there_is_the_right_number_or_an_error)
{
    double expected = expected_sum();
    size_t good = 0, refused = 0;
    for (size_t limit = 1024; good < 4; limit += 512) {
        cr_assert_lt(limit, 1 << 20);
        meter m = { 0 };
        reel_tape *t = metered_tape(&m, limit);
        cr_assert(t);
        cell_self self;
        reel_var loss;
        double sum = record_and_read(t, &loss, &self);
        if (reel_tape_status(t) == REEL_OK) {
            cr_expect_float_eq(sum, expected, 1e-12, "limit %zu", limit);
            cr_expect_leq(reel_tape_statistics_of(t).bytes_peak, limit);
            good++;
        } else {
            cr_expect_eq(reel_tape_status(t), REEL_MEMORY_LIMIT, "%s", reel_tape_error(t));
            refused++;
        }
        reel_tape_clear(t);
        reel_rewind(t);
        cr_expect_float_eq(reel_item(reel_sum_all(reel_fill(t, REEL_SHAPE(3), 2))), 6, 0);
        reel_tape_free(t);
        cr_expect_eq(m.bytes, 0);
    }
    cr_expect_gt(refused, 2);
}
