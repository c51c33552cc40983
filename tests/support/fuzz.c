/* fuzz.c: what the fuzzers share. */
#include "support/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/files.h"

static char path[FILES_PATH];

static void remove_file(void)
{
    files_end(path);
}

const char *fuzz_file(const uint8_t *bytes, size_t size)
{
    if (!path[0]) {
        files_begin(path, "input");
        atexit(remove_file);
    }
    files_write(path, bytes, size);
    return path;
}

static void expect(bool fine)
{
    if (!fine) {
        abort();
    }
}

static void read_all(const reel_archive *a)
{
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        reel_array array;
        expect(reel_archive_at(a, i, &array) && reel_archive_name(a, i)[0]);
        size_t n = (size_t)reel_shape_size(array.shape);
        float *numbers = malloc((n + 1) * sizeof *numbers);
        expect(numbers && reel_array_read(array, numbers, n) == REEL_OK);
        free(numbers);
    }
    for (size_t i = 0; i < reel_archive_text_count(a); i++) {
        expect(reel_archive_text(a, reel_archive_text_key(a, i)) != NULL);
    }
}

void fuzz_archive(const uint8_t *bytes, size_t size)
{
    reel_archive_options options = { .size_limit = 1 << 24 };
    reel_archive *a = reel_archive_parse(bytes, size, options);
    read_all(a);
    expect((reel_archive_status(a) == REEL_OK) == (reel_archive_error(a)[0] == '\0'));
    reel_archive_free(a);
}

void fuzz_expect_message(const reel_tape *t, bool failed)
{
    expect(failed == (reel_tape_error(t)[0] != '\0'));
}
