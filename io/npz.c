/* npz.c: NumPy's archive of arrays: a zip file of .npy files. */
#include <string.h>

#include "npy.h"

#ifdef REEL_HAVE_LIBZIP

#include <zip.h>

static bool bad(reel_archive *a, const char *name, const char *what)
{
    reel__failed(&a->failure, REEL_BAD_FILE, ".npz: %.200s%s%.200s", name, name[0] ? ": " : "",
                 what);
    return false;
}

static void said_by_libzip(reel_archive *a, const char *name, zip_error_t *error)
{
    bad(a, name, zip_error_strerror(error));
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool ends_with(const char *name, size_t length, const char *ending)
{
    size_t tail = strlen(ending);
    return length > tail && memcmp(name + length - tail, ending, tail) == 0;
}

/* A name that would lead out of a folder marks a file made to do harm. */
static bool harmless(const char *name)
{
    return name[0] != '/' && !strchr(name, '\\') && !strchr(name, ':') && !strstr(name, "..");
}

static bool inflate(reel_archive *a, zip_t *zip, const zip_stat_t *about, unsigned char *out)
{
    zip_file_t *file = zip_fopen_index(zip, about->index, 0);
    if (!file) {
        said_by_libzip(a, about->name, zip_get_error(zip));
        return false;
    }
    unsigned char beyond;
    zip_int64_t got = zip_fread(file, out, about->size);
    /* one more byte: the end is where the checksum is looked at */
    zip_int64_t more = got == (zip_int64_t)about->size ? zip_fread(file, &beyond, 1) : 0;
    if (got < 0 || more < 0) {
        said_by_libzip(a, about->name, zip_file_get_error(file));
    } else if (got != (zip_int64_t)about->size || more != 0) {
        bad(a, about->name, "it is not of the size that the archive states");
    }
    zip_fclose(file);
    return a->failure.status == REEL_OK;
}

/* What may still be unfolded goes down by each entry's size. */
static bool read_entry(reel_archive *a, zip_t *zip, zip_uint64_t index, size_t *left)
{
    zip_stat_t about;
    if (zip_stat_index(zip, index, 0, &about) != 0 ||
        !(about.valid & ZIP_STAT_SIZE && about.valid & ZIP_STAT_NAME)) {
        return bad(a, "", "an entry without name or size");
    }
    size_t length = strlen(about.name);
    if (!harmless(about.name)) {
        return bad(a, about.name, "a name that leads out of the archive");
    }
    if (!ends_with(about.name, length, ".npy")) {
        return bad(a, about.name, "not an .npy");
    }
    if (about.size > *left) {
        return bad(a, about.name, "it unfolds to more than the size limit");
    }
    *left -= (size_t)about.size;
    char *name = reel__archive_take_text(a, about.name, length - strlen(".npy"));
    unsigned char *bytes = name ? reel__archive_take(a, (size_t)about.size) : NULL;
    return bytes && inflate(a, zip, &about, bytes) &&
           reel__read_npy_as(a, name, bytes, (size_t)about.size);
}

void reel__read_npz(reel_archive *a, const unsigned char *bytes, size_t size)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    if (!zip) {
        said_by_libzip(a, "", &error);
        zip_source_free(source);
        zip_error_fini(&error);
        return;
    }
    size_t left = reel__archive_limit(a, size);
    zip_int64_t count = zip_get_num_entries(zip, 0);
    for (zip_int64_t i = 0; i < count && read_entry(a, zip, (zip_uint64_t)i, &left); i++) {
    }
    zip_discard(zip);
    zip_error_fini(&error);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* Adds NAME.npy, made of a header and the data where it lies. */
static bool add_entry(reel_archive *a, zip_t *zip, const reel__entry *entry)
{
    reel_array array = entry->array;
    char *header = reel__archive_take(a, REEL__NPY_HEADER_SIZE);
    size_t length = strlen(entry->name);
    char *name = reel__archive_take(a, length + sizeof ".npy");
    if (!header || !name || !reel__numpy_array(a, &array)) {
        return false;
    }
    if (!harmless(entry->name)) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "%.200s is no name for an .npz", entry->name);
        return false;
    }
    memcpy(name, entry->name, length);
    memcpy(name + length, ".npy", sizeof ".npy");
    zip_buffer_fragment_t parts[] = {
        { (zip_uint8_t *)header, reel__npy_header(&array, header) },
        { (zip_uint8_t *)(uintptr_t)array.data, reel_array_bytes(array) },
    };
    zip_source_t *source =
        zip_source_buffer_fragment(zip, parts, reel_array_bytes(array) ? 2 : 1, 0);
    zip_int64_t at = source ? zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8) : -1;
    if (at < 0) {
        zip_source_free(source);
        said_by_libzip(a, entry->name, zip_get_error(zip));
        return false;
    }
    enum { NEW_YEAR_1980 = 1 << 5 | 1 }; /* equal contents make equal files */
    return zip_set_file_compression(zip, (zip_uint64_t)at, ZIP_CM_STORE, 0) == 0 &&
           zip_file_set_dostime(zip, (zip_uint64_t)at, 0, NEW_YEAR_1980, 0) == 0;
}

static bool copy_out(reel_archive *a, zip_source_t *source, reel__replacement *file)
{
    enum { PIECE = 1 << 20 };
    char *piece = reel__archive_take(a, PIECE);
    if (!piece || zip_source_open(source) != 0) {
        return piece && bad(a, "", "the archive cannot be read back");
    }
    zip_int64_t got;
    bool written = true;
    while (written && (got = zip_source_read(source, piece, PIECE)) > 0) {
        written = reel__replace_write(file, piece, (size_t)got);
    }
    zip_source_close(source);
    return written;
}

static bool fill(reel_archive *a, zip_t *zip)
{
    for (size_t i = 0; i < a->count; i++) {
        if (!add_entry(a, zip, &a->entries[i])) {
            return false;
        }
    }
    return true;
}

bool reel__write_npz(reel_archive *a, reel__replacement *file)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_TRUNCATE, &error) : NULL;
    if (!zip) {
        said_by_libzip(a, "", &error);
        zip_source_free(source);
        zip_error_fini(&error);
        return false;
    }
    zip_source_keep(source);
    bool filled = fill(a, zip);
    if (filled && zip_close(zip) != 0) {
        said_by_libzip(a, "", zip_get_error(zip));
        filled = false;
        zip_discard(zip);
    } else if (!filled) {
        zip_discard(zip);
    }
    bool written = filled && copy_out(a, source, file);
    zip_source_free(source);
    zip_error_fini(&error);
    return written;
}

#else

void reel__read_npz(reel_archive *a, const unsigned char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    reel__failed(&a->failure, REEL_UNSUPPORTED, ".npz needs libzip, which this build is without");
}

bool reel__write_npz(reel_archive *a, reel__replacement *file)
{
    (void)file;
    reel__failed(&a->failure, REEL_UNSUPPORTED, ".npz needs libzip, which this build is without");
    return false;
}

#endif
