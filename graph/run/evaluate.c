/* evaluate.c: the executor. It finds what the targets need, runs it in recording order, and
 * gives each value's buffer back after its last use.
 *
 * Three lists lie beside the nodes while it works: uses[i], how many scheduled readers node i
 * still has (targets and held values have PINNED added, so they never fall to 0); into[i], the
 * accumulate node that i's result is only ever added to; placed[i], the join that i may write
 * its result into. All are zeros between evaluations. Where the planner redirected a node, the
 * executor reads the other one. / */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../tape.h"
#include "strides.h"
#include "threads.h"

#define PINNED 0x40000000u
#define FEW 8

/* Where a node writes: slot `slot` of join node `join` - 1, whose inputs lie one behind the
 * other. */
typedef struct {
    uint32_t join, slot;
} placement;

typedef struct {
    reel_tape *t;
    reel__evaluate_options options;
    uint32_t first, last;
    uint32_t *uses, *into;
    placement *placed;
    bool retain, saw_dropped;
} execution;

/* ---- values -------------------------------------------------------------------------------- */

void reel__drop_value(reel_tape *t, uint32_t index)
{
    reel__value *value = reel__value_at(t, index);
    if (value->data) {
        reel__buffer_release(t, value->buffer);
        value->data = NULL;
        value->buffer = NULL;
        if (reel__node_at(t, index)->op->kind != REEL_VIEW) {
            value->stride = NULL;
        }
    }
}

/* The node whose value stands for this one's. */
static uint32_t actual(const execution *e, uint32_t index)
{
    const uint32_t *redirect = e->t->redirect.data;
    while (!e->options.replay && index < e->t->redirect.count && redirect[index] != REEL__NONE &&
           reel__value_at(e->t, index)->data == NULL) {
        index = redirect[index];
    }
    return index;
}

static uint32_t input_of(const execution *e, const reel__node *node, uint32_t i)
{
    return actual(e, reel__inputs_of(e->t, node)[i]);
}

/* A leaf's data and a parameter's are always there. */
static char *data_of(const reel_tape *t, uint32_t index)
{
    const reel__node *node = reel__node_at(t, index);
    if (node->op == &reel__param_op) {
        return t->flat_values + reel__param_entry(t, reel__param_of(node))->offset * t->element;
    }
    return reel__value_at(t, index)->data;
}

bool reel__tensor_of(const reel_tape *t, uint32_t index, reel_tensor *x)
{
    const reel__shape_entry *shape = reel__shape_entry_of(t, index);
    const reel__value *value = reel__value_at(t, index);
    *x = (reel_tensor){ data_of(t, index), &shape->shape,
                        value->stride ? value->stride : shape->stride };
    return x->data != NULL;
}

/* ---- what has to run ----------------------------------------------------------------------- */

static bool grow_zeroed(reel_tape *t, reel__list *list, size_t count, size_t element)
{
    size_t before = list->capacity;
    if (!reel__list_reserve(t, list, count, element)) {
        return false;
    }
    memset((char *)list->data + before * element, 0, (list->capacity - before) * element);
    return true;
}

static bool is_scheduled(const execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    return node->op->kind != REEL_LEAF &&
           (e->options.replay || reel__value_at(e->t, index)->data == NULL);
}

/* Counts a reader; the first one puts the node on the stack, to count its own inputs. */
static bool visit(execution *e, uint32_t index, uint32_t count)
{
    index = actual(e, index);
    uint32_t before = e->uses[index];
    e->uses[index] = count == PINNED ? before | PINNED : before + count;
    if (before > 0) {
        return true;
    }
    e->first = index < e->first ? index : e->first;
    e->last = index > e->last ? index : e->last;
    if (!is_scheduled(e, index)) {
        e->uses[index] |= PINNED;
        return true;
    }
    if (reel__value_at(e->t, index)->data) {
        e->uses[index] |= PINNED;
    }
    e->saw_dropped = e->saw_dropped || (reel__node_at(e->t, index)->flags & REEL__DROPPED);
    reel__list *stack = &e->t->order;
    if (!reel__list_reserve(e->t, stack, stack->count + 1, sizeof(uint32_t))) {
        return false;
    }
    ((uint32_t *)stack->data)[stack->count++] = index;
    return true;
}

static bool visit_inputs(execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = input_of(e, node, i);
        if (!visit(e, in, 1)) {
            return false;
        }
        if (node->op == &reel__op_accumulate && reel__node_at(t, in)->op->accumulates) {
            e->into[in] = index;
        }
    }
    if (node->op->joined_axis == NULL || node->op->joined_axis(node->attributes) != 0) {
        return true;
    }
    if (!reel__list_reserve(t, &t->joins, t->joins.count + 1, sizeof(uint32_t))) {
        return false;
    }
    ((uint32_t *)t->joins.data)[t->joins.count++] = index;
    return true;
}

/* ---- joins whose inputs are written where they belong ----------------------------------- */

static bool may_place(const execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    return is_scheduled(e, index) && node->op->kind != REEL_VIEW && e->placed[index].join == 0 &&
           !(node->flags & REEL__INDEX);
}

/* A sum is built up where its first term lies, so that one is placed as well. */
static void place(const execution *e, uint32_t index, placement where)
{
    while (may_place(e, index)) {
        const reel__node *node = reel__node_at(e->t, index);
        e->placed[index] = where;
        if (node->op != &reel__op_accumulate) {
            return;
        }
        index = input_of(e, node, 0);
        if (e->uses[index] != 1) {
            return;
        }
    }
}

/* The inputs of a join along the first axis lie one behind the other: when they are of one size,
 * those that are still to be computed may be computed there. */
static void place_inputs(const execution *e, uint32_t join)
{
    const reel__node *node = reel__node_at(e->t, join);
    for (uint32_t i = 1; i < node->inputs; i++) {
        if (reel__shape_entry_of(e->t, input_of(e, node, i))->size !=
            reel__shape_entry_of(e->t, input_of(e, node, 0))->size) {
            return;
        }
    }
    for (uint32_t i = 0; i < node->inputs; i++) {
        place(e, input_of(e, node, i), (placement){ join + 1, i });
    }
}

static bool schedule(execution *e, size_t n, const uint32_t targets[])
{
    reel_tape *t = e->t;
    t->order.count = 0;
    t->joins.count = 0;
    if (!grow_zeroed(t, &t->uses, t->nodes.count, sizeof *e->uses) ||
        !grow_zeroed(t, &t->into, t->nodes.count, sizeof *e->into) ||
        !grow_zeroed(t, &t->placed, t->nodes.count, sizeof *e->placed)) {
        return false;
    }
    e->uses = t->uses.data;
    e->into = t->into.data;
    e->placed = t->placed.data;
    bool fine = true;
    for (size_t i = 0; fine && i < n; i++) {
        fine = visit(e, targets[i], PINNED);
    }
    for (size_t i = 0; fine && i < t->pending.count; i++) {
        fine = visit(e, ((reel__pending *)t->pending.data)[i].node, PINNED);
    }
    for (size_t i = 0; fine && i < t->kept.count; i++) {
        fine = visit(e, ((uint32_t *)t->kept.data)[i], PINNED);
    }
    while (fine && t->order.count) {
        fine = visit_inputs(e, ((uint32_t *)t->order.data)[--t->order.count]);
    }
    return fine;
}

/* A join that did not come to run still holds the memory its inputs were to be written to. */
static void release_reserved(execution *e)
{
    for (size_t i = 0; i < e->t->joins.count; i++) {
        reel__value *value = reel__value_at(e->t, ((uint32_t *)e->t->joins.data)[i]);
        if (value->buffer && value->data == NULL) {
            reel__buffer_release(e->t, value->buffer);
            value->buffer = NULL;
        }
    }
}

/* Steps of a whole may have been added to, so that the whole is not what it should be. */
static void drop_hidden(execution *e)
{
    for (uint32_t i = e->first; i <= e->last && e->first <= e->last; i++) {
        if ((reel__node_at(e->t, i)->flags & REEL__HIDDEN) && !(e->uses[i] & PINNED)) {
            reel__drop_value(e->t, i);
        }
    }
}

static void unschedule(execution *e, bool fine)
{
    release_reserved(e);
    if (!fine && e->placed) {
        drop_hidden(e);
    }
    if (e->first <= e->last && e->placed) {
        size_t n = (size_t)e->last - e->first + 1;
        memset(e->uses + e->first, 0, n * sizeof *e->uses);
        memset(e->into + e->first, 0, n * sizeof *e->into);
        memset(e->placed + e->first, 0, n * sizeof *e->placed);
    }
}

/* ---- what kernels say ---------------------------------------------------------------------- */

#define KERNEL_MESSAGE_SIZE 512

void reel_kernel_fail(const reel_kernel_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->error, KERNEL_MESSAGE_SIZE, format, arguments);
    va_end(arguments);
}

/* ---- one node ------------------------------------------------------------------------------ */

static bool fail_at(const execution *e, uint32_t index, reel_status status, const char *text)
{
    reel__fail_node(e->t, index, status, text);
    return false;
}

/* A node recorded before a parameter was written means the old parameter, which is gone. */
static bool check_fresh(const execution *e, uint32_t index)
{
    const reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    const uint32_t *in = reel__inputs_of(t, node);
    for (uint32_t i = 0; i < node->inputs; i++) {
        const reel__node *x = reel__node_at(t, in[i]);
        if (x->op != &reel__param_op) {
            continue;
        }
        const reel__param *param = reel__param_entry(t, reel__param_of(x));
        if (index < param->written_at) {
            char text[512];
            snprintf(text, sizeof text,
                     "it was recorded before parameter %s changed and was not held; call reel_keep "
                     "on what is to be read after an update",
                     param->name);
            return fail_at(e, index, REEL_STALE_VALUE, text);
        }
    }
    return true;
}

static bool is_last_reader(const execution *e, uint32_t index)
{
    return !e->retain && !e->options.check_finite && e->uses[index] == 1 &&
           reel__value_at(e->t, index)->buffer &&
           !(reel__node_at(e->t, index)->flags & REEL__INDEX);
}

/* Nobody else looks into the memory of this value. */
static bool is_exclusive(const execution *e, uint32_t index)
{
    return is_last_reader(e, index) && reel__value_at(e->t, index)->buffer->references == 1 &&
           reel__node_at(e->t, index)->op->kind != REEL_VIEW;
}

/* A part of a larger block that is this node's alone: a slot of a join, or a step of what the
 * planner computed for all steps, which each step reads for itself. */
static bool owns_part(const execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    bool step =
        (node->flags & REEL__HIDDEN) && node->op->at_index &&
        !(e->uses[input_of(e, node, 0)] & PINNED); /* a whole that stays held must stay whole */
    reel_tensor x;
    return is_last_reader(e, index) && (e->placed[index].join || step) &&
           reel__tensor_of(e->t, index, &x) && reel__contiguous(x.shape, x.stride);
}

static void move_value(execution *e, uint32_t from, uint32_t to)
{
    *reel__value_at(e->t, to) = *reel__value_at(e->t, from);
    reel__value_at(e->t, to)->stride = NULL;
    *reel__value_at(e->t, from) = (reel__value){ 0 };
    reel__node_at(e->t, from)->flags |= REEL__DROPPED;
}

/* y takes over the memory of an input of its shape that nobody reads afterwards. */
static bool take_over_input(execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    bool elementwise = node->op->kind == REEL_ELEMENTWISE;
    if ((!elementwise && !node->op->in_place) || e->placed[index].join) {
        return false;
    }
    uint32_t candidates = elementwise ? node->inputs : node->inputs > 0;
    for (uint32_t i = 0; i < candidates; i++) {
        uint32_t in = input_of(e, node, i);
        if (reel__node_at(e->t, in)->shape == node->shape && is_exclusive(e, in) &&
            !(node->flags & REEL__INDEX)) {
            reel__value *y = reel__value_at(e->t, index);
            y->buffer = reel__value_at(e->t, in)->buffer;
            y->buffer->references++; /* released again when the input is */
            y->data = reel__value_at(e->t, in)->data;
            return true;
        }
    }
    return false;
}

static size_t bytes_of(const reel_tape *t, uint32_t index)
{
    const reel__node *node = reel__node_at(t, index);
    return (size_t)reel__shape_at(t, node->shape)->size * reel__element_of(t, node);
}

/* Into the join's memory; the first of its inputs to be computed takes it. */
static bool take_slot(execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    placement where = e->placed[index];
    reel__value *join = reel__value_at(t, where.join - 1), *y = reel__value_at(t, index);
    if (join->buffer == NULL) {
        join->buffer = reel__buffer_take(t, bytes_of(t, where.join - 1));
    }
    if (join->buffer == NULL) {
        return false;
    }
    y->buffer = join->buffer;
    y->buffer->references++;
    y->data = reel__buffer_data(join->buffer) + where.slot * bytes_of(t, index);
    return true;
}

static bool take_output(execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    if (e->placed[index].join) {
        return take_slot(e, index);
    }
    size_t bytes = bytes_of(t, index);
    reel__value *y = reel__value_at(t, index);
    y->buffer = reel__buffer_take(t, bytes);
    y->data = y->buffer ? reel__buffer_data(y->buffer) : NULL;
    return y->data != NULL;
}

/* Room for a kernel's inputs: on the stack for all but joins. */
typedef struct {
    reel_tensor few[FEW];
    reel__buffer *few_packed[FEW];
    reel_tensor *x;
    reel__buffer **packed;
    size_t bytes;
} operands;

static bool take_operands(reel_tape *t, uint32_t n, operands *o)
{
    o->x = o->few;
    o->packed = o->few_packed;
    o->bytes = 0;
    if (n > FEW) {
        o->bytes = n * (sizeof *o->x + sizeof *o->packed);
        o->x = reel__resize(t, NULL, 0, o->bytes);
        if (o->x == NULL) {
            return false;
        }
        o->packed = (reel__buffer **)(void *)(o->x + n);
    }
    memset(o->packed, 0, n * sizeof *o->packed);
    return true;
}

static void drop_operands(reel_tape *t, uint32_t n, operands *o)
{
    for (uint32_t i = 0; i < n; i++) {
        reel__buffer_release(t, o->packed[i]);
    }
    if (o->bytes) {
        reel__resize(t, o->x, o->bytes, 0);
    }
}

/* Copies a strided input to a buffer of its own. */
static bool pack_operand(reel_tape *t, uint32_t input, reel_tensor *x, reel__buffer **packed)
{
    const reel__shape_entry *shape = reel__shape_entry_of(t, input);
    size_t element = reel__element_of(t, reel__node_at(t, input));
    *packed = reel__buffer_take(t, (size_t)shape->size * element);
    if (*packed == NULL) {
        return false;
    }
    reel__pack(x, element, reel__buffer_data(*packed), t->threads);
    *x = (reel_tensor){ reel__buffer_data(*packed), &shape->shape, shape->stride };
    return true;
}

static bool gather_operands(execution *e, const reel__node *node, operands *o)
{
    reel_tape *t = e->t;
    bool any_stride = node->op->strided || node->op->kind == REEL_ELEMENTWISE;
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = input_of(e, node, i);
        if (!reel__tensor_of(t, in, &o->x[i])) {
            reel__fail_text(t, REEL_INTERNAL, node->op->name, "an input has no value");
            return false;
        }
        if (!any_stride && !reel__contiguous(o->x[i].shape, o->x[i].stride) &&
            !pack_operand(t, in, &o->x[i], &o->packed[i])) {
            return false;
        }
    }
    return true;
}

static bool call_kernel(execution *e, uint32_t index, const operands *o, bool accumulate)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    const reel__shape_entry *shape = reel__shape_at(t, node->shape);
    char error[KERNEL_MESSAGE_SIZE];
    error[0] = '\0';
    reel_kernel_call call = { .inputs = (int)node->inputs,
                              .x = o->x,
                              .attributes = node->attributes,
                              .accumulate = accumulate,
                              .threads = t->threads,
                              .seed = t->options.seed,
                              .error = error,
                              .tape = t };
    for (uint32_t i = 0; node->op->kind == REEL_CONTRACTION && i < node->inputs; i++) {
        call.constant |= (unsigned)reel__looks_into_params(t, o->x[i].data) << i;
    }
    call.y = (reel_tensor){ reel__value_at(t, index)->data, &shape->shape, shape->stride };
    if (node->op->random) {
        memcpy(&call.stream, (const char *)node->attributes + reel__stream_offset(node->op),
               sizeof call.stream);
    }
    if (shape->size == 0) {
        return true;
    }
    t->statistics.kernels++;
    if (node->op->kind == REEL_ELEMENTWISE) {
        reel__run_elementwise(node->op, t->options.dtype, t->element, &call);
        return true;
    }
    size_t scratch = node->op->scratch ? node->op->scratch(&call, t->element) : 0;
    if (scratch && (call.scratch = reel__scratch(t, scratch)) == NULL) {
        return false;
    }
    reel_status before = t->error.status;
    node->op->kernel[t->options.dtype](&call);
    if (error[0]) {
        return fail_at(e, index, REEL_BAD_INDEX, error);
    }
    return t->error.status == before;
}

static bool run_kernel(execution *e, uint32_t index, bool accumulate)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    operands o;
    if (!take_operands(t, node->inputs, &o)) {
        return false;
    }
    bool fine = gather_operands(e, node, &o) &&
                (accumulate || take_over_input(e, index) || take_output(e, index)) &&
                call_kernel(e, index, &o, accumulate);
    drop_operands(t, node->inputs, &o);
    return fine;
}

/* Instead of y = f(x); sum = a + y, lets f add to a's buffer, which becomes the sum's. True when
 * done. */
static bool run_into_sum(execution *e, uint32_t index, bool *fine)
{
    reel_tape *t = e->t;
    uint32_t sum = e->into[index];
    if (sum == 0 || e->uses[index] != 1 || e->uses[sum] == 0 || e->retain ||
        e->options.check_finite) {
        return false;
    }
    const reel__node *node = reel__node_at(t, sum);
    uint32_t other = input_of(e, node, 0) == index ? input_of(e, node, 1) : input_of(e, node, 0);
    if (other == index || reel__value_at(t, other)->data == NULL ||
        !(is_exclusive(e, other) || owns_part(e, other))) {
        return false;
    }
    move_value(e, other, index);
    *fine = run_kernel(e, index, true);
    move_value(e, index, sum);
    if (!*fine) {
        reel__drop_value(t, sum);
    }
    e->uses[other] = e->uses[index] = 0;
    return true;
}

/* ---- views --------------------------------------------------------------------------------- */

static bool run_view(execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    const reel__shape_entry *shape = reel__shape_at(t, node->shape);
    reel__value *y = reel__value_at(t, index);
    uint32_t input = input_of(e, node, 0);
    size_t element = reel__element_of(t, node);
    reel__buffer *packed = NULL, *shared = reel__value_at(t, input)->buffer;
    reel_tensor x;
    if (y->stride == NULL) {
        y->stride =
            reel__arena_take(t, &t->recorded, (size_t)(shape->shape.rank + 1) * sizeof(int64_t));
    }
    if (y->stride == NULL || !reel__tensor_of(t, input, &x)) {
        return false;
    }
    int64_t offset = 0;
    if (!node->op->view(node->attributes, x.shape, x.stride, &shape->shape, &offset, y->stride)) {
        if (!pack_operand(t, input, &x, &packed)) {
            return false;
        }
        shared = packed;
        if (!node->op->view(node->attributes, x.shape, x.stride, &shape->shape, &offset,
                            y->stride)) {
            reel__buffer_release(t, packed);
            return fail_at(e, index, REEL_INTERNAL, "the view of a contiguous block was refused");
        }
    }
    if (shared && shared != packed) {
        shared->references++;
    }
    y->buffer = shared;
    y->data = (char *)x.data + offset * (int64_t)element;
    return true;
}

/* ---- joins ---------------------------------------------------------------------------------- */

/* Some inputs were written to their place; the others are copied there. */
static bool finish_join(execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    reel__value *y = reel__value_at(t, index);
    char *data = reel__buffer_data(y->buffer);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = input_of(e, node, i);
        char *slot = data + i * bytes_of(t, in);
        reel_tensor x;
        if (!reel__tensor_of(t, in, &x)) {
            return false;
        }
        if (x.data != slot) {
            reel__pack(&x, t->element, slot, t->threads);
        }
    }
    y->data = data;
    return true;
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void release_inputs(execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = input_of(e, node, i);
        if (--e->uses[in] == 0 && !e->retain) {
            reel__drop_value(e->t, in);
            reel__node_at(e->t, in)->flags |= REEL__DROPPED;
        }
    }
}

static bool check_finite(const execution *e, uint32_t index)
{
    char report[512];
    return !e->options.check_finite || !reel__made_nonfinite(e->t, index, report, sizeof report) ||
           fail_at(e, index, REEL_NOT_FINITE, report);
}

static bool run_node(execution *e, uint32_t index)
{
    bool fine;
    if (reel__value_at(e->t, index)->data) {
        return check_finite(e, index);
    }
    if (!check_fresh(e, index)) {
        return false;
    }
    if (reel__node_at(e->t, index)->op->view) {
        fine = run_view(e, index);
    } else if (reel__value_at(e->t, index)->buffer) {
        fine = finish_join(e, index);
    } else if (e->into[index] && run_into_sum(e, index, &fine)) {
        release_inputs(e, index);
        return fine;
    } else {
        fine = run_kernel(e, index, false);
    }
    if (!fine) {
        reel__drop_value(e->t, index);
        return false;
    }
    fine = check_finite(e, index);
    release_inputs(e, index);
    return fine;
}

static bool run_if_scheduled(execution *e, uint32_t index)
{
    return !e->uses[index] || !is_scheduled(e, index) || run_node(e, index);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The planner's nodes stand behind all others, but run as early as their inputs allow: right
 * behind node `key`. */
static bool sort_hidden(execution *e, reel__list *sorted)
{
    reel_tape *t = e->t;
    sorted->count = 0;
    uint32_t first = e->first > t->first_hidden ? e->first : t->first_hidden;
    for (uint32_t i = first; t->first_hidden && i <= e->last; i++) {
        if (!(reel__node_at(t, i)->flags & REEL__HIDDEN) || !e->uses[i] || !is_scheduled(e, i)) {
            continue;
        }
        if (!reel__list_reserve(t, sorted, sorted->count + 1, sizeof(uint64_t))) {
            return false;
        }
        ((uint64_t *)sorted->data)[sorted->count++] =
            (uint64_t)((uint32_t *)t->keys.data)[i] << 32 | i;
    }
    if (sorted->count) {
        qsort(sorted->data, sorted->count, sizeof(uint64_t), ascending);
    }
    return true;
}

static bool run_all(execution *e)
{
    reel__list *sorted = &e->t->hidden_order;
    if (e->first > e->last || !sort_hidden(e, sorted)) {
        return e->first > e->last;
    }
    const uint64_t *hidden = sorted->data;
    size_t next = 0;
    for (uint32_t i = e->first; i <= e->last; i++) {
        for (; next < sorted->count && hidden[next] >> 32 < i; next++) {
            if (!run_if_scheduled(e, (uint32_t)hidden[next])) {
                return false;
            }
        }
        if (!(reel__node_at(e->t, i)->flags & REEL__HIDDEN) && !run_if_scheduled(e, i)) {
            return false;
        }
    }
    return true;
}

/* A target that was redirected shares the other node's value. */
static void share_redirected(execution *e, uint32_t target)
{
    reel_tape *t = e->t;
    uint32_t source = actual(e, target);
    if (source == target) {
        return;
    }
    reel__value *from = reel__value_at(t, source), *to = reel__value_at(t, target);
    reel_tensor x;
    if (!reel__tensor_of(t, source, &x)) {
        return;
    }
    to->data = x.data;
    to->buffer = from->buffer;
    to->stride = from->stride;
    if (to->buffer) {
        to->buffer->references++;
    }
}

static void share_targets(execution *e, size_t n, const uint32_t targets[])
{
    reel_tape *t = e->t;
    for (size_t i = 0; i < n; i++) {
        share_redirected(e, targets[i]);
    }
    for (size_t i = 0; i < t->pending.count; i++) {
        share_redirected(e, ((reel__pending *)t->pending.data)[i].node);
    }
    for (size_t i = 0; i < t->kept.count; i++) {
        share_redirected(e, ((uint32_t *)t->kept.data)[i]);
    }
}

/* What stays held and looks into the parameters must be forgotten, or copied where it is kept,
 * before they change. */
static bool note_aliases(execution *e)
{
    reel_tape *t = e->t;
    for (uint32_t i = e->first; i <= e->last && e->first <= e->last; i++) {
        reel__value *value = reel__value_at(t, i);
        const reel__node *node = reel__node_at(t, i);
        if (node->op->kind != REEL_VIEW || !reel__looks_into_params(t, value->data)) {
            continue;
        }
        if (node->flags & (REEL__KEEP | REEL__ASKED)) {
            reel_tensor x;
            reel__buffer *own = NULL;
            if (!reel__tensor_of(t, i, &x) || !pack_operand(t, i, &x, &own)) {
                return false;
            }
            value->data = x.data;
            value->buffer = own;
            memcpy(value->stride, x.stride, (size_t)x.shape->rank * sizeof *value->stride);
        } else {
            if (!reel__list_reserve(t, &t->aliases, t->aliases.count + 1, sizeof(uint32_t))) {
                return false;
            }
            ((uint32_t *)t->aliases.data)[t->aliases.count++] = i;
        }
    }
    return true;
}

static void add_pending(reel_tape *t)
{
    for (size_t i = 0; i < t->pending.count; i++) {
        reel__pending pending = ((reel__pending *)t->pending.data)[i];
        reel_tensor x;
        if (!reel__tensor_of(t, pending.node, &x)) {
            continue;
        }
        if (reel__contiguous(x.shape, x.stride)) {
            reel__add_gradient(t, pending.param, x.data);
        } else {
            void *block = reel__scratch(t, (size_t)reel_shape_size(*x.shape) * t->element);
            if (block) {
                reel__pack(&x, t->element, block, t->threads);
                reel__add_gradient(t, pending.param, block);
            }
        }
    }
    t->pending.count = 0;
}

bool reel__evaluate(reel_tape *t, size_t n, const uint32_t targets[],
                    reel__evaluate_options options)
{
    execution e = { .t = t, .options = options, .first = REEL__NONE };
    bool fine = (options.replay || reel__make_plan(t, n, targets)) && schedule(&e, n, targets);
    /* Reading step after step of a growing tape would otherwise start over each time. */
    t->retain = t->retain || e.saw_dropped;
    e.retain = t->options.eager || options.replay || (t->retain && t->pending.count == 0);
    if (fine) {
        for (size_t i = 0; i < t->joins.count && !e.retain && !options.check_finite; i++) {
            place_inputs(&e, ((uint32_t *)t->joins.data)[i]);
        }
        t->statistics.evaluations++;
        int before = reel__set_threads(t->threads);
        fine = run_all(&e);
        reel__set_threads(before);
    }
    if (fine) {
        share_targets(&e, n, targets);
    }
    fine = fine && note_aliases(&e);
    unschedule(&e, fine);
    if (fine) {
        add_pending(t);
        t->kept.count = 0;
    }
    return fine;
}

bool reel__flush(reel_tape *t)
{
    return (t->pending.count == 0 && t->kept.count == 0) ||
           reel__evaluate(t, 0, NULL, (reel__evaluate_options){ 0 });
}
