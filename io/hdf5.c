/* hdf5.c: arrays written as an HDF5 file, which is what Keras keeps weights in (hdf5_read.c reads
 * them).
 *
 * libhdf5 makes an image in memory, so that the file is replaced like every other one. It keeps
 * state of its own: one thread at a time may use it, unless it was built otherwise. */
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

/* Halves become floats. */
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

bool reel__write_hdf5(reel_archive *a, reel__replacement *out)
{
    (void)out;
    reel__failed(&a->failure, REEL_UNSUPPORTED, "HDF5 is a library that this build is without");
    return false;
}

#endif
