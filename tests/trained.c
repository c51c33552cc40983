/* Trained models in files, step by step, and arrays out of files. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reel.h"
#include "tests/support/failing_memory.h"
#include "tests/support/files.h"

#define ASSERT_OK(t) cr_assert_eq(reel_tape_status(t), REEL_OK, "%s", reel_tape_error(t))
#define ASSERT_MESSAGE(t, part)                                                                    \
    cr_assert(strstr(reel_tape_error(t), part), "\"%s\" is not in \"%s\"", part, reel_tape_error(t))

enum { ROWS = 6, STEPS = 5, FEATURES = 3 };
static float x[ROWS][STEPS][FEATURES], y[ROWS][2];

static void fill(void)
{
    for (int i = 0; i < ROWS * STEPS * FEATURES; i++) {
        (&x[0][0][0])[i] = sinf(0.7f * (float)i);
    }
    for (int i = 0; i < ROWS * 2; i++) {
        (&y[0][0])[i] = cosf((float)i);
    }
}

static reel_data X(void)
{
    fill();
    return REEL_DATA(&x[0][0][0], ROWS, STEPS, FEATURES);
}

static reel_data Y(void)
{
    return REEL_DATA(&y[0][0], ROWS, 2);
}

/* Every kind of layer that a file can hold, with options that are not their defaults. */
static reel_model *rich_model(reel_tape *t)
{
    reel_model *m = reel_sequential(
        t, REEL_LAYER_NORM(.epsilon = 1e-3),
        REEL_BIDIRECTIONAL(REEL_GRU(4, .reset_after = true, .return_sequences = true),
                           .merge = REEL_MERGE_SUM),
        REEL_TIME_DISTRIBUTED(REEL_DENSE(5, .activation = REEL_GELU, .no_bias = true)),
        REEL_RNN(4, .return_sequences = true, .activation = REEL_RELU),
        REEL_LSTM(4, .peephole = true, .forget_bias = 2, .dropout = 0.2, .name = "memory"),
        REEL_FLATTEN(), REEL_DROPOUT(0.1), REEL_ACTIVATION(REEL_SILU), REEL_DENSE(2),
        REEL_SOFTMAX_LAYER());
    reel_compile(m, (reel_compile_options){
                        .optimizer = "sgd", .lr = 0.125, .loss = "mse", .metrics = { "mae" } });
    return m;
}

/* ---- files --------------------------------------------------------------------------------- */

Test(trained, a_saved_model_comes_back_with_layers_weights_and_what_it_was_compiled_with)
{
    char path[FILES_PATH];
    float before[ROWS * 2], after[ROWS * 2];
    files_begin(path, "model.safetensors");
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 3 });
    reel_model *m = rich_model(t);
    reel_fit(m, X(), Y(), (reel_fit_options){ .epochs = 2, .batch_size = 3 });
    reel_predict(m, X(), before, ROWS * 2);
    reel_model_save(m, path, (reel_model_extras){ 0 });
    ASSERT_OK(t);
    double loss = reel_evaluate(m, X(), Y(), (reel_evaluate_options){ 0 }).loss;
    reel_tape_free(t);

    t = reel_tape_new((reel_tape_options){ .seed = 99 });
    m = reel_model_load(t, path, NULL);
    cr_assert(m, "%s", reel_tape_error(t));
    reel_predict(m, X(), after, ROWS * 2);
    cr_assert_arr_eq(before, after, sizeof before);
    reel_evaluation e = reel_evaluate(m, X(), Y(), (reel_evaluate_options){ 0 });
    cr_assert_eq(e.loss, loss);
    cr_assert_str_eq(e.name[0], "mae");
    cr_assert_eq(reel_optimizer_lr(reel_model_optimizer(m)), 0.125);
    cr_assert_str_eq(reel_model_layer(m, 4)->name, "memory");
    cr_assert_eq(reel_model_layer(m, 1)->inner->units, 4);
    cr_assert_eq(reel_model_layers(m), 10);
    reel_tape_free(t);
    files_end(path);
}

Test(trained, normalisers_vocabulary_and_texts_travel_with_the_model)
{
    char path[FILES_PATH];
    static const char text[] = "the quick brown fox\njumps \"over\" the lazy dog \xc3\xa9";
    files_begin(path, "model.safetensors");
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_model *m = reel_sequential(t, REEL_LSTM(2, .input = REEL_SHAPE(STEPS, FEATURES)));
    reel_model_build(m, REEL_SHAPE(STEPS, FEATURES), false);
    reel_text own[] = { { "columns", "a,b" }, { "steps", "5" }, { 0 } };
    reel_model_extras extras = {
        .inputs = reel_normalizer_fit(t, REEL_STANDARD, X()),
        .targets = reel_normalizer_fit(t, REEL_MIN_MAX, Y()),
        .vocabulary =
            reel_bpe_vocabulary(t, text, strlen(text), (reel_vocabulary_options){ .size = 262 }),
        .texts = own,
    };
    reel_model_save(m, path, extras);
    ASSERT_OK(t);

    reel_tape *u = reel_tape_new((reel_tape_options){ 0 });
    reel_model_extras with;
    cr_assert(reel_model_load(u, path, &with), "%s", reel_tape_error(u));
    cr_assert_eq(with.inputs.features, FEATURES);
    cr_assert_arr_eq(with.inputs.center, extras.inputs.center, FEATURES * sizeof(double));
    cr_assert_arr_eq(with.targets.scale, extras.targets.scale, 2 * sizeof(double));
    cr_assert_str_eq(with.texts[0].key, "columns");
    cr_assert_str_eq(with.texts[1].value, "5");
    cr_assert_null(with.texts[2].key);
    int32_t a[80], b[80];
    int64_t n = reel_encode(extras.vocabulary, text, strlen(text), a, 80);
    cr_assert_eq(reel_encode(with.vocabulary, text, strlen(text), b, 80), n);
    cr_assert_arr_eq(a, b, (size_t)n * sizeof *a);
    reel_tape_free(u);
    reel_tape_free(t);
    files_end(path);
}

/* Saves and loads under an allocator that refuses one request; whether that came up. */
static bool travels(const char *path, long fail_at)
{
    failing_memory memory = { .fail_at = fail_at };
    reel_tape *t = reel_tape_new(
        (reel_tape_options){ .threads = 1, .allocator = { failing_memory_resize, &memory } });
    reel_model *m = reel_sequential(
        t, REEL_TIME_DISTRIBUTED(REEL_DENSE(2), .input = REEL_SHAPE(STEPS, FEATURES)));
    reel_model_build(m, REEL_SHAPE(STEPS, FEATURES), false);
    reel_text own[] = { { "mine", "yes" }, { 0 } };
    reel_normalizer n = reel_normalizer_fit(t, REEL_STANDARD, X());
    reel_model_save(m, path, (reel_model_extras){ .inputs = n, .texts = own });
    reel_tape_free(t);
    t = reel_tape_new(
        (reel_tape_options){ .threads = 1, .allocator = { failing_memory_resize, &memory } });
    reel_model_extras with;
    m = reel_model_load(t, path, &with);
    bool refused = memory.calls > fail_at && fail_at >= 0;
    cr_expect(m || refused, "request %ld: %s", fail_at, reel_tape_error(t));
    reel_tape_free(t);
    cr_expect_eq(memory.held, 0, "request %ld: %zu bytes left", fail_at, memory.held);
    return refused;
}

Test(trained, saving_and_loading_survive_every_refused_request)
{
    char path[FILES_PATH];
    files_begin(path, "model.safetensors");
    for (long fail_at = 0; travels(path, fail_at); fail_at++) {
        cr_assert_lt(fail_at, 100000);
    }
    files_end(path);
}

static reel_var itself(void *self, reel_var v)
{
    (void)self;
    return v;
}

Test(trained, what_cannot_be_written_or_is_not_built_is_refused)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_model *m = reel_sequential(t, REEL_DENSE(2));
    cr_assert_neq(reel_model_save(m, "/tmp/never", (reel_model_extras){ 0 }), REEL_OK);
    ASSERT_MESSAGE(t, "the model is not built");
    reel_tape_clear(t);
    m = reel_sequential(t, REEL_FUNCTION(itself, .name = "mine"));
    reel_model_build(m, REEL_SHAPE(3), false);
    reel_model_save(m, "/tmp/never", (reel_model_extras){ 0 });
    ASSERT_MESSAGE(t, "mine is the program's own code");
    reel_tape_clear(t);
    m = reel_sequential(t, REEL_DENSE(1));
    reel_model_build(m, REEL_SHAPE(3), false);
    reel_text own[] = { { "reel.model", "{}" }, { 0 } };
    reel_model_save(m, "/tmp/never", (reel_model_extras){ .texts = own });
    ASSERT_MESSAGE(t, "\"reel.model\" has a name of reel's own");
    reel_tape_free(t);
}

/* What loading a file with these texts and the tensor W [3,2] says. */
static void refused(const char *key, const char *value, const char *message)
{
    char path[FILES_PATH];
    float numbers[6] = { 0 };
    files_begin(path, "model.safetensors");
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    reel_archive_add(a, "d.W", (reel_array){ REEL_ARRAY_F32, REEL_SHAPE(3, 2), numbers });
    reel_archive_set_text(a, "reel.model",
                          "{\"version\":1,\"row\":[3],\"symbols\":false,\"layers\":"
                          "[{\"kind\":\"Dense\",\"name\":\"d\",\"units\":2,\"no_bias\":true}]}");
    reel_archive_set_text(a, key, value);
    cr_assert_eq(reel_archive_write(a, path), REEL_OK);
    reel_archive_free(a);
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_model *m = reel_model_load(t, path, NULL);
    cr_assert_eq(m == NULL, message != NULL, "%s: %s", value, reel_tape_error(t));
    ASSERT_MESSAGE(t, message ? message : "");
    reel_tape_free(t);
    files_end(path);
}

#define LAYERS(...) "{\"version\":1,\"row\":[3],\"symbols\":false,\"layers\":[" __VA_ARGS__ "]}"

Test(trained, a_damaged_description_is_refused)
{
    static const char damaged[] = "is not a model's";
    refused("mine", "anything", NULL);
    refused("reel.model", "", damaged);
    refused("reel.model", "[]", damaged);
    refused("reel.model", LAYERS(""), damaged);
    refused("reel.model", LAYERS("{\"kind\":\"Dense\"}"), damaged);
    refused("reel.model", LAYERS("{\"kind\":\"Dance\",\"name\":\"d\",\"units\":2}"), damaged);
    refused("reel.model", LAYERS("{\"kind\":\"Function\",\"name\":\"d\"}"), damaged);
    refused("reel.model", LAYERS("{\"kind\":\"Dense\",\"name\":\"d\",\"units\":2,\"new\":1}"),
            damaged);
    refused("reel.model", LAYERS("{\"kind\":\"Dense\",\"name\":\"d\",\"units\":\"2\"}"), damaged);
    refused("reel.model", LAYERS("{\"kind\":\"Dense\",\"name\":\"d\",\"units\":-1}"), "units");
    refused("reel.model", "{\"version\":2}", "the model is of version 2, this reel reads up to 1");
    refused("reel.model", LAYERS("{\"kind\":\"Dense\",\"name\":\"d\",\"units\":2}"),
            "the file has 1 tensors, 1 of them the model's, which needs 2");
    refused("reel.model",
            LAYERS("{\"kind\":\"Dense\",\"name\":\"d\",\"units\":1,\"no_bias\":true}"),
            "the file does not fit");
    refused("reel.inputs", "{\"center\":[1],\"scale\":[]}", "\"reel.inputs\" is damaged");
    refused("reel.targets", "{\"center\":[],\"scale\":[]}", "\"reel.targets\" is damaged");
    refused("reel.vocabulary", "{}", "\"reel.vocabulary\" is damaged");
}

Test(trained, layers_larger_than_their_file_are_refused)
{
    refused("reel.model", LAYERS("{\"kind\":\"Dense\",\"name\":\"d\",\"units\":1000000000}"),
            "the layers need 3000000000 numbers or more, the file has 6");
    refused("reel.model",
            LAYERS("{\"kind\":\"Embedding\",\"name\":\"d\",\"units\":3,\"vocabulary\":3}"),
            "the layers need 9 numbers or more, the file has 6");
    refused("reel.model",
            "{\"version\":1,\"row\":[1000000000000,1],\"layers\":[{\"kind\":\"RNN\",\"name\":\"d\","
            "\"units\":1},{\"kind\":\"Dense\",\"name\":\"e\",\"units\":1}]}",
            "the file has no tensor of the tape's names");
}

Test(trained, any_changed_byte_of_a_header_loads_or_is_an_error)
{
    static const unsigned char bytes[] = { '"', '0', '{', 0x7f };
    char path[FILES_PATH];
    size_t size;
    files_begin(path, "model.safetensors");
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_model *m = reel_sequential(
        t, REEL_BIDIRECTIONAL(REEL_LSTM(1, .dropout = 0.5), .merge = REEL_MERGE_SUM));
    reel_model_build(m, REEL_SHAPE(STEPS, FEATURES), false);
    reel_model_save(m, path, (reel_model_extras){ .targets = reel_normalizer_fit(t, 0, Y()) });
    ASSERT_OK(t);
    reel_tape_free(t);
    unsigned char *file = files_read(path, &size);
    size_t header = (size_t)(file[0] + 256 * file[1]);
    for (size_t at = 8; at < 8 + header; at++) {
        for (size_t k = 0; k < sizeof bytes; k++) {
            unsigned char before = file[at];
            file[at] = bytes[k];
            files_write(path, file, size);
            t = reel_tape_new((reel_tape_options){ .threads = 1 });
            bool loaded = reel_model_load(t, path, NULL) != NULL;
            cr_expect_eq(loaded, reel_tape_status(t) == REEL_OK, "byte %zu", at);
            reel_tape_free(t);
            file[at] = before;
        }
    }
    free(file);
    files_end(path);
}

Test(trained, layers_within_layers_without_end_are_refused)
{
    static char text[20000];
    strcpy(text, "{\"version\":1,\"row\":[3],\"symbols\":false,\"layers\":[");
    for (int depth = 0; depth < 300; depth++) {
        strcat(text, "{\"kind\":\"TimeDistributed\",\"name\":\"d\",\"layer\":");
    }
    strcat(text, "null");
    for (int depth = 0; depth < 300; depth++) {
        strcat(text, "}");
    }
    strcat(text, "]}");
    refused("reel.model", text, "is not a model's");
}

Test(trained, a_file_of_parameters_alone_is_no_model)
{
    char path[FILES_PATH];
    files_begin(path, "parameters.safetensors");
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_param(t, "W", REEL_SHAPE(2), reel_zeros());
    reel_save(t, path, (reel_save_options){ 0 });
    cr_assert_null(reel_model_load(t, path, NULL));
    ASSERT_MESSAGE(t, "holds no model, only 1 tensors");
    reel_tape_free(t);
    files_end(path);
}

/* ---- step by step --------------------------------------------------------------------------- */

static reel_model *streaming_model(reel_tape *t)
{
    return reel_sequential(t, REEL_LAYER_NORM(.input = REEL_SHAPE(STEPS, FEATURES)),
                           REEL_GRU(4, .return_sequences = true),
                           REEL_TIME_DISTRIBUTED(REEL_DENSE(3, .activation = REEL_RELU)),
                           REEL_LSTM(4), REEL_DENSE(2));
}

Test(trained, steps_of_a_frozen_model_end_at_its_prediction)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 5 });
    reel_model *m = streaming_model(t);
    float whole[ROWS * 2], out[2] = { 0 };
    reel_predict(m, X(), whole, ROWS * 2);
    reel_recorded step;
    reel_model_record(m, 1, &step);
    ASSERT_OK(t);
    cr_assert_eq(step.states, 3);
    reel_frozen *f = reel_freeze(t, step, (reel_freeze_options){ 0 });
    cr_assert(f, "%s", reel_tape_error(t));
    for (int row = 0; row < ROWS; row++) {
        reel_frozen_reset(f);
        for (int s = 0; s < STEPS; s++) {
            reel_frozen_step(f, x[row][s], out);
        }
        cr_assert_float_eq(out[0], whole[row * 2], 1e-6);
        cr_assert_float_eq(out[1], whole[row * 2 + 1], 1e-6);
    }
    reel_frozen_free(f);
    reel_tape_free(t);
}

Test(trained, models_that_look_ahead_have_no_step)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    cr_assert_null(reel_model_cell(reel_sequential(t, REEL_LSTM(2))).step);
    ASSERT_MESSAGE(t, "the model is not built");
    reel_tape_clear(t);
    reel_shape in = REEL_SHAPE(STEPS, FEATURES);
    cr_assert_null(
        reel_model_cell(reel_sequential(t, REEL_BIDIRECTIONAL(REEL_LSTM(2), .input = in))).step);
    ASSERT_MESSAGE(t, "goes backwards from the sequence's end");
    reel_tape_clear(t);
    cr_assert_null(reel_model_cell(reel_sequential(t, REEL_FLATTEN(.input = in))).step);
    ASSERT_MESSAGE(t, "needs the whole sequence");
    reel_tape_clear(t);
    reel_model *m = streaming_model(t);
    cr_assert_null(reel_model_decoder(m).step);
    ASSERT_MESSAGE(t, "the model's inputs are no symbols");
    reel_tape_free(t);
}

/* The sequence 0 1 2 3 0 1 2 3 … is learnt, then continued from 1. */
static void counts_on(bool softmax)
{
    enum { SYMBOLS = 4, LENGTH = 6 };
    int32_t in[ROWS][LENGTH], next[ROWS][LENGTH];
    for (int i = 0; i < ROWS * LENGTH; i++) {
        (&in[0][0])[i] = (i / LENGTH + i % LENGTH) % SYMBOLS;
        (&next[0][0])[i] = ((&in[0][0])[i] + 1) % SYMBOLS;
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 2 });
    reel_layer_spec layers[] = { REEL_EMBEDDING(SYMBOLS, 4), REEL_RNN(8, .return_sequences = true),
                                 REEL_DENSE(SYMBOLS), REEL_SOFTMAX_LAYER() };
    reel_model *m = reel_sequential_n(t, softmax ? 4 : 3, layers);
    reel_compile(m, (reel_compile_options){ .lr = 0.05,
                                            .loss = softmax ? "sparse_categorical_crossentropy"
                                                            : "cross_entropy" });
    reel_fit(m, REEL_DATA(&in[0][0], ROWS, LENGTH), REEL_DATA(&next[0][0], ROWS, LENGTH),
             (reel_fit_options){ .epochs = 60, .batch_size = ROWS });
    reel_decode_options options = { .start = 1, .endless = true, .max_length = 7 };
    reel_decoded *d = reel_decode_greedy(t, reel_model_decoder(m), 1, NULL, options);
    cr_assert(d, "%s", reel_tape_error(t));
    for (int i = 0; i < 7; i++) {
        cr_assert_eq(d->tokens[i], (i + 2) % SYMBOLS);
    }
    reel_decoded_free(d);
    reel_tape_free(t);
}

Test(trained, a_model_of_symbols_generates)
{
    counts_on(false);
    counts_on(true);
}

/* ---- data out of files ----------------------------------------------------------------------- */

Test(data_file, arrays_of_npz_keep_doubles_and_make_integers_int32)
{
    char path[FILES_PATH];
    double doubles[4] = { 1, 2, 3, 4.5 };
    int64_t integers[2] = { -3, 70000 }, large[1] = { (int64_t)1 << 40 };
    files_begin(path, "data.npz");
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    reel_archive_add(a, "x", (reel_array){ REEL_ARRAY_F64, REEL_SHAPE(2, 2), doubles });
    reel_archive_add(a, "y", (reel_array){ REEL_ARRAY_I64, REEL_SHAPE(2), integers });
    reel_archive_add(a, "z", (reel_array){ REEL_ARRAY_I64, REEL_SHAPE(1), large });
    reel_archive_write(a, path);
    reel_archive_free(a);
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_data read = reel_read_data(t, path, "x");
    cr_assert(read.f64 && read.f64[3] == 4.5 && read.shape.dim[0] == 2);
    read = reel_read_data(t, path, "y");
    cr_assert(read.i32 && read.i32[0] == -3 && read.i32[1] == 70000);
    cr_assert_eq(reel_data_rows(reel_read_data(t, path, "w")), 0);
    ASSERT_MESSAGE(t, "has no array \"w\"");
    reel_tape_clear(t);
    reel_read_data(t, path, NULL);
    ASSERT_MESSAGE(t, "holds 3 arrays, the first x: which one is wanted?");
    reel_tape_clear(t);
    reel_read_data(t, path, "z");
    ASSERT_MESSAGE(t, "z: element 0 is 1099511627776, beyond int32");
    reel_tape_free(t);
    files_end(path);
}

Test(data_file, csv_and_npy_need_no_name)
{
    char path[FILES_PATH];
    float numbers[3] = { 1, -2, 3 };
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    files_begin(path, "a.npy");
    reel_write_npy(path, (reel_array){ REEL_ARRAY_F32, REEL_SHAPE(3), numbers });
    reel_data read = reel_read_data(t, path, NULL);
    cr_assert(read.f32 && read.f32[1] == -2 && read.shape.rank == 1);
    files_end(path);
    files_begin(path, "a.csv");
    files_write(path, "a,b\n1,2\n3,4\n", 12);
    read = reel_read_data(t, path, NULL);
    cr_assert(read.f64 && read.shape.dim[1] == 2 && read.f64[3] == 4);
    read = reel_read_data(t, path, "b");
    cr_assert(read.f64 && read.shape.dim[1] == 1 && read.f64[1] == 4);
    files_end(path);
    reel_read_data(t, path, NULL);
    cr_assert_neq(reel_tape_status(t), REEL_OK);
    reel_tape_free(t);
}

Test(data_file, a_column_of_texts_is_numbered_as_they_come)
{
    char path[FILES_PATH];
    static const char csv[] = "size,kind\n1,cat\n2,\"big, dog\"\n3,cat\n";
    files_begin(path, "pets.csv");
    files_write(path, csv, sizeof csv - 1);
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    const reel_table *table = reel_read_csv(t, path, (reel_csv_options){ .text_column = "kind" });
    cr_assert(table, "%s", reel_tape_error(t));
    cr_assert_eq(table->text_count, 2);
    cr_assert_str_eq(table->text[1], "big, dog");
    cr_assert(table->values[1] == 0 && table->values[3] == 1 && table->values[5] == 0);
    cr_assert_null(reel_read_csv(t, path, (reel_csv_options){ .text_column = "colour" }));
    ASSERT_MESSAGE(t, "has no column \"colour\"");
    reel_tape_free(t);
    files_end(path);
}
