/* node.c: runs one node. Its inputs are looked up, made contiguous where the kernel wants that; its
 * memory is that of an input that nobody reads any more, a slot of a join, or a buffer of the pool;
 * what is only added to a sum is added where the sum lies. */
#include <stdarg.h>
#include <string.h>

#include "elementwise.h"
#include "execution.h"
#include "strides.h"

#define FEW 8

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

/* ---- what kernels say ---------------------------------------------------------------------- */

#define KERNEL_MESSAGE_SIZE 512

void reel_kernel_fail(const reel_kernel_call *call, const char *format, ...)
{
    if (!call || !call->error || !format) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->error, KERNEL_MESSAGE_SIZE, format, arguments);
    va_end(arguments);
}

/* ---- one node ------------------------------------------------------------------------------ */

static bool fail_at(const reel__execution *e, uint32_t index, reel_status status, const char *text)
{
    reel__fail_node(e->t, index, status, text);
    return false;
}

bool reel__check_fresh(const reel__execution *e, uint32_t index)
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
            reel__fail_stale(e->t, index, reel__param_of(x));
            return false;
        }
    }
    return true;
}

static bool is_last_reader(const reel__execution *e, uint32_t index)
{
    return !e->retain && !e->options.check_finite && e->uses[index] == 1 &&
           reel__value_at(e->t, index)->buffer &&
           !(reel__node_at(e->t, index)->flags & REEL__INDEX);
}

/* Nobody else looks into the memory of this value. */
static bool is_exclusive(const reel__execution *e, uint32_t index)
{
    return is_last_reader(e, index) && reel__value_at(e->t, index)->buffer->references == 1 &&
           reel__node_at(e->t, index)->op->kind != REEL_VIEW;
}

/* A slot of a join is this node's alone. */
static bool owns_part(const reel__execution *e, uint32_t index)
{
    reel_tensor x;
    return is_last_reader(e, index) && e->placed[index].join && reel__tensor_of(e->t, index, &x) &&
           reel__contiguous(x.shape, x.stride);
}

static void move_value(reel__execution *e, uint32_t from, uint32_t to)
{
    *reel__value_at(e->t, to) = *reel__value_at(e->t, from);
    reel__value_at(e->t, to)->stride = NULL;
    *reel__value_at(e->t, from) = (reel__value){ 0 };
    reel__node_at(e->t, from)->flags |= REEL__DROPPED;
}

/* y takes over the memory of an input of its shape that nobody reads afterwards. */
static bool take_over_input(reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    bool elementwise = node->op->kind == REEL_ELEMENTWISE;
    if ((!elementwise && !node->op->in_place) || e->placed[index].join) {
        return false;
    }
    uint32_t candidates = elementwise ? node->inputs : node->inputs > 0, leaf[REEL__WALK_INPUTS];
    bool chain = reel__ends_chain(e, index);
    if (chain) {
        candidates = reel__chain_leaves(e, index, leaf);
    }
    for (uint32_t i = 0; i < candidates; i++) {
        uint32_t in = chain ? leaf[i] : reel__input_of(e, node, i);
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
static bool take_slot(reel__execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    reel__placement where = e->placed[index];
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

bool reel__take_output(reel__execution *e, uint32_t index)
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
bool reel__pack_operand(reel_tape *t, uint32_t input, reel_tensor *x, reel__buffer **packed)
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

static bool gather_operands(reel__execution *e, const reel__node *node, operands *o)
{
    reel_tape *t = e->t;
    bool any_stride = node->op->strided || node->op->kind == REEL_ELEMENTWISE;
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(e, node, i);
        if (!reel__tensor_of(t, in, &o->x[i])) {
            reel__fail_text(t, REEL_INTERNAL, node->op->name, "an input has no value");
            return false;
        }
        if (!any_stride && !reel__contiguous(o->x[i].shape, o->x[i].stride) &&
            !reel__pack_operand(t, in, &o->x[i], &o->packed[i])) {
            return false;
        }
    }
    return true;
}

static bool call_kernel(reel__execution *e, uint32_t index, const operands *o, reel_tensor y,
                        int threads, bool accumulate)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    char error[KERNEL_MESSAGE_SIZE];
    error[0] = '\0';
    reel_kernel_call call = { .inputs = (int)node->inputs,
                              .x = o->x,
                              .y = y,
                              .attributes = node->attributes,
                              .accumulate = accumulate,
                              .threads = threads,
                              .seed = t->options.seed,
                              .error = error,
                              .tape = t };
    for (uint32_t i = 0; node->op->kind == REEL_CONTRACTION && i < node->inputs; i++) {
        call.constant |= (unsigned)reel__looks_into_params(t, o->x[i].data) << i;
    }
    if (node->op->random) {
        memcpy(&call.stream, (const char *)node->attributes + reel__stream_offset(node->op),
               sizeof call.stream);
    }
    if (reel_shape_size(*y.shape) == 0) {
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

static reel_tensor output_of(const reel_tape *t, uint32_t index)
{
    const reel__shape_entry *shape = reel__shape_entry_of(t, index);
    return (reel_tensor){ reel__value_at(t, index)->data, &shape->shape, shape->stride };
}

static bool run_kernel(reel__execution *e, uint32_t index, bool accumulate)
{
    reel_tape *t = e->t;
    if (reel__ends_chain(e, index)) {
        return (accumulate || take_over_input(e, index) || reel__take_output(e, index)) &&
               reel__run_chain(e, index, reel__value_at(t, index)->data, accumulate);
    }
    const reel__node *node = reel__node_at(t, index);
    operands o;
    if (!take_operands(t, node->inputs, &o)) {
        return false;
    }
    bool fine = gather_operands(e, node, &o) &&
                (accumulate || take_over_input(e, index) || reel__take_output(e, index)) &&
                call_kernel(e, index, &o, output_of(t, index), t->threads, accumulate);
    drop_operands(t, node->inputs, &o);
    return fine;
}

/* Rows [from, to) of a tensor as a tensor of its own. */
static void narrow(reel_tensor *x, reel_shape *shape, int64_t from, int64_t to, size_t element)
{
    *shape = *x->shape;
    shape->dim[0] = to - from;
    x->data = (char *)x->data + from * x->stride[0] * (int64_t)element;
    x->shape = shape;
}

bool reel__run_rows(reel__execution *e, uint32_t index, int64_t from, int64_t to)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    operands o;
    reel_shape shape[REEL__PROGRAM_INPUTS + 1];
    if (!take_operands(t, node->inputs, &o)) {
        return false;
    }
    bool fine = gather_operands(e, node, &o);
    reel_tensor y = output_of(t, index);
    for (uint32_t i = 0; fine && i < node->inputs; i++) {
        if (o.x[i].shape->rank == y.shape->rank && o.x[i].shape->dim[0] == y.shape->dim[0]) {
            size_t element = reel__element_of(t, reel__node_at(t, reel__input_of(e, node, i)));
            narrow(&o.x[i], &shape[i], from, to, element);
        }
    }
    narrow(&y, &shape[REEL__PROGRAM_INPUTS], from, to, t->element);
    fine = fine && call_kernel(e, index, &o, y, 1, false);
    drop_operands(t, node->inputs, &o);
    return fine;
}

/* Instead of y = f(x); sum = a + y, lets f add to a's buffer, which becomes the sum's. True when
 * done. */
static bool run_into_sum(reel__execution *e, uint32_t index, bool *fine)
{
    reel_tape *t = e->t;
    uint32_t sum = e->into[index];
    if (sum == 0 || e->uses[index] != 1 || e->uses[sum] == 0 || e->retain ||
        e->options.check_finite) {
        return false;
    }
    const reel__node *node = reel__node_at(t, sum);
    uint32_t other = reel__input_of(e, node, 0) == index ? reel__input_of(e, node, 1)
                                                         : reel__input_of(e, node, 0);
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

bool reel__run_view(reel__execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    const reel__shape_entry *shape = reel__shape_at(t, node->shape);
    reel__value *y = reel__value_at(t, index);
    uint32_t input = reel__input_of(e, node, 0);
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
        if (!reel__pack_operand(t, input, &x, &packed)) {
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
static bool finish_join(reel__execution *e, uint32_t index)
{
    reel_tape *t = e->t;
    const reel__node *node = reel__node_at(t, index);
    reel__value *y = reel__value_at(t, index);
    char *data = reel__buffer_data(y->buffer);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(e, node, i);
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

bool reel__is_ready(const reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(e, node, i);
        if (e->chained[in].waits ? !reel__is_ready(e, in) : data_of(e->t, in) == NULL) {
            return false;
        }
    }
    return true;
}

/* ---- the loop ------------------------------------------------------------------------------ */

void reel__release_inputs(reel__execution *e, uint32_t index)
{
    const reel__node *node = reel__node_at(e->t, index);
    for (uint32_t i = 0; i < node->inputs; i++) {
        uint32_t in = reel__input_of(e, node, i);
        if (--e->uses[in] == 0 && !e->retain) {
            if (e->chained[in].waits) {
                reel__release_inputs(e, in);
            }
            reel__drop_value(e->t, in);
            reel__node_at(e->t, in)->flags |= REEL__DROPPED;
        }
    }
}

static bool check_finite(const reel__execution *e, uint32_t index)
{
    char report[512];
    return !e->options.check_finite || !reel__made_nonfinite(e->t, index, report, sizeof report) ||
           fail_at(e, index, REEL_NOT_FINITE, report);
}

bool reel__run_node(reel__execution *e, uint32_t index)
{
    bool fine;
    if (e->chained[index].waits) {
        return true;
    }
    if (reel__value_at(e->t, index)->data) {
        return check_finite(e, index);
    }
    if (!reel__check_fresh(e, index)) {
        return false;
    }
    if (reel__node_at(e->t, index)->op == &reel__loop_op) {
        fine = reel__run_loop(e, index);
    } else if (reel__node_at(e->t, index)->op->view) {
        fine = reel__run_view(e, index);
    } else if (reel__value_at(e->t, index)->buffer) {
        fine = finish_join(e, index);
    } else if (e->into[index] && run_into_sum(e, index, &fine)) {
        reel__release_inputs(e, index);
        return fine;
    } else {
        fine = run_kernel(e, index, false);
    }
    if (!fine) {
        reel__drop_value(e->t, index);
        return false;
    }
    fine = check_finite(e, index);
    reel__release_inputs(e, index);
    return fine;
}
