/* truncated.c: the windows of truncated backpropagation through time. */
#include "layer.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Where the window begins that ends at `end`. */
static int64_t begin_of(const reel_window *w, int64_t end)
{
    int64_t reach = w->reach ? w->reach : w->stride;
    return end > reach ? end - reach : 0;
}

bool reel_next_window(reel_window *w)
{
    if (!w || w->stride < 1 || (w->reach && w->reach < w->stride) || w->end >= w->steps) {
        return false;
    }
    w->fresh = w->end;
    w->end = w->fresh + least(w->stride, w->steps - w->fresh);
    w->begin = least(begin_of(w, w->fresh + w->stride), w->fresh);
    int64_t next = begin_of(w, w->stride > INT64_MAX - w->end ? INT64_MAX : w->end + w->stride);
    w->carry = least(next, w->end) - w->begin;
    return true;
}
