/* npy.c: NumPy's format of one array: see support/fuzz.h. */
#include <reel.h>

#include "support/fuzz.h"

const char *const reel_fuzz_seeds[] = {
    REEL_GOLDEN_DIR "/io_ramp.npy",
    REEL_GOLDEN_DIR "/io_swapped.npy",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    reel_archive_options options = { .size_limit = 1 << 24 };
    reel_archive *a = reel_archive_parse(bytes, size, options);
    fuzz_read_all(a);
    reel_archive_free(a);
    return 0;
}

#ifndef REEL_LIBFUZZER
int main(int count, char **arguments)
{
    return fuzz_main(count, arguments);
}
#endif
