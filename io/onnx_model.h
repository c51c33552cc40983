/* onnx_model.h: a loaded model and what its operators are given to run. Not installed. */
#ifndef REEL_ONNX_MODEL_H
#define REEL_ONNX_MODEL_H

#include "onnx.h"
#include "onnx_file.h"

/* What a name stands for while the model runs: a variable of the tape, whole numbers that shapes
 * and axes are made of and that the tape never sees, or several of such. */
typedef struct reel__onnx_value {
    enum { REEL__ONNX_ABSENT, REEL__ONNX_VAR, REEL__ONNX_WHOLE, REEL__ONNX_SEQUENCE } kind;
    bool truth; /* a variable of ones and zeros, boolean in ONNX */
    reel_var var;
    reel_shape shape; /* of WHOLE */
    const int64_t *whole;
    int64_t count; /* of SEQUENCE */
    const struct reel__onnx_value *items;
} reel__onnx_value;

/* A name of a graph. */
typedef struct reel__onnx_slot {
    const char *name; /* NULL: free */
    reel__onnx_value value;
    bool lasts;        /* an initialiser: known before the first node */
    uint32_t producer; /* the node it comes from, plus 1; 0: an input or initialiser */
    const Onnx__TensorProto *data;
} reel__onnx_slot;

/* A graph and the values its names stand for; a body looks up what it does not know outside. */
typedef struct reel__onnx_scope {
    struct reel__onnx_scope *outer, *next; /* `next`: all bodies of the model */
    const Onnx__GraphProto *graph;
    uint32_t *order; /* of the nodes, each behind what it reads */
    uint32_t slots;  /* a power of two; open addressing */
    reel__onnx_slot *slot;
} reel__onnx_scope;

struct reel_onnx {
    reel_tape *tape;
    reel__arena arena;   /* lives as long as the model */
    reel__arena running; /* for one run */
    const char *folder;
    int64_t opset;
    reel__onnx_scope main;
    reel__onnx_scope *bodies;
    const char **input, **output;
    int inputs, outputs;
};

/* One node being run. */
typedef struct {
    struct reel_onnx *model;
    reel__onnx_scope *scope;
    const Onnx__NodeProto *node;
    int inputs, outputs;
    const reel__onnx_value *x;
    reel__onnx_value *y;
    bool failed;
} reel__onnx_run;

/* True when reel has the operator. */
bool reel__onnx_knows(const Onnx__NodeProto *);
/* Records the node; false after an error. */
bool reel__onnx_run_node(reel__onnx_run *);
/* Runs a body's nodes, its inputs given by name. */
bool reel__onnx_run_scope(struct reel_onnx *, reel__onnx_scope *);
reel__onnx_value *reel__onnx_find(reel__onnx_scope *, const char *name);
void reel__onnx_set(reel__onnx_scope *, const char *name, reel__onnx_value);
reel__onnx_scope *reel__onnx_body(struct reel_onnx *, const Onnx__GraphProto *);

/* An error at the node: "onnx_run: MatMul \"node_3\": …". Returns false. */
bool reel__onnx_fail(reel__onnx_run *, reel_status, const char *format, ...) REEL_PRINTF(3, 4);

/* Attributes, or what is assumed without them. */
const Onnx__AttributeProto *reel__onnx_attribute(const Onnx__NodeProto *, const char *name);
int64_t reel__onnx_get_int(const reel__onnx_run *, const char *name, int64_t otherwise);
double reel__onnx_get_real(const reel__onnx_run *, const char *name, double otherwise);

/* Input i is there and no sequence; as a variable (whole numbers become floating ones, or
 * indices). */
bool reel__onnx_has(const reel__onnx_run *, int input);
reel_var reel__onnx_var(reel__onnx_run *, int input);
reel_var reel__onnx_index(reel__onnx_run *, int input);
reel__onnx_value reel__onnx_constant(struct reel_onnx *, const reel__onnx_data *);

#endif
