/* sweep.c: reverse mode. One loop from the outputs down to the variables asks each op on the way
 * for its vector-Jacobian product and adds up what arrives at each node. The products are tape
 * ops, so what is recorded here can be differentiated again. */
#include <string.h>

#include "tape.h"

#define FEW 8

typedef struct {
    reel_tape *t;
    uint32_t first, last; /* of the nodes the sweep looks at */
    uint8_t *reached;     /* [last + 1]: depends on one of the variables */
    uint32_t *adjoint;    /* [last + 1]: the node of its adjoint so far, or REEL__NONE */
    uint32_t
        *replacement; /* [last + 1]: the recomputed copy, where checkpoints ask for one; or NULL */
    uint32_t last_checkpoint; /* nodes from here on are still held; 0: there is no checkpoint */
    size_t bytes;
} sweep;

static bool is_reached(const sweep *s, uint32_t index)
{
    return index <= s->last && s->reached[index];
}

/* Gradients flow through a node where an input was reached and the op is not flat. */
static void reach(sweep *s, int n, const uint32_t x[])
{
    for (int i = 0; i < n; i++) {
        if (x[i] <= s->last) {
            s->reached[x[i]] = 1;
        }
    }
    for (uint32_t i = s->first; i <= s->last; i++) {
        const reel__node *node = reel__node_at(s->t, i);
        if (node->op == &reel__op_checkpoint) {
            s->last_checkpoint = i;
        }
        if (s->reached[i] || node->op->flat || (node->flags & REEL__INDEX)) {
            continue;
        }
        const uint32_t *in = reel__inputs_of(s->t, node);
        for (uint32_t k = 0; k < node->inputs && !s->reached[i]; k++) {
            s->reached[i] = s->reached[in[k]];
        }
    }
}

static bool start(sweep *s, reel_tape *t, int m, const uint32_t y[], int n, const uint32_t x[])
{
    *s = (sweep){ .t = t, .first = REEL__NONE };
    for (int i = 0; i < m; i++) {
        s->last = y[i] > s->last ? y[i] : s->last;
    }
    for (int i = 0; i < n; i++) {
        s->first = x[i] < s->first ? x[i] : s->first;
    }
    size_t nodes = (size_t)s->last + 1;
    s->bytes = nodes * (2 * sizeof(uint32_t) + 1);
    s->adjoint = reel__resize(t, NULL, 0, s->bytes);
    if (s->adjoint == NULL) {
        return false;
    }
    s->replacement = s->adjoint + nodes;
    s->reached = (uint8_t *)(s->replacement + nodes);
    memset(s->adjoint, 0xff, nodes * 2 * sizeof(uint32_t));
    memset(s->reached, 0, nodes);
    reach(s, n, x);
    return true;
}

/* ---- recomputation -------------------------------------------------------------------------- */

static bool is_boundary(const sweep *s, uint32_t index)
{
    const reel_op *op = reel__node_at(s->t, index)->op;
    return index >= s->last_checkpoint || op->kind == REEL_LEAF || op == &reel__op_checkpoint;
}

static uint32_t replaced(const sweep *s, uint32_t index)
{
    return is_boundary(s, index) ? index : s->replacement[index];
}

static bool push(reel_tape *t, uint32_t index)
{
    return reel__list_add(t, &t->order, index);
}

/* Pushes the inputs that still lack a copy. */
static bool push_missing(sweep *s, uint32_t index)
{
    const reel__node *node = reel__node_at(s->t, index);
    const uint32_t *in = reel__inputs_of(s->t, node);
    for (uint32_t i = 0; i < node->inputs; i++) {
        if (replaced(s, in[i]) == REEL__NONE && !push(s->t, in[i])) {
            return false;
        }
    }
    return true;
}

static bool copy_node(sweep *s, uint32_t index)
{
    reel_tape *t = s->t;
    uint32_t n = reel__node_at(t, index)->inputs;
    uint32_t few[FEW], *in = n > FEW ? reel__scratch(t, n * sizeof *in) : few;
    if (in == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        in[i] = replaced(s, reel__inputs_of(t, reel__node_at(t, index))[i]);
    }
    return reel__clone(t, index, in, &s->replacement[index]);
}

/* Below the last checkpoint the backward pass reads copies of the nodes, recorded here, at the
 * place where they are needed: the originals' values are free as soon as the forward pass is
 * done with them. */
static bool recompute(sweep *s, uint32_t index, uint32_t *copy)
{
    reel_tape *t = s->t;
    t->order.count = 0;
    *copy = replaced(s, index);
    if (*copy != REEL__NONE) {
        return true;
    }
    bool fine = push(t, index);
    while (fine && t->order.count) {
        size_t depth = t->order.count;
        uint32_t top = ((uint32_t *)t->order.data)[depth - 1];
        if (s->replacement[top] != REEL__NONE) {
            t->order.count--;
            continue;
        }
        fine = push_missing(s, top);
        if (fine && t->order.count == depth) {
            fine = copy_node(s, top);
        }
    }
    *copy = s->replacement[index];
    return fine;
}

/* What only moves or adds numbers has a derivative that knows their places, not the numbers. */
static bool reads_numbers(const reel_op *op)
{
    return !op->view && !op->joined_axis && !op->puts_part && !op->sums;
}

/* What the derivative of node `index` reads in the place of `node`. */
static bool value_for(sweep *s, uint32_t index, uint32_t node, uint32_t *copy)
{
    *copy = node;
    return !reads_numbers(reel__node_at(s->t, index)->op) || recompute(s, node, copy);
}

/* ---- one node ------------------------------------------------------------------------------- */

static void complain_missing(const sweep *s, const reel_op *op)
{
    reel_fail(s->t, REEL_NOT_DIFFERENTIABLE, op->name, "it has no derivative: %s",
              op->nondifferentiable ? op->nondifferentiable : "its entry gives no vjp");
}

static bool contribute(sweep *s, const reel_op *op, uint32_t input, int position, reel_var dx)
{
    reel_tape *t = s->t;
    uint32_t index;
    if (!reel__resolve(t, dx, op->name, &index)) {
        return false;
    }
    reel_shape wanted = reel__shape_entry_of(t, input)->shape;
    if (op->kind == REEL_ELEMENTWISE &&
        !reel_shape_equal(reel__shape_entry_of(t, index)->shape, wanted)) {
        reel_shape got = reel__shape_entry_of(t, index)->shape, both;
        dx = reel_broadcast(got, wanted, &both) && reel_shape_equal(both, got)
                 ? reel_sum_to(dx, wanted)
                 : reel_expand(dx, wanted);
        if (!reel__resolve(t, dx, op->name, &index)) {
            return false;
        }
    }
    if (!reel_shape_equal(reel__shape_entry_of(t, index)->shape, wanted)) {
        reel_fail(t, REEL_BAD_SHAPE, op->name, "its vjp gave %s for input %d of shape %s",
                  REEL_SHAPE_TEXT(reel__shape_entry_of(t, index)->shape), position,
                  REEL_SHAPE_TEXT(wanted));
        return false;
    }
    if (s->adjoint[input] != REEL__NONE) {
        reel_var sum = reel_accumulate(reel__handle(t, s->adjoint[input]), dx);
        if (!reel__resolve(t, sum, op->name, &index)) {
            return false;
        }
    }
    s->adjoint[input] = index;
    return true;
}

typedef struct {
    reel_var *x, *dx;
    bool *needs;
    void *attributes;
} vjp_room;

/* A vjp records while it reads, so everything it is given is a copy that no growing list can
 * move. */
static bool take_room(reel_tape *t, uint32_t n, size_t attribute_size, vjp_room *room,
                      size_t *bytes)
{
    *bytes = n * (2 * sizeof(reel_var) + sizeof(bool)) + attribute_size + 16;
    char *block = reel__resize(t, NULL, 0, *bytes);
    if (block == NULL) {
        return false;
    }
    room->x = (reel_var *)(void *)block;
    room->dx = room->x + n;
    room->attributes = room->dx + n;
    room->needs = (bool *)((char *)room->attributes + ((attribute_size + 7u) & ~(size_t)7u));
    return true;
}

/* The vjp may read its inputs anew: a parameter that changed since is not the one it should
 * read. */
static bool check_unchanged(const sweep *s, uint32_t index)
{
    const reel__node *node = reel__node_at(s->t, index);
    for (uint32_t i = 0; index < s->t->written_at && i < node->inputs; i++) {
        const reel__node *x = reel__node_at(s->t, reel__inputs_of(s->t, node)[i]);
        if (x->op == &reel__param_op &&
            index < reel__param_entry(s->t, reel__param_of(x))->written_at) {
            reel__fail_stale(s->t, index, reel__param_of(x));
            return false;
        }
    }
    return true;
}

static bool call_vjp(sweep *s, uint32_t index, vjp_room *room)
{
    reel_tape *t = s->t;
    const reel_op *op = reel__node_at(t, index)->op;
    uint32_t n = reel__node_at(t, index)->inputs, copy;
    if (!check_unchanged(s, index) || !value_for(s, index, index, &copy)) {
        return false;
    }
    reel_var y = reel__handle(t, copy);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t in = reel__inputs_of(t, reel__node_at(t, index))[i];
        if (!value_for(s, index, in, &copy)) {
            return false;
        }
        room->x[i] = reel__handle(t, copy);
        room->dx[i] = (reel_var){ 0 };
        room->needs[i] = is_reached(s, in);
    }
    if (op->attribute_size) {
        memcpy(room->attributes, reel__node_at(t, index)->attributes, op->attribute_size);
    }
    reel_vjp_call call = { .op = op,
                           .tape = t,
                           .inputs = (int)n,
                           .x = room->x,
                           .y = y,
                           .dy = reel__handle(t, s->adjoint[index]),
                           .attributes = room->attributes,
                           .needs = room->needs,
                           .dx = room->dx };
    op->vjp(&call);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t in = reel__inputs_of(t, reel__node_at(t, index))[i];
        if (room->needs[i] && room->dx[i].tape && !contribute(s, op, in, (int)i, room->dx[i])) {
            return false;
        }
    }
    return true;
}

static void mark_backward(reel_tape *t, size_t from, uint32_t origin)
{
    const reel__node *forward = reel__node_at(t, origin);
    for (size_t i = from; i < t->nodes.count; i++) {
        reel__node *node = reel__node_at(t, (uint32_t)i);
        node->flags |= REEL__BACKWARD;
        node->line = forward->line;
        node->file = forward->file;
    }
}

static bool visit(sweep *s, uint32_t index)
{
    reel_tape *t = s->t;
    const reel__node *node = reel__node_at(t, index);
    const reel_op *op = node->op;
    if (op->kind == REEL_LEAF || op->flat) {
        return true;
    }
    bool passes_on = false;
    for (uint32_t i = 0; i < node->inputs; i++) {
        passes_on = passes_on || is_reached(s, reel__inputs_of(t, node)[i]);
    }
    if (!passes_on) {
        return true;
    }
    if (op->vjp == NULL) {
        complain_missing(s, op);
        return false;
    }
    vjp_room room;
    size_t bytes, from = t->nodes.count;
    if (!take_room(t, node->inputs, op->attribute_size, &room, &bytes)) {
        return false;
    }
    uint32_t mark = t->mark;
    t->mark = node->mark;
    bool fine = call_vjp(s, index, &room);
    t->mark = mark;
    mark_backward(t, from, index);
    reel__resize(t, room.x, bytes, 0);
    return fine;
}

/* ---- the sweep ------------------------------------------------------------------------------ */

static bool seed(sweep *s, int m, const uint32_t y[], const reel_var dy[])
{
    for (int j = 0; j < m; j++) {
        uint32_t index;
        if (!s->reached[y[j]]) {
            continue;
        }
        reel_var weight = dy[j];
        if (s->adjoint[y[j]] != REEL__NONE) {
            weight = reel_accumulate(reel__handle(s->t, s->adjoint[y[j]]), weight);
        }
        if (!reel__resolve(s->t, weight, "gradients", &index)) {
            return false;
        }
        s->adjoint[y[j]] = index;
    }
    return true;
}

bool reel__sweep(reel_tape *t, int m, const uint32_t y[], const reel_var dy[], int n,
                 const uint32_t x[], reel_var x_grad[])
{
    sweep s;
    memset(x_grad, 0, (size_t)n * sizeof *x_grad);
    if (m == 0 || n == 0) {
        return true;
    }
    if (!start(&s, t, m, y, n, x)) {
        return false;
    }
    t->nested++;
    bool fine = seed(&s, m, y, dy);
    for (uint32_t i = s.last + 1; fine && i-- > s.first;) {
        if (s.adjoint[i] != REEL__NONE) {
            fine = visit(&s, i);
        }
    }
    for (int i = 0; fine && i < n; i++) {
        if (x[i] <= s.last && s.adjoint[x[i]] != REEL__NONE) {
            x_grad[i] = reel__handle(t, s.adjoint[x[i]]);
        }
    }
    t->nested--;
    reel__resize(t, s.adjoint, s.bytes, 0);
    return fine;
}
