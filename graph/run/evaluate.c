/* evaluate.c: the executor. It finds what the targets need, runs it in recording order, and gives
 * each value's buffer back after its last use. */
#include <stdlib.h>
#include <string.h>

#include "execution.h"
#include "strides.h"
#include "threads.h"

static bool run_if_scheduled(reel__execution *e, uint32_t index)
{
    return !e->uses[index] || !reel__is_scheduled(e, index) || reel__run_node(e, index);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The planner's nodes stand behind all others, but run as early as their inputs allow: right
 * behind node `key`. */
static bool sort_hidden(reel__execution *e, reel__list *sorted)
{
    reel_tape *t = e->t;
    sorted->count = 0;
    uint32_t first = e->first > t->first_hidden ? e->first : t->first_hidden;
    for (uint32_t i = first; t->first_hidden && i <= e->last; i++) {
        if (!(reel__node_at(t, i)->flags & REEL__HIDDEN) || !e->uses[i] ||
            !reel__is_scheduled(e, i)) {
            continue;
        }
        if (!reel__list_reserve(t, sorted, sorted->count + 1, sizeof(uint64_t))) {
            return false;
        }
        ((uint64_t *)sorted->data)[sorted->count++] =
            (uint64_t)((uint32_t *)t->keys.data)[i] << 32 | i;
    }
    if (sorted->count) {
        qsort(sorted->data, sorted->count, sizeof(uint64_t), ascending);
    }
    return true;
}

static bool run_all(reel__execution *e)
{
    reel__list *sorted = &e->t->hidden_order;
    if (e->first > e->last || !sort_hidden(e, sorted)) {
        return e->first > e->last;
    }
    const uint64_t *hidden = sorted->data;
    size_t next = 0;
    for (uint32_t i = e->first; i <= e->last; i++) {
        for (; next < sorted->count && hidden[next] >> 32 < i; next++) {
            if (!run_if_scheduled(e, (uint32_t)hidden[next])) {
                return false;
            }
        }
        if (!(reel__node_at(e->t, i)->flags & REEL__HIDDEN) && !run_if_scheduled(e, i)) {
            return false;
        }
    }
    return true;
}

/* A target that was redirected shares the other node's value. */
static void share_redirected(reel__execution *e, uint32_t target)
{
    reel_tape *t = e->t;
    uint32_t source = reel__actual(e, target);
    if (source == target) {
        return;
    }
    reel__value *from = reel__value_at(t, source), *to = reel__value_at(t, target);
    reel_tensor x;
    if (!reel__tensor_of(t, source, &x)) {
        return;
    }
    to->data = x.data;
    to->buffer = from->buffer;
    to->stride = from->stride;
    if (to->buffer) {
        to->buffer->references++;
    }
}

static void share_targets(reel__execution *e, size_t n, const uint32_t targets[])
{
    reel_tape *t = e->t;
    for (size_t i = 0; i < n; i++) {
        share_redirected(e, targets[i]);
    }
    for (size_t i = 0; i < t->pending.count; i++) {
        share_redirected(e, ((reel__pending *)t->pending.data)[i].node);
    }
    for (size_t i = 0; i < t->kept.count; i++) {
        share_redirected(e, ((uint32_t *)t->kept.data)[i]);
    }
}

/* What stays held and looks into the parameters must be forgotten, or copied where it is kept,
 * before they change. */
static bool note_aliases(reel__execution *e)
{
    reel_tape *t = e->t;
    for (uint32_t i = e->first; i <= e->last && e->first <= e->last; i++) {
        reel__value *value = reel__value_at(t, i);
        const reel__node *node = reel__node_at(t, i);
        if (node->op->kind != REEL_VIEW || !reel__looks_into_params(t, value->data)) {
            continue;
        }
        if (node->flags & (REEL__KEEP | REEL__ASKED)) {
            reel_tensor x;
            reel__buffer *own = NULL;
            if (!reel__tensor_of(t, i, &x) || !reel__pack_operand(t, i, &x, &own)) {
                return false;
            }
            value->data = x.data;
            value->buffer = own;
            memcpy(value->stride, x.stride, (size_t)x.shape->rank * sizeof *value->stride);
        } else {
            if (!reel__list_reserve(t, &t->aliases, t->aliases.count + 1, sizeof(uint32_t))) {
                return false;
            }
            ((uint32_t *)t->aliases.data)[t->aliases.count++] = i;
        }
    }
    return true;
}

static void add_pending(reel_tape *t)
{
    for (size_t i = 0; i < t->pending.count; i++) {
        reel__pending pending = ((reel__pending *)t->pending.data)[i];
        reel_tensor x;
        if (!reel__tensor_of(t, pending.node, &x)) {
            continue;
        }
        if (reel__contiguous(x.shape, x.stride)) {
            reel__add_gradient(t, pending.param, x.data);
        } else {
            void *block = reel__scratch(t, (size_t)reel_shape_size(*x.shape) * t->element);
            if (block) {
                reel__pack(&x, t->element, block, t->threads);
                reel__add_gradient(t, pending.param, block);
            }
        }
    }
    t->pending.count = 0;
}

bool reel__evaluate(reel_tape *t, size_t n, const uint32_t targets[],
                    reel__evaluate_options options)
{
    reel__execution e = { .t = t, .options = options, .first = REEL__NONE };
    bool fine =
        (options.replay || reel__make_plan(t, n, targets)) && reel__schedule(&e, n, targets);
    /* Reading step after step of a growing tape would otherwise start over each time. */
    t->retain = t->retain || e.saw_dropped;
    e.retain = t->options.eager || options.replay || (t->retain && t->pending.count == 0);
    if (fine) {
        for (size_t i = 0; i < t->joins.count && !e.retain && !options.check_finite; i++) {
            reel__place_inputs(&e, ((uint32_t *)t->joins.data)[i]);
        }
        t->statistics.evaluations++;
        int before = reel__set_threads(t->threads);
        fine = run_all(&e);
        reel__set_threads(before);
    }
    if (fine) {
        share_targets(&e, n, targets);
    }
    fine = fine && note_aliases(&e);
    reel__unschedule(&e, fine);
    t->run_failed = t->run_failed || (!fine && !options.replay);
    if (fine) {
        add_pending(t);
        t->kept.count = 0;
    }
    return fine;
}

bool reel__flush(reel_tape *t)
{
    return (t->pending.count == 0 && t->kept.count == 0) ||
           reel__evaluate(t, 0, NULL, (reel__evaluate_options){ 0 });
}
