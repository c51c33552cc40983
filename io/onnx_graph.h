/* onnx_graph.h: an ONNX graph while it is built. Not installed.
 *
 * Values are known by their names, as in the file. When memory is short the graph has failed, the
 * tape has the error, and all calls do nothing from then on.
 */
#ifndef REEL_ONNX_GRAPH_H
#define REEL_ONNX_GRAPH_H

#include "../graph/tape.h"
#include "onnx/onnx.pb-c.h"

/* Types as the file numbers them. */
enum {
    REEL__ONNX_FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    REEL__ONNX_INT32 = ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
    REEL__ONNX_INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
    REEL__ONNX_BOOL = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
    REEL__ONNX_DOUBLE = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE
};
enum { REEL__ONNX_OPSET = 20, REEL__ONNX_IR = 9 };
/* Lengths that the file leaves open, by name, in the shape of an input or output. */
enum { REEL__ONNX_STEPS = -1, REEL__ONNX_BATCH = -2 };

/* One graph: the model's, or a body's inside it. */
typedef struct {
    Onnx__GraphProto graph;
    uint32_t nodes, initializers, inputs, outputs; /* capacities */
} reel__onnx_scope_graph;

typedef struct {
    reel_tape *tape;
    reel__arena arena;
    reel__onnx_scope_graph at; /* what is built just now */
    Onnx__NodeProto *last;     /* takes the attributes */
    uint32_t attributes;       /* capacity */
    unsigned names;
    bool failed;
} reel__onnx_graph;

void reel__onnx_begin(reel__onnx_graph *, reel_tape *, const char *name);
void reel__onnx_end(reel__onnx_graph *);

const char *reel__onnx_text(reel__onnx_graph *, const char *format, ...) REEL_PRINTF(2, 3);

/* Appends a node and returns the name of its output, made from the type. An absent input is "". */
const char *reel__onnx_call(reel__onnx_graph *, const char *type, int inputs,
                            const char *const x[]);
/* The same with the outputs' names given. */
void reel__onnx_node(reel__onnx_graph *, const char *type, int inputs, const char *const x[],
                     int outputs, const char *const y[]);
/* Attributes of the node appended last. */
void reel__onnx_set_int(reel__onnx_graph *, const char *name, int64_t);
void reel__onnx_set_real(reel__onnx_graph *, const char *name, double);
void reel__onnx_set_ints(reel__onnx_graph *, const char *name, int n, const int64_t[]);
void reel__onnx_set_text(reel__onnx_graph *, const char *name, const char *);
void reel__onnx_set_texts(reel__onnx_graph *, const char *name, int n, const char *const[]);

void reel__onnx_set_graph(reel__onnx_graph *, const char *name, Onnx__GraphProto *);

/* From here on all goes into a body, which sees the names outside; until the end, which gives it
 * and goes on outside. NULL where memory is short. */
reel__onnx_scope_graph reel__onnx_begin_body(reel__onnx_graph *, const char *name);
Onnx__GraphProto *reel__onnx_end_body(reel__onnx_graph *, reel__onnx_scope_graph outside);

/* Initialisers. `data` must live until the graph is written. */
const char *reel__onnx_tensor(reel__onnx_graph *, const char *name, int32_t type,
                              const reel_shape *, const void *data);
const char *reel__onnx_ints(reel__onnx_graph *, int n, const int64_t[]); /* int64 [n] */
const char *reel__onnx_int(reel__onnx_graph *, int64_t);                 /* an int64 scalar */
const char *reel__onnx_number(reel__onnx_graph *, double); /* a scalar of the tape's type */
const char *reel__onnx_filled(reel__onnx_graph *, const reel_shape *, double);

void reel__onnx_input(reel__onnx_graph *, const char *name, int32_t type, const reel_shape *);
void reel__onnx_output(reel__onnx_graph *, const char *name, int32_t type, const reel_shape *);
int32_t reel__onnx_real_type(const reel_tape *);

/* Writes the model; REEL_FILE_ERROR with an error of `who` where that fails. */
reel_status reel__onnx_write(reel__onnx_graph *, const char *who, const char *path);

#endif
