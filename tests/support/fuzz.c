/* fuzz.c: mutates files, for compilers without libFuzzer. */
#define _POSIX_C_SOURCE 200809L
#include "support/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "support/files.h"

enum { MOST = 1 << 16, MOST_SEEDS = 16 };

static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (state >> 11) % below : 0;
}

void fuzz_read_all(const reel_archive *a)
{
    for (size_t i = 0; i < reel_archive_count(a); i++) {
        reel_array array;
        reel_archive_at(a, i, &array);
        size_t n = (size_t)reel_shape_size(array.shape);
        float *numbers = malloc((n + 1) * sizeof *numbers);
        if (!numbers || reel_array_read(array, numbers, n) != REEL_OK ||
            strlen(reel_archive_name(a, i)) == 0) {
            abort();
        }
        free(numbers);
    }
    for (size_t i = 0; i < reel_archive_text_count(a); i++) {
        if (!reel_archive_text(a, reel_archive_text_key(a, i))) {
            abort();
        }
    }
    if ((reel_archive_status(a) == REEL_OK) != (reel_archive_error(a)[0] == '\0')) {
        abort(); /* a failure says why */
    }
}

/* ---- mutations ----------------------------------------------------------------------------- */

typedef struct {
    uint8_t bytes[MOST];
    size_t size;
} sample;

static void flip(sample *s)
{
    s->bytes[draw(s->size)] ^= (uint8_t)(1u << draw(8));
}

static void set(sample *s)
{
    static const uint8_t favourites[] = { 0,   1,   0x7f, 0x80, 0xff, '{', '}',
                                          '[', ']', '"',  ',',  '9',  '-' };
    s->bytes[draw(s->size)] = draw(2) ? (uint8_t)draw(256) : favourites[draw(sizeof favourites)];
}

/* A number of up to 8 bytes becomes an extreme one. */
static void set_number(sample *s)
{
    static const uint64_t numbers[] = {
        0, 1, UINT64_MAX, INT64_MAX, (uint64_t)1 << 63, UINT32_MAX, INT32_MAX, 100000001, 65536
    };
    uint64_t number = numbers[draw(sizeof numbers / sizeof *numbers)];
    size_t width = (size_t)1 << draw(4);
    if (s->size >= width) {
        memcpy(s->bytes + draw(s->size - width + 1), &number, width);
    }
}

static void cut(sample *s)
{
    s->size = draw(s->size) + 1;
}

/* Takes out a stretch. */
static void shorten(sample *s)
{
    size_t at = draw(s->size), length = draw(s->size - at < 16 ? s->size - at : 16);
    memmove(s->bytes + at, s->bytes + at + length, s->size - at - length);
    s->size -= s->size > length ? length : 0;
}

/* Writes a stretch a second time. */
static void repeat(sample *s)
{
    size_t at = draw(s->size), length = draw(s->size - at);
    if (length && s->size + length <= MOST) {
        memmove(s->bytes + at + length, s->bytes + at, s->size - at);
        s->size += length;
    }
}

static void mutate(sample *s)
{
    static void (*const ways[])(
        sample *) = { flip, flip, set, set, set_number, cut, shorten, repeat };
    for (uint64_t left = 1 + draw(6); left > 0 && s->size > 0; left--) {
        ways[draw(sizeof ways / sizeof *ways)](s);
    }
}

/* ---- the loop ------------------------------------------------------------------------------ */

static sample *load_seeds(size_t *count)
{
    sample *seeds = calloc(MOST_SEEDS, sizeof *seeds);
    for (*count = 0; *count < MOST_SEEDS && reel_fuzz_seeds[*count]; ++*count) {
        size_t size;
        unsigned char *bytes = files_read(reel_fuzz_seeds[*count], &size);
        seeds[*count].size = size < MOST ? size : MOST;
        memcpy(seeds[*count].bytes, bytes, seeds[*count].size);
        free(bytes);
    }
    return seeds;
}

/* The file being tried, in memory that is a file on disk: a crash leaves it there. */
typedef struct {
    char path[FILES_PATH];
    uint8_t *bytes;
    int file;
} record;

static record record_begin(const char *program)
{
    record r = { .bytes = NULL };
    snprintf(r.path, sizeof r.path, "%.200s.last", program);
    r.file = open(r.path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (r.file >= 0 && ftruncate(r.file, MOST) == 0) {
        r.bytes = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_SHARED, r.file, 0);
    }
    if (r.bytes == NULL || r.bytes == MAP_FAILED) {
        perror(r.path);
        exit(EXIT_FAILURE);
    }
    return r;
}

static void try_one(const record *r, const sample *s)
{
    memcpy(r->bytes, s->bytes, s->size);
    if (ftruncate(r->file, (off_t)s->size) != 0) {
        exit(EXIT_FAILURE);
    }
    uint8_t *exact = malloc(s->size + 1); /* on the heap, for the sanitizer to see its end */
    memcpy(exact, s->bytes, s->size);
    LLVMFuzzerTestOneInput(exact, s->size);
    free(exact);
    if (ftruncate(r->file, MOST) != 0) {
        exit(EXIT_FAILURE);
    }
}

static uint64_t try_many(const record *r, double seconds)
{
    size_t count;
    sample *seeds = load_seeds(&count), *s = malloc(sizeof *s);
    time_t end = time(NULL) + (time_t)seconds;
    uint64_t tried = 0;
    for (; time(NULL) < end || tried < count; tried++) {
        *s = seeds[tried < count ? tried : draw(count)];
        if (tried >= count) {
            mutate(s);
        }
        try_one(r, s);
    }
    free(seeds);
    free(s);
    return tried;
}

static int try_file(const char *path)
{
    size_t size;
    unsigned char *bytes = files_read(path, &size);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return EXIT_SUCCESS;
}

int fuzz_main(int count, char **arguments)
{
    if (count == 2 && access(arguments[1], R_OK) == 0) {
        return try_file(arguments[1]);
    }
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 10) : (uint64_t)time(NULL);
    state = seed * 2654435761u + 88172645463325252u;
    record r = record_begin(arguments[0]);
    uint64_t tried = try_many(&r, count > 1 ? atof(arguments[1]) : 30);
    printf("%llu files from seed %llu without a finding\n", (unsigned long long)tried,
           (unsigned long long)seed);
    munmap(r.bytes, MOST);
    close(r.file);
    remove(r.path);
    return EXIT_SUCCESS;
}
