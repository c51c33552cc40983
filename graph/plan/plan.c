/* plan.c: the ordered list of passes, and what surrounds them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

/* Those without a subject in the loops' bodies act where they are asked for: fuse in compile.c and,
 * beside the loops, in run/chain.c; cache in cache.c. */
static bool act_elsewhere(reel__plan *p)
{
    (void)p;
    return true;
}

static const struct {
    const char *name;
    reel__pass run;
} passes[] = {
    { "roll", reel__roll },        { "simplify", reel__pass_simplify },
    { "carry", reel__pass_carry }, { "merge", reel__pass_merge },
    { "split", reel__pass_split }, { "place", reel__pass_place },
    { "hoist", reel__pass_hoist }, { "sink", reel__pass_sink },
    { "fuse", act_elsewhere },     { "cache", act_elsewhere },
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

static bool is_on(const reel_tape *t, const char *name)
{
    for (size_t i = 0; i < PASSES; i++) {
        if (strcmp(passes[i].name, name) == 0) {
            return !(t->passes_off >> i & 1u);
        }
    }
    return false;
}

bool reel__fusing_is_on(const reel_tape *t)
{
    return is_on(t, "fuse");
}

bool reel__caching_is_on(const reel_tape *t)
{
    return is_on(t, "cache");
}

/* ---- what is needed -------------------------------------------------------------------------- */

static bool count_reader(reel__plan *p, uint32_t index)
{
    reel_tape *t = p->t;
    if (p->readers[index]++ > 0 || reel__node_at(t, index)->op->kind == REEL_LEAF ||
        reel__value_at(t, index)->data) {
        return true;
    }
    return reel__list_add(t, &t->order, index);
}

static bool count_readers(reel__plan *p)
{
    reel_tape *t = p->t;
    bool fine = true;
    t->order.count = 0;
    for (size_t i = 0; fine && i < reel__asked_count(t, p->n_targets); i++) {
        fine = count_reader(p, reel__asked_at(t, p->n_targets, p->targets, i));
    }
    while (fine && t->order.count) {
        uint32_t index = ((uint32_t *)t->order.data)[--t->order.count];
        const reel__node *node = reel__node_at(t, index);
        const uint32_t *in = reel__inputs_of(t, node);
        p->needed++;
        p->oldest = index < p->oldest ? index : p->oldest;
        for (uint32_t i = 0; fine && i < node->inputs; i++) {
            fine = count_reader(p, in[i]);
        }
    }
    return fine;
}

bool reel__redirect(reel__plan *p, uint32_t from, reel_var to)
{
    uint32_t index;
    return reel__resolve(p->t, to, "plan", &index) &&
           reel__add_redirection(p->t, p->stored, from, index);
}

bool reel__not_before(reel__plan *p, uint32_t first, uint32_t loop)
{
    reel_tape *t = p->t;
    size_t hidden = t->nodes.count - p->nodes;
    if (!reel__list_reserve(t, &p->floor, hidden, sizeof(uint32_t))) {
        return false;
    }
    uint32_t *floor = p->floor.data;
    for (; p->floor.count < hidden; p->floor.count++) {
        floor[p->floor.count] = p->floor.count + p->nodes >= first ? p->loops[loop].begins_at : 0;
    }
    return true;
}

/* ---- making one ------------------------------------------------------------------------------ */

static bool start(reel__plan *p)
{
    reel_tape *t = p->t;
    size_t n = t->nodes.count;
    p->nodes = (uint32_t)n;
    p->oldest = REEL__NONE;
    p->readers = reel__arena_take(t, &p->arena, n * sizeof *p->readers);
    p->loop_of = reel__arena_take(t, &p->arena, n * sizeof *p->loop_of);
    p->item_of = reel__arena_take(t, &p->arena, n * sizeof *p->item_of);
    p->copy_of = reel__arena_take(t, &p->arena, n * sizeof *p->copy_of);
    if (!p->readers || !p->loop_of || !p->item_of || !p->copy_of) {
        return false;
    }
    memset(p->readers, 0, n * sizeof *p->readers);
    memset(p->loop_of, 0xff, n * sizeof *p->loop_of);
    return true;
}

static bool any_loop(const reel__plan *p)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        if (!p->loops[l].gone) {
            return true;
        }
    }
    return false;
}

static void count_loops(const reel__plan *p)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        p->t->planned.loops += !p->loops[l].gone;
        p->t->planned.copies += p->loops[l].gone ? 0 : (uint32_t)p->loops[l].steps;
    }
}

/* False with `nothing` where there is nothing to plan. */
static bool run_passes(reel__plan *p, bool *nothing)
{
    *nothing = false;
    for (size_t i = 0; i < PASSES; i++) {
        if (!(p->t->passes_off >> i & 1u) && !passes[i].run(p)) {
            return false;
        }
        if (i == 0) {
            count_loops(p);
        }
        if (!any_loop(p)) {
            *nothing = true;
            return true;
        }
        reel__drop_unread(p);
    }
    reel__find_stages(p);
    return reel__emit(p);
}

static void take_redirections_back(reel_tape *t, reel__stored *stored)
{
    reel__undo_redirects(t, &(reel__layout){ .redirections = stored->redirections.data,
                                             .redirection_count = stored->redirections.count });
}

void reel__truncate(reel_tape *t, uint32_t nodes, size_t links)
{
    for (uint32_t i = nodes; i < t->nodes.count; i++) {
        reel__drop_value(t, i);
    }
    t->nodes.count = t->values.count = nodes;
    t->links.count = links;
    t->redirect.count = t->redirect.count < nodes ? t->redirect.count : nodes;
}

#define MOST_BANS 64

typedef struct {
    uint32_t banned[MOST_BANS];
    size_t count;
    bool all, again;
} bans;

bool reel__ban(reel__plan *p, uint32_t loop)
{
    bans *b = p->bans;
    b->again = true;
    if (loop == REEL__NONE || b->count == MOST_BANS) {
        b->all = true;
    } else {
        b->banned[b->count++] = p->loops[loop].first_node;
    }
    return false;
}

static void mark_hidden(reel_tape *t, uint32_t first)
{
    for (uint32_t i = first; i < t->nodes.count; i++) {
        reel__node_at(t, i)->flags |= REEL__HIDDEN;
    }
    t->hidden += (uint32_t)t->nodes.count - first;
}

/* Recordings with fewer nodes to run are run as they are. */
#define FEWEST_NODES 64

/* One attempt; where a loop turns out not to be runnable, the next one is made without it. */
static bool attempt(reel_tape *t, size_t n, const uint32_t targets[], bans *b, uint64_t key)
{
    reel__plan p = { .t = t, .n_targets = n, .targets = targets, .bans = b };
    uint32_t first = (uint32_t)t->nodes.count;
    size_t links = t->links.count;
    bool nothing = false;
    b->again = false;
    p.banned = b->banned;
    p.banned_count = b->count;
    p.stored = reel__new_stored(t);
    bool fine = p.stored && start(&p) && count_readers(&p);
    if (fine && (b->all || p.needed < FEWEST_NODES || p.oldest < t->written_at)) {
        nothing = true;
    } else {
        const char *banned_by = t->planned.banned_by;
        t->planned = (reel__plan_counts){ .banned = (uint32_t)b->count, .banned_by = banned_by };
        fine = fine && reel__prepare_redirects(t) && run_passes(&p, &nothing);
    }
    reel__arena_free(t, &p.arena);
    reel__list_free(t, &p.floor, sizeof(uint32_t));
    reel__list_free(t, &p.joins, sizeof(uint32_t));
    fine = fine && (nothing || reel__keep_plan(t, p.stored, key, n, targets));
    if (fine && !nothing) {
        mark_hidden(t, first);
        return reel__prepare_redirects(t);
    }
    if (p.stored) {
        take_redirections_back(t, p.stored);
        reel__free_stored(t, p.stored);
    }
    reel__truncate(t, first, links);
    return fine;
}

static bool plan_anew(reel_tape *t, size_t n, const uint32_t targets[], uint64_t key)
{
    bans b = { .count = 0 };
    bool fine;
    uint64_t hash = t->hash;
    reel__error before = t->error;
    uint32_t mark = t->mark;
    t->mark = 0;
    t->planned.banned_by = "what it reads";
    t->nested++;
    do {
        fine = attempt(t, n, targets, &b, key);
    } while (!fine && b.again && t->error.status == before.status);
    if (t->error.status != before.status && t->error.status != REEL_OUT_OF_MEMORY) {
        t->error = before; /* what cannot be recorded otherwise runs as it is */
        fine = true;
    }
    t->nested--;
    t->mark = mark;
    t->hash = hash;
    t->stamped = (uint32_t)t->nodes.count;
    return fine;
}

/* A recording that is read again and again holds on to single values instead. */
#define MOST_PLANS_A_RECORDING 3

static bool may_plan(reel_tape *t)
{
    if (t->options.eager || t->passes_off & 1u || t->retain || t->nodes.count < FEWEST_NODES) {
        return false;
    }
    t->retain = t->plans_made >= MOST_PLANS_A_RECORDING;
    return !t->retain;
}

void reel__leave_plan(reel_tape *t)
{
    if (t->plan) {
        reel__undo_redirects(t, t->plan);
        t->plan = NULL;
    }
}

bool reel__make_plan(reel_tape *t, size_t n, const uint32_t targets[])
{
    bool found;
    reel__leave_plan(t);
    if (!may_plan(t)) {
        return true;
    }
    uint64_t key = reel__plan_key(t, n, targets);
    if (!reel__restore_plan(t, key, &found) || (!found && !plan_anew(t, n, targets, key))) {
        return false;
    }
    t->plans_made += t->plan != NULL;
    return true;
}

void reel__take_plan_back(reel_tape *t)
{
    if (t->plan == NULL) {
        return;
    }
    reel__undo_redirects(t, t->plan);
    uint32_t first = t->plan->first;
    t->hidden -= (uint32_t)t->nodes.count - first;
    reel__truncate(t, first, t->links.count);
    t->stamped = first < t->stamped ? first : t->stamped;
    t->plans_made--;
    t->plan = NULL;
}
