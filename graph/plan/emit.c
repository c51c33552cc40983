/* emit.c: the end of planning. Loops become hidden nodes, what is read of them is redirected, and
 * all that has to run gets an order.
 *
 *     before   items and stages; nodes outside that read members of loops
 *     after    part nodes [steps, …], one loop node for each stage, an order for all of them
 *
 * Only what the targets reach is made. / */
#include <string.h>

#include "../../ops/ops.h"
#include "plan.h"

/* ---- where stacks lie -------------------------------------------------------------------------- */

static void place_copies(const reel__loop *loop, int64_t first_slot, int64_t unit,
                         reel__place *place)
{
    place->step = loop->reversed ? -unit : unit;
    place->offset = (reel__slot(loop, 0) - first_slot) * unit;
}

static bool view_of(const reel__plan *p, const reel__item *item, reel__place *place)
{
    const reel__node *node = reel__template(p, item);
    const reel_shape *x = reel__item_input(p, item, 0);
    const reel_shape *y = &reel__shape_at(p->t, node->shape)->shape;
    int64_t offset = 0, stride[REEL_MAX_RANK];
    if (!node->op->view(node->attributes, x, place->stride, y, &offset, stride)) {
        return false;
    }
    place->offset += offset;
    memcpy(place->stride, stride, sizeof stride);
    return true;
}

bool reel__find_stack(reel__plan *p, uint32_t loop_number, uint32_t number, reel__place *place,
                      uint32_t *node)
{
    const reel__loop *loop = &p->loops[loop_number];
    const reel__item *item = &loop->item[number];
    const reel__shape_entry *shape = reel__shape_at(p->t, reel__template(p, item)->shape);
    *place = (reel__place){ .kind = REEL__IN_INPUT };
    memcpy(place->stride, shape->stride, sizeof place->stride);
    if (item->lifted != REEL__NONE) {
        *node = item->lifted;
        place_copies(loop, loop->reversed ? loop->steps - item->end : item->begin, shape->size,
                     place);
        return true;
    }
    if (item->joined != REEL__NONE) {
        if (!reel__find_stack(p, loop_number, item->joined, place, node)) {
            return false;
        }
        place->offset += item->column;
        return true;
    }
    const reel__source s = item->inputs == 1 ? item->in[0] : (reel__source){ 0 };
    if (reel__op_of(p, item)->view && s.kind == REEL__ITEM && !item->varies && item->lead == 0 &&
        reel__reads_stack(p, loop_number, &s, reel__slot(loop, item->begin),
                          reel__slot(loop, item->end - 1))) {
        reel__place whole;
        uint32_t source;
        if (reel__find_stack(p, s.loop, s.item, &whole, &source) && view_of(p, item, &whole)) {
            *place = whole;
            place->offset += s.offset * whole.step;
            place->step *= s.scale;
            *node = source;
            return true;
        }
        loop = &p->loops[loop_number];
        item = &loop->item[number];
    }
    int64_t first = loop->reversed ? 0 : -(int64_t)item->lead;
    place_copies(loop, first, shape->size, place);
    if (shape->shape.rank == REEL_MAX_RANK) {
        return false;
    }
    bool gone = item->gone;
    reel_var all = reel__stack_range(p, loop_number, number, first, loop->steps + item->lead);
    return !gone && reel__resolve(p->t, all, "plan", node);
}

/* ---- what the targets reach -------------------------------------------------------------------- */

typedef struct {
    reel__plan *p;
    reel__list seen;  /* uint8_t for each node */
    reel__list todo;  /* uint32_t: nodes; items as REEL__NONE, loop, item */
    reel__list nodes; /* uint32_t: what has to run */
} reach;

static bool push(reach *r, uint32_t word)
{
    return reel__list_add(r->p->t, &r->todo, word);
}

static bool reach_item(reach *r, uint32_t loop, uint32_t number)
{
    reel__item *item = reel__item_at(r->p, loop, number);
    if (item->gone) {
        return reel__ban(r->p, loop);
    }
    if (item->live) {
        return true;
    }
    item->live = true;
    return push(r, loop) && push(r, number) && push(r, REEL__NONE);
}

/* Fewer members than these are read one by one. */
#define SHORTEST_RUN 4

/* A member of a loop that is read by itself. */
static bool redirect_member(reach *r, uint32_t node)
{
    reel__plan *p = r->p;
    uint32_t loop = p->loop_of[node], number = p->item_of[node];
    const reel__item *item = reel__item_at(p, loop, number);
    int64_t slot = reel__slot(&p->loops[loop], p->copy_of[node]);
    if (item->gone) {
        return reel__ban(p, loop);
    }
    return reel__redirect(p, node, reel__stack_range(p, loop, number, slot, 0));
}

/* How many of a stack's inputs from `first` on are members of one item in the order in which they
 * lie. */
static uint32_t length_of_run(const reel__plan *p, const uint32_t *in, uint32_t first, uint32_t n)
{
    uint32_t loop = in[first] < p->nodes ? p->loop_of[in[first]] : REEL__NONE, length = 0;
    if (loop == REEL__NONE || p->loops[loop].item[p->item_of[in[first]]].gone) {
        return 0;
    }
    uint32_t number = p->item_of[in[first]];
    int64_t slot = reel__slot(&p->loops[loop], p->copy_of[in[first]]);
    while (first + length < n && in[first + length] < p->nodes &&
           p->loop_of[in[first + length]] == loop && p->item_of[in[first + length]] == number &&
           reel__redirected(p->t, in[first + length]) == in[first + length] &&
           reel__slot(&p->loops[loop], p->copy_of[in[first + length]]) == slot + length) {
        length++;
    }
    return length;
}

static bool is_stack(const reel__plan *p, uint32_t index)
{
    const reel__node *node = reel__node_at(p->t, index);
    return index < p->nodes && node->op->joined_axis && node->inputs >= SHORTEST_RUN &&
           node->op->joined_axis(node->attributes) == 0 &&
           reel__shape_at(p->t, node->shape)->shape.rank ==
               reel__shape_entry_of(p->t, reel__inputs_of(p->t, node)[0])->shape.rank + 1;
}

/* A node that stacks members of loops: whole stretches of them lie side by side already. */
static bool redirect_stack(reach *r, uint32_t index)
{
    reel__plan *p = r->p;
    reel_tape *t = p->t;
    if (!is_stack(p, index)) {
        return true;
    }
    uint32_t n = reel__node_at(t, index)->inputs, parts = 0, runs = 0;
    uint32_t *in = reel__arena_take(t, &p->arena, n * sizeof *in);
    reel_var *part = reel__arena_take(t, &p->arena, n * sizeof *part);
    if (in == NULL || part == NULL) {
        return false;
    }
    memcpy(in, reel__inputs_of(t, reel__node_at(t, index)), n * sizeof *in);
    for (uint32_t i = 0; i < n;) {
        uint32_t length = length_of_run(p, in, i, n);
        if (length >= SHORTEST_RUN || length == n) {
            int64_t slot = reel__slot(&p->loops[p->loop_of[in[i]]], p->copy_of[in[i]]);
            part[parts++] =
                reel__stack_range(p, p->loop_of[in[i]], p->item_of[in[i]], slot, length);
            i += length;
            runs++;
        } else {
            part[parts++] = reel_unsqueeze(reel__handle(t, in[i]), 0);
            i++;
        }
    }
    if (runs == 0) {
        return true;
    }
    return reel__redirect(p, index, parts == 1 ? part[0] : reel_concat_n(0, (int)parts, part));
}

static bool is_held(const reel__plan *p, uint32_t node)
{
    return reel__node_at(p->t, node)->op->kind == REEL_LEAF || reel__value_at(p->t, node)->data;
}

static bool reach_node(reach *r, uint32_t node)
{
    reel__plan *p = r->p;
    node = reel__redirected(p->t, node);
    if (is_held(p, node)) {
        return true;
    }
    if (node < p->nodes && p->loop_of[node] != REEL__NONE) {
        if (!redirect_member(r, node)) {
            return false;
        }
        node = reel__redirected(p->t, node);
    } else if (!redirect_stack(r, node)) {
        return false;
    }
    node = reel__redirected(p->t, node);
    if (is_held(p, node)) {
        return true;
    }
    if (!reel__list_reserve_zeroed(p->t, &r->seen, p->t->nodes.count, 1)) {
        return false;
    }
    if (((uint8_t *)r->seen.data)[node]) {
        return true;
    }
    ((uint8_t *)r->seen.data)[node] = 1;
    return push(r, node);
}

static bool reach_sources(reach *r, uint32_t loop, uint32_t number)
{
    reel__plan *p = r->p;
    bool fine = true;
    for (uint32_t i = 0; fine && i < reel__item_at(p, loop, number)->inputs; i++) {
        reel__source s = reel__item_at(p, loop, number)->in[i];
        if (s.kind == REEL__TABLE) {
            for (int64_t e = 0; fine && e < p->loops[loop].steps; e++) {
                fine = reach_node(r, s.table[e]);
            }
        } else if (s.kind != REEL__ITEM) {
            fine = reach_node(r, s.node);
        } else if (s.loop == loop &&
                   reel__item_at(p, loop, s.item)->stage == reel__item_at(p, loop, number)->stage &&
                   reel__item_at(p, loop, s.item)->lifted == REEL__NONE) {
            fine = reach_item(r, loop, s.item);
        } else {
            reel__place place;
            uint32_t node;
            fine = reel__find_stack(p, s.loop, s.item, &place, &node)
                       ? reach_node(r, node)
                       : p->t->error.status == REEL_OK && reel__ban(p, loop);
        }
    }
    const reel__item *item = reel__item_at(p, loop, number);
    for (uint32_t i = 0; fine && i < item->lead; i++) {
        fine = item->initial[i] >= REEL__ZERO || reach_node(r, item->initial[i]);
        item = reel__item_at(p, loop, number);
    }
    if (fine && item->joined != REEL__NONE) {
        fine = reach_item(r, loop, item->joined);
    }
    return fine;
}

static bool reach_inputs(reach *r, uint32_t index)
{
    reel__plan *p = r->p;
    const reel__node *node = reel__node_at(p->t, index);
    if (node->op == &reel__part_op && index >= p->nodes) { /* not one of an earlier plan */
        const reel__part_attributes *a = node->attributes;
        return reach_item(r, a->loop, a->item);
    }
    for (uint32_t i = 0; i < reel__node_at(p->t, index)->inputs; i++) {
        if (!reach_node(r, reel__inputs_of(p->t, reel__node_at(p->t, index))[i])) {
            return false;
        }
    }
    return true;
}

static bool reach_all(reach *r)
{
    reel__plan *p = r->p;
    reel_tape *t = p->t;
    bool fine = true;
    for (size_t i = 0; fine && i < reel__asked_count(t, p->n_targets); i++) {
        fine = reach_node(r, reel__asked_at(t, p->n_targets, p->targets, i));
    }
    while (fine && r->todo.count) {
        uint32_t *words = r->todo.data, word = words[--r->todo.count];
        if (word == REEL__NONE) {
            uint32_t number = words[--r->todo.count], loop = words[--r->todo.count];
            fine = reach_sources(r, loop, number);
        } else {
            fine = reel__list_add(t, &r->nodes, word) && reach_inputs(r, word);
        }
    }
    return fine;
}

/* ---- loops as nodes ---------------------------------------------------------------------------- */

static bool add_loop_node(reel__plan *p, const reel__compiled *compiled, uint32_t *index)
{
    reel_tape *t = p->t;
    const reel__list *inputs = &compiled->inputs;
    reel__node node = { .op = &reel__loop_op, .inputs = (uint32_t)inputs->count, .hash = 1 };
    reel_shape scalar = { 0 };
    reel__loop_attributes *attributes = reel__arena_take(t, &p->stored->arena, sizeof *attributes);
    if (attributes == NULL || !reel__shape_intern(t, &scalar, &node.shape)) {
        return false;
    }
    *attributes = (reel__loop_attributes){ compiled->program, compiled->ranges };
    node.attributes = attributes;
    uint32_t *in = reel__room_for_inputs(t, &node, (int)inputs->count);
    if (in == NULL) {
        return false;
    }
    if (inputs->count) {
        memcpy(in, inputs->data, inputs->count * sizeof *in);
    }
    t->links.count += inputs->count > REEL__INLINE_INPUTS ? inputs->count : 0;
    return reel__append(t, &node, index);
}

static void link_parts(reel__plan *p, uint32_t loop, int stage, uint32_t loop_node)
{
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        const reel__item *item = reel__item_at(p, loop, k);
        for (const reel__range *r = item->ranges; r && reel__is_in(item, stage); r = r->next) {
            reel__node *node = reel__node_at(p->t, r->node);
            node->inputs = 1;
            node->in[0] = loop_node;
        }
    }
}

static bool is_empty(const reel__plan *p, uint32_t loop, int stage)
{
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        if (reel__is_in(reel__item_at(p, loop, k), stage)) {
            return false;
        }
    }
    return true;
}

static bool make_program(reach *r, uint32_t loop, int stage)
{
    reel__plan *p = r->p;
    reel_tape *t = p->t;
    reel__compiled compiled = { 0 };
    uint32_t node;
    bool fine = reel__compile(p, loop, stage, &compiled) &&
                (compiled.program || reel__ban(p, loop)) && add_loop_node(p, &compiled, &node) &&
                reel__not_before(p, node, loop) && reel__list_add(t, &r->nodes, node);
    reel__list_free(t, &compiled.inputs, sizeof(uint32_t));
    if (fine) {
        link_parts(p, loop, stage, node);
    }
    return fine;
}

static bool make_programs(reach *r)
{
    const reel__plan *p = r->p;
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (int stage = 0; stage < p->loops[l].stages; stage++) {
            if (!is_empty(p, l, stage) && !make_program(r, l, stage)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- the order --------------------------------------------------------------------------------- */

/* What can run runs in recording order; hidden nodes as soon as they can. */
typedef struct {
    reel__plan *p;
    uint32_t *waits;   /* for each node: inputs that have not run */
    uint32_t *key;     /* for each node: the place in recording order that it belongs to */
    uint32_t *first;   /* for each node: where its readers begin in … */
    uint32_t *readers; /* … this list */
    uint64_t *heap;
    size_t heaped;
} sorter;

static void heap_push(sorter *s, uint32_t node)
{
    uint64_t word = (uint64_t)s->key[node] << 32 | node;
    size_t i = s->heaped++;
    for (; i > 0 && s->heap[(i - 1) / 2] > word; i = (i - 1) / 2) {
        s->heap[i] = s->heap[(i - 1) / 2];
    }
    s->heap[i] = word;
}

static uint32_t heap_pop(sorter *s)
{
    uint32_t node = (uint32_t)s->heap[0];
    uint64_t last = s->heap[--s->heaped];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->heaped) {
            break;
        }
        child += child + 1 < s->heaped && s->heap[child + 1] < s->heap[child];
        if (s->heap[child] >= last) {
            break;
        }
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return node;
}

static void count_inputs(sorter *s, const uint32_t *nodes, size_t n)
{
    reel__plan *p = s->p;
    size_t all = p->t->nodes.count;
    for (size_t k = 0; k < n; k++) {
        const reel__node *node = reel__node_at(p->t, nodes[k]);
        for (uint32_t i = 0; i < node->inputs; i++) {
            uint32_t in = reel__redirected(p->t, reel__inputs_of(p->t, node)[i]);
            if (!is_held(p, in)) {
                s->waits[nodes[k]]++;
                s->first[in + 1]++;
            }
        }
    }
    for (size_t i = 0; i < all; i++) {
        s->first[i + 1] += s->first[i];
    }
}

static void list_readers(sorter *s, const uint32_t *nodes, size_t n, uint32_t *filled)
{
    reel__plan *p = s->p;
    for (size_t k = 0; k < n; k++) {
        const reel__node *node = reel__node_at(p->t, nodes[k]);
        for (uint32_t i = 0; i < node->inputs; i++) {
            uint32_t in = reel__redirected(p->t, reel__inputs_of(p->t, node)[i]);
            if (!is_held(p, in)) {
                s->readers[s->first[in] + filled[in]++] = nodes[k];
            }
        }
    }
}

static size_t total_inputs(const reel__plan *p, const uint32_t *nodes, size_t n)
{
    size_t total = 1;
    for (size_t k = 0; k < n; k++) {
        total += reel__node_at(p->t, nodes[k])->inputs;
    }
    return total;
}

static bool sort_nodes(reel__plan *p, const uint32_t *nodes, size_t n, uint32_t *order)
{
    reel_tape *t = p->t;
    size_t all = t->nodes.count, links = total_inputs(p, nodes, n);
    sorter s = { .p = p };
    s.waits = reel__arena_take(t, &p->arena, all * sizeof *s.waits);
    s.key = reel__arena_take(t, &p->arena, all * sizeof *s.key);
    s.first = reel__arena_take(t, &p->arena, (all + 1) * sizeof *s.first);
    s.readers = reel__arena_take(t, &p->arena, links * sizeof *s.readers);
    s.heap = reel__arena_take(t, &p->arena, (n + 1) * sizeof *s.heap);
    uint32_t *filled = reel__arena_take(t, &p->arena, all * sizeof *filled);
    if (!s.waits || !s.key || !s.first || !s.readers || !s.heap || !filled) {
        return false;
    }
    memset(s.waits, 0, all * sizeof *s.waits);
    memset(s.key, 0, all * sizeof *s.key);
    memset(s.first, 0, (all + 1) * sizeof *s.first);
    memset(filled, 0, all * sizeof *filled);
    count_inputs(&s, nodes, n);
    list_readers(&s, nodes, n, filled);
    for (size_t k = 0; k < n; k++) {
        size_t hidden = nodes[k] - p->nodes;
        s.key[nodes[k]] = nodes[k] < p->nodes       ? nodes[k]
                          : hidden < p->floor.count ? ((uint32_t *)p->floor.data)[hidden]
                                                    : 0;
        if (s.waits[nodes[k]] == 0) {
            heap_push(&s, nodes[k]);
        }
    }
    size_t done = 0;
    while (s.heaped) {
        uint32_t node = heap_pop(&s);
        order[done++] = node;
        for (uint32_t i = s.first[node]; i < s.first[node + 1]; i++) {
            uint32_t reader = s.readers[i];
            s.key[reader] = s.key[node] > s.key[reader] ? s.key[node] : s.key[reader];
            if (--s.waits[reader] == 0) {
                heap_push(&s, reader);
            }
        }
    }
    return done == n;
}

/* ---- the whole --------------------------------------------------------------------------------- */

static bool emit(reach *r)
{
    reel__plan *p = r->p;
    reel_tape *t = p->t;
    if (!reach_all(r) || !make_programs(r)) {
        return false;
    }
    reel__stored *stored = p->stored;
    size_t n = r->nodes.count;
    reel__layout *layout = &stored->full;
    layout->order = reel__arena_take(t, &stored->arena, (n + 1) * sizeof *layout->order);
    if (layout->order == NULL) {
        return false;
    }
    layout->order_count = n;
    if (!sort_nodes(p, r->nodes.data, n, layout->order)) {
        return t->error.status == REEL_OK && reel__ban(p, REEL__NONE);
    }
    return true;
}

bool reel__emit(reel__plan *p)
{
    reach r = { .p = p };
    bool fine = emit(&r);
    reel__list_free(p->t, &r.seen, 1);
    reel__list_free(p->t, &r.todo, sizeof(uint32_t));
    reel__list_free(p->t, &r.nodes, sizeof(uint32_t));
    return fine;
}
