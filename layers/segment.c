/* segment.c: from a fine time scale to a coarse one. */
#include "layer.h"

/* What is known of the segments before anything is recorded. A step of row r in segment s belongs
 * to slot s·batch + r; one more slot takes those that belong to none. */
typedef struct {
    int64_t steps, batch, slots;
    int32_t *slot; /* [steps·batch] */
    int32_t *last; /* [slots]: the last step, or steps·batch, which is a row of zeros */
    double *share; /* [slots]: 1 / number of steps */
    size_t bytes;
    void *memory;
} layout;

static bool number_slots(reel_tape *tape, layout *l, const int32_t *segment, int64_t segments)
{
    int64_t cells = l->steps * l->batch;
    for (int64_t i = 0; i < cells; i++) {
        if (segment[i] < -1 || segment[i] >= segments) {
            reel_fail(tape, REEL_BAD_INDEX, "pool_segments",
                      "segment[%lld] = %d is outside -1 … %lld", (long long)i, (int)segment[i],
                      (long long)segments - 1);
            return false;
        }
        int64_t slot = segment[i] < 0 ? l->slots : segment[i] * l->batch + i % l->batch;
        l->slot[i] = (int32_t)slot;
        if (segment[i] >= 0) {
            l->last[slot] = (int32_t)i;
            l->share[slot]++;
        }
    }
    for (int64_t k = 0; k < l->slots; k++) {
        l->share[k] = l->share[k] > 0 ? 1 / l->share[k] : 0;
    }
    return true;
}

static bool make_layout(reel_tape *tape, layout *l, const int32_t *segment, int64_t segments)
{
    size_t cells = (size_t)(l->steps * l->batch), slots = (size_t)l->slots;
    l->bytes = slots * sizeof(double) + (cells + slots) * sizeof(int32_t) + 1;
    l->memory = reel__resize(tape, NULL, 0, l->bytes);
    if (!l->memory) {
        return false;
    }
    l->share = l->memory;
    l->last = (int32_t *)(l->share + slots);
    l->slot = l->last + slots;
    for (size_t k = 0; k < slots; k++) {
        l->share[k] = 0;
        l->last[k] = (int32_t)cells;
    }
    return number_slots(tape, l, segment, segments);
}

/* rows [steps·batch, width] → [slots, width] */
static reel_var pooled(const layout *l, reel_var rows, int64_t width, reel_segment_kind kind)
{
    reel_tape *tape = rows.tape;
    if (kind == REEL_SEGMENT_LAST) {
        reel_var last = reel_indices(tape, REEL_SHAPE(l->slots), l->last);
        return reel_gather(reel_pad(rows, 0, 0, 1), last);
    }
    reel_var slot = reel_indices(tape, REEL_SHAPE(l->steps * l->batch), l->slot);
    reel_var none = reel_fill(tape, REEL_SHAPE(l->slots + 1, width), 0);
    reel_var sum = reel_slice(reel_scatter_add(none, slot, rows), 0, 0, l->slots);
    return kind == REEL_SEGMENT_SUM
               ? sum
               : reel_mul(sum, reel_input_f64(tape, REEL_SHAPE(l->slots, 1), l->share));
}

reel_var reel_pool_segments(reel_var x, const int32_t *segment, int64_t segments,
                            reel_segment_kind kind)
{
    reel_shape shape = reel_shape_of(x);
    if (x.id == 0) {
        return reel__poisoned(x.tape);
    }
    if (shape.rank != 3 || segments < 0 || (unsigned)kind >= REEL_SEGMENT_KIND_COUNT || !segment) {
        return reel_fail(x.tape, REEL_BAD_ARGUMENT, "pool_segments",
                         "x is %s, %lld segments, kind %d: expected [steps, batch, width]",
                         REEL_SHAPE_TEXT(shape), (long long)segments, (int)kind);
    }
    int64_t batch = shape.dim[1], width = shape.dim[2];
    if (shape.dim[0] * batch > INT32_MAX || (batch > 0 && segments >= INT32_MAX / batch)) {
        return reel_fail(x.tape, REEL_BAD_ARGUMENT, "pool_segments",
                         "%lld segments of %s are more than indices can count", (long long)segments,
                         REEL_SHAPE_TEXT(shape));
    }
    layout l = { .steps = shape.dim[0], .batch = batch, .slots = segments * batch };
    reel_var out = reel__poisoned(x.tape);
    if (make_layout(x.tape, &l, segment, segments)) {
        reel_var rows = reel_reshape(x, REEL_SHAPE(l.steps * batch, width));
        out = reel_reshape(pooled(&l, rows, width, kind), REEL_SHAPE(segments, batch, width));
    }
    reel__resize(x.tape, l.memory, l.memory ? l.bytes : 0, 0);
    return out;
}
