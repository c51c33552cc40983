/* hoist.c: a product that does not depend on carried values leaves the loop and runs once over
 * all steps.
 *
 *     before   for t: z[t] = x[t]·W + …
 *     after    Z = X·W with T·batch rows; for t: z[t] = Z[t] + …
 *
 * It takes contractions with one input sliced by step and the others the same in all steps,
 * whose op knows how to run with the steps in front (`lift`). / */
#include "../../ops/ops.h"
#include "plan.h"

#define MOST_INPUTS 4

static bool relations_allow(const reel__plan *p, uint32_t loop, uint32_t position, uint32_t inputs,
                            reel__relation relation[])
{
    bool by_step = false;
    for (uint32_t i = 0; i < inputs; i++) {
        relation[i] = reel__relate(p, loop, position, i);
        if (relation[i].kind != REEL__INVARIANT && relation[i].kind != REEL__SLICES) {
            return false;
        }
        by_step = by_step || relation[i].kind == REEL__SLICES;
    }
    return by_step;
}

static bool hoist(reel__plan *p, uint32_t loop_number, uint32_t position)
{
    reel_tape *t = p->t;
    const reel__loop *loop = &p->loops[loop_number];
    const reel__node *node = reel__node_at(t, reel__member(loop, 0, position));
    const reel_op *op = node->op;
    const void *attributes = node->attributes;
    uint32_t inputs = node->inputs;
    reel__relation relation[MOST_INPUTS];
    reel_var x[MOST_INPUTS];
    bool stacked[MOST_INPUTS];
    if (op->lift == NULL || inputs > MOST_INPUTS || loop->varies[position] ||
        !relations_allow(p, loop_number, position, inputs, relation)) {
        return true;
    }
    for (uint32_t i = 0; i < inputs; i++) {
        x[i] = reel__stacked(p, loop_number, &relation[i], &stacked[i]);
    }
    reel_var all = op->lift(&(reel_lift_call){
        .op = op, .inputs = (int)inputs, .x = x, .stacked = stacked, .attributes = attributes });
    t->planned.hoisted += all.id != 0;
    for (int64_t s = 0; all.id && s < loop->steps; s++) {
        if (!reel__redirect(t, reel__member(loop, s, position), reel_at(all, s))) {
            return false;
        }
    }
    return true;
}

bool reel__pass_hoist(reel__plan *p)
{
    for (uint32_t k = 0; k < p->loop_count; k++) {
        for (uint32_t i = 0; i < p->loops[k].length; i++) {
            const reel__node *node = reel__node_at(p->t, reel__member(&p->loops[k], 0, i));
            if (node->op->kind == REEL_CONTRACTION && !hoist(p, k, i)) {
                return false;
            }
        }
    }
    return true;
}
