/* stack.c: the values that a loop's copies read or make, as one tensor with the steps in front.
 * Where the executor can, it lets the members write into the stack, so that stacking moves
 * nothing. */
#include "../../ops/ops.h"
#include "plan.h"

static reel_var cut(reel_var v, int64_t begin, int64_t steps)
{
    return begin == 0 && reel_shape_of(v).dim[0] == steps ? v
                                                          : reel_slice(v, 0, begin, begin + steps);
}

static reel_var stack_family(reel__plan *p, reel__loop *loop, uint32_t position)
{
    reel_tape *t = p->t;
    if (loop->stack[position] == REEL__NONE) {
        size_t bytes = (size_t)loop->steps * sizeof(reel_var);
        reel_var *list = reel__resize(t, NULL, 0, bytes);
        if (list == NULL) {
            return (reel_var){ t, 0 };
        }
        for (int64_t s = 0; s < loop->steps; s++) {
            list[s] = reel__handle(t, reel__member(loop, s, position));
        }
        reel_var stack = reel_stack_n(0, (int)loop->steps, list);
        reel__resize(t, list, bytes, 0);
        if (!reel__resolve(t, stack, "stack", &loop->stack[position])) {
            loop->stack[position] = REEL__NONE;
            return (reel_var){ t, 0 };
        }
    }
    return reel__handle(t, loop->stack[position]);
}

reel_var reel__stacked(reel__plan *p, uint32_t loop_number, const reel__relation *r, bool *stacked)
{
    reel_tape *t = p->t;
    const reel__loop *loop = &p->loops[loop_number];
    int64_t begin = loop->first + r->shift;
    reel_var none = { t, 0 };
    *stacked = r->kind != REEL__INVARIANT;
    switch (r->kind) {
    case REEL__INVARIANT:
        return reel__handle(t, r->node);
    case REEL__SLICES:
        return cut(reel__handle(t, r->node), begin, loop->steps);
    case REEL__FAMILY: {
        reel__loop *from = &p->loops[r->loop];
        begin -= from->first;
        if (begin < 0 || begin + loop->steps > from->steps) {
            return none;
        }
        return cut(stack_family(p, from, r->position), begin, loop->steps);
    }
    case REEL__IRREGULAR:
        break;
    }
    return none;
}
