/* simplify.c: what every copy computes alike is computed once, and a sum of padded parts is a
 * concatenation.
 *
 *     before   for t: p = W_c[0:8]; dz = pad(di) + pad(df) + pad(dg) + pad(do)
 *     after    p = W_c[0:8]; for t: dz = concat(di, df, dg, do)
 *
 * The second is what a reverse sweep leaves of slices: each gate's gradient in zeros as wide as all
 * of them, and the sum of these. / */
#include <string.h>

#include "../../ops/ops.h"
#include "plan.h"

/* ---- the same in all copies -------------------------------------------------------------------- */

static bool is_invariant(const reel__plan *p, const reel__item *item)
{
    if (item->gone || item->varies || item->lead > 0 || item->member == NULL ||
        reel__op_of(p, item)->random) {
        return false;
    }
    for (uint32_t i = 0; i < item->inputs; i++) {
        if (item->in[i].kind != REEL__SAME) {
            return false;
        }
    }
    return true;
}

/* What a reader in loop `reader` is to read instead of an item that goes. */
typedef bool (*substitute)(reel__plan *, uint32_t reader, const reel__item *from, reel__source *);

static bool replace_everywhere(reel__plan *p, uint32_t loop, uint32_t number, substitute make)
{
    const reel__item *from = reel__item_at(p, loop, number);
    bool others = from->outer_readers > 0;
    for (uint32_t l = others ? 0 : loop; l < (others ? p->loop_count : loop + 1); l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            reel__item *item = &p->loops[l].item[k];
            for (uint32_t i = 0; i < item->inputs; i++) {
                reel__source *s = &item->in[i];
                if (s->kind == REEL__ITEM && s->loop == loop && s->item == number &&
                    !make(p, l, from, s)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* The node of the second copy, which every body has, stands for all. */
static bool read_second_copy(reel__plan *p, uint32_t reader, const reel__item *from,
                             reel__source *s)
{
    (void)p, (void)reader;
    *s = reel__from_node(from->member[1]);
    return true;
}

/* A node that stays reads what it read when it was recorded: another copy, perhaps, of what another loop
 * computes once. */
static bool read_what_stays(reel__plan *p, uint32_t node)
{
    const reel__node *reader = reel__node_at(p->t, node);
    for (uint32_t i = 0; i < reader->inputs; i++) {
        uint32_t in = reel__inputs_of(p->t, reader)[i], loop = p->loop_of[in];
        const reel__item *item = loop == REEL__NONE ? NULL : reel__item_at(p, loop, p->item_of[in]);
        if (item && item->gone && item->member && reel__redirected(p->t, in) == in &&
            !reel__redirect(p, in, reel__handle(p->t, item->member[1]))) {
            return false;
        }
    }
    return true;
}

static bool take_out(reel__plan *p, uint32_t loop, uint32_t number)
{
    reel__item *item = reel__item_at(p, loop, number);
    uint32_t node = item->member[1];
    for (int64_t e = item->first_read; e <= item->last_read; e++) {
        uint32_t other = item->member[e];
        if (other != node && p->loop_of[other] == loop && p->item_of[other] == number &&
            !reel__redirect(p, other, reel__handle(p->t, node))) {
            return false;
        }
    }
    p->loop_of[node] = REEL__NONE;
    item->gone = true;
    return read_what_stays(p, node) && replace_everywhere(p, loop, number, read_second_copy);
}

/* ---- what waits for nothing in the loop ---------------------------------------------------------- */

/* Random numbers, and views of something outside that differ from copy to copy, are nodes like any
 * other: each copy reads its own from a table. */
static bool stands_outside(const reel__plan *p, const reel__item *item)
{
    const reel__node *node = reel__template(p, item);
    bool may = node->op->random || (node->op->view && item->varies);
    for (uint32_t i = 0; may && i < item->inputs; i++) {
        may = item->in[i].kind == REEL__SAME;
    }
    return may && !item->gone && item->lead == 0 && item->member;
}

static bool read_from_table(reel__plan *p, uint32_t reader, const reel__item *from, reel__source *s)
{
    int64_t steps = p->loops[reader].steps;
    reel__source table = { .kind = REEL__TABLE };
    table.table = reel__arena_take(p->t, &p->arena, (size_t)steps * sizeof *table.table);
    for (int64_t e = 0; table.table && e < steps; e++) {
        int64_t at = s->scale * e + s->offset;
        at = at < from->begin ? from->begin : at >= from->end ? from->end - 1 : at;
        table.table[e] = from->member[at]; /* copies that are not computed may read anything */
    }
    *s = table;
    return table.table != NULL;
}

static bool put_outside(reel__plan *p, uint32_t loop, uint32_t number)
{
    reel__item *from = reel__item_at(p, loop, number);
    for (int64_t e = from->begin; e < from->end; e++) {
        p->loop_of[from->member[e]] = REEL__NONE;
    }
    from->gone = true;
    return replace_everywhere(p, loop, number, read_from_table);
}

/* ---- sums of padded parts ---------------------------------------------------------------------- */

typedef struct {
    reel_axis_part part;
    reel__source source; /* of what is padded */
} padded;

static bool is_padded(const reel__plan *p, uint32_t loop, const reel__source *s, padded *out)
{
    if (!reel__is_own(s, loop)) {
        return false;
    }
    const reel__item *item = reel__item_at(p, loop, s->item);
    const reel__node *node = reel__template(p, item);
    if (node->op->puts_part == NULL || item->varies || item->lead > 0 ||
        reel__is_read_outside(item) || !reel__is_in_all_copies(&p->loops[loop], item) ||
        reel__count_readers(p, loop, s->item) != 1) {
        return false;
    }
    const reel_shape *x = reel__item_input(p, item, 0);
    *out = (padded){ node->op->puts_part(node->attributes, x), item->in[0] };
    return true;
}

/* Sorts the padded terms of one axis to the front of `parts`, the others to `rest`. */
static uint32_t sort_terms(const reel__plan *p, uint32_t loop, uint32_t n,
                           const reel__source terms[], padded parts[], reel__source rest[])
{
    uint32_t found = 0, others = 0;
    for (uint32_t i = 0; i < n; i++) {
        padded one;
        if (!is_padded(p, loop, &terms[i], &one) ||
            (found && one.part.axis != parts[0].part.axis)) {
            rest[others++] = terms[i];
            continue;
        }
        uint32_t at = found++;
        for (; at > 0 && parts[at - 1].part.begin > one.part.begin; at--) {
            parts[at] = parts[at - 1];
        }
        parts[at] = one;
    }
    return found;
}

static bool fill_axis(const padded parts[], uint32_t n, int64_t length)
{
    int64_t end = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (parts[i].part.begin != end) {
            return false;
        }
        end = parts[i].part.end;
    }
    return n > 1 && end == length;
}

static bool join_padded(reel__plan *p, uint32_t loop, uint32_t number)
{
    reel__source terms[REEL__MOST_TERMS], rest[REEL__MOST_TERMS], in[REEL__MOST_TERMS];
    padded parts[REEL__MOST_TERMS];
    reel_var like[REEL__MOST_TERMS];
    uint32_t n = reel__terms_of(p, loop, number, terms);
    uint32_t found = sort_terms(p, loop, n, terms, parts, rest);
    if (found < 2) {
        return true;
    }
    int axis = parts[0].part.axis;
    reel_shape shape = reel__item_shape(p, reel__item_at(p, loop, number));
    if (!fill_axis(parts, found, shape.dim[axis])) {
        return true;
    }
    for (uint32_t i = 0; i < found; i++) {
        in[i] = parts[i].source;
        like[i] = reel__like(p, &in[i]);
    }
    reel_var joined = reel_concat_n(axis, (int)found, like);
    if (n == found) {
        return reel__become(p, loop, number, joined, found, in);
    }
    uint32_t item = reel__add_item(p, loop, joined, found, in);
    rest[n - found] = reel__from_item(loop, item);
    return item != REEL__NONE && reel__become_sum(p, loop, number, n - found + 1, rest);
}

bool reel__pass_simplify(reel__plan *p)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        uint32_t items = p->loops[l].items;
        for (uint32_t k = 0; k < items; k++) {
            if (is_invariant(p, reel__item_at(p, l, k)) && !take_out(p, l, k)) {
                return false;
            }
            if (stands_outside(p, reel__item_at(p, l, k)) && !put_outside(p, l, k)) {
                return false;
            }
        }
        for (uint32_t k = items; k-- > 0;) {
            if (!join_padded(p, l, k)) {
                return false;
            }
        }
    }
    return true;
}
