/* onnx_run.c: runs a loaded ONNX model, node by node. */
#include "onnx.h"

#include "../graph/op.h"

#ifdef REEL_HAVE_PROTOBUF_C
#include <stdarg.h>
#include <string.h>

#include "../ops/ops.h"
#include "onnx_nodes.h"

static const char runs[] = "onnx_run";

/* ---- what a node is given, and what it gives ------------------------------------------------- */

bool reel__onnx_fail(reel__onnx_run *c, reel_status status, const char *format, ...)
{
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const Onnx__NodeProto *node = c->node;
    reel_fail(c->model->tape, status, "onnx_run", "%s \"%s\": %s", node ? node->op_type : "output",
              node && node->name ? node->name : "", text);
    c->failed = true;
    return false;
}

const Onnx__AttributeProto *reel__onnx_attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0) {
            return node->attribute[i];
        }
    }
    return NULL;
}

int64_t reel__onnx_get_int(const reel__onnx_run *c, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, name);
    return a && a->has_i ? a->i : otherwise;
}

double reel__onnx_get_real(const reel__onnx_run *c, const char *name, double otherwise)
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, name);
    return a && a->has_f ? (double)a->f : otherwise;
}

bool reel__onnx_has(const reel__onnx_run *c, int input)
{
    return input < c->inputs &&
           (c->x[input].kind == REEL__ONNX_VAR || c->x[input].kind == REEL__ONNX_WHOLE);
}

bool reel__onnx_refuse(reel__onnx_run *c, const char *why)
{
    return reel__onnx_fail(c, REEL_UNSUPPORTED, "%s", why);
}

void *reel__onnx_room(reel__onnx_run *c, size_t bytes)
{
    void *block = reel__arena_take(c->model->tape, &c->model->running, bytes + 8);
    c->failed = c->failed || block == NULL;
    return block;
}

static reel_var poisoned(const reel__onnx_run *c)
{
    return (reel_var){ c->model->tape, 0 };
}

reel_var reel__onnx_var(reel__onnx_run *c, int input)
{
    if (!reel__onnx_has(c, input)) {
        reel__onnx_fail(c, REEL_BAD_FILE, "input %d is missing", input);
        return poisoned(c);
    }
    const reel__onnx_value *x = &c->x[input];
    if (x->kind == REEL__ONNX_VAR) {
        return x->var;
    }
    size_t n = (size_t)reel_shape_size(x->shape);
    double *values = reel__onnx_room(c, n * sizeof *values);
    for (size_t i = 0; values && i < n; i++) {
        values[i] = (double)x->whole[i];
    }
    return values ? reel_input_f64(c->model->tape, x->shape, values) : poisoned(c);
}

reel_var reel__onnx_index(reel__onnx_run *c, int input)
{
    if (!reel__onnx_has(c, input) || c->x[input].kind == REEL__ONNX_VAR) {
        return reel__onnx_var(c, input);
    }
    const reel__onnx_value *x = &c->x[input];
    size_t n = (size_t)reel_shape_size(x->shape);
    int32_t *values = reel__onnx_room(c, n * sizeof *values);
    for (size_t i = 0; values && i < n; i++) {
        if (x->whole[i] > INT32_MAX || x->whole[i] < INT32_MIN) {
            reel__onnx_fail(c, REEL_BAD_INDEX, "%lld is no int32", (long long)x->whole[i]);
            return poisoned(c);
        }
        values[i] = (int32_t)x->whole[i];
    }
    return values ? reel_indices(c->model->tape, x->shape, values) : poisoned(c);
}

reel__onnx_value reel__onnx_constant(reel_onnx *m, const reel__onnx_data *data)
{
    if (!data->is_real) {
        return (reel__onnx_value){ .kind = REEL__ONNX_WHOLE,
                                   .truth = data->is_truth,
                                   .shape = data->shape,
                                   .whole = data->whole };
    }
    return (reel__onnx_value){ .kind = REEL__ONNX_VAR,
                               .var = reel_input_f64(m->tape, data->shape, data->real) };
}

bool reel__onnx_put(reel__onnx_run *c, int output, reel_var v)
{
    if (output < c->outputs) {
        c->y[output] = (reel__onnx_value){ .kind = REEL__ONNX_VAR, .var = v };
    }
    return v.id != 0 || c->model->tape->error.status == REEL_OK;
}

bool reel__onnx_put_whole(reel__onnx_run *c, reel_shape shape, const int64_t *whole)
{
    c->y[0] = (reel__onnx_value){ .kind = REEL__ONNX_WHOLE, .shape = shape, .whole = whole };
    return whole != NULL && !c->failed;
}

/* A list of whole numbers out of an input or, in older operator sets, an attribute; n is -1 where
 * there is neither. */
const int64_t *reel__onnx_list(reel__onnx_run *c, int input, const char *attribute, int *n)
{
    *n = -1;
    if (input >= 0 && reel__onnx_has(c, input)) {
        reel__onnx_value list;
        if (!reel__onnx_is_whole(c, input) || !reel__onnx_read_whole(c, input, &list) ||
            reel_shape_size(list.shape) > 2 * REEL_MAX_RANK) {
            reel__onnx_fail(c, REEL_UNSUPPORTED, "input %d is not a short list of whole numbers",
                            input);
            return NULL;
        }
        *n = (int)reel_shape_size(list.shape);
        return list.whole;
    }
    const Onnx__AttributeProto *a = attribute ? reel__onnx_attribute(c->node, attribute) : NULL;
    if (a && a->n_ints <= 2 * REEL_MAX_RANK) {
        *n = (int)a->n_ints;
        return a->ints;
    }
    return NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Forgets the run before; initialisers that are data are recorded anew. */
static void begin_scope(reel_onnx *m, reel__onnx_scope *s)
{
    for (uint32_t i = 0; i < s->slots; i++) {
        reel__onnx_slot *each = &s->slot[i];
        if (!each->lasts) {
            each->value = (reel__onnx_value){ 0 };
        } else if (each->value.kind != REEL__ONNX_WHOLE && each->value.whole) {
            const reel__onnx_data *data = (const void *)each->value.whole;
            each->value.kind = REEL__ONNX_VAR;
            each->value.var = reel_input_f64(m->tape, data->shape, data->real);
        }
    }
}

static bool run_node(reel_onnx *m, reel__onnx_scope *s, const Onnx__NodeProto *node)
{
    size_t n = node->n_input + node->n_output;
    reel__onnx_value *values = reel__arena_take(m->tape, &m->running, (n + 1) * sizeof *values);
    if (values == NULL) {
        return false;
    }
    memset(values, 0, n * sizeof *values);
    reel__onnx_run run = { .model = m,
                           .scope = s,
                           .node = node,
                           .inputs = (int)node->n_input,
                           .outputs = (int)node->n_output,
                           .x = values,
                           .y = values + node->n_input };
    for (size_t i = 0; i < node->n_input; i++) {
        reel__onnx_value *x = node->input[i][0] ? reel__onnx_find(s, node->input[i]) : NULL;
        values[i] = x ? *x : (reel__onnx_value){ 0 };
    }
    if (!reel__onnx_run_node(&run)) {
        return false;
    }
    for (size_t i = 0; i < node->n_output; i++) {
        if (node->output[i][0]) {
            reel__onnx_set(s, node->output[i], run.y[i]);
        }
    }
    return true;
}

bool reel__onnx_run_scope(reel_onnx *m, reel__onnx_scope *s)
{
    for (size_t i = 0; i < s->graph->n_node; i++) {
        if (!run_node(m, s, s->graph->node[s->order[i]])) {
            return false;
        }
    }
    return true;
}

reel__onnx_scope *reel__onnx_body(reel_onnx *m, const Onnx__GraphProto *graph)
{
    reel__onnx_scope *s = m->bodies;
    while (s && s->graph != graph) {
        s = s->next;
    }
    return s;
}

static bool give_inputs(reel_onnx *m, int n, const reel_var inputs[])
{
    if (n != m->inputs) {
        reel_fail(m->tape, REEL_BAD_ARGUMENT, runs, "%d inputs given, the model has %d", n,
                  m->inputs);
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (inputs[i].tape != m->tape || reel_shape_of(inputs[i]).rank < 0) {
            reel_fail(m->tape, REEL_BAD_HANDLE, runs, "input \"%s\" is no value of the tape",
                      m->input[i]);
            return false;
        }
        reel__onnx_set(&m->main, m->input[i],
                       (reel__onnx_value){ .kind = REEL__ONNX_VAR, .var = inputs[i] });
    }
    return true;
}

static bool take_outputs(reel_onnx *m, int n, reel_var outputs[])
{
    for (int i = 0; i < n; i++) {
        const reel__onnx_value *y = reel__onnx_find(&m->main, m->output[i]);
        reel__onnx_run as_node = { .model = m, .inputs = 1, .x = y };
        if (y == NULL || y->kind == REEL__ONNX_ABSENT) {
            reel_fail(m->tape, REEL_BAD_FILE, runs, "output \"%s\" has no value", m->output[i]);
            return false;
        }
        outputs[i] = y->kind == REEL__ONNX_VAR ? y->var : reel__onnx_index(&as_node, 0);
    }
    return true;
}

reel_status reel_onnx_run(reel_onnx *m, int n_inputs, const reel_var inputs[], int n_outputs,
                          reel_var outputs[])
{
    if (m == NULL) {
        return REEL_BAD_ARGUMENT;
    }
    for (int i = 0; i < n_outputs; i++) {
        outputs[i] = (reel_var){ m->tape, 0 };
    }
    if (n_outputs != m->outputs) {
        reel_fail(m->tape, REEL_BAD_ARGUMENT, runs, "%d outputs asked for, the model has %d",
                  n_outputs, m->outputs);
        return REEL_BAD_ARGUMENT;
    }
    reel__arena_reset(&m->running);
    begin_scope(m, &m->main);
    for (reel__onnx_scope *s = m->bodies; s; s = s->next) {
        begin_scope(m, s);
    }
    bool fine = give_inputs(m, n_inputs, inputs) && reel__onnx_run_scope(m, &m->main) &&
                take_outputs(m, n_outputs, outputs);
    if (fine) {
        return REEL_OK;
    }
    return m->tape->error.status ? m->tape->error.status : REEL_INTERNAL;
}

#else

reel_status reel_onnx_run(reel_onnx *m, int n_inputs, const reel_var inputs[], int n_outputs,
                          reel_var outputs[])
{
    (void)m, (void)n_inputs, (void)inputs, (void)n_outputs, (void)outputs;
    return REEL_UNSUPPORTED;
}

#endif
