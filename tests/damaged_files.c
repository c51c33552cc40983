/* Files of every format, cut at every byte and with every bit flipped: read, or refused with a
 * reason, and then nothing has changed. (safetensors.c has what is special about that format, onnx.c
 * ONNX.) */
#include <criterion/criterion.h>
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "io/parameters.h"
#include "support/files.h"
#include "support/optional.h"

#define CORPUS(name) (REEL_SOURCE_DIR "/tests/fuzz/corpus/" name)

/* Tries a file; true where it is read. `place` tells which it is. */
typedef bool attempt(const unsigned char *bytes, size_t size, size_t place);

static bool read_archive(const unsigned char *bytes, size_t size, size_t place)
{
    reel_archive *a = reel_archive_parse(bytes, size, (reel_archive_options){ 0 });
    bool good = reel_archive_status(a) == REEL_OK;
    cr_assert_eq(good, reel_archive_error(a)[0] == '\0', "at %zu", place);
    cr_assert(good || reel_archive_count(a) == 0, "at %zu", place);
    reel_archive_free(a);
    return good;
}

static bool read_checkpoint(const unsigned char *bytes, size_t size, size_t place)
{
    float numbers[6];
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1, .seed = 77 });
    reel_var W = reel_param(t, "W", REEL_SHAPE(2, 3), reel_constant(7));
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 0.125, .momentum = 0.5 });
    reel_training_state at = { .optimizer = sgd, .epoch = 4 }, before = at;
    reel_archive *a = reel_archive_parse(bytes, size, (reel_archive_options){ 0 });
    bool good = reel__load_checkpoint_archive(t, a, &at) == REEL_OK;
    cr_assert_eq(good, reel_tape_error(t)[0] == '\0', "at %zu", place);
    reel_tape_clear(t);
    reel_read(W, numbers, 6);
    cr_assert(good || (numbers[0] == 7 && memcmp(&at, &before, sizeof at) == 0 &&
                       reel_optimizer_lr(sgd) == 0.125 && reel_tape_options_of(t).seed == 77),
              "at %zu", place);
    reel_archive_free(a);
    reel_tape_free(t);
    return good;
}

static char path[FILES_PATH];

static bool read_model(const unsigned char *bytes, size_t size, size_t place)
{
    files_write(path, bytes, size);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    bool good = reel_model_load(t, path, NULL) != NULL;
    cr_assert_eq(good, reel_tape_error(t)[0] == '\0', "at %zu", place);
    reel_tape_free(t);
    return good;
}

static bool read_vocabulary(const unsigned char *bytes, size_t size, size_t place)
{
    files_write(path, bytes, size);
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    bool good = reel_vocabulary_load(t, path) != NULL;
    cr_assert_eq(good, reel_tape_error(t)[0] == '\0', "at %zu", place);
    reel_tape_free(t);
    return good;
}

/* All but the last `spare` bytes are needed. */
static void damage(const char *file, attempt *try_it, size_t spare)
{
    size_t size, refused = 0;
    unsigned char *bytes = files_read(file, &size);
    files_begin(path, "input");
    cr_assert(try_it(bytes, size, size), "%s is whole", file);
    for (size_t n = 0; n + spare < size; n++) {
        unsigned char *cut = malloc(n + 1); /* for the sanitizer to see its end */
        memcpy(cut, bytes, n);
        cr_assert_not(try_it(cut, n, n), "%s cut at %zu", file, n);
        free(cut);
    }
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        refused += !try_it(bytes, size, bit);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    cr_expect_gt(refused, size / 2, "%s: %zu of %zu bits are noticed", file, refused, 8 * size);
    free(bytes);
    files_end(path);
}

Test(damaged_files, npy)
{
    damage(CORPUS("npy/io_ramp.npy"), read_archive, 0);
}

Test(damaged_files, npz, .init = needs_libzip)
{
    damage(CORPUS("foreign/keras.npz"), read_archive, 0);
}

/* What lies behind the last dataset's data nobody reads. */
Test(damaged_files, hdf5)
{
    damage(CORPUS("hdf5/compact.h5"), read_archive, 600);
}

Test(damaged_files, safetensors, .init = needs_jansson)
{
    damage(CORPUS("foreign/torch.safetensors"), read_archive, 0);
}

Test(damaged_files, checkpoint, .init = needs_jansson)
{
    damage(CORPUS("checkpoint/io_checkpoint_v2.safetensors"), read_checkpoint, 0);
}

Test(damaged_files, model, .init = needs_jansson)
{
    damage(CORPUS("model/lstm"), read_model, 0);
}

/* But for the line's end. */
Test(damaged_files, vocabulary, .init = needs_unicode_and_json)
{
    damage(CORPUS("vocabulary/bpe"), read_vocabulary, 1);
}

/* ---- names --------------------------------------------------------------------------------- */

Test(damaged_files, names_that_are_not_utf8_are_refused)
{
    static const char *const bad[] = {
        "\xff", "a\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80"
    };
    static const char *const good[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "\xf4\x8f\xbf\xbf" };
    float one = 1;
    reel_array array = { REEL_ARRAY_F32, REEL_SHAPE(1), &one };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
        cr_expect_eq(reel_archive_add(a, bad[i], array), REEL_BAD_ARGUMENT, "%zu", i);
        cr_expect_str_eq(reel_archive_error(a), "an array's name is not UTF-8");
        reel_archive_free(a);
    }
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_expect_eq(reel_archive_add(a, good[i], array), REEL_OK, "%zu", i);
    }
    reel_archive_free(a);
}

Test(damaged_files, an_h5_with_a_name_that_is_not_utf8_is_refused)
{
    size_t size;
    unsigned char *bytes = files_read(CORPUS("hdf5/keras.h5"), &size);
    for (size_t i = 0; i + 5 < size; i++) {
        if (memcmp(bytes + i, "lstm", 5) == 0) {
            bytes[i] = 0xff;
        }
    }
    reel_archive *a = reel_archive_parse(bytes, size, (reel_archive_options){ 0 });
    cr_expect_str_eq(reel_archive_error(a), "an array's name is not UTF-8");
    reel_archive_free(a);
    free(bytes);
}
