/* schedule.c: what has to run for some targets, and who reads it. */
#include <string.h>

#include "execution.h"

/* The node whose value stands for this one's. */
uint32_t reel__actual(const reel__execution *e, uint32_t index)
{
    return e->options.replay ? index : reel__redirected(e->t, index);
}

uint32_t reel__input_of(const reel__execution *e, const reel__node *node, uint32_t i)
{
    return reel__actual(e, reel__inputs_of(e->t, node)[i]);
}

bool reel__is_scheduled(const reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    return node->op->kind != REEL_LEAF &&
           (e->options.replay || reel__value_at(e->t, index)->data == NULL);
}

/* Counts a reader; the first one puts the node on the stack, to count its own inputs. */
static bool visit(reel__execution *e, uint32_t index, uint32_t count)
{
    index = reel__actual(e, index);
    uint32_t before = e->uses[index];
    e->uses[index] = count == REEL__PINNED ? before | REEL__PINNED : before + count;
    if (before > 0) {
        return true;
    }
    e->first = index < e->first ? index : e->first;
    e->last = index > e->last ? index : e->last;
    if (!reel__is_scheduled(e, index)) {
        e->uses[index] |= REEL__PINNED;
        return true;
    }
    if (reel__value_at(e->t, index)->data) {
        e->uses[index] |= REEL__PINNED;
    }
    e->saw_dropped = e->saw_dropped || (reel__node_at(e->t, index)->flags & REEL__DROPPED);
    return reel__list_add(e->t, &e->t->order, index);
}

static bool visit_inputs(reel__execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(e, node, i);
        if (!visit(e, in, 1)) {
            return false;
        }
        if (node->op == &reel__op_accumulate && reel__node_at(t, in)->op->accumulates) {
            e->into[in] = index;
        }
    }
    bool joins = node->op->joined_axis && node->op->joined_axis(node->attributes) == 0;
    return !joins || reel__list_add(t, &t->joins, index);
}

/* ---- joins whose inputs are written where they belong ----------------------------------- */

static bool may_place(const reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    return reel__is_scheduled(e, index) && node->op->kind != REEL_VIEW &&
           e->placed[index].join == 0 && !(node->flags & REEL__INDEX);
}

/* A sum is built up where its first term lies, so that one is placed as well. */
static void place(const reel__execution *e, uint32_t index, reel__placement where)
{
    while (may_place(e, index)) {
        const reel__node *node = reel__node_at(e->t, index);
        e->placed[index] = where;
        if (node->op != &reel__op_accumulate) {
            return;
        }
        index = reel__input_of(e, node, 0);
        if (e->uses[index] != 1) {
            return;
        }
    }
}

/* The inputs of a join along the first axis lie one behind the other: when they are of one size,
 * those that are still to be computed may be computed there. */
void reel__place_inputs(const reel__execution *e, uint32_t join)
{
    const reel__node *node = reel__node_at(e->t, join);
    for (uint32_t i = 1; i < node->inputs; i++) {
        if (reel__shape_entry_of(e->t, reel__input_of(e, node, i))->size !=
            reel__shape_entry_of(e->t, reel__input_of(e, node, 0))->size) {
            return;
        }
    }
    for (uint32_t i = 0; i < node->inputs; i++) {
        place(e, reel__input_of(e, node, i), (reel__placement){ join + 1, i });
    }
}

bool reel__schedule(reel__execution *e, size_t n, const uint32_t targets[])
{
    reel_tape *t = e->t;
    t->order.count = 0;
    t->joins.count = 0;
    if (!reel__list_reserve_zeroed(t, &t->uses, t->nodes.count, sizeof *e->uses) ||
        !reel__list_reserve_zeroed(t, &t->into, t->nodes.count, sizeof *e->into) ||
        !reel__list_reserve_zeroed(t, &t->placed, t->nodes.count, sizeof *e->placed) ||
        !reel__list_reserve_zeroed(t, &t->chained, t->nodes.count, sizeof *e->chained)) {
        return false;
    }
    e->uses = t->uses.data;
    e->into = t->into.data;
    e->placed = t->placed.data;
    e->chained = t->chained.data;
    bool fine = true;
    for (size_t i = 0; fine && i < reel__asked_count(t, n); i++) {
        fine = visit(e, reel__asked_at(t, n, targets, i), REEL__PINNED);
    }
    while (fine && t->order.count) {
        fine = visit_inputs(e, ((uint32_t *)t->order.data)[--t->order.count]);
    }
    return fine;
}

/* A join that did not come to run still holds the memory its inputs were to be written to. */
static void release_reserved(reel__execution *e)
{
    for (size_t i = 0; i < e->t->joins.count; i++) {
        reel__value *value = reel__value_at(e->t, ((uint32_t *)e->t->joins.data)[i]);
        if (value->buffer && value->data == NULL) {
            reel__buffer_release(e->t, value->buffer);
            value->buffer = NULL;
        }
    }
}

/* Steps of a whole may have been added to, so that the whole is not what it should be. */
static void drop_hidden(reel__execution *e)
{
    for (uint32_t i = e->first; i <= e->last && e->first <= e->last; i++) {
        if ((reel__node_at(e->t, i)->flags & REEL__HIDDEN) && !(e->uses[i] & REEL__PINNED)) {
            reel__drop_value(e->t, i);
        }
    }
}

void reel__unschedule(reel__execution *e, bool fine)
{
    release_reserved(e);
    if (!fine && e->placed) {
        drop_hidden(e);
    }
    if (e->first <= e->last && e->chained) {
        size_t n = (size_t)e->last - e->first + 1;
        memset(e->uses + e->first, 0, n * sizeof *e->uses);
        memset(e->into + e->first, 0, n * sizeof *e->into);
        memset(e->placed + e->first, 0, n * sizeof *e->placed);
        memset(e->chained + e->first, 0, n * sizeof *e->chained);
    }
}
