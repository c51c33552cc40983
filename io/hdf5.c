/* hdf5.c: placeholder */
#include "reader.h"
void reel__read_hdf5(reel_archive *a, const char *path, size_t file_size)
{
    (void)path;
    (void)file_size;
    reel__failed(&a->failure, REEL_UNSUPPORTED, "HDF5 is missing");
}
bool reel__write_hdf5(reel_archive *a, reel__replacement *file)
{
    (void)file;
    reel__failed(&a->failure, REEL_UNSUPPORTED, "HDF5 is missing");
    return false;
}
