/* prepared.c: weights in the order in which products read them, kept until a parameter changes.
 * A weight that is used once is left alone: packing costs about as much as a product with a few
 * rows. */
#include <string.h>

#include "../tape.h"
#include "packed.h"

#define USES_BEFORE_PACKING 2

static bool is_same(const reel__prepared *a, const reel__prepared *b)
{
    return a->data == b->data && a->rows == b->rows && a->columns == b->columns &&
           a->row_stride == b->row_stride && a->column_stride == b->column_stride;
}

static reel__prepared *find_or_add(reel_tape *t, const reel__prepared *wanted)
{
    reel__prepared *list = t->prepared.data;
    for (size_t i = 0; i < t->prepared.count; i++) {
        if (is_same(&list[i], wanted)) {
            return &list[i];
        }
    }
    if (!reel__list_reserve(t, &t->prepared, t->prepared.count + 1, sizeof *list)) {
        return NULL;
    }
    list = t->prepared.data;
    list[t->prepared.count] = *wanted;
    return &list[t->prepared.count++];
}

/* Under a memory limit without room for it, a weight stays as it is: packing only saves time. */
static void pack(reel_tape *t, reel__prepared *entry)
{
    size_t bytes = reel__packed_size(t->options.dtype, entry->rows, entry->columns);
    size_t limit = t->options.memory_limit;
    if (limit && t->statistics.bytes_now + 2 * bytes > limit) {
        return;
    }
    entry->packed = reel__buffer_take(t, bytes);
    if (entry->packed) {
        reel__pack_factor(t->options.dtype, entry->rows, entry->columns, entry->data,
                          entry->row_stride, entry->column_stride,
                          reel__buffer_data(entry->packed));
    }
}

const void *reel__prepared_factor(reel_tape *t, const void *data, int64_t rows, int64_t columns,
                                  int64_t row_stride, int64_t column_stride)
{
    reel__prepared *entry = find_or_add(
        t, &(reel__prepared){ data, rows, columns, row_stride, column_stride, 0, NULL });
    if (entry == NULL) {
        return NULL;
    }
    if (entry->packed == NULL && ++entry->uses == USES_BEFORE_PACKING) {
        pack(t, entry);
    }
    return entry->packed ? reel__buffer_data(entry->packed) : NULL;
}

void reel__forget_prepared(reel_tape *t)
{
    reel__prepared *list = t->prepared.data;
    for (size_t i = 0; i < t->prepared.count; i++) {
        reel__buffer_release(t, list[i].packed);
    }
    t->prepared.count = 0;
}
