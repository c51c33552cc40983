/* onnx_scan.c: loops that are exported as one Scan, and those that cannot be. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "io/onnx.h"
#include "layers/layers.h"
#include "ops/ops.h"
#include "support/failing_memory.h"
#include "support/files.h"
#include "support/onnx_case.h"

#ifdef REEL_HAVE_PROTOBUF_C

#include "io/onnx_file.h"

enum { STEPS = 9, BATCH = 2, WIDTH = 3 };

typedef struct {
    reel_tape *t;
    reel_var x, W; /* [STEPS, BATCH, WIDTH], [WIDTH, WIDTH] */
    char path[FILES_PATH];
} fixture;

static fixture begin(void)
{
    fixture f = { .t = reel_tape_new((reel_tape_options){ .seed = 2, .threads = 1 }) };
    f.x = onnx_case_input(f.t, REEL_SHAPE(STEPS, BATCH, WIDTH), 4);
    f.W = reel_param(f.t, "W", REEL_SHAPE(WIDTH, WIDTH), reel_glorot());
    files_begin(f.path, "loop.onnx");
    return f;
}

static void end(fixture *f)
{
    files_end(f->path);
    reel_tape_free(f->t);
}

typedef struct {
    size_t nodes, scans;
} counts;

static counts count_nodes(fixture *f)
{
    reel__arena arena = { 0 };
    size_t size;
    void *bytes = reel__onnx_read(f->t, "test", &arena, f->path, &size);
    Onnx__ModelProto *model = reel__onnx_unpack(f->t, "test", &arena, bytes, size);
    counts c = { 0 };
    cr_assert(model != NULL);
    for (; c.nodes < model->graph->n_node; c.nodes++) {
        c.scans += strcmp(model->graph->node[c.nodes]->op_type, "Scan") == 0;
    }
    reel__arena_free(f->t, &arena);
    return c;
}

static void expect_same(reel_var y, reel_var z)
{
    float a[256], b[256];
    size_t n = (size_t)reel_shape_size(reel_shape_of(y));
    cr_assert(n <= 256 && reel_shape_equal(reel_shape_of(y), reel_shape_of(z)));
    cr_assert_eq(reel_read(y, a, n), REEL_OK, "%s", reel_tape_error(y.tape));
    cr_assert_eq(reel_read(z, b, n), REEL_OK, "%s", reel_tape_error(z.tape));
    for (size_t i = 0; i < n; i++) {
        cr_expect(fabsf(a[i] - b[i]) <= 1e-5f * fmaxf(1, fabsf(a[i])), "[%zu] %g, not %g", i,
                  (double)b[i], (double)a[i]);
    }
}

/* Exports y with its loops as Scan, and expects so many, and the same numbers back. */
static counts there_and_back(fixture *f, int outputs, const reel_var y[], size_t scans)
{
    static const char *const names[] = { "x" };
    reel_var again[8];
    cr_assert_eq(reel_onnx_export(f->t, 1, &f->x, names, outputs, y, f->path,
                                  (reel_onnx_options){ .loops = REEL_ONNX_SCAN }),
                 REEL_OK, "%s", reel_tape_error(f->t));
    counts c = count_nodes(f);
    cr_expect_eq(c.scans, scans, "%zu Scans, not %zu", c.scans, scans);
    reel_onnx *model = reel_onnx_load(f->t, f->path, (reel_onnx_load_options){ .constant = true });
    cr_assert_eq(reel_onnx_run(model, 1, &f->x, outputs, again), REEL_OK, "%s",
                 reel_tape_error(f->t));
    for (int i = 0; i < outputs; i++) {
        expect_same(y[i], again[i]);
    }
    reel_onnx_free(model);
    return c;
}

static reel_var zeros(const fixture *f)
{
    return reel_fill(f->t, REEL_SHAPE(BATCH, WIDTH), 0);
}

static reel_var step(const fixture *f, reel_var x, reel_var h)
{
    return reel_tanh(reel_add(x, reel_matmul(h, f->W)));
}

Test(onnx_scan, an_unrolled_lstm_is_one_scan_whose_size_does_not_grow_with_the_steps)
{
    fixture f = begin();
    reel_cell lstm = reel_lstm(f.t, "lstm", WIDTH, 4, (reel_lstm_options){ 0 });
    reel_rollout r = reel_unroll(lstm, f.x, (reel_unroll_options){ 0 });
    counts c = there_and_back(&f, 1, &r.outputs, 1);
    cr_expect(c.nodes < 10, "%zu nodes", c.nodes);
    there_and_back(&f, 1, &r.state[1], 1);
    end(&f);
}

Test(onnx_scan, what_was_evaluated_before_is_exported_the_same)
{
    fixture f = begin();
    reel_cell gru = reel_gru(f.t, "gru", WIDTH, 4, (reel_gru_options){ 0 });
    reel_var y = reel_unroll(gru, f.x, (reel_unroll_options){ 0 }).outputs;
    float values[STEPS * BATCH * 4];
    reel_read(reel_keep(y), values, sizeof values / sizeof *values);
    there_and_back(&f, 1, &y, 1);
    end(&f);
}

Test(onnx_scan, the_loops_of_gradients_are_scans_too)
{
    fixture f = begin();
    reel_cell lstm = reel_lstm(f.t, "lstm", WIDTH, 4, (reel_lstm_options){ 0 });
    reel_rollout r = reel_unroll(lstm, f.x, (reel_unroll_options){ .reverse = true });
    reel_var y[3] = { reel_mean_all(reel_square(r.outputs)) };
    reel_var with[2] = { reel_find_param(f.t, "lstm.W_h"), reel_find_param(f.t, "lstm.b") };
    reel_gradients(y[0], 2, with, y + 1);
    there_and_back(&f, 3, y, 2);
    end(&f);
}

Test(onnx_scan, a_plain_loop_that_looks_two_steps_back_carries_both)
{
    fixture f = begin();
    reel_var h[STEPS + 2] = { zeros(&f), zeros(&f) };
    h[1] = reel_shift(h[1], 1);
    for (int t = 0; t < STEPS; t++) {
        h[t + 2] = reel_add(step(&f, reel_at(f.x, t), h[t + 1]), reel_scale(h[t], 0.5));
    }
    reel_var y[] = { reel_stack_n(0, STEPS, h + 2), h[STEPS + 1], h[STEPS] };
    there_and_back(&f, 3, y, 1);
    end(&f);
}

Test(onnx_scan, a_loop_without_inputs_counts_its_steps)
{
    fixture f = begin();
    reel_var h = reel_at(f.x, 0);
    for (int t = 0; t < STEPS; t++) {
        reel_step_begin(f.t, t);
        h = step(&f, f.W, reel_concat(0, h, reel_slice(h, 0, 0, 1)));
        h = reel_slice(h, 0, 0, BATCH);
        reel_step_end(f.t);
    }
    there_and_back(&f, 1, &h, 1);
    end(&f);
}

Test(onnx_scan, single_steps_that_are_read_outside_come_out_of_the_stack)
{
    fixture f = begin();
    reel_var h = zeros(&f), seen[STEPS], back[STEPS];
    for (int t = 0; t < STEPS; t++) {
        seen[t] = h = step(&f, reel_at(f.x, STEPS - 1 - t), h);
        back[STEPS - 1 - t] = h;
    }
    reel_var y[] = { seen[3], reel_mul(seen[0], seen[STEPS - 2]), reel_stack_n(0, STEPS, back),
                     reel_stack_n(1, STEPS, seen), reel_stack_n(0, 4, seen + 2) };
    there_and_back(&f, 5, y, 1);
    end(&f);
}

Test(onnx_scan, one_loop_reads_the_steps_of_another_backwards)
{
    fixture f = begin();
    reel_var h = zeros(&f), first[STEPS], second[STEPS];
    for (int t = 0; t < STEPS; t++) {
        reel_step_begin(f.t, t);
        first[t] = h = step(&f, reel_at(f.x, t), h);
        reel_step_end(f.t);
    }
    reel_var c = zeros(&f);
    for (int t = 0; t < STEPS; t++) {
        reel_step_begin(f.t, t);
        second[t] = c = reel_sub(first[STEPS - 1 - t], reel_sin(reel_matmul(c, f.W)));
        reel_step_end(f.t);
    }
    reel_var y[] = { c, reel_stack_n(0, STEPS, second) };
    there_and_back(&f, 2, y, 2);
    end(&f);
}

Test(onnx_scan, steps_fed_one_by_one_and_short_loops_stay_as_they_are)
{
    fixture f = begin();
    reel_var h = zeros(&f), x[STEPS], again;
    static const char *const names[STEPS] = { "a", "b", "c", "d", "e", "f", "g", "h", "i" };
    for (int t = 0; t < STEPS; t++) {
        x[t] = reel_at(f.x, t);
    }
    for (int t = 0; t < STEPS; t++) {
        h = step(&f, x[t], h);
    }
    reel_onnx_options scan = { .loops = REEL_ONNX_SCAN };
    cr_assert_eq(reel_onnx_export(f.t, STEPS, x, names, 1, &h, f.path, scan), REEL_OK, "%s",
                 reel_tape_error(f.t));
    reel_onnx *model = reel_onnx_load(f.t, f.path, (reel_onnx_load_options){ .constant = true });
    cr_assert_eq(reel_onnx_run(model, STEPS, x, 1, &again), REEL_OK, "%s", reel_tape_error(f.t));
    expect_same(h, again);
    reel_onnx_free(model);
    h = zeros(&f);
    for (int t = 0; t < 3; t++) {
        h = step(&f, reel_at(f.x, t), h);
    }
    there_and_back(&f, 1, &h, 0);
    end(&f);
}

/* True when the export went through. */
static bool export_with(failing_memory *memory, long fails, const char *path)
{
    reel_allocator allocator = { .resize = failing_memory_resize, .self = memory };
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1, .allocator = allocator });
    reel_cell gru = reel_gru(t, "gru", WIDTH, 4, (reel_gru_options){ 0 });
    reel_var x = onnx_case_input(t, REEL_SHAPE(STEPS, BATCH, WIDTH), 4);
    reel_var y = reel_unroll(gru, x, (reel_unroll_options){ 0 }).outputs;
    memory->fail_at = memory->calls + fails;
    reel_status status = reel_onnx_export(t, 1, &x, (const char *[]){ "x" }, 1, &y, path,
                                          (reel_onnx_options){ .loops = REEL_ONNX_SCAN });
    memory->fail_at = -1;
    cr_expect(status == REEL_OK || status == REEL_OUT_OF_MEMORY);
    cr_expect_eq(status, reel_tape_status(t));
    reel_tape_free(t);
    cr_expect_eq(memory->held, 0);
    return status == REEL_OK;
}

Test(onnx_scan, where_memory_runs_out_the_export_says_so_and_holds_none)
{
    char path[FILES_PATH];
    files_begin(path, "loop.onnx");
    long fails = 0;
    for (bool fine = false; !fine; fails++) {
        failing_memory memory = { .fail_at = -1 };
        cr_assert(fails < 2000);
        fine = export_with(&memory, fails, path);
        cr_expect_eq(files_count(path), fine);
    }
    cr_expect(fails > 5, "%ld requests", fails);
    files_end(path);
}

Test(onnx_scan, an_option_out_of_range_is_refused_and_no_file_is_written)
{
    fixture f = begin();
    reel_onnx_options options = { .loops = (reel_onnx_loops)7 };
    reel_var y = reel_tanh(f.x);
    cr_assert_eq(reel_onnx_export(f.t, 1, &f.x, (const char *[]){ "x" }, 1, &y, f.path, options),
                 REEL_BAD_ARGUMENT);
    cr_assert(strstr(reel_tape_error(f.t), "loops is 7") != NULL, "%s", reel_tape_error(f.t));
    cr_assert_eq(files_count(f.path), 0);
    end(&f);
}

#endif
