/* Weights of PyTorch and Keras: models whose outputs are known (golden/io_foreign.py), both ways,
 * and rows that do not fit. bench/foreign_check.py does the same with hundreds of random models. */
#include <criterion/criterion.h>
#include <math.h>
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "support/files.h"
#include "support/optional.h"

TestSuite(foreign, .init = needs_every_format);

#define GOLDEN(name) REEL_GOLDEN_DIR "/" name

static const double TOLERANCE = 1e-13;

static reel_archive *open_golden(const char *path)
{
    reel_archive *a = reel_archive_open(path, (reel_archive_options){ 0 });
    cr_assert_str_eq(reel_archive_error(a), "");
    return a;
}

static double *numbers_of(const reel_archive *a, const char *name, size_t *count)
{
    reel_array array;
    cr_assert(reel_archive_find(a, name, &array), "%s", name);
    *count = (size_t)reel_shape_size(array.shape);
    double *numbers = malloc((*count + 1) * sizeof *numbers);
    cr_assert_eq(reel_array_read_f64(array, numbers, *count), REEL_OK);
    return numbers;
}

static void expect_output(const reel_archive *a, const char *name, reel_var y)
{
    size_t count;
    double *expected = numbers_of(a, name, &count), *got = malloc(count * sizeof *got);
    cr_assert_eq(reel_read_f64(y, got, count), REEL_OK, "%s", reel_tape_error(y.tape));
    for (size_t i = 0; i < count; i++) {
        cr_expect(fabs(got[i] - expected[i]) <= TOLERANCE, "%s[%zu]: %g, there %g", name, i, got[i],
                  expected[i]);
    }
    free(expected);
    free(got);
}

/* Every array of `a` but x and y is in `b`, with the same numbers. */
static void expect_same_arrays(const reel_archive *a, const reel_archive *b)
{
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        const char *name = reel_archive_name(a, i);
        size_t count, other;
        if (strcmp(name, "x") == 0 || strstr(name, "y") == name || strstr(name, ".y")) {
            continue;
        }
        double *ours = numbers_of(a, name, &count), *theirs = numbers_of(b, name, &other);
        cr_expect(count == other && memcmp(ours, theirs, count * sizeof *ours) == 0, "%s", name);
        free(ours);
        free(theirs);
    }
}

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = 1 });
}

/* Two cells side by side, or one. */
static reel_var both_ways(reel_cell forward, reel_cell backward, reel_var x)
{
    reel_var y = reel_unroll(forward, x, (reel_unroll_options){ 0 }).outputs;
    return reel_concat(-1, y,
                       reel_unroll(backward, x, (reel_unroll_options){ .reverse = true }).outputs);
}

static reel_var indices_of(reel_tape *t, const reel_archive *a)
{
    reel_array x;
    cr_assert(reel_archive_find(a, "x", &x) && x.type == REEL_ARRAY_I32);
    int32_t indices[16];
    memcpy(indices, x.data, reel_array_bytes(x));
    return reel_indices(t, x.shape, indices);
}

static void make_norm(reel_tape *t, int64_t width)
{
    reel_param(t, "norm.gain", REEL_SHAPE(width), reel_constant(1));
    reel_param(t, "norm.bias", REEL_SHAPE(width), reel_zeros());
}

static reel_var norm(reel_tape *t, reel_var x, double epsilon)
{
    return reel_layer_norm(x, reel_find_param(t, "norm.gain"), reel_find_param(t, "norm.bias"),
                           epsilon);
}

/* ---- PyTorch: everything in a row ---------------------------------------------------------- */

typedef struct {
    reel_layer embedding, head;
    reel_cell lstm[4], gru, rnn;
} torch_model;

static torch_model make_torch(reel_tape *t)
{
    reel_lstm_options projected = { .projection = 2 };
    torch_model m = {
        .embedding = reel_embedding(t, "embedding", 7, 3, (reel_embedding_options){ 0 }),
        .lstm = { reel_lstm(t, "f0", 3, 4, projected), reel_lstm(t, "b0", 3, 4, projected),
                  reel_lstm(t, "f1", 4, 4, projected), reel_lstm(t, "b1", 4, 4, projected) },
        .gru = reel_gru(t, "gru", 4, 3, (reel_gru_options){ .reset_after = true }),
        .rnn = reel_rnn(t, "rnn", 3, 2, (reel_rnn_options){ .activation = REEL_RELU }),
        .head = reel_dense(t, "head", 2, 2, (reel_dense_options){ 0 }),
    };
    make_norm(t, 2);
    return m;
}

static reel_var run_torch(reel_tape *t, const torch_model *m, const reel_archive *a)
{
    reel_unroll_options plain = { 0 };
    reel_var y = reel_apply(m->embedding, indices_of(t, a));
    y = both_ways(m->lstm[2], m->lstm[3], both_ways(m->lstm[0], m->lstm[1], y));
    y = reel_unroll(m->rnn, reel_unroll(m->gru, y, plain).outputs, plain).outputs;
    return reel_apply(m->head, norm(t, y, 1e-5));
}

static const reel_foreign_layer torch_rows[] = {
    { "Embedding", "embedding", "embedding" },
    { "LSTM", "f0", "lstm" },
    { "LSTM", "b0", "lstm", .reverse = true },
    { "LSTM", "f1", "lstm", .layer = 1 },
    { "LSTM", "b1", "lstm", .layer = 1, .reverse = true },
    { "GRU", "gru", "gru" },
    { "RNN", "rnn", "rnn" },
    { "LayerNorm", "norm", "norm" },
    { "Linear", "head", "head" },
    { 0 },
};

/* x and y of the golden files have no row. */
static const reel_foreign_options torch_options = { .layers = torch_rows, .partial = true };

Test(foreign, a_model_of_pytorch_gives_its_outputs)
{
    reel_tape *t = new_tape();
    torch_model m = make_torch(t);
    reel_archive *a = open_golden(GOLDEN("io_torch.safetensors"));
    cr_assert_eq(reel_import_archive(t, a, torch_options), REEL_OK, "%s", reel_tape_error(t));
    expect_output(a, "y", run_torch(t, &m, a));
    reel_archive_free(a);
    reel_tape_free(t);
}

static void expect_second_bias_of_zeros(const reel_archive *a)
{
    size_t count;
    double *bias = numbers_of(a, "lstm.bias_hh_l1_reverse", &count);
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(bias[i], 0);
    }
    free(bias);
}

Test(foreign, what_is_exported_to_pytorch_has_its_names_and_the_same_outputs)
{
    char path[FILES_PATH];
    files_begin(path, "model.safetensors");
    reel_tape *t = new_tape(), *u = new_tape();
    make_torch(t);
    torch_model m = make_torch(u);
    reel_archive *a = open_golden(GOLDEN("io_torch.safetensors"));
    reel_import_archive(t, a, torch_options);
    reel_foreign_options whole = { .layers = torch_rows };
    cr_assert_eq(reel_export(t, path, whole), REEL_OK, "%s", reel_tape_error(t));
    reel_archive *b = open_golden(path);
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        reel_array there, here;
        const char *name = reel_archive_name(a, i);
        reel_archive_at(a, i, &there);
        cr_expect(name[1] == '\0' || (reel_archive_find(b, name, &here) &&
                                      reel_shape_equal(here.shape, there.shape)),
                  "%s", name);
    }
    expect_second_bias_of_zeros(b);
    cr_assert_eq(reel_import_archive(u, b, whole), REEL_OK, "%s", reel_tape_error(u));
    expect_output(a, "y", run_torch(u, &m, a));
    reel_archive_free(a);
    reel_archive_free(b);
    reel_tape_free(t);
    reel_tape_free(u);
    files_end(path);
}

/* ---- PyTorch: cells and attention ---------------------------------------------------------- */

static void make_attention(reel_tape *t, const char *name, int64_t key, int64_t value)
{
    static const char *const parts[] = { "W_q", "W_k", "W_v", "W_o", "b_q", "b_k", "b_v", "b_o" };
    int64_t rows[] = { 4, key, value, 4 };
    for (int i = 0; i < 8; i++) {
        char whole[32];
        snprintf(whole, sizeof whole, "%s.%s", name, parts[i]);
        reel_param(t, whole, i < 4 ? REEL_SHAPE(rows[i], 4) : REEL_SHAPE(4), reel_zeros());
    }
}

static reel_var one_step(reel_tape *t, reel_cell cell, const reel_archive *a)
{
    reel_array x;
    cr_assert(reel_archive_find(a, "x", &x));
    reel_var state[REEL_MAX_STATES], input = reel_input_array(t, x);
    for (int i = 0; i < cell.states; i++) {
        state[i] = reel_input(t, REEL_SHAPE(2, cell.width[i]), (const float[8]){ 0 });
    }
    return cell.step(cell.self, input, state);
}

Test(foreign, cells_and_attention_of_pytorch_go_both_ways)
{
    char path[FILES_PATH];
    files_begin(path, "model.safetensors");
    static const reel_foreign_layer rows[] = {
        { "LSTMCell", "l", "lstm" },
        { "GRUCell", "g", "gru" },
        { "RNNCell", "r", "rnn" },
        { "MultiheadAttention", "same", "same" },
        { "MultiheadAttention", "apart", "apart" },
        { 0 },
    };
    reel_tape *t = new_tape();
    reel_cell lstm = reel_lstm(t, "l", 3, 2, (reel_lstm_options){ 0 });
    reel_cell gru = reel_gru(t, "g", 3, 2, (reel_gru_options){ .reset_after = true });
    reel_cell rnn = reel_rnn(t, "r", 3, 2, (reel_rnn_options){ 0 });
    make_attention(t, "same", 4, 4);
    make_attention(t, "apart", 3, 2);
    reel_archive *a = open_golden(GOLDEN("io_torch_rest.safetensors"));
    reel_foreign_options options = { .layers = rows, .partial = true };
    cr_assert_eq(reel_import_archive(t, a, options), REEL_OK, "%s", reel_tape_error(t));
    expect_output(a, "lstm.y", one_step(t, lstm, a));
    expect_output(a, "gru.y", one_step(t, gru, a));
    expect_output(a, "rnn.y", one_step(t, rnn, a));
    reel_foreign_layer attention[] = { rows[3], rows[4], { 0 } };
    options.layers = attention;
    cr_assert_eq(reel_export(t, path, options), REEL_OK, "%s", reel_tape_error(t));
    reel_archive *b = open_golden(path);
    cr_expect_eq(reel_archive_count(b), 4 + 6);
    expect_same_arrays(b, a);
    reel_archive_free(a);
    reel_archive_free(b);
    reel_tape_free(t);
    files_end(path);
}

/* ---- Keras --------------------------------------------------------------------------------- */

typedef struct {
    reel_layer embedding, head;
    reel_cell lstm, forward, backward, gru, rnn;
} keras_model;

static keras_model make_keras(reel_tape *t)
{
    reel_gru_options after = { .reset_after = true };
    keras_model m = {
        .embedding = reel_embedding(t, "embedding", 7, 3, (reel_embedding_options){ 0 }),
        .lstm = reel_lstm(t, "lstm", 3, 4, (reel_lstm_options){ 0 }),
        .forward = reel_gru(t, "forward", 4, 2, after),
        .backward = reel_gru(t, "backward", 4, 2, after),
        .gru = reel_gru(t, "gru", 4, 3, (reel_gru_options){ 0 }),
        .rnn = reel_rnn(t, "rnn", 3, 2, (reel_rnn_options){ 0 }),
        .head = reel_dense(t, "head", 2, 2, (reel_dense_options){ 0 }),
    };
    make_norm(t, 2);
    return m;
}

static reel_var run_keras(reel_tape *t, const keras_model *m, const reel_archive *a)
{
    reel_unroll_options plain = { 0 };
    reel_var y = reel_apply(m->embedding, indices_of(t, a));
    y = both_ways(m->forward, m->backward, reel_unroll(m->lstm, y, plain).outputs);
    y = reel_unroll(m->rnn, reel_unroll(m->gru, y, plain).outputs, plain).outputs;
    return reel_apply(m->head, norm(t, y, 1e-3));
}

#define KERAS_ROWS(name, embedding, lstm, forward, backward, gru, rnn, norm, dense)                \
    static const reel_foreign_layer name[] = {                                                     \
        { "Embedding", "embedding", embedding },                                                   \
        { "LSTM", "lstm", lstm },                                                                  \
        { "GRU", "forward", forward },                                                             \
        { "GRU", "backward", backward },                                                           \
        { "GRU", "gru", gru },                                                                     \
        { "SimpleRNN", "rnn", rnn },                                                               \
        { "LayerNormalization", "norm", norm },                                                    \
        { "Dense", "head", dense },                                                                \
        { 0 },                                                                                     \
    }

KERAS_ROWS(h5_rows, "layers/embedding", "layers/lstm", "layers/bidirectional/forward_layer",
           "layers/bidirectional/backward_layer", "layers/gru", "layers/simple_rnn",
           "layers/layer_normalization", "layers/dense");
KERAS_ROWS(npz_rows, "model/embedding", "model/lstm/lstm_cell",
           "model/bidirectional/forward_gru/gru_cell", "model/bidirectional/backward_gru/gru_cell",
           "model/gru_1/gru_cell", "model/simple_rnn/simple_rnn_cell", "model/layer_normalization",
           "model/dense");

static void keras_both_ways(const char *golden, const char *name, const reel_foreign_layer *rows,
                            bool partial)
{
    char path[FILES_PATH];
    files_begin(path, name);
    reel_foreign_options options = { .framework = REEL_KERAS, .layers = rows, .partial = partial };
    reel_tape *t = new_tape(), *u = new_tape();
    keras_model m = make_keras(t), other = make_keras(u);
    reel_archive *known = open_golden(GOLDEN("io_keras.npz"));
    cr_assert_eq(reel_import(t, golden, options), REEL_OK, "%s", reel_tape_error(t));
    expect_output(known, "y", run_keras(t, &m, known));
    cr_assert_eq(reel_export(t, path, options), REEL_OK, "%s", reel_tape_error(t));
    reel_archive *a = open_golden(golden), *b = open_golden(path);
    cr_expect_eq(reel_archive_count(a), reel_archive_count(b) + (partial ? 2 : 0));
    cr_assert_eq(reel_import(u, path, options), REEL_OK, "%s", reel_tape_error(u));
    expect_output(known, "y", run_keras(u, &other, known));
    reel_archive_free(a);
    reel_archive_free(b);
    reel_archive_free(known);
    reel_tape_free(t);
    reel_tape_free(u);
    files_end(path);
}

Test(foreign, a_model_of_keras_goes_both_ways_as_weights_h5)
{
    keras_both_ways(GOLDEN("io_keras.weights.h5"), "model.weights.h5", h5_rows, false);
}

Test(foreign, a_model_of_keras_goes_both_ways_as_npz)
{
    keras_both_ways(GOLDEN("io_keras.npz"), "model.npz", npz_rows, true);
}

/* The message of a contiguous dataset of 64 bytes, version 3 and class 1, becomes that of a compact
 * one, class 0, of no bytes; the file is smaller than 64 kB, so the address has two bytes. */
Test(foreign, an_h5_whose_dataset_has_too_little_data_is_refused)
{
    char path[FILES_PATH];
    files_begin(path, "model.h5");
    double numbers[8] = { 1 };
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    reel_array array = { REEL_ARRAY_F64, REEL_SHAPE(8), numbers };
    cr_assert_eq(reel_archive_add(a, "x", array), REEL_OK);
    cr_assert_eq(reel_archive_write(a, path), REEL_OK, "%s", reel_archive_error(a));
    reel_archive_free(a);
    size_t size;
    unsigned char *bytes = files_read(path, &size);
    for (size_t i = 0; i + 18 <= size; i++) {
        if (memcmp(bytes + i, "\3\1", 2) == 0 &&
            memcmp(bytes + i + 4, "\0\0\0\0\0\0\x40\0\0\0\0\0\0", 14) == 0) {
            memset(bytes + i + 1, 0, 3);
        }
    }
    a = reel_archive_parse(bytes, size, (reel_archive_options){ 0 });
    cr_expect_eq(reel_archive_status(a), REEL_BAD_FILE, "%s", reel_archive_error(a));
    reel_archive_free(a);
    free(bytes);
    files_end(path);
}

#define CORPUS(name) (REEL_SOURCE_DIR "/tests/fuzz/corpus/hdf5/" name)

/* h5py wrote them: [[0, 1, 2], [3, 4, 5]] under a group and once more as big-endian doubles, and
 * 0, 1, 2 as int16. */
static void expect_plain(const char *path)
{
    double x[6];
    reel_array array;
    reel_archive *a = reel_archive_open(path, (reel_archive_options){ 0 });
    cr_assert_eq(reel_archive_status(a), REEL_OK, "%s", reel_archive_error(a));
    cr_assert_eq(reel_archive_count(a), 4);
    static const char *const names[] = { "layers/lstm/vars/0", "big" };
    for (int k = 0; k < 2; k++) {
        cr_assert(reel_archive_find(a, names[k], &array));
        cr_expect_eq(array.type, k ? REEL_ARRAY_F64 : REEL_ARRAY_F32);
        cr_assert_eq(reel_array_read_f64(array, x, 6), REEL_OK);
        for (int i = 0; i < 6; i++) {
            cr_expect_eq(x[i], i);
        }
    }
    cr_assert(reel_archive_find(a, "i", &array));
    cr_expect(array.type == REEL_ARRAY_I16 && array.shape.rank == 1 && array.shape.dim[0] == 3);
    cr_assert(reel_archive_find(a, "s", &array));
    cr_expect_eq(array.shape.rank, 0);
    reel_archive_free(a);
}

Test(foreign, an_h5_is_read_in_the_old_form_and_the_new)
{
    expect_plain(CORPUS("plain.h5"));
    expect_plain(CORPUS("latest.h5"));
}

Test(foreign, an_h5_that_is_not_whole_numbers_in_one_piece_is_refused_by_name)
{
    static const struct {
        const char *path, *message;
    } files[] = {
        { CORPUS("chunked.h5"), "HDF5: f is stored in chunks, as Keras stores no weights" },
        { CORPUS("odd.h5"), "HDF5: e keeps its data in another file" },
        { CORPUS("timeout-122522"), "leads too deep" },   /* a group within itself */
        { CORPUS("timeout-b76f9a"), "already" },          /* a ring of free pieces of a heap */
        { CORPUS("crash-b5de26e3"), "stored in chunks" }, /* that are shorter than they say */
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        reel_archive *a = reel_archive_open(files[i].path, (reel_archive_options){ 0 });
        cr_expect_eq(reel_archive_status(a) == REEL_OK, false);
        cr_expect(strstr(reel_archive_error(a), files[i].message), "%s", reel_archive_error(a));
        reel_archive_free(a);
    }
}

/* ---- what does not fit --------------------------------------------------------------------- */

static void expect_refused(reel_tape *t, const reel_foreign_layer *rows, bool partial,
                           const char *message)
{
    double before = reel_item(reel_sum_all(reel_find_param(t, "gru.W_h")));
    reel_foreign_options options = { .layers = rows, .partial = partial };
    cr_expect_neq(reel_import(t, GOLDEN("io_torch.safetensors"), options), REEL_OK);
    cr_expect(strstr(reel_tape_error(t), message), "%s", reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_eq(reel_item(reel_sum_all(reel_find_param(t, "gru.W_h"))), before);
}

Test(foreign, rows_that_do_not_fit_are_refused_and_nothing_changes)
{
    reel_tape *t = new_tape();
    reel_gru(t, "gru", 4, 3, (reel_gru_options){ .reset_after = true });
    reel_foreign_layer rows[] = { { "GRU", "gru", "gru" }, { "LSTM", "lstm", "lstm" }, { 0 } };
    expect_refused(t, rows, true, "it does not fit: lstm.W_x is not on the tape; lstm.W_h is not");
    rows[1] = (reel_foreign_layer){ "Conv1d", "x", "y" };
    expect_refused(t, rows, true, "Conv1d is none of RNN LSTM GRU RNNCell");
    rows[1] = (reel_foreign_layer){ 0 };
    expect_refused(t, rows, false, "embedding.weight of the file is named by no row");
    rows[0].file = "lstm";
    expect_refused(t, rows, true,
                   "lstm.weight_ih_l0 is [16,3], gru.W_x [4,9] needs [9,4]; lstm.weight_hh_l0");
    rows[0].file = "nowhere";
    expect_refused(t, rows, true, "nowhere.weight_ih_l0 is not in the file");
    rows[0].layer = 3;
    expect_refused(t, rows, true, "nowhere.weight_hh_l3 is not in the file");
    reel_param(t, "more", REEL_SHAPE(2), reel_zeros());
    rows[0] = (reel_foreign_layer){ "GRU", "gru", "gru" };
    expect_refused(t, rows, false, "more of the tape is named by no row");
    reel_tape_free(t);
}

Test(foreign, a_gru_without_reset_after_is_none_of_pytorchs)
{
    reel_tape *t = new_tape();
    reel_gru(t, "gru", 4, 3, (reel_gru_options){ 0 });
    reel_foreign_layer rows[] = { { "GRU", "gru", "gru" }, { 0 } };
    expect_refused(t, rows, true, "gru.b_h is not on the tape");
    reel_tape_free(t);
}
