/* value.c: reading values out of the tape. */
#include <math.h>
#include <string.h>

#include "run/strides.h"
#include "tape.h"

reel_shape reel_shape_of(reel_var v)
{
    uint32_t index;
    if (v.tape == NULL || !reel__resolve(v.tape, v, "shape_of", &index)) {
        return (reel_shape){ .rank = -1 };
    }
    return reel__shape_entry_of(v.tape, index)->shape;
}

bool reel_is_index(reel_var v)
{
    uint32_t index;
    return v.tape && reel__resolve(v.tape, v, "is_index", &index) &&
           (reel__node_at(v.tape, index)->flags & REEL__INDEX);
}

/* Runs what v needs and gives it as one contiguous block, in the tape's scratch where it is a
 * view. */
static const void *compute(reel_var v, const char *caller, int64_t expected, uint32_t *index)
{
    reel_tape *t = v.tape;
    if (!reel__resolve(t, v, caller, index)) {
        return NULL;
    }
    const reel__shape_entry *shape = reel__shape_entry_of(t, *index);
    if (shape->size != expected) {
        reel_fail(t, REEL_BAD_ARGUMENT, caller, "%lld numbers asked for, the value %s holds %lld",
                  (long long)expected, REEL_SHAPE_TEXT(shape->shape), (long long)shape->size);
        return NULL;
    }
    reel_tensor x;
    if (!reel__evaluate(t, 1, index, (reel__evaluate_options){ 0 }) ||
        !reel__tensor_of(t, *index, &x)) {
        return NULL;
    }
    if (reel__contiguous(x.shape, x.stride)) {
        return x.data;
    }
    size_t element = reel__element_of(t, reel__node_at(t, *index));
    void *block = reel__scratch(t, (size_t)expected * element);
    if (block) {
        reel__pack(&x, element, block, t->threads);
    }
    return block;
}

static const void *computed(reel_var v, const char *caller, int64_t expected, uint32_t *index)
{
    const void *data = v.tape ? compute(v, caller, expected, index) : NULL;
    if (v.tape) {
        reel__forget_site(v.tape);
    }
    return data;
}

static reel_status status_of(reel_var v)
{
    reel_status status = v.tape ? v.tape->error.status : REEL_BAD_HANDLE;
    return status == REEL_OK ? REEL_BAD_HANDLE : status;
}

static double element_at(const reel_tape *t, uint32_t index, const void *data, size_t i)
{
    if (reel__node_at(t, index)->flags & REEL__INDEX) {
        return ((const int32_t *)data)[i];
    }
    return t->options.dtype == REEL_F64 ? ((const double *)data)[i]
                                        : (double)((const float *)data)[i];
}

double reel_item(reel_var v)
{
    uint32_t index;
    const void *data = computed(v, "item", 1, &index);
    return data ? element_at(v.tape, index, data, 0) : (double)NAN;
}

static bool check_room(reel_var v, const char *caller, const void *out, size_t n)
{
    if (v.tape && (n > INT64_MAX || (out == NULL && n > 0))) {
        reel_fail(v.tape, REEL_BAD_ARGUMENT, caller, "no room for %zu numbers", n);
    }
    return v.tape && n <= INT64_MAX && (out || n == 0);
}

/* An empty value may be read into no room at all, which memcpy must not be given. */
static void copy_out(void *out, const void *data, size_t bytes)
{
    if (bytes > 0) {
        memcpy(out, data, bytes);
    }
}

reel_status reel_read(reel_var v, float *out, size_t n)
{
    uint32_t index;
    const void *data =
        check_room(v, "read", out, n) ? computed(v, "read", (int64_t)n, &index) : NULL;
    if (data == NULL) {
        return status_of(v);
    }
    if (v.tape->options.dtype == REEL_F32 && !(reel__node_at(v.tape, index)->flags & REEL__INDEX)) {
        copy_out(out, data, n * sizeof *out);
        return REEL_OK;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)element_at(v.tape, index, data, i);
    }
    return REEL_OK;
}

reel_status reel_read_f64(reel_var v, double *out, size_t n)
{
    uint32_t index;
    const void *data =
        check_room(v, "read_f64", out, n) ? computed(v, "read_f64", (int64_t)n, &index) : NULL;
    if (data == NULL) {
        return status_of(v);
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = element_at(v.tape, index, data, i);
    }
    return REEL_OK;
}

reel_status reel_read_indices(reel_var v, int32_t *out, size_t n)
{
    uint32_t index;
    if (!check_room(v, "read_indices", out, n) ||
        !reel__resolve(v.tape, v, "read_indices", &index)) {
        return status_of(v);
    }
    if (!(reel__node_at(v.tape, index)->flags & REEL__INDEX)) {
        reel_fail(v.tape, REEL_BAD_ARGUMENT, "read_indices", "the value is not an index tensor");
        return REEL_BAD_ARGUMENT;
    }
    const void *data = computed(v, "read_indices", (int64_t)n, &index);
    if (data == NULL) {
        return status_of(v);
    }
    copy_out(out, data, n * sizeof *out);
    return REEL_OK;
}

reel_var reel_keep(reel_var v)
{
    uint32_t index;
    reel_tape *t = v.tape;
    if (t == NULL) {
        return v;
    }
    reel__recording_begin(t);
    bool found = reel__resolve(t, v, "keep", &index);
    reel__recording_end(v);
    if (!found) {
        return v;
    }
    reel__node *node = reel__node_at(t, index);
    if (node->op->kind == REEL_LEAF || (node->flags & REEL__KEEP)) {
        return v;
    }
    if (reel__list_add(t, &t->kept, index)) {
        node->flags |= REEL__KEEP;
    }
    return v;
}
