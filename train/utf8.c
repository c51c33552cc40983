/* utf8.c: UTF-8, checked. */
#include <string.h>

#include "vocabulary.h"
#ifdef REEL_HAVE_UTF8PROC
#include <utf8proc.h>
#endif

#ifdef REEL_HAVE_UTF8PROC
bool reel_utf8_valid(const char *text, size_t bytes, size_t *bad)
{
    size_t at = 0;
    if (!text && bytes > 0) {
        if (bad) {
            *bad = 0;
        }
        return false;
    }
    while (at < bytes) {
        utf8proc_int32_t code;
        utf8proc_ssize_t left = (utf8proc_ssize_t)(bytes - at);
        utf8proc_ssize_t length =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, left, &code);
        if (length <= 0) {
            if (bad) {
                *bad = at;
            }
            return false;
        }
        at += (size_t)length;
    }
    return true;
}

size_t reel__space_length(const char *text, size_t bytes)
{
    utf8proc_int32_t code;
    utf8proc_ssize_t length =
        utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &code);
    if (length <= 0) {
        return 0;
    }
    utf8proc_category_t category = utf8proc_category(code);
    bool space = (code >= '\t' && code <= '\r') || category == UTF8PROC_CATEGORY_ZS ||
                 category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
    return space ? (size_t)length : 0;
}
#else
bool reel_utf8_valid(const char *text, size_t bytes, size_t *bad)
{
    (void)text;
    (void)bytes;
    if (bad) {
        *bad = 0;
    }
    return false;
}

size_t reel__space_length(const char *text, size_t bytes)
{
    return bytes > 0 && (*text == ' ' || (*text >= '\t' && *text <= '\r'));
}
#endif

bool reel__check_utf8(reel_tape *tape, const char *op, const char *text, size_t bytes)
{
    size_t bad;
#ifndef REEL_HAVE_UTF8PROC
    reel_fail(tape, REEL_UNSUPPORTED, op,
              "checking text needs utf8proc, and reel was built without");
    return false;
#endif
    if (!text && bytes > 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, op, "the text is NULL");
        return false;
    }
    if (!reel_utf8_valid(text, bytes, &bad)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, op, "invalid UTF-8 at byte %zu: 0x%02x", bad,
                  (unsigned)(unsigned char)text[bad]);
        return false;
    }
    return true;
}

size_t reel__character_length(const char *text)
{
    unsigned char first = (unsigned char)*text;
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}
