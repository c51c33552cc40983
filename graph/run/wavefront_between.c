/* wavefront_between.c: the nodes that depend on the first loop, as far as the second one. */
#include "strides.h"
#include "wavefront.h"

/* ---- what depends on the first loop ------------------------------------------------------------- */

reel__link *reel__link_of(reel__wavefront *w, uint32_t node)
{
    for (int i = 0; i < w->links; i++) {
        if (w->link[i].node == node) {
            return &w->link[i];
        }
    }
    return NULL;
}

static bool depends_on_first(reel__wavefront *w, uint32_t index)
{
    const reel__node *node = reel__node_at(w->e->t, index);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(w->e, node, i);
        if (in == w->a.node || reel__link_of(w, in)) {
            return true;
        }
    }
    return false;
}

/* Row i of y depends on row i alone of the inputs that have as many axes. */
static bool keeps_rows(const reel__wavefront *w, uint32_t index)
{
    const reel__node *node = reel__node_at(w->e->t, index);
    const reel_op *op = node->op;
    const reel_shape *y = &reel__shape_entry_of(w->e->t, index)->shape, *x[REEL__PROGRAM_INPUTS];
    if (y->rank == 0 || node->inputs > REEL__PROGRAM_INPUTS || op->random) {
        return false;
    }
    for (uint32_t i = 0; i < node->inputs; i++) {
        x[i] = &reel__shape_entry_of(w->e->t, reel__input_of(w->e, node, i))->shape;
    }
    if (op->joined_axis) {
        return op->joined_axis(node->attributes) != 0;
    }
    if (op->contracted_axis) {
        return x[0]->rank == y->rank && (x[1]->rank < y->rank || y->rank > 2) &&
               op->contracted_axis(node->attributes, 0, x[0]->rank) != 0;
    }
    return op->kind == REEL_ELEMENTWISE ||
           (op->by_rows && op->by_rows(node->attributes, (int)node->inputs, x));
}

static reel__link_kind kind_of(const reel__wavefront *w, uint32_t index)
{
    const reel__node *node = reel__node_at(w->e->t, index);
    bool free = w->e->placed[index].join == 0 && reel__value_at(w->e->t, index)->buffer == NULL;
    if (node->op == &reel__part_op) {
        return REEL__LINK_PART;
    }
    if (node->op->view) {
        return REEL__LINK_VIEW;
    }
    return free && !(node->flags & REEL__INDEX) && keeps_rows(w, index) ? REEL__LINK_KERNEL
                                                                        : REEL__LINK_UNSUITABLE;
}

/* The first loop that depends on A, and what else does before it. */
uint32_t reel__find_second(reel__wavefront *w, const uint32_t order[], size_t count)
{
    reel__execution *e = w->e;
    for (size_t i = 1; i < count; i++) {
        uint32_t index = order[i];
        if (!e->uses[index] || !reel__is_scheduled(e, index) || !depends_on_first(w, index)) {
            continue;
        }
        if (reel__node_at(e->t, index)->op == &reel__loop_op) {
            return reel__leaves_threads_idle(e, index) ? index : REEL__NONE;
        }
        if (w->links == REEL__MOST_LINKS) {
            return REEL__NONE;
        }
        w->link[w->links++] = (reel__link){ index, kind_of(w, index), false };
    }
    return REEL__NONE;
}

/* All that the node reads is there, or will be made beside it. */
static bool need_inputs(reel__wavefront *w, uint32_t index)
{
    const reel__node *node = reel__node_at(w->e->t, index);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(w->e, node, i);
        reel__link *l = reel__link_of(w, in);
        reel_tensor x;
        if (l) {
            l->needed = true;
        } else if (in == w->a.node ? node->op != &reel__part_op
                                   : !reel__tensor_of(w->e->t, in, &x)) {
            return false;
        }
    }
    return true;
}

/* What B prepares before its first copy cannot wait for A. */
static bool second_can_wait(reel__wavefront *w)
{
    const reel__program *g = w->b.g;
    const reel__node *node = reel__node_at(w->e->t, w->b.node);
    bool waits = true;
    for (uint32_t k = 0; waits && k < g->weights; k++) {
        waits = !reel__link_of(w, reel__input_of(w->e, node, g->weight[k].input));
    }
    for (uint32_t k = 0; waits && k < g->tables; k++) {
        for (int64_t s = 0; waits && s < g->steps; s++) {
            waits = !reel__link_of(w, reel__input_of(w->e, node, g->table[k].input[s]));
        }
    }
    for (uint32_t k = 0; waits && k < g->instructions; k++) {
        for (uint32_t i = 0; waits && i < g->instruction[k].inputs; i++) {
            const reel__operand *x = &g->instruction[k].x[i];
            waits = !x->constant || x->place.kind != REEL__IN_INPUT ||
                    !reel__link_of(w, reel__input_of(w->e, node, x->place.number));
        }
    }
    return waits;
}

bool reel__choose_links(reel__wavefront *w)
{
    bool fine = need_inputs(w, w->b.node);
    for (int i = w->links - 1; fine && i >= 0; i--) {
        const reel__link *l = &w->link[i];
        fine = !l->needed || (l->kind != REEL__LINK_UNSUITABLE && need_inputs(w, l->node));
    }
    return fine && second_can_wait(w);
}

/* The last element of x's row 0; NULL where strides are negative. */
static const char *end_of_row(const reel__wavefront *w, const reel_tensor *x)
{
    int64_t last = 0;
    for (int i = 0; i < x->shape->rank; i++) {
        if (x->stride[i] < 0) {
            return NULL;
        }
        last += i > 0 ? (x->shape->dim[i] - 1) * x->stride[i] : 0;
    }
    return (const char *)x->data + last * (int64_t)w->e->t->element;
}

/* Row i of x is row i of a value between the loops, or A's. */
static bool rows_correspond(const reel__wavefront *w, const reel_tensor *x)
{
    int64_t first, last, next;
    const char *data = x->data, *end = end_of_row(w, x);
    if (end == NULL) {
        return false;
    }
    if (!reel__row_at(w, data, &first)) {
        return reel__copies_for(w, data) > 0;
    }
    return first == 0 && reel__row_at(w, end, &last) && last == 0 &&
           (w->rows == 1 || (reel__row_at(w, data + reel__row_apart(w, x), &next) && next == 1));
}

/* What the kernel reads can be read row by row, with nothing to be copied first. */
static bool inputs_suit(reel__wavefront *w, uint32_t index)
{
    const reel__node *node = reel__node_at(w->e->t, index);
    const reel_shape *y = &reel__shape_entry_of(w->e->t, index)->shape;
    bool any_stride = node->op->strided || node->op->kind == REEL_ELEMENTWISE;
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(w->e, node, i);
        reel_tensor x = reel__operand_of(w, in);
        bool rowed = x.shape->rank == y->rank && x.shape->dim[0] == w->rows;
        if (!(any_stride || reel__contiguous(x.shape, x.stride)) ||
            (reel__link_of(w, in) && !(rowed && rows_correspond(w, &x)))) {
            return false;
        }
    }
    return true;
}

/* Memory for what lies between; views of it, too, are there before it is computed. */
bool reel__place_links(reel__wavefront *w, bool *suits)
{
    reel_tape *t = w->e->t;
    *suits = true;
    for (int i = 0; *suits && i < w->links; i++) {
        const reel__link *l = &w->link[i];
        const reel__shape_entry *shape = reel__shape_entry_of(t, l->node);
        if (!l->needed) {
            continue;
        }
        if (shape->size == 0 || (l->kind == REEL__LINK_PART && !reel__value_at(t, l->node)->data)) {
            *suits = false;
        } else if (l->kind == REEL__LINK_VIEW) {
            uint32_t in = reel__input_of(w->e, reel__node_at(t, l->node), 0);
            if (!reel__run_view(w->e, l->node)) {
                return false;
            }
            *suits = reel__value_at(t, l->node)->buffer == reel__value_at(t, in)->buffer;
        } else if (l->kind == REEL__LINK_KERNEL) {
            w->rows = w->rows ? w->rows : shape->shape.dim[0];
            *suits = shape->shape.dim[0] == w->rows && inputs_suit(w, l->node);
            if (*suits && !reel__take_output(w->e, l->node)) {
                return false;
            }
        }
    }
    return true;
}

void reel__drop_links(reel__wavefront *w)
{
    for (int i = 0; i < w->links; i++) {
        if (w->link[i].needed && w->link[i].kind != REEL__LINK_PART) {
            reel__drop_value(w->e->t, w->link[i].node);
        }
    }
}

/* Nothing that B reads of A is copied when it gathers its inputs. */
bool reel__second_reads_in_place(reel__wavefront *w)
{
    const reel__node *node = reel__node_at(w->e->t, w->b.node);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(w->e, node, i);
        if (reel__link_of(w, in) && !w->b.g->input_strided[i]) {
            reel_tensor x = reel__operand_of(w, in);
            if (!reel__contiguous(x.shape, x.stride)) {
                return false;
            }
        }
    }
    return true;
}
