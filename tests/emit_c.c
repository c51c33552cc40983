/* emit_c.c: the C that is written, compiled by the compiler at hand, gives the library's
 * numbers. */
#define _XOPEN_SOURCE 700 /* mkdtemp, popen */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/deploy.h"
#include "ops/ops.h"
#include "support/more_cells.h"
#include "support/sample.h"

enum { STEPS = 4, BATCH = 2, IN = 3, HIDDEN = 5, MOST = 256 };

/* A folder of its own for each test. */
static void make_folder(char folder[64])
{
    snprintf(folder, 64, "/tmp/reel-emit-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
}

static void remove_folder(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    cr_assert_eq(system(command), 0);
}

/* Compiles FOLDER/main.c, which includes what was emitted, and opens its output. */
static FILE *run_program(const char *folder)
{
    char command[512];
    snprintf(
        command, sizeof command,
        "%s -std=c99 -Wall -Wextra -Werror -Wno-unused-function -o '%s/program' '%s/main.c' -lm",
        REEL_C_COMPILER, folder, folder);
    cr_assert_eq(system(command), 0, "what was emitted does not compile");
    snprintf(command, sizeof command, "'%s/program'", folder);
    FILE *output = popen(command, "r");
    cr_assert(output != NULL);
    return output;
}

static FILE *open_main(const char *folder)
{
    char path[128];
    snprintf(path, sizeof path, "%s/main.c", folder);
    FILE *out = fopen(path, "w");
    cr_assert(out != NULL);
    fprintf(out, "#include <stdio.h>\n");
    return out;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static reel_cell rnn(reel_tape *t)
{
    return reel_rnn(t, "cell", IN, HIDDEN, (reel_rnn_options){ 0 });
}
static reel_cell gru(reel_tape *t)
{
    return reel_gru(t, "cell", IN, HIDDEN, (reel_gru_options){ 0 });
}
static reel_cell gru_after(reel_tape *t)
{
    return reel_gru(t, "cell", IN, HIDDEN, (reel_gru_options){ .reset_after = true });
}
static reel_cell lstm(reel_tape *t)
{
    return reel_lstm(t, "cell", IN, HIDDEN, (reel_lstm_options){ 0 });
}
static reel_cell lstm_of_everything(reel_tape *t)
{
    return reel_lstm(t, "cell", IN, HIDDEN,
                     (reel_lstm_options){ .peephole = true, .layer_norm = true, .projection = 4 });
}

static const more_cell common_cells[] = {
    { "RNN", rnn, .in = IN },
    { "GRU", gru, .in = IN },
    { "GRU, reset after", gru_after, .in = IN },
    { "LSTM", lstm, .in = IN },
    { "LSTM with everything", lstm_of_everything, .in = IN },
};

/* Emits one cell and a main that prints STEPS outputs; `expected` are the library's, n of them a
 * step. */
static int64_t emit_cell(const char *folder, const more_cell *c, reel_dtype dtype, double *expected)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = 5, .threads = 1 });
    reel_cell cell = c->make(t);
    int64_t given = BATCH * c->in;
    float *x = malloc((size_t)(STEPS * given) * sizeof *x);
    for (int64_t i = 0; i < STEPS * given; i++) {
        x[i] = (float)(i % 7) / 4 - 0.75f;
    }
    reel_var all = reel_input(t, REEL_SHAPE(STEPS, BATCH, c->in), x);
    reel_var outputs = reel_unroll(cell, all, (reel_unroll_options){ 0 }).outputs;
    int64_t n = reel_shape_size(reel_shape_of(outputs)) / STEPS;
    cr_assert(n <= MOST, "%s", reel_tape_error(t));
    reel_read_f64(outputs, expected, (size_t)(STEPS * n));
    reel_recorded step;
    reel_record_step(t, cell, BATCH, c->in, (reel_layer){ 0 }, &step);
    char path[128];
    snprintf(path, sizeof path, "%s/model.c", folder);
    cr_assert_eq(reel_emit_c(t, step, path, (reel_emit_c_options){ 0 }), REEL_OK, "%s: %s", c->name,
                 reel_tape_error(t));
    reel_tape_free(t);
    free(x);
    FILE *main_file = open_main(folder);
    fprintf(main_file,
            "#include \"model.c\"\nint main(void)\n{\n    static model_state s;\n    REAL x[%d], "
            "y[%d];\n    model_init(&s);\n    for (int k = 0, n = 0; k < %d; k++) {\n"
            "        for (int i = 0; i < %d; i++, n++) x[i] = (REAL)(n %% 7) / 4 - (REAL)0.75;\n"
            "        model_step(&s, x, y);\n"
            "        for (int i = 0; i < %d; i++) printf(\"%%.17g\\n\", (double)y[i]);\n    }\n}\n",
            (int)given, (int)n, STEPS, (int)given, (int)n);
    fclose(main_file);
    return n;
}

static void expect_cell(const more_cell *c, reel_dtype dtype)
{
    static double expected[STEPS * MOST];
    char folder[64];
    double found;
    make_folder(folder);
    int64_t n = emit_cell(folder, c, dtype, expected);
    FILE *output = run_program(folder);
    double tolerance = dtype == REEL_F64 ? 1e-12 : 1e-6;
    for (int64_t i = 0; i < STEPS * n; i++) {
        cr_assert_eq(fscanf(output, "%lf", &found), 1);
        cr_assert(fabs(found - expected[i]) <= tolerance, "%s, output %" PRId64 ": %g, not %g",
                  c->name, i, found, expected[i]);
    }
    pclose(output);
    remove_folder(folder);
}

Test(emit_c, a_step_of_every_cell_equals_the_librarys, .timeout = 120)
{
    for (size_t i = 0; i < sizeof common_cells / sizeof *common_cells; i++) {
        expect_cell(&common_cells[i], REEL_F32);
        expect_cell(&common_cells[i], REEL_F64);
    }
    for (int i = 0; i < more_cells_count; i++) {
        if (!more_cells[i].reverse) { /* a step has no direction */
            expect_cell(&more_cells[i], REEL_F32);
        }
    }
}

/* ---- every op -------------------------------------------------------------------------------- */

static bool is_emitted(const reel_op *op, const reel_sample *sample)
{
    return sample->fails == NULL && !op->random;
}

static void print_array(FILE *out, bool index, const double *values, int64_t n)
{
    fprintf(out, "    static const %s x[] = {", index ? "int32_t" : "REAL");
    for (int64_t i = 0; i < n; i++) {
        if (isfinite(values[i])) {
            fprintf(out, index ? " %.0f," : " (REAL)%.17e,", values[i]);
        } else {
            fprintf(out, isnan(values[i]) ? " (REAL)NAN,"
                         : values[i] < 0  ? " -(REAL)INFINITY,"
                                          : " (REAL)INFINITY,");
        }
    }
    fprintf(out, " 0 };\n");
}

/* Adds a sample to the program: its own file, and a function that prints its output. */
static int64_t emit_sample(const char *folder, FILE *main_file, const reel_op *op,
                           const reel_sample *sample, int number, double *expected)
{
    char path[160], name[64];
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_recorded r = { .inputs = sample->inputs, .outputs = 1 };
    for (int i = 0; i < sample->inputs; i++) {
        r.input[i] = sample_input(t, op, sample, i, SAMPLE_PLAIN);
    }
    r.output[0] = sample->inputs ? reel_record(op, sample->inputs, r.input, sample->attributes)
                                 : reel_record_on(t, op, sample->attributes);
    int64_t n = reel_shape_size(reel_shape_of(r.output[0]));
    bool index = reel_is_index(r.output[0]);
    int32_t *indices = malloc(((size_t)n + 1) * sizeof *indices);
    if (index) {
        reel_read_indices(r.output[0], indices, (size_t)n);
    } else {
        reel_read_f64(r.output[0], expected, (size_t)n);
    }
    for (int64_t i = 0; index && i < n; i++) {
        expected[i] = indices[i];
    }
    free(indices);
    snprintf(name, sizeof name, "case%d", number);
    snprintf(path, sizeof path, "%s/%s.c", folder, name);
    cr_assert_eq(reel_emit_c(t, r, path, (reel_emit_c_options){ .name = name }), REEL_OK, "%s",
                 reel_tape_error(t));
    fprintf(main_file, "#include \"%s.c\"\nstatic void run_%s(void)\n{\n    static %s_state s;\n",
            name, name, name);
    fprintf(main_file, "    static %s y[%" PRId64 "];\n    %s_init(&s);\n",
            index ? "int32_t" : "REAL", n + 1, name);
    for (int i = 0; i < sample->inputs; i++) {
        double *values = sample_values(op, sample, i);
        fprintf(main_file, "    {\n");
        print_array(main_file, sample_is_index(op, i), values, reel_shape_size(sample->x[i].shape));
        fprintf(main_file, "    given[%d] = x;\n    }\n", i);
        free(values);
    }
    fprintf(main_file, "    %s_step(&s", name);
    for (int i = 0; i < sample->inputs; i++) {
        fprintf(main_file, ", given[%d]", i);
    }
    fprintf(main_file,
            ", y);\n    for (long i = 0; i < %" PRId64 "; i++) printf(\"%%.9g\\n\", "
            "(double)y[i]);\n}\n",
            n);
    reel_tape_free(t);
    return n;
}

typedef struct {
    const reel_op *op;
    const reel_sample *sample;
    int64_t n;
    double *expected;
} emitted;

/* Numbers of one sample are sums of terms as large as its largest. */
static double scale_of(const emitted *c)
{
    double scale = 1;
    for (int64_t k = 0; k < c->n; k++) {
        scale = isfinite(c->expected[k]) ? fmax(scale, fabs(c->expected[k])) : scale;
    }
    return scale;
}

static bool near(double found, double expected, double scale)
{
    return isnan(expected)   ? isnan(found)
           : isinf(expected) ? found == expected
                             : fabs(found - expected) <= 1e-6 * scale;
}

Test(emit_c, every_sample_of_every_op_equals_the_librarys, .timeout = 120)
{
    char folder[64];
    static emitted cases[2000];
    int count = 0;
    make_folder(folder);
    FILE *main_file = open_main(folder);
    fprintf(main_file, "static const void *given[4];\n");
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        for (int i = 0; i < sample_count(*op); i++) {
            if (is_emitted(*op, &(*op)->samples[i])) {
                emitted *c = &cases[count];
                *c = (emitted){ *op, &(*op)->samples[i], 0, malloc(8 << 16) };
                c->n = emit_sample(folder, main_file, *op, c->sample, count++, c->expected);
            }
        }
    }
    fprintf(main_file, "int main(void)\n{\n");
    for (int i = 0; i < count; i++) {
        fprintf(main_file, "    run_case%d();\n", i);
    }
    fprintf(main_file, "}\n");
    fclose(main_file);
    FILE *output = run_program(folder);
    for (int i = 0; i < count; i++) {
        double scale = scale_of(&cases[i]);
        for (int64_t k = 0; k < cases[i].n; k++) {
            double found;
            cr_assert_eq(fscanf(output, "%lf", &found), 1);
            cr_expect(near(found, cases[i].expected[k], scale),
                      "%s: element %" PRId64 " is %g, not %g",
                      SAMPLE_NAME(cases[i].op, cases[i].sample), k, found, cases[i].expected[k]);
        }
        free(cases[i].expected);
    }
    pclose(output);
    remove_folder(folder);
    cr_assert(count > 500);
}

/* ---- what cannot be -------------------------------------------------------------------------- */

static void nothing(size_t n, const void *const x[], void *y, const void *attributes)
{
    (void)n, (void)x, (void)y, (void)attributes;
}

Test(emit_c, an_op_without_a_c_form_a_bad_name_and_a_bad_path_are_errors)
{
    static const reel_op cube = { .name = "cube",
                                  .kind = REEL_ELEMENTWISE,
                                  .inputs = 1,
                                  .tile = { nothing, nothing },
                                  .nondifferentiable = "a test" };
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_var x = reel_scalar(t, 1);
    reel_recorded r = { .inputs = 1, .outputs = 1, .input = { x } };
    r.output[0] = reel_record(&cube, 1, &x, NULL);
    cr_assert_eq(reel_emit_c(t, r, "/tmp/never", (reel_emit_c_options){ 0 }), REEL_UNSUPPORTED);
    cr_assert(strstr(reel_tape_error(t), "no C is known for cube") != NULL);
    cr_assert(access("/tmp/never", F_OK) != 0, "no file is left");
    reel_tape_clear(t);
    r.output[0] = reel_tanh(x);
    cr_assert_eq(reel_emit_c(t, r, "/tmp/never", (reel_emit_c_options){ .name = "a b" }),
                 REEL_BAD_ARGUMENT);
    reel_tape_clear(t);
    cr_assert_eq(reel_emit_c(t, r, "/nowhere/model.c", (reel_emit_c_options){ 0 }),
                 REEL_FILE_ERROR);
    cr_assert(strstr(reel_tape_error(t), "/nowhere/model.c") != NULL);
    reel_tape_free(t);
}

Test(emit_c, what_cannot_be_written_leaves_the_old_file)
{
    char folder[64], path[128], kept[8] = "";
    make_folder(folder);
    snprintf(path, sizeof path, "%s/model.c", folder);
    FILE *old = fopen(path, "w");
    fputs("old", old);
    fclose(old);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_var x = reel_scalar(t, 1);
    reel_recorded r = { .inputs = 1, .outputs = 1, .input = { x }, .output = { reel_tanh(x) } };
    struct rlimit before, small = { .rlim_cur = 100 };
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    cr_expect_eq(reel_emit_c(t, r, path, (reel_emit_c_options){ 0 }), REEL_FILE_ERROR);
    setrlimit(RLIMIT_FSIZE, &before);
    cr_expect(strstr(reel_tape_error(t), "cannot write all of it"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_eq(reel_emit_c(t, r, "/dev/null", (reel_emit_c_options){ 0 }), REEL_FILE_ERROR);
    cr_expect(strstr(reel_tape_error(t), "not a regular file"), "%s", reel_tape_error(t));
    reel_tape_free(t);
    old = fopen(path, "r");
    cr_assert(fgets(kept, sizeof kept, old) != NULL);
    cr_expect_str_eq(kept, "old");
    fclose(old);
    remove_folder(folder);
}
