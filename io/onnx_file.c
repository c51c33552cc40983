/* onnx_file.c: reads ONNX files that may have been written by anyone. */
#ifdef REEL_HAVE_PROTOBUF_C
#define _XOPEN_SOURCE 700 /* realpath */
#include "onnx_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"

/* ---- the file -------------------------------------------------------------------------------- */

static void *fail(reel_tape *t, reel_status status, const char *who, const char *what,
                  const char *why)
{
    reel_fail(t, status, who, "%s: %s", what, why);
    return NULL;
}

static void *read_part(reel_tape *t, const char *who, reel__arena *arena, const char *path,
                       FILE *file, size_t offset, size_t n)
{
    void *bytes = reel__arena_take(t, arena, n + 1);
    if (bytes && (fseek(file, (long)offset, SEEK_SET) || fread(bytes, 1, n, file) != n)) {
        return fail(t, REEL_FILE_ERROR, who, path, "it ends early or cannot be read");
    }
    return bytes;
}

static bool size_of_file(FILE *file, size_t *size)
{
    long end = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    *size = (size_t)end;
    return end >= 0 && end < INT64_MAX; /* a folder has a size that nobody believes */
}

void *reel__onnx_read(reel_tape *t, const char *who, reel__arena *arena, const char *path,
                      size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return fail(t, REEL_FILE_ERROR, who, path, strerror(errno));
    }
    void *bytes = size_of_file(file, size) ? read_part(t, who, arena, path, file, 0, *size)
                                           : fail(t, REEL_FILE_ERROR, who, path, "it has no size");
    fclose(file);
    return bytes;
}

/* ---- parsing --------------------------------------------------------------------------------- */

enum { DEEPEST = 48 };

/* Reads a variable-length integer; false when it does not end in time. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* The parser recurses into messages: what nests deeper than any model must not reach it. */
static bool nests_sanely(const ProtobufCMessageDescriptor *message, const uint8_t *at,
                         const uint8_t *end, int depth)
{
    while (at < end) {
        uint64_t key, n = 0;
        if (!read_varint(&at, end, &key)) {
            return false;
        }
        unsigned wire = key & 7;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(message, (unsigned)(key >> 3));
        if (wire == 0 && !read_varint(&at, end, &n)) {
            return false;
        }
        if ((wire == 2 && !read_varint(&at, end, &n)) || wire == 3 || wire == 4 || wire > 5) {
            return false;
        }
        n = wire == 1 ? 8 : wire == 5 ? 4 : wire == 2 ? n : 0;
        if (n > (uint64_t)(end - at)) {
            return false;
        }
        if (wire == 2 && field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            (depth == 0 || !nests_sanely(field->descriptor, at, at + n, depth - 1))) {
            return false;
        }
        at += n;
    }
    return true;
}

typedef struct {
    reel_tape *tape;
    reel__arena *arena;
} parser_memory;

static void *parser_alloc(void *self, size_t size)
{
    parser_memory *memory = self;
    return reel__arena_take(memory->tape, memory->arena, size + 1);
}

static void parser_free(void *self, void *block)
{
    (void)self, (void)block; /* goes with the arena */
}

Onnx__ModelProto *reel__onnx_unpack(reel_tape *t, const char *who, reel__arena *arena,
                                    const void *bytes, size_t size)
{
    parser_memory memory = { t, arena };
    ProtobufCAllocator allocator = { parser_alloc, parser_free, &memory };
    const uint8_t *begin = bytes;
    Onnx__ModelProto *model = NULL;
    if (nests_sanely(&onnx__model_proto__descriptor, begin, begin + size, DEEPEST)) {
        model = onnx__model_proto__unpack(&allocator, size, bytes);
    }
    if (model == NULL || model->graph == NULL) {
        return fail(t, REEL_BAD_FILE, who, "the file", "it is no ONNX model, or damaged");
    }
    return model;
}

/* ---- tensors --------------------------------------------------------------------------------- */

typedef struct {
    int32_t type;
    reel_array_type array;
    size_t bytes;
    bool real, has_sign;
} element_type;

static const element_type element_types[] = {
    { ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, REEL_ARRAY_F32, 4, true, true },
    { ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, REEL_ARRAY_F64, 8, true, true },
    { ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, REEL_ARRAY_F16, 2, true, true },
    { ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, REEL_ARRAY_BF16, 2, true, true },
    { ONNX__TENSOR_PROTO__DATA_TYPE__INT8, REEL_ARRAY_I8, 1, false, true },
    { ONNX__TENSOR_PROTO__DATA_TYPE__INT16, REEL_ARRAY_I16, 2, false, true },
    { ONNX__TENSOR_PROTO__DATA_TYPE__INT32, REEL_ARRAY_I32, 4, false, true },
    { ONNX__TENSOR_PROTO__DATA_TYPE__INT64, REEL_ARRAY_I64, 8, false, true },
    { ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, REEL_ARRAY_U8, 1, false, false },
    { ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, REEL_ARRAY_U16, 2, false, false },
    { ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, REEL_ARRAY_U32, 4, false, false },
    { ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, REEL_ARRAY_BOOL, 1, false, false },
};

static const element_type *type_of(const Onnx__TensorProto *x)
{
    for (size_t i = 0; i < sizeof element_types / sizeof *element_types; i++) {
        if (x->has_data_type && element_types[i].type == x->data_type) {
            return &element_types[i];
        }
    }
    return NULL;
}

static const char *name_of(const Onnx__TensorProto *x)
{
    return x->name && x->name[0] ? x->name : "a constant";
}

static bool check_shape(reel_tape *t, const char *who, const Onnx__TensorProto *x,
                        reel_shape *shape)
{
    if (x->n_dims > REEL_MAX_RANK) {
        return fail(t, REEL_BAD_FILE, who, name_of(x), "more axes than reel has");
    }
    shape->rank = (int)x->n_dims;
    for (int i = 0; i < shape->rank; i++) {
        shape->dim[i] = x->dims[i];
    }
    if (!reel__shape_valid(*shape)) {
        return fail(t, REEL_BAD_FILE, who, name_of(x), "dimensions out of range");
    }
    return true;
}

/* ---- external data --------------------------------------------------------------------------- */

static const char *external(const Onnx__TensorProto *x, const char *key)
{
    for (size_t i = 0; i < x->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = x->external_data[i];
        if (entry->key && entry->value && strcmp(entry->key, key) == 0) {
            return entry->value;
        }
    }
    return NULL;
}

/* The file that a location names, if it lies in the folder once all links are followed. */
static char *resolve(const char *folder, const char *location)
{
    char joined[4096];
    if (folder == NULL || location == NULL || location[0] == '/' ||
        (size_t)snprintf(joined, sizeof joined, "%s/%s", folder, location) >= sizeof joined) {
        return NULL;
    }
    char *root = realpath(folder, NULL), *path = realpath(joined, NULL);
    size_t n = root ? strlen(root) : 0;
    bool inside = root && path && strncmp(path, root, n) == 0 && (path[n] == '/' || n == 1) &&
                  strstr(location, "..") == NULL;
    free(root);
    if (!inside) {
        free(path);
        return NULL;
    }
    return path;
}

static bool parse_size(const char *text, uint64_t otherwise, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    *value = text ? strtoull(text, &end, 10) : otherwise;
    return text == NULL || (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0);
}

static const void *read_external(reel_tape *t, const char *who, reel__arena *arena,
                                 const Onnx__TensorProto *x, const char *folder, size_t bytes)
{
    uint64_t offset, length;
    size_t size;
    const char *location = external(x, "location");
    char *path = resolve(folder, location);
    if (path == NULL) {
        reel_fail(t, REEL_BAD_FILE, who, "%s: external data \"%s\" are not in the model's folder",
                  name_of(x), location ? location : "");
        return NULL;
    }
    FILE *file = fopen(path, "rb");
    free(path);
    const void *data = NULL;
    if (file == NULL || !size_of_file(file, &size) ||
        !parse_size(external(x, "offset"), 0, &offset) ||
        !parse_size(external(x, "length"), bytes, &length) || length != bytes || offset > size ||
        bytes > size - offset) {
        fail(t, REEL_BAD_FILE, who, name_of(x), "its external data do not have its size");
    } else {
        data = read_part(t, who, arena, location, file, (size_t)offset, bytes);
    }
    if (file) {
        fclose(file);
    }
    return data;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A field of numbers that the file holds one by one. */
typedef struct {
    const void *data;
    size_t count, width;
} typed_field;

static typed_field field_of(const Onnx__TensorProto *x, const element_type *type)
{
    switch (type->array) {
    case REEL_ARRAY_F32:
        return (typed_field){ x->float_data, x->n_float_data, 4 };
    case REEL_ARRAY_F64:
        return (typed_field){ x->double_data, x->n_double_data, 8 };
    case REEL_ARRAY_I64:
        return (typed_field){ x->int64_data, x->n_int64_data, 8 };
    case REEL_ARRAY_U32:
        return (typed_field){ x->uint64_data, x->n_uint64_data, 8 };
    default: /* halves too, as their bits */
        return (typed_field){ x->int32_data, x->n_int32_data, 4 };
    }
}

/* As raw data would be: of wider numbers the lower bytes. */
static const void *pack_field(reel_tape *t, reel__arena *arena, typed_field from, size_t width)
{
    char *packed = from.width > width ? reel__arena_take(t, arena, from.count * width + 1) : NULL;
    for (size_t i = 0; packed && i < from.count; i++) {
        memcpy(packed + i * width, (const char *)from.data + i * from.width, width);
    }
    return from.width > width ? packed : from.data;
}

/* Numbers of the type's width, one after another; NULL and an error when their count is wrong. */
static const void *find_numbers(reel_tape *t, const char *who, reel__arena *arena,
                                const Onnx__TensorProto *x, const char *folder,
                                const element_type *type, size_t n)
{
    if (x->has_data_location && x->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        return read_external(t, who, arena, x, folder, n * type->bytes);
    }
    typed_field field = field_of(x, type);
    size_t found = x->has_raw_data ? x->raw_data.len / type->bytes : field.count;
    if (found != n || (x->has_raw_data && x->raw_data.len % type->bytes)) {
        reel_fail(t, REEL_BAD_FILE, who, "%s: %zu numbers where its dimensions ask for %zu",
                  name_of(x), found, n);
        return NULL;
    }
    const void *data =
        x->has_raw_data ? x->raw_data.data : pack_field(t, arena, field, type->bytes);
    return n ? data : "";
}

static int64_t whole_at(const element_type *type, const char *data, size_t i)
{
    uint64_t bits = 0;
    size_t width = type->bytes;
    memcpy(&bits, data + i * width, width);
    bool negative = type->has_sign && bits >> (8 * width - 1);
    bits |= negative && width < 8 ? UINT64_MAX << (8 * width) : 0;
    return type->array == REEL_ARRAY_BOOL ? bits != 0 : (int64_t)bits;
}

bool reel__onnx_data_of(reel_tape *t, const char *who, reel__arena *arena,
                        const Onnx__TensorProto *x, const char *folder, reel__onnx_data *out)
{
    const element_type *type = type_of(x);
    *out = (reel__onnx_data){ 0 };
    if (type == NULL) {
        reel_fail(t, REEL_UNSUPPORTED, who,
                  "%s: numbers of type %d, not one of float, double, float16, bfloat16, bool, "
                  "int8 to int64, uint8 to uint32",
                  name_of(x), (int)x->data_type);
        return false;
    }
    if (!check_shape(t, who, x, &out->shape)) {
        return false;
    }
    size_t n = (size_t)reel_shape_size(out->shape);
    const char *data = find_numbers(t, who, arena, x, folder, type, n);
    void *numbers = data ? reel__arena_take(t, arena, n * 8 + 8) : NULL;
    int64_t *whole = type->real ? NULL : numbers;
    for (size_t i = 0; whole && i < n; i++) {
        whole[i] = whole_at(type, data, i);
    }
    out->whole = whole;
    out->real = type->real ? numbers : NULL;
    out->is_real = type->real;
    out->is_truth = type->array == REEL_ARRAY_BOOL;
    reel_array array = { type->array, out->shape, data };
    return numbers && (!type->real || reel_array_read_f64(array, numbers, n) == REEL_OK);
}
#else
typedef int reel__no_onnx_file; /* a translation unit is never empty */
#endif
