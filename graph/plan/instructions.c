/* instructions.c: the instructions of one item: tiles where all inputs lie row by row, products with
 * packed weights, kernels as they are for the rest, and copies where none of these can write, or
 * read, in place.
 */
#include <string.h>

#include "compile.h"

/* ---- instructions ------------------------------------------------------------------------------ */

static reel__instruction *add_instruction(reel__compiler *c, reel__instruction_kind kind,
                                          uint32_t k, uint32_t inputs)
{
    const reel__item *item = reel__compiled_item(c, k);
    reel__instruction *n = &c->g->instruction[c->g->instructions];
    *n = (reel__instruction){ .kind = kind,
                              .op = reel__compiled_node(c, k)->op,
                              .begin = item->begin,
                              .end = item->end,
                              .rowed = c->state[k].rowed,
                              .inputs = inputs };
    n->y.place = c->state[k].place;
    n->y.shape = reel__compiled_shape(c, k)->shape;
    n->y.rowed = c->state[k].rowed;
    n->x = reel__arena_take(c->p->t, c->arena, (inputs + 1) * sizeof *n->x);
    if (n->x == NULL) {
        return NULL;
    }
    memset(n->x, 0, (inputs + 1) * sizeof *n->x);
    c->g->instructions++;
    return n;
}

static bool copy_attributes(reel__compiler *c, uint32_t k, reel__instruction *n)
{
    reel_tape *t = c->p->t;
    const reel__item *item = reel__compiled_item(c, k);
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

static bool add_copy(reel__compiler *c, uint32_t k, const reel__place *to, const reel_shape *shape,
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
static bool make_dense(reel__compiler *c, uint32_t k, reel__operand *x)
{
    reel__place to = reel__place_in_local(c, &x->shape, x->rowed);
    if (!add_copy(c, k, &to, &x->shape, x->rowed, &x->place)) {
        return false;
    }
    x->place = to;
    return true;
}

/* What an instruction cannot write where it belongs it writes to a local, to be copied. */
static bool write_beside(reel__compiler *c, uint32_t k, uint32_t instruction)
{
    reel__operand *y = &c->g->instruction[instruction].y;
    bool tile = c->g->instruction[instruction].kind == REEL__TILE;
    if (is_dense(&y->shape, y->place.stride, tile && y->rowed ? 1 : 0)) {
        return true;
    }
    reel__place there = y->place, here = reel__place_in_local(c, &y->shape, y->rowed);
    reel_shape shape = y->shape;
    y->place = here;
    return add_copy(c, k, &there, &shape, y->rowed, &here);
}

/* ---- element by element ------------------------------------------------------------------------ */

/* How an input of a tile lies: as y does, one row for all, or one number spread over the row. */
static bool fits_tile(const reel__compiler *c, const reel_shape *y, bool rowed, reel__operand *x)
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

static bool add_tile(reel__compiler *c, uint32_t k)
{
    reel__operand x[REEL__PROGRAM_INPUTS];
    const reel__item *item = reel__compiled_item(c, k);
    const reel__shape_entry *y = reel__compiled_shape(c, k);
    bool rowed = c->state[k].rowed, fits = true;
    memset(x, 0, sizeof x);
    for (uint32_t i = 0; i < item->inputs; i++) {
        x[i].shape = *reel__input_shape(c, k, i);
        if (!reel__place_of(c, k, i, &x[i].place)) {
            return false;
        }
        reel__operand as_tile = x[i];
        fits = fits && fits_tile(c, &y->shape, rowed, &as_tile);
        if (fits) {
            x[i] = as_tile;
        }
    }
    int64_t width = reel__row_width(c->rows, &y->shape, rowed);
    reel__instruction *n = fits ? add_instruction(c, REEL__TILE, k, item->inputs) : NULL;
    if (!fits) {
        c->state[k].kind = REEL__AS_KERNEL;
        return true;
    }
    if (n == NULL || !copy_attributes(c, k, n)) {
        return false;
    }
    for (uint32_t i = 0; i < item->inputs; i++) {
        n->x[i] = x[i];
        if (x[i].spread) {
            n->x[i].fill = reel__add_local(c, width, false);
        }
    }
    return write_beside(c, k, c->g->instructions - 1);
}

/* ---- products and other kernels ---------------------------------------------------------------- */

static bool add_gemm(reel__compiler *c, uint32_t k)
{
    const reel__item *item = reel__compiled_item(c, k);
    const reel__node *node = reel__compiled_node(c, k);
    reel__operand a = { .shape = *reel__input_shape(c, k, 0), .rowed = c->state[k].rowed };
    if (!reel__place_of(c, k, 0, &a.place)) {
        return false;
    }
    int last = a.shape.rank - 1;
    a.rowed = a.rowed && reel__has_rows(c, &a.shape);
    if (!is_dense(&a.shape, a.place.stride, last > 1 ? 0 : 1) && !make_dense(c, k, &a)) {
        return false;
    }
    reel__instruction *n = add_instruction(c, REEL__GEMM, k, 1);
    uint32_t input = reel__add_input_anew(c, item->in[1].node);
    if (n == NULL || input == REEL__NONE) {
        return false;
    }
    n->x[0] = a;
    n->weight = c->g->weights;
    c->g->weight[c->g->weights++] =
        (reel__weight){ .input = input,
                        .transposed = node->op->contracted_axis(node->attributes, 1, 2) == 1,
                        .k = a.shape.dim[last],
                        .n = n->y.shape.dim[last] };
    return last == 1 || write_beside(c, k, c->g->instructions - 1);
}

/* With the result in the place of item `sum`, to which it is added; or REEL__NONE. */
static bool add_kernel(reel__compiler *c, uint32_t k, uint32_t sum)
{
    const reel__item *item = reel__compiled_item(c, k);
    const reel_op *op = reel__compiled_node(c, k)->op;
    bool any_stride = op->strided || op->kind == REEL_ELEMENTWISE;
    reel__operand x[REEL__PROGRAM_INPUTS];
    memset(x, 0, sizeof x);
    for (uint32_t i = 0; i < item->inputs; i++) {
        x[i].shape = *reel__input_shape(c, k, i);
        x[i].rowed = c->state[k].rowed && !c->state[k].across && reel__reads_row(c, k, i);
        x[i].index = reel__reads_index(c, k, i);
        if (!reel__place_of(c, k, i, &x[i].place)) {
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

static bool add_join(reel__compiler *c, uint32_t k)
{
    const reel__item *item = reel__compiled_item(c, k);
    int64_t column = 0;
    for (uint32_t i = 0; i < item->inputs; i++) {
        const reel_shape *shape = reel__input_shape(c, k, i);
        reel__place from, to = c->state[k].place;
        bool there = reel__is_here(c, &item->in[i]) && reel__is_own(&item->in[i], c->loop) &&
                     reel__compiled_item(c, item->in[i].item)->joined == k &&
                     reel__compiled_item(c, item->in[i].item)->column == column;
        to.offset += column;
        if (!reel__place_of(c, k, i, &from) ||
            (!there && !add_copy(c, k, &to, shape, c->state[k].rowed, &from))) {
            return false;
        }
        column += shape->dim[1];
    }
    return true;
}

static bool add_view(reel__compiler *c, uint32_t k)
{
    const reel__node *node = reel__compiled_node(c, k);
    reel__place place;
    reel__operand x = { .shape = *reel__input_shape(c, k, 0) };
    const reel_shape *y = &reel__compiled_shape(c, k)->shape;
    int64_t offset = 0, stride[REEL_MAX_RANK] = { 0 };
    if (!reel__place_of(c, k, 0, &x.place)) {
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
    return reel__find_place(c, k) && add_copy(c, k, &c->state[k].place, y, x.rowed, &place);
}

bool reel__add_instructions(reel__compiler *c, uint32_t k)
{
    if (c->state[k].kind != REEL__AS_VIEW && c->state[k].kind != REEL__AS_TERM &&
        !reel__find_place(c, k)) {
        return false;
    }
    switch (c->state[k].kind) {
    case REEL__AS_VIEW:
        return add_view(c, k);
    case REEL__AS_TILE:
        if (!add_tile(c, k)) {
            return false;
        }
        return c->state[k].kind == REEL__AS_TILE || add_kernel(c, k, REEL__NONE);
    case REEL__AS_GEMM:
        return add_gemm(c, k);
    case REEL__AS_JOIN:
        return add_join(c, k);
    case REEL__AS_KERNEL:
        return add_kernel(c, k, REEL__NONE);
    case REEL__AS_SUM:
        return add_kernel(c, c->state[k].term, k);
    case REEL__AS_TERM:
        return true;
    case REEL__NOTHING:
        break;
    }
    return false;
}
