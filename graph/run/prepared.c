/* prepared.c: weights in the order in which products read them, packed at their first use and kept
 * until a parameter changes. Whether a product uses one depends on shapes and options alone: a value
 * computed again has the same bits. */
#include "../tape.h"
#include "packed.h"

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

static bool pack(reel_tape *t, reel__prepared *entry)
{
    size_t bytes = reel__packed_size(t->options.dtype, entry->rows, entry->columns);
    entry->packed = reel__buffer_take(t, bytes);
    if (entry->packed == NULL) {
        return false;
    }
    reel__pack_factor(t->options.dtype, entry->rows, entry->columns, entry->data, entry->row_stride,
                      entry->column_stride, reel__buffer_data(entry->packed));
    return true;
}

const void *reel__prepared_factor(reel_tape *t, const void *data, int64_t rows, int64_t columns,
                                  int64_t row_stride, int64_t column_stride)
{
    if (t->options.memory_limit) {
        return NULL; /* a second copy of the weights is not worth an error */
    }
    reel__prepared wanted = { data, rows, columns, row_stride, column_stride, NULL };
    reel__prepared *entry = find_or_add(t, &wanted);
    if (entry == NULL || (entry->packed == NULL && !pack(t, entry))) {
        return NULL;
    }
    return reel__buffer_data(entry->packed);
}

void reel__forget_prepared(reel_tape *t)
{
    reel__prepared *list = t->prepared.data;
    for (size_t i = 0; i < t->prepared.count; i++) {
        reel__buffer_release(t, list[i].packed);
    }
    t->prepared.count = 0;
}
