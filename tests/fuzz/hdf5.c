/* hdf5.c: HDF5 files, as Keras keeps weights in. */
#include <string.h>

#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size >= 8 && memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) == 0) { /* else another reader's */
        fuzz_archive(bytes, size);
    }
    return 0;
}
