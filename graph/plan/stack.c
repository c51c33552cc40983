/* stack.c: the values that a loop's copies read or make, as one tensor with the steps in front.
 *
 *     before   copy e makes h[e]; copy e reads x[e]
 *     after    a hidden node [steps, …] that is the buffer into which the loop writes; x itself
 *
 * Nothing is moved: what is asked for here tells the loop where to write. / */
#include <string.h>

#include "../../ops/ops.h"
#include "plan.h"

/* ---- the nodes that stand for parts of stacks ------------------------------------------------- */

static bool part_shape(reel_shape_call *c)
{
    const reel__part_attributes *a = c->attributes;
    c->y = a->shape;
    return true;
}

static const reel_attribute part_fields[] = {
    { "shape", REEL_ATTRIBUTE_SHAPE, offsetof(reel__part_attributes, shape) },
    { "first", REEL_ATTRIBUTE_INT, offsetof(reel__part_attributes, first) },
    { 0 },
};

const reel_op reel__part_op = {
    .name = "part",
    .kind = REEL_OTHER,
    .inputs = REEL_VARIADIC,
    .doc = "Copies of one item of a loop, written by the loop.",
    .attributes = part_fields,
    .attribute_size = sizeof(reel__part_attributes),
    .shape = part_shape,
};

const reel_op reel__loop_op = {
    .name = "loop",
    .kind = REEL_OTHER,
    .inputs = REEL_VARIADIC,
    .doc = "All steps of a loop.",
    .attribute_size = sizeof(reel__loop_attributes),
    .shape = part_shape,
};

static reel_shape in_front(int64_t steps, reel_shape shape)
{
    reel_shape all = { .rank = shape.rank + 1, .dim = { steps } };
    memcpy(all.dim + 1, shape.dim, (size_t)shape.rank * sizeof(int64_t));
    return all;
}

static reel_var part(reel__plan *p, uint32_t loop, uint32_t number, int64_t first, int64_t count)
{
    reel_tape *t = p->t;
    reel__item *item = reel__item_at(p, loop, number);
    for (const reel__range *r = item->ranges; r; r = r->next) {
        if (r->first == first && r->count == count) {
            return reel__handle(t, r->node);
        }
    }
    reel__part_attributes attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.shape = reel__item_shape(p, item);
    if (count) {
        attributes.shape = in_front(count, attributes.shape);
    }
    attributes.first = first;
    attributes.count = count;
    attributes.loop = loop;
    attributes.item = number;
    reel_var v = reel_record_on(t, &reel__part_op, &attributes);
    reel__range *range = reel__arena_take(t, &p->arena, sizeof *range);
    uint32_t node;
    if (range == NULL || !reel__resolve(t, v, "plan", &node)) {
        return (reel_var){ t, 0 };
    }
    item = reel__item_at(p, loop, number);
    *range = (reel__range){ node, first, count, item->ranges };
    item->ranges = range;
    item->stacked = item->stacked || count > 0;
    return v;
}

/* ---- views that only name the axes otherwise --------------------------------------------------- */

bool reel__is_reshape(const reel__plan *p, const reel__item *item)
{
    const reel__node *node = reel__template(p, item);
    if (node->op->view == NULL || item->varies || item->gone) {
        return false;
    }
    const reel__shape_entry *y = reel__shape_at(p->t, node->shape);
    const reel__shape_entry *x = reel__shape_entry_of(p->t, reel__inputs_of(p->t, node)[0]);
    int64_t offset, stride[REEL_MAX_RANK];
    return x->size == y->size &&
           node->op->view(node->attributes, &x->shape, x->stride, &y->shape, &offset, stride) &&
           offset == 0 && reel__contiguous(&y->shape, stride);
}

/* ---- stacks ------------------------------------------------------------------------------------ */

static reel_var cut(reel_var v, int64_t begin, int64_t count)
{
    return begin == 0 && reel_shape_of(v).dim[0] == count ? v
                                                          : reel_slice(v, 0, begin, begin + count);
}

static int64_t first_slot(const reel__loop *loop, const reel__item *item)
{
    return loop->reversed ? loop->steps - item->end : item->begin;
}

/* The slot that the loop's slot `slot` reads, and how it changes from slot to slot. */
static int64_t read_slot(const reel__plan *p, uint32_t number, const reel__source *s, int64_t slot,
                         int64_t *slope)
{
    const reel__loop *loop = &p->loops[number];
    int64_t e = reel__slot(loop, slot);
    int64_t at = s->scale * e + s->offset;
    *slope = loop->reversed ? -s->scale : s->scale;
    if (s->kind == REEL__ITEM && p->loops[s->loop].reversed) {
        *slope = -*slope;
        at = reel__slot(&p->loops[s->loop], at);
    }
    return at;
}

static bool is_in_stack(const reel__plan *p, const reel__source *s, int64_t slot)
{
    if (s->kind == REEL__SLICE) {
        return slot >= 0 && slot < reel__shape_entry_of(p->t, s->node)->shape.dim[0];
    }
    const reel__loop *loop = &p->loops[s->loop];
    const reel__item *item = &loop->item[s->item];
    int64_t e = reel__slot(loop, slot);
    bool whole = item->lifted == REEL__NONE && item->joined == REEL__NONE;
    return e < item->end && e >= (whole ? -(int64_t)item->lead : item->begin);
}

bool reel__reads_stack(const reel__plan *p, uint32_t loop, const reel__source *s, int64_t first,
                       int64_t last)
{
    int64_t slope;
    return (s->kind == REEL__SLICE || s->kind == REEL__ITEM) &&
           is_in_stack(p, s, read_slot(p, loop, s, first, &slope)) &&
           is_in_stack(p, s, read_slot(p, loop, s, last, &slope));
}

/* Slots of a reshape are those of what it looks at, from slot *at on. */
static bool find_beneath(const reel__plan *p, uint32_t loop, const reel__item *item, int64_t first,
                         int64_t count, int64_t *at)
{
    int64_t slope, last = first + (count ? count : 1) - 1;
    if (item->lead > 0 || !reel__is_reshape(p, item) ||
        !reel__reads_stack(p, loop, item->in, first, last)) {
        return false;
    }
    *at = read_slot(p, loop, item->in, first, &slope);
    return last == first || slope == 1;
}

reel_var reel__stack_range(reel__plan *p, uint32_t loop, uint32_t number, int64_t first,
                           int64_t count)
{
    reel_tape *t = p->t;
    const reel__item *item = reel__item_at(p, loop, number);
    if (item->lifted != REEL__NONE) {
        int64_t begin = first - first_slot(&p->loops[loop], item);
        reel_var all = reel__handle(t, item->lifted);
        return count ? cut(all, begin, count) : reel_at(all, begin);
    }
    reel_shape shape = reel__item_shape(p, item);
    int64_t at;
    if (find_beneath(p, loop, item, first, count, &at)) {
        reel__source s = item->in[0];
        reel_var all = s.kind == REEL__ITEM ? reel__stack_range(p, s.loop, s.item, at, count)
                       : count              ? cut(reel__handle(t, s.node), at, count)
                                            : reel_at(reel__handle(t, s.node), at);
        return reel_reshape(all, count ? in_front(count, shape) : shape);
    }
    if (item->joined != REEL__NONE) {
        int64_t column = item->column;
        reel_var all = reel__stack_range(p, loop, item->joined, first, count);
        return reel_slice(all, -1, column, column + shape.dim[shape.rank - 1]);
    }
    return part(p, loop, number, first, count);
}

/* Of what is stacked in its place: a reshape is one of the stack of what it looks at. */
static int highest_rank(const reel__plan *p, const reel__item *item)
{
    int rank = reel__item_shape(p, item).rank;
    while (item->lead == 0 && reel__is_reshape(p, item) && item->in[0].kind == REEL__ITEM) {
        item = reel__item_at(p, item->in[0].loop, item->in[0].item);
        int below = reel__item_shape(p, item).rank;
        rank = below > rank ? below : rank;
    }
    return rank;
}

bool reel__can_stack(const reel__plan *p, uint32_t loop, const reel__item *reader,
                     const reel__source *s)
{
    if (s->kind == REEL__SAME) {
        return true;
    }
    if (s->kind != REEL__SLICE && s->kind != REEL__ITEM) {
        return false;
    }
    if (s->kind == REEL__ITEM &&
        highest_rank(p, reel__item_at(p, s->loop, s->item)) == REEL_MAX_RANK) {
        return false;
    }
    int64_t slope, from = first_slot(&p->loops[loop], reader);
    int64_t last = from + reader->end - reader->begin - 1;
    int64_t a = read_slot(p, loop, s, from, &slope), b = read_slot(p, loop, s, last, &slope);
    return slope == 1 && is_in_stack(p, s, a) && is_in_stack(p, s, b);
}

reel_var reel__stacked(reel__plan *p, uint32_t loop, const reel__item *reader,
                       const reel__source *s, bool *stacked)
{
    reel_tape *t = p->t;
    int64_t slope, count = reader->end - reader->begin;
    *stacked = s->kind != REEL__SAME;
    if (!reel__can_stack(p, loop, reader, s)) {
        return (reel_var){ t, 0 };
    }
    if (s->kind == REEL__SAME) {
        return reel__handle(t, s->node);
    }
    int64_t first = read_slot(p, loop, s, first_slot(&p->loops[loop], reader), &slope);
    return s->kind == REEL__SLICE ? cut(reel__handle(t, s->node), first, count)
                                  : reel__stack_range(p, s->loop, s->item, first, count);
}
