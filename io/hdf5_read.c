/* hdf5_read.c: the datasets of an HDF5 file, which is what Keras keeps weights in.
 *
 * libhdf5 believes what a file says: it hangs in rings, and reads behind what is too short. So reel
 * reads by itself what Keras, h5py and libhdf5 write of weights (HDF5 File Format Specification 3.0):
 * superblocks 0 to 3, object headers 1 and 2, groups that are symbol tables or links, datasets of
 * numbers in one piece. Anything else, such as chunks and filters, is an error that names it.
 *
 * Every offset and length is checked against the file. Data are not copied but where their bytes have
 * to be swapped. What the file's objects lead to may be met at most as often as it has room for
 * objects, which ends rings. */
#include <string.h>

#include "reader.h"

enum {
    DEEPEST = 32, /* groups in groups, and nodes of a tree */
    LONGEST_PATH = 1024,
    LEAST_STEP = 4 /* bytes of the smallest thing there is, a message */
};
static const uint64_t nowhere = UINT64_MAX; /* an address that is not set */

typedef struct {
    reel_archive *archive;
    const unsigned char *bytes;
    uint64_t size;
    uint64_t base;           /* what addresses count from */
    uint64_t steps;          /* that may still be taken: nodes, messages and links */
    uint64_t left;           /* bytes that may still be copied */
    char path[LONGEST_PATH]; /* of the object at hand */
} reader;

static bool bad(const reader *r, const char *what)
{
    reel__failed(&r->archive->failure, REEL_BAD_FILE, "HDF5: %.200s%s%s", r->path,
                 r->path[0] ? " " : "", what);
    return false;
}

static bool damaged(const reader *r)
{
    return bad(r, "is damaged");
}

/* ---- bytes --------------------------------------------------------------------------------- */

/* What is left of a piece of the file; reading beyond its end gives zeros and sets `short_of`. */
typedef struct {
    const unsigned char *at, *end;
    bool short_of;
} piece;

static const unsigned char *take(piece *p, uint64_t n)
{
    if (p->short_of || n > (uint64_t)(p->end - p->at)) {
        p->short_of = true;
        return NULL;
    }
    p->at += n;
    return p->at - n;
}

/* An unsigned number of n bytes, the least first. */
static uint64_t number(piece *p, int n)
{
    const unsigned char *from = take(p, (uint64_t)n);
    uint64_t value = 0;
    for (int i = from ? n - 1 : -1; i >= 0; i--) {
        value = value << 8 | from[i];
    }
    return value;
}

/* From an address to the end of the file, or for `length` bytes. */
static piece piece_at(const reader *r, uint64_t address, uint64_t length)
{
    uint64_t room = address <= r->size - r->base ? r->size - r->base - address : 0;
    if (address == nowhere || room == 0 || (length != nowhere && length > room)) {
        return (piece){ .short_of = true };
    }
    const unsigned char *start = r->bytes + r->base + address;
    return (piece){ start, start + (length == nowhere ? room : length), false };
}

static bool signed_as(piece *p, const char *signature)
{
    const unsigned char *found = take(p, 4);
    return found && memcmp(found, signature, 4) == 0;
}

static bool step(reader *r)
{
    return r->steps-- > 0 || bad(r, "leads to more than the file has room for");
}

/* ---- what an object's header says ---------------------------------------------------------- */

typedef struct {
    reel_shape shape;
    reel_array_type type;
    bool swapped;
    uint64_t width; /* bytes of an element */
    piece data;
    bool is_dataset, is_group, has_shape, has_type, never_written;
    uint64_t tree, heap; /* of a group that is a symbol table */
    const char *refused; /* why it cannot be read */
} object;

static bool read_shape(reader *r, object *o, piece p)
{
    uint64_t version = number(&p, 1), rank = number(&p, 1), flags = number(&p, 1), kind = 1;
    (void)flags; /* the largest shape follows, or not */
    if (version == 1) {
        take(&p, 5);
    } else {
        kind = version == 2 ? number(&p, 1) : UINT64_MAX;
    }
    if (kind > 1 || rank > REEL_MAX_RANK) {
        o->refused = "has no shape or too many axes";
        return true;
    }
    o->shape = (reel_shape){ .rank = (int)rank };
    for (uint64_t i = 0; i < rank; i++) {
        uint64_t dim = number(&p, 8);
        if (dim > INT64_MAX) {
            return bad(r, "has a shape that is out of range");
        }
        o->shape.dim[i] = (int64_t)dim;
    }
    o->has_shape = true;
    return !p.short_of || damaged(r);
}

/* IEEE 754 and bfloat16, by where their parts lie. */
static reel_array_type float_type(uint64_t width, piece *p)
{
    static const struct {
        unsigned char width, exponent_at, exponent, mantissa_at, mantissa;
        uint16_t bias;
        reel_array_type type;
    } types[] = {
        { 2, 10, 5, 0, 10, 15, REEL_ARRAY_F16 },
        { 2, 7, 8, 0, 7, 127, REEL_ARRAY_BF16 },
        { 4, 23, 8, 0, 23, 127, REEL_ARRAY_F32 },
        { 8, 52, 11, 0, 52, 1023, REEL_ARRAY_F64 },
    };
    uint64_t exponent_at = number(p, 1), exponent = number(p, 1), mantissa_at = number(p, 1);
    uint64_t mantissa = number(p, 1), bias = number(p, 4);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].width == width && types[i].exponent_at == exponent_at &&
            types[i].exponent == exponent && types[i].mantissa_at == mantissa_at &&
            types[i].mantissa == mantissa && types[i].bias == bias) {
            return types[i].type;
        }
    }
    return REEL_ARRAY_TYPE_COUNT;
}

static reel_array_type integer_type(uint64_t width, bool is_signed)
{
    static const reel_array_type types[2][4] = {
        { REEL_ARRAY_U8, REEL_ARRAY_U16, REEL_ARRAY_U32, REEL_ARRAY_U64 },
        { REEL_ARRAY_I8, REEL_ARRAY_I16, REEL_ARRAY_I32, REEL_ARRAY_I64 },
    };
    for (int i = 0; i < 4; i++) {
        if (width == (uint64_t)1 << i) {
            return types[is_signed][i];
        }
    }
    return REEL_ARRAY_TYPE_COUNT;
}

static bool machine_is_little(void)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

static bool read_type(reader *r, object *o, piece p)
{
    enum { INTEGER = 0, FLOAT = 1, LAST_FIRST = 1, SIGNED = 8, VAX = 64 };
    uint64_t class = number(&p, 1) & 15, bits = number(&p, 3);
    o->width = number(&p, 4);
    bool plain = number(&p, 2) == 0 && number(&p, 2) == 8 * o->width; /* no bits to spare */
    o->has_type = true;
    o->type = !plain || (class == FLOAT && bits & VAX) ? REEL_ARRAY_TYPE_COUNT
              : class == INTEGER                       ? integer_type(o->width, bits & SIGNED)
              : class == FLOAT                         ? float_type(o->width, &p)
                                                       : REEL_ARRAY_TYPE_COUNT;
    o->swapped = ((bits & LAST_FIRST) == 0) != machine_is_little();
    if (p.short_of || o->type == REEL_ARRAY_TYPE_COUNT) {
        o->refused = "holds no numbers";
    }
    (void)r;
    return true;
}

static bool read_layout(reader *r, object *o, piece p)
{
    enum { COMPACT, CONTIGUOUS };
    uint64_t version = number(&p, 1), kind = number(&p, 1);
    o->is_dataset = true;
    if (version != 3 && version != 4) {
        o->refused = "is laid out as libhdf5 before 1.6 did it";
    } else if (kind == COMPACT) {
        uint64_t length = number(&p, 2);
        o->data = (piece){ p.at, p.at + length, p.short_of || length > (uint64_t)(p.end - p.at) };
    } else if (kind == CONTIGUOUS) {
        uint64_t address = number(&p, 8), length = number(&p, 8);
        o->never_written = address == nowhere;
        o->data = o->never_written ? (piece){ 0 } : piece_at(r, address, length);
    } else {
        o->refused = "is stored in chunks, as Keras stores no weights";
    }
    return !p.short_of || damaged(r);
}

static bool read_link(reader *r, object *o, piece p);

/* A group of the newer format: links are messages, unless there are many. */
static bool read_link_info(reader *r, object *o, piece p)
{
    o->is_group = true;
    take(&p, 1);
    take(&p, number(&p, 1) & 1 ? 8 : 0);
    if (number(&p, 8) != nowhere) {
        o->refused = "is a group of a form that reel does not read: write with libver=\"earliest\"";
    }
    return !p.short_of || damaged(r);
}

static bool read_symbol_table(reader *r, object *o, piece p)
{
    o->is_group = true;
    o->tree = number(&p, 8);
    o->heap = number(&p, 8);
    return !p.short_of || damaged(r);
}

static bool read_external(reader *r, object *o, piece p)
{
    (void)r, (void)p;
    o->refused = "keeps its data in another file";
    return true;
}

enum { CONTINUATION = 16, SHARED = 2 };

/* Of the messages that a header holds. Links need the group's path and are read by themselves. */
static bool read_message(reader *r, object *o, uint64_t type, uint64_t flags, piece p)
{
    static bool (*const readers[])(reader *, object *, piece) = {
        [1] = read_shape,    [2] = read_link_info, [3] = read_type,          [6] = read_link,
        [7] = read_external, [8] = read_layout,    [17] = read_symbol_table,
    };
    if (type >= sizeof readers / sizeof *readers || !readers[type]) {
        return true;
    }
    if (flags & SHARED) {
        o->refused = "is described elsewhere, by a type with a name";
        return true;
    }
    return readers[type](r, o, p);
}

/* ---- headers ------------------------------------------------------------------------------- */

static bool read_messages(reader *r, object *o, piece p, int version, bool ordered, int depth);

static bool read_continuation(reader *r, object *o, piece p, int version, bool ordered, int depth)
{
    uint64_t address = number(&p, 8), length = number(&p, 8);
    piece next = piece_at(r, address, length);
    if (p.short_of || next.short_of || depth == DEEPEST ||
        (version == 2 && (!signed_as(&next, "OCHK") || next.end - next.at < 4))) {
        return damaged(r);
    }
    next.end -= version == 2 ? 4 : 0; /* a checksum */
    return step(r) && read_messages(r, o, next, version, ordered, depth + 1);
}

static bool read_messages(reader *r, object *o, piece p, int version, bool ordered, int depth)
{
    ptrdiff_t least = version == 1 ? 8 : ordered ? 6 : 4;
    while (p.end - p.at >= least) {
        uint64_t type = number(&p, version == 1 ? 2 : 1), length = number(&p, 2);
        uint64_t flags = number(&p, 1);
        take(&p, version == 1 ? 3 : ordered ? 2 : 0);
        const unsigned char *start = take(&p, length);
        if (!start) {
            return damaged(r);
        }
        if (!step(r)) {
            return false;
        }
        piece message = { start, start + length, false };
        if (!(type == CONTINUATION ? read_continuation(r, o, message, version, ordered, depth)
                                   : read_message(r, o, type, flags, message))) {
            return false;
        }
    }
    return true;
}

static bool read_header_2(reader *r, object *o, piece p)
{
    enum { ORDERED = 4, PHASES = 16, TIMES = 32 };
    uint64_t version = number(&p, 1), flags = number(&p, 1);
    take(&p, (flags & TIMES ? 16u : 0u) + (flags & PHASES ? 4u : 0u));
    uint64_t length = number(&p, 1 << (flags & 3));
    const unsigned char *start = take(&p, length);
    return (version == 2 && start)
               ? read_messages(r, o, (piece){ start, start + length, false }, 2, flags & ORDERED, 0)
               : damaged(r);
}

static bool read_header(reader *r, object *o, uint64_t address)
{
    piece p = piece_at(r, address, nowhere), newer = p;
    if (signed_as(&newer, "OHDR")) {
        return read_header_2(r, o, newer);
    }
    uint64_t version = number(&p, 1);
    take(&p, 7); /* how many messages, and how many links lead here */
    uint64_t length = number(&p, 4);
    take(&p, 4);
    const unsigned char *start = take(&p, length);
    return (version == 1 && start)
               ? read_messages(r, o, (piece){ start, start + length, false }, 1, false, 0)
               : damaged(r);
}

/* ---- datasets ------------------------------------------------------------------------------ */

static void *swapped(reader *r, const unsigned char *from, size_t bytes, size_t width)
{
    unsigned char *to = bytes <= r->left ? reel__archive_take(r->archive, bytes) : NULL;
    if (bytes > r->left) {
        bad(r, "unfolds to more than the size limit");
    }
    for (size_t i = 0; to && i < bytes; i++) {
        to[i] = from[i - i % width + (width - 1 - i % width)];
    }
    r->left -= to ? bytes : 0;
    return to;
}

static bool add_dataset(reader *r, const object *o)
{
    reel_array array = { o->type, o->shape, o->data.at };
    size_t bytes;
    if (!o->has_shape || !o->has_type || !reel__array_size(array.type, &array.shape, &bytes)) {
        return bad(r, "has a shape that is out of range");
    }
    if (bytes && o->never_written) {
        return bad(r, "was never written");
    }
    if (o->data.short_of || bytes > (size_t)(o->data.end - o->data.at)) {
        return bad(r, "has less data than its shape needs");
    }
    if (o->swapped && o->width > 1 && bytes &&
        !(array.data = swapped(r, o->data.at, bytes, o->width))) {
        return false;
    }
    return reel_archive_lend(r->archive, r->path, array) == REEL_OK;
}

/* ---- groups -------------------------------------------------------------------------------- */

static bool read_group(reader *r, const object *o);

static bool read_object(reader *r, uint64_t address)
{
    object o = { .tree = nowhere, .heap = nowhere };
    if (!step(r) || !read_header(r, &o, address)) {
        return false;
    }
    if (!o.is_dataset && !o.is_group) {
        return true; /* a type with a name */
    }
    if (o.refused) {
        return bad(r, o.refused);
    }
    return o.is_dataset ? add_dataset(r, &o) : read_group(r, &o);
}

/* Goes down by one name and comes back. */
static bool follow(reader *r, const unsigned char *name, uint64_t length, uint64_t address)
{
    size_t before = strlen(r->path), slash = before > 0;
    int deep = 0;
    for (size_t i = 0; i < before; i++) {
        deep += r->path[i] == '/';
    }
    if (length == 0 || memchr(name, '\0', length) || deep >= DEEPEST ||
        length >= sizeof r->path - before - slash) {
        return bad(r, "leads too deep or to a name that is none");
    }
    memcpy(r->path + before, "/", slash);
    memcpy(r->path + before + slash, name, length);
    r->path[before + slash + length] = '\0';
    bool read = read_object(r, address);
    r->path[before] = '\0';
    return read;
}

/* Links that lead to a name or to another file are left alone. */
static bool read_link(reader *r, object *o, piece p)
{
    enum { TYPE = 8, ORDER = 4, LETTERS = 16 };
    o->is_group = true;
    uint64_t version = number(&p, 1), flags = number(&p, 1);
    uint64_t kind = flags & TYPE ? number(&p, 1) : 0;
    take(&p, (flags & ORDER ? 8u : 0u) + (flags & LETTERS ? 1u : 0u));
    uint64_t length = number(&p, 1 << (flags & 3));
    const unsigned char *name = take(&p, length);
    uint64_t address = kind == 0 ? number(&p, 8) : nowhere;
    if (version != 1 || p.short_of) {
        return damaged(r);
    }
    return kind != 0 || follow(r, name, length, address);
}

static const unsigned char *end_of_name(const unsigned char *name, const unsigned char *end)
{
    size_t room = (size_t)(end - name);
    return memchr(name, '\0', room < LONGEST_PATH ? room : LONGEST_PATH);
}

static bool read_symbols(reader *r, piece p, piece names)
{
    enum { ENTRY = 40, SOFT = 2 };
    take(&p, 2);
    for (uint64_t n = number(&p, 2); n > 0; n--) {
        const unsigned char *start = take(&p, ENTRY);
        piece entry = { start, start ? start + ENTRY : NULL, !start };
        uint64_t name = number(&entry, 8), address = number(&entry, 8), kind = number(&entry, 4);
        piece rest = names;
        take(&rest, name);
        const unsigned char *first = rest.at;
        const unsigned char *end = start && !rest.short_of ? end_of_name(first, rest.end) : NULL;
        if (!end) {
            return damaged(r);
        }
        if (!step(r)) {
            return false;
        }
        if (kind != SOFT && !follow(r, first, (uint64_t)(end - first), address)) {
            return false;
        }
    }
    return true;
}

/* A tree's nodes; below the last level are lists of symbols. */
static bool read_tree(reader *r, uint64_t address, piece names, uint64_t level_above)
{
    piece p = piece_at(r, address, nowhere), list = p;
    if (!step(r)) {
        return false;
    }
    if (signed_as(&list, "SNOD")) {
        return read_symbols(r, list, names);
    }
    if (!signed_as(&p, "TREE") || number(&p, 1) != 0) {
        return damaged(r);
    }
    uint64_t level = number(&p, 1), children = number(&p, 2);
    if (level >= level_above) {
        return damaged(r);
    }
    take(&p, 16); /* the nodes beside it */
    for (; children > 0; children--) {
        take(&p, 8); /* a key */
        if (!read_tree(r, number(&p, 8), names, level)) {
            return false;
        }
    }
    return true;
}

static bool read_group(reader *r, const object *o)
{
    if (o->tree == nowhere) {
        return true; /* its links were messages */
    }
    piece heap = piece_at(r, o->heap, nowhere);
    bool is_heap = signed_as(&heap, "HEAP");
    take(&heap, 4);
    uint64_t length = number(&heap, 8);
    take(&heap, 8); /* what is free */
    piece names = piece_at(r, number(&heap, 8), length);
    return is_heap && !heap.short_of && !names.short_of ? read_tree(r, o->tree, names, DEEPEST)
                                                        : damaged(r);
}

/* ---- files --------------------------------------------------------------------------------- */

/* Where the header of the root is. */
static bool read_superblock(reader *r, uint64_t *root)
{
    piece p = { r->bytes, r->bytes + r->size, false };
    take(&p, 8);
    uint64_t version = number(&p, 1);
    take(&p, version < 2 ? 4 : 0);
    uint64_t widths = number(&p, 2); /* of addresses and lengths */
    take(&p, version == 0 ? 9 : version == 1 ? 13 : 1);
    r->base = number(&p, 8);
    take(&p, version < 2 ? 24 + 8 : 16);
    *root = number(&p, 8);
    if (version > 3 || widths != 0x0808) {
        return bad(r, "the file is of a version that reel does not read");
    }
    return (!p.short_of && r->base <= r->size) || bad(r, "the file ends within its first block");
}

void reel__read_hdf5(reel_archive *a, const unsigned char *bytes, size_t size)
{
    reader r = { .archive = a,
                 .bytes = bytes,
                 .size = size,
                 .steps = size / LEAST_STEP,
                 .left = reel__archive_limit(a, size) };
    uint64_t root;
    if (read_superblock(&r, &root)) {
        read_object(&r, root);
    }
}
