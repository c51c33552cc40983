/* archive.c: named arrays and texts. */
#include <stdlib.h>
#include <string.h>

#include "../graph/tape.h"
#include "reader.h"

/* ---- memory -------------------------------------------------------------------------------- */

reel_allocator reel__allocator_or_malloc(reel_allocator given)
{
    return given.resize ? given : (reel_allocator){ .resize = reel__plain_resize };
}

static void *resize(reel_archive *a, void *old, size_t old_size, size_t new_size)
{
    if (!old && !new_size) {
        return NULL;
    }
    void *block = a->options.allocator.resize(a->options.allocator.self, old, old_size, new_size);
    if (new_size && !block) {
        reel__failed(&a->failure, REEL_OUT_OF_MEMORY, "out of memory: no block of %zu bytes",
                     new_size);
    }
    return block;
}

void *reel__archive_take(reel_archive *a, size_t bytes)
{
    if (bytes > PTRDIFF_MAX - 64) {
        reel__failed(&a->failure, REEL_OUT_OF_MEMORY, "out of memory: the size overflows");
        return NULL;
    }
    size_t size = 64 + bytes; /* what is handed out is aligned as the block is */
    reel__block *block = resize(a, NULL, 0, size);
    if (!block) {
        return NULL;
    }
    *block = (reel__block){ .next = a->blocks, .size = size };
    a->blocks = block;
    return (char *)block + 64;
}

char *reel__archive_take_text(reel_archive *a, const char *text, size_t length)
{
    char *copy = reel__archive_take(a, length + 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

/* Room for one more; what is there stays where it is when there is none. */
static bool grow(reel_archive *a, void **list, size_t count, size_t *capacity, size_t element)
{
    if (count < *capacity) {
        return true;
    }
    size_t room = *capacity ? 2 * *capacity : 16;
    void *grown = resize(a, *list, *capacity * element, room * element);
    if (grown) {
        *list = grown;
        *capacity = room;
    }
    return grown != NULL;
}

void reel__archive_clear(reel_archive *a)
{
    resize(a, a->entries, a->capacity * sizeof *a->entries, 0);
    resize(a, a->index, a->index_size * sizeof *a->index, 0);
    resize(a, a->texts, a->text_capacity * sizeof *a->texts, 0);
    a->entries = NULL;
    a->index = NULL;
    a->texts = NULL;
    a->count = a->capacity = a->index_size = a->text_count = a->text_capacity = 0;
    for (reel__block *block = a->blocks, *next; block; block = next) {
        next = block->next;
        resize(a, block, block->size, 0);
    }
    a->blocks = NULL;
    reel__unmap_file(&a->mapping);
}

reel_archive *reel_archive_new(reel_archive_options options)
{
    options.allocator = reel__allocator_or_malloc(options.allocator);
    reel_archive *a = options.allocator.resize(options.allocator.self, NULL, 0, sizeof *a);
    if (a) {
        *a = (reel_archive){ .options = options };
    }
    return a;
}

void reel_archive_free(reel_archive *a)
{
    if (a) {
        reel__archive_clear(a);
        resize(a, a, sizeof *a, 0);
    }
}

/* ---- what is asked ------------------------------------------------------------------------- */

reel_status reel_archive_status(const reel_archive *a)
{
    return a ? a->failure.status : REEL_OUT_OF_MEMORY;
}

const char *reel_archive_error(const reel_archive *a)
{
    return a ? a->failure.text : "out of memory";
}

void reel_archive_clear(reel_archive *a)
{
    if (a) {
        a->failure = (reel__failure){ 0 };
    }
}

size_t reel_archive_count(const reel_archive *a)
{
    return a ? a->count : 0;
}

const char *reel_archive_name(const reel_archive *a, size_t index)
{
    return a && index < a->count ? a->entries[index].name : NULL;
}

bool reel_archive_at(const reel_archive *a, size_t index, reel_array *out)
{
    bool found = a && out && index < a->count;
    if (out) {
        *out = found ? a->entries[index].array : (reel_array){ 0 };
    }
    return found;
}

static uint64_t hash_of(const char *name)
{
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (; *name; name++) {
        hash = reel__mix(hash, (unsigned char)*name);
    }
    return hash;
}

/* The place of a name in the index: where it is, or where it would be. */
static uint32_t *place_of(const reel_archive *a, const char *name, uint64_t hash)
{
    size_t at = hash & (a->index_size - 1);
    while (a->index[at]) {
        const reel__entry *entry = &a->entries[a->index[at] - 1];
        if (entry->hash == hash && strcmp(entry->name, name) == 0) {
            break;
        }
        at = (at + 1) & (a->index_size - 1);
    }
    return &a->index[at];
}

size_t reel__archive_index(const reel_archive *a, const char *name)
{
    uint32_t place = a->index_size ? *place_of(a, name, hash_of(name)) : 0;
    return place ? place - 1 : a->count;
}

bool reel_archive_find(const reel_archive *a, const char *name, reel_array *out)
{
    if (out) {
        *out = (reel_array){ 0 };
    }
    return a && name && reel_archive_at(a, reel__archive_index(a, name), out);
}

size_t reel_archive_text_count(const reel_archive *a)
{
    return a ? a->text_count : 0;
}

const char *reel_archive_text_key(const reel_archive *a, size_t index)
{
    return a && index < a->text_count ? a->texts[index].key : NULL;
}

static reel__text *find_text(const reel_archive *a, const char *key)
{
    for (size_t i = 0; i < a->text_count; i++) {
        if (strcmp(a->texts[i].key, key) == 0) {
            return &a->texts[i];
        }
    }
    return NULL;
}

const char *reel_archive_text(const reel_archive *a, const char *key)
{
    const reel__text *text = a && key ? find_text(a, key) : NULL;
    return text ? text->value : NULL;
}

/* ---- what is put in ------------------------------------------------------------------------ */

static bool grow_index(reel_archive *a)
{
    if (2 * (a->count + 1) <= a->index_size) {
        return true;
    }
    size_t size = a->index_size ? 2 * a->index_size : 32;
    uint32_t *index = resize(a, NULL, 0, size * sizeof *index);
    if (!index) {
        return false;
    }
    memset(index, 0, size * sizeof *index);
    resize(a, a->index, a->index_size * sizeof *index, 0);
    a->index = index;
    a->index_size = size;
    for (size_t i = 0; i < a->count; i++) {
        *place_of(a, a->entries[i].name, a->entries[i].hash) = (uint32_t)i + 1;
    }
    return true;
}

/* As RFC 3629 has it: shortest forms, no surrogates. */
static bool is_utf8(const char *text)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int more = *at < 0x80 ? 0 : *at < 0xc0 ? -1 : *at < 0xe0 ? 1 : *at < 0xf0 ? 2 : 3;
        if (more < 0 || *at > 0xf4) {
            return false;
        }
        uint32_t code = more == 0 ? *at : *at & (0x3fu >> more);
        at++;
        for (int i = 0; i < more; i++, at++) {
            if ((*at & 0xc0) != 0x80) {
                return false;
            }
            code = code << 6 | (*at & 0x3f);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
            return false;
        }
    }
    return true;
}

static bool check_new(reel_archive *a, const char *name, const reel_array *array)
{
    size_t bytes;
    reel_array existing;
    if (!name || !name[0]) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "an array needs a name");
    } else if (!is_utf8(name)) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "an array's name is not UTF-8");
    } else if (strcmp(name, "__metadata__") == 0) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "no array may be called %s", name);
    } else if (a->count >= UINT32_MAX / 4) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "%zu arrays are too many", a->count);
    } else if (reel_archive_find(a, name, &existing)) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "there is an array %.200s already", name);
    } else if (!reel__array_size(array->type, &array->shape, &bytes)) {
        reel__failed(&a->failure, REEL_BAD_SHAPE, "%.200s: the type or shape is out of range",
                     name);
    } else if (bytes && !array->data) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "%.200s has no data", name);
    }
    return a->failure.status == REEL_OK;
}

reel_status reel_archive_lend(reel_archive *a, const char *name, reel_array array)
{
    if (!a || a->failure.status != REEL_OK || !check_new(a, name, &array)) {
        return reel_archive_status(a);
    }
    char *copy = reel__archive_take_text(a, name, strlen(name));
    void *entries = a->entries;
    bool room = copy && grow(a, &entries, a->count, &a->capacity, sizeof *a->entries);
    a->entries = entries;
    if (room && grow_index(a)) {
        reel__entry entry = { .name = copy, .hash = hash_of(copy), .array = array };
        *place_of(a, entry.name, entry.hash) = (uint32_t)a->count + 1;
        a->entries[a->count++] = entry;
    }
    return a->failure.status;
}

reel_status reel_archive_add(reel_archive *a, const char *name, reel_array array)
{
    if (!a || a->failure.status != REEL_OK || !check_new(a, name, &array)) {
        return reel_archive_status(a);
    }
    size_t bytes = reel_array_bytes(array);
    void *copy = reel__archive_take(a, bytes);
    if (copy && bytes) {
        memcpy(copy, array.data, bytes);
    }
    array.data = copy;
    return copy ? reel_archive_lend(a, name, array) : a->failure.status;
}

reel_status reel_archive_set_text(reel_archive *a, const char *key, const char *value)
{
    if (!a || a->failure.status != REEL_OK) {
        return reel_archive_status(a);
    }
    if (!key || !value) {
        return reel__failed(&a->failure, REEL_BAD_ARGUMENT, "a text needs a key and a value");
    }
    reel__text *text = find_text(a, key);
    char *copy = reel__archive_take_text(a, value, strlen(value));
    if (!copy) {
        return a->failure.status;
    }
    if (text) {
        text->value = copy;
        return REEL_OK;
    }
    char *key_copy = reel__archive_take_text(a, key, strlen(key));
    void *texts = a->texts;
    bool room = key_copy && grow(a, &texts, a->text_count, &a->text_capacity, sizeof *a->texts);
    a->texts = texts;
    if (room) {
        a->texts[a->text_count++] = (reel__text){ key_copy, copy };
    }
    return a->failure.status;
}

/* ---- files --------------------------------------------------------------------------------- */

size_t reel__archive_limit(const reel_archive *a, size_t file_size)
{
    size_t gib = (size_t)1 << 30, most = file_size < SIZE_MAX / 100 ? 100 * file_size : SIZE_MAX;
    return a->options.size_limit ? a->options.size_limit : most > gib ? most : gib;
}

static bool starts_with(const unsigned char *bytes, size_t size, const char *magic, size_t length)
{
    return size >= length && memcmp(bytes, magic, length) == 0;
}

static void parse(reel_archive *a, const unsigned char *bytes, size_t size)
{
    if (starts_with(bytes, size, "\x89HDF\r\n\x1a\n", 8)) {
        reel__read_hdf5(a, bytes, size);
    } else if (starts_with(bytes, size, "\x93NUMPY", 6)) {
        reel__read_npy(a, bytes, size);
    } else if (starts_with(bytes, size, "PK", 2)) {
        reel__read_npz(a, bytes, size);
    } else {
        reel__read_safetensors(a, bytes, size);
    }
}

reel_archive *reel_archive_parse(const void *bytes, size_t size, reel_archive_options options)
{
    reel_archive *a = reel_archive_new(options);
    if (!a) {
        return NULL;
    }
    if (!bytes && size) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "there are no bytes");
    } else {
        parse(a, bytes, size);
    }
    if (a->failure.status != REEL_OK) {
        reel__archive_clear(a);
    }
    return a;
}

/* Puts the file's name before the message. */
static void name_the_file(reel__failure *failure, const char *path)
{
    char text[sizeof failure->text];
    snprintf(text, sizeof text, "%s", failure->text);
    const char *slash = strrchr(path, '/');
    snprintf(failure->text, sizeof failure->text, "%.200s: %.800s", slash ? slash + 1 : path, text);
}

reel_archive *reel_archive_open(const char *path, reel_archive_options options)
{
    reel_archive *a = reel_archive_new(options);
    if (!a) {
        return NULL;
    }
    if (!path) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "a path is needed");
        return a;
    }
    if (reel__map_file(&a->mapping, path, &a->failure)) {
        parse(a, a->mapping.bytes, a->mapping.size);
    }
    if (a->failure.status != REEL_OK) {
        name_the_file(&a->failure, path);
        reel__archive_clear(a);
    }
    return a;
}

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length >= tail && strcmp(path + length - tail, ending) == 0;
}

static bool write_as_named(reel_archive *a, reel__replacement *file)
{
    static const struct {
        const char *ending;
        bool (*write)(reel_archive *, reel__replacement *);
    } formats[] = {
        { ".npy", reel__write_npy },
        { ".npz", reel__write_npz },
        { ".h5", reel__write_hdf5 },
        { "", reel__write_safetensors },
    };
    size_t i = 0;
    while (!ends_with(file->path, formats[i].ending)) {
        i++;
    }
    return formats[i].write(a, file);
}

reel_status reel__archive_write(reel_archive *a, const char *path, int keep)
{
    if (!a || a->failure.status != REEL_OK) {
        return reel_archive_status(a);
    }
    reel__replacement file;
    if (!path) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "a path is needed");
    } else if (reel__replace_begin(&file, path, a->options.allocator, &a->failure)) {
        if (!write_as_named(a, &file)) {
            reel__replace_abandon(&file);
        } else {
            reel__replace_end(&file, keep);
        }
    }
    if (path && a->failure.status != REEL_OK) {
        name_the_file(&a->failure, path);
    }
    return a->failure.status;
}

reel_status reel_archive_write(reel_archive *a, const char *path)
{
    return reel__archive_write(a, path, 1);
}
