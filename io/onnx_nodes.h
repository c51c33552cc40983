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

/* onnx_whole.c. An input of whole numbers, or an index tensor; either of them, or a variable, as
 * numbers, which reads the variable; as a variable that is an index tensor if it is whole. */
bool reel__onnx_is_whole(const reel__onnx_run *, int input);
bool reel__onnx_read_whole(reel__onnx_run *, int input, reel__onnx_value *);
reel_var reel__onnx_any(reel__onnx_run *, int input);
/* *done is false where an input is not whole, or whole numbers have no such operator. */
bool reel__onnx_whole_elements(reel__onnx_run *, bool *done);
bool reel__onnx_whole_where(reel__onnx_run *);
/* `type`: the operator that joins two numbers. */
bool reel__onnx_whole_reduce(reel__onnx_run *, const char *type, unsigned axes, bool keep);
bool reel__onnx_cast(reel__onnx_run *);
bool reel__onnx_cast_like(reel__onnx_run *);
bool reel__onnx_range(reel__onnx_run *);
bool reel__onnx_size(reel__onnx_run *);

/* onnx_activations.c */
bool reel__onnx_activation(reel__onnx_run *);
bool reel__onnx_knows_activation(const char *type);
reel_var reel__onnx_softsign(reel_var);

/* onnx_norms.c */
bool reel__onnx_batch_normalization(reel__onnx_run *);
bool reel__onnx_group_normalization(reel__onnx_run *);
bool reel__onnx_instance_normalization(reel__onnx_run *);
bool reel__onnx_layer_normalization(reel__onnx_run *);

/* onnx_windows.c */
bool reel__onnx_conv(reel__onnx_run *);
bool reel__onnx_pool(reel__onnx_run *);
bool reel__onnx_global_pool(reel__onnx_run *);

/* onnx_einsum.c, onnx_select.c */
bool reel__onnx_einsum(reel__onnx_run *);
bool reel__onnx_if(reel__onnx_run *);
bool reel__onnx_tile(reel__onnx_run *);
bool reel__onnx_trilu(reel__onnx_run *);
bool reel__onnx_gather_nd(reel__onnx_run *);
bool reel__onnx_gather_places(reel__onnx_run *);
bool reel__onnx_scatter_nd(reel__onnx_run *);
bool reel__onnx_scatter_elements(reel__onnx_run *);

/* onnx_sequence.c */
bool reel__onnx_concat_from_sequence(reel__onnx_run *);
bool reel__onnx_sequence_at(reel__onnx_run *);
bool reel__onnx_sequence_construct(reel__onnx_run *);
bool reel__onnx_sequence_insert(reel__onnx_run *);
bool reel__onnx_sequence_length(reel__onnx_run *);
bool reel__onnx_split_to_sequence(reel__onnx_run *);

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
