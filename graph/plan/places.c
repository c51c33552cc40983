/* places.c: where what a loop's items read and make lies: in inputs of the program, in stacks of all
 * copies, in rings of the last few, or in a thread's own memory.
 */
#include <string.h>

#include "../run/strides.h"
#include "compile.h"

/* Only the copy that comes last is read from outside, or none. */
bool reel__is_ring(const reel__compiler *c, const reel__item *item)
{
    const reel__loop *loop = &c->p->loops[c->loop];
    for (const reel__range *r = item->ranges; r; r = r->next) {
        if (r->count > 0 || r->first != reel__slot(loop, loop->steps - 1)) {
            return false;
        }
    }
    return item->lead < 4 &&
           (reel__is_in_all_copies(loop, item) || (item->ranges == NULL && item->begin == 0));
}

/* ---- places ------------------------------------------------------------------------------------ */

/* A weight may lie in any way, so it is no input of anything else. */
uint32_t reel__add_input_anew(reel__compiler *c, uint32_t node)
{
    bool added = reel__list_add(c->p->t, c->inputs, node);
    return added ? (uint32_t)c->inputs->count - 1 : REEL__NONE;
}

static uint32_t add_input(reel__compiler *c, uint32_t node)
{
    for (uint32_t i = 0; i < c->inputs->count && i < 64; i++) {
        if (((uint32_t *)c->inputs->data)[i] == node) {
            return i;
        }
    }
    return reel__add_input_anew(c, node);
}

uint32_t reel__add_local(reel__compiler *c, int64_t width, bool rowed)
{
    c->g->local[c->g->locals] = (reel__local){ .width = width, .rowed = rowed };
    return c->g->locals++;
}

reel__place reel__place_in_local(reel__compiler *c, const reel_shape *shape, bool rowed)
{
    int64_t width = reel__row_width(c->rows, shape, rowed);
    reel__place place = { .kind = REEL__IN_LOCAL, .number = reel__add_local(c, width, rowed) };
    reel__dense_strides(shape, place.stride);
    return place;
}

static bool place_stored(reel__compiler *c, uint32_t k)
{
    const reel__loop *loop = &c->p->loops[c->loop];
    const reel__item *item = reel__compiled_item(c, k);
    reel__place *place = &c->state[k].place;
    reel__part *part = &c->g->part[c->g->parts];
    int64_t unit = reel__compiled_shape(c, k)->size;
    *part = (reel__part){ .unit = unit, .lead = item->lead, .ring = reel__is_ring(c, item) };
    part->copies = loop->steps + item->lead;
    part->step = loop->reversed ? -unit : unit;
    part->first = loop->reversed ? (loop->steps - 1) * unit : (int64_t)item->lead * unit;
    if (part->ring) {
        bool in_place = item->lead == 0 || c->state[k].kind == REEL__AS_SUM;
        part->copies = in_place ? 1 : item->lead == 1 ? 2 : 4;
        part->step = unit;
        part->first = 0;
    }
    for (uint32_t i = 0; i < item->lead; i++) {
        bool zero = item->initial[i] >= REEL__ZERO;
        part->initial[i] = zero ? REEL__ALL_ZEROS : add_input(c, item->initial[i]);
        if (!zero && part->initial[i] == REEL__NONE) {
            return false;
        }
    }
    *place = (reel__place){ .kind = part->ring ? REEL__IN_RING : REEL__IN_PART,
                            .number = c->g->parts,
                            .offset = part->first,
                            .step = part->step,
                            .shift = part->ring ? (int64_t)item->lead : 0 };
    memcpy(place->stride, reel__compiled_shape(c, k)->stride, sizeof place->stride);
    for (const reel__range *r = item->ranges; r; r = r->next) {
        int64_t lowest = loop->reversed ? 0 : -(int64_t)item->lead;
        c->range_nodes[c->g->ranges] = r->node;
        c->g->range[c->g->ranges].part = c->g->parts;
        c->g->range[c->g->ranges++].copy =
            part->ring ? (loop->steps - 1 + item->lead) % part->copies : r->first - lowest;
    }
    c->g->parts++;
    c->state[k].placed = true;
    return true;
}

bool reel__find_place(reel__compiler *c, uint32_t k)
{
    reel__item_state *state = &c->state[k];
    const reel__item *item = reel__compiled_item(c, k);
    if (state->placed) {
        return true;
    }
    if (item->joined != REEL__NONE) {
        if (!reel__find_place(c, item->joined)) {
            return false;
        }
        state->place = c->state[item->joined].place;
        state->place.offset += item->column;
        state->placed = true;
        return true;
    }
    if (state->stored) {
        return place_stored(c, k);
    }
    if (state->kind == REEL__AS_SUM) {
        state->placed = reel__find_place(c, state->sum);
        state->place = c->state[state->sum].place;
        return state->placed;
    }
    const reel__shape_entry *shape = reel__compiled_shape(c, k);
    state->place = reel__place_in_local(c, &shape->shape, state->rowed);
    state->placed = true;
    return true;
}

static bool place_of_table(reel__compiler *c, const reel__source *s, reel__place *place)
{
    int64_t steps = c->p->loops[c->loop].steps;
    reel__table *table = &c->g->table[c->g->tables];
    table->input = reel__arena_take(c->p->t, c->arena, (size_t)steps * sizeof *table->input);
    for (int64_t e = 0; table->input && e < steps; e++) {
        bool again = e > 0 && s->table[e] == s->table[e - 1];
        table->input[e] = again ? table->input[e - 1] : reel__add_input_anew(c, s->table[e]);
        if (table->input[e] == REEL__NONE) {
            return false;
        }
    }
    *place = (reel__place){ .kind = REEL__IN_TABLE, .number = c->g->tables++ };
    return table->input != NULL;
}

static bool place_of_item(reel__compiler *c, const reel__source *s, reel__place *place)
{
    uint32_t node, input;
    if (reel__is_here(c, s)) {
        if (c->state[s->item].stored && !reel__find_place(c, s->item)) {
            return false;
        }
        *place = c->state[s->item].place;
        if (place->kind == REEL__IN_RING) {
            place->shift += s->offset;
        } else {
            place->offset += s->offset * place->step;
        }
        return c->state[s->item].placed;
    }
    if (!reel__find_stack(c->p, s->loop, s->item, place, &node) ||
        (input = add_input(c, node)) == REEL__NONE) {
        return false;
    }
    place->number = input;
    place->offset += s->offset * place->step;
    place->step *= s->scale;
    return true;
}

bool reel__place_of(reel__compiler *c, uint32_t k, uint32_t i, reel__place *place)
{
    const reel__source *s = &reel__compiled_item(c, k)->in[i];
    const reel_shape *shape = reel__input_shape(c, k, i);
    if (s->kind == REEL__ITEM) {
        return place_of_item(c, s, place);
    }
    if (s->kind == REEL__TABLE) {
        if (!place_of_table(c, s, place)) {
            return false;
        }
    } else {
        int64_t unit = reel_shape_size(*shape);
        *place = (reel__place){ .kind = REEL__IN_INPUT, .number = add_input(c, s->node) };
        if (place->number == REEL__NONE) {
            return false;
        }
        if (s->kind == REEL__SLICE) {
            place->offset = s->offset * unit;
            place->step = s->scale * unit;
        }
    }
    reel__dense_strides(shape, place->stride);
    return true;
}
