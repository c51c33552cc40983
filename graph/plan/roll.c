/* roll.c: finds the loops in a tape.
 *
 *     before   step 0: concat matmul sigmoid …   step 1: concat matmul sigmoid …   step 2: …
 *     after    a loop of three copies of the body "concat matmul sigmoid …", and for each input of
 *              its nodes whether it is the same in all copies, another member, or a slice by step
 *
 * The marks that reel_unroll leaves say which step a node belongs to; the reverse sweep gave its
 * nodes the marks of the nodes they differentiate. Steps at the ends that differ from the one in
 * the middle (the last has no gradient from a successor) stay outside. / */
#include <string.h>

#include "plan.h"

#define FEWEST_STEPS 4

/* ---- which loop a mark belongs to ------------------------------------------------------------ */

/* A program may give its steps any number. */
static int64_t distance(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

/* Marks with one parent whose steps count up or down by one are the steps of one loop. */
static size_t number_marks(const reel_tape *t, uint32_t *loop_of_mark)
{
    const reel__mark *mark = t->marks.data;
    size_t loops = 0;
    int64_t direction = 0;
    loop_of_mark[0] = REEL__NONE;
    for (size_t m = 1; m < t->marks.count; m++) {
        int64_t stride = m > 1 ? distance(mark[m].step, mark[m - 1].step) : 0;
        bool goes_on = m > 1 && mark[m].parent == mark[m - 1].parent &&
                       (stride == 1 || stride == -1) && (direction == 0 || stride == direction);
        direction = goes_on ? stride : 0;
        loops += !goes_on;
        loop_of_mark[m] = (uint32_t)(loops - 1);
    }
    return loops;
}

/* ---- the nodes of each step ------------------------------------------------------------------ */

/* One candidate for each loop of marks and each direction of the sweep. */
typedef struct {
    int64_t low, high; /* steps seen */
    uint32_t *count;   /* [high - low + 1] nodes of each step */
    uint32_t **nodes;  /* [high - low + 1] them */
    uint32_t total;
} candidate;

/* The candidate that node i belongs to, or NULL. */
static candidate *candidate_node(const reel__plan *p, const uint32_t *loop_of_mark, candidate *list,
                                 uint32_t i)
{
    const reel__node *node = reel__node_at(p->t, i);
    if (!p->readers[i] || !node->mark || node->op->kind == REEL_LEAF) {
        return NULL;
    }
    return &list[loop_of_mark[node->mark] * 2 + (node->flags & REEL__BACKWARD ? 1 : 0)];
}

static int64_t step_of(const reel__plan *p, uint32_t i)
{
    return ((const reel__mark *)p->t->marks.data)[reel__node_at(p->t, i)->mark].step;
}

/* Far from any number that counts steps; differences of what lies between do not overflow. */
#define FARTHEST_STEP ((int64_t)1 << 60)

/* Steps with more gaps than nodes are no loop. */
static bool is_loop(const candidate *c)
{
    return c->low > -FARTHEST_STEP && c->high < FARTHEST_STEP && c->high - c->low < c->total;
}

static bool make_rooms(reel__plan *p, candidate *c)
{
    c->total = c->total && is_loop(c) ? c->total : 0;
    if (c->total == 0) {
        return true;
    }
    size_t steps = (size_t)(c->high - c->low + 1);
    c->count = reel__arena_take(p->t, &p->arena, steps * sizeof *c->count);
    c->nodes = reel__arena_take(p->t, &p->arena, steps * sizeof *c->nodes);
    if (c->count == NULL || c->nodes == NULL) {
        return false;
    }
    memset(c->count, 0, steps * sizeof *c->count);
    return true;
}

static bool sort_into_steps(reel__plan *p, const uint32_t *loop_of_mark, candidate *list, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        list[k] = (candidate){ .low = INT64_MAX, .high = INT64_MIN };
    }
    for (uint32_t i = 0; i < p->nodes; i++) {
        candidate *c = candidate_node(p, loop_of_mark, list, i);
        if (c) {
            int64_t step = step_of(p, i);
            c->low = step < c->low ? step : c->low;
            c->high = step > c->high ? step : c->high;
            c->total++;
        }
    }
    for (size_t k = 0; k < n; k++) {
        if (!make_rooms(p, &list[k])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < p->nodes; i++) {
        candidate *c = candidate_node(p, loop_of_mark, list, i);
        if (c && c->total) {
            c->count[step_of(p, i) - c->low]++;
        }
    }
    for (size_t k = 0; k < n; k++) {
        for (int64_t s = 0; list[k].total && s <= list[k].high - list[k].low; s++) {
            list[k].nodes[s] =
                reel__arena_take(p->t, &p->arena, (list[k].count[s] + 1) * sizeof(uint32_t));
            if (list[k].nodes[s] == NULL) {
                return false;
            }
            list[k].count[s] = 0;
        }
    }
    for (uint32_t i = 0; i < p->nodes; i++) {
        candidate *c = candidate_node(p, loop_of_mark, list, i);
        if (c && c->total) {
            int64_t s = step_of(p, i) - c->low;
            c->nodes[s][c->count[s]++] = i;
        }
    }
    return true;
}

/* ---- copies ---------------------------------------------------------------------------------- */

static bool alike(const reel_tape *t, const uint32_t *a, const uint32_t *b, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        const reel__node *x = reel__node_at(t, a[k]), *y = reel__node_at(t, b[k]);
        if (x->op != y->op || x->shape != y->shape || x->inputs != y->inputs) {
            return false;
        }
        const uint32_t *x_in = reel__inputs_of(t, x), *y_in = reel__inputs_of(t, y);
        for (uint32_t i = 0; i < x->inputs; i++) {
            if (reel__node_at(t, x_in[i])->shape != reel__node_at(t, y_in[i])->shape) {
                return false;
            }
        }
    }
    return true;
}

static bool same_body(const reel_tape *t, const candidate *c, int64_t a, int64_t b)
{
    return c->count[a] == c->count[b] && alike(t, c->nodes[a], c->nodes[b], c->count[a]);
}

static reel__loop *new_loop(reel__plan *p)
{
    if (p->loop_count == p->loop_capacity) {
        size_t capacity = p->loop_capacity ? 2 * p->loop_capacity : 8;
        reel__loop *loops = reel__arena_take(p->t, &p->arena, capacity * sizeof *loops);
        if (loops == NULL) {
            return NULL;
        }
        if (p->loop_count) {
            memcpy(loops, p->loops, p->loop_count * sizeof *loops);
        }
        p->loops = loops;
        p->loop_capacity = capacity;
    }
    return &p->loops[p->loop_count++];
}

static bool attributes_differ(const reel_tape *t, uint32_t a, uint32_t b)
{
    const reel__node *x = reel__node_at(t, a), *y = reel__node_at(t, b);
    return x->attributes != y->attributes && x->op->attribute_size &&
           memcmp(x->attributes, y->attributes, x->op->attribute_size) != 0;
}

static bool fill_loop(reel__plan *p, const candidate *c, int64_t from, int64_t to)
{
    reel__loop *loop = new_loop(p);
    if (loop == NULL) {
        return false;
    }
    *loop = (reel__loop){ .first = c->low + from, .steps = to - from, .length = c->count[from] };
    loop->direction = c->nodes[from][0] < c->nodes[from + 1][0] ? 1 : -1;
    size_t size = (size_t)loop->steps * loop->length;
    loop->member = reel__arena_take(p->t, &p->arena, size * sizeof *loop->member);
    loop->stack = reel__arena_take(p->t, &p->arena, loop->length * sizeof *loop->stack);
    loop->varies = reel__arena_take(p->t, &p->arena, loop->length * sizeof *loop->varies);
    if (loop->member == NULL || loop->stack == NULL || loop->varies == NULL) {
        return false;
    }
    p->t->planned.loops++;
    p->t->planned.copies += (uint32_t)loop->steps;
    memset(loop->varies, 0, loop->length * sizeof *loop->varies);
    memset(loop->stack, 0xff, loop->length * sizeof *loop->stack);
    for (int64_t s = 0; s < loop->steps; s++) {
        memcpy(loop->member + (size_t)s * loop->length, c->nodes[from + s],
               loop->length * sizeof *loop->member);
        for (uint32_t k = 0; k < loop->length; k++) {
            uint32_t i = reel__member(loop, s, k);
            p->loop_of[i] = (uint32_t)(p->loop_count - 1);
            p->position[i] = k;
            p->step[i] = loop->first + s;
            loop->varies[k] =
                loop->varies[k] || attributes_differ(p->t, i, reel__member(loop, 0, k));
        }
    }
    return true;
}

/* The longest run of steps around the middle one that are copies of it. */
static bool roll_candidate(reel__plan *p, const candidate *c)
{
    int64_t steps = c->total ? c->high - c->low + 1 : 0;
    if (steps < FEWEST_STEPS) {
        return true;
    }
    int64_t middle = steps / 2, from = middle, to = middle + 1;
    if (c->count[middle] == 0) {
        return true;
    }
    while (from > 0 && same_body(p->t, c, from - 1, middle)) {
        from--;
    }
    while (to < steps && same_body(p->t, c, to, middle)) {
        to++;
    }
    return to - from < FEWEST_STEPS || fill_loop(p, c, from, to);
}

bool reel__roll(reel__plan *p)
{
    reel_tape *t = p->t;
    uint32_t *loop_of_mark = reel__arena_take(t, &p->arena, t->marks.count * sizeof *loop_of_mark);
    if (loop_of_mark == NULL) {
        return false;
    }
    t->planned.loops = t->planned.copies = 0;
    size_t candidates = 2 * number_marks(t, loop_of_mark);
    candidate *list = reel__arena_take(t, &p->arena, (candidates + 1) * sizeof *list);
    if (list == NULL || !sort_into_steps(p, loop_of_mark, list, candidates)) {
        return false;
    }
    for (size_t k = 0; k < candidates; k++) {
        if (!roll_candidate(p, &list[k])) {
            return false;
        }
    }
    return true;
}

/* ---- relations ------------------------------------------------------------------------------- */

static uint32_t input_of(const reel__plan *p, const reel__loop *loop, int64_t s, uint32_t position,
                         uint32_t input)
{
    return reel__inputs_of(p->t, reel__node_at(p->t, reel__member(loop, s, position)))[input];
}

static bool is_slice(const reel_tape *t, uint32_t i, uint32_t *base, int64_t *index)
{
    const reel__node *node = reel__node_at(t, i);
    if (node->op->at_index == NULL) {
        return false;
    }
    *base = reel__inputs_of(t, node)[0];
    *index = node->op->at_index(node->attributes);
    return true;
}

static reel__relation relate_first(const reel__plan *p, const reel__loop *loop, uint32_t position,
                                   uint32_t input)
{
    const reel_tape *t = p->t;
    reel__relation r = { .kind = REEL__IRREGULAR };
    uint32_t first = input_of(p, loop, 0, position, input),
             second = input_of(p, loop, 1, position, input);
    uint32_t base;
    int64_t index;
    if (first == second) {
        r = (reel__relation){ .kind = REEL__INVARIANT, .node = first };
    } else if (is_slice(t, first, &base, &index)) {
        r = (reel__relation){ .kind = REEL__SLICES, .node = base, .shift = index - loop->first };
    } else if (first < p->nodes && p->loop_of[first] != REEL__NONE) {
        r = (reel__relation){ .kind = REEL__FAMILY,
                              .loop = p->loop_of[first],
                              .position = p->position[first],
                              .shift = p->step[first] - loop->first };
    }
    return r;
}

static bool holds(const reel__plan *p, const reel__relation *r, uint32_t node, int64_t step)
{
    uint32_t base;
    int64_t index;
    switch (r->kind) {
    case REEL__INVARIANT:
        return node == r->node;
    case REEL__SLICES:
        return is_slice(p->t, node, &base, &index) && base == r->node && index == step + r->shift;
    case REEL__FAMILY:
        return p->loop_of[node] == r->loop && p->position[node] == r->position &&
               p->step[node] == step + r->shift;
    case REEL__IRREGULAR:
        break;
    }
    return false;
}

reel__relation reel__relate(const reel__plan *p, uint32_t loop_number, uint32_t position,
                            uint32_t input)
{
    const reel__loop *loop = &p->loops[loop_number];
    reel__relation r = relate_first(p, loop, position, input);
    for (int64_t s = 1; s < loop->steps; s++) {
        if (!holds(p, &r, input_of(p, loop, s, position, input), loop->first + s)) {
            return (reel__relation){ .kind = REEL__IRREGULAR };
        }
    }
    return r;
}
