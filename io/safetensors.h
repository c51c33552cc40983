/* safetensors.h: parameters and other arrays in the safetensors format, reel's default.
 *
 *     reel_save(t, "model.safetensors", (reel_save_options){ 0 });
 *     reel_load(t, "model.safetensors", (reel_load_options){ 0 });
 *
 * The file opens in everything that reads safetensors, under the parameters' names; any archive
 * (archive.h) that holds arrays of those names can be loaded. A load checks the whole file and
 * every name, type and shape before it writes the first number: where anything is wrong no
 * parameter changes. A save replaces the file as a whole or leaves the old one.
 *
 * The reader refuses: a header that is shorter than 2 bytes, longer than 100 MB or than the file,
 * that is no JSON object, nests deeper than the format does, repeats a name or holds invalid UTF-8;
 * an unknown type; a shape whose product overflows or with more than REEL_MAX_RANK axes; data that
 * does not fit type and shape, overlaps, leaves a gap or does not end with the file. It needs
 * jansson. */
#ifndef REEL_SAFETENSORS_H
#define REEL_SAFETENSORS_H

#include "archive.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- all parameters of a tape -------------------------------------------------------------- */

/* A text that travels with the numbers: architecture, options, normaliser, vocabulary … */
typedef struct {
    const char *key, *value;
} reel_text;

typedef struct {
    const reel_text *texts; /* up to a { NULL, NULL }; NULL: none. "reel.version" is added. */
} reel_save_options;

/* Writes every parameter in the tape's type. The format goes by the path's ending as in
 * reel_archive_write. */
REEL_API reel_status reel_save(reel_tape *, const char *path, reel_save_options);

/* A name in the file, and the parameter's. */
typedef struct {
    const char *file, *tape;
} reel_rename;

/* How a load went: counts of tensors. */
typedef struct {
    size_t loaded, missing, extra, misfits;
} reel_load_report;

typedef struct {
    /* Loads what the file and the tape both have and leaves the rest alone. A shape or type that
     * does not fit is still an error, and so is a file with nothing of the tape's. */
    bool partial;
    /* Only tensors of the file whose names start so take part; the rest of the name counts. NULL:
     * all. */
    const char *prefix;
    const reel_rename *renames; /* up to a { NULL, NULL }; of whole names, the prefix included */
    reel_load_report *report;   /* filled when not NULL, also when the load is refused */
    /* Told each missing, extra and misfitting tensor, one call each; the error names them all as
     * far as it has room. */
    reel_log_fn log;
    void *log_self;
} reel_load_options;

/* Parameters from f32, f64, f16 or bf16, converted to the tape's type. */
REEL_API reel_status reel_load(reel_tape *, const char *path, reel_load_options);
/* The same from an archive in memory. */
REEL_API reel_status reel_load_archive(reel_tape *, const reel_archive *, reel_load_options);

#ifdef __cplusplus
}
#endif

#endif
