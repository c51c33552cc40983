/* plan.c: the ordered list of passes, and what surrounds them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

static const struct {
    const char *name;
    reel__pass run;
} passes[] = {
    { "roll", reel__roll },
    { "split", reel__pass_split },
    { "hoist", reel__pass_hoist },
    { "sink", reel__pass_sink },
};

#define PASSES (sizeof passes / sizeof passes[0])

/* ---- which passes ---------------------------------------------------------------------------- */

static void complain_name(reel_tape *t, const char *name, size_t length)
{
    char names[256] = "all";
    for (size_t i = 0; i < PASSES; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, ", %s", passes[i].name);
    }
    reel_fail(t, REEL_BAD_ARGUMENT, "plan", "\"%.*s\" is not -NAME of a pass; the names are %s",
              (int)length, name, names);
}

static bool leave_out(reel_tape *t, const char *name, size_t length)
{
    if (length == 4 && memcmp(name, "-all", 4) == 0) {
        t->passes_off = UINT32_MAX;
        return true;
    }
    for (size_t i = 0; i < PASSES; i++) {
        if (length == strlen(passes[i].name) + 1 && name[0] == '-' &&
            memcmp(name + 1, passes[i].name, length - 1) == 0) {
            t->passes_off |= 1u << i;
            return true;
        }
    }
    return false;
}

void reel__choose_passes(reel_tape *t)
{
    const char *list = t->options.plan ? t->options.plan : getenv("REEL_PLAN");
    while (list && *list) {
        size_t length = strcspn(list, ",");
        if (!leave_out(t, list, length)) {
            complain_name(t, list, length);
            return;
        }
        list += length + (list[length] == ',');
    }
}

/* Recordings with fewer nodes to run are run as they are. */
#define FEWEST_NODES 64

/* ---- when a hidden node runs --------------------------------------------------------------- */

/* A node of the program runs at its own place, a hidden one right behind the last of its inputs.
 * What an input was redirected to has run by the input's own place. */
static bool extend_keys(reel_tape *t, bool hidden)
{
    if (!reel__list_reserve(t, &t->keys, t->nodes.count, sizeof(uint32_t))) {
        return false;
    }
    uint32_t *keys = t->keys.data;
    for (uint32_t i = (uint32_t)t->keys.count; i < t->nodes.count; i++) {
        reel__node *node = reel__node_at(t, i);
        keys[i] = hidden ? 0 : i;
        for (uint32_t k = 0; hidden && k < node->inputs; k++) {
            uint32_t key = keys[reel__inputs_of(t, node)[k]];
            keys[i] = key > keys[i] ? key : keys[i];
        }
        node->flags = (uint16_t)(node->flags | (hidden ? REEL__HIDDEN : 0));
        t->keys.count = i + 1;
    }
    return true;
}

/* A source that would run only after the node it stands for is refused: the node then runs
 * itself. */
bool reel__redirect(reel_tape *t, uint32_t from, reel_var to)
{
    uint32_t index;
    if (!reel__resolve(t, to, "plan", &index) || !extend_keys(t, true)) {
        return false;
    }
    if (((uint32_t *)t->keys.data)[index] < from) {
        ((uint32_t *)t->redirect.data)[from] = index;
    }
    return true;
}

/* ---- what is needed -------------------------------------------------------------------------- */

static bool count_reader(reel__plan *p, uint32_t index, uint32_t count)
{
    reel_tape *t = p->t;
    uint32_t before = p->readers[index];
    p->readers[index] += count;
    if (before > 0 || reel__node_at(t, index)->op->kind == REEL_LEAF ||
        reel__value_at(t, index)->data) {
        return true;
    }
    if (!reel__list_reserve(t, &t->order, t->order.count + 1, sizeof(uint32_t))) {
        return false;
    }
    ((uint32_t *)t->order.data)[t->order.count++] = index;
    return true;
}

/* Targets count as if two read them, so that no pass makes them vanish. */
static bool count_readers(reel__plan *p, size_t n, const uint32_t targets[], size_t *needed)
{
    reel_tape *t = p->t;
    bool fine = true;
    t->order.count = *needed = 0;
    for (size_t i = 0; fine && i < n; i++) {
        fine = count_reader(p, targets[i], 2);
    }
    for (size_t i = 0; fine && i < t->pending.count; i++) {
        fine = count_reader(p, ((reel__pending *)t->pending.data)[i].node, 2);
    }
    for (size_t i = 0; fine && i < t->kept.count; i++) {
        fine = count_reader(p, ((uint32_t *)t->kept.data)[i], 2);
    }
    while (fine && t->order.count) {
        uint32_t index = ((uint32_t *)t->order.data)[--t->order.count];
        const reel__node *node = reel__node_at(t, index);
        const uint32_t *in = reel__inputs_of(t, node);
        ++*needed;
        p->oldest = index < p->oldest ? index : p->oldest;
        for (uint32_t i = 0; fine && i < node->inputs; i++) {
            fine = count_reader(p, in[i], 1);
        }
    }
    return fine;
}

/* ---- the plan -------------------------------------------------------------------------------- */

static bool start(reel__plan *p)
{
    reel_tape *t = p->t;
    size_t n = t->nodes.count;
    p->nodes = (uint32_t)n;
    p->readers = reel__arena_take(t, &p->arena, n * sizeof *p->readers);
    p->loop_of = reel__arena_take(t, &p->arena, n * sizeof *p->loop_of);
    p->position = reel__arena_take(t, &p->arena, n * sizeof *p->position);
    p->step = reel__arena_take(t, &p->arena, n * sizeof *p->step);
    if (!p->readers || !p->loop_of || !p->position || !p->step) {
        return false;
    }
    memset(p->readers, 0, n * sizeof *p->readers);
    memset(p->loop_of, 0xff, n * sizeof *p->loop_of);
    return true;
}

/* Every node has a place in tape->redirect, also those that the passes will record. */
static bool prepare_redirects(reel_tape *t)
{
    size_t before = t->redirect.count;
    if (!reel__list_reserve(t, &t->redirect, t->nodes.count, sizeof(uint32_t))) {
        return false;
    }
    memset((uint32_t *)t->redirect.data + before, 0xff,
           (t->nodes.count - before) * sizeof(uint32_t));
    t->redirect.count = t->nodes.count;
    return true;
}

static bool run_passes(reel__plan *p)
{
    for (size_t i = 0; i < PASSES; i++) {
        if (!(p->t->passes_off >> i & 1u) && !passes[i].run(p)) {
            return false;
        }
        if (p->loop_count == 0) {
            return true;
        }
    }
    return true;
}

/* What leaves a loop is kept for all its steps: under a memory limit that is not ours to spend. */
static bool may_plan(const reel_tape *t)
{
    return !t->options.eager && !t->options.memory_limit && t->marks.count > 1 &&
           t->nodes.count >= FEWEST_NODES;
}

/* Nodes from before a parameter changed mean the old parameter (and can no longer run); a hidden
 * node recorded now would mean the new one, so such recordings are left as they are. */
bool reel__make_plan(reel_tape *t, size_t n, const uint32_t targets[])
{
    if (!may_plan(t)) {
        return true;
    }
    reel__plan p = { .t = t, .oldest = REEL__NONE };
    size_t needed;
    uint64_t hash = t->hash;
    reel__error before = t->error;
    uint32_t mark = t->mark, first_hidden = (uint32_t)t->nodes.count;
    t->mark = 0;
    t->nested++;
    bool fine = start(&p) && extend_keys(t, false) && count_readers(&p, n, targets, &needed) &&
                (needed < FEWEST_NODES || p.oldest < t->written_at ||
                 (prepare_redirects(t) && run_passes(&p)));
    if (t->error.status != before.status && t->error.status != REEL_OUT_OF_MEMORY) {
        t->error = before; /* what cannot be recorded otherwise runs as it is */
        fine = true;
    }
    fine = fine && extend_keys(t, true);
    t->nested--;
    t->mark = mark;
    t->hash = hash;
    t->stamped = (uint32_t)t->nodes.count;
    reel__arena_free(t, &p.arena);
    fine = fine && prepare_redirects(t);
    if (t->nodes.count > first_hidden) {
        t->first_hidden = t->first_hidden ? t->first_hidden : first_hidden;
        t->hidden += (uint32_t)t->nodes.count - first_hidden;
    }
    return fine;
}
