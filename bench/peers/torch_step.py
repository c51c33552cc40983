"""The training step of bench/step.c in PyTorch: `torch_step.py CELL STEPS BATCH INPUT HIDDEN THREADS REPEAT`.

CELL is naive-lstm or lstm written in tensor operations (eager), or nn.LSTM, nn.GRU, nn.RNN."""
import json
import statistics
import sys
import time

import torch


class NaiveLSTM(torch.nn.Module):
    """Four gates, each its own product of [h, x]."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.gates = torch.nn.ModuleList(torch.nn.Linear(hidden + inputs, hidden) for _ in range(4))

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], self.gates[0].out_features)
        outputs = []
        for x_t in x:
            hx = torch.cat((h, x_t), -1)
            i, f, o = (torch.sigmoid(self.gates[k](hx)) for k in (0, 1, 3))
            c = f * c + i * torch.tanh(self.gates[2](hx))
            h = o * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs)


class MergedLSTM(torch.nn.Module):
    """One product for x, one for h."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.x = torch.nn.Linear(inputs, 4 * hidden)
        self.h = torch.nn.Linear(hidden, 4 * hidden, bias=False)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[1], self.h.in_features)
        outputs = []
        for x_t in x:
            i, f, g, o = (self.x(x_t) + self.h(h)).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs)


class Vendor(torch.nn.Module):
    def __init__(self, kind, inputs, hidden):
        super().__init__()
        self.layer = kind(inputs, hidden)

    def forward(self, x):
        return self.layer(x)[0]


def make(name, inputs, hidden):
    if name == "naive-lstm":
        return NaiveLSTM(inputs, hidden)
    if name == "lstm":
        return MergedLSTM(inputs, hidden)
    return Vendor({"nn.LSTM": torch.nn.LSTM, "nn.GRU": torch.nn.GRU, "nn.RNN": torch.nn.RNN}[name], inputs, hidden)


def main():
    name, (steps, batch, inputs, hidden, threads, repeat) = sys.argv[1], map(int, sys.argv[2:8])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = make(name, inputs, hidden)
    x = torch.randn(steps, batch, inputs, requires_grad=True)

    def step():
        start = time.perf_counter()
        model.zero_grad(set_to_none=True)
        x.grad = None
        loss = model(x).square().mean()
        loss.backward()
        loss.item()
        return (time.perf_counter() - start) * 1e3

    step()
    times = [step() for _ in range(repeat)]
    print(json.dumps({"ms": statistics.median(times), "min": min(times), "max": max(times), "version": torch.__version__}))


main()
