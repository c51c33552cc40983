/* onnx_sequence.c: ONNX's sequences, lists of tensors that models take apart and put together. */
#ifdef REEL_HAVE_PROTOBUF_C
#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;
typedef reel__onnx_value value;

static const value *sequence_at(run *c, int input)
{
    bool is = input < c->inputs && c->x[input].kind == REEL__ONNX_SEQUENCE;
    if (!is) {
        reel__onnx_refuse(c, "an input that is no sequence");
    }
    return is ? &c->x[input] : NULL;
}

static value *put_sequence(run *c, int64_t count)
{
    value *items = reel__onnx_room(c, (size_t)count * sizeof *items);
    c->y[0] = (value){ .kind = REEL__ONNX_SEQUENCE, .count = count, .items = items };
    return items;
}

/* Sizes of the parts: listed, or all of one size but the last; 0: they do not fit. */
static int64_t read_parts(run *c, int64_t length, const int64_t **sizes, int64_t *each)
{
    value split;
    *sizes = NULL;
    *each = 1;
    if (!reel__onnx_has(c, 1)) {
        return length;
    }
    if (!reel__onnx_read_whole(c, 1, &split)) {
        return 0;
    }
    if (split.shape.rank == 0) {
        *each = *split.whole;
        return *each > 0 ? (length - 1) / *each + 1 : 0;
    }
    *sizes = split.whole;
    return reel_shape_size(split.shape);
}

bool reel__onnx_split_to_sequence(run *c)
{
    reel_var x = reel__onnx_any(c, 0);
    reel_shape shape = reel_shape_of(x);
    int64_t axis = reel__onnx_get_int(c, "axis", 0), at = 0, each;
    axis += axis < 0 ? shape.rank : 0;
    if (axis < 0 || axis >= shape.rank) {
        return reel__onnx_refuse(c, "axis out of range");
    }
    const int64_t *sizes;
    bool drops = !reel__onnx_has(c, 1) && !reel__onnx_get_int(c, "keepdims", 1);
    int64_t count = read_parts(c, shape.dim[axis], &sizes, &each);
    value *items = count > 0 && count <= 1 << 20 ? put_sequence(c, count) : NULL;
    for (int64_t i = 0; items && i < count; i++) {
        int64_t rest = shape.dim[axis] - at, size = sizes ? sizes[i] : each < rest ? each : rest;
        if (size < 0 || size > rest) {
            return reel__onnx_refuse(c, "parts that do not fit");
        }
        reel_var part = reel_slice(x, (int)axis, at, at + size);
        items[i] = (value){ .kind = REEL__ONNX_VAR,
                            .truth = c->x[0].truth,
                            .var = drops ? reel_squeeze(part, (int)axis) : part };
        at += size;
    }
    return (items && at == shape.dim[axis]) || reel__onnx_refuse(c, "parts that do not fit");
}

bool reel__onnx_sequence_at(run *c)
{
    const value *list = sequence_at(c, 0);
    value at;
    if (list == NULL || !reel__onnx_read_whole(c, 1, &at) || reel_shape_size(at.shape) != 1) {
        return reel__onnx_refuse(c, "an index that is no single number");
    }
    int64_t i = *at.whole + (*at.whole < 0 ? list->count : 0);
    if (i < 0 || i >= list->count) {
        return reel__onnx_refuse(c, "an index out of range");
    }
    c->y[0] = list->items[i];
    return true;
}

bool reel__onnx_sequence_length(run *c)
{
    const value *list = sequence_at(c, 0);
    int64_t *n = reel__onnx_room(c, sizeof *n);
    if (list == NULL || n == NULL) {
        return false;
    }
    *n = list->count;
    return reel__onnx_put_whole(c, REEL_SHAPE(), n);
}

bool reel__onnx_sequence_construct(run *c)
{
    value *items = put_sequence(c, c->inputs);
    for (int i = 0; items && i < c->inputs; i++) {
        items[i] = c->x[i];
    }
    return items != NULL;
}

/* At the end, or before a place. */
bool reel__onnx_sequence_insert(run *c)
{
    const value *list = sequence_at(c, 0);
    value at = { .whole = list ? &list->count : NULL };
    if (list == NULL || !reel__onnx_has(c, 1) ||
        (reel__onnx_has(c, 2) && !reel__onnx_read_whole(c, 2, &at))) {
        return reel__onnx_refuse(c, "nothing to insert");
    }
    int64_t place = *at.whole + (*at.whole < 0 ? list->count : 0);
    value *items = put_sequence(c, list->count + 1);
    for (int64_t i = 0; items && place >= 0 && place <= list->count && i <= list->count; i++) {
        items[i] = i == place ? c->x[1] : list->items[i - (i > place)];
    }
    return (items && place >= 0 && place <= list->count) ||
           reel__onnx_refuse(c, "a place out of range");
}

bool reel__onnx_concat_from_sequence(run *c)
{
    const value *list = sequence_at(c, 0);
    if (list == NULL || list->count < 1 || list->count > INT32_MAX) {
        return reel__onnx_refuse(c, "an empty sequence");
    }
    int n = (int)list->count, axis = (int)reel__onnx_get_int(c, "axis", 0);
    run as_inputs = *c;
    as_inputs.x = list->items;
    as_inputs.inputs = n;
    reel_var *parts = reel__onnx_room(c, (size_t)n * sizeof *parts);
    for (int i = 0; parts && i < n; i++) {
        parts[i] = reel__onnx_any(&as_inputs, i);
    }
    if (parts == NULL || as_inputs.failed) {
        return false;
    }
    return reel__onnx_put(c, 0,
                          reel__onnx_get_int(c, "new_axis", 0) ? reel_stack_n(axis, n, parts)
                                                               : reel_concat_n(axis, n, parts));
}
#else
typedef int reel__no_onnx_sequence; /* a translation unit is never empty */
#endif
