/* hdf5.c: the datasets of an HDF5 file, which is what Keras keeps weights in.
 *
 * The file is read and written as an image in memory, so that it is replaced like every other one.
 * The HDF5 library does the reading: what it makes of a file that was made to do harm is not in
 * reel's hands. It keeps state of its own: one thread at a time may use it, unless it was built
 * otherwise. */
#include <string.h>

#include "reader.h"

#ifdef REEL_HAVE_HDF5

#define H5_USE_110_API
#include <hdf5.h>

static bool bad(reel_archive *a, const char *name, const char *what)
{
    reel__failed(&a->failure, REEL_BAD_FILE, "HDF5: %.200s%s%s", name, name[0] ? " " : "", what);
    return false;
}

/* The library prints its errors unless told not to. */
typedef struct {
    H5E_auto2_t report;
    void *self;
} quiet;

static quiet quiet_begin(void)
{
    quiet before = { 0 };
    H5Eget_auto2(H5E_DEFAULT, &before.report, &before.self);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return before;
}

static void quiet_end(quiet before)
{
    H5Eset_auto2(H5E_DEFAULT, before.report, before.self);
}

/* A property list of files in memory; nothing is written to a disk. */
static hid_t in_memory(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(access, 1 << 20, 0);
    return access;
}

/* ---- types --------------------------------------------------------------------------------- */

/* What lies in memory; halves become floats on reading and writing. */
static hid_t memory_type(reel_array_type type)
{
    switch (type) {
    case REEL_ARRAY_F64:
        return H5T_NATIVE_DOUBLE;
    case REEL_ARRAY_I8:
        return H5T_NATIVE_INT8;
    case REEL_ARRAY_I16:
        return H5T_NATIVE_INT16;
    case REEL_ARRAY_I32:
        return H5T_NATIVE_INT32;
    case REEL_ARRAY_I64:
        return H5T_NATIVE_INT64;
    case REEL_ARRAY_U8:
    case REEL_ARRAY_BOOL:
        return H5T_NATIVE_UINT8;
    case REEL_ARRAY_U16:
        return H5T_NATIVE_UINT16;
    case REEL_ARRAY_U32:
        return H5T_NATIVE_UINT32;
    case REEL_ARRAY_U64:
        return H5T_NATIVE_UINT64;
    default:
        return H5T_NATIVE_FLOAT;
    }
}

static reel_array_type type_of(hid_t type)
{
    static const struct {
        H5T_class_t class;
        size_t size;
        bool is_signed;
        reel_array_type type;
    } types[] = {
        { H5T_FLOAT, 2, true, REEL_ARRAY_F32 },    { H5T_FLOAT, 4, true, REEL_ARRAY_F32 },
        { H5T_FLOAT, 8, true, REEL_ARRAY_F64 },    { H5T_INTEGER, 1, true, REEL_ARRAY_I8 },
        { H5T_INTEGER, 2, true, REEL_ARRAY_I16 },  { H5T_INTEGER, 4, true, REEL_ARRAY_I32 },
        { H5T_INTEGER, 8, true, REEL_ARRAY_I64 },  { H5T_INTEGER, 1, false, REEL_ARRAY_U8 },
        { H5T_INTEGER, 2, false, REEL_ARRAY_U16 }, { H5T_INTEGER, 4, false, REEL_ARRAY_U32 },
        { H5T_INTEGER, 8, false, REEL_ARRAY_U64 },
    };
    H5T_class_t class = H5Tget_class(type);
    bool is_signed = class == H5T_FLOAT || H5Tget_sign(type) == H5T_SGN_2;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].class == class && types[i].size == H5Tget_size(type) &&
            types[i].is_signed == is_signed) {
            return types[i].type;
        }
    }
    return REEL_ARRAY_TYPE_COUNT;
}

/* ---- reading ------------------------------------------------------------------------------- */

typedef struct {
    reel_archive *archive;
    size_t left; /* bytes that may still be unfolded */
} reading;

static bool read_shape(reading *r, const char *name, hid_t dataset, reel_shape *shape)
{
    hid_t space = H5Dget_space(dataset);
    hsize_t dims[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_ndims(space);
    H5S_class_t class = H5Sget_simple_extent_type(space);
    bool fits = rank >= 0 && rank <= REEL_MAX_RANK && class != H5S_NULL &&
                H5Sget_simple_extent_dims(space, dims, NULL) == rank;
    H5Sclose(space);
    if (!fits) {
        return bad(r->archive, name, "has no shape or too many axes");
    }
    shape->rank = rank;
    for (int i = 0; i < rank; i++) {
        if (dims[i] > INT64_MAX) {
            return bad(r->archive, name, "has a shape that is out of range");
        }
        shape->dim[i] = (int64_t)dims[i];
    }
    return true;
}

/* Data in other files, or put together from other datasets, is not followed. */
static bool lies_in_file(hid_t dataset)
{
    hid_t how = H5Dget_create_plist(dataset);
    bool inside = H5Pget_layout(how) != H5D_VIRTUAL && H5Pget_external_count(how) == 0;
    H5Pclose(how);
    return inside;
}

/* HDF5 before 1.14 believes a compact dataset that says it has less data than its shape needs. */
static bool is_filled(hid_t dataset, size_t bytes)
{
    hid_t how = H5Dget_create_plist(dataset);
    bool filled = H5Pget_layout(how) != H5D_COMPACT || H5Dget_storage_size(dataset) == bytes;
    H5Pclose(how);
    return filled;
}

static bool read_dataset(reading *r, const char *name, hid_t dataset)
{
    reel_array array = { 0 };
    size_t bytes;
    hid_t type = H5Dget_type(dataset);
    array.type = type_of(type);
    H5Tclose(type);
    if (array.type == REEL_ARRAY_TYPE_COUNT) {
        return bad(r->archive, name, "holds no numbers");
    }
    if (!lies_in_file(dataset)) {
        return bad(r->archive, name, "keeps its data in another file");
    }
    if (!read_shape(r, name, dataset, &array.shape)) {
        return false;
    }
    if (!reel__array_size(array.type, &array.shape, &bytes) || bytes > r->left) {
        return bad(r->archive, name, "unfolds to more than the size limit");
    }
    if (!is_filled(dataset, bytes)) {
        return bad(r->archive, name, "has less data than its shape needs");
    }
    r->left -= bytes;
    void *data = reel__archive_take(r->archive, bytes);
    if (!data) {
        return false;
    }
    array.data = data;
    if (bytes &&
        H5Dread(dataset, memory_type(array.type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        return bad(r->archive, name, "cannot be read");
    }
    return reel_archive_lend(r->archive, name, array) == REEL_OK;
}

static herr_t visit(hid_t file, const char *name, const H5O_info_t *about, void *self)
{
    reading *r = self;
    if (about->type != H5O_TYPE_DATASET) {
        return 0;
    }
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    bool read =
        dataset >= 0 ? read_dataset(r, name, dataset) : bad(r->archive, name, "cannot be opened");
    if (dataset >= 0) {
        H5Dclose(dataset);
    }
    return read ? 0 : -1;
}

void reel__read_hdf5(reel_archive *a, const unsigned char *bytes, size_t size)
{
    quiet before = quiet_begin();
    reading r = { .archive = a, .left = reel__archive_limit(a, size) };
    hid_t access = in_memory();
    H5Pset_file_image(access, (void *)(uintptr_t)bytes, size); /* copied */
    hid_t file = H5Fopen("image", H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (file < 0) {
        bad(a, "", "the file cannot be opened");
    } else {
        if (H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, visit, &r) < 0) {
            bad(a, "", "the file cannot be read");
        }
        H5Fclose(file);
    }
    quiet_end(before);
}

/* ---- writing ------------------------------------------------------------------------------- */

static bool write_dataset(reel_archive *a, hid_t file, hid_t link, const reel__entry *entry)
{
    hsize_t dims[REEL_MAX_RANK];
    reel_array array = entry->array;
    for (int i = 0; i < array.shape.rank; i++) {
        dims[i] = (hsize_t)array.shape.dim[i];
    }
    if ((array.type == REEL_ARRAY_F16 || array.type == REEL_ARRAY_BF16) &&
        !reel__widen(a, &array)) {
        return false;
    }
    hid_t type = memory_type(array.type);
    hid_t space =
        array.shape.rank ? H5Screate_simple(array.shape.rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t dataset = H5Dcreate2(file, entry->name, type, space, link, H5P_DEFAULT, H5P_DEFAULT);
    bool written =
        dataset >= 0 && (reel_array_bytes(array) == 0 ||
                         H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.data) >= 0);
    if (dataset >= 0) {
        H5Dclose(dataset);
    }
    H5Sclose(space);
    return written || bad(a, entry->name, "cannot be written");
}

static bool write_datasets(reel_archive *a, hid_t file)
{
    hid_t link = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(link, 1);
    bool written = true;
    for (size_t i = 0; i < a->count && written; i++) {
        written = write_dataset(a, file, link, &a->entries[i]);
    }
    H5Pclose(link);
    return written;
}

static bool copy_image(reel_archive *a, hid_t file, reel__replacement *out)
{
    H5Fflush(file, H5F_SCOPE_GLOBAL);
    ssize_t size = H5Fget_file_image(file, NULL, 0);
    void *image = size > 0 ? reel__archive_take(a, (size_t)size) : NULL;
    if (!image || H5Fget_file_image(file, image, (size_t)size) != size) {
        return bad(a, "", "the file cannot be put together");
    }
    return reel__replace_write(out, image, (size_t)size);
}

bool reel__write_hdf5(reel_archive *a, reel__replacement *out)
{
    quiet before = quiet_begin();
    hid_t access = in_memory();
    hid_t file = H5Fcreate("image", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    bool written = file >= 0 ? write_datasets(a, file) && copy_image(a, file, out)
                             : bad(a, "", "the file cannot be put together");
    if (file >= 0) {
        H5Fclose(file);
    }
    quiet_end(before);
    return written;
}

#else

void reel__read_hdf5(reel_archive *a, const unsigned char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    reel__failed(&a->failure, REEL_UNSUPPORTED, "HDF5 is a library that this build is without");
}

bool reel__write_hdf5(reel_archive *a, reel__replacement *out)
{
    (void)out;
    reel__failed(&a->failure, REEL_UNSUPPORTED, "HDF5 is a library that this build is without");
    return false;
}

#endif
