/* onnx_operators.h: what each op is in ONNX. Not installed. */
#ifndef REEL_ONNX_OPERATORS_H
#define REEL_ONNX_OPERATORS_H

#include "listing.h"
#include "onnx_graph.h"

typedef struct {
    reel__onnx_graph *g;
    const reel__listing *list;
    const reel__listed *y; /* the call to be written */
    const char *const *x;  /* the names of its inputs */
    const char *type;      /* of the table's row */
} reel__onnx_op_call;

/* Appends the nodes that compute the call and returns the name of the result; NULL when the op has
 * no form in ONNX. */
const char *reel__onnx_op(reel__onnx_graph *, const reel__listing *, const reel__listed *y,
                          const char *const x[]);

#endif
