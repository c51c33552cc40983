#!/usr/bin/env python3
"""Writes tests/golden/onnx_operators.txt: operators and types of numbers one by one, as exporters use them,
with what ONNX Runtime makes of them; and forms that reel refuses, with the words of the error.
support/onnx_golden.h has the format.
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.append(str(pathlib.Path(__file__).parents[2] / "bench"))
import onnx_check  # noqa: E402

out = open(pathlib.Path(__file__).with_suffix(".txt"), "w")
print(f"# onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}", file=out)
random = np.random.default_rng(5)
T = TensorProto


def write_tensor(word, name, array):
    array = np.asarray(array)
    kind = "i" if array.dtype.kind in "iu" else "f"
    print(word, name, kind, array.ndim, *array.shape, *(f"{float(v):.9g}" for v in array.ravel()), file=out)


def model_of(nodes, given, constants, outputs, opset):
    """outputs: {name: (type, shape)}"""
    ports = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in given.items()]
    made = [helper.make_tensor_value_info(k, *what) for k, what in outputs.items()]
    tensors = [v if isinstance(v, TensorProto) else numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes if isinstance(nodes, list) else [nodes], "g", ports, made, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def run(model, given):
    return onnxruntime.InferenceSession(model.SerializeToString(), onnx_check.quiet(), providers=["CPUExecutionProvider"]).run(None, given)


def case(name, nodes, given, constants={}, opset=20):
    y = run(model_of(nodes, given, constants, {"y": (T.FLOAT, None)}, opset), given)[0]
    model = model_of(nodes, given, constants, {"y": (T.FLOAT, y.shape)}, opset)
    onnx.checker.check_model(model, full_check=True)
    print("case", name, file=out)
    print("model", model.SerializeToString().hex(), file=out)
    for key, array in given.items():
        write_tensor("in", key, array)
    write_tensor("out", "y", y)


def refused(name, words, nodes, given, constants={}, opset=20):
    model = model_of(nodes, given, constants, {"y": (T.FLOAT, [])}, opset)
    print("case", name, file=out)
    print("model", model.SerializeToString().hex(), file=out)
    for key, array in given.items():
        write_tensor("in", key, array)
    print("refuses", words, file=out)


def normal(*shape):
    return random.normal(0, 1, shape).astype(np.float32)


def node(kind, inputs, outputs=("y",), **attributes):
    return helper.make_node(kind, inputs, outputs, name="it", **attributes)


def ints(*values):
    return np.array(values, np.int64)


# ---- how numbers are stored ----------------------------------------------------------------------

NUMBERS = [0, 1, -2, 3, 100, -7]
REAL = {"f16": T.FLOAT16, "bf16": T.BFLOAT16, "f32": T.FLOAT, "f64": T.DOUBLE}
WHOLE = {"i8": T.INT8, "i16": T.INT16, "i32": T.INT32, "i64": T.INT64, "u8": T.UINT8, "u16": T.UINT16, "u32": T.UINT32, "bool": T.BOOL}
for label, kind in {**REAL, **WHOLE}.items():
    values = [abs(v) for v in NUMBERS] if label[0] == "u" else [v != 0 for v in NUMBERS] if label == "bool" else NUMBERS
    values = [v / 4 for v in values] if label in REAL else values
    if kind == T.BFLOAT16:
        bits = [np.float32(v).view(np.uint32) >> 16 for v in values]
        stored = {"raw": np.array(bits, np.uint16).tobytes(), "typed": [int(b) for b in bits]}
    else:
        array = np.array(values, helper.tensor_dtype_to_np_dtype(kind))
        stored = {"raw": array.tobytes(), "typed": [int(b) for b in array.view(np.uint16)] if label == "f16" else [int(v) if label in WHOLE else v for v in array.tolist()]}
    field = {"f32": "float_data", "f64": "double_data", "i64": "int64_data", "u32": "uint64_data"}.get(label, "int32_data")
    for way, data in stored.items():
        tensor = TensorProto(name="w", data_type=kind, dims=[2, 3])
        if way == "raw":
            tensor.raw_data = data
        else:
            getattr(tensor, field).extend(data)
        nodes = [helper.make_node("Cast", ["w"], ["v"], to=T.FLOAT), helper.make_node("Mul", ["x", "v"], ["y"])]
        case(f"stored_{label}_{way}", nodes, {"x": normal(2, 3)}, {"w": tensor})

# ---- whole numbers and truths --------------------------------------------------------------------

x = normal(2, 3, 4)
for kind in ("Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Pow"):
    nodes = [node(kind, ["a", "b"], ["c"]), helper.make_node("Cast", ["c"], ["d"], to=T.FLOAT), helper.make_node("Mul", ["x", "d"], ["y"])]
    case(f"whole_{kind}", nodes, {"x": x}, {"a": ints(5, 7, 9, 2).reshape(1, 4), "b": ints(2, 3, 1).reshape(3, 1)})
case("whole_mod_negative", [node("Mod", ["a", "b"], ["c"]), helper.make_node("Cast", ["c"], ["y"], to=T.FLOAT)], {"x": x[:1, 0, 0]}, {"a": ints(-5, 5, -6), "b": ints(3, -3, 3)})
for kind in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"):
    nodes = [node(kind, ["i", "b"], ["c"]), helper.make_node("Where", ["c", "x", "z"], ["y"])]
    case(f"indices_{kind}", nodes, {"x": normal(3), "i": np.array([0, 2, 4], np.int32)}, {"b": np.array(2, np.int32), "z": np.float32(0)})
for kind in ("And", "Or", "Xor"):
    nodes = [helper.make_node("Cast", ["m"], ["t"], to=T.BOOL), node(kind, ["t", "k"], ["c"]), helper.make_node("Not", ["c"], ["n"]), helper.make_node("Where", ["n", "x", "z"], ["y"])]
    case(f"truth_{kind}", nodes, {"x": normal(4), "m": np.array([0, 1, 0, 1], np.float32)}, {"k": np.array([True, True, False, False]), "z": np.float32(9)})
case("range_of_a_length", [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "one"], ["n"]), node("Range", ["zero", "n", "one"], ["r"]), helper.make_node("Cast", ["r"], ["f"], to=T.FLOAT), helper.make_node("Add", ["x", "f"], ["y"])], {"x": normal(2, 5)}, {"zero": ints(0)[0], "one": ints(1)[0]})
case("range_of_numbers", [node("Range", ["a", "b", "c"])], {"x": normal(1)}, {"a": np.float32(2), "b": np.float32(-1), "c": np.float32(-0.75)})
case("size", [node("Size", ["x"], ["n"]), helper.make_node("Cast", ["n"], ["f"], to=T.FLOAT), helper.make_node("Div", ["x", "f"], ["y"])], {"x": x})
for kind in ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"):
    case(f"whole_{kind}", [node(kind, ["a", "axes"], ["c"], keepdims=0), helper.make_node("Cast", ["c"], ["y"], to=T.FLOAT)], {"x": normal(1)}, {"a": ints(1, 2, 3, 4, 5, 6).reshape(2, 3), "axes": ints(1)})
case("whole_where_and_expand", [helper.make_node("Equal", ["a", "b"], ["c"]), helper.make_node("Where", ["c", "d", "a"], ["s"]), helper.make_node("Expand", ["x", "s"], ["y"])], {"x": normal(1, 3)}, {"a": ints(-1, 3), "b": ints(-1, -1), "d": ints(4, 4)})
case("cast_truncates", [node("Cast", ["x"], ["i"], to=T.INT64), helper.make_node("Cast", ["i"], ["y"], to=T.FLOAT)], {"x": np.array([-1.7, 0.4, 2.9], np.float32)})
case("cast_like", [node("CastLike", ["i", "x"], ["f"]), helper.make_node("Add", ["f", "x"], ["y"])], {"x": normal(3)}, {"i": ints(1, 2, 3)})
case("concat_of_whole_matrices", [node("Concat", ["a", "b"], ["c"], axis=1), helper.make_node("Gather", ["x", "c"], ["y"])], {"x": normal(5)}, {"a": ints(0, 1, 2, 3).reshape(2, 2), "b": ints(4, 4).reshape(2, 1)})
case("gather_of_indices", [node("Gather", ["i", "k"], ["j"], axis=1), helper.make_node("Gather", ["x", "j"], ["y"])], {"x": normal(5), "i": np.array([[0, 1, 2], [3, 4, 0]], np.int32)}, {"k": ints(2, 0)})

# ---- slices, repetition, triangles, places -------------------------------------------------------

for label, (start, end, step) in {"every_other": (0, 9, 2), "third_from_the_end": (-1, -100, -3), "empty": (3, 1, 1), "back": (2, 0, -1)}.items():
    case(f"slice_{label}", node("Slice", ["x", "s", "e", "a", "t"]), {"x": x}, {"s": ints(start), "e": ints(end), "a": ints(2), "t": ints(step)})
case("slice_of_a_whole_matrix", [node("Slice", ["w", "s", "e", "a", "t"], ["i"]), helper.make_node("Gather", ["x", "i"], ["y"])], {"x": normal(7)}, {"w": ints(0, 1, 2, 3, 4, 5).reshape(2, 3), "s": ints(0, -1), "e": ints(2, -9), "a": ints(0, 1), "t": ints(1, -2)})
case("tile", node("Tile", ["x", "n"]), {"x": normal(2, 3)}, {"n": ints(2, 3)})
case("trilu_upper", node("Trilu", ["x", "k"]), {"x": x}, {"k": ints(1)[0]})
case("trilu_lower", node("Trilu", ["x"], upper=0), {"x": x})
case("trilu_of_truths", [node("Trilu", ["m"], ["t"], upper=0), helper.make_node("Where", ["t", "x", "z"], ["y"])], {"x": normal(3, 3)}, {"m": np.ones((3, 3), bool), "z": np.float32(-1)})
case("gather_elements", node("GatherElements", ["x", "i"], axis=1), {"x": x}, {"i": ints(0, 2, -1, 1).reshape(2, 1, 2).repeat(2, 2)})
case("gather_elements_of_the_last_axis", node("GatherElements", ["x", "i"], axis=-1), {"x": normal(2, 4)}, {"i": ints(3, -4).reshape(2, 1)})
case("gather_nd", node("GatherND", ["x", "i"]), {"x": x}, {"i": ints(0, 1, 1, -1, 0, 0).reshape(3, 2)})
case("scatter_nd", node("ScatterND", ["x", "i", "u"]), {"x": x, "u": normal(2, 4)}, {"i": ints(0, 1, 1, -1).reshape(2, 2)})
case("scatter_nd_add", node("ScatterND", ["x", "i", "u"], reduction="add"), {"x": x, "u": normal(3, 4)}, {"i": ints(0, 1, 1, -1, 0, 1).reshape(3, 2)})
case("scatter_elements", node("ScatterElements", ["x", "i", "u"], axis=1), {"x": x, "u": normal(2, 1, 4)}, {"i": ints(0, 1, 2, 0, -1, 1, 0, 2).reshape(2, 1, 4)})
case("einsum_matmul", node("Einsum", ["a", "b"], equation="bij, bjk -> bik"), {"a": normal(2, 3, 4), "b": normal(2, 4, 5)})
case("einsum_orders", node("Einsum", ["a", "b"], equation="qwe,rew->qr"), {"a": normal(2, 3, 4), "b": normal(5, 4, 3)})
case("einsum_outer_and_sums", node("Einsum", ["a", "b"], equation="ab,cd->da"), {"a": normal(2, 3), "b": normal(4, 5)})
case("einsum_of_one", node("Einsum", ["a"], equation="abc->cb"), {"a": normal(2, 3, 4)})

# ---- normalisation, convolution, activations -----------------------------------------------------

case("batch_normalization", node("BatchNormalization", ["x", "s", "b", "m", "v"], epsilon=0.01), {"x": x}, {"s": normal(3), "b": normal(3), "m": normal(3), "v": normal(3) ** 2})
case("instance_normalization", node("InstanceNormalization", ["x", "s", "b"]), {"x": x}, {"s": normal(3), "b": normal(3)})
case("group_normalization", node("GroupNormalization", ["x", "s", "b"], num_groups=2), {"x": normal(2, 4, 3)}, {"s": normal(4), "b": normal(4)}, opset=21)
case("layer_normalization_of_two_axes", node("LayerNormalization", ["x", "s", "b"], axis=1), {"x": x}, {"s": normal(3, 4), "b": normal(3, 4)})
case("rms_normalization", node("RMSNormalization", ["x", "s"]), {"x": x}, {"s": normal(4)}, opset=23)
case("conv", node("Conv", ["x", "w", "b"], strides=[2], pads=[1, 2], dilations=[2]), {"x": normal(2, 3, 9)}, {"w": normal(4, 3, 3), "b": normal(4)})
case("conv_in_groups", node("Conv", ["x", "w"], group=2), {"x": normal(1, 4, 6)}, {"w": normal(6, 2, 2)})
case("max_pool", node("MaxPool", ["x"], kernel_shape=[3], strides=[2], pads=[1, 1]), {"x": normal(2, 3, 7)})
case("average_pool", node("AveragePool", ["x"], kernel_shape=[3], strides=[2], pads=[1, 1]), {"x": normal(2, 3, 7)})
case("average_pool_with_padding", node("AveragePool", ["x"], kernel_shape=[2], pads=[1, 0], count_include_pad=1), {"x": normal(2, 3, 5)})
case("global_average_pool", node("GlobalAveragePool", ["x"]), {"x": x})
case("global_max_pool", node("GlobalMaxPool", ["x"]), {"x": x})
wide = np.linspace(-4, 4, 17, dtype=np.float32)
for kind, attributes in {"Celu": {"alpha": 0.7}, "Gelu": {"approximate": "tanh"}, "HardSwish": {}, "Mish": {}, "Selu": {}, "Shrink": {"bias": 0.3, "lambd": 1.2}, "ThresholdedRelu": {"alpha": 0.8}, "Round": {}, "Softsign": {}, "HardSigmoid": {"alpha": 0.3}}.items():
    case(f"activation_{kind}", node(kind, ["x"], **attributes), {"x": wide})
case("prelu", node("PRelu", ["x", "s"]), {"x": x}, {"s": normal(3, 1)})
case("mod_of_numbers", node("Mod", ["x", "b"], fmod=1), {"x": wide}, {"b": np.float32(1.5)})
case("reduce_l1", node("ReduceL1", ["x", "a"], keepdims=0), {"x": x}, {"a": ints(1)})

# ---- bodies and sequences ------------------------------------------------------------------------

for label, value in (("then", True), ("else", False)):
    branches = {f"{b}_branch": helper.make_graph([helper.make_node(kind, ["x"], [f"{b}_y"])], b, [], [helper.make_tensor_value_info(f"{b}_y", T.FLOAT, [3])]) for b, kind in (("then", "Tanh"), ("else", "Exp"))}
    case(f"if_{label}", node("If", ["c"], **branches), {"x": normal(3)}, {"c": np.array(value)})
case("split_to_sequence", [helper.make_node("SplitToSequence", ["x"], ["q"], axis=1, keepdims=0), node("SequenceAt", ["q", "i"], ["a"]), helper.make_node("SequenceLength", ["q"], ["n"]), helper.make_node("Cast", ["n"], ["f"], to=T.FLOAT), helper.make_node("Mul", ["a", "f"], ["y"])], {"x": x}, {"i": ints(-1)[0]})
case("split_to_parts", [helper.make_node("SplitToSequence", ["x", "n"], ["q"], axis=2), helper.make_node("SequenceAt", ["q", "i"], ["y"])], {"x": x}, {"n": ints(1, 3), "i": ints(1)[0]})
case("sequence_put_together", [helper.make_node("SequenceConstruct", ["a", "b"], ["q"]), helper.make_node("SequenceInsert", ["q", "a", "i"], ["r"]), helper.make_node("ConcatFromSequence", ["r"], ["y"], axis=0, new_axis=1)], {"a": normal(3), "b": normal(3)}, {"i": ints(1)[0]})

# ---- what is refused in running ------------------------------------------------------------------

refused("slice_by_nothing", 'Slice "it": a step of 0', node("Slice", ["x", "s", "e", "a", "t"]), {"x": x}, {"s": ints(0), "e": ints(2), "a": ints(0), "t": ints(0)})
refused("gather_outside", "out of range", node("Gather", ["x", "i"]), {"x": x}, {"i": ints(2)[0]})
refused("gather_elements_outside", 'GatherElements "it": index 3 of 3', node("GatherElements", ["x", "i"], axis=1), {"x": x}, {"i": ints(3).reshape(1, 1, 1)})
refused("gather_nd_outside", "index 9 of 2", node("GatherND", ["x", "i"]), {"x": x}, {"i": ints(9).reshape(1, 1)})
refused("scatter_twice", "two values for one place", node("ScatterND", ["x", "i", "u"]), {"x": x, "u": normal(2, 3, 4)}, {"i": ints(0, 0).reshape(2, 1)})
refused("scatter_max", "other than putting or adding", node("ScatterND", ["x", "i", "u"], reduction="max"), {"x": x, "u": normal(1, 3, 4)}, {"i": ints(0).reshape(1, 1)})
refused("einsum_of_a_diagonal", "more than labels, each once", node("Einsum", ["x"], equation="iij->j"), {"x": x})
refused("einsum_of_other_ranks", "for other ranks", node("Einsum", ["x"], equation="ij->j"), {"x": x})
refused("einsum_of_other_lengths", "one label for different lengths", node("Einsum", ["x", "x"], equation="abc,cde->ae"), {"x": x})
refused("einsum_made_up", "a label of the output alone", node("Einsum", ["x"], equation="abc->d"), {"x": x})
refused("einsum_without_an_arrow", "without", node("Einsum", ["x"], equation="abc"), {"x": x})
refused("conv_of_pictures", "over other than one axis", node("Conv", ["x", "w"]), {"x": normal(1, 2, 3, 3)}, {"w": normal(2, 2, 3, 3)})
refused("conv_of_other_channels", "channels that do not fit", node("Conv", ["x", "w"]), {"x": x}, {"w": normal(2, 2, 1)})
refused("conv_too_wide", "a window that fits nowhere", node("Conv", ["x", "w"]), {"x": x}, {"w": normal(2, 3, 9)})
refused("pool_of_nothing", "without a kernel", node("MaxPool", ["x"], kernel_shape=[0]), {"x": x})
refused("batch_normalization_in_training", "while training", node("BatchNormalization", ["x", "s", "s", "s", "s"], training_mode=1), {"x": x}, {"s": normal(3)})
refused("group_normalization_of_five", "no multiple of the groups", node("GroupNormalization", ["x", "s", "s"], num_groups=2), {"x": x}, {"s": normal(3)})
refused("tile_of_other_axes", "repeats of other axes", node("Tile", ["x", "n"]), {"x": x}, {"n": ints(2)})
refused("range_without_end", "too many numbers", node("Range", ["a", "b", "c"]), {"x": x}, {"a": np.float32(0), "b": np.float32(1), "c": np.float32(0)})
refused("whole_that_do_not_broadcast", "do not broadcast", [node("Add", ["a", "b"], ["c"]), helper.make_node("Reshape", ["x", "c"], ["y"])], {"x": x}, {"a": ints(1, 2), "b": ints(1, 2, 3)})
refused("cast_to_text", "a cast to type 8", node("Cast", ["x"], to=T.STRING), {"x": x})
refused("sequence_index_outside", "an index out of range", [helper.make_node("SplitToSequence", ["x"], ["q"]), node("SequenceAt", ["q", "i"])], {"x": x}, {"i": ints(5)[0]})
refused("a_sequence_where_a_tensor_is_due", "input 0 is missing", [helper.make_node("SplitToSequence", ["x"], ["q"]), node("Tanh", ["q"])], {"x": x})
refused("cast_of_infinity", "inf is no whole number", [helper.make_node("Exp", ["x"], ["e"]), node("Cast", ["e"], to=T.INT64)], {"x": np.array([1e4], np.float32)})
