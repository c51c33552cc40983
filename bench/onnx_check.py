#!/usr/bin/env python3
"""Compares reel with ONNX Runtime, model by model, in both directions.

    bench/onnx_check.py build/release/tests/tools/onnx_models [--count 120] [--seed 1]

samples: every sample of every op exported; models: networks drawn at random with loss and gradients,
exported; imported: models drawn here, run by reel. Every file passes onnx.checker first. It prints the
largest difference of each kind, relative to
the tensor's largest number or 1, and every case beyond 1e-5.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5


def read_tensors(text):
    """{name: array} out of lines of name, f or i, rank, dimensions, numbers."""
    tensors = {}
    for line in text.splitlines():
        name, kind, rank, *rest = line.split()
        shape = [int(d) for d in rest[: int(rank)]]
        dtype = np.int32 if kind == "i" else np.float32
        tensors[name] = np.array(rest[int(rank) :], dtype=np.float64).astype(dtype).reshape(shape)
    return tensors


def quiet():
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return options


def session(path):
    return onnxruntime.InferenceSession(str(path), quiet(), providers=["CPUExecutionProvider"])


def difference(expected, found):
    """The largest, relative to the tensor's largest or 1; what is not finite must be the same."""
    if expected.shape != found.shape:
        return np.inf
    if expected.size == 0:
        return 0.0
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(expected)
    same = np.array_equal(expected[~finite], found[~finite], equal_nan=True)
    if not same or not np.isfinite(found[finite]).all():
        return np.inf
    with np.errstate(invalid='ignore'):
        scale = max(1.0, float(np.max(np.abs(expected[finite]), initial=0.0)))
    return float(np.max(np.abs(expected[finite] - found[finite]), initial=0.0)) / scale


def check_exported(folder, name):
    path = folder / f"{name}.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    expected = read_tensors((folder / f"{name}.out").read_text())
    runtime = session(path)
    wanted = {i.name for i in runtime.get_inputs()}
    given = {k: v for k, v in read_tensors((folder / f"{name}.in").read_text()).items() if k in wanted}
    found = dict(zip([o.name for o in runtime.get_outputs()], runtime.run(None, given)))
    return max(difference(expected[k], found[k]) for k in expected)


def run_reel(tool, path):
    done = subprocess.run([tool, "run", str(path)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}")
    return read_tensors(done.stdout)


def check_reimported(tool, folder, name):
    expected = read_tensors((folder / f"{name}.out").read_text())
    found = run_reel(tool, folder / f"{name}.onnx")
    return max(difference(expected[k], found[k]) for k in expected)


def varint(n):
    """n as protobuf writes lengths."""
    while n > 127:
        yield n & 127 | 128
        n >>= 7
    yield n


# ---- models drawn here -------------------------------------------------------------------------


def write_tensors(path, tensors):
    with open(path, "w") as out:
        for name, array in tensors.items():
            kind = "i" if array.dtype.kind == "i" else "f"
            numbers = " ".join(repr(float(v)) for v in array.ravel())
            print(name, kind, array.ndim, *array.shape, numbers, file=out)


def draw_recurrent(random, opset):
    """One RNN, LSTM or GRU with whatever the operator allows that ONNX Runtime runs."""
    kind = random.choice(["RNN", "LSTM", "GRU"])
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    steps, batch, inputs, hidden = random.integers(1, 7, 4)
    direction = random.choice(["forward", "reverse", "bidirectional"])
    both = 2 if direction == "bidirectional" else 1

    def normal(*shape):
        return random.normal(0, 0.5, shape).astype(np.float32)

    constants = {"W": normal(both, gates * hidden, inputs), "R": normal(both, gates * hidden, hidden)}
    given = {"X": normal(steps, batch, inputs)}
    names = ["X", "W", "R", "", "", "", "", ""]
    attributes = {"hidden_size": int(hidden), "direction": direction}
    if random.random() < 0.7:
        constants["B"], names[3] = normal(both, 2 * gates * hidden), "B"
    if random.random() < 0.5:
        given["lengths"], names[4] = random.integers(1, steps + 1, batch).astype(np.int32), "lengths"
    if random.random() < 0.5:
        given["h"], names[5] = normal(both, batch, hidden), "h"
    if kind == "LSTM" and random.random() < 0.5:
        given["c"], names[6] = normal(both, batch, hidden), "c"
    if kind == "LSTM" and random.random() < 0.5:
        constants["P"], names[7] = normal(both, 3 * hidden), "P"
    if kind == "GRU":
        attributes["linear_before_reset"] = int(random.integers(0, 2))
    if kind == "RNN" and random.random() < 0.5:
        attributes["activations"] = ["Relu"] * both
    if random.random() < 0.3:
        attributes["clip"] = 0.4
    outputs = ["Y", "Y_h", "Y_c"][: 3 if kind == "LSTM" else 2]
    while names[-1] == "":
        names.pop()
    node = onnx.helper.make_node(kind, names, outputs, name="recurrent", **attributes)
    return [node], given, constants, {name: 4 if name == "Y" else 3 for name in outputs}


def draw_chain(random, opset):
    """A chain of operators on a matrix, each of which keeps it finite."""
    helper = onnx.helper
    rows, columns = (int(v) for v in random.integers(1, 7, 2))
    x = random.normal(0, 1, (rows, columns)).astype(np.float32)
    nodes, constants, last = [], {}, "X"
    for i in range(int(random.integers(3, 9))):
        name, inputs, extra = f"v{i}", [last], {}
        kind = str(random.choice(["Tanh", "Sigmoid", "Gemm", "MatMul", "Softmax", "LayerNormalization", "Transpose", "Concat", "Slice", "ReduceMean", "Where", "Split", "Elu", "Gelu", "Clip", "Reshape", "Gather", "Add", "LogSoftmax", "HardSigmoid"]))
        width = x_shape[-1] if (x_shape := shapes_after(nodes, constants, x, last)) else 1
        height = x_shape[0]

        def constant(label, array):
            constants[f"{label}{i}"] = array
            return f"{label}{i}"

        def normal(*shape):
            return random.normal(0, 0.7, shape).astype(np.float32)

        if kind == "Gemm":
            n = int(random.integers(1, 6))
            inputs += [constant("W", normal(n, width)), constant("b", normal(n))]
            extra = {"transB": 1, "alpha": 0.5, "beta": 2.0}
        elif kind == "MatMul":
            inputs.append(constant("W", normal(width, int(random.integers(1, 6)))))
        elif kind == "LayerNormalization":
            kind = "LayerNormalization" if width > 2 else "Tanh"
            inputs += [constant("g", normal(width)), constant("b", normal(width))] if width > 2 else []
            extra = {"epsilon": 0.01} if width > 2 else {}
        elif kind == "Concat":
            inputs, extra = [last, last], {"axis": int(random.integers(-2, 2))}
        elif kind == "Slice":
            at = [np.array(v, np.int64) for v in ([int(random.integers(0, width))], [1000], [-1], [1])]
            inputs += [constant(k, v) for k, v in zip("sefg", at)]
        elif kind == "ReduceMean":
            inputs.append(constant("a", np.array([1], np.int64)))
            extra = {"keepdims": 1}
        elif kind == "Where":
            nodes.append(helper.make_node("Less", [last, constant("t", normal(1, width))], [f"c{i}"]))
            inputs = [f"c{i}", last, constant("o", normal(height, width))]
        elif kind == "Split":
            nodes.append(helper.make_node("Split", [last, constant("p", np.array([1, height - 1], np.int64))], [f"s{i}", f"r{i}"], axis=0) if height > 1 else helper.make_node("Identity", [last], [f"s{i}"]))
            kind, inputs = "Add", [last, f"s{i}"]
        elif kind == "Clip":
            inputs += [constant("l", np.float32(-0.5)), constant("h", np.float32(0.8))]
        elif kind == "Reshape":
            inputs.append(constant("n", np.array([-1, height], np.int64)))
        elif kind == "Gather":
            inputs.append(constant("i", random.integers(-width, width, 4)))
            extra = {"axis": 1}
        elif kind == "Add":
            inputs.append(constant("b", normal(width)))
        elif kind in ("Softmax", "LogSoftmax"):
            extra = {"axis": int(random.integers(-2, 2))}
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **extra))
        last = name
    return nodes, {"X": x}, constants, {last: 2}


def build(nodes, given, constants, outputs, opset):
    helper = onnx.helper
    inputs = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in given.items()]
    made = [helper.make_tensor_value_info(k, onnx.TensorProto.FLOAT, [None] * rank) for k, rank in outputs.items()]
    weights = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "drawn", inputs, made, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def shapes_after(nodes, constants, x, last):
    """The shape of a chain's last value."""
    if not nodes:
        return x.shape
    model = build(nodes, {"X": x}, constants, {last: 2}, 20)
    return onnxruntime.InferenceSession(model.SerializeToString(), quiet(), providers=["CPUExecutionProvider"]).run(None, {"X": x})[0].shape


def check_imported(tool, folder, draw, seed):
    random = np.random.default_rng(seed)
    nodes, given, constants, outputs = draw(random, 20)
    model = build(nodes, given, constants, outputs, 20)
    onnx.checker.check_model(model, full_check=True)
    path = folder / f"drawn_{seed}.onnx"
    onnx.save(model, str(path))
    write_tensors(folder / f"drawn_{seed}.in", given)
    expected = dict(zip(outputs, session(path).run(None, given)))
    found = run_reel(tool, path)
    return max(difference(expected[k], found[k]) for k in expected)


def imported(tool, title, draw, count, seed):
    with tempfile.TemporaryDirectory() as folder:
        return run_all(title, range(seed, seed + count), lambda i: check_imported(tool, pathlib.Path(folder), draw, i))


# ---- the report --------------------------------------------------------------------------------


def report(title, results, failures):
    beyond = {k: v for k, v in results.items() if not v <= TOLERANCE}
    worst = max((v for k, v in results.items() if k not in beyond), default=0.0)
    print(f"{title}: {len(results)} compared, largest difference {worst:.3g}, {len(beyond)} beyond {TOLERANCE:g}, {len(failures)} failed")
    for k, v in list(beyond.items())[:20]:
        print(f"  {k}: {v:.3g}")
    for k, v in list(failures.items())[:20]:
        print(f"  {k}: {v}")
    return not beyond and not failures


def run_all(title, names, check):
    results, failures = {}, {}
    for name in names:
        try:
            results[name] = check(name)
        except Exception as error:  # whatever a checker or runtime may raise is a finding
            failures[name] = str(error).splitlines()[0][:200]
    return report(title, results, failures)


def exported(tool, title, *words):
    with tempfile.TemporaryDirectory() as folder:
        command = [tool, words[0], folder, *words[1:]]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        fine = run_all(title, names, lambda name: check_exported(pathlib.Path(folder), name))
        return fine & run_all(f"{title}, back in reel", names, lambda name: check_reimported(tool, pathlib.Path(folder), name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}")
    fine = exported(options.tool, "samples", "samples")
    fine &= exported(options.tool, "models", "draw", str(options.count), str(options.seed))
    fine &= exported(options.tool, "stacks of RNN, LSTM, GRU", "stacks", str(options.count), str(options.seed))
    fine &= imported(options.tool, "recurrent operators in reel", draw_recurrent, options.count, options.seed)
    fine &= imported(options.tool, "chains of operators in reel", draw_chain, options.count, options.seed)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
