/* merge.c: products that share a factor become one.
 *
 *     before   for t: a = x·U; b = x·V               for t: dx = da·Uᵀ + db·Vᵀ
 *     after    for t: [a, b] = x·[U, V]              for t: dx = [da, db]·[U, V]ᵀ
 *
 * and so do the products aᵀ·b, aᵀ·c whose sums are carried through a loop, as the gradients of U and
 * V are. What the single products gave are then slices of the whole, and no slice moves data. / */
#include <string.h>

#include "../../ops/ops.h"
#include "plan.h"

#define MOST_MERGED 32

typedef struct {
    reel__plan *p;
    uint32_t loop;
    uint32_t n, item[MOST_MERGED];
} group;

/* The axis of the second factor that is not summed over. */
static int free_axis(const reel__plan *p, const reel__item *item)
{
    const reel__node *node = reel__template(p, item);
    return 1 - node->op->contracted_axis(node->attributes, 1, 2);
}

static void sort_by(group *g, int input)
{
    for (uint32_t i = 1; i < g->n; i++) {
        uint32_t moved = g->item[i], at = i;
        const reel__source *s = &reel__item_at(g->p, g->loop, moved)->in[input];
        for (; at > 0; at--) {
            const reel__source *before = &reel__item_at(g->p, g->loop, g->item[at - 1])->in[input];
            if (before->item <= s->item) {
                break;
            }
            g->item[at] = g->item[at - 1];
        }
        g->item[at] = moved;
    }
}

/* ---- concatenations ---------------------------------------------------------------------------- */

/* Of nodes outside; the same ones are concatenated once. */
static reel_var join_nodes(const group *g, int axis)
{
    reel_var part[MOST_MERGED];
    uint32_t node[MOST_MERGED], joined;
    reel__plan *p = g->p;
    reel_tape *t = p->t;
    for (uint32_t i = 0; i < g->n; i++) {
        node[i] = reel__item_at(p, g->loop, g->item[i])->in[1].node;
        part[i] = reel__handle(t, node[i]);
    }
    const uint32_t *known = p->joins.data;
    for (size_t i = 0; i < p->joins.count; i++) {
        const reel__node *join = reel__node_at(t, known[i]);
        if (join->inputs == g->n && join->op->joined_axis(join->attributes) == axis &&
            memcmp(reel__inputs_of(t, join), node, g->n * sizeof *node) == 0) {
            return reel__handle(t, known[i]);
        }
    }
    reel_var all = reel_concat_n(axis, (int)g->n, part);
    bool known_now = reel__resolve(t, all, "plan", &joined) && reel__list_add(t, &p->joins, joined);
    return known_now ? all : (reel_var){ t, 0 };
}

/* An item that joins what the group's members read as input `input` along the last axis. */
static uint32_t join_items(const group *g, int input)
{
    reel__plan *p = g->p;
    reel__source in[MOST_MERGED];
    reel_var like[MOST_MERGED];
    for (uint32_t i = 0; i < g->n; i++) {
        in[i] = reel__item_at(p, g->loop, g->item[i])->in[input];
        like[i] = reel__like(p, &in[i]);
    }
    const reel__loop *loop = &p->loops[g->loop];
    for (uint32_t k = 0; k < loop->items; k++) {
        const reel__item *item = &loop->item[k];
        const reel_op *op = reel__op_of(p, item);
        bool same = !item->gone && item->inputs == g->n && op->joined_axis &&
                    reel__template(p, item)->shape != REEL__NONE &&
                    op->joined_axis(reel__template(p, item)->attributes) == 1 &&
                    reel__item_shape(p, item).rank == 2;
        for (uint32_t i = 0; same && i < g->n; i++) {
            same = reel__same_source(&item->in[i], &in[i]);
        }
        if (same) {
            return k;
        }
    }
    return reel__add_item(p, g->loop, reel_concat_n(-1, (int)g->n, like), g->n, in);
}

/* ---- one factor, many others ------------------------------------------------------------------- */

static bool make_slices(const group *g, uint32_t whole)
{
    reel__plan *p = g->p;
    reel__source in = reel__from_item(g->loop, whole);
    int64_t begin = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        reel_shape shape = reel__item_shape(p, reel__item_at(p, g->loop, g->item[i]));
        reel_var like = reel_slice(reel__like(p, &in), 1, begin, begin + shape.dim[1]);
        if (!reel__become(p, g->loop, g->item[i], like, 1, &in)) {
            return false;
        }
        begin += shape.dim[1];
    }
    return true;
}

static reel_var product_like(const group *g, reel_var a, reel_var b)
{
    const reel__node *node = reel__template(g->p, reel__item_at(g->p, g->loop, g->item[0]));
    return reel_record(node->op, 2, (const reel_var[]){ a, b }, node->attributes);
}

static bool merge_weights(const group *g)
{
    reel__plan *p = g->p;
    const reel__item *first = reel__item_at(p, g->loop, g->item[0]);
    reel_var joined = join_nodes(g, free_axis(p, first));
    uint32_t weight;
    if (!reel__resolve(p->t, joined, "plan", &weight)) {
        return false;
    }
    reel__source in[2] = { first->in[0], reel__from_node(weight) };
    uint32_t whole =
        reel__add_item(p, g->loop, product_like(g, reel__like(p, &in[0]), joined), 2, in);
    return whole != REEL__NONE && make_slices(g, whole);
}

static bool merge_sums(group *g)
{
    reel__plan *p = g->p;
    sort_by(g, 1);
    uint32_t joined = join_items(g, 1);
    if (joined == REEL__NONE) {
        return false;
    }
    reel__source in[2] = { reel__item_at(p, g->loop, g->item[0])->in[0],
                           reel__from_item(g->loop, joined) };
    uint32_t whole = reel__add_item(
        p, g->loop, product_like(g, reel__like(p, &in[0]), reel__like(p, &in[1])), 2, in);
    return whole != REEL__NONE && make_slices(g, whole);
}

/* Only a sum that is carried along reads it: then it cannot come back to its own factors. */
static bool feeds_a_carried_sum(const reel__plan *p, uint32_t loop_number, uint32_t number)
{
    const reel__loop *loop = &p->loops[loop_number];
    uint32_t readers = 0, sums = 0;
    for (uint32_t k = 0; k < loop->items; k++) {
        const reel__item *item = &loop->item[k];
        for (uint32_t i = 0; !item->gone && i < item->inputs; i++) {
            if (item->in[i].kind != REEL__ITEM || item->in[i].loop != loop_number ||
                item->in[i].item != number) {
                continue;
            }
            readers++;
            const reel__source *other = item->inputs == 2 ? &item->in[1 - i] : NULL;
            sums += reel__op_of(p, item)->sums && other && other->kind == REEL__ITEM &&
                    other->loop == loop_number && other->item == k && other->offset == -1;
        }
    }
    return readers == 1 && sums == 1 &&
           !reel__is_read_outside(reel__item_at(p, loop_number, number));
}

static bool may_meet(const reel__plan *p, uint32_t loop, uint32_t a, uint32_t b, bool sums)
{
    const reel__item *x = reel__item_at(p, loop, a), *y = reel__item_at(p, loop, b);
    if (!reel__is_matrix_product(p, y) || !reel__same_attributes(p, x, y) ||
        !reel__is_in_all_copies(&p->loops[loop], y) || y->lead > 0 ||
        x->recurrent != y->recurrent || !reel__same_source(&x->in[0], &y->in[0])) {
        return false;
    }
    if (!sums) {
        return y->in[1].kind == REEL__SAME;
    }
    return free_axis(p, y) == 1 &&
           reel__item_input(p, x, 1)->dim[0] == reel__item_input(p, y, 1)->dim[0] &&
           reel__is_own(&y->in[1], loop) && feeds_a_carried_sum(p, loop, b);
}

static bool merge_with(reel__plan *p, uint32_t loop, uint32_t first, bool sums)
{
    group g = { .p = p, .loop = loop };
    if (!reel__is_matrix_product(p, reel__item_at(p, loop, first))) {
        return true;
    }
    for (uint32_t k = first; k < p->loops[loop].items && g.n < MOST_MERGED; k++) {
        if (may_meet(p, loop, first, k, sums)) {
            g.item[g.n++] = k;
        } else if (k == first) {
            return true;
        }
    }
    if (g.n < 2) {
        return true;
    }
    p->t->planned.merged += g.n;
    return sums ? merge_sums(&g) : merge_weights(&g);
}

/* ---- a sum of products ------------------------------------------------------------------------- */

static bool is_term(const reel__plan *p, uint32_t loop, const reel__source *s)
{
    if (!reel__is_own(s, loop)) {
        return false;
    }
    const reel__item *item = reel__item_at(p, loop, s->item);
    const reel__node *node = reel__template(p, item);
    return reel__is_matrix_product(p, item) && reel__is_in_all_copies(&p->loops[loop], item) &&
           item->lead == 0 && !reel__is_read_outside(item) && item->in[1].kind == REEL__SAME &&
           reel__is_own(&item->in[0], loop) &&
           node->op->contracted_axis(node->attributes, 0, 2) == 1 &&
           reel__count_readers(p, loop, s->item) == 1;
}

/* Terms like the first one go to the group, in place of all the sum reads. */
static uint32_t collect_terms(group *g, uint32_t n, reel__source terms[], reel__source rest[])
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < n; i++) {
        const reel__item *first = g->n ? reel__item_at(g->p, g->loop, g->item[0]) : NULL;
        if (is_term(g->p, g->loop, &terms[i]) && g->n < MOST_MERGED &&
            (first == NULL ||
             (reel__same_attributes(g->p, first, reel__item_at(g->p, g->loop, terms[i].item)) &&
              first->recurrent == reel__item_at(g->p, g->loop, terms[i].item)->recurrent))) {
            g->item[g->n++] = terms[i].item;
        } else {
            rest[others++] = terms[i];
        }
    }
    return others;
}

static bool merge_terms(reel__plan *p, uint32_t loop, uint32_t sum)
{
    reel__source terms[REEL__MOST_TERMS], rest[REEL__MOST_TERMS];
    group g = { .p = p, .loop = loop };
    uint32_t n = reel__terms_of(p, loop, sum, terms);
    uint32_t others = n ? collect_terms(&g, n, terms, rest) : 0;
    if (g.n < 2) {
        return true;
    }
    sort_by(&g, 0);
    const reel__item *first = reel__item_at(p, loop, g.item[0]);
    reel_var joined = join_nodes(&g, 1 - free_axis(p, first));
    uint32_t left = join_items(&g, 0), weight;
    if (left == REEL__NONE || !reel__resolve(p->t, joined, "plan", &weight)) {
        return false;
    }
    reel__source in[2] = { reel__from_item(loop, left), reel__from_node(weight) };
    reel_var like = product_like(&g, reel__like(p, &in[0]), joined);
    p->t->planned.merged += g.n;
    if (others == 0) {
        return reel__become(p, loop, sum, like, 2, in);
    }
    uint32_t whole = reel__add_item(p, loop, like, 2, in);
    rest[others] = reel__from_item(loop, whole);
    return whole != REEL__NONE && reel__become_sum(p, loop, sum, others + 1, rest);
}

bool reel__pass_merge(reel__plan *p)
{
    if (!reel__find_recurrences(p)) {
        return false;
    }
    for (uint32_t l = 0; l < p->loop_count; l++) {
        uint32_t items = p->loops[l].items;
        for (uint32_t k = 0; k < items; k++) {
            if (!merge_with(p, l, k, false) || !merge_with(p, l, k, true)) {
                return false;
            }
        }
        /* From the last item down: the whole of a sum comes before its parts. */
        for (uint32_t k = items; k-- > 0;) {
            if (!merge_terms(p, l, k)) {
                return false;
            }
        }
    }
    return true;
}
