/* safetensors.c: files in the safetensors format. */
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_archive(bytes, size);
    return 0;
}
