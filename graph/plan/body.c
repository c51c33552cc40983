/* body.c: looking at and changing the bodies of loops. */
#include <string.h>

#include "plan.h"

/* ---- comparing ------------------------------------------------------------------------------- */

bool reel__same_source(const reel__source *a, const reel__source *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case REEL__SAME:
        return a->node == b->node;
    case REEL__SLICE:
        return a->node == b->node && a->scale == b->scale && a->offset == b->offset;
    case REEL__ITEM:
        return a->loop == b->loop && a->item == b->item && a->scale == b->scale &&
               a->offset == b->offset;
    case REEL__TABLE:
        return a->table == b->table;
    case REEL__IRREGULAR:
        break;
    }
    return false;
}

bool reel__same_attributes(const reel__plan *p, const reel__item *a, const reel__item *b)
{
    const reel__node *x = reel__template(p, a), *y = reel__template(p, b);
    return x->op == y->op && !a->varies && !b->varies && !x->op->random &&
           (x->op->attribute_size == 0 ||
            memcmp(x->attributes, y->attributes, x->op->attribute_size) == 0);
}

bool reel__is_matrix_product(const reel__plan *p, const reel__item *item)
{
    return !item->gone && !item->varies && item->inputs == 2 &&
           reel__op_of(p, item)->contracted_axis && reel__item_input(p, item, 0)->rank == 2 &&
           reel__item_input(p, item, 1)->rank == 2;
}

uint32_t reel__count_readers(const reel__plan *p, uint32_t loop, uint32_t item)
{
    uint32_t count = reel__item_at(p, loop, item)->outer_readers;
    for (uint32_t i = 0; i < p->loops[loop].items; i++) {
        const reel__item *reader = &p->loops[loop].item[i];
        for (uint32_t k = 0; !reader->gone && k < reader->inputs; k++) {
            const reel__source *s = &reader->in[k];
            count += s->kind == REEL__ITEM && s->loop == loop && s->item == item;
        }
    }
    return count;
}

/* ---- changing -------------------------------------------------------------------------------- */

reel__item reel__blank_item(void)
{
    return (reel__item){ .first_read = INT64_MAX,
                         .last_read = -1,
                         .lifted = REEL__NONE,
                         .sum = REEL__NONE,
                         .joined = REEL__NONE };
}

static bool copy_sources(reel__plan *p, uint32_t n, const reel__source *in, reel__source **copy)
{
    *copy = reel__arena_take(p->t, &p->arena, (n + 1) * sizeof *in);
    if (*copy) {
        memcpy(*copy, in, n * sizeof *in);
    }
    return *copy != NULL;
}

static bool make_room(reel__plan *p, reel__loop *loop)
{
    reel__item *item =
        reel__arena_grow(p->t, &p->arena, loop->item, loop->items, &loop->capacity, sizeof *item);
    loop->item = item ? item : loop->item;
    return item != NULL;
}

uint32_t reel__add_item(reel__plan *p, uint32_t loop_number, reel_var like, uint32_t inputs,
                        const reel__source *in)
{
    reel__loop *loop = &p->loops[loop_number];
    reel__source *copy;
    uint32_t node;
    if (!reel__resolve(p->t, like, "plan", &node) || !make_room(p, loop) ||
        !copy_sources(p, inputs, in, &copy)) {
        return REEL__NONE;
    }
    reel__item *item = &loop->item[loop->items];
    *item = reel__blank_item();
    item->node = node;
    item->inputs = inputs;
    item->in = copy;
    item->end = loop->steps;
    return loop->items++;
}

void reel__limit_copies(reel__plan *p, uint32_t loop, uint32_t item, uint32_t like)
{
    reel__item_at(p, loop, item)->begin = reel__item_at(p, loop, like)->begin;
    reel__item_at(p, loop, item)->end = reel__item_at(p, loop, like)->end;
}

bool reel__become(reel__plan *p, uint32_t loop, uint32_t number, reel_var like, uint32_t inputs,
                  const reel__source *in)
{
    uint32_t node;
    reel__source *copy;
    if (!reel__resolve(p->t, like, "plan", &node) || !copy_sources(p, inputs, in, &copy)) {
        return false;
    }
    reel__item *item = reel__item_at(p, loop, number);
    item->node = node;
    item->inputs = inputs;
    item->in = copy;
    item->varies = false;
    return true;
}

reel_var reel__like(reel__plan *p, const reel__source *s)
{
    switch (s->kind) {
    case REEL__SAME:
        return reel__handle(p->t, s->node);
    case REEL__ITEM:
        return reel__handle(p->t, reel__item_at(p, s->loop, s->item)->node);
    case REEL__TABLE:
        return reel__handle(p->t, s->table[0]);
    case REEL__SLICE:
        return reel_record(reel_op_named("at"), 1, (reel_var[]){ reel__handle(p->t, s->node) },
                           (int64_t[]){ 0 });
    case REEL__IRREGULAR:
        break;
    }
    return (reel_var){ p->t, 0 };
}

/* ---- sums ------------------------------------------------------------------------------------ */

static bool is_sum(const reel__plan *p, const reel__item *item)
{
    const reel__node *node = reel__template(p, item);
    return node->op->sums && item->inputs == 2 && !item->varies &&
           reel__node_at(p->t, reel__inputs_of(p->t, node)[0])->shape == node->shape &&
           reel__node_at(p->t, reel__inputs_of(p->t, node)[1])->shape == node->shape;
}

/* A sum that only the sum above it reads. */
static bool is_inner_sum(const reel__plan *p, uint32_t loop, const reel__source *s)
{
    if (!reel__is_own(s, loop)) {
        return false;
    }
    const reel__item *item = reel__item_at(p, loop, s->item);
    return is_sum(p, item) && !reel__is_read_outside(item) && item->lead == 0 &&
           reel__count_readers(p, loop, s->item) == 1;
}

uint32_t reel__terms_of(const reel__plan *p, uint32_t loop, uint32_t sum,
                        reel__source terms[REEL__MOST_TERMS])
{
    const reel__item *item = reel__item_at(p, loop, sum);
    uint32_t n = 0;
    if (item->gone || !is_sum(p, item)) {
        return 0;
    }
    terms[n++] = item->in[0];
    terms[n++] = item->in[1];
    for (uint32_t i = 0; i < n;) {
        if (!is_inner_sum(p, loop, &terms[i])) {
            i++;
            continue;
        }
        if (n == REEL__MOST_TERMS) {
            return 0;
        }
        const reel__item *inner = reel__item_at(p, loop, terms[i].item);
        memmove(terms + i + 2, terms + i + 1, (n - i - 1) * sizeof *terms);
        terms[i] = inner->in[0];
        terms[i + 1] = inner->in[1];
        n++;
    }
    return n;
}

bool reel__become_sum(reel__plan *p, uint32_t loop, uint32_t item, uint32_t n,
                      const reel__source terms[])
{
    reel__source sum = terms[0];
    for (uint32_t i = 1; i < n; i++) {
        reel__source in[2] = { sum, terms[i] };
        reel_var like = reel_accumulate(reel__like(p, &in[0]), reel__like(p, &in[1]));
        if (i + 1 == n) {
            return reel__become(p, loop, item, like, 2, in);
        }
        uint32_t inner = reel__add_item(p, loop, like, 2, in);
        if (inner == REEL__NONE) {
            return false;
        }
        reel__limit_copies(p, loop, inner, item);
        sum = reel__from_item(loop, inner);
    }
    return false;
}

/* ---- recurrences ----------------------------------------------------------------------------- */

/* Strongly connected components of the body (Tarjan 1972), with a stack of our own. */
typedef struct {
    uint32_t *index, *low, *stack, *call, *next;
    bool *on_stack;
    uint32_t counter, depth, calls;
} components;

static bool reads_own(const reel__source *s, uint32_t loop)
{
    return s->kind == REEL__ITEM && s->loop == loop;
}

static void enter(components *c, uint32_t v)
{
    c->index[v] = c->low[v] = ++c->counter;
    c->stack[c->depth++] = v;
    c->on_stack[v] = true;
    c->next[v] = 0;
    c->call[c->calls++] = v;
}

static void leave(components *c, reel__loop *loop, uint32_t number, uint32_t v)
{
    if (c->low[v] == c->index[v]) {
        bool single = c->stack[c->depth - 1] == v;
        uint32_t member;
        do {
            member = c->stack[--c->depth];
            c->on_stack[member] = false;
            loop->item[member].recurrent = !single;
            loop->item[member].component = v;
        } while (member != v);
        for (uint32_t k = 0; single && k < loop->item[v].inputs; k++) {
            const reel__source *s = &loop->item[v].in[k];
            loop->item[v].recurrent |= reads_own(s, number) && s->item == v;
        }
    }
    c->calls--;
    if (c->calls) {
        uint32_t caller = c->call[c->calls - 1];
        c->low[caller] = c->low[v] < c->low[caller] ? c->low[v] : c->low[caller];
    }
}

static void search(components *c, reel__loop *loop, uint32_t number, uint32_t root)
{
    enter(c, root);
    while (c->calls) {
        uint32_t v = c->call[c->calls - 1];
        const reel__item *item = &loop->item[v];
        bool entered = false;
        while (!entered && c->next[v] < item->inputs) {
            const reel__source *s = &item->in[c->next[v]++];
            if (!reads_own(s, number) || loop->item[s->item].gone) {
                continue;
            }
            if (c->index[s->item] == 0) {
                enter(c, s->item);
                entered = true;
            } else if (c->on_stack[s->item] && c->index[s->item] < c->low[v]) {
                c->low[v] = c->index[s->item];
            }
        }
        if (!entered) {
            leave(c, loop, number, v);
        }
    }
}

static bool find_recurrences(reel__plan *p, uint32_t number)
{
    reel__loop *loop = &p->loops[number];
    size_t n = loop->items;
    uint32_t *room = reel__arena_take(p->t, &p->arena, n * (5 * sizeof *room + 1));
    if (room == NULL) {
        return false;
    }
    memset(room, 0, n * (5 * sizeof *room + 1));
    components c = { .index = room,
                     .low = room + n,
                     .stack = room + 2 * n,
                     .call = room + 3 * n,
                     .next = room + 4 * n,
                     .on_stack = (bool *)(room + 5 * n) };
    for (uint32_t i = 0; i < n; i++) {
        if (!loop->item[i].gone && c.index[i] == 0) {
            search(&c, loop, number, i);
        }
    }
    return true;
}

bool reel__find_recurrences(reel__plan *p)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        if (!p->loops[l].gone && p->loops[l].items && !find_recurrences(p, l)) {
            return false;
        }
    }
    return true;
}

/* ---- what nobody reads ------------------------------------------------------------------------- */

static void count_outer_readers(reel__plan *p)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            p->loops[l].item[k].outer_readers = 0;
        }
    }
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            const reel__item *item = &p->loops[l].item[k];
            for (uint32_t i = 0; !item->gone && i < item->inputs; i++) {
                const reel__source *s = &item->in[i];
                if (s->kind == REEL__ITEM && s->loop != l) {
                    reel__item_at(p, s->loop, s->item)->outer_readers++;
                }
            }
        }
    }
}

void reel__drop_unread(reel__plan *p)
{
    bool changed = true;
    while (changed) {
        changed = false;
        count_outer_readers(p);
        for (uint32_t l = 0; l < p->loop_count; l++) {
            for (uint32_t k = p->loops[l].items; k-- > 0;) {
                reel__item *item = &p->loops[l].item[k];
                if (!item->gone && item->ranges == NULL && !reel__is_read_outside(item) &&
                    reel__count_readers(p, l, k) == 0) {
                    item->gone = changed = true;
                }
            }
        }
    }
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            reel__item *item = &p->loops[l].item[k];
            if (item->joined != REEL__NONE && p->loops[l].item[item->joined].gone) {
                item->joined = REEL__NONE;
            }
        }
    }
}

/* ---- what a source is, seen from further away -------------------------------------------------- */

bool reel__compose(const reel__plan *p, const reel__source *outer, uint32_t input,
                   reel__source *out)
{
    *out = reel__item_at(p, outer->loop, outer->item)->in[input];
    out->offset += out->scale * outer->offset;
    out->scale *= outer->scale;
    return out->kind == REEL__SAME || out->kind == REEL__SLICE || out->kind == REEL__ITEM;
}
