/* hoist.c: a product that is not part of a recurrence runs once over all steps, before or after the
 * loop. What is left of the loop falls into stages, each a loop of its own between two products.
 *
 *     before   for t: z = x[t]·W + h·U; h = tanh(z); y[t] = h·V
 *     after    Z = X·W with T·batch rows; for t: z = Z[t] + h·U; h[t] = tanh(z); Y = H·V
 *
 * It takes contractions with one factor that can be stacked over the steps and another that is the
 * same in all of them, whose op knows how to run with the steps in front (`lift`). / */
#include "plan.h"

static bool can_lift(const reel__plan *p, uint32_t loop, const reel__item *item)
{
    const reel__node *node = reel__template(p, item);
    return !item->gone && !item->recurrent && !item->varies && item->lead == 0 &&
           node->op->kind == REEL_CONTRACTION && node->op->lift && item->inputs == 2 &&
           item->ranges == NULL && item->in[0].kind != REEL__SAME &&
           item->in[1].kind == REEL__SAME && reel__can_stack(p, loop, item, &item->in[0]);
}

static bool lift(reel__plan *p, uint32_t loop, uint32_t number)
{
    const reel__item *item = reel__item_at(p, loop, number);
    const reel__node *node = reel__template(p, item);
    const reel_op *op = node->op;
    const void *attributes = node->attributes;
    uint32_t before = (uint32_t)p->t->nodes.count;
    bool stacked[2];
    reel_var x[2];
    for (uint32_t i = 0; i < 2; i++) {
        x[i] = reel__stacked(p, loop, item, &item->in[i], &stacked[i]);
    }
    reel_var all = op->lift(&(reel_lift_call){
        .op = op, .inputs = 2, .x = x, .stacked = stacked, .attributes = attributes });
    if (all.id == 0) {
        return p->t->error.status == REEL_OK;
    }
    p->t->planned.hoisted++;
    return reel__not_before(p, before, loop) &&
           reel__resolve(p->t, all, "plan", &reel__item_at(p, loop, number)->lifted);
}

/* ---- stages ------------------------------------------------------------------------------------ */

/* A stage later than all it reads; what reads a product that left, one later than the product. */
static bool push_down(const reel__plan *p, uint32_t number)
{
    const reel__loop *loop = &p->loops[number];
    bool changed = false;
    for (uint32_t k = 0; k < loop->items; k++) {
        reel__item *item = &loop->item[k];
        int stage = item->stage;
        for (uint32_t i = 0; !item->gone && i < item->inputs; i++) {
            const reel__source *s = &item->in[i];
            if (s->kind == REEL__ITEM && s->loop == number) {
                const reel__item *from = &loop->item[s->item];
                bool leaves = from->lifted != REEL__NONE && item->lifted == REEL__NONE;
                int least = from->stage + leaves;
                stage = least > stage ? least : stage;
            }
        }
        changed = changed || stage != item->stage;
        item->stage = stage;
    }
    return changed;
}

/* What only later stages read need not be stored for them. */
static bool pull_down(const reel__plan *p, uint32_t number)
{
    const reel__loop *loop = &p->loops[number];
    bool changed = false;
    for (uint32_t k = 0; k < loop->items; k++) {
        reel__item *item = &loop->item[k];
        int earliest = -1;
        for (uint32_t r = 0; r < loop->items; r++) {
            for (uint32_t i = 0; !loop->item[r].gone && i < loop->item[r].inputs; i++) {
                const reel__source *s = &loop->item[r].in[i];
                if (s->kind == REEL__ITEM && s->loop == number && s->item == k) {
                    int stage = loop->item[r].stage;
                    earliest = earliest < 0 || stage < earliest ? stage : earliest;
                }
            }
        }
        bool moves = !item->gone && !item->recurrent && item->lifted == REEL__NONE &&
                     item->ranges == NULL && !reel__is_read_outside(item);
        if (moves && earliest > item->stage) {
            item->stage = earliest;
            changed = true;
        }
    }
    return changed;
}

static void find_stages_of(reel__plan *p, uint32_t number)
{
    reel__loop *loop = &p->loops[number];
    loop->stages = 1;
    while (push_down(p, number)) {
    }
    while (pull_down(p, number)) {
    }
    for (uint32_t k = 0; k < loop->items; k++) {
        int stages = loop->item[k].stage + 1;
        loop->stages = stages > loop->stages ? stages : loop->stages;
    }
}

bool reel__pass_hoist(reel__plan *p)
{
    if (!reel__find_recurrences(p)) {
        return false;
    }
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            if (can_lift(p, l, reel__item_at(p, l, k)) && !lift(p, l, k)) {
                return false;
            }
        }
    }
    return true;
}

void reel__find_stages(reel__plan *p)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        find_stages_of(p, l);
    }
}
