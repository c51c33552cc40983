#!/usr/bin/env python3
"""Compares reel with ONNX Runtime, model by model, in both directions.

    bench/onnx_check.py build/release/tests/tools/onnx_models [--count 120] [--seed 1]

samples: every sample of every op exported; models: networks drawn at random with loss and gradients,
exported; imported: models drawn here, run by reel. Every file passes onnx.checker first. It prints the
largest difference of each kind, relative to max(1, |expected|), and every case beyond 1e-5.
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


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def difference(expected, found):
    """The largest, relative to max(1, |expected|); what is not finite must be the same."""
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
        gap = np.abs(expected[finite] - found[finite]) / np.maximum(1, np.abs(expected[finite]))
    return float(np.max(gap, initial=0.0))


def check_exported(folder, name):
    path = folder / f"{name}.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    expected = read_tensors((folder / f"{name}.out").read_text())
    runtime = session(path)
    wanted = {i.name for i in runtime.get_inputs()}
    given = {k: v for k, v in read_tensors((folder / f"{name}.in").read_text()).items() if k in wanted}
    found = dict(zip([o.name for o in runtime.get_outputs()], runtime.run(None, given)))
    return max(difference(expected[k], found[k]) for k in expected)


def report(title, results, failures):
    beyond = {k: v for k, v in results.items() if not v <= TOLERANCE}
    worst = max((v for k, v in results.items() if k not in beyond), default=0.0)
    print(f"{title}: {len(results)} compared, largest difference {worst:.3g}, {len(beyond)} beyond {TOLERANCE:g}, {len(failures)} failed")
    for k, v in beyond.items():
        print(f"  {k}: {v:.3g}")
    for k, v in failures.items():
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
        return run_all(title, names, lambda name: check_exported(pathlib.Path(folder), name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"onnx {onnx.__version__}, ONNX Runtime {onnxruntime.__version__}")
    fine = exported(options.tool, "samples", "samples")
    fine &= exported(options.tool, "models", "draw", str(options.count), str(options.seed))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
