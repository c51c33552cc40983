/* cache.c: finished plans, kept for recordings of the same structure.
 *
 *     before   a recording whose structure and targets hash to a key seen before
 *     after    the hidden nodes of the plan made then, appended again; nothing is planned
 *
 * A plan is laid out twice: behind all that was recorded, and, where a backward pass was recorded,
 * behind the forward part alone (defer.c), with what is needed of the backward pass among its own
 * nodes. / */
#include <string.h>

#include "plan.h"

#define MOST_PLANS 64

/* ---- redirections ------------------------------------------------------------------------------ */

bool reel__prepare_redirects(reel_tape *t)
{
    size_t before = t->redirect.count;
    if (before >= t->nodes.count) {
        return true;
    }
    if (!reel__list_reserve(t, &t->redirect, t->nodes.count, sizeof(uint32_t))) {
        return false;
    }
    memset((uint32_t *)t->redirect.data + before, 0xff,
           (t->nodes.count - before) * sizeof(uint32_t));
    t->redirect.count = t->nodes.count;
    return true;
}

bool reel__add_redirection(reel_tape *t, reel__stored *stored, uint32_t from, uint32_t to)
{
    reel__list *list = &stored->redirections;
    if (!reel__prepare_redirects(t) ||
        !reel__list_reserve(t, list, list->count + 1, sizeof(reel__redirection))) {
        return false;
    }
    ((uint32_t *)t->redirect.data)[from] = to;
    ((reel__redirection *)list->data)[list->count++] = (reel__redirection){ from, to };
    return true;
}

void reel__undo_redirects(reel_tape *t, const reel__layout *layout)
{
    for (size_t i = 0; i < layout->redirection_count; i++) {
        if (layout->redirections[i].from < t->redirect.count) {
            ((uint32_t *)t->redirect.data)[layout->redirections[i].from] = REEL__NONE;
        }
    }
}

/* ---- the store --------------------------------------------------------------------------------- */

reel__stored *reel__new_stored(reel_tape *t)
{
    reel__stored *stored = reel__resize(t, NULL, 0, sizeof *stored);
    if (stored) {
        memset(stored, 0, sizeof *stored);
        stored->full.first = (uint32_t)t->nodes.count;
    }
    return stored;
}

void reel__free_stored(reel_tape *t, reel__stored *stored)
{
    reel__list_free(t, &stored->redirections, sizeof(reel__redirection));
    reel__arena_free(t, &stored->arena);
    reel__resize(t, stored, sizeof *stored, 0);
}

static void insert(reel_tape *t, reel__stored *stored)
{
    stored->next = t->plans;
    t->plans = stored;
    size_t count = 0;
    for (reel__stored **at = &t->plans; *at; at = &(*at)->next) {
        if (++count > MOST_PLANS) {
            reel__stored *oldest = *at;
            *at = oldest->next;
            reel__free_stored(t, oldest);
            break;
        }
    }
}

/* Plans of one recording go with it; the others stay. */
void reel__forget_plan(reel_tape *t)
{
    for (reel__stored **at = &t->plans; *at;) {
        reel__stored *stored = *at;
        if (stored->key == 0) {
            *at = stored->next;
            reel__free_stored(t, stored);
        } else {
            at = &stored->next;
        }
    }
    t->plan = NULL;
}

void reel__forget_plans(reel_tape *t)
{
    while (t->plans) {
        reel__stored *stored = t->plans;
        t->plans = stored->next;
        reel__free_stored(t, stored);
    }
    t->plan = NULL;
}

/* ---- keys -------------------------------------------------------------------------------------- */

static uint64_t key_of_asked(const reel_tape *t, uint64_t key, size_t n, const uint32_t targets[])
{
    for (size_t i = 0; i < n; i++) {
        key = reel__mix(key, targets[i] + 1);
    }
    for (size_t i = 0; i < t->kept.count; i++) {
        key = reel__mix(key, ~(uint64_t)((uint32_t *)t->kept.data)[i]);
    }
    return key | 1;
}

uint64_t reel__plan_key(const reel_tape *t, size_t n, const uint32_t targets[])
{
    if (t->evaluated || t->hidden || t->ghosts || !reel__caching_is_on(t)) {
        return 0;
    }
    uint64_t key = reel__mix(t->hash, t->nodes.count);
    for (size_t i = 0; i < t->pending.count; i++) {
        reel__pending pending = ((reel__pending *)t->pending.data)[i];
        key = reel__mix(key, (uint64_t)pending.param << 32 | pending.node);
    }
    return key_of_asked(t, key, n, targets);
}

/* Of a recording whose backward part has been, or will be, recorded behind node `first`. */
static uint64_t deferred_key(const reel_tape *t, uint64_t hash_after, size_t n,
                             const uint32_t targets[])
{
    uint64_t key = reel__mix(reel__mix(hash_after, t->sweep_first), (uint64_t)t->loss << 1);
    return key_of_asked(t, key, n, targets);
}

/* ---- layouts ----------------------------------------------------------------------------------- */

typedef struct {
    reel_tape *t;
    reel__stored *stored;
    reel__layout *layout;
    const uint32_t *number; /* of nodes from layout->first on, in the layout; NULL: their own */
    uint32_t boundary;
} mover;

static uint32_t moved(const mover *m, uint32_t node)
{
    return node >= REEL__ZERO || node < m->boundary || m->number == NULL
               ? node
               : m->number[node - m->boundary];
}

static bool move_attributes(const mover *m, reel__node *node)
{
    reel_tape *t = m->t;
    size_t size = node->op->attribute_size;
    if (size == 0) {
        return true;
    }
    void *copy = reel__arena_take(t, &m->stored->arena, size);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, node->attributes, size);
    node->attributes = copy;
    if (node->op == &reel__loop_op) {
        reel__loop_attributes *a = copy;
        uint32_t ranges = a->program->ranges;
        uint32_t *nodes = reel__arena_take(t, &m->stored->arena, (ranges + 1) * sizeof *nodes);
        for (uint32_t i = 0; nodes && i < ranges; i++) {
            nodes[i] = moved(m, a->range_nodes[i]);
        }
        a->range_nodes = nodes;
        return nodes != NULL;
    }
    return true;
}

static bool move_data(const mover *m, uint32_t from, uint32_t at)
{
    reel_tape *t = m->t;
    const reel__node *node = reel__node_at(t, from);
    size_t bytes = (size_t)reel__shape_at(t, node->shape)->size * reel__element_of(t, node);
    if (node->op->kind != REEL_LEAF) {
        m->layout->data[at] = NULL;
        return true;
    }
    void *copy = reel__arena_take(t, &m->stored->arena, bytes + 1);
    if (copy && bytes) {
        memcpy(copy, reel__value_at(t, from)->data, bytes);
    }
    m->layout->data[at] = copy;
    return copy != NULL;
}

static bool move_node(const mover *m, uint32_t from, uint32_t at)
{
    reel_tape *t = m->t;
    reel__layout *layout = m->layout;
    reel__node *node = &layout->nodes[at];
    *node = *reel__node_at(t, from);
    node->mark = 0;
    const uint32_t *in = reel__inputs_of(t, reel__node_at(t, from));
    uint32_t *out = node->in;
    if (node->inputs > REEL__INLINE_INPUTS) {
        out = layout->links + layout->link_count;
        node->in[0] = layout->link_count;
        layout->link_count += node->inputs;
    }
    for (uint32_t i = 0; i < node->inputs; i++) {
        out[i] = m->number && in[i] >= m->boundary ? moved(m, reel__redirected(t, in[i])) : in[i];
    }
    return move_attributes(m, node) && move_data(m, from, at);
}

static bool take_layout(const mover *m, uint32_t nodes, uint32_t links)
{
    reel_tape *t = m->t;
    reel__layout *layout = m->layout;
    reel__arena *arena = &m->stored->arena;
    layout->nodes = reel__arena_take(t, arena, (nodes + 1) * sizeof *layout->nodes);
    layout->data = reel__arena_take(t, arena, (nodes + 1) * sizeof *layout->data);
    layout->links = reel__arena_take(t, arena, (links + 1) * sizeof *layout->links);
    layout->node_count = nodes;
    return layout->nodes && layout->data && layout->links;
}

/* ---- behind all that was recorded -------------------------------------------------------------- */

static bool lay_out_full(reel_tape *t, reel__stored *stored, bool *serves_others)
{
    reel__layout *layout = &stored->full;
    mover m = { .t = t, .stored = stored, .layout = layout, .boundary = layout->first };
    uint32_t n = (uint32_t)t->nodes.count - layout->first, links = 0;
    for (uint32_t i = 0; i < n; i++) {
        const reel__node *node = reel__node_at(t, layout->first + i);
        *serves_others = *serves_others && node->op->kind != REEL_LEAF && !node->op->random;
        links += node->inputs > REEL__INLINE_INPUTS ? node->inputs : 0;
    }
    layout->redirections = stored->redirections.data;
    layout->redirection_count = stored->redirections.count;
    if (!*serves_others) {
        return true;
    }
    if (!take_layout(&m, n, links)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!move_node(&m, layout->first + i, i)) {
            return false;
        }
    }
    return true;
}

/* ---- behind the forward part ------------------------------------------------------------------- */

/* A program that may have to name nodes of the backward part cannot do without them. */
static bool names_backward_nodes(const reel__program *g, uint32_t first)
{
    for (uint32_t i = 0; i < g->instructions; i++) {
        for (int64_t e = 0; g->instruction[i].nodes && e < g->steps; e++) {
            uint32_t node = g->instruction[i].nodes[e];
            if (node != REEL__NONE && node >= first) {
                return true;
            }
        }
    }
    return false;
}

/* Numbers what runs from `first` on, and the leaves it reads, in recording order. */
static bool number_nodes(const reel_tape *t, const reel__stored *stored, uint32_t first,
                         uint32_t number[], uint32_t *count, uint32_t *links)
{
    const reel__layout *full = &stored->full;
    size_t all = t->nodes.count - first;
    memset(number, 0xff, all * sizeof *number);
    for (size_t i = 0; i < full->order_count; i++) {
        uint32_t index = full->order[i];
        const reel__node *node = reel__node_at(t, index);
        if (index < first) {
            continue;
        }
        if (node->op->random ||
            (node->op == &reel__loop_op &&
             names_backward_nodes(((const reel__loop_attributes *)node->attributes)->program,
                                  first))) {
            return false;
        }
        number[index - first] = 0;
        *links += node->inputs > REEL__INLINE_INPUTS ? node->inputs : 0;
        for (uint32_t k = 0; k < node->inputs; k++) {
            uint32_t in = reel__redirected(t, reel__inputs_of(t, node)[k]);
            if (in >= first && reel__node_at(t, in)->op == &reel__leaf_op) {
                number[in - first] = 0;
            } else if (in >= first && reel__value_at(t, in)->data) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < all; i++) {
        if (number[i] == 0) {
            number[i] = first + (*count)++;
        }
    }
    return true;
}

static bool move_lists(const mover *m)
{
    reel_tape *t = m->t;
    const reel__layout *full = &m->stored->full;
    reel__layout *layout = m->layout;
    reel__arena *arena = &m->stored->arena;
    size_t n = t->pending.count;
    layout->order = reel__arena_take(t, arena, (full->order_count + 1) * sizeof *layout->order);
    layout->redirections =
        reel__arena_take(t, arena, (full->redirection_count + 1) * sizeof *layout->redirections);
    layout->pending = reel__arena_take(t, arena, (n + 1) * sizeof *layout->pending);
    if (!layout->order || !layout->redirections || !layout->pending) {
        return false;
    }
    for (size_t i = 0; i < full->order_count; i++) {
        layout->order[layout->order_count++] = moved(m, full->order[i]);
    }
    for (size_t i = 0; i < full->redirection_count; i++) {
        reel__redirection r = full->redirections[i];
        uint32_t to = moved(m, r.to);
        if (r.from < m->boundary && to != REEL__NONE) {
            layout->redirections[layout->redirection_count++] = (reel__redirection){ r.from, to };
        }
    }
    for (size_t i = 0; i < n; i++) {
        reel__pending pending = ((reel__pending *)t->pending.data)[i];
        uint32_t node =
            pending.node < m->boundary ? pending.node : reel__redirected(t, pending.node);
        layout->pending[layout->pending_count++] = (reel__pending){ pending.param, moved(m, node) };
    }
    return true;
}

/* Nothing was recorded since the backward pass, and nothing of it was asked for by name. */
static bool may_defer(const reel_tape *t, const reel__stored *stored, size_t n,
                      const uint32_t targets[])
{
    const reel__sweep_memo *memo = t->swept;
    if (memo == NULL || memo->record || stored->full.first != t->sweep_first + memo->nodes) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (targets[i] >= t->sweep_first) {
            return false;
        }
    }
    for (size_t i = 0; i < t->kept.count; i++) {
        if (((uint32_t *)t->kept.data)[i] >= t->sweep_first) {
            return false;
        }
    }
    return true;
}

static bool lay_out_deferred(reel_tape *t, reel__stored *stored, size_t n, const uint32_t targets[])
{
    uint32_t first = t->sweep_first, count = 0, links = 0;
    if (!may_defer(t, stored, n, targets)) {
        return true;
    }
    size_t bytes = (t->nodes.count - first + 1) * sizeof(uint32_t);
    uint32_t *number = reel__resize(t, NULL, 0, bytes);
    if (number == NULL) {
        return false;
    }
    reel__layout *layout = &stored->deferred;
    mover m = { t, stored, layout, number, first };
    layout->first = first;
    bool fine = true;
    if (number_nodes(t, stored, first, number, &count, &links)) {
        fine = take_layout(&m, count, links);
        for (uint32_t i = first, at = 0; fine && i < t->nodes.count; i++) {
            if (number[i - first] != REEL__NONE) {
                fine = move_node(&m, i, at++);
            }
        }
        fine = fine && move_lists(&m);
        if (fine) {
            stored->deferred_key = deferred_key(t, t->swept->hash_after, n, targets);
        }
    }
    reel__resize(t, number, bytes, 0);
    return fine;
}

bool reel__keep_plan(reel_tape *t, reel__stored *stored, uint64_t key, size_t n,
                     const uint32_t targets[])
{
    bool serves_others = key != 0;
    if (!lay_out_full(t, stored, &serves_others) ||
        (serves_others && !lay_out_deferred(t, stored, n, targets))) {
        return false;
    }
    stored->key = serves_others ? key : 0;
    stored->counts = t->planned;
    insert(t, stored);
    t->plan = &stored->full;
    return true;
}

/* ---- restoring --------------------------------------------------------------------------------- */

static bool reserve(reel_tape *t, const reel__layout *layout)
{
    return reel__list_reserve(t, &t->nodes, t->nodes.count + layout->node_count,
                              sizeof(reel__node)) &&
           reel__list_reserve(t, &t->values, t->nodes.count + layout->node_count,
                              sizeof(reel__value)) &&
           reel__list_reserve(t, &t->links, t->links.count + layout->link_count,
                              sizeof(uint32_t)) &&
           reel__list_reserve(t, &t->redirect, t->nodes.count + layout->node_count,
                              sizeof(uint32_t)) &&
           reel__list_reserve(t, &t->pending, t->pending.count + layout->pending_count,
                              sizeof(reel__pending));
}

static bool restore(reel_tape *t, reel__layout *layout)
{
    size_t count = t->nodes.count, n = layout->node_count;
    if (!reserve(t, layout)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        reel__node *node = reel__node_at(t, (uint32_t)(count + i));
        *node = layout->nodes[i];
        node->number = (uint32_t)(count - t->hidden + t->ghosts);
        node->flags |= REEL__HIDDEN;
        if (node->inputs > REEL__INLINE_INPUTS) {
            node->in[0] += (uint32_t)t->links.count;
        }
        *reel__value_at(t, (uint32_t)(count + i)) =
            (reel__value){ .data = (char *)layout->data[i] };
    }
    if (layout->link_count) {
        memcpy((uint32_t *)t->links.data + t->links.count, layout->links,
               layout->link_count * sizeof(uint32_t));
    }
    t->links.count += layout->link_count;
    t->nodes.count = t->values.count = count + n;
    t->hidden += (uint32_t)n;
    t->stamped = (uint32_t)t->nodes.count;
    reel__prepare_redirects(t); /* there is room */
    for (size_t i = 0; i < layout->redirection_count; i++) {
        ((uint32_t *)t->redirect.data)[layout->redirections[i].from] = layout->redirections[i].to;
    }
    for (size_t i = 0; i < layout->pending_count; i++) {
        ((reel__pending *)t->pending.data)[t->pending.count++] = layout->pending[i];
    }
    t->plan = layout;
    return true;
}

/* The latest come first. */
static reel__stored *find_stored(reel_tape *t, uint64_t key, bool deferred)
{
    for (reel__stored **at = &t->plans; *at; at = &(*at)->next) {
        reel__stored *stored = *at;
        reel__layout *layout = deferred ? &stored->deferred : &stored->full;
        if (key && (deferred ? stored->deferred_key : stored->key) == key &&
            layout->first == t->nodes.count) {
            *at = stored->next;
            stored->next = t->plans;
            return t->plans = stored;
        }
    }
    return NULL;
}

static bool restore_stored(reel_tape *t, uint64_t key, bool deferred, bool *found)
{
    reel__stored *stored = find_stored(t, key, deferred);
    *found = stored != NULL;
    if (stored == NULL) {
        return true;
    }
    t->planned = stored->counts;
    return restore(t, deferred ? &stored->deferred : &stored->full);
}

bool reel__restore_plan(reel_tape *t, uint64_t key, bool *found)
{
    return restore_stored(t, key, false, found);
}

bool reel__restore_deferred(reel_tape *t, size_t n, const uint32_t targets[], bool *found)
{
    return restore_stored(t, deferred_key(t, t->deferred->hash_after, n, targets), true, found);
}
