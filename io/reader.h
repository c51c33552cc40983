/* reader.h: what the formats share that fill and write an archive. Not installed. */
#ifndef REEL_READER_H
#define REEL_READER_H

#include "file.h"

typedef struct reel__block {
    struct reel__block *next;
    size_t size; /* of the whole block */
} reel__block;

typedef struct {
    char *name;
    uint64_t hash;
    reel_array array;
} reel__entry;

typedef struct {
    char *key, *value;
} reel__text;

struct reel_archive {
    reel_archive_options options;
    reel__failure failure;
    reel__mapping mapping; /* of the file the arrays look into */
    reel__block *blocks;
    reel__entry *entries;
    uint32_t
        *index; /* entries by their names' hashes, open addressing; 0 is free, else entry + 1 */
    reel__text *texts;
    size_t count, capacity, index_size, text_count, text_capacity;
};

/* Memory that lives as long as the archive; NULL, with an error, when there is none. */
void *reel__archive_take(reel_archive *, size_t bytes);
char *reel__archive_take_text(reel_archive *, const char *text, size_t length);
/* Where an array stands; the count where there is none of the name. */
size_t reel__archive_index(const reel_archive *, const char *name);
/* What a failed reader had put in goes. */
void reel__archive_clear(reel_archive *);

/* Room for what a shape needs: false where a product overflows. */
bool reel__array_size(reel_array_type, const reel_shape *, size_t *bytes);
size_t reel__array_element(reel_array_type);
/* By the name in either format; REEL_ARRAY_TYPE_COUNT where there is none. */
reel_array_type reel__array_type_of(const char *safetensors_name);
reel_array_type reel__array_type_of_numpy(const char *kind_and_size);
const char *reel__array_numpy_name(reel_array_type);
bool reel__is_floating(reel_array_type);
/* To f32, in memory of the archive's. */
bool reel__widen(reel_archive *, reel_array *);

/* What a file may unfold to. */
size_t reel__archive_limit(const reel_archive *, size_t file_size);

/* Each fills an archive from the bytes of a file; what fails is in its failure. */
void reel__read_safetensors(reel_archive *, const unsigned char *bytes, size_t size);
void reel__read_npy(reel_archive *, const unsigned char *bytes, size_t size);
void reel__read_npz(reel_archive *, const unsigned char *bytes, size_t size);
void reel__read_hdf5(reel_archive *, const unsigned char *bytes, size_t size);

/* Each writes into a replacement that has begun. */
bool reel__write_safetensors(reel_archive *, reel__replacement *);
bool reel__write_npy(reel_archive *, reel__replacement *);
bool reel__write_npz(reel_archive *, reel__replacement *);
bool reel__write_hdf5(reel_archive *, reel__replacement *);

/* The same as reel_archive_write, keeping older files: see reel__replace_end. */
reel_status reel__archive_write(reel_archive *, const char *path, int keep);

#endif
