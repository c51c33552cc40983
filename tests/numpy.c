/* NumPy's formats: what NumPy wrote (golden/io_arrays.py), what reel wrote, and what is refused. */
#include <criterion/criterion.h>
#include <math.h>
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "support/files.h"
#include "support/optional.h"

#define GOLDEN(name) REEL_GOLDEN_DIR "/" name

static void expect_ramp(const reel_archive *a, const char *name, int rank, size_t n)
{
    reel_array array;
    double got[24];
    cr_assert(reel_archive_find(a, name, &array), "%s", name);
    cr_assert_eq(array.shape.rank, rank, "%s", name);
    cr_assert_eq(reel_array_read_f64(array, got, n), REEL_OK, "%s", name);
    for (size_t i = 0; i < n; i++) {
        double expected = name[0] == 'b' ? i > 2 : (double)i;
        cr_expect_eq(got[i], expected, "%s[%zu] is %g", name, i, got[i]);
    }
}

Test(numpy, every_numeric_type_is_read_in_both_byte_orders, .init = needs_libzip)
{
    reel_archive *a = reel_archive_open(GOLDEN("io_numpy.npz"), (reel_archive_options){ 0 });
    cr_assert_str_eq(reel_archive_error(a), "");
    static const char *const types[] = { "b1", "i1", "i2", "i4", "i8", "u1",
                                         "u2", "u4", "u8", "f2", "f4", "f8" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        for (const char *order = "<>"; *order; order++) {
            char name[8];
            snprintf(name, sizeof name, "%s%c", types[i], *order);
            expect_ramp(a, name, 2, 6);
        }
    }
    reel_archive_free(a);
}

Test(numpy, columns_first_scalars_empty_packed_and_old_versions_are_read, .init = needs_libzip)
{
    reel_archive *a = reel_archive_open(GOLDEN("io_numpy.npz"), (reel_archive_options){ 0 });
    expect_ramp(a, "fortran", 3, 24);
    expect_ramp(a, "fortran>", 3, 24);
    expect_ramp(a, "version1", 2, 6);
    expect_ramp(a, "version2", 2, 6);
    expect_ramp(a, "version3", 2, 6);
    expect_ramp(a, "empty", 2, 0);
    reel_array array;
    double seven = 0;
    cr_assert(reel_archive_find(a, "scalar", &array));
    cr_expect_eq(reel_array_read_f64(array, &seven, 1), REEL_OK);
    cr_expect(array.shape.rank == 0 && seven == 7);
    cr_expect(reel_archive_find(a, "packed", &array) && array.shape.dim[0] == 20000);
    reel_archive_free(a);
}

Test(numpy, an_array_becomes_a_leaf, .init = needs_libzip)
{
    reel_archive *a = reel_archive_open(GOLDEN("io_numpy.npz"), (reel_archive_options){ 0 });
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_array array;
    cr_assert(reel_archive_find(a, "i2>", &array));
    cr_expect_eq(reel_item(reel_sum_all(reel_input_array(t, array))), 15, "%s", reel_tape_error(t));
    reel_input_array(t, (reel_array){ REEL_ARRAY_F32, REEL_SHAPE(3), NULL });
    cr_expect(strstr(reel_tape_error(t), "F32 [3] has no data"), "%s", reel_tape_error(t));
    reel_tape_free(t);
    reel_archive_free(a);
}

/* ---- what reel wrote ----------------------------------------------------------------------- */

static void expect_file(const char *name)
{
    char path[FILES_PATH];
    double numbers[6] = { 0, 1, 2, 3, 4, 5 };
    files_begin(path, name);
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    reel_archive_lend(a, "arr_0", (reel_array){ REEL_ARRAY_F64, REEL_SHAPE(2, 3), numbers });
    cr_assert_eq(reel_archive_write(a, path), REEL_OK, "%s", reel_archive_error(a));
    reel_archive_free(a);
    a = reel_archive_open(path, (reel_archive_options){ 0 });
    cr_expect_str_eq(reel_archive_error(a), "");
    expect_ramp(a, "arr_0", 2, 6);
    reel_archive_free(a);
    files_end(path);
}

Test(numpy, what_was_written_is_read_back, .init = needs_libzip)
{
    expect_file("x.npy");
    expect_file("x.npz");
}

Test(numpy, one_array_is_written_byte_by_byte_as_numpy_does)
{
    char path[FILES_PATH];
    static const char start[] = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, "
                                "'shape': (2,), }";
    files_begin(path, "x.npy");
    cr_assert_eq(reel_write_npy(
                     path, (reel_array){ REEL_ARRAY_F32, REEL_SHAPE(2), (const float[]){ 1, 2 } }),
                 REEL_OK);
    size_t size;
    unsigned char *bytes = files_read(path, &size);
    cr_expect_eq(size, 128 + 8);
    cr_expect_eq(memcmp(bytes, start, sizeof start - 1), 0);
    cr_expect_eq(bytes[127], '\n');
    free(bytes);
    cr_expect_eq(reel_write_npy("/tmp/x.txt", (reel_array){ 0 }), REEL_BAD_ARGUMENT);
    files_end(path);
}

Test(numpy, bf16_is_written_as_f4, .init = needs_libzip)
{
    char path[FILES_PATH];
    uint16_t halves[] = { 0x3f80, 0xc000 }; /* 1, -2 */
    float got[2];
    reel_array array = { REEL_ARRAY_BF16, REEL_SHAPE(2), halves };
    files_begin(path, "x.npz");
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    reel_archive_add(a, "h", array);
    cr_assert_eq(reel_archive_write(a, path), REEL_OK, "%s", reel_archive_error(a));
    reel_archive_free(a);
    a = reel_archive_open(path, (reel_archive_options){ 0 });
    cr_assert(reel_archive_find(a, "h", &array));
    cr_expect_eq(array.type, REEL_ARRAY_F32);
    reel_array_read(array, got, 2);
    cr_expect(got[0] == 1 && got[1] == -2);
    reel_archive_free(a);
    files_end(path);
}

/* ---- what is refused ----------------------------------------------------------------------- */

/* An .npy of this version and header, with so many bytes of data. */
static reel_archive *parse(int version, const char *header, size_t data)
{
    size_t length = strlen(header), before = version == 1 ? 10 : 12;
    unsigned char *bytes = calloc(1, before + length + data);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)length;
    bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + before, header, length);
    reel_archive *a =
        reel_archive_parse(bytes, before + length + data, (reel_archive_options){ 0 });
    free(bytes);
    return a;
}

static void expect_refused(const char *header, size_t data, const char *message)
{
    reel_archive *a = parse(1, header, data);
    cr_expect_neq(reel_archive_status(a), REEL_OK, "%s", header);
    cr_expect(strstr(reel_archive_error(a), message), "%s: %s", header, reel_archive_error(a));
    cr_expect_eq(reel_archive_count(a), 0);
    reel_archive_free(a);
}

#define HEADER(type, order, shape)                                                                 \
    "{'descr': '" type "', 'fortran_order': " order ", 'shape': " shape ", }"

Test(numpy, what_is_no_number_is_refused_by_its_name)
{
    expect_refused(HEADER("|O", "False", "(1,)"), 8, "Python objects, which only unpickling");
    expect_refused(HEADER("<c8", "False", "(1,)"), 8, "complex numbers (<c8)");
    expect_refused(HEADER("<U4", "False", "(1,)"), 16, "texts");
    expect_refused(HEADER("|S4", "False", "(1,)"), 4, "texts");
    expect_refused(HEADER("<M8[ns]", "False", "(1,)"), 8, "dates");
    expect_refused(HEADER("|V8", "False", "(1,)"), 8, "a structured type");
    expect_refused(HEADER("<f16", "False", "(1,)"), 16, "an unknown type (<f16)");
    expect_refused(HEADER("", "False", "(1,)"), 8, "an unknown type");
    expect_refused("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4,
                   "a structured type");
}

Test(numpy, a_header_that_lies_or_is_none_is_refused)
{
    expect_refused(HEADER("<f4", "False", "(3,)"), 8, "8 bytes of data where [3] needs 12");
    expect_refused(HEADER("<f4", "False", "(2,)"), 9, "9 bytes of data where [2] needs 8");
    expect_refused(HEADER("<f4", "False", "(4294967296,4294967296)"), 8, "shape overflows");
    expect_refused(HEADER("<f4", "False", "(99999999999999999999,)"), 8, "out of range");
    expect_refused(HEADER("<f4", "False", "(-2,)"), 8, "out of range");
    expect_refused(HEADER("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), 4, "more axes than the 8");
    expect_refused(HEADER("<f4", "False", "[2]"), 8, "the shape is no tuple");
    expect_refused(HEADER("<f4", "False", "(2 2)"), 8, "no tuple of numbers");
    expect_refused(HEADER("<f4", "Maybe", "(2,)"), 8, "neither True nor False");
    expect_refused("{'descr': '<f4', 'fortran_order': False, }", 0, "lacks a key");
    expect_refused("{'descr': '<f4', 'descr': '<f4', }", 0, "repeats a key");
    expect_refused("{'descr': '<f4', 'surprise': 1, }", 0, "an unknown key");
    expect_refused("{'descr'", 0, "no dictionary");
    expect_refused("exec('evil')", 0, "no dictionary");
    expect_refused(HEADER("<f4", "False", "(2,)") "x", 8, "something follows");
    reel_archive *a = parse(4, HEADER("<f4", "False", "(2,)"), 8);
    cr_expect(strstr(reel_archive_error(a), "it is of version 4.0, reel reads 1.0 to 3.0"));
    reel_archive_free(a);
}

static void expect_bad_zip(const char *path, size_t limit, const char *message)
{
    reel_archive *a = reel_archive_open(path, (reel_archive_options){ .size_limit = limit });
    cr_expect_neq(reel_archive_status(a), REEL_OK, "%s", path);
    cr_expect(strstr(reel_archive_error(a), message), "%s", reel_archive_error(a));
    cr_expect_eq(reel_archive_count(a), 0);
    reel_archive_free(a);
}

Test(numpy, archives_made_to_do_harm_are_refused, .init = needs_libzip)
{
    expect_bad_zip(GOLDEN("io_bad_outside.npz"), 0, "a name that leads out of the archive");
    expect_bad_zip(GOLDEN("io_bad_other.npz"), 0, "x.txt: not an .npy");
    expect_bad_zip(GOLDEN("io_bad_twice.npz"), 0, "already exists");
    expect_bad_zip(GOLDEN("io_numpy.npz"), 100000, "packed.npy: it unfolds to more than the size");
}

Test(numpy, an_archive_cut_anywhere_is_refused)
{
    size_t size;
    unsigned char *bytes = files_read(GOLDEN("io_numpy.npz"), &size);
    for (size_t cut = 0; cut < size; cut += 7) {
        reel_archive *a = reel_archive_parse(bytes, cut, (reel_archive_options){ 0 });
        cr_expect_neq(reel_archive_status(a), REEL_OK, "cut at %zu", cut);
        reel_archive_free(a);
    }
    free(bytes);
}

/* The size an entry unfolds to, in the zip's own directory, says 2^31 - 1. */
Test(numpy, a_size_that_the_directory_overstates_is_refused)
{
    size_t size, at = 0;
    unsigned char *bytes = files_read(GOLDEN("io_bad_other.npz"), &size);
    while (memcmp(bytes + at, "PK\x01\x02", 4) != 0) {
        at++;
    }
    memcpy(bytes + at + 24, "\xff\xff\xff\x7f", 4);
    reel_archive *a = reel_archive_parse(bytes, size, (reel_archive_options){ 0 });
    cr_expect_neq(reel_archive_status(a), REEL_OK);
    reel_archive_free(a);
    free(bytes);
}
