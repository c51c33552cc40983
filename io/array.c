/* array.c: types of elements, and their conversion. */
#include <string.h>

#include "../graph/op.h"
#include "../graph/tape.h"
#include "reader.h"

static const struct {
    size_t bytes;
    const char *name, *numpy;
} types[] = {
#define TYPE(code, bytes, name, numpy) [code] = { bytes, name, numpy },
    REEL_ARRAY_TABLE(TYPE)
#undef TYPE
};

static bool known(reel_array_type type)
{
    return (unsigned)type < REEL_ARRAY_TYPE_COUNT;
}

const char *reel_array_type_name(reel_array_type type)
{
    return known(type) ? types[type].name : "?";
}

size_t reel__array_element(reel_array_type type)
{
    return known(type) ? types[type].bytes : 0;
}

reel_array_type reel__array_type_of(const char *name)
{
    int type = 0;
    while (type < REEL_ARRAY_TYPE_COUNT && strcmp(types[type].name, name) != 0) {
        type++;
    }
    return (reel_array_type)type;
}

reel_array_type reel__array_type_of_numpy(const char *kind_and_size)
{
    int type = 0;
    while (type < REEL_ARRAY_TYPE_COUNT && strcmp(types[type].numpy, kind_and_size) != 0) {
        type++;
    }
    return (reel_array_type)type;
}

const char *reel__array_numpy_name(reel_array_type type)
{
    return known(type) ? types[type].numpy : "";
}

bool reel__is_floating(reel_array_type type)
{
    return type == REEL_ARRAY_F32 || type == REEL_ARRAY_F64 || type == REEL_ARRAY_F16 ||
           type == REEL_ARRAY_BF16;
}

bool reel__array_size(reel_array_type type, const reel_shape *shape, size_t *bytes)
{
    uint64_t product = reel__array_element(type);
    bool empty = false;
    if (shape->rank < 0 || shape->rank > REEL_MAX_RANK || product == 0) {
        return false;
    }
    for (int i = 0; i < shape->rank; i++) {
        empty = empty || shape->dim[i] == 0;
        if (shape->dim[i] < 0) {
            return false;
        }
    }
    for (int i = 0; i < shape->rank && !empty; i++) {
        if (product > (uint64_t)(PTRDIFF_MAX / shape->dim[i])) {
            return false;
        }
        product *= (uint64_t)shape->dim[i];
    }
    *bytes = empty ? 0 : (size_t)product;
    return true;
}

size_t reel_array_bytes(reel_array array)
{
    size_t bytes = 0;
    return reel__array_size(array.type, &array.shape, &bytes) ? bytes : 0;
}

/* ---- halves -------------------------------------------------------------------------------- */

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_of_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u;
    uint32_t fraction = half & 1023u;
    if (exponent == 0) { /* zero or subnormal: fraction·2^-24, exact */
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    exponent = exponent == 31 ? 255 : exponent + 112;
    return float_of_bits(sign | exponent << 23 | fraction << 13);
}

static float float_of_bf16(uint16_t half)
{
    return float_of_bits((uint32_t)half << 16);
}

/* ---- conversion ---------------------------------------------------------------------------- */

#define CONVERT(type, convert)                                                                     \
    for (size_t i = 0; i < n; i++) {                                                               \
        type x;                                                                                    \
        memcpy(&x, from + i * sizeof x, sizeof x);                                                 \
        out[i] = convert;                                                                          \
    }                                                                                              \
    break

#define CONVERT_ALL(real, real_type)                                                               \
    if (type == real_type) {                                                                       \
        memcpy(out, from, n * sizeof *out);                                                        \
        return;                                                                                    \
    }                                                                                              \
    switch (type) {                                                                                \
    case REEL_ARRAY_F32:                                                                           \
        CONVERT(float, (real)x);                                                                   \
    case REEL_ARRAY_F64:                                                                           \
        CONVERT(double, (real)x);                                                                  \
    case REEL_ARRAY_F16:                                                                           \
        CONVERT(uint16_t, (real)float_of_f16(x));                                                  \
    case REEL_ARRAY_BF16:                                                                          \
        CONVERT(uint16_t, (real)float_of_bf16(x));                                                 \
    case REEL_ARRAY_BOOL:                                                                          \
        CONVERT(uint8_t, (real)(x != 0));                                                          \
    case REEL_ARRAY_I8:                                                                            \
        CONVERT(int8_t, (real)x);                                                                  \
    case REEL_ARRAY_I16:                                                                           \
        CONVERT(int16_t, (real)x);                                                                 \
    case REEL_ARRAY_I32:                                                                           \
        CONVERT(int32_t, (real)x);                                                                 \
    case REEL_ARRAY_I64:                                                                           \
        CONVERT(int64_t, (real)x);                                                                 \
    case REEL_ARRAY_U8:                                                                            \
        CONVERT(uint8_t, (real)x);                                                                 \
    case REEL_ARRAY_U16:                                                                           \
        CONVERT(uint16_t, (real)x);                                                                \
    case REEL_ARRAY_U32:                                                                           \
        CONVERT(uint32_t, (real)x);                                                                \
    case REEL_ARRAY_U64:                                                                           \
        CONVERT(uint64_t, (real)x);                                                                \
    case REEL_ARRAY_TYPE_COUNT:                                                                    \
        break;                                                                                     \
    }

static void convert_f32(reel_array_type type, const char *from, size_t n, float *out)
{
    CONVERT_ALL(float, REEL_ARRAY_F32)
}

static void convert_f64(reel_array_type type, const char *from, size_t n, double *out)
{
    CONVERT_ALL(double, REEL_ARRAY_F64)
}

static bool readable(reel_array array, const void *out, size_t n)
{
    size_t bytes, element = reel__array_element(array.type);
    return reel__array_size(array.type, &array.shape, &bytes) && bytes / element == n &&
           (n == 0 || (array.data && out));
}

/* How many elements one thread takes at a time; one alone does not keep memory busy. */
enum { PIECE = 1 << 19 };

static int64_t pieces_of(size_t n)
{
    return (int64_t)((n + PIECE - 1) / PIECE);
}

/* What is left of n elements from the beginning of a piece on, at most the piece. */
static size_t piece_size(size_t n, size_t begin)
{
    return n - begin < PIECE ? n - begin : PIECE;
}

static const char *element_at(const reel_array *array, size_t index)
{
    return (const char *)array->data + index * reel__array_element(array->type);
}

reel_status reel_array_read(reel_array array, float *out, size_t n)
{
    if (!readable(array, out, n)) {
        return REEL_BAD_ARGUMENT;
    }
    int64_t pieces = pieces_of(n);
#pragma omp parallel for schedule(dynamic) if (pieces > 1)
    for (int64_t i = 0; i < pieces; i++) {
        size_t begin = (size_t)i * PIECE;
        convert_f32(array.type, element_at(&array, begin), piece_size(n, begin), out + begin);
    }
    return REEL_OK;
}

reel_status reel_array_read_f64(reel_array array, double *out, size_t n)
{
    if (!readable(array, out, n)) {
        return REEL_BAD_ARGUMENT;
    }
    int64_t pieces = pieces_of(n);
#pragma omp parallel for schedule(dynamic) if (pieces > 1)
    for (int64_t i = 0; i < pieces; i++) {
        size_t begin = (size_t)i * PIECE;
        convert_f64(array.type, element_at(&array, begin), piece_size(n, begin), out + begin);
    }
    return REEL_OK;
}

bool reel__widen(reel_archive *a, reel_array *array)
{
    size_t n = reel_array_bytes(*array) / reel__array_element(array->type);
    float *numbers = reel__archive_take(a, n * sizeof *numbers);
    if (!numbers || reel_array_read(*array, numbers, n) != REEL_OK) {
        return false;
    }
    array->type = REEL_ARRAY_F32;
    array->data = numbers;
    return true;
}

reel_var reel_input_array(reel_tape *tape, reel_array array)
{
    if (!tape) {
        return (reel_var){ 0 };
    }
    size_t bytes, element = reel__array_element(array.type);
    if (!reel__array_size(array.type, &array.shape, &bytes) || (bytes && !array.data)) {
        return reel_fail(tape, REEL_BAD_ARGUMENT, "input_array", "%s %s has no data or no size",
                         reel_array_type_name(array.type), REEL_SHAPE_TEXT(array.shape));
    }
    size_t n = bytes / element, room = n * sizeof(double) + 1;
    double *numbers = reel__resize(tape, NULL, 0, room);
    if (!numbers || reel_array_read_f64(array, numbers, n) != REEL_OK) {
        return (reel_var){ .tape = tape };
    }
    reel_var leaf = reel_input_f64(tape, array.shape, numbers);
    reel__resize(tape, numbers, room, 0);
    return leaf;
}
