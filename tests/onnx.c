/* onnx.c: models of others give ONNX Runtime's numbers, what is exported comes back the same, and
 * damaged files are refused. bench/onnx_check.py compares exports with ONNX Runtime itself. */
#define _DEFAULT_SOURCE /* mkdtemp, setrlimit, SIGXFSZ */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/onnx.h"
#include "layers/layers.h"
#include "ops/ops.h"
#include "support/files.h"
#include "support/onnx_golden.h"
#include "support/sample.h"

#ifdef REEL_HAVE_PROTOBUF_C

/* ---- golden/onnx_models.txt ------------------------------------------------------------------ */

static int for_each_case(void (*each)(const golden_model *))
{
    return golden_models_for_each("onnx_models.txt", each);
}

static void run_case(const golden_model *g)
{
    if (g->fails[0]) {
        return;
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    double off = golden_model_distance(t, g);
    cr_assert(off <= 1e-5, "%s is off by %g: %s", g->name, off, reel_tape_error(t));
    reel_tape_free(t);
}

Test(onnx, models_of_others_give_the_numbers_of_onnx_runtime_and_again_after_a_rewind)
{
    cr_assert(for_each_case(run_case) > 40);
}

static void refuse_case(const golden_model *g)
{
    if (g->fails[0] == '\0') {
        return;
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    size_t nodes = reel_node_count(t);
    cr_assert(reel_onnx_parse(t, g->model, g->size, (reel_onnx_load_options){ 0 }) == NULL, "%s",
              g->name);
    cr_assert(strstr(reel_tape_error(t), g->fails) != NULL, "%s: %s", g->name, reel_tape_error(t));
    cr_assert_eq(reel_node_count(t), nodes);
    cr_assert_eq(reel_param_count(t), 0);
    reel_tape_free(t);
}

Test(onnx, a_bad_file_is_refused_with_its_reason_and_leaves_the_tape_as_it_was)
{
    for_each_case(refuse_case);
}

/* No crash and no hang is all that can be asked of such files. */
static void damage_case(const golden_model *g)
{
    if (g->size > 700) {
        return;
    }
    unsigned char *bytes = malloc(g->size + 1);
    for (size_t i = 0; i < g->size; i++) {
        reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
        memcpy(bytes, g->model, g->size);
        reel_onnx *cut = reel_onnx_parse(t, bytes, i, (reel_onnx_load_options){ 0 });
        cr_assert(cut != NULL || reel_tape_status(t) != REEL_OK, "%s cut at %zu", g->name, i);
        reel_onnx_free(cut);
        for (int bit = 0; bit < 8; bit += 3) {
            reel_tape_clear(t);
            bytes[i] = (unsigned char)(g->model[i] ^ (1u << bit));
            reel_onnx *bent =
                reel_onnx_parse(t, bytes, g->size, (reel_onnx_load_options){ .constant = true });
            cr_assert(bent != NULL || reel_tape_status(t) != REEL_OK, "%s", g->name);
            reel_onnx_free(bent);
        }
        reel_tape_free(t);
    }
    free(bytes);
}

Test(onnx, a_file_cut_anywhere_or_with_any_byte_bent_is_loaded_or_refused)
{
    for_each_case(damage_case);
}

/* ---- there and back -------------------------------------------------------------------------- */

static void in_folder(char path[96], char folder[64], const char *name)
{
    snprintf(folder, 64, "/tmp/reel-onnx-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, 96, "%s/%s", folder, name);
}

static void read_numbers(reel_var v, double *out, int64_t n)
{
    int32_t *whole = malloc(((size_t)n + 1) * sizeof *whole);
    if (!reel_is_index(v)) {
        reel_read_f64(v, out, (size_t)n);
    } else if (reel_read_indices(v, whole, (size_t)n) == REEL_OK) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = whole[i];
        }
    }
    free(whole);
}

static void there_and_back(const char *path, const reel_op *op, const reel_sample *sample,
                           reel_dtype dtype)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype, .threads = 1 });
    reel_var x[REEL_SAMPLE_INPUTS], again;
    for (int i = 0; i < sample->inputs; i++) {
        x[i] = sample_input(t, op, sample, i, SAMPLE_PLAIN);
    }
    reel_var y = sample->inputs ? reel_record(op, sample->inputs, x, sample->attributes)
                                : reel_record_on(t, op, sample->attributes);
    cr_assert_eq(
        reel_onnx_export(t, sample->inputs, x, names, 1, &y, path, (reel_onnx_options){ 0 }),
        REEL_OK, "%s", reel_tape_error(t));
    reel_onnx *model = reel_onnx_load(t, path, (reel_onnx_load_options){ .constant = true });
    reel_onnx_run(model, sample->inputs, x, 1, &again);
    cr_assert_eq(reel_tape_status(t), REEL_OK, "%s: %s", SAMPLE_NAME(op, sample),
                 reel_tape_error(t));
    cr_assert(reel_shape_equal(reel_shape_of(y), reel_shape_of(again)));
    int64_t n = reel_shape_size(reel_shape_of(y));
    double *expected = malloc((size_t)n * 8 + 8), *found = malloc((size_t)n * 8 + 8);
    read_numbers(y, expected, n);
    read_numbers(again, found, n);
    double tolerance = dtype == REEL_F64 ? 1e-7 : 1e-5; /* attributes are float in the file */
    for (int64_t i = 0; i < n; i++) {
        bool same = isfinite(expected[i])
                        ? fabs(found[i] - expected[i]) <= tolerance * fmax(1, fabs(expected[i]))
                    : isnan(expected[i]) ? isnan(found[i])
                                         : found[i] == expected[i];
        cr_expect(same, "%s: %g, not %g", SAMPLE_NAME(op, sample), found[i], expected[i]);
    }
    free(expected);
    free(found);
    reel_onnx_free(model);
    reel_tape_free(t);
}

Test(onnx, every_sample_of_every_op_comes_back_the_same)
{
    char path[96], folder[64];
    int count = 0;
    in_folder(path, folder, "sample.onnx");
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        for (int i = 0; i < sample_count(*op); i++) {
            const reel_sample *sample = &(*op)->samples[i];
            if (sample->fails == NULL && !(*op)->random) {
                there_and_back(path, *op, sample, count++ % 2 ? REEL_F64 : REEL_F32);
            }
        }
    }
    remove(path);
    rmdir(folder);
    cr_assert(count > 500);
}

Test(onnx, a_loaded_model_has_trainable_parameters_under_a_prefix)
{
    char path[96], folder[64];
    in_folder(path, folder, "dense.onnx");
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    float values[] = { 1, 2, 3 };
    reel_layer dense = reel_dense(t, "out", 3, 2, (reel_dense_options){ 0 });
    reel_var x = reel_input(t, REEL_SHAPE(1, 3), values), y = reel_apply(dense, x), again;
    reel_onnx_export(t, 1, &x, (const char *[]){ "x" }, 1, &y, path, (reel_onnx_options){ 0 });
    cr_assert(reel_onnx_load(t, path, (reel_onnx_load_options){ 0 }) == NULL);
    cr_assert(strstr(reel_tape_error(t), "the tape has a parameter out.W already; .prefix") !=
              NULL);
    reel_tape_clear(t);
    reel_onnx *model = reel_onnx_load(t, path, (reel_onnx_load_options){ .prefix = "copy/" });
    cr_assert(model != NULL, "%s", reel_tape_error(t));
    cr_assert_eq(reel_onnx_run(model, 1, &x, 1, &again), REEL_OK);
    reel_backward(reel_sum_all(again));
    float gradient[6];
    reel_read_grad(reel_find_param(t, "copy/out.W"), gradient, 6);
    cr_assert(gradient[0] == 1 && gradient[2] == 2 && gradient[5] == 3);
    reel_onnx_free(model);
    reel_tape_free(t);
    remove(path);
    rmdir(folder);
}

Test(onnx, a_stack_written_as_standard_operators_gives_what_unrolling_gives)
{
    enum { STEPS = 4, BATCH = 2, IN = 3 };
    char path[96], folder[64];
    in_folder(path, folder, "stack.onnx");
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = 1 });
    reel_cell lstm = reel_lstm(t, "up", IN, 4, (reel_lstm_options){ .peephole = true });
    reel_cell down = reel_lstm(t, "down", IN, 4, (reel_lstm_options){ .peephole = true });
    reel_cell gru = reel_gru(t, "gru", 8, 3, (reel_gru_options){ .reset_after = true });
    reel_layer dense = reel_dense(t, "out", 3, 2, (reel_dense_options){ 0 });
    for (size_t i = 0; i < reel_param_count(t); i++) { /* zeros would hide what stands where */
        double values[128];
        size_t n = (size_t)reel_shape_size(reel_shape_of(reel_param_at(t, i)));
        for (size_t k = 0; k < n; k++) {
            values[k] = sin((double)(3 * k + 7 * i));
        }
        reel_write_param_f64(reel_param_at(t, i), values, n);
    }
    double values[STEPS * BATCH * IN];
    for (int i = 0; i < STEPS * BATCH * IN; i++) {
        values[i] = cos(i);
    }
    int32_t lengths[] = { 4, 2 };
    reel_onnx_layer layers[] = { { .type = "LSTM", .forward = "up", .reverse = "down" },
                                 { .type = "GRU", .forward = "gru" } };
    cr_assert_eq(reel_onnx_export_layers(t, 2, layers, "out", path), REEL_OK, "%s",
                 reel_tape_error(t));
    reel_onnx *model = reel_onnx_load(t, path, (reel_onnx_load_options){ .prefix = "copy/" });
    reel_var x[] = { reel_input_f64(t, REEL_SHAPE(STEPS, BATCH, IN), values),
                     reel_indices(t, REEL_SHAPE(BATCH), lengths) };
    reel_var y[4];
    cr_assert_eq(reel_onnx_run(model, 2, x, 4, y), REEL_OK, "%s", reel_tape_error(t));
    reel_unroll_options forward = { .lengths = lengths };
    reel_unroll_options backward = { .lengths = lengths, .reverse = true };
    reel_var both = reel_concat(-1, reel_unroll(lstm, x[0], forward).outputs,
                                reel_unroll(down, x[0], backward).outputs);
    reel_var expected = reel_apply(dense, reel_unroll(gru, both, forward).outputs);
    cr_assert(reel_item(reel_max_all(reel_abs(reel_sub(expected, y[3])))) < 1e-12);
    cr_assert_str_eq(reel_onnx_output_name(model, 0), "h_0");
    cr_assert(reel_shape_equal(reel_shape_of(y[0]), REEL_SHAPE(2, BATCH, 4)));
    reel_onnx_free(model);
    reel_tape_free(t);
    remove(path);
    rmdir(folder);
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL && fwrite(bytes, 1, n, file) == n);
    fclose(file);
}

/* y = x + w, w two floats in the external file `weights` */
static const unsigned char external_model[] =
    "\x08\x09\x3a\x55\x0a\x0e\x0a\x01\x78\x0a\x01\x77\x12\x01\x79\x22\x03\x41\x64\x64"
    "\x12\x01\x67\x2a\x1e\x08\x02\x10\x01\x42\x01\x77\x6a\x13\x0a\x08\x6c\x6f\x63\x61"
    "\x74\x69\x6f\x6e\x12\x07\x77\x65\x69\x67\x68\x74\x73\x70\x01\x5a\x0f\x0a\x01\x78"
    "\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x02\x62\x0f\x0a\x01\x79\x12\x0a\x0a"
    "\x08\x08\x01\x12\x04\x0a\x02\x08\x02\x42\x04\x0a\x00\x10\x14";

Test(onnx, external_data_are_read_from_the_models_folder_and_not_through_a_link_out_of_it)
{
    char model_path[96], folder[64], weights[96], elsewhere[96], outside[64];
    in_folder(model_path, folder, "model.onnx");
    in_folder(elsewhere, outside, "secret");
    snprintf(weights, sizeof weights, "%s/weights", folder);
    const float numbers[] = { 0.5F, 2 };
    write_bytes(model_path, external_model, sizeof external_model - 1);
    write_bytes(elsewhere, numbers, sizeof numbers);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    cr_assert_eq(symlink(elsewhere, weights), 0);
    cr_assert(reel_onnx_load(t, model_path, (reel_onnx_load_options){ 0 }) == NULL);
    cr_assert(strstr(reel_tape_error(t),
                     "w: external data \"weights\" are not in the model's folder") != NULL,
              "%s", reel_tape_error(t));
    reel_tape_clear(t);
    unlink(weights);
    write_bytes(weights, numbers, sizeof numbers - 1);
    cr_assert(reel_onnx_load(t, model_path, (reel_onnx_load_options){ 0 }) == NULL);
    cr_assert(strstr(reel_tape_error(t), "w: its external data do not have its size") != NULL);
    reel_tape_clear(t);
    write_bytes(weights, numbers, sizeof numbers);
    reel_onnx *model = reel_onnx_load(t, model_path, (reel_onnx_load_options){ 0 });
    cr_assert(model != NULL, "%s", reel_tape_error(t));
    float one[] = { 1, 1 }, found[2];
    reel_var x = reel_input(t, REEL_SHAPE(2), one), y;
    cr_assert_eq(reel_onnx_run(model, 1, &x, 1, &y), REEL_OK);
    reel_read(y, found, 2);
    cr_assert(found[0] == 1.5F && found[1] == 3);
    reel_onnx_free(model);
    reel_tape_free(t);
    unlink(weights);
    unlink(model_path);
    unlink(elsewhere);
    rmdir(folder);
    rmdir(outside);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void nothing(size_t n, const void *const x[], void *y, const void *attributes)
{
    (void)n, (void)x, (void)y, (void)attributes;
}

static void expect_error(reel_tape *t, reel_status found, reel_status status, const char *words)
{
    cr_assert_eq(found, status);
    cr_assert(strstr(reel_tape_error(t), words) != NULL, "%s", reel_tape_error(t));
    reel_tape_clear(t);
}

/* The second model is larger than a file may be. */
Test(onnx, an_export_that_cannot_be_finished_leaves_the_file_that_was_there)
{
    char path[FILES_PATH];
    files_begin(path, "model.onnx");
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_var x = reel_fill(t, REEL_SHAPE(2, 100), 1), small = reel_tanh(x);
    reel_layer dense = reel_dense(t, "out", 100, 100, (reel_dense_options){ 0 });
    reel_var large = reel_apply(dense, x);
    const char *const names[] = { "x" };
    reel_onnx_options none = { 0 };
    cr_assert_eq(reel_onnx_export(t, 1, &x, names, 1, &small, path, none), REEL_OK);
    size_t before, after;
    unsigned char *whole = files_read(path, &before);
    struct rlimit old;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 20000, old.rlim_max });
    reel_status status = reel_onnx_export(t, 1, &x, names, 1, &large, path, none);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_expect_eq(status, REEL_FILE_ERROR);
    cr_expect(strstr(reel_tape_error(t), "cannot write all of it: File too large"), "%s",
              reel_tape_error(t));
    unsigned char *still = files_read(path, &after);
    cr_expect(before == after && memcmp(whole, still, before) == 0);
    cr_expect_eq(files_count(path), 1);
    reel_tape_clear(t);
    cr_expect_eq(reel_onnx_export(t, 1, &x, names, 1, &large, path, none), REEL_OK);
    cr_expect_eq(files_count(path), 1);
    free(whole);
    free(still);
    reel_tape_free(t);
    files_end(path);
}

Test(onnx, an_export_that_cannot_be_says_why)
{
    static const reel_op cube = { .name = "cube",
                                  .kind = REEL_ELEMENTWISE,
                                  .inputs = 1,
                                  .tile = { nothing, nothing },
                                  .nondifferentiable = "a test" };
    static const char *const same[] = { "x", "x" };
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_var x[] = { reel_scalar(t, 1), reel_scalar(t, 2) }, y = reel_record(&cube, 1, x, NULL);
    reel_onnx_options none = { 0 };
    expect_error(t, reel_onnx_export(t, 1, x, same, 1, &y, "/tmp/never", none), REEL_UNSUPPORTED,
                 "ONNX has no form of cube");
    y = reel_tanh(x[0]);
    expect_error(t, reel_onnx_export(t, 2, x, same, 1, &y, "/tmp/never", none), REEL_BAD_ARGUMENT,
                 "two inputs are named x");
    expect_error(t, reel_onnx_export(t, 1, x, NULL, 1, &y, "/tmp/never", none), REEL_BAD_ARGUMENT,
                 "input 0 has no name");
    expect_error(t, reel_onnx_export(t, 1, x, same, 1, &y, "/nowhere/m.onnx", none),
                 REEL_FILE_ERROR, "/nowhere/m.onnx");
    expect_error(t, reel_onnx_export(t, 1, x, same, 0, &y, "/tmp/never", none), REEL_BAD_ARGUMENT,
                 "1 inputs and 0 outputs");
    reel_lstm(t, "normed", 2, 2, (reel_lstm_options){ .layer_norm = true });
    reel_onnx_layer layer = { .type = "LSTM", .forward = "normed" };
    expect_error(t, reel_onnx_export_layers(t, 1, &layer, NULL, "/tmp/never"), REEL_UNSUPPORTED,
                 "normed: ONNX's LSTM has neither layer norm nor projection");
    layer.forward = "absent";
    expect_error(t, reel_onnx_export_layers(t, 1, &layer, NULL, "/tmp/never"), REEL_NOT_FOUND,
                 "absent: no parameters");
    layer.type = "SRU";
    expect_error(t, reel_onnx_export_layers(t, 1, &layer, NULL, "/tmp/never"), REEL_BAD_ARGUMENT,
                 "none of RNN, LSTM, GRU");
    cr_assert(access("/tmp/never", F_OK) != 0, "no file is left");
    cr_assert(reel_onnx_load(t, "/nowhere/m.onnx", (reel_onnx_load_options){ 0 }) == NULL);
    cr_assert_eq(reel_tape_status(t), REEL_FILE_ERROR);
    reel_tape_free(t);
}

#else

Test(onnx, without_libprotobuf_c_reading_and_writing_are_errors_that_say_so)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    cr_assert(reel_onnx_load(t, "model.onnx", (reel_onnx_load_options){ 0 }) == NULL);
    cr_assert(strstr(reel_tape_error(t), "without libprotobuf-c") != NULL);
    reel_tape_free(t);
}
#endif
