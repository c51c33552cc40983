/* record.c: how a call becomes a node. This is the path every op takes, so it does little: find the
 * inputs, ask the shape rule, append, hash. */
#include <string.h>

#include "tape.h"

/* Element-wise kernels get their tiles from a fixed array. */
#define MAX_ELEMENTWISE_INPUTS 8
#define FEW 8
#define MESSAGE_SIZE 1024

reel_var reel__handle(reel_tape *t, uint32_t index)
{
    const reel__node *node = reel__node_at(t, index);
    if (node->op == &reel__param_op) {
        return (reel_var){ t, reel__param_of(node) | REEL__PARAM_BIT };
    }
    return (reel_var){ t, t->base + index };
}

static bool bad_handle(reel_tape *t, const char *op, const char *text)
{
    reel__fail_text(t, REEL_BAD_HANDLE, op, text);
    return false;
}

bool reel__resolve(reel_tape *t, reel_var v, const char *op, uint32_t *index)
{
    if (v.tape != t) {
        return bad_handle(t, op,
                          v.tape ? "a handle belongs to another tape" : "a handle is absent");
    }
    if (v.id == 0) {
        return false;
    }
    if (v.id & REEL__PARAM_BIT) {
        uint32_t param = v.id & ~REEL__PARAM_BIT;
        if (param >= t->params.count) {
            return bad_handle(t, op, "a handle is not one of this tape");
        }
        *index = reel__param_entry(t, param)->node;
        return true;
    }
    *index = v.id - t->base;
    return *index < t->nodes.count ||
           bad_handle(t, op, "a handle is from before reel_rewind; only parameters live on");
}

/* ---- hashing ------------------------------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const char *p = bytes;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        hash = reel__mix(hash, word);
    }
    for (; n > 0; n--, p++) {
        hash = reel__mix(hash, (uint64_t)(unsigned char)*p);
    }
    return hash;
}

/* A parameter counts as itself, everything else by its distance, the planner's nodes left out:
 * copies of a loop's body hash alike, and reading in between changes nothing. */
static uint64_t hash_node(const reel_tape *t, const reel__node *node)
{
    uint64_t hash = reel__mix((uint64_t)(uintptr_t)node->op, reel__shape_at(t, node->shape)->hash);
    if (node->op->attribute_size) {
        hash = hash_bytes(hash, node->attributes, node->op->attribute_size);
    }
    const uint32_t *in = reel__inputs_of(t, node);
    for (uint32_t i = 0; i < node->inputs; i++) {
        const reel__node *x = reel__node_at(t, in[i]);
        hash = reel__mix(hash, x->op == &reel__param_op ? x->hash : node->number - x->number);
    }
    return hash;
}

/* ---- appending ----------------------------------------------------------------------------- */

bool reel__append(reel_tape *t, reel__node *node, uint32_t *index)
{
    size_t count = t->nodes.count;
    if (count >= REEL__MAX_NODES) {
        reel__fail_text(t, REEL_OUT_OF_MEMORY, node->op->name,
                        "the tape holds 2^30 nodes: rewind it");
        return false;
    }
    if (!reel__list_reserve(t, &t->nodes, count + 1, sizeof *node) ||
        !reel__list_reserve(t, &t->values, count + 1, sizeof(reel__value))) {
        return false;
    }
    node->mark = t->mark;
    node->number = (uint32_t)count - t->hidden + t->ghosts;
    if (node->hash == 0) {
        node->hash = hash_node(t, node);
    }
    t->hash = reel__mix(t->hash, node->hash);
    *reel__node_at(t, (uint32_t)count) = *node;
    *reel__value_at(t, (uint32_t)count) = (reel__value){ 0 };
    *index = (uint32_t)count;
    t->nodes.count = t->values.count = count + 1;
    return true;
}

/* ---- the call ------------------------------------------------------------------------------ */

static reel_var poisoned(reel_tape *t)
{
    return (reel_var){ t, 0 };
}

static bool check_types(reel_tape *t, const reel_op *op, uint32_t n, const uint32_t *in,
                        uint16_t *flags)
{
    if (op->kind == REEL_VIEW) {
        *flags = n ? reel__node_at(t, in[0])->flags & REEL__INDEX : 0;
        return true;
    }
    for (uint32_t i = 0; i < n; i++) {
        bool is_index = reel__node_at(t, in[i])->flags & REEL__INDEX;
        bool wants_index = i < 32 && (op->index_inputs >> i & 1u);
        if (is_index != wants_index) {
            reel_fail(t, REEL_BAD_ARGUMENT, op->name, "input %u %s", i,
                      wants_index ? "must be an index tensor (reel_indices)"
                                  : "is an index tensor, where numbers are needed");
            return false;
        }
    }
    *flags = op->index_output ? REEL__INDEX : 0;
    return true;
}

static bool broadcast_shape(reel_tape *t, const reel_op *op, uint32_t n, const uint32_t *in,
                            uint32_t *shape)
{
    bool equal = true;
    for (uint32_t i = 1; i < n; i++) {
        equal = equal && reel__node_at(t, in[i])->shape == reel__node_at(t, in[0])->shape;
    }
    if (equal && n > 0) {
        *shape = reel__node_at(t, in[0])->shape;
        return true;
    }
    reel_shape y = { 0 };
    for (uint32_t i = 0; i < n; i++) {
        const reel_shape *x = &reel__shape_entry_of(t, in[i])->shape;
        if (!reel_broadcast(y, *x, &y)) {
            reel_fail(t, REEL_BAD_SHAPE, op->name, "shapes do not broadcast: %s and %s",
                      REEL_SHAPE_TEXT(y), REEL_SHAPE_TEXT(*x));
            return false;
        }
    }
    return reel__shape_intern(t, &y, shape);
}

static const int32_t *index_data(const reel_tape *t, const reel_op *op, uint32_t i, uint32_t node)
{
    bool is_leaf = reel__node_at(t, node)->op == &reel__leaf_op;
    bool is_index = i < 32 && (op->index_inputs >> i & 1u);
    return is_leaf && is_index ? (const int32_t *)(const void *)reel__value_at(t, node)->data
                               : NULL;
}

static bool ask_shape_rule(reel_tape *t, const reel_op *op, uint32_t n, const uint32_t *in,
                           void *attributes, uint32_t *shape)
{
    const reel_shape *few_shapes[FEW];
    const int32_t *few_indices[FEW];
    const reel_shape **x = few_shapes;
    const int32_t **indices = few_indices;
    if (n > FEW) {
        x = reel__scratch(t, n * (sizeof *x + sizeof *indices));
        if (x == NULL) {
            return false;
        }
        indices = (const int32_t **)(void *)(x + n);
    }
    for (uint32_t i = 0; i < n; i++) {
        x[i] = &reel__shape_entry_of(t, in[i])->shape;
        indices[i] = index_data(t, op, i, in[i]);
    }
    char message[MESSAGE_SIZE];
    strcpy(message,
           "shapes do not fit"); /* an initialiser would clear the whole of it for every node */
    reel_shape_call call = { .op = op,
                             .inputs = (int)n,
                             .x = x,
                             .indices = indices,
                             .attributes = attributes,
                             .error = message,
                             .status = REEL_BAD_SHAPE };
    if (!op->shape(&call)) {
        reel__fail_text(t, call.status, op->name, message);
        return false;
    }
    if (!reel__shape_valid(call.y)) {
        reel_fail(t, REEL_BAD_SHAPE, op->name, "the result's shape %s is out of range",
                  REEL_SHAPE_TEXT(call.y));
        return false;
    }
    return reel__shape_intern(t, &call.y, shape);
}

/* Attributes are copied first: the shape rule may normalise the copy. A random op's stream
 * follows. */
static bool copy_attributes(reel_tape *t, const reel_op *op, const void *attributes, void **copy)
{
    *copy = NULL;
    if (op->attribute_size == 0 && !op->random) {
        return true;
    }
    size_t size = reel__stream_offset(op) + (op->random ? sizeof(uint64_t) : 0);
    char *block = reel__arena_take(t, &t->recorded, size);
    if (block == NULL) {
        return false;
    }
    memset(block, 0, size);
    if (attributes) {
        memcpy(block, attributes, op->attribute_size);
    }
    if (op->random) {
        uint64_t stream = t->stream++;
        memcpy(block + reel__stream_offset(op), &stream, sizeof stream);
    }
    *copy = block;
    return true;
}

static bool check_arity(reel_tape *t, const reel_op *op, int n)
{
    if (op->inputs == REEL_VARIADIC ? n < 0 : n != op->inputs) {
        reel_fail(t, REEL_BAD_ARGUMENT, op->name, "%d inputs given, %d needed", n, op->inputs);
        return false;
    }
    if (op->kind == REEL_ELEMENTWISE && n > MAX_ELEMENTWISE_INPUTS) {
        reel_fail(t, REEL_BAD_ARGUMENT, op->name,
                  "%d inputs given, an element-wise op has at most %d", n, MAX_ELEMENTWISE_INPUTS);
        return false;
    }
    return true;
}

uint32_t *reel__room_for_inputs(reel_tape *t, reel__node *node, int n)
{
    if (n <= REEL__INLINE_INPUTS) {
        return node->in;
    }
    if (!reel__list_reserve(t, &t->links, t->links.count + (size_t)n, sizeof(uint32_t))) {
        return NULL;
    }
    node->in[0] = (uint32_t)t->links.count;
    return (uint32_t *)t->links.data + t->links.count;
}

/* ---- calls seen before ---------------------------------------------------------------------- */

static bool may_remember(const reel_op *op, uint32_t n)
{
    bool counts = op->at_index || op->puts_part; /* hardly ever the same twice */
    return n > 0 && n <= REEL__INLINE_INPUTS && !op->random && !counts && op->index_inputs == 0 &&
           op->attribute_size <= REEL__MEMO_ATTRIBUTES;
}

static reel__memo *memo_slot(reel_tape *t, const reel__node *node, const void *attributes)
{
    uint64_t hash = (uint64_t)(uintptr_t)node->op;
    for (uint32_t i = 0; i < node->inputs; i++) {
        hash = reel__mix(hash, reel__node_at(t, node->in[i])->shape);
    }
    if (attributes) {
        hash = hash_bytes(hash, attributes, node->op->attribute_size);
    }
    return &t->memo[hash % REEL__MEMO_SIZE];
}

static bool recall(const reel_tape *t, const reel__memo *memo, reel__node *node,
                   const void *attributes)
{
    if (memo->op != node->op || memo->recording != t->recording || memo->inputs != node->inputs) {
        return false;
    }
    for (uint32_t i = 0; i < node->inputs; i++) {
        if (memo->x_shape[i] != reel__node_at(t, node->in[i])->shape) {
            return false;
        }
    }
    static const unsigned char zeros[REEL__MEMO_ATTRIBUTES];
    if (memcmp(memo->given, attributes ? attributes : zeros, node->op->attribute_size) != 0) {
        return false;
    }
    node->shape = memo->shape;
    node->attributes = memo->attributes;
    return true;
}

static void remember(const reel_tape *t, reel__memo *memo, const reel__node *node,
                     const void *attributes)
{
    *memo = (reel__memo){ .op = node->op,
                          .attributes = node->attributes,
                          .recording = t->recording,
                          .inputs = node->inputs,
                          .shape = node->shape };
    for (uint32_t i = 0; i < node->inputs; i++) {
        memo->x_shape[i] = reel__node_at(t, node->in[i])->shape;
    }
    if (attributes) {
        memcpy(memo->given, attributes, node->op->attribute_size);
    }
}

/* ---- the whole path ------------------------------------------------------------------------- */

/* The node's shape and its own copy of the attributes. */
static bool settle(reel_tape *t, reel__node *node, const uint32_t *in, const void *attributes)
{
    void *copy;
    if (!copy_attributes(t, node->op, attributes, &copy)) {
        return false;
    }
    node->attributes = copy;
    return node->op->shape ? ask_shape_rule(t, node->op, node->inputs, in, copy, &node->shape)
                           : broadcast_shape(t, node->op, node->inputs, in, &node->shape);
}

static bool settle_quickly(reel_tape *t, reel__node *node, const uint32_t *in,
                           const void *attributes)
{
    if (!may_remember(node->op, node->inputs)) {
        return settle(t, node, in, attributes);
    }
    reel__memo *memo = memo_slot(t, node, attributes);
    if (recall(t, memo, node, attributes)) {
        return true;
    }
    if (!settle(t, node, in, attributes)) {
        return false;
    }
    remember(t, memo, node, attributes);
    return true;
}

static bool resolve_inputs(reel_tape *t, const reel_op *op, int n, const reel_var x[], uint32_t *in)
{
    for (int i = 0; i < n; i++) {
        if (!reel__resolve(t, x[i], op->name, &in[i])) {
            return false;
        }
    }
    return true;
}

static reel_var record(reel_tape *t, const reel_op *op, int n, const reel_var x[],
                       const void *attributes)
{
    reel__node node = { .op = op, .inputs = (uint32_t)n };
    if (op == NULL) {
        return reel_fail(t, REEL_BAD_ARGUMENT, "record", "the op is NULL");
    }
    if (!check_arity(t, op, n)) {
        return poisoned(t);
    }
    uint32_t *in = reel__room_for_inputs(t, &node, n);
    if (in == NULL || !resolve_inputs(t, op, n, x, in)) {
        return poisoned(t);
    }
    if (!check_types(t, op, node.inputs, in, &node.flags) ||
        !settle_quickly(t, &node, in, attributes)) {
        return poisoned(t);
    }
    t->links.count += n > REEL__INLINE_INPUTS ? (size_t)n : 0;
    uint32_t index;
    if (!reel__append(t, &node, &index)) {
        return poisoned(t);
    }
    if (t->options.eager &&
        !reel__evaluate(t, 1, &index, (reel__evaluate_options){ .check_finite = true })) {
        return poisoned(t);
    }
    return reel__handle(t, index);
}

reel_var reel_record(const reel_op *op, int n, const reel_var x[], const void *attributes)
{
    for (int i = 0; x && i < n; i++) {
        if (x[i].tape) {
            reel__recording_begin(x[i].tape);
            return reel__recording_end(record(x[i].tape, op, n, x, attributes));
        }
    }
    return (reel_var){ 0 };
}

reel_var reel_record_on(reel_tape *t, const reel_op *op, const void *attributes)
{
    if (t == NULL) {
        return (reel_var){ 0 };
    }
    reel__recording_begin(t);
    return reel__recording_end(record(t, op, 0, NULL, attributes));
}

bool reel__clone(reel_tape *t, uint32_t index, const uint32_t *inputs, uint32_t *copy)
{
    reel__node node = *reel__node_at(t, index);
    uint32_t *in = reel__room_for_inputs(t, &node, (int)node.inputs);
    if (in == NULL) {
        return false;
    }
    memcpy(in, inputs, node.inputs * sizeof *in);
    t->links.count += node.inputs > REEL__INLINE_INPUTS ? node.inputs : 0;
    node.flags = (uint16_t)((node.flags & REEL__INDEX) | REEL__BACKWARD);
    node.hash = 0;
    uint32_t mark = node.mark; /* a copy belongs to the step that it computes again */
    if (!reel__append(t, &node, copy)) {
        return false;
    }
    reel__node_at(t, *copy)->mark = mark;
    return true;
}
