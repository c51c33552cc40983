/* wavefront_demand.c: what has to be there before something can be computed. Loops and nodes name
 * addresses only; from these follow the rows between the loops, and the copies of the first loop. */
#include "wavefront.h"

/* ---- addresses -------------------------------------------------------------------------------------- */

/* As many of A's copies as make what lies there; 0 where it is nothing of A's. */
int64_t reel__copies_for(const reel__wavefront *w, const char *address)
{
    const reel__program *g = w->a.g;
    for (uint32_t k = 0; k < g->parts; k++) {
        const reel__part *part = &g->part[k];
        int64_t at = (address - w->a.b.part[k]) / (int64_t)w->e->t->element;
        if (address >= w->a.b.part[k] && at < part->unit * part->copies && part->unit > 0) {
            int64_t copy = (at - at % part->unit - part->first) / part->step;
            return part->ring || copy >= g->steps ? g->steps : copy + 1;
        }
    }
    return 0;
}

reel_tensor reel__operand_of(const reel__wavefront *w, uint32_t node)
{
    reel_tensor x = { 0 };
    reel__tensor_of(w->e->t, node, &x);
    return x;
}

int64_t reel__row_apart(const reel__wavefront *w, const reel_tensor *x)
{
    return x->stride[0] * (int64_t)w->e->t->element;
}

/* The value between the loops that lies at an address. */
bool reel__row_at(const reel__wavefront *w, const char *address, int64_t *row)
{
    for (int i = 0; i < w->links; i++) {
        if (w->link[i].kind == REEL__LINK_KERNEL && w->link[i].needed) {
            reel_tensor y = reel__operand_of(w, w->link[i].node);
            int64_t bytes = reel__row_apart(w, &y), at = address - (const char *)y.data;
            if (at >= 0 && at < bytes * w->rows) {
                *row = at / bytes;
                return true;
            }
        }
    }
    return false;
}

/* ---- what has to be there ------------------------------------------------------------------------ */

static void add_address(const reel__wavefront *w, const char *address, reel__demand *d)
{
    int64_t row;
    if (!reel__row_at(w, address, &row)) {
        d->copies = reel__larger(d->copies, reel__copies_for(w, address));
    } else if (d->rows.from == d->rows.to) {
        d->rows = (reel__rows){ row, row + 1 };
    } else {
        d->rows.from = row < d->rows.from ? row : d->rows.from;
        d->rows.to = reel__larger(d->rows.to, row + 1);
    }
}

/* All that x's axes from `first_axis` on reach, seen from an address. */
static void add_reach(const reel__wavefront *w, const char *from, const reel_tensor *x,
                      int first_axis, reel__demand *d)
{
    int64_t low = 0, high = 0, element = (int64_t)w->e->t->element;
    for (int i = first_axis; i < x->shape->rank; i++) {
        int64_t last = (x->shape->dim[i] - 1) * x->stride[i];
        *(last < 0 ? &low : &high) += last;
        if (x->shape->dim[i] == 0) {
            return;
        }
    }
    add_address(w, from + low * element, d);
    add_address(w, from + high * element, d);
}

static reel_tensor input_of_second(const reel__wavefront *w, uint32_t i)
{
    return reel__operand_of(w, reel__input_of(w->e, reel__node_at(w->e->t, w->b.node), i));
}

static void add_operand(const reel__wavefront *w, const reel__operand *x, int64_t copy,
                        reel__demand *d)
{
    size_t element = w->e->t->element;
    reel_tensor seen = { NULL, &x->shape, x->place.stride };
    reel_tensor read = input_of_second(w, x->place.number);
    add_reach(w, (char *)read.data + (x->place.offset + copy * x->place.step) * (int64_t)element,
              &seen, 0, d);
}

/* What lies before the first copy. */
static void add_leads(const reel__wavefront *w, reel__demand *d)
{
    for (uint32_t k = 0; k < w->b.g->parts; k++) {
        const reel__part *part = &w->b.g->part[k];
        for (uint32_t i = 0; i < part->lead; i++) {
            if (part->initial[i] != REEL__ALL_ZEROS) {
                reel_tensor x = input_of_second(w, part->initial[i]);
                add_reach(w, x.data, &x, 0, d);
            }
        }
    }
}

/* For copies [from, to) of B. Addresses lie at equal distances, so that those of the first and the
 * last copy bound the others. */
reel__demand reel__demand_of(const reel__wavefront *w, int64_t from, int64_t to)
{
    reel__demand d = { 0 };
    if (from == 0) {
        add_leads(w, &d);
    }
    for (uint32_t k = 0; k < w->b.g->instructions; k++) {
        const reel__instruction *n = &w->b.g->instruction[k];
        int64_t first = reel__larger(from, n->begin), last = (to < n->end ? to : n->end) - 1;
        for (uint32_t i = 0; first <= last && i < n->inputs; i++) {
            if (n->x[i].place.kind == REEL__IN_INPUT && !n->x[i].index) {
                add_operand(w, &n->x[i], first, &d);
                add_operand(w, &n->x[i], last, &d);
            }
        }
    }
    return d;
}

/* A's copies for rows of what lies between. */
int64_t reel__copies_for_rows(reel__wavefront *w, reel__rows rows)
{
    reel__demand d = { 0 };
    for (int i = 0; i < w->links && rows.from < rows.to; i++) {
        const reel__node *node = reel__node_at(w->e->t, w->link[i].node);
        for (uint32_t k = 0;
             w->link[i].kind == REEL__LINK_KERNEL && w->link[i].needed && k < node->inputs; k++) {
            uint32_t in = reel__input_of(w->e, node, k);
            if (reel__link_of(w, in)) {
                reel_tensor x = reel__operand_of(w, in);
                int64_t row = reel__row_apart(w, &x);
                add_reach(w, (char *)x.data + rows.from * row, &x, 1, &d);
                add_reach(w, (char *)x.data + (rows.to - 1) * row, &x, 1, &d);
            }
        }
    }
    return d.copies;
}

/* Copy e of A makes copy e of a part, whenever it makes one. */
static bool first_makes_in_order(const reel__wavefront *w)
{
    const reel__program *g = w->a.g;
    for (uint32_t i = 0; i < g->instructions; i++) {
        const reel__instruction *n = &g->instruction[i];
        const reel__place *y = &n->y.place;
        const reel__part *part = &g->part[y->kind == REEL__IN_PART ? y->number : 0];
        int64_t within = y->offset - part->first;
        if (y->kind == REEL__IN_PART &&
            (y->step != part->step || within < 0 || within >= part->unit)) {
            return false;
        }
    }
    return true;
}

/* B can begin before A has done half of it. */
bool reel__follows_soon(reel__wavefront *w)
{
    if (!first_makes_in_order(w)) {
        return false;
    }
    reel__demand d =
        reel__demand_of(w, 0, REEL__CHUNK < w->b.g->steps ? REEL__CHUNK : w->b.g->steps);
    return reel__larger(d.copies, reel__copies_for_rows(w, d.rows)) <= w->a.g->steps / 2;
}
