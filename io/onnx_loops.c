/* onnx_loops.c: which loops of a recording become Scans, and what is needed of them.
 *
 *     found by the planner   T copies of a body; the first and the last may lack nodes
 *     scanned                the copies that are whole; the others are written node by node
 */
#ifdef REEL_HAVE_PROTOBUF_C
#include "onnx_loops.h"

#include <string.h>

typedef reel__onnx_loops loops;

/* ---- finding --------------------------------------------------------------------------------- */

static bool take_arrays(loops *s)
{
    reel_tape *t = s->list->tape;
    reel__plan *p = &s->plan;
    size_t n = t->nodes.count;
    uint32_t *all = reel__arena_take(t, &p->arena, (5 * n + 1) * sizeof *all);
    s->needed = reel__arena_take(t, &p->arena, s->list->count + 1u);
    if (all == NULL || s->needed == NULL) {
        return false;
    }
    memset(all, 0xff, 5 * n * sizeof *all);
    memset(s->needed, 0, s->list->count + 1u);
    p->readers = all;
    memset(p->readers, 0, n * sizeof *p->readers);
    p->loop_of = all + n;
    p->item_of = all + 2 * n;
    p->copy_of = all + 3 * n;
    s->position = all + 4 * n;
    return true;
}

/* What is listed is what has to run, whatever has run already. */
static void list_needs(loops *s)
{
    reel__plan *p = &s->plan;
    p->nodes = (uint32_t)s->list->tape->nodes.count;
    p->oldest = p->nodes;
    p->recorded = true;
    for (uint32_t i = 0; i < s->list->count; i++) {
        const reel__listed *y = &s->list->item[i];
        s->position[y->node] = i;
        if (y->kind == REEL__LISTED_CALL) {
            p->readers[y->node] = 1;
            p->needed++;
            p->oldest = y->node < p->oldest ? y->node : p->oldest;
        }
    }
}

/* The planner counts for those who ask it to explain what it ran; this is none of that. */
static bool roll(loops *s)
{
    reel_tape *t = s->list->tape;
    reel__plan_counts counts = t->planned;
    bool fine = reel__roll(&s->plan);
    t->planned = counts;
    return fine;
}

static bool every_member_is_real(const loops *s, uint32_t number)
{
    const reel__plan *p = &s->plan;
    const reel__onnx_loop *l = &s->loop[number];
    for (uint32_t k = 0; k < p->loops[number].items; k++) {
        for (int64_t e = l->begin; e < l->end; e++) {
            uint32_t node = p->loops[number].item[k].member[e];
            if (node == REEL__NONE || p->loop_of[node] != number || p->item_of[node] != k ||
                p->copy_of[node] != e || s->position[node] == REEL__NONE) {
                return false;
            }
        }
    }
    return true;
}

/* Slices of something that is an input of the model one by one stand for themselves. */
static bool can_be_sliced(const loops *s, uint32_t number, uint32_t item, uint32_t i)
{
    const reel__source *from = &reel__item_at(&s->plan, number, item)->in[i];
    const reel__onnx_loop *l = &s->loop[number];
    bool can = from->kind != REEL__SLICE || s->position[from->node] != REEL__NONE;
    for (int64_t e = l->begin; can && from->kind == REEL__SLICE && e < l->end; e++) {
        uint32_t read = reel__onnx_read_by(s, number, item, i, e);
        can = s->list->item[read].kind == REEL__LISTED_CALL;
    }
    return can;
}

/* Every item is the same op in all copies, or picks an index; and what precedes the first copy is
 * there. */
static bool can_be_scanned(const loops *s, uint32_t number)
{
    const reel__loop *loop = &s->plan.loops[number];
    for (uint32_t k = 0; k < loop->items; k++) {
        const reel__item *item = &loop->item[k];
        bool picks = reel__op_of(&s->plan, item)->at_index && item->in[0].kind == REEL__SAME;
        if (item->varies && !picks) {
            return false;
        }
        for (uint32_t i = 0; i < item->inputs; i++) {
            if (!can_be_sliced(s, number, k, i)) {
                return false;
            }
        }
        for (uint32_t b = 0; b < item->lead; b++) {
            if (item->initial[b] >= REEL__ZERO) {
                return false;
            }
        }
    }
    return true;
}

static bool choose_loops(loops *s)
{
    reel__plan *p = &s->plan;
    s->loop = reel__arena_take(p->t, &p->arena, (p->loop_count + 1) * sizeof *s->loop);
    for (uint32_t l = 0; s->loop && l < p->loop_count; l++) {
        const reel__loop *loop = &p->loops[l];
        size_t bytes = loop->items * sizeof(reel__onnx_item);
        s->loop[l] = (reel__onnx_loop){ .begin = loop->ragged_first,
                                        .end = loop->steps - loop->ragged_last,
                                        .item = reel__arena_take(p->t, &p->arena, bytes + 1) };
        if (s->loop[l].item == NULL) {
            return false;
        }
        memset(s->loop[l].item, 0, bytes);
        s->loop[l].scanned = !loop->gone &&
                             s->loop[l].end - s->loop[l].begin >= REEL__FEWEST_COPIES &&
                             every_member_is_real(s, l) && can_be_scanned(s, l);
    }
    return s->loop != NULL;
}

static size_t bytes_of(const loops *s, const reel__listed *y)
{
    return y->index || s->list->tape->options.dtype == REEL_F32 ? 4 : 8;
}

/* ---- looking at them ------------------------------------------------------------------------- */

uint32_t reel__onnx_loop_of(const loops *s, uint32_t position, uint32_t *item, int64_t *copy)
{
    if (s->loop == NULL || s->list->item[position].kind != REEL__LISTED_CALL) {
        return REEL__NONE;
    }
    uint32_t node = s->list->item[position].node, loop = s->plan.loop_of[node];
    if (loop == REEL__NONE || !s->loop[loop].scanned ||
        s->plan.copy_of[node] < s->loop[loop].begin || s->plan.copy_of[node] >= s->loop[loop].end) {
        return REEL__NONE;
    }
    *item = s->plan.item_of[node];
    *copy = s->plan.copy_of[node];
    return loop;
}

uint32_t reel__onnx_read_by(const loops *s, uint32_t loop, uint32_t item, uint32_t i, int64_t copy)
{
    uint32_t node = reel__item_at(&s->plan, loop, item)->member[copy];
    return s->position[reel__inputs_of(s->plan.t, reel__node_at(s->plan.t, node))[i]];
}

uint32_t reel__onnx_before(const loops *s, uint32_t loop, uint32_t item, uint32_t back)
{
    const reel__item *k = reel__item_at(&s->plan, loop, item);
    int64_t copy = s->loop[loop].begin - 1 - (int64_t)back;
    return s->position[copy >= 0 ? k->member[copy] : k->initial[-copy - 1]];
}

bool reel__onnx_picks(const loops *s, uint32_t loop, uint32_t item, int64_t copy, int64_t *at)
{
    const reel__item *k = reel__item_at(&s->plan, loop, item);
    const reel__node *node = reel__node_at(s->plan.t, k->member[copy]);
    *at = k->varies ? node->op->at_index(node->attributes) : 0;
    return k->varies;
}

/* A program that gives a constant anew in each step means one. */
bool reel__onnx_is_constant(const loops *s, uint32_t loop, uint32_t item, uint32_t i)
{
    const reel__onnx_loop *l = &s->loop[loop];
    const reel__listed *first = &s->list->item[reel__onnx_read_by(s, loop, item, i, l->begin)];
    bool same = reel__item_at(&s->plan, loop, item)->in[i].kind == REEL__TABLE;
    for (int64_t e = l->begin; same && e < l->end; e++) {
        const reel__listed *y = &s->list->item[reel__onnx_read_by(s, loop, item, i, e)];
        same = y->kind == REEL__LISTED_CONSTANT && y->index == first->index &&
               reel_shape_equal(y->shape, first->shape) &&
               memcmp(y->data, first->data, (size_t)y->size * bytes_of(s, y)) == 0;
    }
    return same;
}

/* ---- what is read from outside --------------------------------------------------------------- */

typedef bool (*visitor)(void *self, uint32_t position);

static bool visit_source(const loops *s, uint32_t loop, uint32_t item, uint32_t i, visitor each,
                         void *self)
{
    const reel__source *from = &reel__item_at(&s->plan, loop, item)->in[i];
    const reel__onnx_loop *l = &s->loop[loop];
    if (from->kind == REEL__SAME || from->kind == REEL__SLICE) {
        return each(self, s->position[from->node]);
    }
    if (reel__onnx_is_constant(s, loop, item, i)) {
        return each(self, reel__onnx_read_by(s, loop, item, i, l->begin));
    }
    bool own = from->kind == REEL__ITEM && from->loop == loop, fine = true;
    for (int64_t e = l->begin; !own && fine && e < l->end; e++) {
        fine = each(self, reel__onnx_read_by(s, loop, item, i, e));
    }
    return fine;
}

static bool visit_item(const loops *s, uint32_t loop, uint32_t item, visitor each, void *self)
{
    bool fine = true;
    for (uint32_t i = 0; fine && i < reel__item_at(&s->plan, loop, item)->inputs; i++) {
        fine = visit_source(s, loop, item, i, each, self);
    }
    for (uint32_t b = 0; fine && b < s->loop[loop].item[item].lag; b++) {
        fine = each(self, reel__onnx_before(s, loop, item, b));
    }
    return fine;
}

bool reel__onnx_each_read(const loops *s, uint32_t loop, visitor each, void *self)
{
    bool fine = true;
    for (uint32_t k = 0; fine && k < s->plan.loops[loop].items; k++) {
        fine = !s->loop[loop].item[k].live || visit_item(s, loop, k, each, self);
    }
    return fine;
}

/* ---- what the outputs need ------------------------------------------------------------------- */

typedef struct {
    loops *s;
    reel__list todo; /* uint32_t: a loop or REEL__NONE, and the item or the position */
} search;

static bool push(search *w, uint32_t loop, uint32_t which)
{
    reel_tape *t = w->s->list->tape;
    return reel__list_add(t, &w->todo, loop) && reel__list_add(t, &w->todo, which);
}

static bool need_item(search *w, uint32_t loop, uint32_t item, uint32_t lag)
{
    reel__onnx_item *k = &w->s->loop[loop].item[item];
    bool news = !k->live || lag > k->lag;
    k->live = true;
    k->lag = lag > k->lag ? lag : k->lag;
    return !news || push(w, loop, item);
}

static bool need_position(void *self, uint32_t position)
{
    search *w = self;
    uint32_t item;
    int64_t copy;
    uint32_t loop = reel__onnx_loop_of(w->s, position, &item, &copy);
    if (loop != REEL__NONE) {
        reel__onnx_item *k = &w->s->loop[loop].item[item];
        bool last = copy == w->s->loop[loop].end - 1;
        *(last ? &k->last_read : &k->stacked) = true;
        return need_item(w, loop, item, 0);
    }
    bool news = !w->s->needed[position];
    w->s->needed[position] = true;
    return !news || push(w, REEL__NONE, position);
}

static bool need_inputs_of_item(search *w, uint32_t loop, uint32_t item)
{
    const reel__item *k = reel__item_at(&w->s->plan, loop, item);
    bool fine = visit_item(w->s, loop, item, need_position, w);
    for (uint32_t i = 0; fine && i < k->inputs; i++) {
        if (k->in[i].kind == REEL__ITEM && k->in[i].loop == loop) {
            fine = need_item(w, loop, k->in[i].item, (uint32_t)-k->in[i].offset);
        }
    }
    return fine;
}

static bool find_needs(loops *s)
{
    search w = { .s = s };
    bool fine = true;
    for (int i = 0; fine && i < s->list->outputs; i++) {
        fine = need_position(&w, s->list->output[i]);
    }
    while (fine && w.todo.count) {
        const uint32_t *last = (const uint32_t *)w.todo.data + (w.todo.count -= 2);
        uint32_t loop = last[0], which = last[1];
        const reel__listed *y = &s->list->item[loop == REEL__NONE ? which : 0];
        fine = loop == REEL__NONE || need_inputs_of_item(&w, loop, which);
        for (int i = 0; fine && loop == REEL__NONE && i < y->inputs; i++) {
            fine = need_position(&w, y->input[i]);
        }
    }
    reel__list_free(s->list->tape, &w.todo, sizeof(uint32_t));
    return fine;
}

bool reel__onnx_find_loops(loops *s, reel__listing *list, bool fold)
{
    *s = (loops){ .list = list, .plan = { .t = list->tape } };
    if (!take_arrays(s)) {
        return false;
    }
    list_needs(s);
    return (!fold || (roll(s) && choose_loops(s))) && find_needs(s);
}

void reel__onnx_free_loops(loops *s)
{
    reel__arena_free(s->list->tape, &s->plan.arena);
}
#else
typedef int reel__no_onnx_loops; /* a translation unit is never empty */
#endif
