/* rows.c: whether the rows of a loop's batch are independent, so that each thread may take its own
 * through all steps.
 *
 *     before   z [32,256], b [256], W [64,256]; n = sum(z, 0)
 *     after    z has 32 rows; b and W are the same for all of them; n mixes them
 */
#include "../run/strides.h"
#include "compile.h"

/* ---- rows -------------------------------------------------------------------------------------- */

/* The length that most items have as their first axis. */
void reel__find_rows(reel__compiler *c)
{
    uint32_t items = c->p->loops[c->loop].items, most = 0;
    c->rows = -1;
    for (uint32_t k = 0; k < items; k++) {
        const reel_shape *shape = &reel__compiled_shape(c, k)->shape;
        uint32_t like = 0;
        bool candidate = c->state[k].here && shape->rank >= 2 && shape->dim[0] > 0;
        for (uint32_t i = 0; candidate && i < items; i++) {
            const reel_shape *other = &reel__compiled_shape(c, i)->shape;
            like += c->state[i].here && other->rank >= 2 && other->dim[0] == shape->dim[0];
        }
        if (like > most) {
            most = like;
            c->rows = shape->dim[0];
        }
    }
}

/* A view whose rows are the rows of what it looks at. */
static bool view_keeps_rows(const reel__compiler *c, uint32_t k)
{
    const reel__node *node = reel__compiled_node(c, k);
    const reel_shape *x = reel__input_shape(c, k, 0), *y = &reel__compiled_shape(c, k)->shape;
    int64_t offset = 0, x_stride[REEL_MAX_RANK], y_stride[REEL_MAX_RANK];
    reel__dense_strides(x, x_stride);
    if (!reel__has_rows(c, x) || !reel__has_rows(c, y) ||
        !node->op->view(node->attributes, x, x_stride, y, &offset, y_stride)) {
        return false;
    }
    return c->rows == 1 || (y_stride[0] == x_stride[0] && offset >= 0 && offset < x_stride[0]);
}

static bool product_keeps_rows(const reel__compiler *c, uint32_t k)
{
    const reel__node *node = reel__compiled_node(c, k);
    const reel_shape *a = reel__input_shape(c, k, 0), *b = reel__input_shape(c, k, 1);
    if (a->rank == 2 && b->rank == 2) {
        return node->op->contracted_axis(node->attributes, 0, 2) == 1;
    }
    if (b->rank < a->rank) { /* the same factor for all rows */
        return reel__has_rows(c, a) && node->op->contracted_axis(node->attributes, 0, a->rank) != 0;
    }
    /* a batch of products, each row its own */
    return a->rank > 2 && a->rank == b->rank && reel__has_rows(c, a) && reel__has_rows(c, b);
}

static bool keeps_rows(const reel__compiler *c, uint32_t k)
{
    const reel__node *node = reel__compiled_node(c, k);
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
        x[i] = reel__input_shape(c, k, i);
    }
    return node->op->by_rows(node->attributes, (int)node->inputs, x);
}

/* Whether input i gives its row to the output's row. */
bool reel__reads_row(const reel__compiler *c, uint32_t k, uint32_t i)
{
    const reel__node *node = reel__compiled_node(c, k);
    const reel_shape *x = reel__input_shape(c, k, i), *y = &reel__compiled_shape(c, k)->shape;
    if (!reel__has_rows(c, x)) {
        return false;
    }
    if (node->op->kind == REEL_ELEMENTWISE) {
        return x->rank == y->rank;
    }
    bool factor = i == 1 && (x->rank == 2 || x->rank < reel__input_shape(c, k, 0)->rank);
    return !(node->op->contracted_axis && factor);
}

static bool is_rowed_source(const reel__compiler *c, const reel__source *s)
{
    return reel__is_here(c, s) && c->state[s->item].rowed;
}

/* Rows are independent where each item's row depends on the same row of what it reads. */
void reel__classify_rows(reel__compiler *c, uint32_t k)
{
    reel__item_state *state = &c->state[k];
    const reel__item *item = reel__compiled_item(c, k);
    state->across = state->rowed && !keeps_rows(c, k);
    for (uint32_t i = 0; i < item->inputs; i++) {
        bool row = state->rowed && reel__reads_row(c, k, i);
        state->across = state->across || (is_rowed_source(c, &item->in[i]) && !row);
    }
    if (state->across || (!state->rowed && state->stored)) {
        c->by_rows = false;
        c->g->mixes_rows = reel__compiled_node(c, k)->op;
    }
}
