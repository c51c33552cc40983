/* split.c: where only a part of a product depends on carried values, the other part becomes a product
 * of its own, which may then leave the loop.
 *
 *     before   for t: z = [h, x]·W                    for t: d = dz·Wᵀ; dh, dx = parts of d
 *     after    for t: z = x·W₂ + h·W₁                 for t: dh = dz·W₁ᵀ; dx = dz·W₂ᵀ
 *
 * with W₁, W₂ rows of W. On the left it takes contractions of something that is joined along the
 * contracted axis, on the right contractions of which only slices are read. / */
#include "../../ops/ops.h"
#include "plan.h"

#define MOST_PARTS 8

static bool is_product_with_weight(const reel__plan *p, const reel__item *item)
{
    return reel__is_matrix_product(p, item) && item->in[1].kind == REEL__SAME;
}

static int contracted(const reel__plan *p, const reel__item *item, int input)
{
    const reel__node *node = reel__template(p, item);
    return node->op->contracted_axis(node->attributes, input, 2);
}

/* Does not wait for any carried value. */
static bool is_free(const reel__plan *p, uint32_t loop, const reel__source *s, int depth)
{
    if (s->kind != REEL__ITEM || s->loop != loop) {
        return s->kind != REEL__TABLE;
    }
    const reel__item *item = reel__item_at(p, loop, s->item);
    if (item->recurrent || depth == 0) {
        return false;
    }
    for (uint32_t i = 0; i < item->inputs; i++) {
        if (!is_free(p, loop, &item->in[i], depth - 1)) {
            return false;
        }
    }
    return true;
}

#define DEEPEST 16

/* ---- of something joined ----------------------------------------------------------------------- */

static bool is_joined(const reel__plan *p, uint32_t loop, const reel__item *item,
                      const reel__item **join)
{
    if (!reel__is_own(&item->in[0], loop)) {
        return false;
    }
    *join = reel__item_at(p, loop, item->in[0].item);
    const reel__node *node = reel__template(p, *join);
    if (node->op->joined_axis == NULL || (*join)->inputs > MOST_PARTS || (*join)->varies ||
        reel__item_input(p, *join, 0)->rank != 2 ||
        node->op->joined_axis(node->attributes) != contracted(p, item, 0)) {
        return false;
    }
    bool any = false;
    for (uint32_t i = 0; i < (*join)->inputs; i++) {
        any = any || is_free(p, loop, &(*join)->in[i], DEEPEST);
    }
    return any;
}

/* What the product `number` would be with other factors: fills in `in`. */
static reel_var product_like(reel__plan *p, uint32_t loop, uint32_t number, reel__source left,
                             reel_var weight, reel__source in[2])
{
    uint32_t node;
    if (!reel__resolve(p->t, weight, "plan", &node)) {
        return (reel_var){ p->t, 0 };
    }
    in[0] = left;
    in[1] = reel__from_node(node);
    reel_var x[2] = { reel__like(p, &left), weight };
    const reel__node *like = reel__template(p, reel__item_at(p, loop, number));
    return reel_record(like->op, 2, x, like->attributes);
}

static bool split_joined(reel__plan *p, uint32_t loop, uint32_t number, reel__item join)
{
    reel__source terms[MOST_PARTS], sorted[MOST_PARTS];
    const reel__item *item = reel__item_at(p, loop, number);
    int axis = contracted(p, item, 1), along = contracted(p, item, 0);
    reel_var weight = reel__handle(p->t, item->in[1].node);
    int64_t begin = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < join.inputs; i++) {
        int64_t end = begin + reel_shape_of(reel__like(p, &join.in[i])).dim[along];
        reel__source in[2];
        reel_var like =
            product_like(p, loop, number, join.in[i], reel_slice(weight, axis, begin, end), in);
        uint32_t term = reel__add_item(p, loop, like, 2, in);
        if (term == REEL__NONE) {
            return false;
        }
        reel__limit_copies(p, loop, term, number);
        terms[i] = reel__from_item(loop, term);
        begin = end;
    }
    /* What leaves the loop comes first: the others are then added to it. */
    for (int free = 1; free >= 0; free--) {
        for (uint32_t i = 0; i < join.inputs; i++) {
            if (is_free(p, loop, &join.in[i], DEEPEST) == (free == 1)) {
                sorted[n++] = terms[i];
            }
        }
    }
    p->t->planned.split++;
    return reel__become_sum(p, loop, number, n, sorted);
}

/* ---- of which slices are read ------------------------------------------------------------------ */

/* Of columns of the product. */
static bool is_slice_of(const reel__plan *p, uint32_t loop, const reel__item *reader,
                        uint32_t number)
{
    const reel__node *node = reel__template(p, reader);
    return !reader->gone && !reader->varies && reader->inputs == 1 &&
           reel__is_own(&reader->in[0], loop) && reader->in[0].item == number &&
           node->op->takes_part && node->op->takes_part(node->attributes).axis == 1;
}

/* All readers are slices of columns, and some of them feed nothing carried. */
static bool is_cut_up(const reel__plan *p, uint32_t loop, uint32_t number)
{
    const reel__item *product = reel__item_at(p, loop, number);
    if (reel__is_read_outside(product) || product->lead > 0 || product->ranges) {
        return false;
    }
    uint32_t found = 0;
    bool any = false;
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        const reel__item *reader = reel__item_at(p, loop, k);
        if (is_slice_of(p, loop, reader, number)) {
            found++;
            any = any || !reader->recurrent;
        }
    }
    return any && found == reel__count_readers(p, loop, number);
}

static bool cut_up(reel__plan *p, uint32_t loop, uint32_t number)
{
    const reel__item *product = reel__item_at(p, loop, number);
    int axis = 1 - contracted(p, product, 1);
    reel__source left = product->in[0], in[2];
    reel_var weight = reel__handle(p->t, product->in[1].node);
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        const reel__item *reader = reel__item_at(p, loop, k);
        if (!is_slice_of(p, loop, reader, number)) {
            continue;
        }
        const reel__node *node = reel__template(p, reader);
        reel_axis_part part = node->op->takes_part(node->attributes);
        reel_var like =
            product_like(p, loop, number, left, reel_slice(weight, axis, part.begin, part.end), in);
        if (!reel__become(p, loop, k, like, 2, in)) {
            return false;
        }
    }
    p->t->planned.split++;
    return true;
}

bool reel__pass_split(reel__plan *p)
{
    if (!reel__find_recurrences(p)) {
        return false;
    }
    for (uint32_t l = 0; l < p->loop_count; l++) {
        uint32_t items = p->loops[l].items;
        for (uint32_t k = 0; k < items; k++) {
            const reel__item *item = reel__item_at(p, l, k), *join;
            if (!item->recurrent || !is_product_with_weight(p, item)) {
                continue;
            }
            if (is_joined(p, l, item, &join) && !split_joined(p, l, k, *join)) {
                return false;
            }
            item = reel__item_at(p, l, k);
            if (is_product_with_weight(p, item) && is_cut_up(p, l, k) && !cut_up(p, l, k)) {
                return false;
            }
        }
    }
    return true;
}
