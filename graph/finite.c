/* finite.c: where a NaN or infinity comes from. */
#include <math.h>
#include <string.h>

#include "run/strides.h"
#include "tape.h"

typedef struct {
    bool finite;
    double low, high;  /* of the finite elements */
    int64_t first_bad; /* position of the first element that is not finite, row-major */
    double bad;
} range;

static double number_at(const reel_tape *t, const reel_tensor *x, int64_t offset)
{
    return t->options.dtype == REEL_F64 ? ((const double *)x->data)[offset]
                                        : (double)((const float *)x->data)[offset];
}

static range range_of(const reel_tape *t, const reel_tensor *x)
{
    range r = { .finite = true, .low = INFINITY, .high = -INFINITY };
    reel__walk walk;
    reel__cursor cursor;
    const int64_t *stride[1] = { x->stride };
    reel__walk_join(&walk, x->shape, 1, stride);
    if (walk.size == 0) {
        return r;
    }
    reel__walk_seek(&walk, 0, &cursor);
    for (int64_t i = 0; i < walk.size; i++) {
        double v = number_at(t, x, cursor.offset[0]);
        if (isfinite(v)) {
            r.low = v < r.low ? v : r.low;
            r.high = v > r.high ? v : r.high;
        } else if (r.finite) {
            r.finite = false;
            r.first_bad = i;
            r.bad = v;
        }
        reel__walk_advance(&walk, 1, &cursor);
    }
    return r;
}

/* "[1,0,3]", the place of element `position` */
static void place_of(const reel_shape *shape, int64_t position, char out[REEL_SHAPE_TEXT_SIZE])
{
    reel_shape place = { .rank = shape->rank };
    for (int i = shape->rank - 1; i >= 0; i--) {
        place.dim[i] = position % shape->dim[i];
        position /= shape->dim[i];
    }
    reel_shape_text(out, place);
}

static size_t append_range(char *out, size_t size, uint32_t input, const range *r)
{
    int wrote = r->low <= r->high
                    ? snprintf(out, size, "; input %u in [%g, %g]", input, r->low, r->high)
                    : snprintf(out, size, "; input %u is empty", input);
    return wrote < 0 ? 0 : (size_t)wrote < size ? (size_t)wrote : size;
}

bool reel__made_nonfinite(const reel_tape *t, uint32_t index, char *report, size_t size)
{
    const reel__node *node = reel__node_at(t, index);
    reel_tensor x;
    /* What has no inputs was asked for: a fill with infinity masks. */
    if (node->inputs == 0 || node->op->kind == REEL_VIEW || (node->flags & REEL__INDEX) ||
        !reel__tensor_of(t, index, &x)) {
        return false;
    }
    range y = range_of(t, &x);
    if (y.finite) {
        return false;
    }
    char place[REEL_SHAPE_TEXT_SIZE];
    place_of(x.shape, y.first_bad, place);
    const char *bad = isnan(y.bad) ? "nan" : y.bad > 0 ? "inf" : "-inf";
    size_t used = (size_t)snprintf(report, size, "%s at %s", bad, place);
    const uint32_t *in = reel__inputs_of(t, node);
    for (uint32_t i = 0; i < node->inputs; i++) {
        if ((reel__node_at(t, in[i])->flags & REEL__INDEX) || !reel__tensor_of(t, in[i], &x)) {
            continue;
        }
        range r = range_of(t, &x);
        if (!r.finite) {
            return false;
        }
        used += used < size ? append_range(report + used, size - used, i, &r) : 0;
    }
    return true;
}

reel_status reel_find_nan(reel_var v)
{
    reel_tape *t = v.tape;
    uint32_t index;
    if (t == NULL) {
        return REEL_BAD_HANDLE;
    }
    reel__error before = t->error;
    t->error = (reel__error){ 0 };
    reel__evaluate_options options = { .check_finite = true, .replay = true };
    bool fine = reel__resolve(t, v, "find_nan", &index) && reel__evaluate(t, 1, &index, options);
    reel_status found = fine                         ? REEL_OK
                        : t->error.status == REEL_OK ? REEL_BAD_HANDLE
                                                     : t->error.status;
    if (before.status != REEL_OK) {
        t->error = before; /* the first error stays */
    }
    reel__forget_site(t);
    return found;
}
