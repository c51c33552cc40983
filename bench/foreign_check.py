#!/usr/bin/env python3
"""Models of PyTorch and Keras in reel and back, and NumPy's files, over randomly drawn shapes:

    bench/foreign_check.py [--program build/release/tests/tools/foreign_layers] [--count 100]

For each direction prints how many models there were and the largest difference of an output.
"""
import argparse
import os
import random
import subprocess
import tempfile
import warnings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # the torch backend multiplies f64 in f32
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
warnings.filterwarnings("ignore")

import numpy as np
import torch
from safetensors.torch import load_file, save_file


class Reel:
    """The program that builds layers in reel; one job at a time."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, **fields):
        print(*(f"{k}={v}" for k, v in fields.items()), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().strip()
        if answer != "ok":
            raise SystemExit(f"{fields}: {answer}")
        with np.load(fields["y"]) as z:
            return z["y"]


def difference(got, expected):
    """The largest one, of numbers larger than 1 in proportion to them."""
    return float((np.abs(got - expected) / np.maximum(1, np.abs(expected))).max())


def draw():
    return {
        "in": random.randint(1, 9), "hidden": random.randint(2, 9), "layers": random.randint(1, 3),
        "bidirectional": random.randint(0, 1), "projection": 0, "reset_after": 1, "relu": 0, "heads": 0,
        "f64": random.randint(0, 1),
    }


# ---- PyTorch --------------------------------------------------------------------------------

def torch_model(kind, d, bias):
    if kind in ("RNN", "LSTM", "GRU"):
        extra = {}
        if kind == "LSTM" and random.random() < 0.5:
            d["projection"] = extra["proj_size"] = random.randint(1, d["hidden"] - 1)
        if kind == "RNN":
            d["relu"] = random.randint(0, 1)
            extra["nonlinearity"] = ["tanh", "relu"][d["relu"]]
        return getattr(torch.nn, kind)(d["in"], d["hidden"], d["layers"], bias=bias,
                                       bidirectional=bool(d["bidirectional"]), **extra)
    d["layers"], d["bidirectional"] = 1, 0
    if kind.endswith("Cell"):
        return getattr(torch.nn, kind)(d["in"], d["hidden"], bias=bias)
    if kind == "Linear":
        return torch.nn.Linear(d["in"], d["hidden"], bias=bias)
    if kind == "Embedding":
        return torch.nn.Embedding(d["in"], d["hidden"])
    if kind == "LayerNorm":
        return torch.nn.LayerNorm(d["in"])
    d["heads"] = random.randint(1, 3)
    d["in"] = d["heads"] * random.randint(1, 4)
    return torch.nn.MultiheadAttention(d["in"], d["heads"], bias=bias)


def torch_output(kind, model, x):
    with torch.no_grad():
        if kind == "MultiheadAttention":
            return model(x, x, x)[0]
        if kind.endswith("Cell"):
            y = model(x[0])
            return (y[0] if isinstance(y, tuple) else y)[None]
        y = model(x)
        return y[0] if isinstance(y, tuple) else y


def torch_input(kind, d, dtype):
    steps = 1 if kind.endswith("Cell") else random.randint(1, 7)
    if kind == "Embedding":
        return torch.randint(0, d["in"], (steps, 3), dtype=torch.int32)
    return torch.randn(steps, random.randint(1, 4), d["in"], dtype=dtype)


def check_torch(reel, way, count, folder):
    kinds = ["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "Linear", "Embedding", "LayerNorm",
             "MultiheadAttention"]
    worst = {0: 0.0, 1: 0.0}
    for i in range(count):
        kind = kinds[i % len(kinds)] if random.random() < 0.5 else random.choice(kinds[:3])
        d = draw()
        dtype = torch.float64 if d["f64"] else torch.float32
        model = torch_model(kind, d, way == "export" or random.random() < 0.8).to(dtype)
        for p in model.parameters():
            torch.nn.init.normal_(p, 0, 0.5)
        x = torch_input(kind, d, dtype)
        weights, data, out = (f"{folder}/{n}" for n in ("w.safetensors", "x.npz", "y.npz"))
        np.savez(data, x=x.numpy())
        files = ",".join(["m"] * (d["layers"] * (d["bidirectional"] + 1)))
        if way == "import":
            save_file({f"m.{k}": v.contiguous() for k, v in model.state_dict().items()}, weights)
        y = reel.do(way=way, framework="pytorch", kind=kind, **d, files=files, weights=weights, x=data, y=out)
        if way == "export":
            state = {k[2:]: v for k, v in load_file(weights).items()}
            model.load_state_dict(state)
        expected = torch_output(kind, model, x).numpy()
        worst[d["f64"]] = max(worst[d["f64"]], difference(y, expected))
    return worst


# ---- Keras ----------------------------------------------------------------------------------

def keras_model(kind, d, bias):
    import keras
    layers = keras.layers
    d["bidirectional"] = random.randint(0, 1)
    if kind in ("SimpleRNN", "LSTM", "GRU"):
        extra = {"use_bias": bias, "return_sequences": True}
        if kind == "GRU":
            d["reset_after"] = random.randint(0, 1)
            extra["reset_after"] = bool(d["reset_after"])
        x = y = keras.Input((None, d["in"]))
        for _ in range(d["layers"]):
            layer = getattr(layers, kind)(d["hidden"], **extra)
            y = (layers.Bidirectional(layer) if d["bidirectional"] else layer)(y)
        return keras.Model(x, y)
    d["layers"], d["bidirectional"] = 1, 0
    if kind == "Embedding":
        x = keras.Input((None,), dtype="int32")
        return keras.Model(x, layers.Embedding(d["in"], d["hidden"])(x))
    if kind == "MultiHeadAttention":
        d["heads"] = random.randint(1, 3)
        size = random.randint(2, 4)  # of 1, Keras 3.15 with TensorFlow differs from the formula, by any means
        d["in"] = d["heads"] * size
        x = keras.Input((None, d["in"]))
        return keras.Model(x, layers.MultiHeadAttention(d["heads"], size, use_bias=bias)(x, x))
    x = keras.Input((None, d["in"]))
    if kind == "Dense":
        return keras.Model(x, layers.Dense(d["hidden"], use_bias=bias)(x))
    return keras.Model(x, layers.LayerNormalization()(x))


def snake(name):
    return "".join("_" + c.lower() if c.isupper() and i and not name[i - 1].isupper() else c.lower()
                   for i, c in enumerate(name))


def keras_files(kind, d, model, h5):
    """Folders in the .weights.h5, or the variables' paths without their last parts, in order."""
    if not h5:
        seen, last = [], 2 if kind == "MultiHeadAttention" else 1
        for v in model.weights:
            path = "/".join(v.path.split("/")[:-last])
            seen += [path] if path not in seen else []
        return seen
    base = {"SimpleRNN": "simple_rnn", "LSTM": "lstm", "GRU": "gru"}.get(kind, snake(kind))
    base = "bidirectional" if d["bidirectional"] else base
    files = []
    for i in range(d["layers"]):
        name = f"layers/{base}" + (f"_{i}" if i else "")
        files += [f"{name}/forward_layer", f"{name}/backward_layer"] if d["bidirectional"] else [name]
    return files


def check_keras(reel, way, count, folder):
    import keras
    kinds = ["SimpleRNN", "LSTM", "GRU", "Dense", "Embedding", "LayerNormalization", "MultiHeadAttention"]
    worst = {0: 0.0, 1: 0.0}
    for i in range(count):
        keras.backend.clear_session()
        kind = kinds[i % len(kinds)] if random.random() < 0.5 else random.choice(kinds[:3])
        d = draw()
        keras.config.set_floatx("float64" if d["f64"] else "float32")
        keras.config.set_dtype_policy(keras.config.floatx())
        model = keras_model(kind, d, way == "export" or random.random() < 0.8)
        for v in model.weights:
            v.assign(np.random.randn(*v.shape) / 2)
        x = (np.random.randint(0, d["in"], (3, 5)) if kind == "Embedding"
             else np.random.randn(random.randint(1, 4), random.randint(1, 7), d["in"]))
        x = x.astype(np.int32 if kind == "Embedding" else keras.backend.floatx())
        h5 = random.random() < 0.6
        weights, data, out = (f"{folder}/{n}" for n in ("w.weights.h5" if h5 else "w.npz", "x.npz", "y.npz"))
        np.savez(data, x=np.ascontiguousarray(np.swapaxes(x, 0, 1)))
        files = ",".join(keras_files(kind, d, model, h5))
        if way == "import":
            if h5:
                model.save_weights(weights)
            else:
                np.savez(weights, **{v.path: keras.ops.convert_to_numpy(v) for v in model.weights})
        y = reel.do(way=way, framework="keras", kind=kind, **d, files=files, weights=weights, x=data, y=out)
        if way == "export":
            if h5:
                model.load_weights(weights)
            else:
                with np.load(weights) as z:
                    assert sorted(z.keys()) == sorted(v.path for v in model.weights)
                    for v in model.weights:
                        v.assign(z[v.path])
        expected = np.swapaxes(keras.ops.convert_to_numpy(model(x)), 0, 1)
        worst[d["f64"]] = max(worst[d["f64"]], difference(y, expected))
    return worst


# ---- NumPy ----------------------------------------------------------------------------------

def check_numpy(reel, count, folder):
    """An embedding whose rows are looked up one by one gives back what was put in, both ways."""
    worst = 0.0
    for _ in range(count):
        rows, width = random.randint(1, 20), random.randint(1, 9)
        kind = random.choice(["f2", "f4", "f8"])
        order = random.choice("<>")
        table = np.random.randn(rows, width).astype(np.dtype(order + kind))
        table = np.asfortranarray(table) if random.random() < 0.5 else table
        np.savez(f"{folder}/w.npz", **{"e/embeddings": table})
        np.savez(f"{folder}/x.npz", x=np.arange(rows, dtype=np.int32)[:, None])
        d = {**draw(), "in": rows, "hidden": width, "f64": 1}
        y = reel.do(way="import", framework="keras", kind="Embedding", **d, files="e",
                    weights=f"{folder}/w.npz", x=f"{folder}/x.npz", y=f"{folder}/y.npz")
        worst = max(worst, difference(y[:, 0], table.astype(float)))
        y = reel.do(way="export", framework="keras", kind="Embedding", **d, files="e",
                    weights=f"{folder}/w.npz", x=f"{folder}/x.npz", y=f"{folder}/y.npz")
        with np.load(f"{folder}/w.npz") as z:
            worst = max(worst, difference(y[:, 0], z["e/embeddings"]))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="build/release/tests/tools/foreign_layers")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    np.random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    reel = Reel(arguments.program)
    with tempfile.TemporaryDirectory() as folder:
        for name, check in (("PyTorch", check_torch), ("Keras", check_keras)):
            for way in ("import", "export"):
                worst = check(reel, way, arguments.count, folder)
                arrow = f"{name} → reel" if way == "import" else f"reel → {name}"
                print(f"{arrow}: {arguments.count} models, off by {worst[0]:.2e} (f32), {worst[1]:.2e} (f64)",
                      flush=True)
        worst = check_numpy(reel, arguments.count, folder)
        print(f"NumPy ↔ reel: {arguments.count} arrays each way, off by {worst:.2e}")


if __name__ == "__main__":
    main()
