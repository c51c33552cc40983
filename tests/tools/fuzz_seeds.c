/* fuzz_seeds.c: writes what the fuzzers of tests/fuzz begin with and the golden files do not have:
 *
 *     fuzz_seeds tests/fuzz/corpus
 *
 * models, vocabularies, HDF5 files, weights of others, and the small models of onnx_models.txt. */
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "support/files.h"

static const char *corpus;

static const char *seed(const char *folder, const char *name)
{
    static char path[2 * FILES_PATH];
    snprintf(path, sizeof path, "%.200s/%.40s/%.100s", corpus, folder, name);
    return path;
}

static void report(const reel_tape *t, const char *path)
{
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "%s: %s\n", path, reel_tape_error(t));
        exit(EXIT_FAILURE);
    }
}

/* ---- models and vocabularies --------------------------------------------------------------- */

static const char text[] = "the quick brown fox\njumps \"over\" the lazy dog \xc3\xa9";

static void write_vocabularies(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_vocabulary_options small = { .size = 270 };
    reel_vocabulary *v[] = { reel_char_vocabulary(t, text, strlen(text), small),
                             reel_word_vocabulary(t, text, strlen(text), small),
                             reel_bpe_vocabulary(t, text, strlen(text), small) };
    reel_vocabulary_save(v[0], seed("vocabulary", "characters"));
    reel_vocabulary_save(v[1], seed("vocabulary", "words"));
    reel_vocabulary_save(v[2], seed("vocabulary", "bpe"));
    report(t, "vocabularies");
    reel_tape_free(t);
}

static void write_model(const char *name, reel_tape *t, reel_model *m, bool extras)
{
    static const float x[2][5][3] = { { { 1, 2, 3 }, { 0 } }, { { 3, 1 } } };
    reel_model_build(m, REEL_SHAPE(5, 3), false);
    reel_compile(m, (reel_compile_options){
                        .optimizer = "sgd", .lr = 0.125, .loss = "mse", .metrics = { "mae" } });
    reel_model_extras with = { 0 };
    if (extras) {
        with.inputs = reel_normalizer_fit(t, REEL_STANDARD, REEL_DATA(&x[0][0][0], 2, 5, 3));
        with.vocabulary = reel_word_vocabulary(t, "a b", 3, (reel_vocabulary_options){ 0 });
    }
    reel_model_save(m, seed("model", name), with);
    report(t, name);
    reel_tape_free(t);
}

static void write_models(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    write_model("lstm", t, reel_sequential(t, REEL_LSTM(2), REEL_DENSE(1)), true);
    t = reel_tape_new((reel_tape_options){ 0 });
    write_model("rich", t,
                reel_sequential(
                    t, REEL_LAYER_NORM(.epsilon = 1e-3),
                    REEL_BIDIRECTIONAL(REEL_GRU(2, .reset_after = true, .return_sequences = true),
                                       .merge = REEL_MERGE_SUM),
                    REEL_TIME_DISTRIBUTED(REEL_DENSE(3, .activation = REEL_GELU)),
                    REEL_RNN(2, .return_sequences = true), REEL_FLATTEN(), REEL_DROPOUT(0.1),
                    REEL_ACTIVATION(REEL_SILU), REEL_DENSE(2), REEL_SOFTMAX_LAYER()),
                false);
}

/* ---- weights of others --------------------------------------------------------------------- */

static void write_weights(const char *folder, const char *name, reel_foreign_options options)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_lstm(t, "lstm", 3, 4, (reel_lstm_options){ 0 });
    reel_dense(t, "out", 4, 2, (reel_dense_options){ 0 });
    reel_export(t, seed(folder, name), options);
    report(t, name);
    reel_tape_free(t);
}

static void write_foreign(void)
{
    static const reel_foreign_layer torch[] = { { "LSTM", .tape = "lstm", .file = "lstm" },
                                                { "Linear", .tape = "out", .file = "out" },
                                                { 0 } };
    static const reel_foreign_layer keras[] = { { "LSTM", .tape = "lstm", .file = "lstm" },
                                                { "Dense", .tape = "out", .file = "out" },
                                                { 0 } };
    reel_foreign_options pytorch_rows = { REEL_PYTORCH, torch, false };
    reel_foreign_options keras_rows = { REEL_KERAS, keras, false };
    write_weights("foreign", "torch.safetensors", pytorch_rows);
    write_weights("foreign", "keras.npz", keras_rows);
    write_weights("hdf5", "keras.h5", keras_rows);
}

/* ---- ONNX ---------------------------------------------------------------------------------- */

static void write_bytes(const char *hex, int number)
{
    static unsigned char bytes[1 << 16];
    char name[32];
    size_t size = 0;
    for (; hex[0] > ' ' && hex[1] > ' ' && size < sizeof bytes; hex += 2) {
        char pair[3] = { hex[0], hex[1], '\0' };
        bytes[size++] = (unsigned char)strtoul(pair, NULL, 16);
    }
    snprintf(name, sizeof name, "%02d", number);
    files_write(seed("onnx", name), bytes, size);
}

/* All but the large ones. */
static void write_onnx(void)
{
    enum { LONGEST = 1 << 11 };
    FILE *file = fopen(REEL_GOLDEN_DIR "/onnx_models.txt", "r");
    char *line = malloc(1 << 18);
    for (int number = 0; file && line && fgets(line, 1 << 18, file);) {
        if (strncmp(line, "model ", 6) == 0 && strlen(line) < LONGEST) {
            write_bytes(line + 6, number++);
        }
    }
    free(line);
    if (file) {
        fclose(file);
    }
}

int main(int count, char **arguments)
{
    if (count != 2) {
        return EXIT_FAILURE;
    }
    corpus = arguments[1];
    write_vocabularies();
    write_models();
    write_foreign();
    write_onnx();
    return EXIT_SUCCESS;
}
