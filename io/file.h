/* file.h: files as the readers and writers of io/ see them. Not installed. */
#ifndef REEL_FILE_H
#define REEL_FILE_H

#include "archive.h"

/* The first thing that went wrong. */
typedef struct {
    reel_status status;
    char text[1024];
} reel__failure;

/* Keeps the first; returns its status. */
reel_status reel__failed(reel__failure *, reel_status, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* malloc where the options name no allocator */
reel_allocator reel__allocator_or_malloc(reel_allocator);

/* ---- reading ------------------------------------------------------------------------------- */

typedef struct {
    const unsigned char *bytes; /* NULL for an empty file */
    size_t size;
} reel__mapping;

/* A whole regular file, for reading. */
bool reel__map_file(reel__mapping *, const char *path, reel__failure *);
void reel__unmap_file(reel__mapping *);
/* What is to be read next comes in at once, not a few pages at a time. */
void reel__fetch_mapped(const reel__mapping *, const void *from, size_t bytes);
/* What has been read of it need not stay in the process's memory; reading it again brings it back. */
void reel__drop_mapped(const reel__mapping *, const void *from, size_t bytes);

/* ---- replacing ----------------------------------------------------------------------------- */

/* A file that takes the place of another one when it is complete. */
typedef struct {
    reel_allocator allocator;
    reel__failure *failure;
    int file;
    char *path, *temporary; /* the latter in the folder of the former */
    size_t room;            /* of either */
} reel__replacement;

/* Each is false when it fails; only a replacement that has begun is to be ended, by one of the last
 * two. */
bool reel__replace_begin(reel__replacement *, const char *path, reel_allocator, reel__failure *);
bool reel__replace_write(reel__replacement *, const void *data, size_t size);
/* The file as a stream, to be closed before the end; NULL when it fails. What could not be written
 * is known to fflush, and must be told to reel__replace_abandon. */
FILE *reel__replace_stream(reel__replacement *);
/* Syncs and renames. keep > 1: what stands at PATH goes to PATH.1, that to PATH.2, …, and at most
 * `keep` files in all remain. */
bool reel__replace_end(reel__replacement *, int keep);
void reel__replace_abandon(reel__replacement *);
/* All of it at once. */
bool reel__replace_file(const char *path, const void *data, size_t size, reel_allocator,
                        reel__failure *);

#endif
