"""Runs every layer that reel exports in ONNX Runtime: a row of golden/onnx_layers.txt for each output
has Σ cos(k)·y[k] over its numbers.

    ninja -C build/release onnx_layers && tests/golden/onnx_layers.py build/release/tests/tools/onnx_layers
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

from table import Table

TYPES = {"i": np.int32, "f": np.float32}


def read_tensors(path):
    for line in path.read_text().splitlines():
        name, kind, rank, *rest = line.split()
        shape = [int(d) for d in rest[: int(rank)]]
        yield name, np.array(rest[int(rank) :], dtype=np.float64).astype(TYPES[kind]).reshape(shape)


table = Table(__file__, np, onnxruntime)
with tempfile.TemporaryDirectory() as folder:
    for name in subprocess.run([sys.argv[1], "write", folder], check=True, capture_output=True, text=True).stdout.split():
        session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
        wanted = {i.name for i in session.get_inputs()}
        given = {k: v for k, v in read_tensors(pathlib.Path(folder, f"{name}.in")) if k in wanted}
        for output, y in zip(session.get_outputs(), session.run(None, given)):
            y = y.astype(np.float64).ravel()
            table.add(name, output.name, np.array(np.cos(np.arange(y.size)) @ y))
table.write()
