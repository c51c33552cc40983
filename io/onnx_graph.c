/* onnx_graph.c: builds an ONNX graph piece by piece and writes the file. */
#ifdef REEL_HAVE_PROTOBUF_C
#include "onnx_graph.h"

#include <stdarg.h>
#include <string.h>

#include "file.h"

void reel__onnx_begin(reel__onnx_graph *g, reel_tape *t, const char *name)
{
    *g = (reel__onnx_graph){ .tape = t };
    onnx__graph_proto__init(&g->at.graph);
    g->at.graph.name = (char *)reel__onnx_text(g, "%s", name ? name : "reel");
}

void reel__onnx_end(reel__onnx_graph *g)
{
    reel__arena_free(g->tape, &g->arena);
}

static void *take(reel__onnx_graph *g, size_t bytes)
{
    void *block = g->failed ? NULL : reel__arena_take(g->tape, &g->arena, bytes + 1);
    g->failed = block == NULL;
    return block;
}

static void *copy(reel__onnx_graph *g, const void *from, size_t bytes)
{
    void *block = from || bytes == 0 ? take(g, bytes) : NULL;
    if (block && bytes) {
        memcpy(block, from, bytes);
    }
    return block;
}

const char *reel__onnx_text(reel__onnx_graph *g, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *made = copy(g, text, strlen(text) + 1);
    return made ? made : "";
}

/* Adds a pointer to one of the graph's arrays; schema and arena speak of the same array. */
#define APPEND(array, count, capacity, pointer)                                                    \
    do {                                                                                           \
        void *grown = g->failed ? NULL                                                             \
                                : reel__arena_grow(g->tape, &g->arena, (array), (uint32_t)(count), \
                                                   &(capacity), sizeof *(array));                  \
        g->failed = grown == NULL;                                                                 \
        if (grown) {                                                                               \
            (array) = grown;                                                                       \
            (array)[(count)++] = (pointer);                                                        \
        }                                                                                          \
    } while (0)

/* ---- nodes ----------------------------------------------------------------------------------- */

static char **copy_names(reel__onnx_graph *g, int n, const char *const names[])
{
    char **all = take(g, (size_t)n * sizeof *all);
    for (int i = 0; all && i < n; i++) {
        all[i] = (char *)reel__onnx_text(g, "%s", names[i]);
    }
    return all;
}

void reel__onnx_node(reel__onnx_graph *g, const char *type, int inputs, const char *const x[],
                     int outputs, const char *const y[])
{
    Onnx__NodeProto *node = take(g, sizeof *node);
    if (node == NULL) {
        return;
    }
    onnx__node_proto__init(node);
    node->op_type = (char *)type;
    node->name = (char *)reel__onnx_text(g, "%s_%u", type, g->names++);
    node->input = copy_names(g, inputs, x);
    node->n_input = (size_t)inputs;
    node->output = copy_names(g, outputs, y);
    node->n_output = (size_t)outputs;
    APPEND(g->at.graph.node, g->at.graph.n_node, g->at.nodes, node);
    g->last = node;
    g->attributes = 0;
}

const char *reel__onnx_call(reel__onnx_graph *g, const char *type, int inputs,
                            const char *const x[])
{
    const char *name = reel__onnx_text(g, "%s_%u_out", type, g->names);
    reel__onnx_node(g, type, inputs, x, 1, &name);
    return name;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* NULL when the graph has failed. */
static Onnx__AttributeProto *add_attribute(reel__onnx_graph *g, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = take(g, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    onnx__attribute_proto__init(a);
    a->name = (char *)name;
    a->has_type = 1;
    a->type = type;
    APPEND(g->last->attribute, g->last->n_attribute, g->attributes, a);
    return g->failed ? NULL : a;
}

void reel__onnx_set_int(reel__onnx_graph *g, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = add_attribute(g, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a) {
        a->has_i = 1;
        a->i = value;
    }
}

void reel__onnx_set_real(reel__onnx_graph *g, const char *name, double value)
{
    Onnx__AttributeProto *a = add_attribute(g, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a) {
        a->has_f = 1;
        a->f = (float)value;
    }
}

void reel__onnx_set_ints(reel__onnx_graph *g, const char *name, int n, const int64_t values[])
{
    Onnx__AttributeProto *a = add_attribute(g, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    if (a) {
        a->ints = copy(g, values, (size_t)n * sizeof *values);
        a->n_ints = a->ints ? (size_t)n : 0;
    }
}

static ProtobufCBinaryData binary(reel__onnx_graph *g, const char *text)
{
    return (ProtobufCBinaryData){ strlen(text), copy(g, text, strlen(text)) };
}

void reel__onnx_set_text(reel__onnx_graph *g, const char *name, const char *text)
{
    Onnx__AttributeProto *a = add_attribute(g, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    if (a) {
        a->has_s = 1;
        a->s = binary(g, text);
    }
}

void reel__onnx_set_texts(reel__onnx_graph *g, const char *name, int n, const char *const texts[])
{
    Onnx__AttributeProto *a =
        add_attribute(g, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS);
    if (a && (a->strings = take(g, (size_t)n * sizeof *a->strings))) {
        for (int i = 0; i < n; i++) {
            a->strings[a->n_strings++] = binary(g, texts[i]);
        }
    }
}

void reel__onnx_set_graph(reel__onnx_graph *g, const char *name, Onnx__GraphProto *graph)
{
    Onnx__AttributeProto *a = add_attribute(g, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH);
    if (a) {
        a->g = graph;
    }
}

/* ---- bodies ---------------------------------------------------------------------------------- */

reel__onnx_scope_graph reel__onnx_begin_body(reel__onnx_graph *g, const char *name)
{
    reel__onnx_scope_graph outside = g->at;
    g->at = (reel__onnx_scope_graph){ 0 };
    onnx__graph_proto__init(&g->at.graph);
    g->at.graph.name = (char *)reel__onnx_text(g, "%s_%u", name, g->names++);
    return outside;
}

Onnx__GraphProto *reel__onnx_end_body(reel__onnx_graph *g, reel__onnx_scope_graph outside)
{
    Onnx__GraphProto *body = copy(g, &g->at.graph, sizeof g->at.graph);
    g->at = outside;
    return body;
}

/* ---- initialisers ---------------------------------------------------------------------------- */

static size_t bytes_of_type(int32_t type)
{
    return type == REEL__ONNX_INT64 || type == REEL__ONNX_DOUBLE ? 8
           : type == REEL__ONNX_BOOL                             ? 1
                                                                 : 4;
}

const char *reel__onnx_tensor(reel__onnx_graph *g, const char *name, int32_t type,
                              const reel_shape *shape, const void *data)
{
    Onnx__TensorProto *x = take(g, sizeof *x);
    if (x == NULL) {
        return "";
    }
    onnx__tensor_proto__init(x);
    x->name = (char *)reel__onnx_text(g, "%s", name);
    x->dims = copy(g, shape->dim, (size_t)shape->rank * sizeof *shape->dim);
    x->n_dims = (size_t)shape->rank;
    x->has_data_type = x->has_raw_data = 1;
    x->data_type = type;
    x->raw_data.len = (size_t)reel_shape_size(*shape) * bytes_of_type(type);
    x->raw_data.data = (void *)data;
    APPEND(g->at.graph.initializer, g->at.graph.n_initializer, g->at.initializers, x);
    return g->failed ? "" : x->name;
}

static const char *own_tensor(reel__onnx_graph *g, const char *prefix, int32_t type,
                              const reel_shape *shape, const void *data)
{
    void *kept = copy(g, data, (size_t)reel_shape_size(*shape) * bytes_of_type(type));
    const char *name = reel__onnx_text(g, "%s_%u", prefix, g->names++);
    return kept ? reel__onnx_tensor(g, name, type, shape, kept) : "";
}

const char *reel__onnx_ints(reel__onnx_graph *g, int n, const int64_t values[])
{
    return own_tensor(g, "ints", REEL__ONNX_INT64, &(reel_shape){ 1, { n } }, values);
}

const char *reel__onnx_int(reel__onnx_graph *g, int64_t value)
{
    return own_tensor(g, "int", REEL__ONNX_INT64, &(reel_shape){ 0 }, &value);
}

int32_t reel__onnx_real_type(const reel_tape *t)
{
    return t->options.dtype == REEL_F64 ? REEL__ONNX_DOUBLE : REEL__ONNX_FLOAT;
}

const char *reel__onnx_number(reel__onnx_graph *g, double value)
{
    float single = (float)value;
    bool wide = g->tape->options.dtype == REEL_F64;
    return own_tensor(g, "number", reel__onnx_real_type(g->tape), &(reel_shape){ 0 },
                      wide ? (const void *)&value : &single);
}

const char *reel__onnx_filled(reel__onnx_graph *g, const reel_shape *shape, double value)
{
    return reel__onnx_call(g, "Expand", 2,
                           (const char *[]){ reel__onnx_number(g, value),
                                             reel__onnx_ints(g, shape->rank, shape->dim) });
}

/* ---- inputs and outputs ---------------------------------------------------------------------- */

static Onnx__TensorShapeProto *make_shape(reel__onnx_graph *g, const reel_shape *shape)
{
    Onnx__TensorShapeProto *made = take(g, sizeof *made);
    Onnx__TensorShapeProto__Dimension *dim = take(g, REEL_MAX_RANK * sizeof *dim);
    Onnx__TensorShapeProto__Dimension **all = take(g, REEL_MAX_RANK * sizeof(void *));
    if (all == NULL) {
        return NULL;
    }
    onnx__tensor_shape_proto__init(made);
    made->dim = all;
    for (int i = 0; i < shape->rank; i++) {
        onnx__tensor_shape_proto__dimension__init(&dim[i]);
        dim[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dim[i].dim_value = shape->dim[i];
        if (shape->dim[i] < 0) {
            dim[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim[i].dim_param = (char *)(shape->dim[i] == REEL__ONNX_STEPS ? "steps" : "batch");
        }
        all[made->n_dim++] = &dim[i];
    }
    return made;
}

static Onnx__ValueInfoProto *make_value(reel__onnx_graph *g, const char *name, int32_t type,
                                        const reel_shape *shape)
{
    Onnx__ValueInfoProto *value = take(g, sizeof *value);
    Onnx__TypeProto *of = take(g, sizeof *of);
    Onnx__TypeProto__Tensor *tensor = take(g, sizeof *tensor);
    if (tensor == NULL) {
        return NULL;
    }
    onnx__value_info_proto__init(value);
    onnx__type_proto__init(of);
    onnx__type_proto__tensor__init(tensor);
    value->name = (char *)reel__onnx_text(g, "%s", name);
    value->type = of;
    of->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    of->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = type;
    tensor->shape = make_shape(g, shape);
    return value;
}

void reel__onnx_input(reel__onnx_graph *g, const char *name, int32_t type, const reel_shape *shape)
{
    Onnx__ValueInfoProto *value = make_value(g, name, type, shape);
    APPEND(g->at.graph.input, g->at.graph.n_input, g->at.inputs, value);
}

void reel__onnx_output(reel__onnx_graph *g, const char *name, int32_t type, const reel_shape *shape)
{
    Onnx__ValueInfoProto *value = make_value(g, name, type, shape);
    APPEND(g->at.graph.output, g->at.graph.n_output, g->at.outputs, value);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* What the packer hands over in small pieces goes to the file in larger ones. */
typedef struct {
    ProtobufCBuffer base;
    reel__replacement *file;
    bool failed;
    size_t used;
    uint8_t bytes[1 << 14];
} file_buffer;

static void flush(file_buffer *b)
{
    b->failed = b->failed || !reel__replace_write(b->file, b->bytes, b->used);
    b->used = 0;
}

static void append_to_file(ProtobufCBuffer *base, size_t n, const uint8_t *bytes)
{
    file_buffer *b = (file_buffer *)base;
    if (n > sizeof b->bytes - b->used) {
        flush(b);
    }
    if (n > sizeof b->bytes) {
        b->failed = b->failed || !reel__replace_write(b->file, bytes, n);
        return;
    }
    memcpy(b->bytes + b->used, bytes, n);
    b->used += n;
}

/* The file takes the place of another one when it is complete. */
static reel_status write_model(reel_tape *t, const char *who, const char *path,
                               const Onnx__ModelProto *model)
{
    reel__failure failure = { 0 };
    reel__replacement file;
    file_buffer buffer = { .base = { .append = append_to_file }, .file = &file };
    if (reel__replace_begin(&file, path, reel__allocator_or_malloc(t->options.allocator),
                            &failure)) {
        onnx__model_proto__pack_to_buffer(model, &buffer.base);
        flush(&buffer);
        if (buffer.failed) {
            reel__replace_abandon(&file);
        } else {
            reel__replace_end(&file, 1);
        }
    }
    if (failure.status != REEL_OK) {
        reel_fail(t, failure.status, who, "%s: %s", path, failure.text);
    }
    return failure.status;
}

reel_status reel__onnx_write(reel__onnx_graph *g, const char *who, const char *path)
{
    if (g->failed) {
        return REEL_OUT_OF_MEMORY;
    }
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT;
    Onnx__OperatorSetIdProto *opsets[] = { &opset };
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    opset.domain = (char *)"";
    opset.has_version = model.has_ir_version = 1;
    opset.version = REEL__ONNX_OPSET;
    model.ir_version = REEL__ONNX_IR;
    model.producer_name = (char *)"reel";
    model.opset_import = opsets;
    model.n_opset_import = 1;
    model.graph = &g->at.graph;
    if (onnx__model_proto__get_packed_size(&model) > INT32_MAX) {
        reel_fail(g->tape, REEL_BAD_ARGUMENT, who, "the model exceeds the 2 GiB of an ONNX file");
        return REEL_BAD_ARGUMENT;
    }
    return write_model(g->tape, who, path, &model);
}
#else
typedef int reel__no_onnx_graph; /* a translation unit is never empty */
#endif
