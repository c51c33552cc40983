/* The safetensors format: what the library of that name wrote (golden/io_arrays.py), what reel
 * wrote, and every way a file can be wrong. */
#define _DEFAULT_SOURCE /* setrlimit, SIGXFSZ */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <reel.h>

#include "support/files.h"
#include "support/optional.h"

TestSuite(safetensors, .init = needs_jansson);

#define GOLDEN(name) REEL_GOLDEN_DIR "/" name

/* ---- what others wrote --------------------------------------------------------------------- */

static void expect_numbers(const reel_archive *a, const char *name, size_t n, const double *values)
{
    reel_array array;
    double got[8];
    cr_assert(reel_archive_find(a, name, &array), "%s", name);
    cr_assert_eq(reel_array_read_f64(array, got, n), REEL_OK, "%s", name);
    for (size_t i = 0; i < n; i++) {
        cr_expect_eq(got[i], values[i], "%s[%zu] is %g", name, i, got[i]);
    }
}

Test(safetensors, every_type_that_the_format_has_is_read)
{
    reel_archive *a =
        reel_archive_open(GOLDEN("io_types.safetensors"), (reel_archive_options){ 0 });
    cr_assert_str_eq(reel_archive_error(a), "");
    cr_expect_eq(reel_archive_count(a), 15);
    static const char *const ramps[] = { "f32", "f64", "i8",  "i16", "i32",
                                         "i64", "u8",  "u16", "u32", "u64" };
    for (size_t i = 0; i < sizeof ramps / sizeof *ramps; i++) {
        expect_numbers(a, ramps[i], 6, (double[]){ 0, 1, 2, 3, 4, 5 });
    }
    expect_numbers(a, "bool", 6, (double[]){ 0, 0, 0, 1, 1, 1 });
    expect_numbers(a, "f16", 5, (double[]){ 0.5, -2, 65504, 0x1p-24, INFINITY });
    expect_numbers(a, "bf16", 5, (double[]){ 0.5, -2, 0x1.C4p127, 0x1p-133, INFINITY });
    expect_numbers(a, "scalar", 1, (double[]){ 7 });
    expect_numbers(a, "empty", 0, NULL);
    cr_expect_str_eq(reel_archive_text(a, "architecture"), "none");
    cr_expect_str_eq(reel_archive_text(a, "naïve"), "ключ");
    cr_expect_null(reel_archive_text(a, "absent"));
    reel_archive_free(a);
}

/* ---- a small model ------------------------------------------------------------------------- */

static reel_tape *new_tape(reel_dtype dtype, uint64_t seed)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = seed, .threads = 1 });
    reel_param(t, "out.W", REEL_SHAPE(2, 3), reel_normal(0, 1));
    reel_param(t, "out.b", REEL_SHAPE(3), reel_normal(0, 1));
    return t;
}

/* All numbers of the model in a row. */
static void numbers_of(reel_tape *t, double out[9])
{
    reel_read_f64(reel_find_param(t, "out.W"), out, 6);
    reel_read_f64(reel_find_param(t, "out.b"), out + 6, 3);
}

static bool same_numbers(reel_tape *t, const double expected[9])
{
    double got[9];
    numbers_of(t, got);
    return memcmp(got, expected, sizeof got) == 0;
}

static void round_trip(reel_dtype dtype, const char *name)
{
    char path[FILES_PATH];
    double before[9];
    files_begin(path, name);
    reel_tape *t = new_tape(dtype, 1), *u = new_tape(dtype, 2);
    numbers_of(t, before);
    cr_assert_eq(reel_save(t, path, (reel_save_options){ 0 }), REEL_OK, "%s", reel_tape_error(t));
    cr_expect(!same_numbers(u, before));
    cr_assert_eq(reel_load(u, path, (reel_load_options){ 0 }), REEL_OK, "%s", reel_tape_error(u));
    cr_expect(same_numbers(u, before));
    cr_expect_eq(files_count(path), 1, "nothing but the file remains");
    reel_tape_free(t);
    reel_tape_free(u);
    files_end(path);
}

Test(safetensors, what_was_saved_loads_to_the_last_bit)
{
    round_trip(REEL_F32, "model.safetensors");
    round_trip(REEL_F64, "model.safetensors");
    round_trip(REEL_F64, "model.npz");
}

Test(safetensors, texts_travel_with_the_numbers)
{
    char path[FILES_PATH];
    files_begin(path, "model.safetensors");
    reel_tape *t = new_tape(REEL_F32, 1);
    reel_text texts[] = { { "architecture", "dense" }, { "vocabulary", "a\nb\"ü" }, { 0 } };
    reel_save(t, path, (reel_save_options){ .texts = texts });
    reel_archive *a = reel_archive_open(path, (reel_archive_options){ 0 });
    cr_expect_str_eq(reel_archive_text(a, "architecture"), "dense");
    cr_expect_str_eq(reel_archive_text(a, "vocabulary"), "a\nb\"ü");
    cr_expect_not_null(reel_archive_text(a, "reel.version"));
    reel_archive_free(a);
    reel_tape_free(t);
    files_end(path);
}

Test(safetensors, types_are_converted_to_the_tapes)
{
    char path[FILES_PATH];
    double exact[9], got[9];
    files_begin(path, "model.safetensors");
    reel_tape *t = new_tape(REEL_F64, 1), *u = new_tape(REEL_F32, 2);
    numbers_of(t, exact);
    reel_save(t, path, (reel_save_options){ 0 });
    cr_assert_eq(reel_load(u, path, (reel_load_options){ 0 }), REEL_OK, "%s", reel_tape_error(u));
    numbers_of(u, got);
    for (int i = 0; i < 9; i++) {
        cr_expect_eq(got[i], (double)(float)exact[i]);
    }
    reel_tape_free(t);
    reel_tape_free(u);
    files_end(path);
}

Test(safetensors, halves_can_be_loaded_into_parameters)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_var h = reel_param(t, "f16", REEL_SHAPE(5), reel_zeros());
    reel_load_options options = { .partial = true };
    cr_assert_eq(reel_load(t, GOLDEN("io_types.safetensors"), options), REEL_OK, "%s",
                 reel_tape_error(t));
    float got[5];
    reel_read(h, got, 5);
    cr_expect_eq(got[2], 65504.f);
    reel_tape_free(t);
}

/* ---- what does not fit --------------------------------------------------------------------- */

static void count_lines(void *self, const char *message)
{
    (void)message;
    ++*(int *)self;
}

Test(safetensors, a_wrong_architecture_is_refused_with_everything_that_does_not_fit)
{
    char path[FILES_PATH];
    files_begin(path, "model.safetensors");
    reel_tape *t = new_tape(REEL_F32, 1), *u = reel_tape_new((reel_tape_options){ .seed = 1 });
    reel_param(t, "more", REEL_SHAPE(4), reel_zeros());
    reel_param(u, "out.W", REEL_SHAPE(3, 2), reel_zeros());
    reel_param(u, "out.b", REEL_SHAPE(3), reel_zeros());
    reel_param(u, "gain", REEL_SHAPE(), reel_zeros());
    reel_save(t, path, (reel_save_options){ 0 });
    int lines = 0;
    reel_load_report report;
    reel_load_options options = { .log = count_lines, .log_self = &lines, .report = &report };
    cr_expect_eq(reel_load(u, path, options), REEL_BAD_SHAPE);
    const char *message = reel_tape_error(u);
    cr_expect(strstr(message,
                     "the file does not fit: out.W is [2,3], here [3,2]; more [4] is not on "
                     "the tape; gain [] is missing"),
              "%s", message);
    cr_expect_eq(lines, 3);
    cr_expect(report.loaded == 0 && report.missing == 1 && report.extra == 1 &&
              report.misfits == 1);
    reel_tape_clear(u);
    double b[3] = { 1, 1, 1 };
    reel_read_f64(reel_find_param(u, "out.b"), b, 3);
    cr_expect(b[0] == 0 && b[1] == 0 && b[2] == 0, "nothing was loaded");
    reel_tape_free(t);
    reel_tape_free(u);
    files_end(path);
}

Test(safetensors, a_long_list_of_misfits_ends_with_how_many_more)
{
    char path[FILES_PATH], name[64];
    files_begin(path, "model.safetensors");
    reel_tape *t = new_tape(REEL_F32, 1), *u = reel_tape_new((reel_tape_options){ 0 });
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "a_rather_long_name_of_a_parameter_%d", i);
        reel_param(u, name, REEL_SHAPE(1), reel_zeros());
    }
    reel_save(t, path, (reel_save_options){ 0 });
    int lines = 0;
    reel_load(u, path, (reel_load_options){ .log = count_lines, .log_self = &lines });
    cr_expect(strstr(reel_tape_error(u), " more"), "%s", reel_tape_error(u));
    cr_expect_eq(lines, 302, "the log hears of each");
    reel_tape_free(t);
    reel_tape_free(u);
    files_end(path);
}

Test(safetensors, a_part_is_loaded_on_request_under_other_names)
{
    char path[FILES_PATH];
    double before[9], W[6], gain = 0;
    files_begin(path, "model.safetensors");
    reel_tape *t = new_tape(REEL_F64, 1), *u = reel_tape_new((reel_tape_options){ .dtype = 1 });
    numbers_of(t, before);
    reel_var head = reel_param(u, "W", REEL_SHAPE(2, 3), reel_zeros());
    reel_var other = reel_param(u, "gain", REEL_SHAPE(), reel_constant(5));
    reel_var bias = reel_param(u, "bias", REEL_SHAPE(3), reel_zeros());
    reel_save(t, path, (reel_save_options){ 0 });
    reel_load_report report;
    reel_rename renames[] = { { "out.b", "bias" }, { 0 } };
    reel_load_options options = {
        .partial = true, .prefix = "out.", .renames = renames, .report = &report
    };
    cr_assert_eq(reel_load(u, path, options), REEL_OK, "%s", reel_tape_error(u));
    reel_read_f64(head, W, 6);
    cr_expect_eq(memcmp(W, before, sizeof W), 0);
    reel_read_f64(bias, W, 3);
    cr_expect_eq(memcmp(W, before + 6, 3 * sizeof *W), 0);
    reel_read_f64(other, &gain, 1);
    cr_expect_eq(gain, 5);
    cr_expect(report.loaded == 2 && report.missing == 1 && report.extra == 0);
    cr_expect_eq(reel_load(u, path, (reel_load_options){ .partial = true }), REEL_NOT_FOUND);
    cr_expect(strstr(reel_tape_error(u), "the file has no tensor of the tape's names"));
    reel_tape_free(t);
    reel_tape_free(u);
    files_end(path);
}

Test(safetensors, integers_are_no_parameters)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_param(t, "i32", REEL_SHAPE(2, 3), reel_zeros());
    reel_load_options options = { .partial = true };
    cr_expect_eq(reel_load(t, GOLDEN("io_types.safetensors"), options), REEL_BAD_SHAPE);
    cr_expect(strstr(reel_tape_error(t), "i32 is of type I32, not floating"), "%s",
              reel_tape_error(t));
    reel_tape_free(t);
}

Test(safetensors, recorded_values_are_stale_after_a_load)
{
    char path[FILES_PATH];
    files_begin(path, "model.safetensors");
    reel_tape *t = new_tape(REEL_F64, 1);
    reel_save(t, path, (reel_save_options){ 0 });
    reel_var sum = reel_sum_all(reel_find_param(t, "out.b"));
    cr_assert_eq(reel_load(t, path, (reel_load_options){ 0 }), REEL_OK);
    cr_expect(isnan(reel_item(sum)));
    cr_expect_eq(reel_tape_status(t), REEL_STALE_VALUE);
    reel_tape_free(t);
    files_end(path);
}

/* ---- damaged files ------------------------------------------------------------------------- */

/* A file with this header and this many bytes of data, read from memory. */
static reel_archive *parse(const char *header, size_t data)
{
    size_t length = strlen(header);
    unsigned char *bytes = calloc(1, 8 + length + data);
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)((uint64_t)length >> 8 * i);
    }
    memcpy(bytes + 8, header, length);
    reel_archive *a = reel_archive_parse(bytes, 8 + length + data, (reel_archive_options){ 0 });
    free(bytes); /* what was refused looks into nothing */
    return a;
}

static void expect_refused(const char *header, size_t data, const char *message)
{
    reel_archive *a = parse(header, data);
    cr_expect_neq(reel_archive_status(a), REEL_OK, "%.60s", header);
    cr_expect(strstr(reel_archive_error(a), message), "%.60s: %s", header, reel_archive_error(a));
    cr_expect_eq(reel_archive_count(a), 0);
    reel_archive_free(a);
}

#define ONE(dtype, shape, begin, end)                                                              \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

Test(safetensors, a_header_that_lies_is_refused)
{
    expect_refused("{\"x\":" ONE("F32", "[2]", 0, 8) ",\"y\":" ONE("F32", "[2]", 4, 12) "}", 12,
                   "overlaps the data before it");
    expect_refused("{\"x\":" ONE("F32", "[2]", 0, 8) ",\"y\":" ONE("F32", "[2]", 12, 20) "}", 20,
                   "leaves a gap to the data before it");
    expect_refused("{\"x\":" ONE("F32", "[2]", 4, 12) "}", 12, "x leaves a gap");
    expect_refused("{\"x\":" ONE("F32", "[2]", 0, 8) "}", 9, "1 bytes follow the last tensor");
    expect_refused("{\"x\":" ONE("F32", "[3]", 0, 8) "}", 8, "does not have the size of [3]");
    expect_refused("{\"x\":" ONE("F32", "[2]", 8, 0) "}", 8, "x lies outside the file");
    expect_refused("{\"x\":" ONE("F32", "[2]", 0, 16) "}", 8, "x lies outside the file");
    expect_refused("{\"x\":" ONE("F32", "[2]", -8, 0) "}", 8, "x lies outside the file");
    expect_refused("{\"x\":" ONE("F32", "[-2]", 0, 8) "}", 8,
                   "axis 0 of the shape is out of range");
    expect_refused("{\"x\":" ONE("F32", "[2.0]", 0, 8) "}", 8, "axis 0 of the shape");
    expect_refused("{\"x\":" ONE("F32", "[4294967296,4294967296]", 0, 8) "}", 8, "size of");
    expect_refused("{\"x\":" ONE("F32", "[4611686018427387906]", 0, 8) "}", 8, "size of");
    expect_refused("{\"x\":" ONE("F32", "[9223372036854775808]", 0, 8) "}", 8, "not valid JSON");
    expect_refused("{\"x\":" ONE("F32", "[1,1,1,1,1,1,1,1,2]", 0, 8) "}", 8, "x has 9 axes");
    expect_refused("{\"x\":" ONE("F8_E4M3", "[8]", 0, 8) "}", 8, "x is of unknown type F8_E4M3");
    expect_refused("{\"x\":" ONE("f32", "[2]", 0, 8) "}", 8, "unknown type f32");
    expect_refused("{\"x\":" ONE("I8", "[2]", 0, 8) "}", 8, "does not have the size of [2]");
    expect_refused("{\"x\":" ONE("F32", "[2]", 0, 8) ",\"x\":" ONE("F32", "[2]", 8, 16) "}", 16,
                   "duplicate object key");
    expect_refused("{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "x is not described by");
    expect_refused("{\"x\":3}", 0, "x is not described by");
    expect_refused("{\"x\xff\":" ONE("F32", "[2]", 0, 8) "}", 8,
                   "not valid JSON: unable to decode");
    expect_refused("{\"x\\u0000\":" ONE("F32", "[2]", 0, 8) "}", 8, "not valid JSON");
    expect_refused("{\"\":" ONE("F32", "[2]", 0, 8) "}", 8, "an array needs a name");
    expect_refused("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: a is no text");
    expect_refused("{\"__metadata__\":[]}", 0, "__metadata__ is no object");
    expect_refused("[]", 0, "neither safetensors, NumPy nor HDF5");
    expect_refused("{} x", 0, "not valid JSON");
}

Test(safetensors, an_empty_file_of_the_format_is_fine)
{
    reel_archive *a = parse("{}      ", 0);
    cr_expect_str_eq(reel_archive_error(a), "");
    cr_expect_eq(reel_archive_count(a), 0);
    reel_archive_free(a);
}

Test(safetensors, a_hundred_thousand_brackets_do_not_overflow_the_stack)
{
    enum { DEPTH = 100000 };
    char *header = malloc(DEPTH + 8);
    memcpy(header, "{\"x\":", 5);
    memset(header + 5, '[', DEPTH);
    header[5 + DEPTH] = '\0';
    expect_refused(header, 0, "the header nests deeper than the format does");
    free(header);
}

static void expect_length_refused(uint64_t length, const char *message)
{
    unsigned char bytes[32] = { 0 };
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(length >> 8 * i);
    }
    memcpy(bytes + 8, "{}", 2);
    reel_archive *a = reel_archive_parse(bytes, sizeof bytes, (reel_archive_options){ 0 });
    cr_expect_eq(reel_archive_status(a), REEL_BAD_FILE);
    cr_expect(strstr(reel_archive_error(a), message), "%s", reel_archive_error(a));
    reel_archive_free(a);
}

Test(safetensors, a_header_longer_than_the_file_is_refused)
{
    expect_length_refused(0, "a header of 0 bytes in a safetensors file of 32");
    expect_length_refused(1, "a header of 1 bytes");
    expect_length_refused(25, "a header of 25 bytes in a safetensors file of 32");
    expect_length_refused(100 * 1000 * 1000 + 1, "more than the 100 MB");
    expect_length_refused((uint64_t)1 << 63, "more than the 100 MB");
    expect_length_refused(UINT64_MAX, "more than the 100 MB");
}

/* Either a clear error and nothing changed, or what was saved. */
static void expect_all_or_nothing(reel_tape *t, const unsigned char *bytes, size_t size,
                                  const double before[9], const double saved[9], size_t place)
{
    reel_archive *a = reel_archive_parse(bytes, size, (reel_archive_options){ 0 });
    reel_status status = reel_load_archive(t, a, (reel_load_options){ 0 });
    cr_expect(same_numbers(t, status == REEL_OK ? saved : before), "at %zu", place);
    cr_expect(status == REEL_OK || strlen(reel_tape_error(t)) > 10, "at %zu", place);
    reel_archive_free(a);
    if (status == REEL_OK) {
        reel_write_param_f64(reel_find_param(t, "out.W"), before, 6);
        reel_write_param_f64(reel_find_param(t, "out.b"), before + 6, 3);
    }
    reel_tape_clear(t);
}

typedef struct {
    reel_tape *tape;
    unsigned char *bytes;
    size_t size;
    double before[9], saved[9];
    char path[FILES_PATH];
} damage;

static damage damage_begin(void)
{
    damage d;
    files_begin(d.path, "model.safetensors");
    reel_tape *t = new_tape(REEL_F64, 1);
    numbers_of(t, d.saved);
    reel_save(t, d.path, (reel_save_options){ 0 });
    reel_tape_free(t);
    d.bytes = files_read(d.path, &d.size);
    d.tape = new_tape(REEL_F64, 2);
    numbers_of(d.tape, d.before);
    return d;
}

static void damage_end(damage *d)
{
    free(d->bytes);
    reel_tape_free(d->tape);
    files_end(d->path);
}

Test(safetensors, a_file_cut_anywhere_is_refused_and_nothing_changes)
{
    damage d = damage_begin();
    for (size_t size = 0; size < d.size; size++) {
        reel_archive *a = reel_archive_parse(d.bytes, size, (reel_archive_options){ 0 });
        cr_expect_neq(reel_load_archive(d.tape, a, (reel_load_options){ 0 }), REEL_OK, "%zu", size);
        cr_expect(same_numbers(d.tape, d.before), "%zu", size);
        reel_archive_free(a);
        reel_tape_clear(d.tape);
    }
    damage_end(&d);
}

Test(safetensors, no_flipped_bit_of_a_header_loads_wrong_numbers)
{
    damage d = damage_begin();
    size_t header = d.size - 9 * sizeof(double);
    for (size_t bit = 0; bit < 8 * header; bit++) {
        d.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        expect_all_or_nothing(d.tape, d.bytes, d.size, d.before, d.saved, bit);
        d.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    damage_end(&d);
}

Test(safetensors, what_is_no_file_is_an_error_that_names_it)
{
    reel_tape *t = new_tape(REEL_F32, 1);
    cr_expect_eq(reel_load(t, "/nonexistent/model.safetensors", (reel_load_options){ 0 }),
                 REEL_FILE_ERROR);
    cr_expect(strstr(reel_tape_error(t), "load at safetensors.c:"), "%s", reel_tape_error(t));
    cr_expect(strstr(reel_tape_error(t), "model.safetensors: cannot open it: No such file"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_eq(reel_load(t, "/tmp", (reel_load_options){ 0 }), REEL_FILE_ERROR);
    cr_expect(strstr(reel_tape_error(t), "not a regular file"), "%s", reel_tape_error(t));
    reel_tape_clear(t);
    cr_expect_eq(reel_load(t, NULL, (reel_load_options){ 0 }), REEL_BAD_ARGUMENT);
    reel_tape_clear(t);
    cr_expect_eq(reel_save(t, "/nonexistent/x", (reel_save_options){ 0 }), REEL_FILE_ERROR);
    reel_tape_clear(t);
    cr_expect_eq(reel_save(t, "/tmp/", (reel_save_options){ 0 }), REEL_BAD_ARGUMENT);
    reel_tape_free(t);
}

/* ---- disks that are full ------------------------------------------------------------------- */

Test(safetensors, a_write_cut_short_leaves_the_old_file)
{
    char path[FILES_PATH];
    double before[9];
    files_begin(path, "model.safetensors");
    reel_tape *t = new_tape(REEL_F64, 1), *u = new_tape(REEL_F64, 2);
    numbers_of(t, before);
    cr_assert_eq(reel_save(t, path, (reel_save_options){ 0 }), REEL_OK);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, small;
    size_t size;
    free(files_read(path, &size));
    getrlimit(RLIMIT_FSIZE, &old);
    for (size_t room = 0; room < size; room += 13) {
        small = (struct rlimit){ room, old.rlim_max };
        setrlimit(RLIMIT_FSIZE, &small);
        cr_expect_eq(reel_save(u, path, (reel_save_options){ 0 }), REEL_FILE_ERROR);
        setrlimit(RLIMIT_FSIZE, &old);
        cr_expect(strstr(reel_tape_error(u), "cannot write all of it"), "%s", reel_tape_error(u));
        reel_tape_clear(u);
        cr_expect_eq(files_count(path), 1);
        cr_expect_eq(reel_load(t, path, (reel_load_options){ 0 }), REEL_OK);
        cr_expect(same_numbers(t, before));
    }
    cr_expect_eq(reel_save(u, path, (reel_save_options){ 0 }), REEL_OK, "%s", reel_tape_error(u));
    reel_tape_free(t);
    reel_tape_free(u);
    files_end(path);
}
