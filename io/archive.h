/* archive.h: named arrays and texts, in memory or in a file of any format that reel reads.
 *
 *     reel_archive *a = reel_archive_open("model.safetensors", (reel_archive_options){ 0 });
 *     reel_array W;
 *     if (reel_archive_find(a, "encoder.weight", &W)) {
 *         reel_array_read(W, numbers, count);              // as floats, whatever the file holds
 *     }
 *     if (reel_archive_status(a) != REEL_OK) {
 *         fprintf(stderr, "%s\n", reel_archive_error(a));
 *     }
 *     reel_archive_free(a);
 *
 * An archive needs no tape. As a tape does, it keeps its first error: an archive that could not be
 * opened holds nothing and says why, and every call on it is harmless. What the readers refuse is
 * listed with each format; a file is checked as a whole before any of it is handed out. */
#ifndef REEL_ARCHIVE_H
#define REEL_ARCHIVE_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- arrays -------------------------------------------------------------------------------- */

/* code, bytes, name in safetensors, NumPy's kind and size ("": none) */
#define REEL_ARRAY_TABLE(X)                                                                        \
    X(REEL_ARRAY_F32, 4, "F32", "f4")                                                              \
    X(REEL_ARRAY_F64, 8, "F64", "f8")                                                              \
    X(REEL_ARRAY_F16, 2, "F16", "f2")                                                              \
    X(REEL_ARRAY_BF16, 2, "BF16", "")                                                              \
    X(REEL_ARRAY_BOOL, 1, "BOOL", "b1")                                                            \
    X(REEL_ARRAY_I8, 1, "I8", "i1")                                                                \
    X(REEL_ARRAY_I16, 2, "I16", "i2")                                                              \
    X(REEL_ARRAY_I32, 4, "I32", "i4")                                                              \
    X(REEL_ARRAY_I64, 8, "I64", "i8")                                                              \
    X(REEL_ARRAY_U8, 1, "U8", "u1")                                                                \
    X(REEL_ARRAY_U16, 2, "U16", "u2")                                                              \
    X(REEL_ARRAY_U32, 4, "U32", "u4")                                                              \
    X(REEL_ARRAY_U64, 8, "U64", "u8")

typedef enum {
#define REEL_ARRAY_ENUM(code, bytes, name, numpy) code,
    REEL_ARRAY_TABLE(REEL_ARRAY_ENUM)
#undef REEL_ARRAY_ENUM
        REEL_ARRAY_TYPE_COUNT
} reel_array_type;

/* Row-major, in the machine's byte order, at any address: an array in a mapped file need not be
 * aligned, so read it through the functions below or by memcpy. */
typedef struct {
    reel_array_type type;
    reel_shape shape;
    const void *data;
} reel_array;

REEL_API const char *reel_array_type_name(reel_array_type); /* "F32"; "?" for anything else */
REEL_API size_t reel_array_bytes(reel_array);               /* elements times their size */

/* All n elements, converted: floating types exactly or rounded to nearest even (what is too large
 * for a float becomes infinite), integers likewise, bool as 0 and 1. REEL_BAD_ARGUMENT where n is
 * not the number of elements or there is no data. */
REEL_API reel_status reel_array_read(reel_array, float *out, size_t n);
REEL_API reel_status reel_array_read_f64(reel_array, double *out, size_t n);

/* A leaf with an array's numbers, in the tape's type. */
REEL_API reel_var reel_input_array(reel_tape *, reel_array);

/* ---- archives ------------------------------------------------------------------------------ */

typedef struct reel_archive reel_archive;

typedef struct {
    /* bytes that compressed arrays may unfold to; 0: a GiB or 100 times the file, whichever is
     * more. Beyond it the file is refused. */
    size_t size_limit;
    reel_allocator allocator; /* zero: malloc */
} reel_archive_options;

/* NULL only when memory is short. */
REEL_API reel_archive *reel_archive_new(reel_archive_options);
/* Reads a safetensors, .npy, .npz or HDF5 file, told apart by its first bytes; of HDF5, numbers that
 * are stored in one piece without compression, as h5py and Keras store them unless told otherwise. A
 * file is mapped, not copied, where its format allows: it must not be shortened while the archive is
 * in use (files that reel writes are replaced, never changed). NULL only when memory is short. */
REEL_API reel_archive *reel_archive_open(const char *path, reel_archive_options);
/* The same for a file that lies in memory, which must stay until the archive is freed. */
REEL_API reel_archive *reel_archive_parse(const void *bytes, size_t size, reel_archive_options);
REEL_API void reel_archive_free(reel_archive *);

/* REEL_OK, or the first error; REEL_OUT_OF_MEMORY for NULL. */
REEL_API reel_status reel_archive_status(const reel_archive *);
/* "model.safetensors: a header of 9 bytes in a file of 12"; "" without an error */
REEL_API const char *reel_archive_error(const reel_archive *);
/* Forgets the error, as after a disk that was full. */
REEL_API void reel_archive_clear(reel_archive *);

/* Arrays, in the order of the file or of being added. Pointers live as long as the archive. */
REEL_API size_t reel_archive_count(const reel_archive *);
REEL_API const char *reel_archive_name(const reel_archive *, size_t index); /* NULL beyond */
REEL_API bool reel_archive_at(const reel_archive *, size_t index, reel_array *out);
REEL_API bool reel_archive_find(const reel_archive *, const char *name, reel_array *out);

/* Texts by key: what safetensors calls metadata; HDF5 and NumPy's formats have none. */
REEL_API size_t reel_archive_text_count(const reel_archive *);
REEL_API const char *reel_archive_text_key(const reel_archive *, size_t index); /* NULL beyond */
REEL_API const char *reel_archive_text(const reel_archive *, const char *key);  /* NULL: absent */

/* Adds an array: `add` copies its data, `lend` keeps the pointer, which must then outlive the
 * archive. Names are UTF-8, not empty, and each there once. */
REEL_API reel_status reel_archive_add(reel_archive *, const char *name, reel_array);
REEL_API reel_status reel_archive_lend(reel_archive *, const char *name, reel_array);
/* Sets or replaces a text. */
REEL_API reel_status reel_archive_set_text(reel_archive *, const char *key, const char *value);

/* Writes by the path's ending: .safetensors, .npy, .npz or .h5; anything else is safetensors. The
 * file is replaced as a whole: a temporary file in the same folder is written, synced and renamed,
 * then the folder is synced. On failure the old file is as it was. */
REEL_API reel_status reel_archive_write(reel_archive *, const char *path);

#ifdef __cplusplus
}
#endif

#endif
