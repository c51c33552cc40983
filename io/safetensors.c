/* safetensors.c: the safetensors format: 8 bytes with the length of a JSON header, the header, and
 * the tensors' data one after another.
 *
 * The header is checked for its nesting before jansson sees it, and jansson's result before
 * anything is believed. */
#include <stdlib.h>
#include <string.h>

#include "reader.h"

#ifdef REEL_HAVE_JANSSON

#include <jansson.h>

enum { LENGTH_BYTES = 8, MOST_HEADER = 100 * 1000 * 1000, DEEPEST = 3, DATA_ALIGNMENT = 64 };

static bool bad(reel_archive *a, const char *format, const char *name, const char *what)
{
    reel__failed(&a->failure, REEL_BAD_FILE, format, name, what);
    return false;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* A tensor as the header says, and where its data is. */
typedef struct {
    const char *name;
    reel_array array;
    size_t begin, end;
} tensor;

typedef struct {
    reel_archive *archive;
    const unsigned char *data;
    size_t size; /* of the data */
    tensor *tensors;
    size_t count;
} contents;

/* False where brackets stand deeper than a header has them; strings are skipped. */
static bool is_flat(const unsigned char *text, size_t size)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\') {
            i++;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && (text[i] == '{' || text[i] == '[') && ++depth > DEEPEST) {
            return false;
        } else if (!quoted && (text[i] == '}' || text[i] == ']')) {
            depth--;
        }
    }
    return true;
}

static bool read_length(reel_archive *a, const unsigned char *bytes, size_t size, size_t *length)
{
    uint64_t value = 0;
    if (size < LENGTH_BYTES) {
        reel__failed(&a->failure, REEL_BAD_FILE, "%zu bytes are too few for a safetensors file",
                     size);
        return false;
    }
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) {
        value = value << 8 | bytes[i];
    }
    if (value < 2 || value > MOST_HEADER || value > size - LENGTH_BYTES) {
        reel__failed(&a->failure, REEL_BAD_FILE,
                     value > MOST_HEADER
                         ? "a header of %llu bytes, more than the 100 MB a safetensors file may "
                           "have (file of %zu bytes)"
                         : "a header of %llu bytes in a safetensors file of %zu",
                     (unsigned long long)value, size);
        return false;
    }
    *length = (size_t)value;
    return true;
}

/* A whole number that is not negative. */
static bool natural(const json_t *value, size_t *out)
{
    json_int_t number = json_integer_value(value);
    *out = (size_t)number;
    return json_is_integer(value) && number >= 0 && (uint64_t)number <= PTRDIFF_MAX;
}

static bool read_shape(reel_archive *a, const char *name, const json_t *dims, reel_shape *shape)
{
    size_t rank = json_array_size(dims);
    if (!json_is_array(dims) || rank > REEL_MAX_RANK) {
        reel__failed(&a->failure, json_is_array(dims) ? REEL_UNSUPPORTED : REEL_BAD_FILE,
                     json_is_array(dims) ? "%.200s has %zu axes, reel's arrays at most 8"
                                         : "%.200s has no shape (%zu)",
                     name, rank);
        return false;
    }
    shape->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        size_t dim;
        if (!natural(json_array_get(dims, i), &dim)) {
            return bad(a, "%.200s: axis %s of the shape is out of range", name,
                       (char[]){ (char)('0' + i), '\0' });
        }
        shape->dim[i] = (int64_t)dim;
    }
    return true;
}

static bool read_tensor(contents *c, const char *name, const json_t *about)
{
    const json_t *offsets = json_object_get(about, "data_offsets");
    const char *type = json_string_value(json_object_get(about, "dtype"));
    tensor *t = &c->tensors[c->count];
    *t = (tensor){ .name = name };
    size_t bytes;
    if (!type || !offsets || json_object_size(about) != 3) {
        return bad(c->archive, "%.200s is not described by dtype, shape and data_offsets%s", name,
                   "");
    }
    t->array.type = reel__array_type_of(type);
    if (t->array.type == REEL_ARRAY_TYPE_COUNT) {
        reel__failed(&c->archive->failure, REEL_UNSUPPORTED, "%.200s is of unknown type %.20s",
                     name, type);
        return false;
    }
    if (!read_shape(c->archive, name, json_object_get(about, "shape"), &t->array.shape)) {
        return false;
    }
    if (json_array_size(offsets) != 2 || !natural(json_array_get(offsets, 0), &t->begin) ||
        !natural(json_array_get(offsets, 1), &t->end) || t->begin > t->end || t->end > c->size) {
        return bad(c->archive, "%.200s lies outside the file%s", name, "");
    }
    if (!reel__array_size(t->array.type, &t->array.shape, &bytes) || bytes != t->end - t->begin) {
        char shape[REEL_SHAPE_TEXT_SIZE];
        return bad(c->archive, "%.200s: the data does not have the size of %s", name,
                   reel_shape_text(shape, t->array.shape));
    }
    t->array.data = c->data + t->begin;
    c->count++;
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const tensor *x = a, *y = b;
    int begins = (x->begin > y->begin) - (x->begin < y->begin);
    return begins ? begins : (x->end > y->end) - (x->end < y->end);
}

static bool check_cover(contents *c)
{
    size_t at = 0;
    qsort(c->tensors, c->count, sizeof *c->tensors, by_offset);
    for (size_t i = 0; i < c->count; i++) {
        const tensor *t = &c->tensors[i];
        if (t->begin != at) {
            return bad(c->archive, "%.200s %s", t->name,
                       t->begin < at ? "overlaps the data before it"
                                     : "leaves a gap to the data before it");
        }
        at = t->end;
    }
    if (at != c->size) {
        reel__failed(&c->archive->failure, REEL_BAD_FILE, "%zu bytes follow the last tensor",
                     c->size - at);
        return false;
    }
    return true;
}

static bool read_texts(reel_archive *a, json_t *texts)
{
    const char *key;
    json_t *value;
    if (!json_is_object(texts)) {
        return bad(a, "__metadata__ is no object%s%s", "", "");
    }
    json_object_foreach(texts, key, value)
    {
        if (!json_is_string(value)) {
            return bad(a, "__metadata__: %.200s is no text%s", key, "");
        }
        if (reel_archive_set_text(a, key, json_string_value(value)) != REEL_OK) {
            return false;
        }
    }
    return true;
}

static bool read_header(contents *c, json_t *header)
{
    const char *name;
    json_t *about;
    json_object_foreach(header, name, about)
    {
        bool is_texts = strcmp(name, "__metadata__") == 0;
        if (is_texts ? !read_texts(c->archive, about) : !read_tensor(c, name, about)) {
            return false;
        }
    }
    if (!check_cover(c)) {
        return false;
    }
    for (size_t i = 0; i < c->count; i++) {
        if (reel_archive_lend(c->archive, c->tensors[i].name, c->tensors[i].array) != REEL_OK) {
            return false;
        }
    }
    return true;
}

static void read_parsed(contents *c, json_t *header)
{
    reel_archive *a = c->archive;
    if (!json_is_object(header)) {
        bad(a, "the header is no JSON object%s%s", "", "");
        return;
    }
    size_t bytes = (json_object_size(header) + 1) * sizeof *c->tensors;
    const reel_allocator *memory = &a->options.allocator;
    c->tensors = memory->resize(memory->self, NULL, 0, bytes);
    if (!c->tensors) {
        reel__failed(&a->failure, REEL_OUT_OF_MEMORY, "out of memory");
        return;
    }
    read_header(c, header);
    memory->resize(memory->self, c->tensors, bytes, 0);
}

void reel__read_safetensors(reel_archive *a, const unsigned char *bytes, size_t size)
{
    size_t length;
    if (!read_length(a, bytes, size, &length)) {
        return;
    }
    const unsigned char *text = bytes + LENGTH_BYTES;
    if (text[0] != '{' || !is_flat(text, length)) {
        bad(a,
            text[0] != '{' ? "neither safetensors, NumPy nor HDF5%s%s"
                           : "the header nests deeper than the format does%s%s",
            "", "");
        return;
    }
    json_error_t error;
    json_t *header = json_loadb((const char *)text, length, JSON_REJECT_DUPLICATES, &error);
    if (!header) {
        bad(a, "the header is not valid JSON: %.200s%s", error.text, "");
        return;
    }
    contents c = { .archive = a, .data = text + length, .size = size - LENGTH_BYTES - length };
    read_parsed(&c, header);
    json_decref(header);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* Elements of one size lie together, the largest first, so that all are aligned. */
static const size_t sizes[] = { 8, 4, 2, 1 };

static json_t *describe(const reel_array *array, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < array->shape.rank; i++) {
        json_array_append_new(shape, json_integer(array->shape.dim[i]));
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", reel_array_type_name(array->type), "shape",
                     shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + reel_array_bytes(*array)));
}

static bool add_texts(reel_archive *a, json_t *header)
{
    json_t *texts = json_object();
    for (size_t i = 0; i < a->text_count; i++) {
        if (json_object_set_new(texts, a->texts[i].key, json_string(a->texts[i].value)) != 0) {
            reel__failed(&a->failure, REEL_BAD_ARGUMENT, "the text %.200s is not UTF-8",
                         a->texts[i].key);
            json_decref(texts);
            return false;
        }
    }
    return json_object_set_new(header, "__metadata__", texts) == 0;
}

static bool add_tensors(reel_archive *a, json_t *header)
{
    size_t at = 0;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (size_t i = 0; i < a->count; i++) {
            const reel__entry *entry = &a->entries[i];
            if (reel__array_element(entry->array.type) != sizes[k]) {
                continue;
            }
            if (json_object_set_new(header, entry->name, describe(&entry->array, at)) != 0) {
                reel__failed(&a->failure, REEL_BAD_ARGUMENT, "the name %.200s is not UTF-8",
                             entry->name);
                return false;
            }
            at += reel_array_bytes(entry->array);
        }
    }
    return true;
}

static bool write_header(reel_archive *a, reel__replacement *file, const char *text)
{
    static const char spaces[DATA_ALIGNMENT] = "                                                   "
                                               "             ";
    size_t length = strlen(text), padding = (size_t) - (LENGTH_BYTES + length) % DATA_ALIGNMENT;
    unsigned char prefix[LENGTH_BYTES];
    if (length + padding > MOST_HEADER) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, "names and texts of %zu bytes are too many",
                     length);
        return false;
    }
    for (int i = 0; i < LENGTH_BYTES; i++) {
        prefix[i] = (unsigned char)((uint64_t)(length + padding) >> 8 * i);
    }
    return reel__replace_write(file, prefix, LENGTH_BYTES) &&
           reel__replace_write(file, text, length) && reel__replace_write(file, spaces, padding);
}

static bool write_data(const reel_archive *a, reel__replacement *file)
{
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        for (size_t i = 0; i < a->count; i++) {
            const reel_array *array = &a->entries[i].array;
            if (reel__array_element(array->type) == sizes[k] &&
                !reel__replace_write(file, array->data, reel_array_bytes(*array))) {
                return false;
            }
        }
    }
    return true;
}

bool reel__write_safetensors(reel_archive *a, reel__replacement *file)
{
    json_t *header = json_object();
    bool described = (a->text_count == 0 || add_texts(a, header)) && add_tensors(a, header);
    char *text = described ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    if (!text) {
        reel__failed(&a->failure, REEL_OUT_OF_MEMORY, "out of memory");
        return false;
    }
    bool written = write_header(a, file, text) && write_data(a, file);
    free(text);
    return written;
}

#else

void reel__read_safetensors(reel_archive *a, const unsigned char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    reel__failed(&a->failure, REEL_UNSUPPORTED,
                 "safetensors needs jansson, which this build is without");
}

bool reel__write_safetensors(reel_archive *a, reel__replacement *file)
{
    (void)file;
    reel__failed(&a->failure, REEL_UNSUPPORTED,
                 "safetensors needs jansson, which this build is without");
    return false;
}

#endif
