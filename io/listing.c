/* listing.c: the one walk over recorded nodes that all of io/ shares. */
#include "listing.h"

#include <string.h>

#include "../graph/run/strides.h"

enum { NEEDED = 1, FED = 2 };

/* While a list is made: what each node of the tape is to it. */
typedef struct {
    reel__listing *list;
    const char *who;
    size_t nodes;
    uint8_t *mark;      /* NEEDED, FED */
    uint32_t *position; /* in the list; of an input that is fed: which one, before it is listed */
} walk;

static bool mark_inputs(walk *w, int n, const reel_var input[])
{
    reel_tape *t = w->list->tape;
    for (int i = 0; i < n; i++) {
        uint32_t index;
        if (!reel__resolve(t, input[i], w->who, &index)) {
            return false;
        }
        if (w->mark[index] & FED) {
            reel_fail(t, REEL_BAD_ARGUMENT, w->who, "input %d was given before", i);
            return false;
        }
        w->mark[index] = FED | NEEDED;
        w->position[index] = (uint32_t)i;
    }
    return true;
}

static bool mark_outputs(walk *w, int n, const reel_var output[])
{
    for (int i = 0; i < n; i++) {
        uint32_t index;
        if (!reel__resolve(w->list->tape, output[i], w->who, &index)) {
            return false;
        }
        w->mark[index] |= NEEDED;
        w->list->output[i] = index;
    }
    return true;
}

/* Inputs stand before their readers, so one pass from the end finds all. */
static uint32_t mark_ancestors(walk *w)
{
    const reel_tape *t = w->list->tape;
    uint32_t count = 0;
    for (size_t i = w->nodes; i-- > 0;) {
        const reel__node *node = reel__node_at(t, (uint32_t)i);
        const uint32_t *in = reel__inputs_of(t, node);
        count += w->mark[i] != 0;
        for (uint32_t k = 0; w->mark[i] == NEEDED && k < node->inputs; k++) {
            w->mark[in[k]] |= NEEDED;
        }
    }
    return count;
}

static void list_leaf(walk *w, uint32_t index, reel__listed *y)
{
    const reel_tape *t = w->list->tape;
    const reel__node *node = reel__node_at(t, index);
    reel_tensor x;
    if (w->mark[index] & FED) {
        y->kind = REEL__LISTED_INPUT;
        y->number = (int)w->position[index];
    } else if (node->op == &reel__param_op) {
        y->kind = REEL__LISTED_PARAMETER;
        y->name = reel__param_entry(t, reel__param_of(node))->name;
    } else {
        y->kind = node->op->kind == REEL_LEAF ? REEL__LISTED_CONSTANT : REEL__LISTED_CALL;
    }
    if (y->kind != REEL__LISTED_INPUT && node->op->kind == REEL_LEAF &&
        reel__tensor_of(t, index, &x)) {
        y->data = x.data;
    }
}

static bool list_inputs(walk *w, const reel__node *node, reel__listed *y)
{
    reel_tape *t = w->list->tape;
    const uint32_t *in = reel__inputs_of(t, node);
    uint32_t *input =
        reel__arena_take(t, &w->list->arena, (size_t)node->inputs * sizeof *input + sizeof *input);
    if (input == NULL) {
        return false;
    }
    y->inputs = (int)node->inputs;
    y->input = input;
    for (uint32_t k = 0; k < node->inputs; k++) {
        input[k] = w->position[in[k]];
        y->fixed = y->fixed && w->list->item[input[k]].fixed;
    }
    return true;
}

/* A view's strides follow from its input's. */
static void place(walk *w, uint32_t position, reel__listed *y)
{
    y->storage = position;
    reel__dense_strides(&y->shape, y->stride);
    if (y->kind != REEL__LISTED_CALL || y->op->view == NULL) {
        return;
    }
    const reel__listed *x = reel__listed_input(w->list, y, 0);
    y->storage = x->storage;
    y->offset = 0;
    if (y->op->view(y->attributes, &x->shape, x->stride, &y->shape, &y->offset, y->stride)) {
        y->offset += x->offset;
        return;
    }
    int64_t dense[REEL_MAX_RANK];
    reel__dense_strides(&x->shape, dense);
    y->storage = position;
    y->packs = true;
    y->op->view(y->attributes, &x->shape, dense, &y->shape, &y->offset, y->stride);
}

static bool list_node(walk *w, uint32_t index)
{
    reel_tape *t = w->list->tape;
    const reel__node *node = reel__node_at(t, index);
    uint32_t position = w->list->count++;
    reel__listed *y = &w->list->item[position];
    *y = (reel__listed){ .node = index,
                         .op = node->op,
                         .attributes = node->attributes,
                         .index = node->flags & REEL__INDEX,
                         .shape = reel__shape_at(t, node->shape)->shape,
                         .size = reel__shape_at(t, node->shape)->size,
                         .number = -1 };
    list_leaf(w, index, y);
    y->fixed = y->kind != REEL__LISTED_INPUT && !node->op->random;
    if (y->kind == REEL__LISTED_CALL && !list_inputs(w, node, y)) {
        return false;
    }
    w->position[index] = position;
    place(w, position, y);
    return true;
}

static bool list_marked(walk *w, uint32_t count)
{
    reel__listing *l = w->list;
    l->item = reel__arena_take(l->tape, &l->arena, (count + 1u) * sizeof *l->item);
    for (size_t i = 0; l->item && i < w->nodes; i++) {
        if (w->mark[i] && !list_node(w, (uint32_t)i)) {
            return false;
        }
    }
    for (int i = 0; l->item && i < l->outputs; i++) {
        l->output[i] = w->position[l->output[i]];
    }
    return l->item != NULL;
}

bool reel__list_nodes(reel_tape *t, const char *who, int inputs, const reel_var input[],
                      int outputs, const reel_var output[], reel__listing *l)
{
    *l = (reel__listing){ .tape = t, .outputs = outputs };
    if (inputs < 0 || outputs < 1 || (inputs > 0 && input == NULL) || output == NULL) {
        reel_fail(t, REEL_BAD_ARGUMENT, who, "%d inputs and %d outputs given", inputs, outputs);
        return false;
    }
    walk w = { .list = l, .who = who, .nodes = t->nodes.count };
    size_t bytes = w.nodes * (sizeof *w.position + 1);
    w.position = reel__resize(t, NULL, 0, bytes + 1);
    l->output = reel__arena_take(t, &l->arena, (size_t)outputs * sizeof *l->output);
    bool fine = w.position && l->output;
    if (fine) {
        memset(w.position, 0, bytes);
        w.mark = (uint8_t *)(w.position + w.nodes);
        fine = mark_inputs(&w, inputs, input) && mark_outputs(&w, outputs, output) &&
               list_marked(&w, mark_ancestors(&w));
    }
    if (w.position) {
        reel__resize(t, w.position, bytes + 1, 0);
    }
    return fine;
}

void reel__listing_free(reel__listing *l)
{
    reel__arena_free(l->tape, &l->arena);
}

bool reel__listed_dense(const reel__listed *y)
{
    return reel__contiguous(&y->shape, y->stride);
}

/* ---- attributes ------------------------------------------------------------------------------ */

static bool read_attribute(const reel__listed *y, const char *name, reel_attribute_type type,
                           void *out, size_t size)
{
    for (const reel_attribute *a = y->op->attributes; a && a->name; a++) {
        if (a->type == type && strcmp(a->name, name) == 0) {
            memcpy(out, (const char *)y->attributes + a->offset, size);
            return true;
        }
    }
    return false;
}

int64_t reel__listed_int(const reel__listed *y, const char *name)
{
    int64_t value = 0;
    read_attribute(y, name, REEL_ATTRIBUTE_INT, &value, sizeof value);
    return value;
}

double reel__listed_real(const reel__listed *y, const char *name)
{
    double value = 0;
    read_attribute(y, name, REEL_ATTRIBUTE_REAL, &value, sizeof value);
    return value;
}

reel_shape reel__listed_shape(const reel__listed *y, const char *name)
{
    reel_shape value = { 0 };
    read_attribute(y, name, REEL_ATTRIBUTE_SHAPE, &value, sizeof value);
    return value;
}
