#!/usr/bin/env python3
"""Compares reel with ONNX Runtime, model by model, in both directions.

    bench/onnx_check.py [--build build/release] [--count 120] [--seed 1] [--only PART]

layers     every layer, cell, output and loss, exported, one line each; and with loops as Scan
examples   what the programs of examples/ read and differentiate, exported (needs ninja onnx_examples
           and ./dev data)
samples    every sample of every op
models     networks drawn at random with loss and gradients; loops: with their loops as Scan
stacks     RNN, LSTM and GRU as such
imported   models drawn here, run by reel

Every file passes onnx.checker first, and comes back in reel. It prints the largest difference of
each kind, relative to the tensor's largest number or 1, and every case beyond 1e-5 (f64: 1e-12).
Such a case is none of reel's only where rounding the weights once more moves the exact outputs
further than reel is off (onnx_exact.py).
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

from onnx_exact import explained_by_rounding

TOLERANCE = 1e-5


def read_tensors(text):
    """{name: array} out of lines of name, f, d or i, rank, dimensions, numbers."""
    tensors = {}
    for line in text.splitlines():
        name, kind, rank, *rest = line.split()
        shape = [int(d) for d in rest[: int(rank)]]
        dtype = {"i": np.int32, "f": np.float32, "d": np.float64}[kind]
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


def is_wide(tensors):
    return any(v.dtype == np.float64 for v in tensors.values())


def fair(found_off, tensors):
    """The difference, f64 scaled to f32's tolerance."""
    return found_off * 1e7 if is_wide(tensors) else found_off


def check_exported(folder, name):
    path = folder / f"{name}.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    expected = read_tensors((folder / f"{name}.out").read_text())
    runtime = session(path)
    wanted = {i.name for i in runtime.get_inputs()}
    given = {k: v for k, v in read_tensors((folder / f"{name}.in").read_text()).items() if k in wanted}
    found = dict(zip([o.name for o in runtime.get_outputs()], runtime.run(None, given)))
    off = fair(max(difference(expected[k], found[k]) for k in expected), expected)
    if off > TOLERANCE and not is_wide(expected):
        ours, rounding = explained_by_rounding(path, given, expected, difference)
        if ours <= rounding:
            print(f"  {name}: {off:.3g} apart; reel is {ours:.3g} off the exact outputs, which rounding the weights moves by {rounding:.3g}")
            return ours if ours <= TOLERANCE else None
    return off


def run_reel(tool, path, wide=False):
    done = subprocess.run([tool, "run", str(path), *(["f64"] if wide else [])], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}")
    return read_tensors(done.stdout)


def check_reimported(tool, folder, name):
    expected = read_tensors((folder / f"{name}.out").read_text())
    found = run_reel(tool, folder / f"{name}.onnx", is_wide(expected))
    return fair(max(difference(expected[k], found[k]) for k in expected), expected)


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


def report(title, results, failures, explained):
    beyond = {k: v for k, v in results.items() if not v <= TOLERANCE}
    worst = max((v for k, v in results.items() if k not in beyond), default=0.0)
    print(f"{title}: {len(results) + len(explained)} compared, largest difference {worst:.3g}, {len(beyond)} beyond {TOLERANCE:g}, {len(explained)} explained by rounding, {len(failures)} failed", flush=True)
    for k, v in list(beyond.items())[:20]:
        print(f"  {k}: {v:.3g}")
    for k, v in list(failures.items())[:20]:
        print(f"  {k}: {v}")
    return not beyond and not failures


def run_all(title, names, check, table=False):
    results, failures, explained = {}, {}, []
    for name in names:
        try:
            off = check(name)
        except Exception as error:  # whatever a checker or runtime may raise is a finding
            failures[name] = str(error).splitlines()[0][:200]
            continue
        if off is None:
            explained.append(name)
        else:
            results[name] = off
            if table:
                print(f"  {name:48} {off:.2e}")
    return report(title, results, failures, explained)


def written(tool, title, folder, names, table=False):
    fine = run_all(title, names, lambda name: check_exported(folder, name), table)
    return fine & run_all(f"{title}, back in reel", names, lambda name: check_reimported(tool, folder, name))


def exported(tool, title, command, table=False):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([word or folder for word in command], check=True, capture_output=True, text=True)
        print(done.stderr, end="")
        return written(tool, title, pathlib.Path(folder), done.stdout.split(), table) and not done.stderr


# ---- layers and examples -----------------------------------------------------------------------

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Of the public functions that return a variable, a cell or a layer, those that record nothing.
RECORD_NOTHING = {
    "reel_mixture_sample": "draws at random",
    "reel_pack_indices": "returns data",
}


def functions_of_layers():
    """Public functions of layers/*.h that return what can be exported."""
    made = r"reel_(var|cell|layer|rollout|bidirectional_rollout|attended|attention|memory|tree_cell|tree_state|class_output|multi_head|crf)"
    text = "".join(path.read_text() for path in sorted((ROOT / "layers").glob("*.h")))
    return {name for _, name in re.findall(rf"REEL_API {made} (reel_\w+)\(", text)}


def check_layers(build, tool):
    program = f"{build}/tests/tools/onnx_layers"
    fine = exported(tool, "layers", [program, "write", None], table=True)
    fine &= exported(tool, "layers with loops as Scan", [program, "write", None, "scan"])
    shown = set(subprocess.run([program, "shows"], check=True, capture_output=True, text=True).stdout.split())
    public = functions_of_layers() - set(RECORD_NOTHING)
    missing = sorted(public - shown)
    print(f"public functions of layers/*.h: {len(public)}, shown {len(public & shown)}{', missing ' + ' '.join(missing) if missing else ''}")
    return fine and not missing


# How each is started; those not named here go without arguments. Some minutes are enough to read
# everything there is to read once.
ARGUMENTS = {
    **dict.fromkeys(["digits", "languages", "spelling", "speech", "long_memory", "sunspots", "restore"], ["--short"]),
    "char_lm": ["--text", "build/data/kjv.txt", "--hidden", "64"],
}
LONGEST_RUN = 90


def run_example(program, folder):
    """The names of what it exported, and what it complained of."""
    environment = dict(os.environ, REEL_ONNX_DIR=folder, REEL_ONNX_NAME=program.name, OMP_WAIT_POLICY="passive")
    with tempfile.TemporaryDirectory() as where:
        os.symlink(ROOT / "build", pathlib.Path(where) / "build")
        with open(f"{where}/said", "w+") as said:
            try:
                subprocess.run([program, *ARGUMENTS.get(program.name, [])], cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, timeout=LONGEST_RUN)
            except subprocess.TimeoutExpired:
                pass  # its files are written
            said.seek(0)
            complaints = [line.strip() for line in said if "onnx_export" in line]
    return sorted(p.stem for p in pathlib.Path(folder).glob(f"{program.name}_*.out")), complaints


def check_examples(build, tool):
    fine = True
    programs = sorted(p for p in (pathlib.Path(build).resolve() / "bench/onnx_examples").glob("*") if p.is_file())
    if not programs:
        print("examples: none are built; ninja onnx_examples builds them")
    for program in programs:
        with tempfile.TemporaryDirectory() as folder:
            names, complaints = run_example(program, folder)
            refused = {c.split(":")[0] for c in complaints}
            for complaint in complaints:
                print(f"  {complaint}")
            fine &= written(tool, f"example {program.name}", pathlib.Path(folder), [n for n in names if n not in refused])
    return fine


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="layers, examples, samples, models, loops, stacks or imported")
    options = parser.parse_args()
    print(f"onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}")
    tool, drawn = f"{options.build}/tests/tools/onnx_models", [str(options.count), str(options.seed)]
    parts = {
        "layers": lambda: check_layers(options.build, tool),
        "examples": lambda: check_examples(options.build, tool),
        "samples": lambda: exported(tool, "samples", [tool, "samples", None]),
        "models": lambda: exported(tool, "models", [tool, "draw", None, *drawn]),
        "loops": lambda: exported(tool, "models with loops as Scan", [tool, "loops", None, *drawn]),
        "stacks": lambda: exported(tool, "stacks of RNN, LSTM, GRU", [tool, "stacks", None, *drawn]),
        "imported": lambda: imported(tool, "recurrent operators in reel", draw_recurrent, options.count, options.seed)
        & imported(tool, "chains of operators in reel", draw_chain, options.count, options.seed),
    }
    chosen = [options.only] if options.only else list(parts)
    return 0 if all([parts[name]() for name in chosen]) else 1


if __name__ == "__main__":
    sys.exit(main())
