/* chain.c: beside the loops, element-wise nodes that one node alone reads are computed together with it,
 * tile by tile, and never stored.
 *
 *     before   a = mul(x, m); b = square(a); s = sum(b)     a and b [100,32,256] go through memory
 *     after    s = sum(square(mul(x, m)))                   1024 numbers at a time
 *
 * The reader is element-wise and of the same shape, or a sum. The numbers are the same to the bit.
 */
#include "elementwise.h"
#include "execution.h"
#include "sum.h"

/* ---- finding them ------------------------------------------------------------------------------ */

/* Smaller results stay in the cache anyway. */
#define FEWEST_ELEMENTS 2048
/* A reader so far away in the order would hold what it reads in place of the result for too long. */
#define FARTHEST 16

static bool is_expression(const reel__node *node)
{
    return node->op->kind == REEL_ELEMENTWISE && !node->op->random && !node->op->index_inputs &&
           !node->op->index_output && !(node->flags & REEL__INDEX) &&
           node->inputs <= REEL__WALK_INPUTS;
}

/* Nobody but node `reader`, soon to come, wants it. */
static bool may_wait(const reel__execution *e, uint32_t index, uint32_t reader)
{
    return e->uses[index] == 1 && reel__is_scheduled(e, index) && e->chained[index].at &&
           e->chained[reader].at - e->chained[index].at <= FARTHEST && e->placed[index].join == 0 &&
           e->into[index] == 0 && reel__value_at(e->t, index)->buffer == NULL;
}

/* A kernel may add one of its terms to where the other lies: see node.c. */
static bool is_built_in_place(const reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    for (uint32_t i = 0; i < node->inputs; i++) {
        if (e->into[reel__input_of(e, node, i)] == index) {
            return true;
        }
    }
    return false;
}

static bool expression_may_wait(const reel__execution *e, uint32_t index, uint32_t reader)
{
    const reel__node *node = reel__node_at(e->t, index);
    return is_expression(node) && reel__shape_at(e->t, node->shape)->size >= FEWEST_ELEMENTS &&
           may_wait(e, index, reader) && !is_built_in_place(e, index);
}

static void join_inputs(const reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    reel__chained *c = &e->chained[index];
    uint32_t steps = 1, leaves = node->inputs;
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(e, node, i);
        reel__chained *x = &e->chained[in];
        if (reel__node_at(e->t, in)->shape == node->shape && expression_may_wait(e, in, index) &&
            steps + x->steps <= REEL__MOST_STEPS && leaves - 1 + x->leaves <= REEL__WALK_INPUTS) {
            x->waits = true;
            steps += x->steps;
            leaves += x->leaves - 1u;
        }
    }
    c->steps = (uint8_t)steps;
    c->leaves = (uint8_t)leaves;
}

/* A view of all elements in their order. */
static bool is_flat(const reel__execution *e, const reel__node *node)
{
    if (node->op->view == NULL) {
        return false;
    }
    const reel__shape_entry *x = reel__shape_entry_of(e->t, reel__input_of(e, node, 0));
    const reel__shape_entry *y = reel__shape_at(e->t, node->shape);
    int64_t offset = 0, stride[REEL_MAX_RANK];
    return x->size == y->size &&
           node->op->view(node->attributes, &x->shape, x->stride, &y->shape, &offset, stride) &&
           offset == 0 && reel__contiguous(&y->shape, stride);
}

/* What lies under flat views that nobody else looks at. */
static uint32_t below_views(const reel__execution *e, uint32_t index, uint32_t reader)
{
    while (is_flat(e, reel__node_at(e->t, index)) && may_wait(e, index, reader)) {
        index = reel__input_of(e, reel__node_at(e->t, index), 0);
    }
    return index;
}

static void join_terms(const reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    uint32_t in = reel__input_of(e, node, 0), terms = below_views(e, in, index);
    int64_t layout[3];
    if (!expression_may_wait(e, terms, index) ||
        !node->op->sums_along(node->attributes, &reel__shape_entry_of(e->t, in)->shape, layout)) {
        return;
    }
    for (; in != terms; in = reel__input_of(e, reel__node_at(e->t, in), 0)) {
        e->chained[in].waits = true;
    }
    e->chained[terms].waits = true;
    e->chained[index].steps = e->chained[terms].steps + 1;
    e->chained[index].leaves = e->chained[terms].leaves;
}

static void look_at(const reel__execution *e, uint32_t index, size_t at)
{
    const reel__node *node = reel__node_at(e->t, index);
    if (!e->uses[index] || !reel__is_scheduled(e, index)) {
        return;
    }
    e->chained[index].at = (uint32_t)at;
    if (is_expression(node) && !is_built_in_place(e, index)) {
        join_inputs(e, index);
    } else if (node->op->sums_along) {
        join_terms(e, index);
    }
}

/* Where nodes may come to run between loops, step by step (wavefront.c): in order[first … last]. */
static void find_wavefronts(reel__execution *e, const reel__layout *plan, size_t *first,
                            size_t *last)
{
    *first = plan->order_count;
    *last = 0;
    for (size_t i = 0; e->t->threads > 1 && !e->t->options.memory_limit && i < plan->order_count;
         i++) {
        uint32_t index = plan->order[i];
        if (reel__node_at(e->t, index)->op == &reel__loop_op && e->uses[index] &&
            reel__leaves_threads_idle(e, index)) {
            *first = i < *first ? i : *first;
            *last = i;
        }
    }
}

void reel__find_chains(reel__execution *e)
{
    const reel__layout *plan = e->options.replay ? NULL : e->t->plan;
    if (e->retain || e->options.check_finite || e->options.replay || !reel__fusing_is_on(e->t)) {
        return;
    }
    if (plan == NULL) {
        for (uint32_t i = e->first; i <= e->last && e->first <= e->last; i++) {
            look_at(e, i, (size_t)i - e->first + 1);
        }
        return;
    }
    size_t first, last;
    find_wavefronts(e, plan, &first, &last);
    for (size_t i = 0; i < plan->order_count; i++) {
        if (i < first || i > last) {
            look_at(e, plan->order[i], i + 1);
        }
    }
}

/* ---- running them ------------------------------------------------------------------------------ */

typedef struct {
    const reel__execution *e;
    reel__expression x;
    uint32_t leaf[REEL__WALK_INPUTS];
} builder;

static int leaf_of(builder *b, uint32_t index)
{
    int k = 0;
    while (k < b->x.leaves && b->leaf[k] != index) {
        k++;
    }
    if (k == b->x.leaves) {
        b->leaf[b->x.leaves++] = index;
    }
    return k;
}

/* Inputs come before what reads them. At most REEL__MOST_STEPS deep. */
static int add_step(builder *b, uint32_t index)
{
    const reel__execution *e = b->e;
    const reel__node *node = reel__node_at(e->t, index);
    reel__step step = { .kernel = node->op->tile[e->t->options.dtype],
                        .attributes = node->attributes,
                        .inputs = (int)node->inputs };
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(e, node, i);
        step.in[i] = e->chained[in].waits ? add_step(b, in) : -1 - leaf_of(b, in);
    }
    b->x.step[b->x.steps] = step;
    return b->x.steps++;
}

/* Where the expression itself ends: below a sum. */
static uint32_t top_of(const reel__execution *e, uint32_t index)
{
    while (!is_expression(reel__node_at(e->t, index))) {
        index = reel__input_of(e, reel__node_at(e->t, index), 0);
    }
    return index;
}

static void build(builder *b, const reel__execution *e, uint32_t index)
{
    b->e = e;
    b->x.steps = b->x.leaves = 0;
    b->x.shape = &reel__shape_entry_of(e->t, index)->shape;
    add_step(b, index);
}

uint32_t reel__chain_leaves(const reel__execution *e, uint32_t index,
                            uint32_t leaf[REEL__WALK_INPUTS])
{
    builder b;
    build(&b, e, top_of(e, index));
    for (int k = 0; k < b.x.leaves; k++) {
        leaf[k] = b.leaf[k];
    }
    return (uint32_t)b.x.leaves;
}

static bool check_members(const reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    bool fine = reel__check_fresh(e, index);
    for (uint32_t i = 0; fine && i < node->inputs; i++) {
        uint32_t in = reel__input_of(e, node, i);
        fine = !e->chained[in].waits || check_members(e, in);
    }
    return fine;
}

static void make(const void *tiles, int64_t begin, int64_t n, void *out)
{
    reel__make_tiles(tiles, begin, n, out);
}

static bool sum_terms(const reel__execution *e, uint32_t index, const reel__expression *x, void *y,
                      bool accumulate)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    int64_t layout[3];
    node->op->sums_along(node->attributes,
                         &reel__shape_entry_of(t, reel__input_of(e, node, 0))->shape, layout);
    reel__axis_layout along = { layout[0], layout[1], layout[2] };
    size_t bytes = reel__sum_scratch(along);
    void *scratch = bytes ? reel__scratch(t, bytes) : NULL;
    if (bytes && scratch == NULL) {
        return false;
    }
    reel__tiles tiles;
    reel__plan_tiles(x, t->element, &tiles);
    reel__sum_terms terms = { make, &tiles };
    if (t->options.dtype == REEL_F32) {
        reel__sum_made_f32(&terms, y, along, accumulate, t->threads, scratch);
    } else {
        reel__sum_made_f64(&terms, y, along, accumulate, t->threads, scratch);
    }
    return true;
}

bool reel__run_chain(const reel__execution *e, uint32_t index, void *y, bool accumulate)
{
    reel_tape *t = e->t;
    uint32_t top = top_of(e, index);
    builder b;
    build(&b, e, top);
    for (int k = 0; k < b.x.leaves; k++) {
        if (!reel__tensor_of(t, b.leaf[k], &b.x.leaf[k])) {
            reel__fail_text(t, REEL_INTERNAL, reel__node_at(t, index)->op->name,
                            "an input has no value");
            return false;
        }
    }
    if (!check_members(e, index)) {
        return false;
    }
    t->statistics.kernels += (uint64_t)b.x.steps + (top != index);
    if (top != index) {
        return sum_terms(e, index, &b.x, y, accumulate);
    }
    reel__run_expression(&b.x, t->element, y, t->threads);
    return true;
}
