/* subnormal.c: floats below the smallest normal one count as 0 in what is evaluated, on every thread;
 * doubles, and the program around, keep theirs. */
#include <criterion/criterion.h>
#include <float.h>
#include <stdlib.h>

#include "graph/run/subnormal.h"
#include "reel.h"

enum { MANY = 300000, ROWS = 64, WIDE = 256 };

/* The largest number that was not flushed of x·0.5·2, where x·0.5 is subnormal. */
static double halved_and_doubled(reel_dtype dtype, bool eager, int threads)
{
    reel_tape *t =
        reel_tape_new((reel_tape_options){ .dtype = dtype, .threads = threads, .eager = eager });
    double smallest = dtype == REEL_F32 ? FLT_MIN : DBL_MIN, most = 0;
    reel_var x = reel_fill(t, REEL_SHAPE(MANY), smallest);
    reel_var y = reel_scale(reel_abs(reel_scale(x, 0.5)), 2);
    double *out = calloc(MANY, sizeof *out);
    cr_assert_eq(reel_read_f64(y, out, MANY), REEL_OK, "%s", reel_tape_error(t));
    for (int i = 0; i < MANY; i++) {
        most = out[i] > most ? out[i] : most;
    }
    free(out);
    reel_tape_free(t);
    return most;
}

Test(subnormal, floats_are_flushed_on_all_threads_and_doubles_are_not)
{
    if (REEL__FLUSHING == 0) {
        cr_skip_test("this processor's switch is not known");
    }
    for (int threads = 1; threads <= 2; threads++) {
        for (int eager = 0; eager < 2; eager++) {
            cr_expect_eq(halved_and_doubled(REEL_F32, eager, threads), 0, "%d threads", threads);
            cr_expect_eq(halved_and_doubled(REEL_F64, eager, threads), DBL_MIN);
        }
    }
}

Test(subnormal, products_flush_on_all_threads)
{
    for (int threads = 1; threads <= (REEL__FLUSHING ? 2 : 0); threads++) {
        reel_tape *t = reel_tape_new((reel_tape_options){ .threads = threads });
        reel_var a = reel_fill(t, REEL_SHAPE(ROWS, WIDE), 1e-20);
        reel_var b = reel_fill(t, REEL_SHAPE(WIDE, WIDE), 1e-21);
        static float y[ROWS * WIDE];
        cr_assert_eq(reel_read(reel_matmul(a, b), y, ROWS * WIDE), REEL_OK);
        for (int i = 0; i < ROWS * WIDE; i++) {
            cr_assert_eq(y[i], 0, "[%d], %d threads", i, threads);
        }
        reel_tape_free(t);
    }
}

Test(subnormal, the_program_keeps_its_own_mode)
{
    reel__float_mode before = reel__float_mode_now();
    halved_and_doubled(REEL_F32, false, 2);
    halved_and_doubled(REEL_F32, true, 1);
    cr_expect_eq(reel__float_mode_now(), before);
    volatile float smallest = FLT_MIN;
    cr_expect_gt(smallest * 0.5f, 0);
}

/* Means that fade out, as of an embedding that does not come up any more, end at 0. */
Test(subnormal, an_optimisers_means_end_at_zero)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_var p = reel_param(t, "p", REEL_SHAPE(4), reel_constant(1));
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .beta1 = 0.5 });
    for (int i = 0; i < (REEL__FLUSHING ? 200 : 0); i++) {
        reel_rewind(t);
        reel_backward(reel_scale(reel_sum_all(p), i == 0 ? 1 : 0));
        reel_optimizer_step(adam);
    }
    for (size_t i = 0; i < reel_optimizer_state_count(adam); i++) {
        reel_state_entry entry;
        reel_optimizer_state_at(adam, i, &entry);
        for (size_t k = 0; entry.dtype == REEL_STATE_F32 && k < entry.count; k++) {
            float x = ((const float *)entry.data)[k];
            cr_expect(x == 0 || x >= FLT_MIN || x <= -FLT_MIN, "%s: %g", entry.name, (double)x);
        }
    }
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}
