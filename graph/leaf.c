/* leaf.c: data that enters the tape. It is copied, so the caller's array may change at once. */
#include <string.h>

#include "tape.h"

const reel_op reel__leaf_op = {
    .name = "input", .kind = REEL_LEAF, .doc = "Data given by the program.", .flat = true
};

static reel_var no_leaf(reel_tape *t)
{
    return t ? reel__recording_end((reel_var){ t, 0 }) : (reel_var){ 0 };
}

/* Appends a leaf and returns where its data belongs. */
static void *record_leaf(reel_tape *t, const char *name, reel_shape shape, bool index,
                         bool has_data, uint32_t *node_index)
{
    if (t == NULL) {
        return NULL;
    }
    reel__recording_begin(t);
    if (!reel__shape_valid(shape)) {
        reel_fail(t, REEL_BAD_SHAPE, name, "the shape %s is out of range", REEL_SHAPE_TEXT(shape));
        return NULL;
    }
    int64_t size = reel_shape_size(shape);
    if (!has_data && size > 0) {
        reel_fail(t, REEL_BAD_ARGUMENT, name, "no data for %s", REEL_SHAPE_TEXT(shape));
        return NULL;
    }
    reel__node node = { .op = &reel__leaf_op, .flags = index ? REEL__INDEX : 0 };
    size_t element = index ? sizeof(int32_t) : t->element;
    char *data = reel__arena_take(t, &t->recorded, (size_t)size * element + 1);
    if (data == NULL || !reel__shape_intern(t, &shape, &node.shape) ||
        !reel__append(t, &node, node_index)) {
        return NULL;
    }
    reel__value_at(t, *node_index)->data = data;
    return data;
}

static void store(const reel_tape *t, void *to, size_t n, const float *from, const double *from_f64)
{
    for (size_t i = 0; i < n; i++) {
        double value = from ? (double)from[i] : from_f64[i];
        if (t->options.dtype == REEL_F64) {
            ((double *)to)[i] = value;
        } else {
            ((float *)to)[i] = (float)value;
        }
    }
}

static reel_var record_numbers(reel_tape *t, const char *name, reel_shape shape, const float *from,
                               const double *from_f64)
{
    uint32_t index;
    void *data = record_leaf(t, name, shape, false, from || from_f64, &index);
    if (data == NULL) {
        return no_leaf(t);
    }
    store(t, data, (size_t)reel_shape_size(shape), from, from_f64);
    return reel__recording_end(reel__handle(t, index));
}

reel_var reel_input(reel_tape *t, reel_shape shape, const float *values)
{
    return record_numbers(t, "input", shape, values, NULL);
}

reel_var reel_input_f64(reel_tape *t, reel_shape shape, const double *values)
{
    return record_numbers(t, "input_f64", shape, NULL, values);
}

reel_var reel_indices(reel_tape *t, reel_shape shape, const int32_t *values)
{
    uint32_t index;
    void *data = record_leaf(t, "indices", shape, true, values != NULL, &index);
    if (data == NULL) {
        return no_leaf(t);
    }
    size_t n = (size_t)reel_shape_size(shape);
    if (n > 0) {
        memcpy(data, values, n * sizeof *values);
    }
    return reel__recording_end(reel__handle(t, index));
}

reel_var reel_scalar(reel_tape *t, double value)
{
    return reel_input_f64(t, (reel_shape){ 0 }, &value);
}
