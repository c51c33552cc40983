#!/usr/bin/env python3
"""Writes tests/golden/onnx_models.txt: small ONNX models made by the onnx package, what ONNX Runtime makes of
them, and damaged ones with the words that the error must hold.

    case NAME | model HEX | in NAME f|i RANK DIMS NUMBERS | out … | fails WORDS
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


def write_tensor(word, name, array):
    array = np.asarray(array)
    kind = "i" if array.dtype.kind == "i" else "f"
    print(word, name, kind, array.ndim, *array.shape, *(f"{float(v):.9g}" for v in array.ravel()), file=out)


def write_case(name, model, given):
    onnx.checker.check_model(model)
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), onnx_check.quiet(), providers=["CPUExecutionProvider"])
    print("case", name, file=out)
    print("model", model.SerializeToString().hex(), file=out)
    for key, array in given.items():
        write_tensor("in", key, array)
    for port, array in zip(runtime.get_outputs(), runtime.run(None, given)):
        write_tensor("out", port.name, array)


def write_fault(name, model, words):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    print("case", name, file=out)
    print("model", data.hex() or "00", file=out)
    print("fails", words, file=out)


def model_of(nodes, inputs, outputs, constants=(), opset=20):
    ports = [helper.make_tensor_value_info(k, TensorProto.FLOAT, shape) for k, shape in inputs.items()]
    made = [helper.make_tensor_value_info(k, TensorProto.FLOAT, [None] * rank) for k, rank in outputs.items()]
    graph = helper.make_graph(nodes, "g", ports, made, list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


# ---- models that run ---------------------------------------------------------------------------

for i in range(16):
    random = np.random.default_rng(i)
    nodes, given, constants, outputs = onnx_check.draw_recurrent(random, 20)
    write_case(f"{nodes[0].op_type.lower()}_{i}", onnx_check.build(nodes, given, constants, outputs, 20), given)
for i in range(16):
    random = np.random.default_rng(100 + i)
    nodes, given, constants, outputs = onnx_check.draw_chain(random, 20)
    write_case(f"chain_{i}", onnx_check.build(nodes, given, constants, outputs, 20), given)

body = helper.make_graph(
    [helper.make_node("Mul", ["h", "w"], ["decayed"]), helper.make_node("Add", ["decayed", "x"], ["next"]), helper.make_node("Tanh", ["next"], ["y"])],
    "body",
    [helper.make_tensor_value_info("h", TensorProto.FLOAT, [2]), helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
    [helper.make_tensor_value_info("next", TensorProto.FLOAT, [2]), helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
)
for name, reverse in (("scan_forward", 0), ("scan_backward", 1)):
    scan = helper.make_node("Scan", ["h0", "xs"], ["last", "ys"], body=body, num_scan_inputs=1, scan_input_directions=[reverse], scan_output_directions=[reverse])
    weight = numpy_helper.from_array(np.array([0.5, -0.9], np.float32), "w")
    model = model_of([scan], {"h0": [2], "xs": [4, 2]}, {"last": 1, "ys": 2}, [weight])
    random = np.random.default_rng(7)
    write_case(name, model, {"h0": random.normal(size=2).astype(np.float32), "xs": random.normal(size=(4, 2)).astype(np.float32)})

shapes = [
    helper.make_node("Shape", ["x"], ["s"]),
    helper.make_node("Gather", ["s", "zero"], ["rows"]),
    helper.make_node("Unsqueeze", ["rows", "axis"], ["rows1"]),
    helper.make_node("Concat", ["rows1", "rest"], ["to"], axis=0),
    helper.make_node("Reshape", ["x", "to"], ["y"]),
]
whole = [numpy_helper.from_array(np.array(v, np.int64), k) for k, v in {"zero": 0, "axis": [0], "rest": [-1]}.items()]
write_case("a_shape_computed_from_a_shape", model_of(shapes, {"x": [2, 3, 2]}, {"y": 2}, whole), {"x": np.arange(12, dtype=np.float32).reshape(2, 3, 2)})

# ---- models that are refused -------------------------------------------------------------------

tanh = helper.make_node("Tanh", ["x"], ["y"], name="squash")
good = model_of([tanh], {"x": [2]}, {"y": 1})
write_fault("nothing", b"", "no ONNX model")
write_fault("noise", bytes(range(256)), "no ONNX model")
write_fault("cut_short", good.SerializeToString()[:-9], "no ONNX model")
write_fault("unknown_operator", model_of([helper.make_node("Bernoulli", ["x"], ["y"], name="coin")], {"x": [2]}, {"y": 1}), 'the operator Bernoulli of node "coin" is unknown')
write_fault("unknown_domain", model_of([helper.make_node("Tanh", ["x"], ["y"], name="mine", domain="com.example")], {"x": [2]}, {"y": 1}), 'the operator com.example.Tanh of node "mine" is unknown')
write_fault("cycle", model_of([helper.make_node("Add", ["x", "b"], ["a"], name="first"), helper.make_node("Tanh", ["a"], ["b"], name="second")], {"x": [2]}, {"b": 1}), "depends on itself")
write_fault("missing_input", model_of([helper.make_node("Add", ["x", "gone"], ["y"], name="sum")], {"x": [2]}, {"y": 1}), 'Add "sum" reads "gone", which nothing produces')
write_fault("missing_output", model_of([tanh], {"x": [2]}, {"z": 1}), 'nothing produces the output "z"')
write_fault("name_used_twice", model_of([tanh, helper.make_node("Exp", ["x"], ["y"])], {"x": [2]}, {"y": 1}), '"y" is defined twice')
write_fault("old_operators", model_of([tanh], {"x": [2]}, {"y": 1}, opset=6), "operator set 6 is older than 7")


def with_tensor(**fields):
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT)
    for key, value in fields.items():
        if isinstance(value, list):
            getattr(tensor, key).extend(value)
        else:
            setattr(tensor, key, value)
    return model_of([helper.make_node("Mul", ["x", "w"], ["y"])], {"x": [2]}, {"y": 1}, [tensor])


def external(location, **more):
    model = with_tensor(dims=[2], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        model.graph.initializer[0].external_data.add(key=key, value=value)
    return model


write_fault("dimensions_overflow", with_tensor(dims=[2**40, 2**40], raw_data=b""), "w: dimensions out of range")
write_fault("negative_dimension", with_tensor(dims=[-2], raw_data=b""), "w: dimensions out of range")
write_fault("nine_axes", with_tensor(dims=[1] * 9, float_data=[1.0]), "w: more axes than reel has")
write_fault("too_few_numbers", with_tensor(dims=[3], raw_data=bytes(8)), "w: 2 numbers where its dimensions ask for 3")
write_fault("half_a_number", with_tensor(dims=[2], raw_data=bytes(9)), "w: 2 numbers where its dimensions ask for 2")
write_fault("huge_and_empty", with_tensor(dims=[2**40], raw_data=b""), "w: 0 numbers where its dimensions ask for 1099511627776")
write_fault("text", with_tensor(dims=[1], data_type=TensorProto.STRING, string_data=[b"a"]), "w: numbers of type 8")
for name, location in (("absolute_path", "/etc/passwd"), ("parent_folder", "../secret"), ("hidden_parent", "a/../../secret"), ("no_such_file", "weights.bin"), ("no_location", "")):
    write_fault(f"external_{name}", external(location), "are not in the model's folder")

nested = b""
for _ in range(2000):  # TypeProto.sequence_type.elem_type, over and over
    inner = b"\x0a" + bytes(onnx_check.varint(len(nested))) + nested
    nested = b"\x22" + bytes(onnx_check.varint(len(inner))) + inner
value = b"\x0a\x01x\x12" + bytes(onnx_check.varint(len(nested))) + nested
graph = b"\x5a" + bytes(onnx_check.varint(len(value))) + value
write_fault("nested_without_end", b"\x08\x09\x3a" + bytes(onnx_check.varint(len(graph))) + graph, "no ONNX model")
