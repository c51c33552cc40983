"""An exported f32 model evaluated in f64, to tell an error from digits that no f32 program keeps."""
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

TRIALS = 10


def widen_tensor(tensor):
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def widen_graph(graph):
    for tensor in graph.initializer:
        widen_tensor(tensor)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                widen_tensor(attribute.t)
            if attribute.HasField("g"):
                widen_graph(attribute.g)
            if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE


def widened(path):
    """The same model in f64; its numbers stay those that f32 holds."""
    model = onnx.load(str(path))
    widen_graph(model.graph)
    return model


def evaluate(model, given):
    wide = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in given.items()}
    names = [o.name for o in model.graph.output]
    return dict(zip(names, ReferenceEvaluator(model).run(None, wide)))


def with_rounded_weights(model, random):
    """Each weight moved by up to half a unit in its last f32 digit, as storing it in f32 moves it."""
    moved = onnx.ModelProto()
    moved.CopyFrom(model)
    for tensor in moved.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype == np.float64 and weights.size > 1:
            factor = 1 + random.uniform(-1, 1, weights.shape) * 2.0**-24
            tensor.CopyFrom(numpy_helper.from_array(weights * factor, tensor.name))
    return moved


def explained_by_rounding(path, given, found, difference):
    """Whether `found` is as near to the exact outputs as f32 weights let anything be.

    The measure is how far the exact outputs move when every weight is rounded once more: what a
    program adds to that error by its own roundings is then less than what the file format adds.
    Returns (distance of found, distance by rounding)."""
    model, random = widened(path), np.random.default_rng(0)
    exact = evaluate(model, given)
    moved = [evaluate(with_rounded_weights(model, random), given) for _ in range(TRIALS)]
    off = max(difference(exact[k], found[k]) for k in found)
    return off, max(difference(exact[k], m[k]) for m in moved for k in found)
