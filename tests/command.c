/* The program reel: each command on a tiny input and on bad ones, its exit status and what it says. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reel.h"
#include "tests/support/files.h"

static char said[1 << 16]; /* what the latest run wrote to stdout and stderr */

/* Runs `reel …` and returns its exit status. */
static int reel(const char *format, ...)
{
    char line[4096];
    int at = snprintf(line, sizeof line, "'%s' ", REEL_COMMAND);
    va_list arguments;
    va_start(arguments, format);
    at += vsnprintf(line + at, sizeof line - (size_t)at, format, arguments);
    va_end(arguments);
    snprintf(line + at, sizeof line - (size_t)at, " 2>&1");
    FILE *run = popen(line, "r");
    cr_assert(run);
    said[fread(said, 1, sizeof said - 1, run)] = '\0';
    int status = pclose(run);
    cr_assert(WIFEXITED(status), "%s ended by a signal: %s", line, said);
    return WEXITSTATUS(status);
}

#define ASSERT_SAID(part) cr_assert(strstr(said, part), "\"%s\" is not in \"%s\"", part, said)
#define ASSERT_RUNS(...)                                                                           \
    do {                                                                                           \
        int status_ = reel(__VA_ARGS__);                                                           \
        cr_assert_eq(status_, 0, "exit status %d: %s", status_, said);                             \
    } while (0)

/* The number of a JSON field of the report. */
static double field(const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(said, key);
    cr_assert(at, "no %s in %s", key, said);
    return strtod(at + strlen(key) + (at[strlen(key)] == '['), NULL);
}

/* A folder with what the commands read; paths are FOLDER/NAME. */
static char folder[FILES_PATH];

static void in_folder(char path[FILES_PATH], const char *name)
{
    snprintf(path, FILES_PATH, "%.200s/%.50s", folder, name);
}

static void write_csv(const char *name, int broken_row)
{
    char path[FILES_PATH], cell[32];
    in_folder(path, name);
    FILE *out = fopen(path, "w");
    fprintf(out, "date,\"big wave\",other\n");
    for (int i = 0; i < 120; i++) {
        snprintf(cell, sizeof cell, "%g", 100 + 10 * sin(0.3 * i));
        fprintf(out, "day %d,%s,%g\n", i, i == broken_row ? "oops" : cell, cos(0.3 * i));
    }
    fclose(out);
}

/* Two classes: where the sum of both columns is large, and where it is small. */
static void write_classes(void)
{
    char path[FILES_PATH];
    in_folder(path, "classes.csv");
    FILE *out = fopen(path, "w");
    fprintf(out, "a,kind,b\n");
    for (int i = 0; i < 80; i++) {
        double sign = i < 40 ? 1 : -1;
        fprintf(out, "%g,%s,%g\n", sign + 0.3 * sin(i), i < 40 ? "large" : "\"very small\"",
                sign + 0.3 * cos(i));
    }
    fclose(out);
}

/* Sequences of 3 to 12 rows, some of them interleaved: they rise or they fall. */
static void write_sequences(void)
{
    char path[FILES_PATH];
    in_folder(path, "sequences.csv");
    FILE *out = fopen(path, "w");
    fprintf(out, "level,who,kind,other\n");
    for (int pair = 0; pair < 40; pair++) {
        for (int step = 0; step < 3 + pair % 10; step++) {
            for (int k = 0; k < 2; k++) {
                bool rises = (pair + k) % 3 != 0;
                double level = sin(pair) + (rises ? 0.3 : -0.3) * step;
                fprintf(out, "%g,patient %d,%s,%g\n", level, 2 * pair + k,
                        rises ? "rising" : "falling", cos(step));
            }
        }
    }
    fclose(out);
    in_folder(path, "mixed.csv");
    out = fopen(path, "w");
    fprintf(out, "level,who,kind\n1,a,up\n2,b,down\n3,a,down\n");
    fclose(out);
}

static void write_text(void)
{
    char path[FILES_PATH];
    in_folder(path, "text.txt");
    FILE *out = fopen(path, "w");
    for (int i = 0; i < 60; i++) {
        fputs("abcdefgh \xc3\xa9 \"ij\"\n", out);
    }
    fclose(out);
    in_folder(path, "latin1.txt");
    files_write(path, "abc\xe9 def\n", 9);
}

static void setup(void)
{
    files_begin(folder, "x");
    *strrchr(folder, '/') = '\0';
    write_csv("series.csv", -1);
    write_csv("broken.csv", 7);
    write_classes();
    write_sequences();
    write_text();
}

static void teardown(void)
{
    char path[FILES_PATH];
    in_folder(path, "x");
    files_end(path);
}

TestSuite(command, .init = setup, .fini = teardown);

/* ---- use and misuse ------------------------------------------------------------------------ */

Test(command, help_and_version_are_fine_and_no_command_is_wrong_use)
{
    static const char *const names[] = { "train-lm", "sample",  "forecast", "classify",
                                         "inspect",  "convert", "emit-c" };
    ASSERT_RUNS("--help");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ASSERT_RUNS("--help");
        ASSERT_SAID(names[i]);
        ASSERT_RUNS("%s --help", names[i]);
        ASSERT_SAID("[OPTIONS]");
        ASSERT_SAID("--json");
    }
    ASSERT_RUNS("--version");
    ASSERT_SAID("reel " REEL_VERSION);
    cr_assert_eq(reel("%s", ""), 2);
}

static const struct {
    const char *arguments, *message;
} misuses[] = {
    { "trian-lm x", "no command is called trian-lm; did you mean train-lm?" },
    { "train-lm x --unitz 3", "no option is called --unitz; did you mean --units?" },
    { "train-lm x --unitz=3", "no option is called --unitz; did you mean --units?" },
    { "train-lm", "FILE is missing; see reel train-lm --help" },
    { "train-lm x y", "\"y\" is one argument too many" },
    { "train-lm x --units", "--units needs a value: N" },
    { "train-lm x --units 3.5", "--units is \"3.5\", must be a whole number in [1, 65536]" },
    { "train-lm x --units 0", "must be a whole number in [1, 65536]" },
    { "train-lm x --units 1e99", "must be a whole number in [1, 65536]" },
    { "train-lm x --lr nan", "--lr is \"nan\", must be a number in" },
    { "train-lm x --lr=", "--lr is \"\", must be a number in" },
    { "train-lm x --json=yes", "--json takes no value" },
    { "train-lm x --vocabulary letters", "--vocabulary is char, word or bpe" },
    { "train-lm x --seed -1", "--seed is \"-1\", must be a whole number of at least 0" },
    { "forecast x", "--column NAME says what is forecast" },
    { "classify x --target a --sequence b --steps 3", "--steps and --sequence are two ways" },
    { "classify x", "--target NAME says which column holds the classes" },
    { "convert x", "OUT is missing" },
    { "convert x y --from torch", "--from and --to are reel, pytorch or keras" },
    { "convert x y --from keras", "--like MODEL says which layers the weights are of" },
};

Test(command, wrong_use_is_explained_and_has_exit_status_2)
{
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        int status = reel("%s", misuses[i].arguments);
        cr_assert_eq(status, 2, "%s: %d, %s", misuses[i].arguments, status, said);
        ASSERT_SAID(misuses[i].message);
    }
}

static const struct {
    const char *arguments, *message;
} failures[] = {
    { "train-lm nothing.txt", "nothing.txt cannot be read or is empty" },
    { "train-lm latin1.txt", "byte 3" },
    { "train-lm text.txt --steps 2000", "which are no two examples of 2000 steps" },
    { "sample text.txt", "text.txt" },
    { "sample nothing.safetensors", "nothing.safetensors" },
    { "forecast series.csv --column wave", "series.csv has no column \"wave\"" },
    { "forecast broken.csv --column 'big wave'", "\"oops\" at row 7 (line 9)" },
    { "forecast series.csv --column 'big wave' --steps 500", "a forecast needs 500" },
    { "forecast series.csv --column date", "is no number" },
    { "forecast series.csv --column other --steps 119", "are too few for windows of 119 + 1" },
    { "classify classes.csv --target sort", "has no column \"sort\"" },
    { "classify series.csv --target other", "is no number" },
    { "classify classes.csv --target kind --steps 3", "2 columns are no 3 equal steps" },
    { "classify sequences.csv --target kind --sequence whom", "has no column \"whom\"" },
    { "classify mixed.csv --target kind --sequence who",
      "row 2 is of another class than the rows of \"a\" before it" },
    { "inspect text.txt", "text.txt" },
    { "convert text.txt out.npz", "text.txt" },
    { "emit-c series.csv", "series.csv" },
};

Test(command, what_fails_says_why_and_has_exit_status_1)
{
    cr_assert_eq(chdir(folder), 0);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        int status = reel("%s", failures[i].arguments);
        cr_assert_eq(status, 1, "%s: %d, %s", failures[i].arguments, status, said);
        ASSERT_SAID(failures[i].message);
        ASSERT_SAID("reel: ");
    }
}

Test(command, a_report_that_cannot_be_written_is_a_failure)
{
    cr_assert_eq(chdir(folder), 0);
    ASSERT_RUNS("classify classes.csv --target kind --epochs 1 --quiet --out m.safetensors");
    cr_assert_eq(reel("inspect m.safetensors > /dev/full"), 1);
    cr_assert_eq(reel("inspect m.safetensors --json > /dev/full"), 1);
}

/* ---- language models ----------------------------------------------------------------------- */

Test(command, a_language_model_is_trained_saved_and_writes_on)
{
    cr_assert_eq(chdir(folder), 0);
    ASSERT_RUNS("train-lm text.txt --units 32 --embedding 16 --steps 16 --epochs 30 --lr 0.02 "
                "--out lm.safetensors --quiet --json");
    cr_assert_lt(field("perplexity"), 1.5);
    cr_assert_eq(field("epochs"), 30);
    cr_assert_eq(field("symbols"), 16);
    ASSERT_RUNS("sample lm.safetensors --prompt 'abcd' --length 12 --temperature 0.1");
    cr_assert_str_eq(said, "efgh \xc3\xa9 \"ij\"\n\n");
    ASSERT_RUNS("sample lm.safetensors --prompt abcd --length 12 --temperature 0.1 --json");
    ASSERT_SAID("\"text\": \"efgh \xc3\xa9 \\\"ij\\\"\\n\"");
    ASSERT_RUNS("sample lm.safetensors --length 3 --seed 4 --top-k 3 --top-p 0.9");
    ASSERT_RUNS("emit-c lm.safetensors --out lm.c --json");
    cr_assert_eq(field("outputs"), 16);
    ASSERT_RUNS("convert lm.safetensors theirs.safetensors --to pytorch");
    ASSERT_RUNS("convert theirs.safetensors back.safetensors --from pytorch "
                "--like lm.safetensors");
    size_t size, again;
    unsigned char *before = files_read("lm.safetensors", &size);
    unsigned char *after = files_read("back.safetensors", &again);
    cr_assert(size == again && memcmp(before, after, size) == 0);
    free(before);
    free(after);
}

Test(command, an_interrupt_ends_training_and_the_model_is_saved)
{
    cr_assert_eq(chdir(folder), 0);
    static const char script[] =
        "'" REEL_COMMAND "' train-lm text.txt --units 8 --steps 8 --epochs 1000000 --json "
        "2> log > out & "
        "while ! grep -q Epoch log; do sleep 0.02; done; kill -INT $!; wait $!";
    cr_assert_eq(system(script), 0);
    ASSERT_RUNS("sample model.safetensors --length 5");
    size_t size;
    char *out = (char *)files_read("out", &size);
    snprintf(said, sizeof said, "%.*s", (int)size, out);
    free(out);
    ASSERT_SAID("\"stopped_by\": \"interrupt\"");
    cr_assert_lt(field("epochs"), 1000000);
}

Test(command, words_and_byte_pairs_are_vocabularies_too)
{
    cr_assert_eq(chdir(folder), 0);
    static const char *const kinds[] = { "word", "bpe" };
    for (int k = 0; k < 2; k++) {
        ASSERT_RUNS("train-lm text.txt --vocabulary %s --vocabulary-size 270 --units 8 --steps 8 "
                    "--epochs 1 --layers 2 --quiet",
                    kinds[k]);
        ASSERT_RUNS("sample model.safetensors --length 5 --json");
    }
}

/* ---- tables -------------------------------------------------------------------------------- */

Test(command, a_forecast_is_better_than_repeating_the_last_value)
{
    cr_assert_eq(chdir(folder), 0);
    ASSERT_RUNS("forecast series.csv --column 'big wave' --columns other --steps 10 --horizon 2 "
                "--units 16 --epochs 40 --lr 0.02 --out f.safetensors --quiet --json");
    cr_assert_lt(field("mae"), 0.5 * field("naive_mae"));
    double next = field("forecast");
    cr_assert_float_eq(next, 100 + 10 * sin(0.3 * 120), 2);
    ASSERT_RUNS("forecast series.csv --model f.safetensors --json");
    cr_assert_float_eq(field("forecast"), next, 1e-6);
    cr_assert_eq(reel("forecast series.csv --model f.safetensors --column other"), 1);
    ASSERT_SAID("the model forecasts \"big wave\"");
    cr_assert_eq(reel("classify series.csv --model f.safetensors"), 1);
    ASSERT_SAID("the model does not name its classes");
    ASSERT_RUNS("inspect f.safetensors");
    ASSERT_SAID("layer_0 (LSTM)");
    ASSERT_RUNS("convert f.safetensors f.npz");
    ASSERT_RUNS("inspect f.npz --json");
    ASSERT_SAID("\"layer_0.W_x\"");
    cr_assert_eq(field("arrays"), 5);
}

static int count_lines_of(const char *line)
{
    int count = 0;
    for (const char *at = said; (at = strstr(at, line)); at += strlen(line)) {
        count++;
    }
    return count;
}

Test(command, classes_are_learnt_and_told_by_their_names)
{
    cr_assert_eq(chdir(folder), 0);
    ASSERT_RUNS("classify classes.csv --target kind --epochs 60 --units 8 --lr 0.02 "
                "--out c.safetensors --quiet --json");
    cr_assert_eq(field("accuracy"), 1);
    cr_assert_eq(field("f1"), 1);
    ASSERT_SAID("[\"large\", \"very small\"]");
    ASSERT_RUNS("classify classes.csv --model c.safetensors");
    cr_assert_eq(count_lines_of("large\n"), 40);
    cr_assert_eq(count_lines_of("very small\n"), 40);
    cr_assert_eq(reel("sample c.safetensors"), 1);
    ASSERT_SAID("holds no vocabulary");
    ASSERT_RUNS("classify classes.csv --target kind --steps 2 --epochs 2 --quiet "
                "--out sequences.safetensors");
    ASSERT_RUNS("classify classes.csv --model sequences.safetensors --json");
}

Test(command, sequences_of_unequal_length_are_classified)
{
    cr_assert_eq(chdir(folder), 0);
    ASSERT_RUNS("classify sequences.csv --target kind --sequence who --epochs 120 --units 16 "
                "--lr 0.03 --batch-size 8 --out s.safetensors --quiet --json");
    cr_assert_eq(field("validation_rows"), 16);
    cr_assert_eq(field("accuracy"), 1);
    ASSERT_RUNS("classify sequences.csv --model s.safetensors");
    cr_assert_eq(count_lines_of("patient "), 80);
    ASSERT_SAID("patient 0\tfalling\npatient 1\trising\npatient 2\trising\n");
    ASSERT_RUNS("classify sequences.csv --model s.safetensors --json");
    ASSERT_SAID("\"sequences\": [\"patient 0\", \"patient 1\"");
    ASSERT_RUNS("classify sequences.csv --target kind --sequence who --columns level --epochs 1 "
                "--quiet --out s.safetensors");
    cr_assert_eq(reel("classify classes.csv --model s.safetensors"), 1);
}

/* ---- weights of other frameworks ------------------------------------------------------------ */

#define GOLDEN(name) REEL_GOLDEN_DIR "/" name

/* The model of golden/io_foreign.py, whose nn.LSTM is one module of two layers in both directions. */
static reel_model *torchs_model(reel_tape *t)
{
    const reel_layer_spec lstm = REEL_LSTM(4, .projection = 2, .return_sequences = true);
    reel_model *m = reel_sequential(
        t, REEL_EMBEDDING(7, 3, .name = "embedding"),
        REEL_BIDIRECTIONAL(lstm, .name = "first", .return_sequences = true),
        REEL_BIDIRECTIONAL(lstm, .name = "second", .return_sequences = true),
        REEL_GRU(3, .reset_after = true, .return_sequences = true, .name = "gru"),
        REEL_RNN(2, .activation = REEL_RELU, .return_sequences = true, .name = "rnn"),
        REEL_LAYER_NORM(.name = "norm"), REEL_DENSE(2, .name = "head"));
    cr_assert_eq(reel_model_build(m, REEL_SHAPE(5), true), REEL_OK, "%s", reel_tape_error(t));
    return m;
}

/* The model's outputs are what the golden file says, from its symbols [5, 2]. */
static void expect_torchs_outputs(const char *path)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = 1 });
    reel_model *m = reel_model_load(t, path, NULL);
    cr_assert_not_null(m, "%s", reel_tape_error(t));
    reel_archive *a =
        reel_archive_open(GOLDEN("io_torch.safetensors"), (reel_archive_options){ 0 });
    reel_array x, y;
    double symbols[10], expected[20], got[20];
    int32_t rows_first[10];
    cr_assert(reel_archive_find(a, "x", &x) && reel_archive_find(a, "y", &y));
    reel_array_read_f64(x, symbols, 10);
    reel_array_read_f64(y, expected, 20);
    for (int i = 0; i < 10; i++) {
        rows_first[i % 2 * 5 + i / 2] = (int32_t)symbols[i];
    }
    cr_assert_eq(reel_predict_f64(m, REEL_DATA(rows_first, 2, 5), got, 20), REEL_OK, "%s",
                 reel_tape_error(t));
    for (int i = 0; i < 20; i++) {
        double there = expected[(i / 2 % 5 * 2 + i / 10) * 2 + i % 2];
        cr_expect(fabs(got[i] - there) < 1e-5, "%d: %g, there %g", i, got[i], there);
    }
    reel_archive_free(a);
    reel_tape_free(t);
}

Test(command, a_stack_of_pytorchs_in_both_directions_comes_and_goes)
{
    cr_assert_eq(chdir(folder), 0);
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 9, .threads = 1 });
    cr_assert_eq(reel_model_save(torchs_model(t), "like.safetensors", (reel_model_extras){ 0 }),
                 REEL_OK, "%s", reel_tape_error(t));
    reel_tape_free(t);
    ASSERT_RUNS("convert '%s' ours.safetensors --from pytorch --like like.safetensors "
                "--layer LSTM:first+second:lstm --partial --json",
                GOLDEN("io_torch.safetensors"));
    cr_assert_eq(field("layers_read"), 9);
    expect_torchs_outputs("ours.safetensors");
    ASSERT_RUNS("convert ours.safetensors theirs.safetensors --to pytorch "
                "--layer LSTM:first+second:lstm");
    ASSERT_RUNS("inspect theirs.safetensors");
    ASSERT_SAID("lstm.weight_ih_l1_reverse");
    ASSERT_SAID("lstm.weight_hr_l0_reverse");
    ASSERT_RUNS("convert theirs.safetensors back.safetensors --from pytorch "
                "--like like.safetensors --layer LSTM:first+second:lstm");
    expect_torchs_outputs("back.safetensors");
}

Test(command, layers_of_both_directions_are_found_by_their_names)
{
    cr_assert_eq(chdir(folder), 0);
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 9, .threads = 1 });
    reel_model *m =
        reel_sequential(t, REEL_BIDIRECTIONAL(REEL_GRU(2, .reset_after = true), .name = "encoder"),
                        REEL_DENSE(2, .name = "head"));
    reel_model_build(m, REEL_SHAPE(5, 3), false);
    cr_assert_eq(reel_model_save(m, "m.safetensors", (reel_model_extras){ 0 }), REEL_OK, "%s",
                 reel_tape_error(t));
    reel_tape_free(t);
    ASSERT_RUNS("convert m.safetensors torch.safetensors --to pytorch");
    ASSERT_RUNS("inspect torch.safetensors");
    ASSERT_SAID("encoder.weight_hh_l0_reverse");
    ASSERT_RUNS("convert m.safetensors keras.npz --to keras");
    ASSERT_RUNS("inspect keras.npz");
    ASSERT_SAID("sequential/bidirectional/forward_gru/gru_cell/kernel");
    ASSERT_RUNS("convert keras.npz again.safetensors --from keras --like m.safetensors");
    ASSERT_RUNS("convert torch.safetensors back.safetensors --from pytorch --like m.safetensors");
    size_t size, again;
    unsigned char *before = files_read("m.safetensors", &size);
    unsigned char *after = files_read("back.safetensors", &again);
    cr_assert(size == again && memcmp(before, after, size) == 0);
    free(after);
    after = files_read("again.safetensors", &again);
    cr_assert(size == again && memcmp(before, after, size) == 0);
    free(before);
    free(after);
    cr_assert_eq(reel("convert m.safetensors x.npz --to pytorch --layer GRU:encoder"), 1);
    ASSERT_SAID("--layer is \"GRU:encoder\", must be KIND:OURS:THEIRS");
}

#ifdef REEL_HAVE_HDF5
Test(command, weights_go_to_keras_and_back)
{
    cr_assert_eq(chdir(folder), 0);
    ASSERT_RUNS("forecast series.csv --column other --epochs 1 --quiet --out f.safetensors");
    ASSERT_RUNS("convert f.safetensors f.weights.h5 --to keras");
    ASSERT_RUNS("convert f.weights.h5 back.npz --from keras --to keras --like f.safetensors");
    ASSERT_RUNS("inspect back.npz");
    ASSERT_SAID("sequential/lstm/lstm_cell/recurrent_kernel");
    ASSERT_RUNS("convert f.safetensors theirs.npz --to keras --layer LSTM:layer_0:my/lstm "
                "--layer Dense:layer_1:my/dense");
    ASSERT_RUNS("inspect theirs.npz");
    ASSERT_SAID("my/dense/kernel");
    cr_assert_eq(reel("convert f.safetensors theirs.npz --to keras --layer LSTM:layer_0"), 1);
    ASSERT_SAID("must be KIND:OURS:THEIRS");
}
#endif
