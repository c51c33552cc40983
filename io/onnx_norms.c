/* onnx_norms.c: ONNX's normalisations. Channels are the second axis there. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "../layers/transforms.h"
#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;

static const reel_var none = { 0 };

/* [channels] → [channels, 1, …], to stand beside x [batch, channels, …]. */
static reel_var beside(reel_var v, int rank)
{
    reel_shape shape = { .rank = rank - 1 };
    shape.dim[0] = reel_shape_size(reel_shape_of(v));
    for (int i = 1; i < shape.rank; i++) {
        shape.dim[i] = 1;
    }
    return reel_reshape(v, shape);
}

static reel_var scaled(run *c, reel_var x, int rank)
{
    reel_var scale = beside(reel__onnx_var(c, 1), rank), bias = beside(reel__onnx_var(c, 2), rank);
    return reel_add(reel_mul(x, scale), bias);
}

/* Of each channel by the numbers kept from training. */
bool reel__onnx_batch_normalization(run *c)
{
    reel_var x = reel__onnx_var(c, 0);
    int rank = reel_shape_of(x).rank;
    if (rank < 2 || reel__onnx_get_int(c, "training_mode", 0) || c->outputs > 1) {
        return reel__onnx_refuse(c, "while training, or without channels");
    }
    double epsilon = reel__onnx_get_real(c, "epsilon", 1e-5);
    reel_var mean = beside(reel__onnx_var(c, 3), rank);
    reel_var variance = beside(reel__onnx_var(c, 4), rank);
    reel_var unit = reel_mul(reel_sub(x, mean), reel_rsqrt(reel_shift(variance, epsilon)));
    return reel__onnx_put(c, 0, scaled(c, unit, rank));
}

/* Mean 0 and variance 1 over all axes from `axis` on. */
static reel_var normalised(reel_var x, int axis, double epsilon, bool centred)
{
    reel_shape shape = reel_shape_of(x), rows = { .rank = axis + 1 };
    memcpy(rows.dim, shape.dim, (size_t)axis * sizeof *rows.dim);
    rows.dim[axis] = 1;
    for (int i = axis; i < shape.rank; i++) {
        rows.dim[axis] *= shape.dim[i];
    }
    reel_var flat = reel_reshape(x, rows);
    flat =
        centred ? reel_layer_norm(flat, none, none, epsilon) : reel_rms_norm(flat, none, epsilon);
    return reel_reshape(flat, shape);
}

/* The same for RMSNormalization, which leaves the mean where it is. */
bool reel__onnx_layer_normalization(run *c)
{
    bool centred = c->node->op_type[0] == 'L';
    reel_var x = reel__onnx_var(c, 0);
    int rank = reel_shape_of(x).rank;
    int64_t axis = reel__onnx_get_int(c, "axis", -1);
    axis = axis < 0 ? axis + rank : axis;
    if (axis < 0 || axis >= rank || c->outputs > 1) {
        return reel__onnx_refuse(c, "axis out of range, or mean and variance asked for");
    }
    reel_var y = normalised(x, (int)axis, reel__onnx_get_real(c, "epsilon", 1e-5), centred);
    y = reel_mul(y, reel__onnx_var(c, 1));
    return reel__onnx_put(c, 0, reel__onnx_has(c, 2) ? reel_add(y, reel__onnx_var(c, 2)) : y);
}

bool reel__onnx_instance_normalization(run *c)
{
    reel_var x = reel__onnx_var(c, 0);
    int rank = reel_shape_of(x).rank;
    if (rank < 3) {
        return reel__onnx_refuse(c, "without an axis behind the channels");
    }
    reel_var y = normalised(x, 2, reel__onnx_get_real(c, "epsilon", 1e-5), true);
    return reel__onnx_put(c, 0, scaled(c, y, rank));
}

/* Scale and bias: one for each channel, before operator set 21 for each group. */
static reel_var each_channel(reel_var v, int64_t channels)
{
    int64_t n = reel_shape_size(reel_shape_of(v));
    if (n == channels || n < 1) {
        return v;
    }
    return reel_reshape(reel_expand(reel_unsqueeze(v, 1), REEL_SHAPE(n, channels / n)),
                        REEL_SHAPE(channels));
}

bool reel__onnx_group_normalization(run *c)
{
    reel_var x = reel__onnx_var(c, 0);
    reel_shape shape = reel_shape_of(x);
    int64_t groups = reel__onnx_get_int(c, "num_groups", 0);
    if (shape.rank < 2 || groups < 1 || shape.dim[1] % groups) {
        return reel__onnx_refuse(c, "channels that are no multiple of the groups");
    }
    reel_var parts = reel_reshape(x, REEL_SHAPE(shape.dim[0], groups, -1));
    parts = normalised(parts, 2, reel__onnx_get_real(c, "epsilon", 1e-5), true);
    reel_var scale = each_channel(reel__onnx_var(c, 1), shape.dim[1]);
    reel_var bias = each_channel(reel__onnx_var(c, 2), shape.dim[1]);
    reel_var y = reel_mul(reel_reshape(parts, shape), beside(scale, shape.rank));
    return reel__onnx_put(c, 0, reel_add(y, beside(bias, shape.rank)));
}
#else
typedef int reel__no_onnx_norms; /* a translation unit is never empty */
#endif
