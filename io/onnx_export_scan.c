/* onnx_export_scan.c: a loop of the recording as ONNX's Scan.
 *
 *     body's inputs     states, the values of copies before; then what each copy has its own one of
 *     body's outputs    the states after; then what is read outside, which Scan stacks
 *
 * What is the same in all copies the body sees by its name outside. */
#ifdef REEL_HAVE_PROTOBUF_C
#include "onnx_writer.h"

#include <string.h>

typedef reel__onnx_writer writer;

/* Something that is another one in each copy. */
typedef struct {
    uint32_t item, input;  /* the first that reads it; input REEL__NONE: the item itself, a pick */
    const char *body_name; /* of one copy's */
    const char *name;      /* of all, outside */
    uint32_t like;         /* position of one of them, for shape and type */
} port;

typedef struct {
    writer *w;
    uint32_t loop;
    int64_t begin, count;
    const char ***x; /* of each live item the names of its inputs; NULL: made in the body */
    port *port;
    uint32_t ports, capacity;
    const char **in, **out; /* of the Scan: states, then the rest */
    int states, ins, outs;
} scan;

static const char *call(writer *w, const char *type, int inputs, const char *const x[])
{
    return reel__onnx_call(&w->g, type, inputs, x);
}

/* ---- parts of a stack ------------------------------------------------------------------------ */

/* Indices first, first + step, … of axis 0 of something that long. */
static const char *part_of(writer *w, const char *whole, int64_t length, int64_t first,
                           int64_t step, int64_t count)
{
    if (first == 0 && step == 1 && count == length) {
        return whole;
    }
    int64_t end = first + step * count;
    end = end < 0 ? INT64_MIN + 1 : end;
    return call(w, "Slice", 5,
                (const char *[]){ whole, reel__onnx_ints(&w->g, 1, &first),
                                  reel__onnx_ints(&w->g, 1, &end),
                                  reel__onnx_ints(&w->g, 1, (int64_t[]){ 0 }),
                                  reel__onnx_ints(&w->g, 1, &step) });
}

const char *reel__onnx_name_of(writer *w, uint32_t position)
{
    uint32_t item;
    int64_t copy;
    uint32_t loop = reel__onnx_loop_of(&w->loops, position, &item, &copy);
    if (loop == REEL__NONE || w->name[position]) {
        return w->name[position];
    }
    const reel__onnx_loop *l = &w->loops.loop[loop];
    const reel__onnx_item *k = &l->item[item];
    if (copy == l->end - 1 && k->last) {
        return w->name[position] = k->last;
    }
    w->name[position] =
        call(w, "Gather", 2, (const char *[]){ k->stack, reel__onnx_int(&w->g, copy - l->begin) });
    reel__onnx_set_int(&w->g, "axis", 0);
    return w->name[position];
}

/* Copies first, first + step, … of one item: whether the listed positions are such. */
static bool are_copies(const writer *w, int n, const uint32_t at[], uint32_t *loop, uint32_t *item,
                       int64_t *first, int64_t *step)
{
    *step = 1;
    *loop = n > 0 ? reel__onnx_loop_of(&w->loops, at[0], item, first) : REEL__NONE;
    for (int i = 1; *loop != REEL__NONE && i < n; i++) {
        uint32_t other;
        int64_t copy;
        uint32_t same = reel__onnx_loop_of(&w->loops, at[i], &other, &copy);
        *step = i == 1 ? copy - *first : *step;
        if (same != *loop || other != *item || *step == 0 || copy != *first + i * *step) {
            *loop = REEL__NONE;
        }
    }
    return *loop != REEL__NONE;
}

const char *reel__onnx_stack_of(writer *w, const reel__listed *y)
{
    uint32_t loop, item;
    int64_t first, step;
    if (strcmp(y->op->name, "stack") != 0 || reel__listed_int(y, "axis") != 0 || y->inputs < 2 ||
        !are_copies(w, y->inputs, y->input, &loop, &item, &first, &step)) {
        return NULL;
    }
    const reel__onnx_loop *l = &w->loops.loop[loop];
    return part_of(w, l->item[item].stack, l->end - l->begin, first - l->begin, step, y->inputs);
}

/* ---- what each copy has its own one of ------------------------------------------------------- */

static const char *stack_each(scan *s, uint32_t item, uint32_t input)
{
    writer *w = s->w;
    size_t bytes = (size_t)s->count * sizeof(char *);
    const char **x = reel__arena_take(w->g.tape, &w->g.arena, bytes);
    for (int64_t e = 0; x && e < s->count; e++) {
        uint32_t at = reel__onnx_read_by(&w->loops, s->loop, item, input, s->begin + e);
        x[e] = call(w, "Unsqueeze", 2,
                    (const char *[]){ reel__onnx_name_of(w, at),
                                      reel__onnx_ints(&w->g, 1, (int64_t[]){ 0 }) });
    }
    w->g.failed = w->g.failed || x == NULL;
    const char *y = call(w, "Concat", x ? (int)s->count : 0, x);
    reel__onnx_set_int(&w->g, "axis", 0);
    return y;
}

/* Copies of another loop's item, where all are in its stack. */
static const char *part_of_loop(scan *s, const reel__source *from)
{
    const reel__onnx_loop *l = &s->w->loops.loop[from->loop];
    int64_t first = from->scale * s->begin + from->offset;
    int64_t last = first + from->scale * (s->count - 1);
    bool fits = from->kind == REEL__ITEM && from->scale != 0 && l->scanned && first >= l->begin &&
                first < l->end && last >= l->begin && last < l->end;
    return fits ? part_of(s->w, l->item[from->item].stack, l->end - l->begin, first - l->begin,
                          from->scale, s->count)
                : NULL;
}

/* Indices in copies that follow each other by one step; false where they do not. */
static bool picked_steps(const scan *s, uint32_t item, int64_t *first, int64_t *step)
{
    int64_t at;
    reel__onnx_picks(&s->w->loops, s->loop, item, s->begin, first);
    reel__onnx_picks(&s->w->loops, s->loop, item, s->begin + 1, step);
    *step -= *first;
    for (int64_t e = 0; e < s->count; e++) {
        reel__onnx_picks(&s->w->loops, s->loop, item, s->begin + e, &at);
        if (at != *first + e * *step) {
            return false;
        }
    }
    return *step != 0;
}

static const char *gather_picks(scan *s, uint32_t item, uint32_t whole)
{
    writer *w = s->w;
    int64_t *at = reel__arena_take(w->g.tape, &w->g.arena, (size_t)s->count * sizeof *at);
    for (int64_t e = 0; at && e < s->count; e++) {
        reel__onnx_picks(&w->loops, s->loop, item, s->begin + e, &at[e]);
    }
    w->g.failed = w->g.failed || at == NULL;
    const char *y = call(w, "Gather", 2,
                         (const char *[]){ reel__onnx_name_of(w, whole),
                                           reel__onnx_ints(&w->g, at ? (int)s->count : 0, at) });
    reel__onnx_set_int(&w->g, "axis", 0);
    return y;
}

static const char *slice_whole(scan *s, uint32_t whole, int64_t first, int64_t step)
{
    return part_of(s->w, reel__onnx_name_of(s->w, whole), s->w->list.item[whole].shape.dim[0],
                   first, step, s->count);
}

/* The Scan's input that gives each copy of `item` its input, or, where it picks an index, its
 * value. */
static const char *whole_of(scan *s, uint32_t item, uint32_t input, bool picks)
{
    const reel__source *from = &reel__item_at(&s->w->loops.plan, s->loop, item)->in[input];
    const uint32_t *position = s->w->loops.position;
    int64_t first = from->scale * s->begin + from->offset, step = from->scale;
    if (picks) {
        return picked_steps(s, item, &first, &step)
                   ? slice_whole(s, position[from->node], first, step)
                   : gather_picks(s, item, position[from->node]);
    }
    if (from->kind == REEL__SLICE && step != 0) {
        return slice_whole(s, position[from->node], first, step);
    }
    const char *part = part_of_loop(s, from);
    return part ? part : stack_each(s, item, input);
}

static bool same_source(const scan *s, const port *p, uint32_t item, uint32_t input)
{
    const reel__plan *plan = &s->w->loops.plan;
    const reel__source *from = &reel__item_at(plan, s->loop, item)->in[input];
    return from->kind != REEL__TABLE &&
           reel__same_source(from, &reel__item_at(plan, s->loop, p->item)->in[p->input]);
}

/* A name in the body for it; made where there is none yet. */
static const char *port_of(scan *s, uint32_t item, uint32_t input, bool picks, uint32_t like)
{
    writer *w = s->w;
    for (uint32_t i = 0; !picks && i < s->ports; i++) {
        if (s->port[i].input != REEL__NONE && same_source(s, &s->port[i], item, input)) {
            return s->port[i].body_name;
        }
    }
    port *grown =
        reel__arena_grow(w->g.tape, &w->g.arena, s->port, s->ports, &s->capacity, sizeof *grown);
    w->g.failed = w->g.failed || grown == NULL;
    if (grown == NULL) {
        return "";
    }
    s->port = grown;
    s->port[s->ports] = (port){ .item = item, .input = picks ? REEL__NONE : input, .like = like };
    s->port[s->ports].name = whole_of(s, item, input, picks);
    return s->port[s->ports++].body_name = reel__onnx_text(&w->g, "each_%u", w->g.names++);
}

/* ---- in front of the body -------------------------------------------------------------------- */

static reel__item *item_of(const scan *s, uint32_t k)
{
    return reel__item_at(&s->w->loops.plan, s->loop, k);
}

static reel__onnx_item *exported(const scan *s, uint32_t k)
{
    return &s->w->loops.loop[s->loop].item[k];
}

static const reel__listed *listed(const scan *s, uint32_t k)
{
    return &s->w->list.item[s->w->loops.position[item_of(s, k)->member[s->begin]]];
}

static const char *outside_name(scan *s, uint32_t k, uint32_t i)
{
    const reel__source *from = &item_of(s, k)->in[i];
    if (from->kind == REEL__SAME) {
        return reel__onnx_name_of(s->w, s->w->loops.position[from->node]);
    }
    if (from->kind == REEL__ITEM && from->loop == s->loop) {
        return NULL;
    }
    uint32_t first = reel__onnx_read_by(&s->w->loops, s->loop, k, i, s->begin);
    return reel__onnx_is_constant(&s->w->loops, s->loop, k, i) ? reel__onnx_name_of(s->w, first)
                                                               : port_of(s, k, i, false, first);
}

static bool name_inputs(scan *s, uint32_t k)
{
    writer *w = s->w;
    int64_t at;
    uint32_t n = item_of(s, k)->inputs;
    s->x[k] = reel__arena_take(w->g.tape, &w->g.arena, (n + 1) * sizeof *s->x[k]);
    if (s->x[k] == NULL) {
        return false;
    }
    if (reel__onnx_picks(&w->loops, s->loop, k, s->begin, &at)) {
        exported(s, k)->name = port_of(s, k, 0, true, (uint32_t)(listed(s, k) - w->list.item));
        return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        s->x[k][i] = outside_name(s, k, i);
    }
    return true;
}

static void add_state(scan *s, uint32_t k, uint32_t back)
{
    writer *w = s->w;
    uint32_t before = reel__onnx_before(&w->loops, s->loop, k, back);
    exported(s, k)->before[back] = reel__onnx_text(&w->g, "state_%u", w->g.names++);
    s->in[s->ins++] = reel__onnx_name_of(w, before);
    s->states++;
}

/* Scan wants something to scan. */
static void add_steps(scan *s)
{
    s->in[s->ins++] = reel__onnx_filled(&s->w->g, &(reel_shape){ 1, { s->count } }, 0);
}

static bool prepare(scan *s)
{
    writer *w = s->w;
    uint32_t items = w->loops.plan.loops[s->loop].items;
    s->x = reel__arena_take(w->g.tape, &w->g.arena, (items + 1) * sizeof *s->x);
    for (uint32_t k = 0; k < items; k++) {
        if (exported(s, k)->live && (s->x == NULL || !name_inputs(s, k))) {
            return false;
        }
    }
    size_t room = ((REEL__MOST_LEAD + 1) * (size_t)items + s->ports + 1) * sizeof *s->in;
    s->in = reel__arena_take(w->g.tape, &w->g.arena, room);
    s->out = reel__arena_take(w->g.tape, &w->g.arena, room);
    if (s->in == NULL || s->out == NULL) {
        return false;
    }
    for (uint32_t k = 0; k < items; k++) {
        for (uint32_t b = 0; b < exported(s, k)->lag; b++) {
            add_state(s, k, b);
        }
    }
    for (uint32_t i = 0; i < s->ports; i++) {
        s->in[s->ins++] = s->port[i].name;
    }
    if (s->ports == 0) {
        add_steps(s);
    }
    return !w->g.failed;
}

/* ---- the body -------------------------------------------------------------------------------- */

static void declare_inputs(scan *s)
{
    writer *w = s->w;
    for (uint32_t k = 0; k < w->loops.plan.loops[s->loop].items; k++) {
        for (uint32_t b = 0; b < exported(s, k)->lag; b++) {
            reel__onnx_input(&w->g, exported(s, k)->before[b],
                             reel__onnx_type_of(&w->list, listed(s, k)), &listed(s, k)->shape);
        }
    }
    for (uint32_t i = 0; i < s->ports; i++) {
        const reel__listed *y = &w->list.item[s->port[i].like];
        reel__onnx_input(&w->g, s->port[i].body_name, reel__onnx_type_of(&w->list, y), &y->shape);
    }
    if (s->ports == 0) {
        reel__onnx_input(&w->g, reel__onnx_text(&w->g, "step_%u", w->g.names++),
                         reel__onnx_real_type(w->g.tape), &(reel_shape){ 0 });
    }
}

static bool write_item(scan *s, uint32_t k)
{
    for (uint32_t i = 0; i < item_of(s, k)->inputs; i++) {
        const reel__source *from = &item_of(s, k)->in[i];
        if (s->x[k][i] == NULL) {
            const reel__onnx_item *other = exported(s, from->item);
            s->x[k][i] = from->offset ? other->before[-from->offset - 1] : other->name;
        }
    }
    exported(s, k)->name = reel__onnx_write_op(s->w, listed(s, k), s->x[k]);
    return exported(s, k)->name != NULL;
}

/* An output of the body, and the name of what the Scan makes of it. */
static const char *add_output(scan *s, const char *value, uint32_t k)
{
    writer *w = s->w;
    const char *inside = reel__onnx_call(&w->g, "Identity", 1, &value);
    reel__onnx_output(&w->g, inside, reel__onnx_type_of(&w->list, listed(s, k)),
                      &listed(s, k)->shape);
    return s->out[s->outs++] = reel__onnx_text(&w->g, "Scan_%u_out", w->g.names++);
}

static void add_outputs(scan *s)
{
    uint32_t items = s->w->loops.plan.loops[s->loop].items;
    for (uint32_t k = 0; k < items; k++) {
        reel__onnx_item *e = exported(s, k);
        for (uint32_t b = 0; b < e->lag; b++) {
            const char *name = add_output(s, b ? e->before[b - 1] : e->name, k);
            e->last = b ? e->last : name;
        }
    }
    for (uint32_t k = 0; k < items; k++) {
        reel__onnx_item *e = exported(s, k);
        if (e->stacked || (e->last_read && e->lag == 0)) {
            e->stack = add_output(s, e->name, k);
        }
    }
}

static bool write_body(scan *s)
{
    int64_t at;
    declare_inputs(s);
    for (uint32_t k = 0; k < s->w->loops.plan.loops[s->loop].items; k++) {
        bool picks = reel__onnx_picks(&s->w->loops, s->loop, k, s->begin, &at);
        if (exported(s, k)->live && !picks && !write_item(s, k)) {
            return false;
        }
    }
    add_outputs(s);
    return true;
}

bool reel__onnx_write_scan(writer *w, uint32_t loop)
{
    const reel__onnx_loop *l = &w->loops.loop[loop];
    scan s = { .w = w, .loop = loop, .begin = l->begin, .count = l->end - l->begin };
    if (!prepare(&s)) {
        return false;
    }
    reel__onnx_scope_graph outside = reel__onnx_begin_body(&w->g, "body");
    bool fine = write_body(&s);
    Onnx__GraphProto *body = reel__onnx_end_body(&w->g, outside);
    reel__onnx_node(&w->g, "Scan", s.ins, s.in, s.outs, s.out);
    reel__onnx_set_graph(&w->g, "body", body);
    reel__onnx_set_int(&w->g, "num_scan_inputs", s.ins - s.states);
    return fine && body != NULL && !w->g.failed;
}
#else
typedef int reel__no_onnx_export_scan; /* a translation unit is never empty */
#endif
