/* foreign.c: weights of PyTorch and Keras, in whatever format, imported into layers. */
#include <reel.h>

#include "support/fuzz.h"

static void import(const uint8_t *bytes, size_t size, reel_foreign_options options)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_archive *a =
        reel_archive_parse(bytes, size, (reel_archive_options){ .size_limit = 1 << 24 });
    reel_lstm(t, "lstm", 3, 4, (reel_lstm_options){ 0 });
    reel_dense(t, "out", 4, 2, (reel_dense_options){ 0 });
    fuzz_expect_message(t, reel_import_archive(t, a, options) != REEL_OK);
    reel_archive_free(a);
    reel_tape_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const reel_foreign_layer torch[] = { { "LSTM", .tape = "lstm", .file = "lstm" },
                                                { "Linear", .tape = "out", .file = "out" },
                                                { 0 } };
    static const reel_foreign_layer keras[] = { { "LSTM", .tape = "lstm", .file = "lstm" },
                                                { "Dense", .tape = "out", .file = "out" },
                                                { 0 } };
    import(bytes, size, (reel_foreign_options){ REEL_PYTORCH, torch, .partial = size & 1 });
    import(bytes, size, (reel_foreign_options){ REEL_KERAS, keras, .partial = size & 1 });
    return 0;
}
