/* fuzz.h: fuzzers of what reads files. A file of tests/fuzz defines LLVMFuzzerTestOneInput, which
 * reads what it is given and ends the program by abort() where something is not as it must be; the
 * files of tests/fuzz/corpus/NAME are what to begin with, and what was found once and mended. It
 * becomes a libFuzzer target in the preset fuzz, elsewhere a test that tries those files alone
 * (fuzz/replay). */
#ifndef REEL_TEST_FUZZ_H
#define REEL_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "io/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A file with these bytes, for readers that want a path; the next call overwrites it. */
const char *fuzz_file(const uint8_t *bytes, size_t size);

/* Reads the bytes as an archive, all its arrays and texts. What it refuses it must say why. */
void fuzz_archive(const uint8_t *bytes, size_t size);

/* Ends the program unless a call that failed says why, and only then. */
void fuzz_expect_message(const reel_tape *, bool failed);

#endif
