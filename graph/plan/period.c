/* period.c: finds loops that nobody marked, by the period in which calls repeat.
 *
 *     before   for (…) { z = reel_affine(h, W, b); h = reel_tanh(z); }      at matmul add tanh at …
 *     after    steps of four nodes each, for roll.c to compare
 *
 * A call is known by its op, its shapes and its attributes, but for attributes that count steps.
 * Where the last few calls occurred before, the distance is the period tried; it holds as long as
 * each call is like the one a period before. / */
#include <string.h>

#include "plan.h"

#define WINDOW 4 /* so many calls in a row have to recur */

typedef struct {
    reel__plan *p;
    uint32_t *nodes;
    uint64_t *call; /* [count] what each node is like */
    uint32_t count;
    uint32_t *last; /* open table: where a window of calls stood last, plus 1 */
    uint32_t mask;
} search;

static uint64_t hash_call(const reel_tape *t, uint32_t index)
{
    const reel__node *node = reel__node_at(t, index);
    const uint32_t *in = reel__inputs_of(t, node);
    uint64_t hash = reel__mix((uint64_t)(uintptr_t)node->op, node->shape);
    hash = reel__mix(hash, node->flags & REEL__BACKWARD);
    for (uint32_t i = 0; i < node->inputs; i++) {
        hash = reel__mix(hash, reel__node_at(t, in[i])->shape);
    }
    bool counts = node->op->at_index || node->op->puts_part || node->op->takes_part;
    const unsigned char *bytes = node->attributes;
    for (size_t i = 0; !counts && i < node->op->attribute_size; i++) {
        hash = reel__mix(hash, bytes[i]);
    }
    return hash;
}

static bool list_calls(search *s)
{
    reel__plan *p = s->p;
    size_t n = p->needed + 1, table = 64;
    while (table < 2 * n) {
        table *= 2;
    }
    s->nodes = reel__arena_take(p->t, &p->arena, n * sizeof *s->nodes);
    s->call = reel__arena_take(p->t, &p->arena, n * sizeof *s->call);
    s->last = reel__arena_take(p->t, &p->arena, table * sizeof *s->last);
    if (s->nodes == NULL || s->call == NULL || s->last == NULL) {
        return false;
    }
    memset(s->last, 0, table * sizeof *s->last);
    s->mask = (uint32_t)table - 1;
    for (uint32_t i = p->oldest; i < p->nodes; i++) {
        if (reel__node_at(p->t, i)->mark == 0 && p->loop_of[i] == REEL__NONE &&
            reel__has_to_run(p, i)) {
            s->call[s->count] = hash_call(p->t, i);
            s->nodes[s->count++] = i;
        }
    }
    return true;
}

/* Where the window that begins at `at` began last, or REEL__NONE; it now begins here. */
static uint32_t seen_before(search *s, uint32_t at)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < WINDOW; i++) {
        hash = reel__mix(hash, s->call[at + i]);
    }
    for (uint32_t slot = (uint32_t)(hash >> 32) & s->mask;; slot = (slot + 1) & s->mask) {
        uint32_t before = s->last[slot];
        if (before == 0 ||
            memcmp(s->call + before - 1, s->call + at, WINDOW * sizeof *s->call) == 0) {
            s->last[slot] = at + 1;
            return before ? before - 1 : REEL__NONE;
        }
    }
}

/* How many calls from `at` on are like those a period before. */
static uint32_t length_of_match(const search *s, uint32_t at, uint32_t period)
{
    uint32_t n = 0;
    while (at + n < s->count && s->call[at + n] == s->call[at + n - period]) {
        n++;
    }
    return n;
}

/* Nodes from `from` on are copies of `period` nodes each. */
static bool roll_copies(search *s, uint32_t from, uint32_t period, uint32_t copies)
{
    reel__plan *p = s->p;
    reel__segment *segments = reel__arena_take(p->t, &p->arena, copies * sizeof *segments);
    for (uint32_t i = 0; segments && i < copies; i++) {
        segments[i] = (reel__segment){ .begin = from + i * period, .count = period };
    }
    return segments && reel__roll_segments(p, s->nodes, segments, copies);
}

bool reel__roll_periods(reel__plan *p)
{
    search s = { .p = p };
    if (!list_calls(&s)) {
        return false;
    }
    for (uint32_t i = 0; i + WINDOW <= s.count;) {
        uint32_t before = seen_before(&s, i);
        uint32_t period = before == REEL__NONE ? 0 : i - before;
        uint32_t matched = period ? length_of_match(&s, i, period) : 0;
        if (period && matched / period + 1 >= REEL__FEWEST_COPIES) {
            if (!roll_copies(&s, before, period, matched / period + 1)) {
                return false;
            }
            i += matched;
        } else {
            /* a long match that is no loop is not looked through again and again */
            i += matched > 64 ? matched / 2 : 1;
        }
    }
    return true;
}
