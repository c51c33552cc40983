/* sink.c: a sum carried through a loop of products leaves the loop and becomes one product over
 * all steps, contracted over steps and batch. Every weight's gradient is such a sum.
 *
 *     before   G = 0; for t: G = G + x[t]ᵀ·dz[t]
 *     after    for t: (x[t], dz[t] are kept side by side); G = Xᵀ·dZ with T·batch rows
 *
 * It takes accumulate nodes whose one input is the same node a step before, and whose other
 * input is an op that knows its sum over stacked inputs (`sum_over`). Sums that somebody reads
 * in between stay. / */
#include "plan.h"

#define MOST_INPUTS 4

static int64_t executed_first(const reel__loop *loop)
{
    return loop->direction > 0 ? 0 : loop->steps - 1;
}

static int64_t executed_last(const reel__loop *loop)
{
    return loop->direction > 0 ? loop->steps - 1 : 0;
}

/* Input 0 of each copy but the first is the copy before, which nobody else reads. */
static bool is_carried_sum(const reel__plan *p, const reel__loop *loop, uint32_t position)
{
    for (int64_t s = 0; s < loop->steps; s++) {
        uint32_t node = reel__member(loop, s, position);
        if (s != executed_last(loop) && p->readers[node] != 1) {
            return false;
        }
        if (s != executed_first(loop)) {
            uint32_t before = reel__member(loop, s - loop->direction, position);
            if (reel__inputs_of(p->t, reel__node_at(p->t, node))[0] != before) {
                return false;
            }
        }
    }
    return true;
}

static bool read_once(const reel__plan *p, const reel__loop *loop, uint32_t position)
{
    for (int64_t s = 0; s < loop->steps; s++) {
        if (p->readers[reel__member(loop, s, position)] != 1) {
            return false;
        }
    }
    return true;
}

static reel_var sum_over(reel__plan *p, uint32_t loop_number, uint32_t position)
{
    reel_tape *t = p->t;
    const reel__node *node = reel__node_at(t, reel__member(&p->loops[loop_number], 0, position));
    reel_var x[MOST_INPUTS];
    bool stacked[MOST_INPUTS];
    reel__relation relation[MOST_INPUTS];
    if (node->op->sum_over == NULL || node->inputs > MOST_INPUTS ||
        p->loops[loop_number].varies[position]) {
        return (reel_var){ t, 0 };
    }
    for (uint32_t i = 0; i < node->inputs; i++) {
        relation[i] = reel__relate(p, loop_number, position, i);
        if (relation[i].kind == REEL__IRREGULAR) {
            return (reel_var){ t, 0 };
        }
    }
    const reel_op *op = node->op;
    uint32_t inputs = node->inputs;
    const void *attributes = node->attributes;
    for (uint32_t i = 0; i < inputs; i++) {
        x[i] = reel__stacked(p, loop_number, &relation[i], &stacked[i]);
        if (x[i].id == 0) {
            return x[i];
        }
    }
    return op->sum_over(&(reel_lift_call){
        .op = op, .inputs = (int)inputs, .x = x, .stacked = stacked, .attributes = attributes });
}

static bool sink_sum(reel__plan *p, uint32_t loop_number, uint32_t position)
{
    reel_tape *t = p->t;
    const reel__loop *loop = &p->loops[loop_number];
    reel__relation term = reel__relate(p, loop_number, position, 1);
    if (term.kind != REEL__FAMILY || term.loop != loop_number || term.shift != 0 ||
        !is_carried_sum(p, loop, position) || !read_once(p, loop, term.position)) {
        return true;
    }
    uint32_t first = reel__member(loop, executed_first(loop), position);
    uint32_t last = reel__member(loop, executed_last(loop), position);
    uint32_t seed = reel__inputs_of(t, reel__node_at(t, first))[0];
    reel_var sum = sum_over(p, loop_number, term.position);
    t->planned.sunk += sum.id != 0;
    return sum.id == 0 || reel__redirect(t, last, reel_accumulate(reel__handle(t, seed), sum));
}

bool reel__pass_sink(reel__plan *p)
{
    for (uint32_t k = 0; k < p->loop_count; k++) {
        for (uint32_t i = 0; i < p->loops[k].length; i++) {
            const reel__node *node = reel__node_at(p->t, reel__member(&p->loops[k], 0, i));
            if (node->op == &reel__op_accumulate && !sink_sum(p, k, i)) {
                return false;
            }
        }
    }
    return true;
}
