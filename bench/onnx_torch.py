#!/usr/bin/env python3
"""Models of PyTorch, exported by torch.onnx, in reel: do they give PyTorch's numbers?

    bench/onnx_torch.py [--build build/release] [--count 120] [--seed 1] [--kind NAME] [--way dynamo]

Draws models of each kind in turn, exports each by the exporter that traces (dynamo=False) and by the
one that captures the program (dynamo=True, where onnxscript is installed), with fixed or free sizes,
and prints the largest difference for each kind, relative to the tensor's largest number or 1.
"""
import argparse
import collections
import contextlib
import importlib.util
import io
import logging
import pathlib
import random
import sys
import tempfile
import warnings

import numpy as np
import torch
from torch import nn

from onnx_check import difference, run_reel, write_tensors

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
TOLERANCE = 1e-5


def draw(low, high):
    return random.randint(low, high)


def chance(p=0.5):
    return random.random() < p


def normal(*shape):
    return torch.randn(*shape)


# ---- kinds: each gives a module and its inputs -------------------------------------------------


def recurrent(kind, batch_first=None):
    size, hidden, layers = draw(1, 6), draw(2, 6), draw(1, 3)
    options = {"num_layers": layers, "bidirectional": chance(), "batch_first": chance(), "bias": chance(0.8)}
    if kind == "RNN":
        options["nonlinearity"] = random.choice(["tanh", "relu"])
    module = getattr(nn, kind)(size, hidden, **options)
    steps, batch = draw(2, 6), draw(2, 4)
    x = normal(*((batch, steps, size) if options["batch_first"] else (steps, batch, size)))
    return module, layers * (2 if options["bidirectional"] else 1), hidden, batch, x


class Flat(nn.Module):
    """A recurrent module with its outputs side by side."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, *state):
        y, last = self.inner(x, (state if len(state) > 1 else state[0]) if state else None)
        return (y, *last) if isinstance(last, tuple) else (y, last)


def rnn():
    module, *_, x = recurrent("RNN")
    return Flat(module), [x]


def lstm():
    module, *_, x = recurrent("LSTM")
    return Flat(module), [x]


def gru():
    module, *_, x = recurrent("GRU")
    return Flat(module), [x]


def recurrent_from_a_state():
    kind = random.choice(["RNN", "LSTM", "GRU"])
    module, rows, hidden, batch, x = recurrent(kind)
    return Flat(module), [x] + [normal(rows, batch, hidden) for _ in range(2 if kind == "LSTM" else 1)]


class Cells(nn.Module):
    """A loop in Python over a cell."""

    def __init__(self, kind, size, hidden):
        super().__init__()
        self.cell, self.hidden = getattr(nn, kind)(size, hidden), hidden

    def forward(self, x):
        h = x.new_zeros(x.shape[1], self.hidden)
        state, out = (h, h) if isinstance(self.cell, nn.LSTMCell) else h, []
        for step in x:
            state = self.cell(step, state)
            out.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(out)


def cells():
    size = draw(1, 5)
    return Cells(random.choice(["RNNCell", "LSTMCell", "GRUCell"]), size, draw(2, 6)), [normal(draw(2, 5), 3, size)]


ACTIVATIONS = [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Hardsigmoid, nn.Hardswish, nn.ReLU6, nn.Softsign, nn.Mish, nn.SELU, nn.PReLU, nn.LogSigmoid, nn.CELU, nn.Hardtanh, nn.Identity, nn.Tanhshrink, nn.Softshrink]


def linear():
    width, layers = draw(1, 6), []
    x = normal(*([draw(2, 4)] * draw(1, 3)), width)
    for _ in range(draw(1, 4)):
        after = draw(1, 6)
        layers += [nn.Linear(width, after, bias=chance(0.8)), random.choice(ACTIVATIONS)()]
        if chance(0.3):
            layers.append(nn.Dropout(0.5))
        width = after
    layers.append(random.choice([nn.Softmax(-1), nn.LogSoftmax(-1), nn.Identity(), nn.Softmax(0)]))
    return nn.Sequential(*layers), [x]


class Tagger(nn.Module):
    def __init__(self, words, width, hidden, tags):
        super().__init__()
        self.words = nn.Embedding(words, width, padding_idx=0)
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.norm, self.out = nn.LayerNorm(2 * hidden), nn.Linear(2 * hidden, tags)

    def forward(self, x):
        h, (last, _) = self.lstm(self.words(x))
        mask = (x != 0).unsqueeze(-1)
        pooled = (h * mask).sum(1) / mask.sum(1).clamp(min=1)
        both = torch.cat([last[-2], last[-1]], dim=-1) + pooled
        return torch.log_softmax(self.out(self.norm(h)), -1), self.out(both).softmax(-1).argmax(-1), both


def tagger():
    words = draw(5, 12)
    return Tagger(words, draw(2, 5), draw(2, 5), draw(2, 5)), [torch.randint(0, words, (draw(2, 4), draw(2, 6)), dtype=random.choice([torch.int32, torch.int64]))]


def norm():
    width, steps, batch = draw(3, 6), draw(2, 5), draw(2, 4)
    x = normal(batch, steps, width)
    module = random.choice([nn.LayerNorm(width), nn.LayerNorm((steps, width)), nn.LayerNorm(width, elementwise_affine=False), nn.BatchNorm1d(steps), nn.RMSNorm(width), nn.GroupNorm(1, steps), nn.InstanceNorm1d(steps)])
    for p in module.parameters():
        nn.init.uniform_(p, 0.5, 1.5)
    if isinstance(module, nn.BatchNorm1d):
        nn.init.uniform_(module.running_mean, -1, 1)
        nn.init.uniform_(module.running_var, 0.5, 2)
    return module, [x]


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, steps, width = x.shape
        q, k, v = (part.view(batch, steps, self.heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        scores = q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5
        future = torch.triu(torch.ones(steps, steps, dtype=torch.bool), diagonal=1)
        weights = scores.masked_fill(future, float("-inf")).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(batch, steps, width)), weights


def attention():
    heads = draw(1, 3)
    width = heads * draw(1, 4)
    return SelfAttention(width, heads), [normal(draw(2, 3), draw(2, 5), width)]


class Heads(nn.Module):
    def __init__(self, width, heads, batch_first):
        super().__init__()
        self.inner = nn.MultiheadAttention(width, heads, batch_first=batch_first)

    def forward(self, q, k):
        return self.inner(q, k, k, need_weights=True)


def multi_head():
    heads = draw(1, 3)
    width, batch = heads * draw(1, 4), draw(2, 4)
    shape = (lambda n: (batch, n, width)) if (first := chance()) else (lambda n: (n, batch, width))
    return Heads(width, heads, first), [normal(*shape(draw(2, 4))), normal(*shape(draw(2, 5)))]


def transformer():
    heads = draw(1, 3)
    width = heads * draw(1, 3) * 2
    layer = nn.TransformerEncoderLayer(width, heads, draw(2, 8), batch_first=True, norm_first=chance(), activation=random.choice(["relu", "gelu"]))
    return nn.TransformerEncoder(layer, draw(1, 2), enable_nested_tensor=False), [normal(2, draw(2, 5), width)]


def convolution():
    channels, steps = draw(1, 4), draw(6, 10)
    groups = random.choice([1, channels])
    layers = [nn.Conv1d(channels, groups * draw(1, 3), draw(1, 3), stride=draw(1, 2), padding=draw(0, 2), dilation=draw(1, 2), groups=groups, bias=chance())]
    layers.append(random.choice([nn.ReLU(), nn.MaxPool1d(2), nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(1), nn.MaxPool1d(3, stride=1, padding=1)]))
    return nn.Sequential(*layers), [normal(draw(1, 3), channels, steps)]


class Decoder(nn.Module):
    """Greedy decoding with attention over an encoder's states."""

    def __init__(self, words, width):
        super().__init__()
        self.words, self.cell = nn.Embedding(words, width), nn.GRUCell(2 * width, width)
        self.encoder, self.out = nn.GRU(width, width), nn.Linear(width, words)

    def forward(self, x):
        memory, last = self.encoder(self.words(x))
        h, token, out = last[0], x[0], []
        for _ in range(3):
            weights = torch.softmax(torch.einsum("bh,tbh->bt", h, memory), -1)
            context = torch.einsum("bt,tbh->bh", weights, memory)
            h = self.cell(torch.cat([self.words(token), context], -1), h)
            out.append(self.out(h))
            token = out[-1].argmax(-1)
        return torch.stack(out)


def decoder():
    words = draw(4, 8)
    return Decoder(words, draw(2, 5)), [torch.randint(0, words, (draw(2, 5), 3))]


class Shapes(nn.Module):
    """What programs do between layers."""

    def __init__(self, which):
        super().__init__()
        self.which = which

    def forward(self, x):
        a, b, c = x.shape
        position = torch.arange(b, device=x.device)
        return {
            "positions": lambda: x + (position.to(x.dtype) / b).sin()[None, :, None],
            "mask": lambda: torch.where((position < b - 1)[None, :, None], x, torch.zeros_like(x)),
            "flatten": lambda: x.flatten(1) @ torch.ones(b * c, 2),
            "views": lambda: x.view(a, -1).reshape(a, c, b).permute(2, 0, 1).contiguous().unsqueeze(0).squeeze(0),
            "slices": lambda: torch.cat([x[:, ::2], x[:, 1:], x[:, -1:], x[..., :1].expand(a, b, c)], 1),
            "select": lambda: (x[0], x[:, -1], x[:, :, 0]),
            "flip": lambda: torch.flip(x, [1]) + x.roll(1, 0),
            "parts": lambda: torch.stack(torch.split(torch.cat([x, x], 1), b, 1) + tuple(x.unbind(0))[:0]),
            "sums": lambda: (x.sum(), x.mean((0, 2)), x.var(-1), x.std(1), x.amax(1), x.cumsum(1), x.norm(dim=-1), x.logsumexp(-1), x.prod(-1), x.min(-1).values),
            "compare": lambda: ((x > 0) & ~(x < -1) | (x == 0)).float() * x.abs().sqrt() + x.sign() * x.clamp(-0.5, 0.5),
            "maths": lambda: x.exp().log1p() + x.square().rsqrt() + x.erf() + x.cos() * x.pow(3) / (1 + x * x) - x.ceil() + x.floor() + x.round(),
            "repeat": lambda: x.repeat(1, 2, 1) + x.repeat_interleave(2, 1),
            "pad": lambda: nn.functional.pad(x, (1, 0, 0, 2)),
            "triangle": lambda: torch.tril(x) + torch.triu(x, 1),
            "index": lambda: x[:, torch.tensor([0, -1, 1])] + x.index_select(1, torch.tensor([1, 0, 1])),
            "gather": lambda: x.gather(1, x.argmax(1, keepdim=True)) + x.max(1, keepdim=True).values,
            "assign": lambda: torch.zeros_like(x).index_put((torch.tensor([0]),), x[0:1]) + torch.full_like(x, 0.5),
            "einsum": lambda: torch.einsum("abc,adc->abd", x, x),
            "one_hot": lambda: nn.functional.one_hot(x.argmax(-1), c).to(x.dtype) * x,
            "bmm": lambda: torch.bmm(x, x.transpose(1, 2)) + torch.baddbmm(x.new_zeros(a, b, b), x, x.transpose(1, 2)),
            "glu": lambda: nn.functional.glu(torch.cat([x, x * 2], -1)) + nn.functional.normalize(x, dim=-1),
            "mod": lambda: x.remainder(1.5) + torch.fmod(x, 1.5) + x // 2,
        }[self.which]()


SHAPES = ["positions", "mask", "flatten", "views", "slices", "select", "flip", "parts", "sums", "compare", "maths", "repeat", "pad", "triangle", "index", "gather", "assign", "einsum", "one_hot", "bmm", "glu", "mod"]
next_shapes = iter(lambda: SHAPES[(next_shapes_at.update(i=next_shapes_at["i"] + 1) or next_shapes_at["i"]) % len(SHAPES)], None)
next_shapes_at = {"i": -1}


def shapes():
    return Shapes(next(next_shapes)), [normal(draw(2, 4), draw(3, 5), draw(3, 5))]


KINDS = [rnn, lstm, gru, recurrent_from_a_state, cells, linear, tagger, norm, attention, multi_head, transformer, convolution, decoder, shapes, shapes]

# ---- export, and back --------------------------------------------------------------------------


def export(way, module, inputs, path, free):
    """Free: the batch and the steps of the first input have no fixed length, if the exporter agrees."""
    names = [f"x{i}" for i in range(len(inputs))]
    options = {}
    if free and way == "trace":
        options["dynamic_axes"] = {names[0]: {0: "first", 1: "second"}}
    elif free:
        options["dynamic_shapes"] = tuple([{0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}] + [None] * (len(inputs) - 1))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(module, tuple(inputs), str(path), input_names=names, dynamo=way == "dynamo", external_data=False, **options)
    return names


class Refused(Exception):
    """The exporter has no form of the model."""


def compare(tool, way, module, inputs, folder, free):
    path = folder / "model.onnx"
    try:
        names = export(way, module, inputs, path, free)
    except Exception as error:
        raise Refused(f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160]}")
    write_tensors(folder / "model.in", {n: x.numpy() for n, x in zip(names, inputs)})
    with torch.no_grad():
        expected = module(*inputs)
    expected = expected if isinstance(expected, (tuple, list)) else (expected,)
    found = list(run_reel(tool, path).values())
    if len(found) != len(expected):
        raise RuntimeError(f"{len(found)} outputs, not {len(expected)}")
    return max(difference(e.numpy(), f) for e, f in zip(expected, found))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind")
    parser.add_argument("--way", choices=["trace", "dynamo"])
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.set_num_threads(1)
    ways = ["trace", "dynamo"] if importlib.util.find_spec("onnxscript") else ["trace"]
    ways = [options.way] if options.way else ways
    kinds = [k for k in KINDS if options.kind in (None, k.__name__)]
    tool, worst, count, refused, failed = f"{options.build}/tests/tools/onnx_models", {}, collections.Counter(), 0, 0
    print(f"PyTorch {torch.__version__}, exported by {' and '.join(ways)}")
    for i in range(options.count):
        kind = kinds[i % len(kinds)]
        module, inputs = kind()
        module.eval()
        free = chance()
        for way in ways:
            title = f"{kind.__name__} {getattr(module, 'which', '')} by {way}{', free sizes' if free else ''}"
            with tempfile.TemporaryDirectory() as folder:
                try:
                    off = compare(tool, way, module, inputs, pathlib.Path(folder), free)
                except Refused as error:
                    print(f"  {i} {title}: not exported, {error}", flush=True)
                    refused += 1
                    continue
                except Exception as error:  # whatever reel or its program may say is a finding
                    print(f"  {i} {title}: {str(error).splitlines()[0].split('model.onnx: ')[-1][:240]}", flush=True)
                    failed += 1
                    continue
            count[kind.__name__, way] += 1
            worst[kind.__name__, way] = max(worst.get((kind.__name__, way), 0.0), off)
            if off > TOLERANCE:
                print(f"  {i} {title}: off by {off:.3g}", flush=True)
                failed += 1
    for key in sorted(count):
        print(f"  {key[0]:24} {key[1]:8} {count[key]:4}  {worst[key]:.2e}")
    for way in ways:
        n = sum(v for k, v in count.items() if k[1] == way)
        print(f"torch.onnx by {way}: {n} models, largest difference {max((v for k, v in worst.items() if k[1] == way), default=0):.3g}")
    print(f"{failed} failed, {refused} that the exporter refuses")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
