/* source.c: where the inputs of a loop's items come from.
 *
 *     before   copy 0 reads node 12, copy 1 node 31, copy 2 node 50 …
 *     after    copy e reads copy e - 1 of item 7; copy -1 is node 12
 *
 * A loop is run as one, so all it reads must be there before it begins: a loop that reads itself
 * by way of nodes outside, or in a way that no rule describes, is dissolved. / */
#include <string.h>

#include "plan.h"

/* ---- dissolving ------------------------------------------------------------------------------ */

static void forget_copy(reel__plan *p, uint32_t number, int64_t e)
{
    reel__loop *loop = &p->loops[number];
    for (uint32_t k = 0; k < loop->items; k++) {
        uint32_t node = loop->item[k].member[e];
        if (node != REEL__NONE && p->loop_of[node] == number) {
            p->loop_of[node] = REEL__NONE;
        }
    }
}

void reel__dissolve(reel__plan *p, uint32_t number)
{
    reel__loop *loop = &p->loops[number];
    for (int64_t e = 0; e < loop->steps; e++) {
        forget_copy(p, number, e);
    }
    loop->gone = true;
    loop->items = 0;
    p->t->planned.dissolved++;
}

static void drop_first(reel__plan *p, uint32_t number)
{
    reel__loop *loop = &p->loops[number];
    forget_copy(p, number, 0);
    loop->ragged_first = false;
    loop->steps--;
    reel__renumber_copies(p, number);
}

/* What cannot be followed is first blamed on the ragged ends. */
static void make_do(reel__plan *p, uint32_t number)
{
    reel__loop *loop = &p->loops[number];
    if (loop->ragged_first) {
        drop_first(p, number);
    } else if (loop->ragged_last) {
        forget_copy(p, number, loop->steps - 1);
        loop->ragged_last = false;
        loop->steps--;
    } else {
        reel__dissolve(p, number);
    }
}

/* ---- one input ------------------------------------------------------------------------------- */

static bool is_real(const reel__plan *p, uint32_t loop, uint32_t item, int64_t e)
{
    uint32_t node = reel__item_at(p, loop, item)->member[e];
    return node != REEL__NONE && p->loop_of[node] == loop && p->item_of[node] == item &&
           p->copy_of[node] == (uint32_t)e;
}

/* A sum that stands for its one term. */
static bool is_virtual(const reel__plan *p, uint32_t loop, uint32_t item, int64_t e)
{
    return reel__item_at(p, loop, item)->member[e] != REEL__NONE && !is_real(p, loop, item, e);
}

static uint32_t read_by(const reel__plan *p, uint32_t loop, uint32_t item, uint32_t input,
                        int64_t e)
{
    uint32_t node = reel__item_at(p, loop, item)->member[e];
    return reel__inputs_of(p->t, reel__node_at(p->t, node))[input];
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

/* Notes that copy -back of an item is this node. */
static bool set_initial(reel__item *item, int64_t back, uint32_t node)
{
    if (back > REEL__MOST_LEAD) {
        return false;
    }
    for (; item->lead < back; item->lead++) {
        item->initial[item->lead] = REEL__NONE;
    }
    if (item->initial[back - 1] == REEL__NONE) {
        item->initial[back - 1] = node;
    }
    return item->initial[back - 1] == node;
}

/* What two copies in a row read, and what rule that suggests. */
static reel__source guess(const reel__plan *p, uint32_t a, uint32_t b, int64_t e)
{
    reel__source s = { .kind = REEL__IRREGULAR };
    uint32_t base_a, base_b;
    int64_t index_a, index_b;
    if (a == b) {
        s = reel__from_node(a);
    } else if (is_slice(p->t, a, &base_a, &index_a) && is_slice(p->t, b, &base_b, &index_b) &&
               base_a == base_b) {
        s = (reel__source){ .kind = REEL__SLICE, .node = base_a, .scale = index_b - index_a };
        s.offset = index_a - s.scale * e;
    } else if (p->loop_of[a] != REEL__NONE && p->loop_of[a] == p->loop_of[b] &&
               p->item_of[a] == p->item_of[b]) {
        s = (reel__source){ .kind = REEL__ITEM,
                            .loop = p->loop_of[a],
                            .item = p->item_of[a],
                            .scale = (int64_t)p->copy_of[b] - (int64_t)p->copy_of[a] };
        s.offset = (int64_t)p->copy_of[a] - s.scale * e;
    }
    return s;
}

static bool holds(reel__plan *p, const reel__source *s, uint32_t node, int64_t e)
{
    uint32_t base;
    int64_t index = s->scale * e + s->offset;
    switch (s->kind) {
    case REEL__SAME:
        return node == s->node;
    case REEL__SLICE: {
        int64_t at;
        return is_slice(p->t, node, &base, &at) && base == s->node && at == index;
    }
    case REEL__ITEM: {
        reel__item *item = reel__item_at(p, s->loop, s->item);
        if (index < 0) {
            return set_initial(item, -index, node);
        }
        return index < p->loops[s->loop].steps && item->member[index] == node;
    }
    case REEL__TABLE:
    case REEL__IRREGULAR:
        break;
    }
    return false;
}

/* A sum that stands for its one term reads nothing else: zeros, where the loop has not begun. */
static bool reads_nothing(reel__plan *p, const reel__source *s, int64_t e)
{
    int64_t index = s->scale * e + s->offset;
    return s->kind == REEL__ITEM && index < 0 &&
           set_initial(reel__item_at(p, s->loop, s->item), -index, REEL__ZERO);
}

static bool virtual_holds(reel__plan *p, uint32_t loop, uint32_t item, const reel__source *s,
                          int64_t e)
{
    uint32_t node = reel__item_at(p, loop, item)->member[e];
    bool own = reel__is_own(s, loop) && reel__item_at(p, loop, s->item)->member[e] == node;
    return own || reads_nothing(p, s, e);
}

/* Within a loop, an item reads what was computed before. */
static bool comes_before(const reel__source *s, uint32_t loop, uint32_t item)
{
    return s->kind != REEL__ITEM || s->loop != loop ||
           (s->scale == 1 && (s->offset < 0 || (s->offset == 0 && s->item < item)));
}

static bool is_member(const reel__plan *p, uint32_t node, uint32_t loop)
{
    return node < p->nodes && p->loop_of[node] == loop;
}

static bool fill_table(reel__plan *p, uint32_t loop, uint32_t item, uint32_t input, reel__source *s)
{
    int64_t steps = p->loops[loop].steps;
    *s = (reel__source){ .kind = REEL__TABLE };
    s->table = reel__arena_take(p->t, &p->arena, (size_t)steps * sizeof *s->table);
    if (s->table == NULL) {
        return false;
    }
    uint32_t last = read_by(p, loop, item, input, 1);
    for (int64_t e = 0; e < steps; e++) {
        if (is_virtual(p, loop, item, e)) {
            s->kind = REEL__IRREGULAR;
            return true;
        }
        last = is_real(p, loop, item, e) ? read_by(p, loop, item, input, e) : last;
        s->table[e] = last;
        if (is_member(p, last, loop)) {
            s->kind = REEL__IRREGULAR;
            return true;
        }
    }
    return true;
}

static bool find_source(reel__plan *p, uint32_t loop, uint32_t item, uint32_t input,
                        reel__source *s)
{
    int64_t steps = p->loops[loop].steps, e = steps - 3;
    *s = guess(p, read_by(p, loop, item, input, e), read_by(p, loop, item, input, e + 1), e);
    bool regular = s->kind != REEL__IRREGULAR && comes_before(s, loop, item);
    for (e = 0; regular && e < steps; e++) {
        if (is_real(p, loop, item, e)) {
            regular = holds(p, s, read_by(p, loop, item, input, e), e);
        } else if (is_virtual(p, loop, item, e)) {
            regular = virtual_holds(p, loop, item, s, e);
        }
    }
    bool inside = (s->kind == REEL__SAME || s->kind == REEL__SLICE) && is_member(p, s->node, loop);
    if (inside || (!regular && s->kind == REEL__ITEM && s->loop == loop)) {
        s->kind = REEL__IRREGULAR;
        return true;
    }
    return regular || fill_table(p, loop, item, input, s);
}

/* ---- a loop ---------------------------------------------------------------------------------- */

static bool attributes_differ(const reel_tape *t, uint32_t a, uint32_t b)
{
    const reel__node *x = reel__node_at(t, a), *y = reel__node_at(t, b);
    return x->attributes != y->attributes && x->op->attribute_size &&
           memcmp(x->attributes, y->attributes, x->op->attribute_size) != 0;
}

static bool start_item(reel__plan *p, uint32_t loop, uint32_t number)
{
    reel__item *item = reel__item_at(p, loop, number);
    int64_t steps = p->loops[loop].steps;
    item->node = item->member[1];
    item->inputs = reel__node_at(p->t, item->node)->inputs;
    item->lead = 0;
    item->varies = false;
    item->begin = item->member[0] == REEL__NONE;
    item->end = steps - (item->member[steps - 1] == REEL__NONE);
    for (int64_t e = 0; e < steps && !item->varies; e++) {
        item->varies =
            is_real(p, loop, number, e) && attributes_differ(p->t, item->member[e], item->node);
    }
    if (item->in == NULL) {
        item->in = reel__arena_take(p->t, &p->arena, (item->inputs + 1) * sizeof *item->in);
    }
    return item->in != NULL;
}

/* Those who read their own loop come first: they say what precedes the first copy. */
static bool find_sources_of(reel__plan *p, uint32_t number, bool own, bool *followed)
{
    reel__loop *loop = &p->loops[number];
    *followed = true;
    for (uint32_t k = 0; *followed && k < loop->items; k++) {
        reel__item *item = &loop->item[k];
        for (uint32_t i = 0; *followed && i < item->inputs; i++) {
            uint32_t node = read_by(p, number, k, i, loop->steps - 3);
            if (is_member(p, node, number) == own) {
                if (!find_source(p, number, k, i, &item->in[i])) {
                    return false;
                }
                *followed = item->in[i].kind != REEL__IRREGULAR;
            }
        }
    }
    return true;
}

static bool find_all(reel__plan *p, bool *changed)
{
    *changed = false;
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            if (!start_item(p, l, k)) {
                return false;
            }
        }
    }
    for (int own = 1; own >= 0; own--) {
        for (uint32_t l = 0; l < p->loop_count; l++) {
            bool followed;
            if (!find_sources_of(p, l, own, &followed)) {
                return false;
            }
            if (!followed) { /* the others are looked at again */
                make_do(p, l);
                *changed = true;
            }
        }
    }
    return true;
}

/* ---- loops that read themselves from outside --------------------------------------------------- */

/* Depth-first through nodes outside and loops as a whole; a vertex is a node, or nodes + a loop. */
typedef struct {
    reel__plan *p;
    uint8_t *state;  /* 1: on the way, 2: done */
    reel__list todo; /* uint32_t: vertices; a second visit leaves the vertex */
    uint32_t cyclic;
} search;

static bool push(search *s, uint32_t vertex)
{
    return reel__list_add(s->p->t, &s->todo, vertex);
}

/* Of the loops between `loop` and itself the one with the fewest nodes. */
static uint32_t smallest_on_the_way(const search *s, uint32_t loop)
{
    const reel__plan *p = s->p;
    const uint32_t *todo = s->todo.data;
    uint32_t smallest = loop;
    for (size_t i = s->todo.count; i-- > 0 && todo[i] != p->nodes + loop;) {
        uint32_t vertex = todo[i];
        if (vertex >= p->nodes && s->state[vertex] == 1 &&
            p->loops[vertex - p->nodes].steps * p->loops[vertex - p->nodes].items <
                p->loops[smallest].steps * p->loops[smallest].items) {
            smallest = vertex - p->nodes;
        }
    }
    return smallest;
}

static bool look_at(search *s, uint32_t node)
{
    const reel__plan *p = s->p;
    if (node >= p->nodes || !reel__has_to_run(p, node)) {
        return true;
    }
    uint32_t loop = p->loop_of[node];
    uint32_t vertex = loop == REEL__NONE ? node : p->nodes + loop;
    if (s->state[vertex] == 1 && loop != REEL__NONE) {
        s->cyclic = smallest_on_the_way(s, loop);
    }
    return s->state[vertex] != 0 || push(s, vertex);
}

static bool look_at_source(search *s, uint32_t loop, const reel__source *source)
{
    const reel__plan *p = s->p;
    bool fine = true;
    if (source->kind == REEL__ITEM && source->loop != loop) {
        fine = look_at(s, reel__item_at(p, source->loop, source->item)->member[1]);
    } else if (source->kind == REEL__TABLE) {
        for (int64_t e = 0; fine && e < p->loops[loop].steps; e++) {
            fine = look_at(s, source->table[e]);
        }
    } else if (source->kind != REEL__ITEM) {
        fine = look_at(s, source->node);
    }
    return fine;
}

static bool look_from_loop(search *s, uint32_t number)
{
    const reel__loop *loop = &s->p->loops[number];
    bool fine = true;
    for (uint32_t k = 0; fine && k < loop->items; k++) {
        const reel__item *item = &loop->item[k];
        for (uint32_t i = 0; fine && i < item->inputs; i++) {
            fine = look_at_source(s, number, &item->in[i]);
        }
        for (uint32_t i = 0; fine && i < item->lead; i++) {
            fine = item->initial[i] >= REEL__ZERO || look_at(s, item->initial[i]);
        }
    }
    return fine;
}

static bool look_from_node(search *s, uint32_t index)
{
    const reel__node *node = reel__node_at(s->p->t, index);
    bool fine = true;
    for (uint32_t i = 0; fine && i < node->inputs; i++) {
        fine = look_at(s, reel__inputs_of(s->p->t, node)[i]);
    }
    return fine;
}

static bool walk(search *s)
{
    const reel__plan *p = s->p;
    bool fine = true;
    while (fine && s->todo.count && s->cyclic == REEL__NONE) {
        uint32_t vertex = ((uint32_t *)s->todo.data)[s->todo.count - 1];
        if (s->state[vertex]) {
            s->state[vertex] = 2;
            s->todo.count--;
            continue;
        }
        s->state[vertex] = 1;
        fine = vertex < p->nodes ? look_from_node(s, vertex) : look_from_loop(s, vertex - p->nodes);
    }
    return fine;
}

static bool find_cycle(reel__plan *p, uint32_t *cyclic)
{
    size_t vertices = (size_t)p->nodes + p->loop_count;
    search s = { .p = p, .cyclic = REEL__NONE };
    s.state = reel__arena_take(p->t, &p->arena, vertices);
    if (s.state == NULL) {
        return false;
    }
    memset(s.state, 0, vertices);
    bool fine = true;
    for (uint32_t l = 0; fine && l < p->loop_count && s.cyclic == REEL__NONE; l++) {
        if (!p->loops[l].gone && s.state[p->nodes + l] == 0) {
            fine = push(&s, p->nodes + l) && walk(&s);
        }
    }
    reel__list_free(p->t, &s.todo, sizeof(uint32_t));
    *cyclic = s.cyclic;
    return fine;
}

/* ---- who reads from outside -------------------------------------------------------------------- */

static void note_read(reel__plan *p, uint32_t node)
{
    if (node >= p->nodes || p->loop_of[node] == REEL__NONE) {
        return;
    }
    reel__item *item = reel__item_at(p, p->loop_of[node], p->item_of[node]);
    int64_t e = p->copy_of[node];
    item->first_read = e < item->first_read ? e : item->first_read;
    item->last_read = e > item->last_read ? e : item->last_read;
}

static void note_source(reel__plan *p, uint32_t loop, const reel__source *s)
{
    if (s->kind == REEL__SAME || s->kind == REEL__SLICE) {
        note_read(p, s->node);
    }
    for (int64_t e = 0; s->kind == REEL__TABLE && e < p->loops[loop].steps; e++) {
        note_read(p, s->table[e]);
    }
}

static void note_reads_of_loop(reel__plan *p, uint32_t number)
{
    const reel__loop *loop = &p->loops[number];
    for (uint32_t k = 0; k < loop->items; k++) {
        const reel__item *item = &loop->item[k];
        for (uint32_t i = 0; i < item->inputs; i++) {
            note_source(p, number, &item->in[i]);
        }
        for (uint32_t i = 0; i < item->lead; i++) {
            note_read(p, item->initial[i]);
        }
    }
}

static void note_reads(reel__plan *p)
{
    reel_tape *t = p->t;
    for (uint32_t i = p->oldest; i < p->nodes; i++) {
        const reel__node *node = reel__node_at(t, i);
        if (p->loop_of[i] == REEL__NONE && reel__has_to_run(p, i)) {
            for (uint32_t k = 0; k < node->inputs; k++) {
                note_read(p, reel__inputs_of(t, node)[k]);
            }
        }
    }
    for (uint32_t l = 0; l < p->loop_count; l++) {
        note_reads_of_loop(p, l);
    }
    for (size_t i = 0; i < reel__asked_count(t, p->n_targets); i++) {
        note_read(p, reel__asked_at(t, p->n_targets, p->targets, i));
    }
}

/* ---- in which order stacks lie ----------------------------------------------------------------- */

/* A loop whose copies read others' backwards, or fill a whole from its end, as a backward pass does,
 * stacks its own backwards, so that both stacks can meet in one product. */
static bool order_of_sources(reel__plan *p, uint32_t number)
{
    reel__loop *loop = &p->loops[number];
    for (uint32_t k = 0; k < loop->items; k++) {
        for (uint32_t i = 0; i < loop->item[k].inputs; i++) {
            const reel__source *s = &loop->item[k].in[i];
            bool other = s->kind == REEL__ITEM && s->loop != number;
            if ((other || s->kind == REEL__SLICE) && s->scale != 0) {
                bool back = s->scale < 0;
                loop->reversed = other && p->loops[s->loop].reversed ? !back : back;
                return true;
            }
        }
    }
    return false;
}

static int64_t begin_of_part(const reel__plan *p, uint32_t index)
{
    const reel__node *node = reel__node_at(p->t, index);
    const reel_shape *x = &reel__shape_entry_of(p->t, reel__inputs_of(p->t, node)[0])->shape;
    return node->op->puts_part(node->attributes, x).begin;
}

static void choose_order(reel__plan *p, uint32_t number)
{
    reel__loop *loop = &p->loops[number];
    if (order_of_sources(p, number)) {
        return;
    }
    for (uint32_t k = 0; k < loop->items; k++) {
        const reel__item *item = &loop->item[k];
        if (item->varies && reel__op_of(p, item)->puts_part) {
            loop->reversed = begin_of_part(p, item->member[1]) > begin_of_part(p, item->member[2]);
            return;
        }
    }
}

static void find_begin(reel__plan *p, uint32_t number)
{
    reel__loop *loop = &p->loops[number];
    loop->begins_at = REEL__NONE;
    for (uint32_t k = 0; k < loop->items; k++) {
        uint32_t node = loop->item[k].member[0];
        loop->begins_at = node < loop->begins_at ? node : loop->begins_at;
    }
}

/* Those first that were recorded first: the others read them. */
static bool choose_orders(reel__plan *p)
{
    uint32_t *order = reel__arena_take(p->t, &p->arena, (p->loop_count + 1) * sizeof *order);
    if (order == NULL) {
        return false;
    }
    for (uint32_t l = 0; l < p->loop_count; l++) {
        find_begin(p, l);
        uint32_t at = l;
        for (; at > 0 && p->loops[order[at - 1]].begins_at > p->loops[l].begins_at; at--) {
            order[at] = order[at - 1];
        }
        order[at] = l;
    }
    for (uint32_t i = 0; i < p->loop_count; i++) {
        choose_order(p, order[i]);
    }
    return true;
}

bool reel__find_sources(reel__plan *p)
{
    bool changed = true;
    while (changed) {
        uint32_t cyclic = REEL__NONE;
        if (!find_all(p, &changed) || (!changed && !find_cycle(p, &cyclic))) {
            return false;
        }
        if (cyclic != REEL__NONE) {
            make_do(p, cyclic);
            changed = true;
        }
    }
    note_reads(p);
    return choose_orders(p);
}
