/* split.c: a product of a concatenation becomes a sum of products, where that lets a part of it
 * leave the loop.
 *
 *     before   for t: z[t] = [h[t], x[t]]·W
 *     after    W₁, W₂ = rows of W; Z = X·W₂ over all steps; for t: z[t] = Z[t] + h[t]·W₁
 *
 * It takes contractions whose first input is joined along the contracted axis (`joined_axis`,
 * `contracted_axis`) in every copy, and whose second is the same in all of them. / */
#include "../../ops/ops.h"
#include "plan.h"

#define MOST_PARTS 8

typedef struct {
    reel__plan *p;
    uint32_t loop_number, position, join_position;
    const reel_op *op;
    const void *attributes;
    int parts;
    reel_var weight[MOST_PARTS];  /* the rows of the second input that meet each part */
    reel_var hoisted[MOST_PARTS]; /* the part's product over all steps, or a zero handle */
} split;

static reel_var product(const split *s, reel_var part, int k)
{
    const reel_var x[2] = { part, s->weight[k] };
    return reel_record(s->op, 2, x, s->attributes);
}

static bool is_joined(const reel__plan *p, uint32_t loop_number, uint32_t position, split *s)
{
    const reel__loop *loop = &p->loops[loop_number];
    const reel__node *node = reel__node_at(p->t, reel__member(loop, 0, position));
    if (node->op->contracted_axis == NULL || node->op->lift == NULL || node->inputs != 2 ||
        loop->varies[position]) {
        return false;
    }
    reel__relation a = reel__relate(p, loop_number, position, 0),
                   b = reel__relate(p, loop_number, position, 1);
    if (a.kind != REEL__FAMILY || a.loop != loop_number || a.shift != 0 ||
        b.kind != REEL__INVARIANT) {
        return false;
    }
    const reel__node *join = reel__node_at(p->t, reel__member(loop, 0, a.position));
    reel_shape x = reel__shape_at(p->t, join->shape)->shape;
    *s = (split){ .loop_number = loop_number,
                  .position = position,
                  .join_position = a.position,
                  .op = node->op,
                  .attributes = node->attributes,
                  .parts = (int)join->inputs };
    return join->op->joined_axis && join->inputs <= MOST_PARTS && !loop->varies[a.position] &&
           join->op->joined_axis(join->attributes) ==
               node->op->contracted_axis(node->attributes, 0, x.rank);
}

/* The rows of b that meet part k, and the part's product over all steps where its inputs allow. */
static bool prepare_part(split *s, int k, int64_t begin, reel_var b, reel_shape part_shape)
{
    reel__plan *p = s->p;
    int axis_a = s->op->contracted_axis(s->attributes, 0, part_shape.rank);
    int axis_b = s->op->contracted_axis(s->attributes, 1, reel_shape_of(b).rank);
    s->weight[k] = reel_slice(b, axis_b, begin, begin + part_shape.dim[axis_a]);
    s->hoisted[k] = (reel_var){ p->t, 0 };
    reel__relation r = reel__relate(p, s->loop_number, s->join_position, (uint32_t)k);
    if (r.kind == REEL__SLICES) {
        bool stacked[2] = { true, false };
        reel_var x[2] = { reel__stacked(p, s->loop_number, &r, &stacked[0]), s->weight[k] };
        s->hoisted[k] = s->op->lift(&(reel_lift_call){
            .op = s->op, .inputs = 2, .x = x, .stacked = stacked, .attributes = s->attributes });
    }
    return s->weight[k].id != 0;
}

static bool any_by_step(const split *s)
{
    for (int k = 0; k < s->parts; k++) {
        if (reel__relate(s->p, s->loop_number, s->join_position, (uint32_t)k).kind ==
            REEL__SLICES) {
            return true;
        }
    }
    return false;
}

static reel_var part_of(const split *s, int64_t step, int k)
{
    reel_tape *t = s->p->t;
    uint32_t join = reel__member(&s->p->loops[s->loop_number], step, s->join_position);
    return reel__handle(t, reel__inputs_of(t, reel__node_at(t, join))[k]);
}

/* The products that left the loop come first: the others are then added into their memory. */
static bool rewrite_step(const split *s, int64_t step)
{
    reel_tape *t = s->p->t;
    reel_var sum = { 0 };
    for (int round = 0; round < 2; round++) {
        for (int k = 0; k < s->parts; k++) {
            bool left = s->hoisted[k].id != 0;
            if (left == (round == 0)) {
                reel_var term =
                    left ? reel_at(s->hoisted[k], step) : product(s, part_of(s, step, k), k);
                sum = sum.tape ? reel_accumulate(sum, term) : term;
            }
        }
    }
    return sum.id == 0 ||
           reel__redirect(t, reel__member(&s->p->loops[s->loop_number], step, s->position), sum);
}

static bool split_product(split *s)
{
    reel__plan *p = s->p;
    reel_tape *t = p->t;
    reel__relation b = reel__relate(p, s->loop_number, s->position, 1);
    reel_var weight = reel__handle(t, b.node);
    int64_t begin = 0;
    for (int k = 0; k < s->parts; k++) {
        reel_shape shape = reel_shape_of(part_of(s, 0, k));
        if (!prepare_part(s, k, begin, weight, shape)) {
            return true;
        }
        begin += shape.dim[s->op->contracted_axis(s->attributes, 0, shape.rank)];
    }
    t->planned.split++;
    for (int64_t step = 0; step < p->loops[s->loop_number].steps; step++) {
        if (!rewrite_step(s, step)) {
            return false;
        }
    }
    return true;
}

bool reel__pass_split(reel__plan *p)
{
    for (uint32_t k = 0; k < p->loop_count; k++) {
        for (uint32_t i = 0; i < p->loops[k].length; i++) {
            split s;
            if (!is_joined(p, k, i, &s)) {
                continue;
            }
            s.p = p;
            if (any_by_step(&s) && !split_product(&s)) {
                return false;
            }
        }
    }
    return true;
}
