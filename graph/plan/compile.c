/* compile.c: a stage of a loop becomes a program.
 *
 *     before   items: z = matmul(h, W); i = slice(z); s = sigmoid(i); …
 *     after    gemm local 0 = part 1 · weight 0;  tile local 1 = sigmoid(local 0, columns 0 …)
 *
 * Views and concatenations only say where things lie. What is left is put into an order in which
 * element-wise work stands together, so that it can run block of rows by block of rows. / */
#include <string.h>

#include "compile.h"

/* ---- what becomes of items --------------------------------------------------------------------- */

/* Rows, with any axes in front of them, by the same matrix in all copies. */
static bool is_gemm(const reel__compiler *c, uint32_t k)
{
    const reel__item *item = reel__compiled_item(c, k);
    const reel__node *node = reel__compiled_node(c, k);
    if (item->varies || item->inputs != 2 || node->op->contracted_axis == NULL ||
        item->in[1].kind != REEL__SAME) {
        return false;
    }
    int rank = reel__input_shape(c, k, 0)->rank;
    return rank >= 2 && reel__input_shape(c, k, 1)->rank == 2 &&
           node->op->contracted_axis(node->attributes, 0, rank) == rank - 1;
}

static reel__item_kind kind_of(const reel__compiler *c, uint32_t k)
{
    const reel_op *op = reel__compiled_node(c, k)->op;
    const reel__item *item = reel__compiled_item(c, k);
    if (op->view) {
        return item->varies ? REEL__NOTHING : REEL__AS_VIEW;
    }
    if (is_gemm(c, k)) {
        return REEL__AS_GEMM;
    }
    if (op->joined_axis && !item->varies && reel__compiled_shape(c, k)->shape.rank == 2 &&
        reel__input_shape(c, k, 0)->rank == 2 &&
        op->joined_axis(reel__compiled_node(c, k)->attributes) == 1) {
        return REEL__AS_JOIN;
    }
    if (op->kind == REEL_ELEMENTWISE && item->inputs <= REEL__PROGRAM_INPUTS) {
        return REEL__AS_TILE; /* or a kernel, when its inputs lie in an odd way */
    }
    return op->kernel[0] && item->inputs <= REEL__PROGRAM_INPUTS ? REEL__AS_KERNEL : REEL__NOTHING;
}

/* A sum of the item's own shape; the rest of what it adds to is input i. */
static bool adds_kernel(const reel__compiler *c, uint32_t k, uint32_t i)
{
    const reel__item *item = reel__compiled_item(c, k);
    const reel__source *f = &item->in[1 - i];
    if (!reel__is_own(f, c->loop) || !c->state[f->item].here) {
        return false;
    }
    const reel__item *term = reel__compiled_item(c, f->item);
    return c->state[f->item].kind == REEL__AS_KERNEL &&
           reel__compiled_node(c, f->item)->op->accumulates &&
           reel__compiled_shape(c, f->item) == reel__compiled_shape(c, k) &&
           !c->state[f->item].stored && term->joined == REEL__NONE &&
           reel__is_in_all_copies(&c->p->loops[c->loop], term) &&
           reel__count_readers(c->p, c->loop, f->item) == 1;
}

static bool is_plain_sum(const reel__compiler *c, uint32_t k)
{
    const reel__item *item = reel__compiled_item(c, k);
    return c->state[k].here && reel__compiled_node(c, k)->op->sums && item->inputs == 2 &&
           !item->varies && item->joined == REEL__NONE &&
           reel__count_readers(c->p, c->loop, k) == 1;
}

/* The input of sum k that the sum goes on from: itself, a copy ago, or a sum that nobody else reads. */
static bool goes_on_from(const reel__compiler *c, uint32_t last, uint32_t k, uint32_t i)
{
    const reel__source *s = &reel__compiled_item(c, k)->in[i];
    if (s->kind != REEL__ITEM || s->loop != c->loop || s->scale != 1) {
        return false;
    }
    return s->item == last
               ? s->offset == -1
               : s->offset == 0 && is_plain_sum(c, s->item) && !c->state[s->item].stored &&
                     reel__compiled_item(c, s->item)->begin == 0;
}

#define MOST_TERMS 8

/* G = (G + f) + g …, carried along and read at the end alone: where the terms' kernels can add, they
 * add to G. */
static void find_carried_sum(reel__compiler *c, uint32_t last)
{
    uint32_t sum[MOST_TERMS], rest[MOST_TERMS], n = 0, k = last;
    const reel__item *item = reel__compiled_item(c, last);
    if (!is_plain_sum(c, last) || item->lead != 1 || !reel__is_ring(c, item)) {
        return;
    }
    do {
        uint32_t i = 0;
        while (i < 2 && !(goes_on_from(c, last, k, i) && adds_kernel(c, k, i))) {
            i++;
        }
        if (i == 2 || n == MOST_TERMS) {
            return;
        }
        sum[n] = k;
        rest[n++] = i;
        k = reel__compiled_item(c, k)->in[i].item;
    } while (k != last);
    for (uint32_t j = 0; j < n; j++) {
        uint32_t term = reel__compiled_item(c, sum[j])->in[1 - rest[j]].item;
        c->state[sum[j]].kind = REEL__AS_SUM;
        c->state[sum[j]].term = term;
        c->state[sum[j]].sum = last;
        c->state[term].kind = REEL__AS_TERM;
    }
}

static bool start_items(reel__compiler *c)
{
    const reel__loop *loop = &c->p->loops[c->loop];
    c->state = reel__arena_take(c->p->t, &c->p->arena, (loop->items + 1) * sizeof *c->state);
    if (c->state == NULL) {
        return false;
    }
    memset(c->state, 0, loop->items * sizeof *c->state);
    for (uint32_t k = 0; k < loop->items; k++) {
        const reel__item *item = &loop->item[k];
        c->state[k].here = reel__is_in(item, c->stage);
        c->state[k].stored = item->lead > 0 || item->ranges != NULL;
        c->state[k].kind = c->state[k].here ? kind_of(c, k) : REEL__NOTHING;
        bool fitted = c->fits;
        c->fits = c->fits && !(c->state[k].here && c->state[k].kind == REEL__NOTHING) &&
                  !(c->state[k].here && reel__template(c->p, item)->op->random) &&
                  !(c->state[k].here && (reel__template(c->p, item)->flags & REEL__INDEX));
        if (fitted && !c->fits) {
            c->p->t->planned.banned_by = reel__op_of(c->p, item)->name;
        }
        c->locals_room += 2 * item->inputs + 3;
        c->instructions_room += item->inputs + 3;
    }
    for (uint32_t k = 0; k < loop->items; k++) {
        if (c->state[k].here) {
            find_carried_sum(c, k);
        }
    }
    return true;
}

/* ---- the order --------------------------------------------------------------------------------- */

/* Runs on all rows at once, in a group that is not cut into blocks. */
static bool runs_whole(const reel__compiler *c, uint32_t k)
{
    const reel__item_state *state = &c->state[k];
    return state->kind == REEL__AS_GEMM || state->kind == REEL__AS_SUM || !state->rowed ||
           state->across;
}

static bool is_ready(const reel__compiler *c, uint32_t k)
{
    const reel__item *item = reel__compiled_item(c, k);
    if (!c->state[k].here || c->state[k].done) {
        return false;
    }
    for (uint32_t i = 0; i < item->inputs; i++) {
        const reel__source *s = &item->in[i];
        if (reel__is_here(c, s) && s->offset == 0 && !c->state[s->item].done) {
            return false;
        }
    }
    return true;
}

/* What a block's rows hold in each local should stay in the first-level cache. */
#define BLOCK_ELEMENTS 1024

static void close_group(reel__compiler *c, bool whole)
{
    reel__program *g = c->g;
    uint32_t first = g->groups ? g->group[g->groups - 1].first + g->group[g->groups - 1].count : 0;
    if (first == g->instructions) {
        return;
    }
    int64_t widest = 1;
    for (uint32_t i = first; i < g->instructions; i++) {
        const reel__instruction *n = &g->instruction[i];
        int64_t width = reel__row_width(c->rows, &n->y.shape, n->rowed);
        widest = width > widest ? width : widest;
    }
    int64_t block = BLOCK_ELEMENTS / widest < 1 ? 1 : BLOCK_ELEMENTS / widest;
    for (uint32_t i = first; i < g->instructions && !whole; i++) {
        for (uint32_t x = 0; x < g->instruction[i].inputs; x++) {
            const reel__operand *o = &g->instruction[i].x[x];
            if (o->spread && o->constant) {
                g->local[o->fill].width *= block < c->rows ? block : c->rows;
            }
        }
    }
    g->group[g->groups++] = (reel__group){ .first = first,
                                           .count = g->instructions - first,
                                           .block = whole ? 0 : block };
}

/* All that is ready of one kind makes a group, then all of the other. */
static bool add_ready(reel__compiler *c, bool whole, uint32_t *left)
{
    const reel__loop *loop = &c->p->loops[c->loop];
    bool found = true, fuse = reel__fusing_is_on(c->p->t);
    while (found) {
        found = false;
        for (uint32_t k = 0; k < loop->items; k++) {
            if (!is_ready(c, k) || runs_whole(c, k) != whole) {
                continue;
            }
            if (!reel__add_instructions(c, k)) {
                return false;
            }
            c->state[k].done = found = true;
            --*left;
            if (!fuse) {
                close_group(c, whole);
            }
        }
    }
    close_group(c, whole);
    return true;
}

static bool add_all(reel__compiler *c)
{
    uint32_t left = 0;
    for (uint32_t k = 0; k < c->p->loops[c->loop].items; k++) {
        left += c->state[k].here;
    }
    while (left) {
        uint32_t before = left;
        if (!add_ready(c, false, &left) || !add_ready(c, true, &left)) {
            return false;
        }
        if (before == left) {
            c->fits = false; /* it waits for itself */
            return true;
        }
    }
    return true;
}

/* ---- locals that live in one block ------------------------------------------------------------- */

static void use_local(uint32_t group, const reel__place *place, uint32_t *group_of)
{
    if (place->kind == REEL__IN_LOCAL) {
        uint32_t *known = &group_of[place->number];
        *known = *known == REEL__NONE || *known == group ? group : REEL__NONE - 1;
    }
}

static bool find_block_locals(reel__compiler *c)
{
    reel__program *g = c->g;
    uint32_t *group_of =
        reel__arena_take(c->p->t, &c->p->arena, (g->locals + 1) * sizeof *group_of);
    if (group_of == NULL) {
        return false;
    }
    memset(group_of, 0xff, (g->locals + 1) * sizeof *group_of);
    for (uint32_t i = 0; i < g->groups; i++) {
        for (uint32_t k = g->group[i].first; k < g->group[i].first + g->group[i].count; k++) {
            const reel__instruction *n = &g->instruction[k];
            use_local(i, &n->y.place, group_of);
            for (uint32_t x = 0; x < n->inputs; x++) {
                use_local(i, &n->x[x].place, group_of);
            }
        }
    }
    for (uint32_t i = 0; i < g->locals; i++) {
        g->local[i].in_block =
            g->local[i].rowed && group_of[i] < REEL__NONE - 1 && g->group[group_of[i]].block > 0;
    }
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------- */

static double work_of(const reel__compiler *c)
{
    double work = 0;
    for (uint32_t i = 0; i < c->g->instructions; i++) {
        const reel__instruction *n = &c->g->instruction[i];
        double size = (double)reel_shape_size(n->y.shape);
        work += n->kind == REEL__GEMM ? size * (double)c->g->weight[n->weight].k : 8 * size;
    }
    return work * (double)c->p->loops[c->loop].steps;
}

static bool take_room(reel__compiler *c)
{
    reel_tape *t = c->p->t;
    reel__program *g = c->g;
    uint32_t items = c->p->loops[c->loop].items, ranges = 1;
    for (uint32_t k = 0; k < items; k++) {
        for (const reel__range *r = reel__compiled_item(c, k)->ranges; r; r = r->next) {
            ranges++;
        }
    }
    g->part = reel__arena_take(t, c->arena, (items + 1) * sizeof *g->part);
    g->local = reel__arena_take(t, c->arena, (c->locals_room + 1) * sizeof *g->local);
    g->weight = reel__arena_take(t, c->arena, (items + 1) * sizeof *g->weight);
    g->table = reel__arena_take(t, c->arena, (c->locals_room + 1) * sizeof *g->table);
    g->instruction =
        reel__arena_take(t, c->arena, (c->instructions_room + 1) * sizeof *g->instruction);
    g->group = reel__arena_take(t, c->arena, (c->instructions_room + 1) * sizeof *g->group);
    g->range = reel__arena_take(t, c->arena, ranges * sizeof *g->range);
    c->range_nodes = reel__arena_take(t, c->arena, ranges * sizeof *c->range_nodes);
    return g->part && g->local && g->weight && g->table && g->instruction && g->group && g->range &&
           c->range_nodes;
}

static bool note_strided_inputs(reel__compiler *c)
{
    reel__program *g = c->g;
    g->inputs = (uint32_t)c->inputs->count;
    g->input_strided = reel__arena_take(c->p->t, c->arena, g->inputs + 1);
    if (g->input_strided == NULL) {
        return false;
    }
    memset(g->input_strided, 0, g->inputs + 1);
    for (uint32_t i = 0; i < g->weights; i++) {
        g->input_strided[g->weight[i].input] = true;
    }
    return true;
}

bool reel__compile(reel__plan *p, uint32_t loop, int stage, reel__compiled *out)
{
    reel__compiler c = { .p = p, .loop = loop, .stage = stage, .arena = &p->stored->arena };
    c.inputs = &out->inputs;
    c.fits = c.by_rows = true;
    c.g = reel__arena_take(p->t, c.arena, sizeof *c.g);
    if (c.g == NULL || !start_items(&c)) {
        return false;
    }
    *c.g = (reel__program){ .steps = p->loops[loop].steps };
    reel__find_rows(&c);
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        c.state[k].rowed =
            c.state[k].here && reel__has_rows(&c, &reel__compiled_shape(&c, k)->shape);
    }
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        if (c.state[k].here) {
            reel__classify_rows(&c, k);
        }
    }
    if (!c.fits) {
        return true;
    }
    if (!take_room(&c) || !add_all(&c) || !c.fits) {
        return p->t->error.status == REEL_OK;
    }
    c.g->rows = c.rows;
    c.g->by_rows = c.by_rows && c.rows > 0;
    c.g->work = work_of(&c);
    if (!find_block_locals(&c) || !note_strided_inputs(&c)) {
        return false;
    }
    p->t->planned.groups += c.g->groups;
    out->program = c.g;
    out->ranges = c.range_nodes;
    return true;
}
