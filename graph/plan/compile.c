/* compile.c: a stage of a loop becomes a program.
 *
 *     before   items: z = matmul(h, W); i = slice(z); s = sigmoid(i); …
 *     after    gemm local 0 = part 1 · weight 0;  tile local 1 = sigmoid(local 0, columns 0 …)
 *
 * Views and concatenations only say where things lie. What is left is put into an order in which
 * element-wise work stands together, so that it can run block of rows by block of rows. / */
#include <string.h>

#include "plan.h"

typedef enum {
    NOTHING,
    AS_VIEW,
    AS_TILE,
    AS_GEMM,
    AS_KERNEL,
    AS_JOIN,
    AS_TERM, /* added by the kernel to … */
    AS_SUM   /* … the sum that is carried along */
} item_kind;

typedef struct {
    item_kind kind;
    bool here, rowed, across, stored, placed, done;
    uint32_t term, sum; /* of a carried sum: what it adds, and where */
    reel__place place;
} item_state;

typedef struct {
    reel__plan *p;
    uint32_t loop;
    int stage;
    reel__arena *arena; /* of the program */
    reel__program *g;
    reel__list *inputs;
    uint32_t *range_nodes;
    item_state *state;
    int64_t rows; /* length of the batch axis; -1: there is none */
    uint32_t locals_room, parts_room, instructions_room;
    bool by_rows;
    bool fits; /* false: no program can be made */
} compiler;

static const reel__item *item_at(const compiler *c, uint32_t k)
{
    return reel__item_at(c->p, c->loop, k);
}

static const reel__node *node_of(const compiler *c, uint32_t k)
{
    return reel__template(c->p, item_at(c, k));
}

static const reel_shape *input_shape(const compiler *c, uint32_t k, uint32_t i)
{
    const reel__node *node = node_of(c, k);
    return &reel__shape_entry_of(c->p->t, reel__inputs_of(c->p->t, node)[i])->shape;
}

static const reel__shape_entry *shape_of(const compiler *c, uint32_t k)
{
    return reel__shape_at(c->p->t, node_of(c, k)->shape);
}

static bool reads_index(const compiler *c, uint32_t k, uint32_t i)
{
    return reel__node_at(c->p->t, reel__inputs_of(c->p->t, node_of(c, k))[i])->flags & REEL__INDEX;
}

static bool is_here(const compiler *c, const reel__source *s)
{
    return s->kind == REEL__ITEM && s->loop == c->loop && c->state[s->item].here;
}

/* ---- rows -------------------------------------------------------------------------------------- */

static bool has_rows(const compiler *c, const reel_shape *shape)
{
    return shape->rank > 0 && shape->dim[0] == c->rows;
}

/* The length that most items have as their first axis. */
static void find_rows(compiler *c)
{
    uint32_t items = c->p->loops[c->loop].items, most = 0;
    c->rows = -1;
    for (uint32_t k = 0; k < items; k++) {
        const reel_shape *shape = &shape_of(c, k)->shape;
        uint32_t like = 0;
        bool candidate = c->state[k].here && shape->rank >= 2 && shape->dim[0] > 0;
        for (uint32_t i = 0; candidate && i < items; i++) {
            const reel_shape *other = &shape_of(c, i)->shape;
            like += c->state[i].here && other->rank >= 2 && other->dim[0] == shape->dim[0];
        }
        if (like > most) {
            most = like;
            c->rows = shape->dim[0];
        }
    }
}

/* A view whose rows are the rows of what it looks at. */
static bool view_keeps_rows(const compiler *c, uint32_t k)
{
    const reel__node *node = node_of(c, k);
    const reel_shape *x = input_shape(c, k, 0), *y = &shape_of(c, k)->shape;
    int64_t offset = 0, x_stride[REEL_MAX_RANK], y_stride[REEL_MAX_RANK], size = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        x_stride[i] = size;
        size *= x->dim[i];
    }
    if (!has_rows(c, x) || !has_rows(c, y) ||
        !node->op->view(node->attributes, x, x_stride, y, &offset, y_stride)) {
        return false;
    }
    return c->rows == 1 || (y_stride[0] == x_stride[0] && offset >= 0 && offset < x_stride[0]);
}

static bool product_keeps_rows(const compiler *c, uint32_t k)
{
    const reel__node *node = node_of(c, k);
    const reel_shape *a = input_shape(c, k, 0), *b = input_shape(c, k, 1);
    if (a->rank == 2 && b->rank == 2) {
        return node->op->contracted_axis(node->attributes, 0, 2) == 1;
    }
    /* a batch of products, each row its own */
    return a->rank > 2 && a->rank == b->rank && has_rows(c, a) && has_rows(c, b);
}

static bool keeps_rows(const compiler *c, uint32_t k)
{
    const reel__node *node = node_of(c, k);
    const reel_shape *x[REEL__PROGRAM_INPUTS];
    if (node->op->view) {
        return view_keeps_rows(c, k);
    }
    if (node->op->kind == REEL_ELEMENTWISE) {
        return true;
    }
    if (node->op->joined_axis) {
        return node->op->joined_axis(node->attributes) != 0;
    }
    if (node->op->contracted_axis) {
        return product_keeps_rows(c, k);
    }
    if (node->op->by_rows == NULL || node->inputs > REEL__PROGRAM_INPUTS || node->op->random) {
        return false;
    }
    for (uint32_t i = 0; i < node->inputs; i++) {
        x[i] = input_shape(c, k, i);
    }
    return node->op->by_rows(node->attributes, (int)node->inputs, x);
}

/* Whether input i gives its row to the output's row. */
static bool reads_row(const compiler *c, uint32_t k, uint32_t i)
{
    const reel__node *node = node_of(c, k);
    const reel_shape *x = input_shape(c, k, i), *y = &shape_of(c, k)->shape;
    if (!has_rows(c, x)) {
        return false;
    }
    if (node->op->kind == REEL_ELEMENTWISE) {
        return x->rank == y->rank;
    }
    return !(node->op->contracted_axis && i == 1 && x->rank == 2);
}

static bool is_rowed_source(const compiler *c, const reel__source *s)
{
    return is_here(c, s) && c->state[s->item].rowed;
}

/* Rows are independent where each item's row depends on the same row of what it reads. */
static void classify_rows(compiler *c, uint32_t k)
{
    item_state *state = &c->state[k];
    const reel__item *item = item_at(c, k);
    state->across = state->rowed && !keeps_rows(c, k);
    for (uint32_t i = 0; i < item->inputs; i++) {
        bool row = state->rowed && reads_row(c, k, i);
        state->across = state->across || (is_rowed_source(c, &item->in[i]) && !row);
    }
    if (state->across || (!state->rowed && state->stored)) {
        c->by_rows = false;
        c->g->mixes_rows = node_of(c, k)->op;
    }
}

/* ---- what becomes of items --------------------------------------------------------------------- */

static bool is_matrix_product(const compiler *c, uint32_t k)
{
    const reel__item *item = item_at(c, k);
    const reel__node *node = node_of(c, k);
    return node->op->contracted_axis && item->inputs == 2 && !item->varies &&
           item->in[1].kind == REEL__SAME && input_shape(c, k, 0)->rank == 2 &&
           input_shape(c, k, 1)->rank == 2 &&
           node->op->contracted_axis(node->attributes, 0, 2) == 1;
}

static item_kind kind_of(const compiler *c, uint32_t k)
{
    const reel_op *op = node_of(c, k)->op;
    const reel__item *item = item_at(c, k);
    if (op->view) {
        return item->varies ? NOTHING : AS_VIEW;
    }
    if (is_matrix_product(c, k)) {
        return AS_GEMM;
    }
    if (op->joined_axis && !item->varies && shape_of(c, k)->shape.rank == 2 &&
        input_shape(c, k, 0)->rank == 2 && op->joined_axis(node_of(c, k)->attributes) == 1) {
        return AS_JOIN;
    }
    if (op->kind == REEL_ELEMENTWISE && item->inputs <= REEL__PROGRAM_INPUTS) {
        return AS_TILE; /* or a kernel, when its inputs lie in an odd way */
    }
    return op->kernel[0] && item->inputs <= REEL__PROGRAM_INPUTS ? AS_KERNEL : NOTHING;
}

/* Only the copy that comes last is read from outside. */
static bool is_ring(const compiler *c, const reel__item *item)
{
    const reel__loop *loop = &c->p->loops[c->loop];
    for (const reel__range *r = item->ranges; r; r = r->next) {
        if (r->count > 0 || r->first != reel__slot(loop, loop->steps - 1)) {
            return false;
        }
    }
    return item->lead < 4 && item->begin == 0 && item->end == loop->steps;
}

/* A sum of the item's own shape; the rest of what it adds to is input i. */
static bool adds_kernel(const compiler *c, uint32_t k, uint32_t i)
{
    const reel__item *item = item_at(c, k);
    const reel__source *f = &item->in[1 - i];
    if (!reel__is_own(f, c->loop) || !c->state[f->item].here) {
        return false;
    }
    const reel__item *term = item_at(c, f->item);
    return c->state[f->item].kind == AS_KERNEL && node_of(c, f->item)->op->accumulates &&
           shape_of(c, f->item) == shape_of(c, k) && !c->state[f->item].stored &&
           term->joined == REEL__NONE && term->begin == 0 &&
           term->end == c->p->loops[c->loop].steps &&
           reel__count_readers(c->p, c->loop, f->item) == 1;
}

static bool is_plain_sum(const compiler *c, uint32_t k)
{
    const reel__item *item = item_at(c, k);
    return c->state[k].here && node_of(c, k)->op->sums && item->inputs == 2 && !item->varies &&
           item->joined == REEL__NONE && reel__count_readers(c->p, c->loop, k) == 1;
}

/* The input of sum k that the sum goes on from: itself, a copy ago, or a sum that nobody else reads. */
static bool goes_on_from(const compiler *c, uint32_t last, uint32_t k, uint32_t i)
{
    const reel__source *s = &item_at(c, k)->in[i];
    if (s->kind != REEL__ITEM || s->loop != c->loop || s->scale != 1) {
        return false;
    }
    return s->item == last ? s->offset == -1
                           : s->offset == 0 && is_plain_sum(c, s->item) &&
                                 !c->state[s->item].stored && item_at(c, s->item)->begin == 0;
}

#define MOST_TERMS 8

/* G = (G + f) + g …, carried along and read at the end alone: where the terms' kernels can add, they
 * add to G. */
static void find_carried_sum(compiler *c, uint32_t last)
{
    uint32_t sum[MOST_TERMS], rest[MOST_TERMS], n = 0, k = last;
    const reel__item *item = item_at(c, last);
    if (!is_plain_sum(c, last) || item->lead != 1 || !is_ring(c, item)) {
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
        k = item_at(c, k)->in[i].item;
    } while (k != last);
    for (uint32_t j = 0; j < n; j++) {
        uint32_t term = item_at(c, sum[j])->in[1 - rest[j]].item;
        c->state[sum[j]].kind = AS_SUM;
        c->state[sum[j]].term = term;
        c->state[sum[j]].sum = last;
        c->state[term].kind = AS_TERM;
    }
}

static bool start_items(compiler *c)
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
        c->state[k].kind = c->state[k].here ? kind_of(c, k) : NOTHING;
        bool fitted = c->fits;
        c->fits = c->fits && !(c->state[k].here && c->state[k].kind == NOTHING) &&
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

/* ---- places ------------------------------------------------------------------------------------ */

static uint32_t add_input(compiler *c, uint32_t node)
{
    reel_tape *t = c->p->t;
    for (uint32_t i = 0; i < c->inputs->count && i < 64; i++) {
        if (((uint32_t *)c->inputs->data)[i] == node) {
            return i;
        }
    }
    if (!reel__list_reserve(t, c->inputs, c->inputs->count + 1, sizeof node)) {
        return REEL__NONE;
    }
    ((uint32_t *)c->inputs->data)[c->inputs->count] = node;
    return (uint32_t)c->inputs->count++;
}

/* A weight may lie in any way, so it is no input of anything else. */
static uint32_t add_input_anew(compiler *c, uint32_t node)
{
    reel_tape *t = c->p->t;
    if (!reel__list_reserve(t, c->inputs, c->inputs->count + 1, sizeof node)) {
        return REEL__NONE;
    }
    ((uint32_t *)c->inputs->data)[c->inputs->count] = node;
    return (uint32_t)c->inputs->count++;
}

static uint32_t add_local(compiler *c, int64_t width, bool rowed)
{
    c->g->local[c->g->locals] = (reel__local){ .width = width, .rowed = rowed };
    return c->g->locals++;
}

static void dense(const compiler *c, uint32_t k, reel__place *place)
{
    memcpy(place->stride, shape_of(c, k)->stride, sizeof place->stride);
    (void)c;
}

static bool place_stored(compiler *c, uint32_t k)
{
    const reel__loop *loop = &c->p->loops[c->loop];
    const reel__item *item = item_at(c, k);
    reel__place *place = &c->state[k].place;
    reel__part *part = &c->g->part[c->g->parts];
    int64_t unit = shape_of(c, k)->size;
    *part = (reel__part){ .unit = unit, .lead = item->lead, .ring = is_ring(c, item) };
    part->copies = loop->steps + item->lead;
    part->step = loop->reversed ? -unit : unit;
    part->first = loop->reversed ? (loop->steps - 1) * unit : (int64_t)item->lead * unit;
    if (part->ring) {
        bool in_place = item->lead == 0 || c->state[k].kind == AS_SUM;
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
    dense(c, k, place);
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

static bool find_place(compiler *c, uint32_t k)
{
    item_state *state = &c->state[k];
    const reel__item *item = item_at(c, k);
    if (state->placed) {
        return true;
    }
    if (item->joined != REEL__NONE) {
        if (!find_place(c, item->joined)) {
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
    if (state->kind == AS_SUM) {
        state->placed = find_place(c, state->sum);
        state->place = c->state[state->sum].place;
        return state->placed;
    }
    const reel__shape_entry *shape = shape_of(c, k);
    int64_t width = shape->size;
    if (state->rowed && c->rows > 0) {
        width /= c->rows;
    }
    state->place =
        (reel__place){ .kind = REEL__IN_LOCAL, .number = add_local(c, width, state->rowed) };
    dense(c, k, &state->place);
    state->placed = true;
    return true;
}

static bool place_of_table(compiler *c, const reel__source *s, reel__place *place)
{
    int64_t steps = c->p->loops[c->loop].steps;
    reel__table *table = &c->g->table[c->g->tables];
    table->input = reel__arena_take(c->p->t, c->arena, (size_t)steps * sizeof *table->input);
    for (int64_t e = 0; table->input && e < steps; e++) {
        bool again = e > 0 && s->table[e] == s->table[e - 1];
        table->input[e] = again ? table->input[e - 1] : add_input_anew(c, s->table[e]);
        if (table->input[e] == REEL__NONE) {
            return false;
        }
    }
    *place = (reel__place){ .kind = REEL__IN_TABLE, .number = c->g->tables++ };
    return table->input != NULL;
}

static bool place_of_item(compiler *c, const reel__source *s, reel__place *place)
{
    uint32_t node, input;
    if (is_here(c, s)) {
        if (c->state[s->item].stored && !find_place(c, s->item)) {
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

static bool place_of(compiler *c, uint32_t k, uint32_t i, reel__place *place)
{
    const reel__source *s = &item_at(c, k)->in[i];
    const reel_shape *shape = input_shape(c, k, i);
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
    int64_t next = 1;
    for (int a = shape->rank - 1; a >= 0; a--) {
        place->stride[a] = next;
        next *= shape->dim[a];
    }
    return true;
}

/* ---- instructions ------------------------------------------------------------------------------ */

static reel__instruction *add_instruction(compiler *c, reel__instruction_kind kind, uint32_t k,
                                          uint32_t inputs)
{
    const reel__item *item = item_at(c, k);
    reel__instruction *n = &c->g->instruction[c->g->instructions];
    *n = (reel__instruction){ .kind = kind,
                              .op = node_of(c, k)->op,
                              .begin = item->begin,
                              .end = item->end,
                              .rowed = c->state[k].rowed,
                              .inputs = inputs };
    n->y.place = c->state[k].place;
    n->y.shape = shape_of(c, k)->shape;
    n->y.rowed = c->state[k].rowed;
    n->x = reel__arena_take(c->p->t, c->arena, (inputs + 1) * sizeof *n->x);
    if (n->x == NULL) {
        return NULL;
    }
    memset(n->x, 0, (inputs + 1) * sizeof *n->x);
    c->g->instructions++;
    return n;
}

static bool copy_attributes(compiler *c, uint32_t k, reel__instruction *n)
{
    reel_tape *t = c->p->t;
    const reel__item *item = item_at(c, k);
    int64_t steps = c->p->loops[c->loop].steps;
    size_t size = n->op->attribute_size, step = (size + 7u) & ~(size_t)7u;
    if (item->member && n->op->index_inputs) {
        uint32_t *nodes = reel__arena_take(t, c->arena, (size_t)steps * sizeof *nodes);
        if (nodes == NULL) {
            return false;
        }
        memcpy(nodes, item->member, (size_t)steps * sizeof *nodes);
        n->nodes = nodes;
    }
    if (size == 0) {
        return true;
    }
    size_t copies = item->varies ? (size_t)steps : 1;
    char *copy = reel__arena_take(t, c->arena, copies * step);
    if (copy == NULL) {
        return false;
    }
    memset(copy, 0, copies * step);
    for (size_t e = 0; e < copies; e++) {
        uint32_t node = item->varies ? item->member[e] : item->node;
        memcpy(copy + e * step,
               reel__node_at(t, node == REEL__NONE ? item->node : node)->attributes, size);
    }
    n->attributes = copy;
    n->attributes_by_copy = item->varies ? copy : NULL;
    n->attribute_step = step;
    return true;
}

/* The axes from `first` on lie as in a dense tensor. */
static bool is_dense(const reel_shape *shape, const int64_t stride[], int first)
{
    int64_t expected = 1;
    for (int a = shape->rank - 1; a >= first; a--) {
        if (shape->dim[a] != 1 && stride[a] != expected) {
            return false;
        }
        expected *= shape->dim[a];
    }
    return true;
}

/* ---- copies ------------------------------------------------------------------------------------ */

static bool add_copy(compiler *c, uint32_t k, const reel__place *to, const reel_shape *shape,
                     bool rowed, const reel__place *from)
{
    reel__instruction *n = add_instruction(c, REEL__COPY, k, 1);
    if (n == NULL) {
        return false;
    }
    n->op = NULL;
    n->rowed = rowed;
    n->y = (reel__operand){ .place = *to, .shape = *shape, .rowed = rowed };
    n->x[0] = (reel__operand){ .place = *from, .shape = *shape, .rowed = rowed };
    return true;
}

/* A dense copy of an operand, in a local of its own. */
static bool make_dense(compiler *c, uint32_t k, reel__operand *x)
{
    int64_t size = reel_shape_size(x->shape), next = 1;
    reel__place to = { .kind = REEL__IN_LOCAL,
                       .number = add_local(c, x->rowed && c->rows > 0 ? size / c->rows : size,
                                           x->rowed) };
    for (int a = x->shape.rank - 1; a >= 0; a--) {
        to.stride[a] = next;
        next *= x->shape.dim[a];
    }
    if (!add_copy(c, k, &to, &x->shape, x->rowed, &x->place)) {
        return false;
    }
    x->place = to;
    return true;
}

/* What an instruction cannot write where it belongs it writes to a local, to be copied. */
static bool write_beside(compiler *c, uint32_t k, uint32_t instruction)
{
    reel__operand *y = &c->g->instruction[instruction].y;
    bool tile = c->g->instruction[instruction].kind == REEL__TILE;
    if (is_dense(&y->shape, y->place.stride, tile && y->rowed ? 1 : 0)) {
        return true;
    }
    reel__place there = y->place;
    int64_t size = reel_shape_size(y->shape), next = 1;
    y->place = (reel__place){ .kind = REEL__IN_LOCAL,
                              .number = add_local(
                                  c, y->rowed && c->rows > 0 ? size / c->rows : size, y->rowed) };
    for (int a = y->shape.rank - 1; a >= 0; a--) {
        y->place.stride[a] = next;
        next *= y->shape.dim[a];
    }
    reel__place here = y->place;
    reel_shape shape = y->shape;
    return add_copy(c, k, &there, &shape, y->rowed, &here);
}

/* ---- element by element ------------------------------------------------------------------------ */

/* How an input of a tile lies: as y does, one row for all, or one number spread over the row. */
static bool fits_tile(const compiler *c, const reel_shape *y, bool rowed, reel__operand *x)
{
    int lead = y->rank - x->shape.rank, first = rowed ? 1 : 0;
    bool one = true, same = true;
    for (int a = first; a < y->rank; a++) {
        int64_t dim = a < lead ? 1 : x->shape.dim[a - lead];
        one = one && dim == 1;
        same = same && dim == y->dim[a];
    }
    bool per_row = rowed && lead == 0 && x->shape.dim[0] == c->rows;
    int64_t row = per_row ? x->place.stride[0] : 0;
    int inner = first - lead > 0 ? first - lead : 0;
    if (same && is_dense(&x->shape, x->place.stride, inner)) {
        x->rowed = per_row;
    } else if (one) {
        x->spread = true;
        x->rowed = per_row;
        x->constant = x->place.kind == REEL__IN_INPUT && x->place.step == 0 && row == 0;
    } else {
        return false;
    }
    x->place.stride[0] = row;
    return true;
}

static bool add_tile(compiler *c, uint32_t k)
{
    reel__operand x[REEL__PROGRAM_INPUTS];
    const reel__item *item = item_at(c, k);
    const reel__shape_entry *y = shape_of(c, k);
    bool rowed = c->state[k].rowed, fits = true;
    memset(x, 0, sizeof x);
    for (uint32_t i = 0; i < item->inputs; i++) {
        x[i].shape = *input_shape(c, k, i);
        if (!place_of(c, k, i, &x[i].place)) {
            return false;
        }
        reel__operand as_tile = x[i];
        fits = fits && fits_tile(c, &y->shape, rowed, &as_tile);
        if (fits) {
            x[i] = as_tile;
        }
    }
    int64_t width = rowed && c->rows > 0 ? y->size / c->rows : y->size;
    reel__instruction *n = fits ? add_instruction(c, REEL__TILE, k, item->inputs) : NULL;
    if (!fits) {
        c->state[k].kind = AS_KERNEL;
        return true;
    }
    if (n == NULL || !copy_attributes(c, k, n)) {
        return false;
    }
    for (uint32_t i = 0; i < item->inputs; i++) {
        n->x[i] = x[i];
        if (x[i].spread) {
            n->x[i].fill = add_local(c, width, false);
        }
    }
    return write_beside(c, k, c->g->instructions - 1);
}

/* ---- products and other kernels ---------------------------------------------------------------- */

static bool add_gemm(compiler *c, uint32_t k)
{
    const reel__item *item = item_at(c, k);
    const reel__node *node = node_of(c, k);
    reel__operand a = { .shape = *input_shape(c, k, 0), .rowed = c->state[k].rowed };
    if (!place_of(c, k, 0, &a.place)) {
        return false;
    }
    a.rowed = a.rowed && has_rows(c, &a.shape);
    if (!is_dense(&a.shape, a.place.stride, 1) && !make_dense(c, k, &a)) {
        return false;
    }
    reel__instruction *n = add_instruction(c, REEL__GEMM, k, 1);
    uint32_t input = add_input_anew(c, item->in[1].node);
    if (n == NULL || input == REEL__NONE) {
        return false;
    }
    n->x[0] = a;
    n->weight = c->g->weights;
    c->g->weight[c->g->weights++] =
        (reel__weight){ .input = input,
                        .transposed = node->op->contracted_axis(node->attributes, 1, 2) == 1,
                        .k = a.shape.dim[1],
                        .n = n->y.shape.dim[1] };
    return true;
}

/* With the result in the place of item `sum`, to which it is added; or REEL__NONE. */
static bool add_kernel(compiler *c, uint32_t k, uint32_t sum)
{
    const reel__item *item = item_at(c, k);
    const reel_op *op = node_of(c, k)->op;
    bool any_stride = op->strided || op->kind == REEL_ELEMENTWISE;
    reel__operand x[REEL__PROGRAM_INPUTS];
    memset(x, 0, sizeof x);
    for (uint32_t i = 0; i < item->inputs; i++) {
        x[i].shape = *input_shape(c, k, i);
        x[i].rowed = c->state[k].rowed && !c->state[k].across && reads_row(c, k, i);
        x[i].index = reads_index(c, k, i);
        if (!place_of(c, k, i, &x[i].place)) {
            return false;
        }
        bool lies_dense = is_dense(&x[i].shape, x[i].place.stride, 0);
        c->fits = c->fits && (lies_dense || !x[i].index);
        if (!any_stride && !lies_dense && !make_dense(c, k, &x[i])) {
            return false;
        }
    }
    reel__instruction *n = add_instruction(c, REEL__KERNEL, k, item->inputs);
    if (n == NULL || !copy_attributes(c, k, n)) {
        return false;
    }
    memcpy(n->x, x, item->inputs * sizeof *x);
    n->rowed = n->y.rowed = c->state[k].rowed && !c->state[k].across;
    if (sum != REEL__NONE) {
        n->y.place = c->state[sum].place;
        n->accumulate = true;
    }
    return write_beside(c, k, c->g->instructions - 1);
}

static bool add_join(compiler *c, uint32_t k)
{
    const reel__item *item = item_at(c, k);
    int64_t column = 0;
    for (uint32_t i = 0; i < item->inputs; i++) {
        const reel_shape *shape = input_shape(c, k, i);
        reel__place from, to = c->state[k].place;
        bool there = is_here(c, &item->in[i]) && reel__is_own(&item->in[i], c->loop) &&
                     item_at(c, item->in[i].item)->joined == k &&
                     item_at(c, item->in[i].item)->column == column;
        to.offset += column;
        if (!place_of(c, k, i, &from) ||
            (!there && !add_copy(c, k, &to, shape, c->state[k].rowed, &from))) {
            return false;
        }
        column += shape->dim[1];
    }
    return true;
}

static bool add_view(compiler *c, uint32_t k)
{
    const reel__node *node = node_of(c, k);
    reel__place place;
    reel__operand x = { .shape = *input_shape(c, k, 0) };
    const reel_shape *y = &shape_of(c, k)->shape;
    int64_t offset = 0, stride[REEL_MAX_RANK] = { 0 };
    if (!place_of(c, k, 0, &x.place)) {
        return false;
    }
    x.rowed = c->state[k].rowed && !c->state[k].across;
    if (!node->op->view(node->attributes, &x.shape, x.place.stride, y, &offset, stride)) {
        if (!make_dense(c, k, &x) ||
            !node->op->view(node->attributes, &x.shape, x.place.stride, y, &offset, stride)) {
            return false;
        }
    }
    place = x.place;
    place.offset += offset;
    memcpy(place.stride, stride, sizeof stride);
    if (!c->state[k].stored) {
        c->state[k].place = place;
        c->state[k].placed = true;
        return true;
    }
    return find_place(c, k) && add_copy(c, k, &c->state[k].place, y, x.rowed, &place);
}

static bool add_item(compiler *c, uint32_t k)
{
    if (c->state[k].kind != AS_VIEW && c->state[k].kind != AS_TERM && !find_place(c, k)) {
        return false;
    }
    switch (c->state[k].kind) {
    case AS_VIEW:
        return add_view(c, k);
    case AS_TILE:
        if (!add_tile(c, k)) {
            return false;
        }
        return c->state[k].kind == AS_TILE || add_kernel(c, k, REEL__NONE);
    case AS_GEMM:
        return add_gemm(c, k);
    case AS_JOIN:
        return add_join(c, k);
    case AS_KERNEL:
        return add_kernel(c, k, REEL__NONE);
    case AS_SUM:
        return add_kernel(c, c->state[k].term, k);
    case AS_TERM:
        return true;
    case NOTHING:
        break;
    }
    return false;
}

/* ---- the order --------------------------------------------------------------------------------- */

/* Runs on all rows at once, in a group that is not cut into blocks. */
static bool runs_whole(const compiler *c, uint32_t k)
{
    const item_state *state = &c->state[k];
    return state->kind == AS_GEMM || state->kind == AS_SUM || !state->rowed || state->across;
}

static bool is_ready(const compiler *c, uint32_t k)
{
    const reel__item *item = item_at(c, k);
    if (!c->state[k].here || c->state[k].done) {
        return false;
    }
    for (uint32_t i = 0; i < item->inputs; i++) {
        const reel__source *s = &item->in[i];
        if (is_here(c, s) && s->offset == 0 && !c->state[s->item].done) {
            return false;
        }
    }
    return true;
}

/* What a block's rows hold in each local should stay in the first-level cache. */
#define BLOCK_ELEMENTS 1024

static void close_group(compiler *c, bool whole)
{
    reel__program *g = c->g;
    uint32_t first = g->groups ? g->group[g->groups - 1].first + g->group[g->groups - 1].count : 0;
    if (first == g->instructions) {
        return;
    }
    int64_t widest = 1;
    for (uint32_t i = first; i < g->instructions; i++) {
        int64_t width = reel_shape_size(g->instruction[i].y.shape);
        width = g->instruction[i].rowed && c->rows > 0 ? width / c->rows : width;
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
static bool add_ready(compiler *c, bool whole, uint32_t *left)
{
    const reel__loop *loop = &c->p->loops[c->loop];
    bool found = true, fuse = reel__fusing_is_on(c->p->t);
    while (found) {
        found = false;
        for (uint32_t k = 0; k < loop->items; k++) {
            if (!is_ready(c, k) || runs_whole(c, k) != whole) {
                continue;
            }
            if (!add_item(c, k)) {
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

static bool add_all(compiler *c)
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

static bool find_block_locals(compiler *c)
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

static double work_of(const compiler *c)
{
    double work = 0;
    for (uint32_t i = 0; i < c->g->instructions; i++) {
        const reel__instruction *n = &c->g->instruction[i];
        double size = (double)reel_shape_size(n->y.shape);
        work += n->kind == REEL__GEMM ? size * (double)c->g->weight[n->weight].k : 8 * size;
    }
    return work * (double)c->p->loops[c->loop].steps;
}

static bool take_room(compiler *c)
{
    reel_tape *t = c->p->t;
    reel__program *g = c->g;
    uint32_t items = c->p->loops[c->loop].items, ranges = 1;
    for (uint32_t k = 0; k < items; k++) {
        for (const reel__range *r = item_at(c, k)->ranges; r; r = r->next) {
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

static bool note_strided_inputs(compiler *c)
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
    compiler c = { .p = p, .loop = loop, .stage = stage, .arena = &p->stored->arena };
    c.inputs = &out->inputs;
    c.fits = c.by_rows = true;
    c.g = reel__arena_take(p->t, c.arena, sizeof *c.g);
    if (c.g == NULL || !start_items(&c)) {
        return false;
    }
    *c.g = (reel__program){ .steps = p->loops[loop].steps };
    find_rows(&c);
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        c.state[k].rowed = c.state[k].here && has_rows(&c, &shape_of(&c, k)->shape);
    }
    for (uint32_t k = 0; k < p->loops[loop].items; k++) {
        if (c.state[k].here) {
            classify_rows(&c, k);
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
