/* fuzz.h: a fuzzer of a reader. A file of tests/fuzz defines reel_fuzz_seeds and
 * LLVMFuzzerTestOneInput, and is at once
 *
 *     a program: NAME [SECONDS [SEED]]    mutates the seeds for so long; the file that ended it is
 *                NAME FILE                left as NAME.last, and can be tried again
 *     a libFuzzer target, compiled by clang with -fsanitize=fuzzer -DREEL_LIBFUZZER */
#ifndef REEL_TEST_FUZZ_H
#define REEL_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "io/archive.h"

/* Paths of whole files to start from, up to a NULL. */
extern const char *const reel_fuzz_seeds[];
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Reads every array and text of an archive. */
void fuzz_read_all(const reel_archive *);

/* Mutates seeds until the time is over. */
int fuzz_main(int count, char **arguments);

#endif
