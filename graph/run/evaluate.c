/* evaluate.c: the executor. It finds what the targets need, runs it in recording order, and gives
 * each value's buffer back after its last use. */
#include <stdlib.h>
#include <string.h>

#include "execution.h"
#include "pace.h"
#include "strides.h"
#include "subnormal.h"
#include "threads.h"

static bool run_if_scheduled(reel__execution *e, uint32_t index)
{
    return !e->uses[index] || !reel__is_scheduled(e, index) || reel__run_node(e, index);
}

/* ---- loops side by side --------------------------------------------------------------------- */

/* How far ahead a second loop is looked for. */
#define WINDOW 256

static bool may_pair(reel__execution *e, uint32_t index)
{
    return reel__node_at(e->t, index)->op == &reel__loop_op && e->uses[index] &&
           !e->t->options.memory_limit && reel__leaves_threads_idle(e, index);
}

/* Runs what stands between order[i], a loop that leaves threads idle, and the next such loop that does
 * not wait for it, which is then run beside it: the two directions of a layer, say. */
static bool run_pair(reel__execution *e, const reel__layout *plan, size_t i)
{
    size_t end = i + WINDOW < plan->order_count ? i + WINDOW : plan->order_count;
    for (size_t j = i + 1; j < end; j++) {
        uint32_t other = plan->order[j];
        if (!e->uses[other] || !reel__is_scheduled(e, other) || !reel__is_ready(e, other)) {
            continue;
        }
        if (may_pair(e, other)) {
            const uint32_t pair[2] = { plan->order[i], other };
            bool fine = reel__run_two_loops(e, pair);
            for (int k = 0; fine && k < 2; k++) {
                reel__release_inputs(e, pair[k]);
                e->uses[pair[k]] = 0; /* done */
            }
            return fine;
        }
        if (reel__node_at(e->t, other)->op != &reel__loop_op && !reel__run_node(e, other)) {
            return false;
        }
    }
    bool done;
    return reel__run_wavefront(e, plan->order + i, end - i, &done) &&
           (done || run_if_scheduled(e, plan->order[i]));
}

/* In the plan's order, or as recorded. */
static bool run_all(reel__execution *e)
{
    const reel__layout *plan = e->options.replay ? NULL : e->t->plan;
    if (plan) {
        for (size_t i = 0; i < plan->order_count; i++) {
            bool pair = may_pair(e, plan->order[i]);
            if (!(pair ? run_pair(e, plan, i) : run_if_scheduled(e, plan->order[i]))) {
                return false;
            }
        }
        return true;
    }
    for (uint32_t i = e->first; i <= e->last && e->first <= e->last; i++) {
        if (!run_if_scheduled(e, i)) {
            return false;
        }
    }
    return true;
}

/* A target that was redirected shares the other node's value; the strides are its own, for either may
 * come to lie elsewhere. */
static bool share_redirected(reel__execution *e, uint32_t target)
{
    reel_tape *t = e->t;
    uint32_t source = reel__actual(e, target);
    reel_tensor x;
    if (source == target || !reel__tensor_of(t, source, &x)) {
        return true;
    }
    const reel__value *from = reel__value_at(t, source);
    int64_t *stride = NULL;
    if (from->stride) {
        size_t bytes = (size_t)(x.shape->rank + 1) * sizeof *stride;
        stride = reel__arena_take(t, &t->recorded, bytes);
        if (stride == NULL) {
            return false;
        }
        memcpy(stride, from->stride, (size_t)x.shape->rank * sizeof *stride);
    }
    reel__value *to = reel__value_at(t, target);
    *to = (reel__value){ .data = x.data, .buffer = from->buffer, .stride = stride };
    if (to->buffer) {
        to->buffer->references++;
    }
    return true;
}

static bool share_targets(reel__execution *e, size_t n, const uint32_t targets[])
{
    reel_tape *t = e->t;
    bool fine = true;
    for (size_t i = 0; fine && i < reel__asked_count(t, n); i++) {
        fine = share_redirected(e, reel__asked_at(t, n, targets, i));
    }
    return fine;
}

/* What stays held and looks into the parameters must be forgotten, or copied where it is kept,
 * before they change. */
static bool note_alias(reel_tape *t, uint32_t i)
{
    reel__value *value = reel__value_at(t, i);
    const reel__node *node = reel__node_at(t, i);
    if (value->data == NULL || node->op->kind == REEL_LEAF ||
        !reel__looks_into_params(t, value->data)) {
        return true;
    }
    if (node->flags & (REEL__KEEP | REEL__ASKED)) {
        reel_tensor x;
        reel__buffer *own = NULL;
        if (!reel__tensor_of(t, i, &x) || !reel__pack_operand(t, i, &x, &own)) {
            return false;
        }
        value->data = x.data;
        value->buffer = own;
        if (value->stride) {
            memcpy(value->stride, x.stride, (size_t)x.shape->rank * sizeof *value->stride);
        }
        return true;
    }
    return reel__list_add(t, &t->aliases, i);
}

static bool note_aliases(reel__execution *e, size_t n, const uint32_t targets[])
{
    reel_tape *t = e->t;
    const reel__layout *plan = e->options.replay ? NULL : t->plan;
    bool fine = true;
    if (plan == NULL) {
        for (uint32_t i = e->first; fine && i <= e->last && e->first <= e->last; i++) {
            fine = note_alias(t, i);
        }
        return fine;
    }
    for (size_t i = 0; fine && i < plan->order_count; i++) {
        fine = note_alias(t, plan->order[i]);
    }
    for (size_t i = 0; fine && i < reel__asked_count(t, n); i++) {
        fine = note_alias(t, reel__asked_at(t, n, targets, i));
    }
    return fine;
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

static bool find_plan(reel_tape *t, size_t n, const uint32_t targets[])
{
    bool found;
    return reel__plan_deferred(t, n, targets, &found) && (found || reel__make_plan(t, n, targets));
}

static bool run_once(reel_tape *t, size_t n, const uint32_t targets[],
                     reel__evaluate_options options)
{
    reel__execution e = { .t = t, .options = options, .first = REEL__NONE };
    bool fine = reel__schedule(&e, n, targets);
    /* Reading step after step of a growing tape would otherwise start over each time. */
    t->retain = t->retain || e.saw_dropped;
    e.retain = t->options.eager || options.replay || (t->retain && t->pending.count == 0);
    if (fine) {
        for (size_t i = 0; i < t->joins.count && !e.retain && !options.check_finite; i++) {
            reel__place_inputs(&e, ((uint32_t *)t->joins.data)[i]);
        }
        reel__find_chains(&e);
        t->statistics.evaluations++;
        double started = options.replay ? 0 : reel__pace_start(t);
        int before = reel__set_threads(t->threads);
        reel__float_mode own = reel__float_mode_use(reel__float_mode_of(t->options.dtype));
        fine = run_all(&e);
        reel__float_mode_use(own);
        reel__set_threads(before);
        reel__pace_end(t, started);
    }
    fine = fine && share_targets(&e, n, targets) && note_aliases(&e, n, targets);
    reel__unschedule(&e, fine);
    return fine;
}

/* A plan keeps whole stacks of steps; where the limit does not allow that, nodes run one by one. */
static bool run_within_limit(reel_tape *t, size_t n, const uint32_t targets[],
                             reel__evaluate_options options)
{
    reel__error before = t->error;
    if (run_once(t, n, targets, options)) {
        return true;
    }
    if (t->plan == NULL || before.status != REEL_OK || t->error.status != REEL_MEMORY_LIMIT) {
        return false;
    }
    t->error = before;
    if (!reel__record_after_all(t)) {
        return false;
    }
    reel__leave_plan(t);
    return run_once(t, n, targets, options);
}

bool reel__evaluate(reel_tape *t, size_t n, const uint32_t targets[],
                    reel__evaluate_options options)
{
    bool fine =
        (options.replay || find_plan(t, n, targets)) && run_within_limit(t, n, targets, options);
    t->evaluated = true;
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
