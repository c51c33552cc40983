/* out_of_memory.c: every allocation of a program fails once. Nothing crashes, the tape says
 * REEL_OUT_OF_MEMORY and works again afterwards, and every byte comes back. */
#include <reel.h>

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- an allocator that counts and fails ------------------------------------------------------ */

typedef struct {
    size_t calls, bytes; /* requests so far; bytes handed out */
    size_t fail_at;      /* this request fails, counted from 1; 0: none */
    bool from_then_on;   /* so do all after it */
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
    m->calls++;
    if (m->fail_at && (m->calls == m->fail_at || (m->from_then_on && m->calls > m->fail_at))) {
        m->failed = true;
        return NULL;
    }
    void *block = realloc(old, new_size);
    m->bytes += new_size - old_size;
    return block;
}

/* ---- programs -------------------------------------------------------------------------------- */

typedef double (*program)(reel_tape *);

static double train_a_little(reel_tape *t)
{
    const int32_t rows[] = { 0, 4, 2, 2 };
    reel_var W = reel_find_param(t, "W"), h[12], dW;
    double norm = 0, gradient[25];
    for (int step = 0; step < 2; step++) {
        reel_rewind(t);
        h[0] = reel_gather(W, reel_indices(t, REEL_SHAPE(4), rows));
        for (int i = 1; i < 12; i++) {
            h[i] = reel_tanh(reel_affine(h[i - 1], W, reel_find_param(t, "b")));
        }
        reel_var all = reel_stack_n(0, 12, h);
        reel_var loss = reel_mean_all(reel_square(reel_softmax(reel_transpose(all, 0, 2), 1)));
        reel_gradients(loss, 1, &W, &dW);
        reel_backward(reel_add(loss, reel_sum_all(reel_square(dW))));
        reel_keep(h[3]);
        norm = reel_item(loss);
    }
    reel_read_grad_f64(W, gradient, 25);
    reel_zero_grad(t);
    return norm + gradient[7];
}

static reel_var square_loss(reel_tape *t, void *self)
{
    (void)self;
    return reel_sum_all(reel_square(reel_find_param(t, "b")));
}

static double check_gradient(reel_tape *t)
{
    reel_gradcheck_report report;
    reel_gradcheck_options options = { .order = 2, .parameter = "b" };
    bool passed = reel_gradcheck(t, square_loss, NULL, options, &report);
    return passed ? 1 : NAN;
}

static double add_a_cell(reel_tape *t)
{
    reel_rewind(t);
    reel_cell cell = reel_lstm(t, "lstm", 3, 4, (reel_lstm_options){ 0 });
    reel_rollout r =
        reel_unroll(cell, reel_fill(t, REEL_SHAPE(3, 2, 3), 0.5), (reel_unroll_options){ 0 });
    return reel_item(reel_sum_all(reel_square(r.outputs)));
}

static bool add_params(reel_tape *t)
{
    reel_var W = reel_param(t, "W", REEL_SHAPE(5, 5), reel_orthogonal(1));
    reel_var b = reel_param(t, "b", REEL_SHAPE(5), reel_normal(0, 1));
    return W.id && b.id;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static reel_tape *metered_tape(meter *m)
{
    reel_tape_options options = { .dtype = REEL_F64, .seed = 4, .threads = 1 };
    options.allocator = (reel_allocator){ metered_resize, m };
    return reel_tape_new(options);
}

/* Runs the program with one failure. False when it came to its end without meeting it. */
static bool run_with_failure(program run, size_t fail_at, bool from_then_on, double expected)
{
    meter m = { .fail_at = fail_at, .from_then_on = from_then_on };
    reel_tape *t = metered_tape(&m);
    if (t == NULL) {
        cr_expect_eq(m.bytes, 0, "%zu bytes lost by reel_tape_new", m.bytes);
        return true;
    }
    bool ready = add_params(t);
    double value = ready ? run(t) : NAN;
    if (m.failed) {
        cr_expect_eq(reel_tape_status(t), REEL_OUT_OF_MEMORY, "request %zu: %s", fail_at,
                     reel_tape_error(t));
    } else {
        cr_expect_eq(reel_tape_status(t), REEL_OK, "%s", reel_tape_error(t));
        cr_expect_eq(value, expected);
    }
    bool failed = m.failed;
    m.fail_at = 0;
    reel_tape_clear(t);
    reel_zero_grad(t);
    if (ready && failed) {
        value = run(t);
        cr_expect_eq(value, expected, "after request %zu failed: %.17g, expected %.17g; %s",
                     fail_at, value, expected, reel_tape_error(t));
    }
    reel_tape_free(t);
    cr_expect_eq(m.bytes, 0, "request %zu: %zu bytes lost", fail_at, m.bytes);
    return failed;
}

static void fail_every_request(program run)
{
    meter m = { 0 };
    reel_tape *t = metered_tape(&m);
    cr_assert(add_params(t));
    double expected = run(t);
    cr_assert_eq(reel_tape_status(t), REEL_OK, "%s", reel_tape_error(t));
    reel_tape_free(t);
    cr_assert_eq(m.bytes, 0);
    for (int from_then_on = 0; from_then_on < 2; from_then_on++) {
        size_t fail_at = 1;
        while (run_with_failure(run, fail_at, from_then_on, expected)) {
            fail_at++;
        }
        cr_expect_gt(fail_at, 20, "only %zu requests were made", fail_at);
    }
}

Test(out_of_memory, is_survived_wherever_it_meets_a_training_step)
{
    fail_every_request(train_a_little);
}

Test(out_of_memory, is_survived_wherever_it_meets_gradcheck)
{
    fail_every_request(check_gradient);
}

/* A cell whose parameters exist already cannot be made again, so what is left after a failure is
 * dropped with the tape. */
Test(out_of_memory, is_survived_wherever_it_meets_a_cell)
{
    for (size_t fail_at = 1;; fail_at++) {
        meter m = { .fail_at = fail_at };
        reel_tape *t = metered_tape(&m);
        if (t) {
            double value = add_a_cell(t);
            cr_expect_eq(m.failed, reel_tape_status(t) == REEL_OUT_OF_MEMORY, "request %zu: %s",
                         fail_at, reel_tape_error(t));
            cr_expect_eq(m.failed, (bool)isnan(value));
            reel_tape_free(t);
        }
        cr_expect_eq(m.bytes, 0, "request %zu: %zu bytes lost", fail_at, m.bytes);
        if (!m.failed) {
            break;
        }
    }
}

Test(out_of_memory, leaves_the_rest_of_the_program_alone)
{
    meter m = { 0 };
    reel_tape *t = metered_tape(&m);
    cr_assert(add_params(t));
    reel_tape *ordinary = reel_tape_new((reel_tape_options){ 0 });
    m.fail_at = 1;
    m.from_then_on = true;
    cr_expect_eq(reel_item(reel_exp(reel_scalar(ordinary, 0))), 1.0);
    cr_expect_eq(m.failed, false);
    reel_tape_free(ordinary);
    reel_tape_free(t);
    cr_expect_eq(m.bytes, 0);
}
