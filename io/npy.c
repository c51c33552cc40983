/* npy.c: NumPy's format of one array: a magic number, a version, and a header that is a Python
 * dictionary of three keys, read here by a parser of that and nothing more. */
#include <ctype.h>
#include <string.h>

#include "npy.h"
#include "numpy.h"

enum { MAGIC_BYTES = 6, MOST_HEADER = 1 << 20, TYPE_SIZE = 16 };

/* ---- the header's dictionary --------------------------------------------------------------- */

typedef struct {
    reel_archive *archive;
    const char *at, *end;
    char type[TYPE_SIZE]; /* "<f4" */
    bool has_type, has_order, has_shape, fortran;
    reel_shape shape;
} header;

static bool bad(header *h, const char *what)
{
    reel__failed(&h->archive->failure, REEL_BAD_FILE, ".npy: %s", what);
    return false;
}

static void skip_spaces(header *h)
{
    while (h->at < h->end && isspace((unsigned char)*h->at)) {
        h->at++;
    }
}

/* Passes over a character when it is next. */
static bool take(header *h, char c)
{
    skip_spaces(h);
    bool next = h->at < h->end && *h->at == c;
    h->at += next;
    return next;
}

static bool take_word(header *h, const char *word)
{
    size_t length = strlen(word);
    skip_spaces(h);
    bool next = (size_t)(h->end - h->at) >= length && memcmp(h->at, word, length) == 0;
    h->at += next ? length : 0;
    return next;
}

static bool take_text(header *h, char out[TYPE_SIZE])
{
    skip_spaces(h);
    char quote = h->at < h->end ? *h->at : '\0';
    if (quote != '\'' && quote != '"') {
        return false;
    }
    size_t length = 0;
    for (h->at++; h->at < h->end && *h->at != quote; h->at++) {
        if (length == TYPE_SIZE - 1 || *h->at == '\\') {
            return false;
        }
        out[length++] = *h->at;
    }
    out[length] = '\0';
    return take(h, quote);
}

static bool take_number(header *h, int64_t *out)
{
    skip_spaces(h);
    const char *first = h->at;
    *out = 0;
    for (; h->at < h->end && isdigit((unsigned char)*h->at); h->at++) {
        int digit = *h->at - '0';
        if (*out > (INT64_MAX - digit) / 10) {
            return false;
        }
        *out = *out * 10 + digit;
    }
    bool any = h->at > first;
    if (any && h->at < h->end && *h->at == 'L') { /* a long of Python 2 */
        h->at++;
    }
    return any;
}

static bool take_shape(header *h)
{
    if (!take(h, '(')) {
        return bad(h, "the shape is no tuple");
    }
    while (!take(h, ')')) {
        if (h->shape.rank == REEL_MAX_RANK) {
            reel__failed(&h->archive->failure, REEL_UNSUPPORTED,
                         ".npy: more axes than the %d of reel's arrays", REEL_MAX_RANK);
            return false;
        }
        if (!take_number(h, &h->shape.dim[h->shape.rank++])) {
            return bad(h, "an axis of the shape is out of range");
        }
        skip_spaces(h);
        if (!take(h, ',') && (h->at >= h->end || *h->at != ')')) {
            return bad(h, "the shape is no tuple of numbers");
        }
    }
    return h->has_shape = true;
}

static bool take_type(header *h)
{
    skip_spaces(h);
    if (h->at < h->end && *h->at == '[') {
        reel__failed(&h->archive->failure, REEL_UNSUPPORTED, ".npy: a structured type");
        return false;
    }
    h->has_type = take_text(h, h->type);
    return h->has_type || bad(h, "descr is no type");
}

static bool take_order(header *h)
{
    h->fortran = take_word(h, "True");
    h->has_order = h->fortran || take_word(h, "False");
    return h->has_order || bad(h, "fortran_order is neither True nor False");
}

static bool take_entry(header *h)
{
    static const struct {
        const char *key;
        bool (*take)(header *);
        size_t seen; /* where the header says that it was there */
    } entries[] = {
        { "descr", take_type, offsetof(header, has_type) },
        { "fortran_order", take_order, offsetof(header, has_order) },
        { "shape", take_shape, offsetof(header, has_shape) },
    };
    char key[TYPE_SIZE];
    if (!take_text(h, key) || !take(h, ':')) {
        return bad(h, "the header is no dictionary");
    }
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        const bool *seen = (const bool *)((const char *)h + entries[i].seen);
        if (strcmp(key, entries[i].key) == 0) {
            return *seen ? bad(h, "the header repeats a key") : entries[i].take(h);
        }
    }
    return bad(h, "the header has an unknown key");
}

static bool parse_header(header *h)
{
    if (!take(h, '{')) {
        return bad(h, "the header is no dictionary");
    }
    while (!take(h, '}')) {
        if (!take_entry(h)) {
            return false;
        }
        skip_spaces(h);
        if (!take(h, ',') && (h->at >= h->end || *h->at != '}')) {
            return bad(h, "the header is no dictionary");
        }
    }
    skip_spaces(h);
    if (h->at != h->end) {
        return bad(h, "something follows the header's dictionary");
    }
    return (h->has_type && h->has_order && h->has_shape) || bad(h, "the header lacks a key");
}

/* ---- types --------------------------------------------------------------------------------- */

/* What NumPy's letters mean that reel does not read. */
static const char *unread(char kind)
{
    static const struct {
        char kind;
        const char *what;
    } kinds[] = {
        { 'O', "Python objects, which only unpickling could read" },
        { 'c', "complex numbers" },
        { 'S', "texts" },
        { 'a', "texts" },
        { 'U', "texts" },
        { 'V', "a structured type" },
        { 'M', "dates" },
        { 'm', "times" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].kind == kind) {
            return kinds[i].what;
        }
    }
    return "an unknown type";
}

static bool machine_is_little(void)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static bool read_type(header *h, reel_array_type *type, bool *swapped)
{
    char order = h->type[0];
    bool ordered = order != '\0' && strchr("<>=|", order) != NULL;
    const char *rest = h->type + ordered;
    *type = rest[0] ? reel__array_type_of_numpy(rest) : REEL_ARRAY_TYPE_COUNT;
    if (*type == REEL_ARRAY_TYPE_COUNT) {
        reel__failed(&h->archive->failure, REEL_UNSUPPORTED, ".npy: it holds %s (%s)",
                     unread(rest[0]), h->type);
        return false;
    }
    char other = machine_is_little() ? '>' : '<';
    *swapped = reel__array_element(*type) > 1 && order == other;
    return true;
}

/* ---- data ---------------------------------------------------------------------------------- */

static void swap_bytes(char *data, size_t count, size_t element)
{
    for (size_t i = 0; i < count; i++, data += element) {
        for (size_t k = 0; k < element / 2; k++) {
            char kept = data[k];
            data[k] = data[element - 1 - k];
            data[element - 1 - k] = kept;
        }
    }
}

/* Column-major to row-major. */
static void reorder(const reel_shape *shape, size_t element, const char *from, char *to)
{
    int64_t at[REEL_MAX_RANK] = { 0 }, stride[REEL_MAX_RANK], source = 0;
    for (int k = 0; k < shape->rank; k++) {
        stride[k] = k ? stride[k - 1] * shape->dim[k - 1] : 1;
    }
    int64_t count = reel_shape_size(*shape);
    for (int64_t i = 0; i < count; i++, to += element) {
        memcpy(to, from + (size_t)source * element, element);
        for (int k = shape->rank - 1; k >= 0; k--) {
            source += stride[k];
            if (++at[k] < shape->dim[k]) {
                break;
            }
            source -= stride[k] * shape->dim[k];
            at[k] = 0;
        }
    }
}

static bool to_own_order(reel_archive *a, reel_array *array, bool fortran, bool swapped)
{
    size_t bytes = reel_array_bytes(*array), element = reel__array_element(array->type);
    if (bytes == 0 || (!swapped && (!fortran || array->shape.rank < 2))) {
        return true;
    }
    char *copy = reel__archive_take(a, bytes);
    if (!copy) {
        return false;
    }
    if (fortran) {
        reorder(&array->shape, element, array->data, copy);
    } else {
        memcpy(copy, array->data, bytes);
    }
    if (swapped) {
        swap_bytes(copy, bytes / element, element);
    }
    array->data = copy;
    return true;
}

/* The header, and where the data starts. */
static bool find_header(header *h, const unsigned char *bytes, size_t size, size_t *start)
{
    if (size < MAGIC_BYTES + 4 || memcmp(bytes, "\x93NUMPY", MAGIC_BYTES) != 0) {
        return bad(h, "it does not start as such a file does");
    }
    unsigned version = bytes[MAGIC_BYTES], width = version == 1 ? 2 : 4;
    if (version < 1 || version > 3 || bytes[MAGIC_BYTES + 1] != 0) {
        reel__failed(&h->archive->failure, REEL_UNSUPPORTED,
                     ".npy: it is of version %u.%u, reel reads 1.0 to 3.0", version,
                     bytes[MAGIC_BYTES + 1]);
        return false;
    }
    size_t before = MAGIC_BYTES + 2 + width, length = 0;
    for (size_t i = 0; before <= size && i < width; i++) {
        length |= (size_t)bytes[before - width + i] << 8 * i;
    }
    if (before > size || length > size - before || length > MOST_HEADER) {
        return bad(h, "the header is longer than the file");
    }
    h->at = (const char *)bytes + before;
    h->end = h->at + length;
    *start = before + length;
    return true;
}

bool reel__read_npy_as(reel_archive *a, const char *name, const unsigned char *bytes, size_t size)
{
    header h = { .archive = a };
    reel_array array = { 0 };
    size_t start, needed;
    bool swapped;
    if (!find_header(&h, bytes, size, &start) || !parse_header(&h) ||
        !read_type(&h, &array.type, &swapped)) {
        return false;
    }
    array.shape = h.shape;
    if (!reel__array_size(array.type, &array.shape, &needed)) {
        return bad(&h, "the product of the shape overflows");
    }
    if (needed != size - start) {
        reel__failed(&a->failure, REEL_BAD_FILE, ".npy: %zu bytes of data where %s needs %zu",
                     size - start, REEL_SHAPE_TEXT(array.shape), needed);
        return false;
    }
    array.data = bytes + start;
    return to_own_order(a, &array, h.fortran, swapped) &&
           reel_archive_lend(a, name, array) == REEL_OK;
}

void reel__read_npy(reel_archive *a, const unsigned char *bytes, size_t size)
{
    reel__read_npy_as(a, "arr_0", bytes, size);
}

/* ---- writing ------------------------------------------------------------------------------- */

size_t reel__npy_header(const reel_array *array, char out[REEL__NPY_HEADER_SIZE])
{
    char shape[REEL_MAX_RANK * 21 + 1] = "";
    for (int i = 0, length = 0; i < array->shape.rank; i++) {
        length += snprintf(shape + length, sizeof shape - (size_t)length, "%lld,%s",
                           (long long)array->shape.dim[i], i + 1 < array->shape.rank ? " " : "");
    }
    char order = reel__array_element(array->type) == 1 ? '|' : machine_is_little() ? '<' : '>';
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    int text = snprintf(out + 10, REEL__NPY_HEADER_SIZE - 10,
                        "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s), }", order,
                        reel__array_numpy_name(array->type), shape);
    size_t total = (10 + (size_t)text + 1 + 63) / 64 * 64;
    memset(out + 10 + text, ' ', total - 10 - (size_t)text);
    out[total - 1] = '\n';
    out[8] = (char)((total - 10) & 255);
    out[9] = (char)((total - 10) >> 8);
    return total;
}

bool reel__numpy_array(reel_archive *a, reel_array *array)
{
    return reel__array_numpy_name(array->type)[0] || reel__widen(a, array);
}

bool reel__write_npy(reel_archive *a, reel__replacement *file)
{
    char text[REEL__NPY_HEADER_SIZE];
    if (a->count != 1) {
        reel__failed(&a->failure, REEL_BAD_ARGUMENT, ".npy holds one array, not %zu", a->count);
        return false;
    }
    reel_array array = a->entries[0].array;
    return reel__numpy_array(a, &array) &&
           reel__replace_write(file, text, reel__npy_header(&array, text)) &&
           reel__replace_write(file, array.data, reel_array_bytes(array));
}

reel_status reel_write_npy(const char *path, reel_array array)
{
    size_t length = path ? strlen(path) : 0;
    if (length < 4 || strcmp(path + length - 4, ".npy") != 0) {
        return REEL_BAD_ARGUMENT;
    }
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    reel_archive_lend(a, "arr_0", array);
    reel_archive_write(a, path);
    reel_status status = reel_archive_status(a);
    reel_archive_free(a);
    return status;
}
