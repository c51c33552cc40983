/* report.c: results as lines, or as one JSON object. */
#include "command.h"

#include <math.h>
#include <string.h>

void report_begin(report *r, FILE *out, bool json)
{
    *r = (report){ .out = out, .json = json };
}

bool report_is_for_a_reader(const report *r)
{
    return !r->json;
}

/* A byte of a JSON string. */
static void put_byte(FILE *out, unsigned char c)
{
    if (c == '"' || c == '\\') {
        fprintf(out, "\\%c", c);
    } else if (c == '\n') {
        fputs("\\n", out);
    } else if (c < 32 || c == 127) {
        fprintf(out, "\\u%04x", c);
    } else {
        fputc(c, out);
    }
}

/* JSON is UTF-8: a byte that is none becomes the replacement character. */
static void put_string(FILE *out, const char *text, size_t bytes)
{
    fputc('"', out);
    while (bytes > 0) {
        size_t bad = bytes;
        bool valid = reel_utf8_valid(text, bytes, &bad);
        size_t good = valid ? bytes : bad;
        for (size_t i = 0; i < good; i++) {
            put_byte(out, (unsigned char)text[i]);
        }
        if (!valid) {
            fputs("\\ufffd", out);
            good++;
        }
        text += good;
        bytes -= good;
    }
    fputc('"', out);
}

static void put_number(const report *r, double value)
{
    if (r->json && !isfinite(value)) {
        fputs("null", r->out);
    } else {
        fprintf(r->out, r->json ? "%.10g" : "%.6g", value);
    }
}

/* Underscores are for programs. */
static void put_name(report *r, const char *name)
{
    if (r->json) {
        fputs(r->fields++ ? ",\n  " : "{\n  ", r->out);
        put_string(r->out, name, strlen(name));
        fputs(": ", r->out);
        return;
    }
    for (; *name; name++) {
        fputc(*name == '_' ? ' ' : *name, r->out);
    }
    fputs(": ", r->out);
}

static void end_field(report *r)
{
    if (!r->json) {
        fputc('\n', r->out);
    }
}

void report_text(report *r, const char *name, const char *value, size_t bytes)
{
    put_name(r, name);
    if (r->json) {
        put_string(r->out, value, bytes);
    } else {
        fwrite(value, 1, bytes, r->out);
    }
    end_field(r);
}

void report_number(report *r, const char *name, double value)
{
    put_name(r, name);
    put_number(r, value);
    end_field(r);
}

static void between(const report *r, int64_t i)
{
    if (i > 0) {
        fputs(r->json ? ", " : " ", r->out);
    }
}

void report_numbers(report *r, const char *name, const double *values, int64_t n)
{
    put_name(r, name);
    fputs(r->json ? "[" : "", r->out);
    for (int64_t i = 0; i < n; i++) {
        between(r, i);
        put_number(r, values[i]);
    }
    fputs(r->json ? "]" : "", r->out);
    end_field(r);
}

void report_texts(report *r, const char *name, const char *const *texts, int64_t n)
{
    put_name(r, name);
    fputs(r->json ? "[" : "", r->out);
    for (int64_t i = 0; i < n; i++) {
        between(r, i);
        if (r->json) {
            put_string(r->out, texts[i], strlen(texts[i]));
        } else {
            fputs(texts[i], r->out);
        }
    }
    fputs(r->json ? "]" : "", r->out);
    end_field(r);
}

void report_end(report *r)
{
    if (r->json) {
        fputs(r->fields ? "\n}\n" : "{}\n", r->out);
    }
}
