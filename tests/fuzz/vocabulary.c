/* vocabulary.c: files of vocabularies; what is loaded encodes a text and gives it back. */
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "support/fuzz.h"

static void use(reel_tape *t, reel_vocabulary *v)
{
    enum { ROOM = 64 };
    static const char text[] = "the cat\n\xc3\xa9 a";
    int32_t symbols[ROOM];
    char out[ROOM];
    int64_t n = reel_encode(v, text, strlen(text), symbols, ROOM);
    for (int64_t i = 0; i < n && i < ROOM; i++) {
        if (!reel_vocabulary_symbol(v, symbols[i])) {
            abort();
        }
    }
    if (n >= 0) {
        n = reel_decode(v, symbols, (size_t)(n < ROOM ? n : ROOM), out, ROOM);
    }
    fuzz_expect_message(t, n < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_vocabulary *v = reel_vocabulary_load(t, fuzz_file(bytes, size));
    fuzz_expect_message(t, !v);
    if (v) {
        use(t, v);
    }
    reel_tape_free(t);
    return 0;
}
