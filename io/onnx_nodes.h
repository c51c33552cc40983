/* onnx_nodes.h: the operators that have a file of their own, and how they give what they made. Not
 * installed. */
#ifndef REEL_ONNX_NODES_H
#define REEL_ONNX_NODES_H

#include "onnx_model.h"

/* onnx_run.c. False when v is poisoned. An output that the node does not have is dropped. */
bool reel__onnx_put(reel__onnx_run *, int output, reel_var v);
bool reel__onnx_put_whole(reel__onnx_run *, reel_shape, const int64_t *);
const int64_t *reel__onnx_list(reel__onnx_run *, int input, const char *attribute, int *n);
/* Fails with REEL_UNSUPPORTED; false. */
bool reel__onnx_refuse(reel__onnx_run *, const char *why);
/* Memory until the run is over; NULL, and the run has failed, where it is short. */
void *reel__onnx_room(reel__onnx_run *, size_t bytes);
reel_var reel__onnx_softsign(reel_var); /* onnx_nodes.c */

/* onnx_shapes.c */
bool reel__onnx_concat(reel__onnx_run *);
bool reel__onnx_constant_node(reel__onnx_run *);
bool reel__onnx_constant_of_shape(reel__onnx_run *);
bool reel__onnx_expand(reel__onnx_run *);
bool reel__onnx_flatten(reel__onnx_run *);
bool reel__onnx_pad(reel__onnx_run *);
bool reel__onnx_reshape(reel__onnx_run *);
bool reel__onnx_shape(reel__onnx_run *);
bool reel__onnx_slice(reel__onnx_run *);
bool reel__onnx_split(reel__onnx_run *);
bool reel__onnx_squeeze(reel__onnx_run *);
bool reel__onnx_transpose(reel__onnx_run *);
bool reel__onnx_unsqueeze(reel__onnx_run *);

/* onnx_reductions.c */
bool reel__onnx_argmax(reel__onnx_run *);
bool reel__onnx_cumsum(reel__onnx_run *);
bool reel__onnx_gather(reel__onnx_run *);
reel_var reel__onnx_gather_along(reel_var x, reel_var indices, int axis);
bool reel__onnx_gather_elements(reel__onnx_run *);
bool reel__onnx_one_hot(reel__onnx_run *);
bool reel__onnx_reduce(reel__onnx_run *);
bool reel__onnx_scatter(reel__onnx_run *);
bool reel__onnx_softmax(reel__onnx_run *);

/* onnx_recurrent.c, onnx_scan.c */
bool reel__onnx_recurrent(reel__onnx_run *);
bool reel__onnx_scan(reel__onnx_run *);

#endif
