/* text.c: text that is to be learnt from: characters, words and byte pairs give it back. */
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "support/fuzz.h"

typedef reel_vocabulary *maker(reel_tape *, const char *, size_t, reel_vocabulary_options);

static void expect(bool fine)
{
    if (!fine) {
        abort();
    }
}

/* What goes in comes out, but for the white space between words. */
static void go_both_ways(reel_tape *t, reel_vocabulary *v, const char *text, size_t size,
                         bool exactly)
{
    int32_t *symbols = malloc((size + 1) * sizeof *symbols);
    int64_t n = reel_encode(v, text, size, symbols, size);
    expect(n >= 0 && (size_t)n <= size);
    int64_t length = reel_decode(v, symbols, (size_t)n, NULL, 0);
    char *out = malloc((size_t)length + 1);
    expect(reel_decode(v, symbols, (size_t)n, out, (size_t)length + 1) == length);
    expect(!exactly || ((size_t)length == size && memcmp(out, text, size) == 0));
    fuzz_expect_message(t, false);
    free(out);
    free(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static maker *const make[] = { reel_char_vocabulary, reel_word_vocabulary,
                                   reel_bpe_vocabulary };
    const char *text = (const char *)bytes;
    for (int kind = 0; kind < 3; kind++) {
        reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
        size_t bad;
        reel_vocabulary_options options = { .size = kind == 2 ? 300 : 0 };
        reel_vocabulary *v = make[kind](t, text, size, options);
        fuzz_expect_message(t, !v);
        expect(v == NULL || reel_utf8_valid(text, size, &bad));
        if (v) {
            go_both_ways(t, v, text, size, kind != 1);
        }
        reel_tape_free(t);
    }
    return 0;
}
