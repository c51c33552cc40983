/* shape.c: shapes as values, their text, broadcasting; and the tape's table of distinct shapes,
 * so that a node holds four bytes and equal shapes are equal numbers. */
#include <stdarg.h>
#include <string.h>

#include "tape.h"

reel_shape reel_shape_from(int rank, const int64_t *dim)
{
    reel_shape shape = { .rank = rank > 0 && !dim ? -1 : rank };
    for (int i = 0; i < shape.rank && i < REEL_MAX_RANK; i++) {
        shape.dim[i] = dim[i];
    }
    return shape;
}

int64_t reel_shape_size(reel_shape shape)
{
    uint64_t size = 1; /* of shapes that are refused the product may overflow */
    for (int i = 0; i < shape.rank && i < REEL_MAX_RANK; i++) {
        size *= (uint64_t)shape.dim[i];
    }
    return (int64_t)size;
}

bool reel_shape_equal(reel_shape a, reel_shape b)
{
    return a.rank == b.rank && (a.rank <= 0 || a.rank > REEL_MAX_RANK ||
                                memcmp(a.dim, b.dim, (size_t)a.rank * sizeof a.dim[0]) == 0);
}

const char *reel_shape_text(char out[REEL_SHAPE_TEXT_SIZE], reel_shape shape)
{
    if (!out) {
        return "";
    }
    if (shape.rank < 0 || shape.rank > REEL_MAX_RANK) {
        snprintf(out, REEL_SHAPE_TEXT_SIZE, "[%d axes]", shape.rank);
        return out;
    }
    size_t used = 0;
    out[used++] = '[';
    for (int i = 0; i < shape.rank; i++) {
        int wrote = snprintf(out + used, REEL_SHAPE_TEXT_SIZE - used, i ? ",%lld" : "%lld",
                             (long long)shape.dim[i]);
        used += (size_t)wrote;
    }
    out[used++] = ']';
    out[used] = '\0';
    return out;
}

bool reel_broadcast(reel_shape a, reel_shape b, reel_shape *out)
{
    if (a.rank < b.rank) {
        reel_shape swap = a;
        a = b;
        b = swap;
    }
    if (a.rank > REEL_MAX_RANK || b.rank < 0 || !out) {
        return false;
    }
    reel_shape y = a;
    for (int i = 1; i <= b.rank; i++) {
        int64_t *dim = &y.dim[a.rank - i], other = b.dim[b.rank - i];
        if (*dim != other && *dim != 1 && other != 1) {
            return false;
        }
        *dim = *dim == 1 ? other : *dim;
    }
    *out = y;
    return true;
}

/* At most 8 axes, none negative, and fewer than 2^60 elements even where an axis is 0. */
bool reel__shape_valid(reel_shape shape)
{
    if (shape.rank < 0 || shape.rank > REEL_MAX_RANK) {
        return false;
    }
    int64_t size = 1;
    for (int i = 0; i < shape.rank; i++) {
        int64_t dim = shape.dim[i];
        if (dim < 0 || (dim > 0 && size > ((int64_t)1 << 60) / dim)) {
            return false;
        }
        size *= dim > 0 ? dim : 1;
    }
    return true;
}

/* Axes of length 1 may have any stride. */
bool reel__contiguous(const reel_shape *shape, const int64_t *stride)
{
    int64_t expected = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        if (shape->dim[i] == 0) {
            return true;
        }
        if (shape->dim[i] != 1 && stride[i] != expected) {
            return false;
        }
        expected *= shape->dim[i];
    }
    return true;
}

/* ---- the table of distinct shapes ---------------------------------------------------------- */

static uint64_t hash_shape(const reel_shape *shape)
{
    uint64_t hash = 0x9e3779b97f4a7c15u + (uint64_t)shape->rank;
    for (int i = 0; i < shape->rank; i++) {
        hash = (hash ^ (uint64_t)shape->dim[i]) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash;
}

static uint32_t *find_slot(const reel_tape *t, const reel_shape *shape, uint64_t hash)
{
    uint32_t *table = t->shape_table.data;
    size_t mask = t->shape_table.capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        if (table[i] == REEL__NONE) {
            return &table[i];
        }
        const reel__shape_entry *entry = reel__shape_at(t, table[i]);
        if (entry->hash == hash && reel_shape_equal(entry->shape, *shape)) {
            return &table[i];
        }
    }
}

static bool grow_table(reel_tape *t)
{
    reel__list *table = &t->shape_table;
    size_t capacity = table->capacity ? table->capacity * 2 : 64;
    if (!reel__list_reserve(t, table, capacity, sizeof(uint32_t))) {
        return false;
    }
    memset(table->data, 0xff, table->capacity * sizeof(uint32_t));
    for (uint32_t i = 0; i < t->shapes.count; i++) {
        const reel__shape_entry *entry = reel__shape_at(t, i);
        *find_slot(t, &entry->shape, entry->hash) = i;
    }
    return true;
}

static void fill_entry(reel__shape_entry *entry, const reel_shape *shape, uint64_t hash)
{
    memset(entry, 0, sizeof *entry);
    entry->shape.rank = shape->rank;
    entry->hash = hash;
    entry->size = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        entry->shape.dim[i] = shape->dim[i];
        entry->stride[i] = entry->size;
        entry->size *= shape->dim[i];
    }
}

bool reel__shape_intern(reel_tape *t, const reel_shape *shape, uint32_t *out)
{
    if (2 * (t->shapes.count + 1) > t->shape_table.capacity && !grow_table(t)) {
        return false;
    }
    uint64_t hash = hash_shape(shape);
    uint32_t *slot = find_slot(t, shape, hash);
    if (*slot == REEL__NONE) {
        if (!reel__list_reserve(t, &t->shapes, t->shapes.count + 1, sizeof(reel__shape_entry))) {
            return false;
        }
        fill_entry((reel__shape_entry *)t->shapes.data + t->shapes.count, shape, hash);
        *slot = (uint32_t)t->shapes.count++;
    }
    *out = *slot;
    return true;
}

/* ---- what shape rules say when shapes do not fit ------------------------------------------- */

#define MESSAGE_SIZE 1024

static void fail(reel_shape_call *call, reel_status status, const char *format, va_list arguments)
{
    if (call) {
        call->status = status;
    }
    if (call && call->error && format) {
        vsnprintf(call->error, MESSAGE_SIZE, format, arguments);
    }
}

bool reel_shape_fail(reel_shape_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(call, REEL_BAD_SHAPE, format, arguments);
    va_end(arguments);
    return false;
}

bool reel_argument_fail(reel_shape_call *call, reel_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(call, status, format, arguments);
    va_end(arguments);
    return false;
}

bool reel_normalise_axis(reel_shape_call *call, int64_t *axis, reel_shape shape)
{
    if (!axis) {
        return reel_argument_fail(call, REEL_BAD_ARGUMENT, "there is no axis");
    }
    if (*axis < -(int64_t)shape.rank || *axis >= shape.rank) {
        return reel_argument_fail(call, REEL_BAD_ARGUMENT, "axis %lld is outside %s",
                                  (long long)*axis, REEL_SHAPE_TEXT(shape));
    }
    *axis += *axis < 0 ? shape.rank : 0;
    return true;
}
