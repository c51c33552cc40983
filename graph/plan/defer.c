/* defer.c: a backward pass whose structure is known need not be recorded.
 *
 *     before   reel_backward(loss) records two nodes for each one of the forward pass
 *     after    it notes the loss; the evaluation restores a plan that contains the backward pass
 *
 * Nobody has a handle to what reel_backward records, so nobody misses it. Where something else is
 * asked for than the plan computes, or more was recorded behind, the pass is recorded after all,
 * and from then on at once. Numbers and the hash of what is recorded meanwhile are as if it were
 * there. / */
#include <string.h>

#include "plan.h"

static uint64_t key_of(const reel_tape *t, uint32_t loss)
{
    return (reel__mix(t->hash, t->nodes.count) + loss) | 1;
}

/* Nothing was computed or planned, and nothing else is asked for. */
static bool is_fresh(const reel_tape *t)
{
    return !t->options.eager && !t->evaluated && t->hidden == 0 && t->ghosts == 0 &&
           t->pending.count == 0 && t->error.status == REEL_OK && reel__caching_is_on(t);
}

static reel__sweep_memo *memo_for(reel_tape *t, uint64_t key)
{
    return &t->sweep_memo[key >> 1 & (REEL__SWEEP_MEMOS - 1)];
}

reel__sweep_start reel__sweep_begins(const reel_tape *t, uint32_t loss)
{
    return (reel__sweep_start){ .key = is_fresh(t) ? key_of(t, loss) : 0,
                                .stream = t->stream,
                                .first = (uint32_t)t->nodes.count };
}

void reel__sweep_ended(reel_tape *t, uint32_t loss, reel__sweep_start start)
{
    t->swept = NULL;
    if (start.key == 0 || start.stream != t->stream) {
        return;
    }
    reel__sweep_memo *memo = memo_for(t, start.key);
    bool record = memo->key == start.key && memo->record;
    *memo = (reel__sweep_memo){ .key = start.key,
                                .hash_after = t->hash,
                                .nodes = (uint32_t)t->nodes.count - start.first,
                                .record = record };
    t->swept = memo;
    t->sweep_first = start.first;
    t->loss = loss;
}

bool reel__defer_sweep(reel_tape *t, uint32_t loss)
{
    uint64_t key = key_of(t, loss);
    reel__sweep_memo *memo = memo_for(t, key);
    if (!is_fresh(t) || memo->key != key || memo->record) {
        return false;
    }
    t->deferred = memo;
    t->swept = NULL;
    t->sweep_first = (uint32_t)t->nodes.count;
    t->loss = loss;
    t->ghosts = memo->nodes;
    t->hash = memo->hash_after;
    return true;
}

void reel__forget_deferred(reel_tape *t)
{
    t->deferred = NULL;
}

bool reel__record_deferred(reel_tape *t)
{
    reel__sweep_memo *memo = t->deferred;
    if (memo == NULL) {
        return true;
    }
    uint64_t hash = t->hash;
    size_t before = t->nodes.count;
    t->deferred = NULL;
    t->nested++;
    bool fine = reel__record_backward(t, t->loss);
    t->nested--;
    memo->record = true;
    t->swept = NULL;
    t->hash = hash;
    t->hidden += (uint32_t)(t->nodes.count - before);
    return fine;
}

bool reel__plan_deferred(reel_tape *t, size_t n, const uint32_t targets[], bool *found)
{
    *found = false;
    if (t->deferred == NULL) {
        return true;
    }
    if (t->nodes.count == t->sweep_first && !reel__restore_deferred(t, n, targets, found)) {
        return false;
    }
    if (!*found) {
        return reel__record_deferred(t);
    }
    t->swept = t->deferred;
    t->deferred = NULL;
    t->plans_made++;
    return true;
}

bool reel__record_after_all(reel_tape *t)
{
    const reel__layout *layout = t->plan;
    if (layout == NULL || layout->pending == NULL) {
        return true;
    }
    t->pending.count = 0;
    reel__leave_plan(t);
    t->hidden -= layout->node_count;
    reel__truncate(t, layout->first, t->links.count - layout->link_count);
    t->deferred = t->swept;
    return reel__record_deferred(t);
}
