/* roll.c: finds the loops in what has to run.
 *
 *     before   step 0: concat matmul sigmoid …   step 1: concat matmul sigmoid …   step 2: …
 *     after    a loop of three copies of the body "concat matmul sigmoid …"
 *
 * Steps are known by their marks (reel_step_begin; the reverse sweep gives its nodes the marks of
 * the nodes they differentiate), or in a plain C loop by the period in which ops repeat (period.c).
 * Neighbouring steps that are alike, node by node, are copies of one body. A step at either end may
 * lack nodes of the body: the first step of a backward pass has nothing to add to, the last one
 * nothing to pass on. / */
#include <string.h>

#include "plan.h"

#define MOST_LEVELS 4

typedef struct {
    reel__plan *p;
    uint32_t *nodes; /* of the level, in recording order */
    uint32_t count;
    reel__segment *segments;
    uint32_t segment_count;
    uint32_t *item; /* [longest body] for matching ragged steps */
} roller;

/* ---- the steps ------------------------------------------------------------------------------- */

static const reel__mark *mark_at(const reel__plan *p, uint32_t mark)
{
    return (const reel__mark *)p->t->marks.data + mark;
}

/* The mark's ancestor that is `level` steps deep, 0 when it is not that deep. */
static uint32_t mark_at_level(const reel__plan *p, uint32_t mark, int level)
{
    int depth = 0;
    for (uint32_t m = mark; m; m = mark_at(p, m)->parent) {
        depth++;
    }
    for (; depth > level; depth--) {
        mark = mark_at(p, mark)->parent;
    }
    return depth == level ? mark : 0;
}

bool reel__has_to_run(const reel__plan *p, uint32_t i)
{
    return p->readers[i] && reel__node_at(p->t, i)->op->kind != REEL_LEAF &&
           (p->recorded || reel__value_at(p->t, i)->data == NULL);
}

static bool list_segments(roller *r, int level)
{
    reel__plan *p = r->p;
    size_t n = p->needed + 1;
    r->nodes = reel__arena_take(p->t, &p->arena, n * sizeof *r->nodes);
    r->segments = reel__arena_take(p->t, &p->arena, n * sizeof *r->segments);
    if (r->nodes == NULL || r->segments == NULL) {
        return false;
    }
    r->count = r->segment_count = 0;
    uint32_t last_mark = 0, at_level = 0;
    for (uint32_t i = p->oldest; i < p->nodes; i++) {
        const reel__node *node = reel__node_at(p->t, i);
        if (node->mark == 0 || p->loop_of[i] != REEL__NONE || !reel__has_to_run(p, i)) {
            continue;
        }
        if (node->mark != last_mark) {
            last_mark = node->mark;
            at_level = mark_at_level(p, node->mark, level);
        }
        if (at_level == 0) {
            continue;
        }
        bool backward = node->flags & REEL__BACKWARD;
        reel__segment *last = r->segment_count ? &r->segments[r->segment_count - 1] : NULL;
        if (last == NULL || last->mark != at_level || last->backward != backward) {
            last = &r->segments[r->segment_count++];
            *last = (reel__segment){ .mark = at_level, .backward = backward, .begin = r->count };
        }
        r->nodes[r->count++] = i;
        last->count++;
    }
    return true;
}

/* A program may give its steps any number. */
static int64_t distance(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* One past the last segment of the run that begins with `from`: steps of one loop, up or down. */
static uint32_t end_of_run(const roller *r, uint32_t from)
{
    int64_t direction = 0;
    uint32_t i = from + 1;
    for (; i < r->segment_count; i++) {
        const reel__segment *a = &r->segments[i - 1], *b = &r->segments[i];
        const reel__mark *x = mark_at(r->p, a->mark), *y = mark_at(r->p, b->mark);
        int64_t stride = distance(y->step, x->step);
        if (a->backward != b->backward || x->parent != y->parent || (stride != 1 && stride != -1) ||
            (direction && stride != direction)) {
            break;
        }
        direction = stride;
    }
    return i;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static bool alike(const reel_tape *t, uint32_t a, uint32_t b)
{
    const reel__node *x = reel__node_at(t, a), *y = reel__node_at(t, b);
    if (x->op != y->op || x->shape != y->shape || x->inputs != y->inputs) {
        return false;
    }
    const uint32_t *x_in = reel__inputs_of(t, x), *y_in = reel__inputs_of(t, y);
    for (uint32_t i = 0; i < x->inputs; i++) {
        if (reel__node_at(t, x_in[i])->shape != reel__node_at(t, y_in[i])->shape) {
            return false;
        }
    }
    return true;
}

static bool same_body(const roller *r, const reel__segment *a, const reel__segment *b)
{
    if (a->count != b->count || r->p->loop_of[r->nodes[a->begin]] != REEL__NONE) {
        return false;
    }
    for (uint32_t k = 0; k < a->count; k++) {
        if (!alike(r->p->t, r->nodes[a->begin + k], r->nodes[b->begin + k])) {
            return false;
        }
    }
    return true;
}

reel__loop *reel__new_loop(reel__plan *p)
{
    reel__loop *loops = reel__arena_grow(p->t, &p->arena, p->loops, p->loop_count,
                                         &p->loop_capacity, sizeof *loops);
    if (loops == NULL) {
        return NULL;
    }
    p->loops = loops;
    p->loops[p->loop_count] = (reel__loop){ 0 };
    return &p->loops[p->loop_count++];
}

static bool is_banned(const reel__plan *p, uint32_t first_node)
{
    for (size_t i = 0; i < p->banned_count; i++) {
        if (p->banned[i] == first_node) {
            return true;
        }
    }
    return false;
}

static void assign(reel__plan *p, uint32_t loop, uint32_t item, uint32_t copy, uint32_t node)
{
    reel__item_at(p, loop, item)->member[copy] = node;
    p->loop_of[node] = loop;
    p->item_of[node] = item;
    p->copy_of[node] = copy;
}

/* ---- ragged ends ----------------------------------------------------------------------------- */

/* Whether input node `in` of the ragged step is what the body's copy says, where it reads `reference`
 * and the copy after it `next`. */
static bool input_fits(const roller *r, uint32_t loop, uint32_t copy, uint32_t reference,
                       uint32_t next, uint32_t in)
{
    const reel__plan *p = r->p;
    if (reference == next) {
        return in == reference;
    }
    if (p->loop_of[reference] == REEL__NONE) {
        return p->loop_of[in] == REEL__NONE;
    }
    if (p->loop_of[reference] == loop && p->copy_of[reference] == copy) {
        return r->item[p->item_of[reference]] == in;
    }
    /* of another copy or loop; or what stands there before the first copy */
    return p->loop_of[in] == REEL__NONE ||
           (p->loop_of[in] == p->loop_of[reference] && p->item_of[in] == p->item_of[reference]);
}

/* Matches the nodes of a segment, in order, with those of the body's copy `copy`. In the first step
 * a sum whose carried term is missing stands for the other term; anything else that is missing is
 * not computed. */
static bool match_ragged(const roller *r, uint32_t number, uint32_t copy, const reel__segment *s,
                         bool first)
{
    const reel__plan *p = r->p;
    const reel__loop *loop = &p->loops[number];
    uint32_t used = 0;
    for (uint32_t k = 0; k < loop->items; k++) {
        uint32_t reference = loop->item[k].member[copy];
        const reel__node *like = reel__node_at(p->t, reference);
        const uint32_t *in = reel__inputs_of(p->t, like);
        uint32_t node = used < s->count ? r->nodes[s->begin + used] : REEL__NONE;
        bool fits = node != REEL__NONE && alike(p->t, node, reference);
        const uint32_t *next =
            reel__inputs_of(p->t, reel__node_at(p->t, loop->item[k].member[copy + 1]));
        for (uint32_t i = 0; fits && i < like->inputs; i++) {
            fits = input_fits(r, number, copy, in[i], next[i],
                              reel__inputs_of(p->t, reel__node_at(p->t, node))[i]);
        }
        r->item[k] = REEL__NONE;
        if (fits) {
            r->item[k] = node;
            used++;
            continue;
        }
        for (uint32_t i = 0; first && like->op == &reel__op_accumulate && i < 2; i++) {
            bool own = p->loop_of[in[i]] == number && p->copy_of[in[i]] == copy;
            if (own && r->item[k] == REEL__NONE) {
                r->item[k] = r->item[p->item_of[in[i]]];
            }
        }
    }
    return used == s->count;
}

/* Enters the matched step as copy `copy`. A sum that stands for its term has that term's node. */
static void enter_ragged(const roller *r, uint32_t number, uint32_t copy, const reel__segment *s)
{
    reel__loop *loop = &r->p->loops[number];
    uint32_t used = 0;
    for (uint32_t k = 0; k < loop->items; k++) {
        uint32_t node = r->item[k];
        loop->item[k].member[copy] = node;
        if (used < s->count && node == r->nodes[s->begin + used]) {
            assign(r->p, number, k, copy, node);
            used++;
        }
    }
}

/* ---- a loop ---------------------------------------------------------------------------------- */

static bool make_items(reel__plan *p, uint32_t number, uint32_t items, int64_t room)
{
    reel__loop *loop = &p->loops[number];
    loop->item = reel__arena_take(p->t, &p->arena, items * sizeof *loop->item);
    uint32_t *members =
        reel__arena_take(p->t, &p->arena, (size_t)items * (size_t)room * sizeof *members);
    if (loop->item == NULL || members == NULL) {
        return false;
    }
    loop->items = loop->capacity = items;
    for (uint32_t k = 0; k < items; k++) {
        loop->item[k] = reel__blank_item();
        loop->item[k].member = members + (size_t)k * (size_t)room;
    }
    return true;
}

void reel__renumber_copies(reel__plan *p, uint32_t number)
{
    const reel__loop *loop = &p->loops[number];
    for (uint32_t k = 0; k < loop->items; k++) {
        loop->item[k].member++;
        for (int64_t e = 0; e < loop->steps; e++) {
            uint32_t node = loop->item[k].member[e];
            if (node != REEL__NONE && p->item_of[node] == k && p->loop_of[node] == number) {
                p->copy_of[node] = (uint32_t)e;
            }
        }
    }
}

/* Segments [from, to) are copies; those beside them may be ragged ones. */
static bool fill_loop(roller *r, uint32_t low, uint32_t from, uint32_t to, uint32_t high)
{
    reel__plan *p = r->p;
    const reel__segment *body = &r->segments[from];
    uint32_t first_node = r->nodes[body->begin];
    if (is_banned(p, first_node)) {
        return true;
    }
    reel__loop *loop = reel__new_loop(p);
    uint32_t number = p->loop_count - 1, alike_steps = to - from;
    if (loop == NULL || !make_items(p, number, body->count, alike_steps + 2)) {
        return false;
    }
    loop->first_node = first_node;
    r->item = reel__arena_take(p->t, &p->arena, body->count * sizeof *r->item);
    if (r->item == NULL) {
        return false;
    }
    for (uint32_t e = 0; e < alike_steps; e++) {
        for (uint32_t k = 0; k < body->count; k++) {
            assign(p, number, k, e + 1, r->nodes[r->segments[from + e].begin + k]);
        }
    }
    bool last = to < high && match_ragged(r, number, 2, &r->segments[to], false);
    if (last) {
        enter_ragged(r, number, alike_steps + 1, &r->segments[to]);
    }
    bool first = from > low && match_ragged(r, number, 2, &r->segments[from - 1], true);
    if (first) {
        enter_ragged(r, number, 0, &r->segments[from - 1]);
    }
    loop->steps = alike_steps + first + last;
    loop->ragged_first = first;
    loop->ragged_last = last;
    for (uint32_t k = 0; k < loop->items; k++) {
        loop->item[k].node = loop->item[k].member[1];
        loop->item[k].end = loop->steps;
    }
    if (!first) {
        reel__renumber_copies(p, number); /* room was kept for a ragged first step */
    }
    return true;
}

/* The longest stretch of copies around the middle step; [*from, *to) is what need not be looked at
 * again. */
static bool roll_middle(roller *r, uint32_t low, uint32_t high, uint32_t *from, uint32_t *to)
{
    uint32_t middle = low + (high - low) / 2;
    *from = middle;
    *to = middle + 1;
    while (*from > low && same_body(r, &r->segments[*from - 1], &r->segments[middle])) {
        --*from;
    }
    while (*to < high && same_body(r, &r->segments[*to], &r->segments[middle])) {
        ++*to;
    }
    return *to - *from < REEL__FEWEST_COPIES || fill_loop(r, low, *from, *to, high);
}

/* Ranges that wait are at most half as long as those before them. */
#define MOST_RANGES 64

static bool roll_run(roller *r, uint32_t low, uint32_t high)
{
    uint32_t waiting[MOST_RANGES][2], n = 0;
    for (;;) {
        while (high - low < REEL__FEWEST_COPIES) {
            if (n == 0) {
                return true;
            }
            low = waiting[--n][0];
            high = waiting[n][1];
        }
        uint32_t from, to;
        if (!roll_middle(r, low, high, &from, &to)) {
            return false;
        }
        bool left_is_longer = from - low > high - to;
        if (n < MOST_RANGES) { /* the longer side waits */
            waiting[n][0] = left_is_longer ? low : to;
            waiting[n++][1] = left_is_longer ? from : high;
        }
        low = left_is_longer ? to : low;
        high = left_is_longer ? high : from;
    }
}

bool reel__roll_segments(reel__plan *p, uint32_t *nodes, reel__segment *segments, uint32_t count)
{
    roller r = { .p = p, .nodes = nodes, .segments = segments, .segment_count = count };
    return roll_run(&r, 0, count);
}

static bool roll_level(reel__plan *p, int level)
{
    roller r = { .p = p };
    if (!list_segments(&r, level)) {
        return false;
    }
    for (uint32_t i = 0; i < r.segment_count;) {
        uint32_t end = end_of_run(&r, i);
        if (!roll_run(&r, i, end)) {
            return false;
        }
        i = end;
    }
    return true;
}

static int deepest_level(const reel__plan *p)
{
    int deepest = 0;
    for (uint32_t m = 1; m < p->t->marks.count; m++) {
        int depth = 0;
        for (uint32_t k = m; k && depth <= MOST_LEVELS; k = mark_at(p, k)->parent) {
            depth++;
        }
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest < MOST_LEVELS ? deepest : MOST_LEVELS;
}

bool reel__roll(reel__plan *p)
{
    int levels = deepest_level(p);
    for (int level = 1; level <= levels; level++) {
        if (!roll_level(p, level)) {
            return false;
        }
    }
    return reel__roll_periods(p) && reel__find_sources(p);
}
