/* place.c: what will be concatenated is written to its place at once.
 *
 *     before   for t: a = …; b = …; z = concat(a, b)
 *     after    for t: columns 0 … 63 of z = …; columns 64 … 127 of z = …
 *
 * It takes concatenations along the last axis inside a recurrence, whose parts are computed in the
 * same step, each for this place alone. / */
#include "plan.h"

static bool joins_columns(const reel__plan *p, uint32_t loop, const reel__item *item)
{
    const reel__node *node = reel__template(p, item);
    return !item->gone && item->recurrent && !item->varies && item->lead == 0 &&
           node->op->joined_axis && reel__item_shape(p, item).rank == 2 &&
           node->op->joined_axis(node->attributes) == 1 &&
           reel__is_in_all_copies(&p->loops[loop], item) && item->inputs > 0 &&
           reel__item_input(p, item, 0)->rank == 2;
}

static bool can_join(const reel__plan *p, uint32_t loop, const reel__item *join, uint32_t input)
{
    const reel__source *s = &join->in[input];
    if (!reel__is_own(s, loop)) {
        return false;
    }
    for (uint32_t i = 0; i < join->inputs; i++) {
        if (i != input && reel__same_source(s, &join->in[i])) {
            return false;
        }
    }
    const reel__item *part = reel__item_at(p, loop, s->item);
    return reel__op_of(p, part)->kind == REEL_ELEMENTWISE && part->component == join->component &&
           part->joined == REEL__NONE && part->lead == 0 && part->ranges == NULL &&
           !reel__is_read_outside(part) && reel__is_in_all_copies(&p->loops[loop], part);
}

bool reel__pass_place(reel__plan *p)
{
    if (!reel__find_recurrences(p)) {
        return false;
    }
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            const reel__item *join = reel__item_at(p, l, k);
            if (!joins_columns(p, l, join)) {
                continue;
            }
            int64_t column = 0;
            for (uint32_t i = 0; i < join->inputs; i++) {
                if (can_join(p, l, join, i)) {
                    reel__item *part = reel__item_at(p, l, join->in[i].item);
                    part->joined = k;
                    part->column = column;
                }
                column += reel__item_input(p, join, i)->dim[1];
            }
        }
    }
    return true;
}
