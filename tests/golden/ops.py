#!/usr/bin/env python3
"""Makes tests/golden/ops.txt: what each op's samples should give, by NumPy, SciPy and PyTorch in f64.

    python3 tests/golden/ops.py build/release/tests/tools/dump_samples

The tool named writes the samples of the op table down. A function below stands for each op, by name; an
op without one stops the script, unless its samples say why no independent number exists.
"""
import json
import math
import pathlib
import platform
import subprocess
import sys

import numpy as np
import scipy
import scipy.special as special
import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).with_name("ops.txt")
np.seterr(all="ignore")


def tensor(x):
    return torch.from_numpy(np.array(x, order="C", copy=True))


def by_torch(function):
    """A reference that computes with PyTorch tensors."""
    return lambda a, *x: function(*(tensor(v) for v in x)).numpy()


def plain(function):
    """A reference that needs no attributes."""
    return lambda a, *x: function(*x)


def truth(function):
    return lambda a, x, y: function(x, y).astype(float)


def reduction(function):
    return lambda a, x: np.asarray(function(x, axis=a["axis"], keepdims=bool(a["keep"])))


def logsumexp(x, axis, keepdims):
    return special.logsumexp(x, axis=axis, keepdims=keepdims)


def norm(x, axis, keepdims):
    """Scaled, so that neither large nor small numbers leave the range."""
    largest = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1)
    root = np.sqrt(np.sum((x / scale) ** 2, axis=axis, keepdims=True)) * scale
    return root if keepdims else np.squeeze(root, axis=axis)


def masked_rows(function, value):
    """Rows of -infinity give `value`, where SciPy has NaN."""

    def reference(a, x):
        if x.size == 0:
            return x.copy()
        masked = np.all(np.isneginf(x), axis=a["axis"], keepdims=True)
        return np.where(masked, value, function(x, axis=a["axis"]))

    return reference


def matmul(a, x, y):
    x = np.swapaxes(x, -1, -2) if a.get("transpose_a") else x
    y = np.swapaxes(y, -1, -2) if a.get("transpose_b") else y
    return x @ y


def slice_axis(a, x):
    axis = a["axis"] % x.ndim
    return x[(slice(None),) * axis + (slice(a["begin"], a["end"]),)]


def pad(a, x):
    width = [(0, 0)] * x.ndim
    width[a["axis"]] = (a["before"], a["after"])
    return np.pad(x, width)


def sum_to(a, x):
    shape = tuple(a["shape"])
    lead = x.ndim - len(shape)
    x = x.sum(axis=tuple(range(lead)))
    ones = tuple(i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1)
    return x.sum(axis=ones, keepdims=True)


def scatter_add(a, v, indices, rows):
    out = v.copy()
    np.add.at(out, indices.astype(int), rows)
    return out


def scatter_rows(a, rows, indices):
    inner = rows.shape[indices.ndim :]
    out = np.zeros((a["length"],) + inner)
    np.add.at(out, indices.astype(int), rows)
    return out


def pick_transpose(a, v, indices):
    chosen = indices.astype(int)[..., None] == np.arange(a["length"])
    return np.where(chosen, v[..., None], 0.0)


def pick(a, v, indices):
    return np.take_along_axis(v, indices.astype(int)[..., None], axis=-1)[..., 0]


def xmul(a, x, y):
    return np.where(x == 0, 0.0, x * y)


def clamp(a, x):
    return tensor(x).clamp(a["lo"], a["hi"]).numpy()


def gelu(x):
    """x·Φ(x), where SciPy's Φ keeps its digits in the tail."""
    return np.where(np.isneginf(x), -0.0, x * special.ndtr(x))


def silu(x):
    return np.where(np.isneginf(x), -0.0, x * special.expit(x))


def one_hot(a, indices):
    depth = a["depth"]
    return (indices.astype(int)[..., None] == np.arange(depth)).astype(float)


def linear_scan(a, decay, drive, start):
    if a["complex_values"]:
        decay, drive, start = (joined(v) for v in (decay, drive, start))
    y = np.empty_like(drive)
    for t in range(len(drive))[::-1 if a["reverse"] else 1]:
        y[t] = start = decay[t] * start + drive[t]
    return np.concatenate([y.real, y.imag], -1) if a["complex_values"] else y


def joined(halves):
    real, imaginary = np.split(halves, 2, -1)
    return real + 1j * imaginary


REFERENCE = {
    # arithmetic
    "add": plain(np.add),
    "sub": plain(np.subtract),
    "mul": plain(np.multiply),
    "div": plain(np.divide),
    "pow": plain(np.power),
    "maximum": plain(np.maximum),
    "minimum": plain(np.minimum),
    "xmul": xmul,
    "scale": lambda a, x: x * a["factor"],
    "shift": lambda a, x: x + a["term"],
    "neg": plain(np.negative),
    "square": plain(np.square),
    "sqrt": plain(np.sqrt),
    "rsqrt": lambda a, x: 1 / np.sqrt(x),
    "reciprocal": lambda a, x: 1 / x,
    "abs": plain(np.abs),
    "sign": plain(np.sign),
    "floor": plain(np.floor),
    "clamp": clamp,
    # exponentials, trigonometry
    "exp": plain(np.exp),
    "log": plain(np.log),
    "log1p": plain(np.log1p),
    "expm1": plain(np.expm1),
    "sin": plain(np.sin),
    "cos": plain(np.cos),
    "tan": plain(np.tan),
    "erf": plain(special.erf),
    # activations
    "sigmoid": plain(special.expit),
    "tanh": plain(np.tanh),
    "relu": by_torch(torch.relu),
    "leaky_relu": lambda a, x: F.leaky_relu(tensor(x), a["slope"]).numpy(),
    "elu": lambda a, x: np.where(x > 0, x, a["alpha"] * np.expm1(x)),
    "softplus": lambda a, x: np.logaddexp(0, x),
    "gelu": plain(gelu),
    "silu": plain(silu),
    "hard_sigmoid": by_torch(F.hardsigmoid),
    "normal_cdf": plain(special.ndtr),
    "sigmoid_gradient": plain(lambda dy, y: np.where(dy == 0, 0.0, dy * y * (1 - y))),
    "tanh_gradient": plain(lambda dy, y: np.where(dy == 0, 0.0, dy * (1 - y * y))),
    # choosing and comparing
    "less": truth(np.less),
    "less_equal": truth(np.less_equal),
    "greater": truth(np.greater),
    "greater_equal": truth(np.greater_equal),
    "equal": truth(np.equal),
    "not_equal": truth(np.not_equal),
    "where": lambda a, c, x, y: np.where(c != 0, x, y),
    # reductions
    "sum": reduction(np.sum),
    "mean": reduction(np.mean),
    "max": reduction(np.max),
    "min": reduction(np.min),
    "prod": reduction(np.prod),
    "logsumexp": reduction(logsumexp),
    "var": reduction(np.var),
    "norm": reduction(norm),
    "argmax": reduction(np.argmax),
    "cumsum": lambda a, x: np.cumsum(x, axis=a["axis"]),
    "linear_scan": linear_scan,
    "softmax": masked_rows(special.softmax, 0.0),
    "log_softmax": masked_rows(special.log_softmax, -np.inf),
    # products
    "matmul": matmul,
    "affine": lambda a, x, w, b: x @ w + b,
    # shape
    "reshape": lambda a, x: x.reshape(a["shape"]),
    "transpose": lambda a, x: np.swapaxes(x, a["axis_a"], a["axis_b"]),
    "permute": lambda a, x: np.transpose(x, a["axes"]),
    "slice": slice_axis,
    "at": lambda a, x: x[a["index"]],
    "flip": lambda a, x: np.flip(x, a["axis"]),
    "squeeze": lambda a, x: np.squeeze(x, a["axis"]),
    "unsqueeze": lambda a, x: np.expand_dims(x, a["axis"]),
    "expand": lambda a, x: np.broadcast_to(x, a["shape"]),
    "stop_gradient": plain(np.copy),
    "clip_gradient": lambda a, x: np.copy(x),
    "checkpoint": plain(np.copy),
    "accumulate": plain(np.add),
    "sum_to": sum_to,
    # joining
    "concat": lambda a, *x: np.concatenate(x, axis=a["axis"]),
    "stack": lambda a, *x: np.stack(x, axis=a["axis"]),
    "pad": pad,
    # by index
    "gather": lambda a, table, indices: table[indices.astype(int)],
    "scatter_add": scatter_add,
    "one_hot": one_hot,
    "pick": pick,
    "scatter_rows": scatter_rows,
    "pick_transpose": pick_transpose,
    "fill": lambda a: np.full(a["shape"], a["value"]),
}


def number(value):
    return float.fromhex(value) if isinstance(value, str) else value


def compute(sample):
    reference = REFERENCE.get(sample["op"])
    if reference is None:
        sys.exit(f"{sample['op']}: no reference in {__file__}; add one to REFERENCE")
    inputs = [
        np.array([number(v) for v in x["values"]], dtype=np.float64).reshape(x["shape"])
        for x in sample["inputs"]
    ]
    attributes = {name: number(value) for name, value in sample["attributes"].items()}
    try:
        return np.asarray(reference(attributes, *inputs), dtype=np.float64)
    except Exception as error:
        sys.exit(f"{sample['op']}, sample \"{sample['label']}\": {type(error).__name__}: {error}")


def hexadecimal(value):
    return "nan" if math.isnan(value) else float(value).hex()


def row(sample, value):
    shape = ",".join(map(str, value.shape)) if value.ndim else "-"
    numbers = " ".join(hexadecimal(v) for v in value.ravel())
    return "\t".join([sample["op"], sample["label"], sample["hash"], shape, numbers])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    dump = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout
    samples = [json.loads(line) for line in dump.splitlines()]
    rows = [row(s, compute(s)) for s in samples if s["golden"]]
    head = [
        "# The ops' samples in f64. Made by tests/golden/ops.py; do not edit.",
        f"# Python {platform.python_version()}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}, PyTorch {torch.__version__}",
    ]
    OUT.write_text("\n".join(head + rows) + "\n")
    print(f"{OUT}: {len(rows)} rows for {len({s['op'] for s in samples})} ops")


if __name__ == "__main__":
    main()
