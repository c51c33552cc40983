/* sink.c: a sum carried through a loop leaves it and becomes one product or sum over all steps. Every
 * weight's gradient is such a sum.
 *
 *     before   G = 0; for t: G = G + x[t]ᵀ·dz[t]
 *     after    for t: (x[t], dz[t] are kept side by side); G = Xᵀ·dZ with T·batch rows
 *
 * A term may be a product (`sum_over`), a slice or sum of such terms, something else that is linear in
 * one (what a weight was made of within the step gets its gradient that way), or a step written to its
 * place in a whole (`puts_part`): the sum of these is the stack of the steps. / */
#include <string.h>

#include "../../ops/ops.h"
#include "plan.h"

#define MOST_INPUTS 4
#define MOST_TERMS 8
#define MOST_PARTS 8
#define DEEPEST 16 /* terms within terms */

/* ---- one term ---------------------------------------------------------------------------------- */

/* Its first factor is joined along the axis that is not summed over: rows of the sum. */
static const reel__item *rows_joined(const reel__plan *p, const reel__item *item)
{
    const reel__node *node = reel__template(p, item);
    if (node->op->contracted_axis == NULL || item->inputs != 2 || item->in[0].kind != REEL__ITEM) {
        return NULL;
    }
    const reel__item *join = reel__item_at(p, item->in[0].loop, item->in[0].item);
    const reel__node *joined = reel__template(p, join);
    reel_shape shape = reel__item_shape(p, join);
    bool fits = joined->op->joined_axis && !join->varies && join->inputs <= MOST_PARTS &&
                shape.rank == 2 && reel__item_input(p, join, 0)->rank == 2 &&
                joined->op->joined_axis(joined->attributes) !=
                    node->op->contracted_axis(node->attributes, 0, 2);
    return fits ? join : NULL;
}

/* Steps written one behind the other, in the order of the slots, into axis 0. */
static bool fills_in_order(const reel__plan *p, uint32_t loop_number, const reel__item *item,
                           int64_t *first)
{
    const reel__loop *loop = &p->loops[loop_number];
    const reel_op *op = reel__op_of(p, item);
    if (op->puts_part == NULL || item->member == NULL) {
        return false;
    }
    const reel_shape *x = reel__item_input(p, item, 0);
    for (int64_t slot = 0; slot < loop->steps; slot++) {
        const reel__node *node = reel__node_at(p->t, item->member[reel__slot(loop, slot)]);
        reel_axis_part part = op->puts_part(node->attributes, x);
        if (slot == 0) {
            *first = part.begin;
        }
        if (part.axis != 0 || x->dim[0] != 1 || part.begin != *first + slot) {
            return false;
        }
    }
    return true;
}

static bool can_sum(const reel__plan *p, uint32_t loop, const reel__source *term, int depth);

static bool can_sum_over(const reel__plan *p, uint32_t loop, const reel__item *item)
{
    const reel__item *join = rows_joined(p, item);
    reel__source part;
    if (item->varies || reel__op_of(p, item)->sum_over == NULL || item->inputs > MOST_INPUTS) {
        return false;
    }
    for (uint32_t i = 0; i < item->inputs; i++) {
        if (!(i == 0 && join) &&
            (item->in[i].kind == REEL__SAME || !reel__can_stack(p, loop, item, &item->in[i]))) {
            return false;
        }
    }
    for (uint32_t i = 0; join && i < join->inputs; i++) {
        if (!reel__compose(p, &item->in[0], i, &part) || part.kind == REEL__SAME ||
            !reel__can_stack(p, loop, item, &part)) {
            return false;
        }
    }
    return true;
}

/* The input in which the item is linear, all others being the same in every copy; -1: none. */
static int linear_input(const reel__plan *p, const reel__item *item)
{
    const reel_op *op = reel__op_of(p, item);
    int found = -1;
    if (item->varies || item->inputs > MOST_INPUTS) {
        return -1;
    }
    for (uint32_t i = 0; i < item->inputs; i++) {
        if (item->in[i].kind != REEL__SAME) {
            bool linear = op->view != NULL || (op->linear >> i & 1u);
            if (!linear || found >= 0) {
                return -1;
            }
            found = (int)i;
        }
    }
    return found;
}

/* Rather than stack what it makes, sums what it is made of. */
static bool sums_linearly(const reel__plan *p, uint32_t loop, const reel__item *item, int depth)
{
    int linear = linear_input(p, item);
    return linear >= 0 && can_sum(p, loop, &item->in[linear], depth - 1);
}

static bool can_sum_parts(const reel__plan *p, uint32_t loop, const reel__item *item, int depth)
{
    bool can = !item->varies && item->inputs <= MOST_PARTS;
    for (uint32_t i = 0; can && i < item->inputs; i++) {
        can = can_sum(p, loop, &item->in[i], depth - 1);
    }
    return can;
}

static bool can_sum(const reel__plan *p, uint32_t loop, const reel__source *term, int depth)
{
    if (!reel__is_own(term, loop) || depth == 0) {
        return false;
    }
    const reel__item *item = reel__item_at(p, loop, term->item);
    const reel_op *op = reel__op_of(p, item);
    int64_t first;
    if (!reel__is_in_all_copies(&p->loops[loop], item)) {
        return false;
    }
    if (sums_linearly(p, loop, item, depth)) {
        return true;
    }
    if (op->sums) {
        return can_sum(p, loop, &item->in[0], depth - 1) &&
               can_sum(p, loop, &item->in[1], depth - 1);
    }
    if (op->puts_part) {
        return fills_in_order(p, loop, item, &first) &&
               reel__can_stack(p, loop, item, &item->in[0]);
    }
    return op->joined_axis ? can_sum_parts(p, loop, item, depth) : can_sum_over(p, loop, item);
}

/* ---- its sum ----------------------------------------------------------------------------------- */

static reel_var sum_of(reel__plan *p, uint32_t loop, const reel__source *term);

static reel_var call_sum_over(reel__plan *p, uint32_t loop, const reel__item *item,
                              const reel__source in[])
{
    reel_var x[MOST_INPUTS];
    bool stacked[MOST_INPUTS];
    const reel__node *node = reel__template(p, item);
    const reel_op *op = node->op;
    const void *attributes = node->attributes;
    uint32_t inputs = item->inputs;
    for (uint32_t i = 0; i < inputs; i++) {
        x[i] = reel__stacked(p, loop, item, &in[i], &stacked[i]);
        if (x[i].id == 0) {
            return x[i];
        }
    }
    return op->sum_over(&(reel_lift_call){
        .op = op, .inputs = (int)inputs, .x = x, .stacked = stacked, .attributes = attributes });
}

static reel_var sum_of_rows(reel__plan *p, uint32_t loop, const reel__item *item, uint32_t parts)
{
    reel_var rows[MOST_PARTS];
    for (uint32_t i = 0; i < parts; i++) {
        reel__source in[2] = { { 0 }, item->in[1] };
        reel__compose(p, &item->in[0], i, &in[0]);
        rows[i] = call_sum_over(p, loop, item, in);
        if (rows[i].id == 0) {
            return rows[i];
        }
    }
    return reel_concat_n(0, (int)parts, rows);
}

/* The columns of a wider sum, where what is summed lies in the columns of something wider. */
static reel_var sum_of_columns(reel__plan *p, uint32_t loop, const reel__item *item)
{
    const reel__source *s = &item->in[0];
    const reel__item *narrow = s->kind == REEL__ITEM ? reel__item_at(p, s->loop, s->item) : NULL;
    reel_shape shape = reel__item_shape(p, item);
    if (narrow == NULL || narrow->joined == REEL__NONE ||
        reel__op_of(p, item) != &reel__op_sum_to || shape.rank == 0 ||
        shape.dim[shape.rank - 1] !=
            reel__item_shape(p, narrow).dim[reel__item_shape(p, narrow).rank - 1]) {
        return (reel_var){ p->t, 0 };
    }
    reel__item *wide = reel__item_at(p, s->loop, narrow->joined);
    int64_t column = narrow->column, width = shape.dim[shape.rank - 1];
    if (wide->sum == REEL__NONE) {
        reel__source all = *s;
        bool stacked;
        all.item = narrow->joined;
        reel_shape wide_shape = reel__item_shape(p, wide);
        shape.dim[shape.rank - 1] = wide_shape.dim[wide_shape.rank - 1];
        reel_var sum = reel_sum_to(reel__stacked(p, loop, item, &all, &stacked), shape);
        wide = reel__item_at(p, s->loop, narrow->joined);
        if (!reel__resolve(p->t, sum, "plan", &wide->sum)) {
            wide->sum = REEL__NONE;
            return (reel_var){ p->t, 0 };
        }
    }
    return reel_slice(reel__handle(p->t, wide->sum), -1, column, column + width);
}

static reel_var sum_of_steps(reel__plan *p, uint32_t loop, const reel__item *item)
{
    int64_t first = 0;
    bool stacked;
    reel_shape shape = reel__item_shape(p, item);
    int64_t steps = p->loops[loop].steps, length = shape.dim[0];
    fills_in_order(p, loop, item, &first);
    reel_var all = reel__stacked(p, loop, item, &item->in[0], &stacked);
    shape.dim[0] = steps;
    all = reel_reshape(all, shape);
    return steps == length ? all : reel_pad(all, 0, first, length - first - steps);
}

/* f(a[0]) + f(a[1]) + … = f(a[0] + a[1] + …) */
static reel_var sum_of_linear(reel__plan *p, uint32_t loop, const reel__item *item, int linear)
{
    reel_var x[MOST_INPUTS];
    const reel__node *node = reel__template(p, item);
    const reel_op *op = node->op;
    const void *attributes = node->attributes;
    uint32_t inputs = item->inputs;
    for (uint32_t i = 0; i < inputs; i++) {
        x[i] = i == (uint32_t)linear ? sum_of(p, loop, &item->in[i])
                                     : reel__handle(p->t, item->in[i].node);
        if (x[i].id == 0) {
            return x[i];
        }
    }
    return reel_record(op, (int)inputs, x, attributes);
}

/* [a[0] b[0]] + [a[1] b[1]] + … = [a[0] + a[1] + …  b[0] + b[1] + …] */
static reel_var sum_of_parts(reel__plan *p, uint32_t loop, const reel__item *item)
{
    reel_var part[MOST_PARTS];
    const reel__node *node = reel__template(p, item);
    const reel_op *op = node->op;
    const void *attributes = node->attributes;
    uint32_t parts = item->inputs;
    for (uint32_t i = 0; i < parts; i++) {
        part[i] = sum_of(p, loop, &item->in[i]);
        if (part[i].id == 0) {
            return part[i];
        }
    }
    return reel_record(op, (int)parts, part, attributes);
}

static reel_var sum_of_item(reel__plan *p, uint32_t loop, const reel__item *item)
{
    const reel_op *op = reel__op_of(p, item);
    if (sums_linearly(p, loop, item, DEEPEST)) {
        return sum_of_linear(p, loop, item, linear_input(p, item));
    }
    if (op->sums) {
        reel_var a = sum_of(p, loop, &item->in[0]), b = sum_of(p, loop, &item->in[1]);
        return a.id == 0 ? a : b.id == 0 ? b : reel_accumulate(a, b);
    }
    if (op->puts_part) {
        return sum_of_steps(p, loop, item);
    }
    if (op->joined_axis) {
        return sum_of_parts(p, loop, item);
    }
    const reel__item *join = rows_joined(p, item);
    if (join) {
        return sum_of_rows(p, loop, item, join->inputs);
    }
    reel_var columns = sum_of_columns(p, loop, item);
    return columns.id ? columns : call_sum_over(p, loop, item, item->in);
}

static reel_var sum_of(reel__plan *p, uint32_t loop, const reel__source *term)
{
    reel__item *item = reel__item_at(p, loop, term->item);
    if (item->sum == REEL__NONE) {
        uint32_t node = REEL__NONE;
        reel_var sum = sum_of_item(p, loop, item);
        if (sum.id == 0 || !reel__resolve(p->t, sum, "plan", &node)) {
            return (reel_var){ p->t, 0 };
        }
        reel__item_at(p, loop, term->item)->sum = node;
    }
    return reel__handle(p->t, reel__item_at(p, loop, term->item)->sum);
}

/* ---- carried sums ------------------------------------------------------------------------------ */

/* G = (… ((G + a) + b) …): every addition is read by the next alone, the last one by the first of
 * the next copy, and after the loop. */
typedef struct {
    uint32_t n, sum[MOST_TERMS];
    reel__source term[MOST_TERMS];
} chain;

/* The addition that adds to item `number`, with `offset` copies between; the other term. */
static bool next_sum(const reel__plan *p, uint32_t loop, uint32_t number, int64_t offset,
                     uint32_t *next, reel__source *term)
{
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        const reel__item *item = reel__item_at(p, loop, k);
        for (uint32_t i = 0; !item->gone && i < item->inputs; i++) {
            const reel__source *s = &item->in[i];
            if (s->kind == REEL__ITEM && s->loop == loop && s->item == number) {
                *next = k;
                bool sums = reel__op_of(p, item)->sums && !item->varies && s->scale == 1 &&
                            s->offset == offset && item->inputs == 2;
                *term = sums ? item->in[1 - i] : (reel__source){ 0 };
                return sums;
            }
        }
    }
    return false;
}

static bool is_whole(const reel__plan *p, uint32_t loop, const reel__item *item)
{
    reel_shape shape = reel__item_shape(p, item);
    for (uint32_t i = 0; i < 2; i++) {
        if (!reel_shape_equal(*reel__item_input(p, item, i), shape)) {
            return false; /* it broadcasts */
        }
    }
    return reel__is_in_all_copies(&p->loops[loop], item) && item->ranges == NULL;
}

static bool find_chain(const reel__plan *p, uint32_t loop, uint32_t last, chain *c)
{
    const reel__item *item = reel__item_at(p, loop, last);
    int64_t final = p->loops[loop].steps - 1;
    uint32_t at = last;
    int64_t offset = -1;
    c->n = 0;
    if (item->gone || item->lead != 1 || !reel__op_of(p, item)->sums ||
        (reel__is_read_outside(item) && item->first_read != final)) {
        return false;
    }
    do {
        if (c->n == MOST_TERMS || reel__count_readers(p, loop, at) != 1 ||
            !next_sum(p, loop, at, offset, &c->sum[c->n], &c->term[c->n])) {
            return false;
        }
        at = c->sum[c->n++];
        item = reel__item_at(p, loop, at);
        offset = 0;
        if (!is_whole(p, loop, item) ||
            (at != last && (item->lead > 0 || reel__is_read_outside(item)))) {
            return false;
        }
    } while (at != last);
    return true;
}

static bool sink_chain(reel__plan *p, uint32_t loop, const chain *c)
{
    reel_tape *t = p->t;
    for (uint32_t i = 0; i < c->n; i++) {
        if (!can_sum(p, loop, &c->term[i], DEEPEST)) {
            return true;
        }
    }
    reel__item *last = reel__item_at(p, loop, c->sum[c->n - 1]);
    uint32_t seed = last->initial[0], target = last->member[p->loops[loop].steps - 1];
    reel_var sum = seed == REEL__ZERO ? (reel_var){ 0 } : reel__handle(t, seed);
    for (uint32_t i = 0; i < c->n; i++) {
        reel_var term = sum_of(p, loop, &c->term[i]);
        if (term.id == 0) {
            return t->error.status == REEL_OK;
        }
        sum = sum.tape ? reel_accumulate(sum, term) : term;
    }
    t->planned.sunk++;
    for (uint32_t i = 0; i < c->n; i++) {
        reel__item_at(p, loop, c->sum[i])->gone = true;
    }
    return reel__redirect(p, target, sum);
}

bool reel__pass_sink(reel__plan *p)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            chain c;
            if (reel__item_at(p, l, k)->member && find_chain(p, l, k, &c) &&
                !sink_chain(p, l, &c)) {
                return false;
            }
        }
    }
    return true;
}
