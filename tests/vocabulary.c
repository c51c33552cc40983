/* Vocabularies: against plain Python (golden/vocabulary.py), there and back, as files, and text
 * that is none. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reel.h"
#include "support/golden.h"
#include "support/optional.h"

TestSuite(vocabulary, .init = needs_unicode_and_json);

typedef struct {
    char *text;
    size_t bytes;
} corpus;

static corpus corpus_of(const char *label)
{
    golden_row row;
    cr_assert(golden_find("vocabulary.txt", "bpe", label, &row));
    corpus c = { malloc(row.count + 1), row.count };
    for (size_t i = 0; i < row.count; i++) {
        c.text[i] = (char)(unsigned char)row.values[i];
    }
    c.text[c.bytes] = '\0';
    golden_free(&row);
    return c;
}

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ 0 });
}

static void expect_error(reel_tape *t, const char *part)
{
    cr_expect(strstr(reel_tape_error(t), part), "\"%s\" lacks \"%s\"", reel_tape_error(t), part);
    reel_tape_clear(t);
}

enum { ROOM = 1024 };

static void expect_encoded(reel_vocabulary *v, const char *text, size_t bytes, const char *name)
{
    int32_t symbols[ROOM];
    golden_row row;
    cr_assert(golden_find("vocabulary.txt", name, "encoded", &row));
    int64_t n = reel_encode(v, text, bytes, symbols, ROOM);
    cr_assert_eq(n, (int64_t)row.count, "%s: %lld symbols, expected %zu", name, (long long)n,
                 row.count);
    for (size_t i = 0; i < row.count; i++) {
        cr_expect_eq(symbols[i], (int32_t)row.values[i], "%s [%zu]: %d, expected %g", name, i,
                     symbols[i], row.values[i]);
    }
    golden_free(&row);
}

static void expect_round_trip(reel_vocabulary *v, const char *text, size_t bytes)
{
    int32_t symbols[ROOM];
    char out[ROOM];
    int64_t n = reel_encode(v, text, bytes, symbols, ROOM);
    cr_assert(n >= 0 && n <= ROOM);
    cr_assert_eq(reel_decode(v, symbols, (size_t)n, out, ROOM), (int64_t)bytes);
    cr_expect_eq(memcmp(out, text, bytes), 0);
}

typedef reel_vocabulary *(*maker)(reel_tape *, const char *, size_t, reel_vocabulary_options);
static const maker makers[] = { reel_char_vocabulary, reel_word_vocabulary, reel_bpe_vocabulary };
static const char *const names[] = { "characters", "words", "bpe" };

Test(vocabulary, symbols_are_those_of_the_slow_way)
{
    corpus learnt = corpus_of("text"), other = corpus_of("other");
    for (int kind = 0; kind < 3; kind++) {
        reel_tape *t = new_tape();
        reel_vocabulary *v = makers[kind](t, learnt.text, learnt.bytes,
                                          (reel_vocabulary_options){ .size = kind == 2 ? 318 : 0 });
        cr_assert_not_null(v, "%s", reel_tape_error(t));
        expect_encoded(v, other.text, other.bytes, names[kind]);
        reel_tape_free(t);
    }
    free(learnt.text);
    free(other.text);
}

Test(vocabulary, bpe_gives_any_text_back)
{
    static const char zeros[] = "a\0b\0\0 c";
    corpus learnt = corpus_of("text"), other = corpus_of("other");
    reel_tape *t = new_tape();
    reel_vocabulary *v =
        reel_bpe_vocabulary(t, learnt.text, learnt.bytes, (reel_vocabulary_options){ 0 });
    expect_round_trip(v, learnt.text, learnt.bytes);
    expect_round_trip(v, other.text, other.bytes);
    expect_round_trip(v, zeros, sizeof zeros - 1);
    expect_round_trip(v, "", 0);
    reel_vocabulary *characters =
        reel_char_vocabulary(t, other.text, other.bytes, (reel_vocabulary_options){ 0 });
    expect_round_trip(characters, other.text, other.bytes);
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
    free(learnt.text);
    free(other.text);
}

Test(vocabulary, what_is_saved_encodes_alike_when_loaded)
{
    corpus learnt = corpus_of("text"), other = corpus_of("other");
    for (int kind = 0; kind < 3; kind++) {
        char path[] = "/tmp/reel_vocabulary_XXXXXX";
        close(mkstemp(path));
        reel_tape *t = new_tape(), *u = new_tape();
        reel_vocabulary *v = makers[kind](t, learnt.text, learnt.bytes,
                                          (reel_vocabulary_options){ .size = kind == 2 ? 318 : 0 });
        cr_assert_eq(reel_vocabulary_save(v, path), REEL_OK, "%s", reel_tape_error(t));
        reel_vocabulary *w = reel_vocabulary_load(u, path);
        cr_assert_not_null(w, "%s", reel_tape_error(u));
        cr_expect_eq(reel_vocabulary_size(v), reel_vocabulary_size(w));
        expect_encoded(w, other.text, other.bytes, names[kind]);
        unlink(path);
        reel_tape_free(t);
        reel_tape_free(u);
    }
    free(learnt.text);
    free(other.text);
}

Test(vocabulary, rare_symbols_are_unknown_and_padding_is_not_written)
{
    static const char text[] = "b a a c a b d";
    static const int32_t symbols[] = { 0, 2, 1, 3, 0 };
    int32_t encoded[4];
    char out[32];
    reel_tape *t = new_tape();
    reel_vocabulary *v =
        reel_word_vocabulary(t, text, strlen(text), (reel_vocabulary_options){ .min_count = 2 });
    cr_expect_eq(reel_vocabulary_size(v), 4);
    cr_expect_eq(reel_vocabulary_find(v, "a"), 2);
    cr_expect_str_eq(reel_vocabulary_symbol(v, 3), "b");
    cr_expect_null(reel_vocabulary_symbol(v, 4));
    cr_expect_eq(reel_encode(v, "c a", 3, encoded, 4), 2);
    cr_expect(encoded[0] == 1 && encoded[1] == 2);
    cr_expect_eq(reel_decode(v, symbols, 5, out, sizeof out), 9);
    cr_expect_str_eq(out, "a <unk> b");
    cr_expect_eq(reel_decode(v, symbols, 5, out, 4), 9);
    cr_expect_str_eq(out, "a <");
    reel_tape_free(t);
}

Test(vocabulary, text_that_is_no_utf8_is_refused_with_the_offset)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        { "abc\xff", "invalid UTF-8 at byte 3: 0xff" },
        { "\xc3\xa4\xc3", "invalid UTF-8 at byte 2: 0xc3" },     /* cut off */
        { "a\xc0\xaf", "invalid UTF-8 at byte 1: 0xc0" },        /* longer than need be */
        { "ab\xed\xa0\x80", "invalid UTF-8 at byte 2: 0xed" },   /* a surrogate */
        { "\xf4\x90\x80\x80", "invalid UTF-8 at byte 0: 0xf4" }, /* beyond U+10FFFF */
        { "\xe4\xb8\x96\x80", "invalid UTF-8 at byte 3: 0x80" }, /* a byte too many */
    };
    reel_tape *t = new_tape();
    reel_vocabulary *v = reel_char_vocabulary(t, "abc", 3, (reel_vocabulary_options){ 0 });
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int kind = 0; kind < 3; kind++) {
            cr_expect_null(makers[kind](t, cases[i].text, strlen(cases[i].text),
                                        (reel_vocabulary_options){ 0 }));
            expect_error(t, cases[i].message);
        }
        cr_expect_eq(reel_encode(v, cases[i].text, strlen(cases[i].text), NULL, 0), -1);
        expect_error(t, cases[i].message);
    }
    reel_tape_free(t);
}

Test(vocabulary, misuse_names_the_value)
{
    static const char *const none[] = { NULL };
    static const int32_t outside[] = { 0, 9 };
    char out[8];
    reel_tape *t = new_tape();
    reel_vocabulary *v =
        reel_char_vocabulary(t, "abc", 3, (reel_vocabulary_options){ .specials = none });
    cr_expect_eq(reel_encode(v, "abz", 3, NULL, 0), -1);
    expect_error(t, "\"z\" at byte 2 is not in the vocabulary, which has no <unk>");
    cr_expect_eq(reel_decode(v, outside, 2, out, sizeof out), -1);
    expect_error(t, "symbol 1 is 9, must be in 0 … 2");
    cr_expect_null(reel_bpe_vocabulary(t, "abc", 3, (reel_vocabulary_options){ .size = 20 }));
    expect_error(t, "size is 20, must be at least 258");
    cr_expect_null(reel_vocabulary_load(t, "/nowhere.json"));
    expect_error(t, "/nowhere.json");
    cr_expect_neq(reel_vocabulary_save(v, "/nowhere/x.json"), REEL_OK);
    expect_error(t, "cannot write /nowhere/x.json");
    reel_tape_free(t);
}

Test(vocabulary, a_file_that_is_no_vocabulary_is_refused)
{
    static const char *const files[] = {
        "{",
        "[]",
        "{\"format\": \"reel vocabulary\", \"version\": 2, \"kind\": \"bpe\"}",
        "{\"format\": \"reel vocabulary\", \"version\": 1, \"kind\": \"bpe\", \"specials\": [], "
        "\"merges\": [[1, 256]]}",
        "{\"format\": \"reel vocabulary\", \"version\": 1, \"kind\": \"words\", \"specials\": [], "
        "\"symbols\": [\"a\", \"a\"]}",
    };
    reel_tape *t = new_tape();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[] = "/tmp/reel_vocabulary_XXXXXX";
        int file = mkstemp(path);
        cr_assert(write(file, files[i], strlen(files[i])) > 0);
        close(file);
        cr_expect_null(reel_vocabulary_load(t, path));
        cr_expect_eq(reel_tape_status(t), REEL_BAD_FILE);
        expect_error(t, path);
        unlink(path);
    }
    reel_tape_free(t);
}
