/* numpy.h: arrays in NumPy's formats, .npy and .npz.
 *
 *     reel_archive *a = reel_archive_open("batch.npz", (reel_archive_options){ 0 });
 *     reel_array x;
 *     if (reel_archive_find(a, "x", &x)) { … }           // np.savez("batch.npz", x=…)
 *
 * An .npy file is an archive of one array, "arr_0", as numpy.savez names an array without a name;
 * an .npz one of many, under their keywords. Read are bool, integers and floats of every size up to
 * 8 bytes, in both byte orders, in C and Fortran order (handed out in C order), format versions 1,
 * 2 and 3. Refused, with an error that says which: objects (a pickle can run anything), structured
 * types, texts, dates and complex numbers; more than REEL_MAX_RANK axes; data that is not of the
 * size of type and shape; in an .npz names with "..", absolute ones and repeated ones, entries that
 * are not .npy, and more data than reel_archive_options.size_limit.
 *
 *     reel_archive_write(a, "batch.npz");                // opens by numpy.load
 *
 * bf16, which NumPy does not know, is written as f4. An .npz needs libzip; it is put together in
 * memory. */
#ifndef REEL_NUMPY_H
#define REEL_NUMPY_H

#include "archive.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One array as an .npy file, which the path must end in; REEL_BAD_ARGUMENT otherwise. To know why a
 * write failed, write an archive. */
REEL_API reel_status reel_write_npy(const char *path, reel_array);

#ifdef __cplusplus
}
#endif

#endif
