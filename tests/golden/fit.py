"""Training against PyTorch and against plain NumPy: python3 fit.py writes fit.txt."""
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from table import Table

table = Table(__file__, torch, np)
torch.manual_seed(3)
ROWS, STEPS, FEATURES, UNITS, DENSE, EPOCHS, BATCH = 40, 7, 3, 8, 4, 3, 16


class Net(nn.Module):
    """LSTM(8), Dense(4, relu), Dense(1): the Keras program in small. One bias is PyTorch's second."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, UNITS, batch_first=True)
        self.hidden, self.out = nn.Linear(UNITS, DENSE), nn.Linear(DENSE, 1)
        nn.init.zeros_(self.lstm.bias_hh_l0).requires_grad_(False)

    def forward(self, x):
        outputs, _ = self.lstm(x)
        return self.out(functional.relu(self.hidden(outputs[:, -1])))

    def parameters_of_reel(self):
        return {"layer_0.W_x": self.lstm.weight_ih_l0.T, "layer_0.W_h": self.lstm.weight_hh_l0.T,
                "layer_0.b": self.lstm.bias_ih_l0, "layer_1.W": self.hidden.weight.T,
                "layer_1.b": self.hidden.bias, "layer_2.W": self.out.weight.T,
                "layer_2.b": self.out.bias}


def epoch(net, adam, x, y, weights=None):
    total = total_mae = 0.0
    for begin in range(0, len(x), BATCH):
        xb, yb = x[begin:begin + BATCH], y[begin:begin + BATCH]
        prediction = net(xb)
        each = ((prediction - yb) ** 2).mean(-1)
        if weights is not None:
            each = each * weights[begin:begin + BATCH]
        loss = each.mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        total += loss.item() * len(xb)
        total_mae += (prediction - yb).abs().mean().item() * len(xb)
    return total / len(x), total_mae / len(x)


def curve(name, start, x, y, split=0.0, weights=None):
    """Losses of every epoch in f64 from weights that f32 holds exactly."""
    net = Net().double()
    net.load_state_dict({k: v.double() for k, v in start.items()})
    adam = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.01)
    kept = int(np.floor(len(x) * (1 - split)))
    losses, maes, val_losses = [], [], []
    for _ in range(EPOCHS):
        part = None if weights is None else weights[:kept]
        loss, mae = epoch(net, adam, x[:kept], y[:kept], part)
        losses.append(loss)
        maes.append(mae)
        if split:
            with torch.no_grad():
                val_losses.append(functional.mse_loss(net(x[kept:]), y[kept:]).item())
    table.add(name, "loss", torch.tensor(losses, dtype=torch.float64))
    table.add(name, "mae", torch.tensor(maes, dtype=torch.float64))
    if split:
        table.add(name, "val_loss", torch.tensor(val_losses, dtype=torch.float64))


def keras_program():
    start = Net().state_dict()
    net = Net()
    net.load_state_dict(start)
    x, y = torch.randn(ROWS, STEPS, FEATURES), torch.randn(ROWS, 1)
    weights = torch.rand(ROWS)
    table.add("curve", "x", x)
    table.add("curve", "y", y)
    table.add("curve", "weights", weights)
    for name, parameter in net.parameters_of_reel().items():
        table.add("curve", name, parameter.detach())
    curve("curve", start, x.double(), y.double())
    curve("curve_split", start, x.double(), y.double(), split=0.3)
    curve("curve_weights", start, x.double(), y.double(), weights=weights.double())


# ---- the classes of the NumPy tutorial ------------------------------------------------------


def clip(*gradients):
    for gradient in gradients:
        np.clip(gradient, -5, 5, out=gradient)


class PlainRNN:
    """h = tanh(W_xh x + W_hh h + b_h), y = W_hy h + b_y; column vectors."""

    def __init__(self, inputs, hidden, outputs, rng):
        self.W_xh = rng.normal(0, 0.3, (hidden, inputs))
        self.W_hh = rng.normal(0, 0.3, (hidden, hidden))
        self.W_hy = rng.normal(0, 0.3, (outputs, hidden))
        self.b_h, self.b_y = np.zeros((hidden, 1)), np.zeros((outputs, 1))

    def forward(self, xs):
        h, self.hs, ys = np.zeros_like(self.b_h), [np.zeros_like(self.b_h)], []
        for x in xs:
            h = np.tanh(self.W_xh @ x + self.W_hh @ h + self.b_h)
            self.hs.append(h)
            ys.append(self.W_hy @ h + self.b_y)
        return ys

    def backward(self, xs, dys, lr):
        dW_xh, dW_hh, dW_hy = map(np.zeros_like, (self.W_xh, self.W_hh, self.W_hy))
        db_h, db_y, dh_next = map(np.zeros_like, (self.b_h, self.b_y, self.b_h))
        for t in reversed(range(len(xs))):
            dW_hy += dys[t] @ self.hs[t + 1].T
            db_y += dys[t]
            da = (self.W_hy.T @ dys[t] + dh_next) * (1 - self.hs[t + 1] ** 2)
            dW_xh += da @ xs[t].T
            dW_hh += da @ self.hs[t].T
            db_h += da
            dh_next = self.W_hh.T @ da
        clip(dW_xh, dW_hh, dW_hy, db_h, db_y)
        self.W_xh -= lr * dW_xh
        self.W_hh -= lr * dW_hh
        self.W_hy -= lr * dW_hy
        self.b_h -= lr * db_h
        self.b_y -= lr * db_y

    def parameters_of_reel(self):
        return {"layer_0.W_x": self.W_xh.T, "layer_0.W_h": self.W_hh.T, "layer_0.b": self.b_h[:, 0],
                "layer_1.W": self.W_hy.T, "layer_1.b": self.b_y[:, 0]}


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


class PlainLSTM:
    """Gates of [h, x], each with a matrix of its own; y = W_y h + b_y; column vectors."""

    GATES = "ifco"

    def __init__(self, inputs, hidden, outputs, rng):
        self.hidden = hidden
        self.W = {g: rng.normal(0, 0.3, (hidden, hidden + inputs)) for g in self.GATES}
        self.b = {g: np.full((hidden, 1), 1.0 if g == "f" else 0.0) for g in self.GATES}
        self.W_y, self.b_y = rng.normal(0, 0.3, (outputs, hidden)), np.zeros((outputs, 1))

    def forward(self, xs):
        h = c = np.zeros((self.hidden, 1))
        self.steps, ys = [], []
        for x in xs:
            z = np.vstack((h, x))
            a = {g: (np.tanh if g == "c" else sigmoid)(self.W[g] @ z + self.b[g]) for g in self.GATES}
            c_before, c = c, a["f"] * c + a["i"] * a["c"]
            h = a["o"] * np.tanh(c)
            self.steps.append((z, a, c_before, c, h))
            ys.append(self.W_y @ h + self.b_y)
        return ys

    def backward(self, xs, dys, lr):
        dW = {g: np.zeros_like(self.W[g]) for g in self.GATES}
        db = {g: np.zeros_like(self.b[g]) for g in self.GATES}
        dW_y, db_y = np.zeros_like(self.W_y), np.zeros_like(self.b_y)
        dh_next = dc_next = np.zeros((self.hidden, 1))
        for t in reversed(range(len(xs))):
            z, a, c_before, c, h = self.steps[t]
            dW_y += dys[t] @ h.T
            db_y += dys[t]
            dh = self.W_y.T @ dys[t] + dh_next
            dc = dh * a["o"] * (1 - np.tanh(c) ** 2) + dc_next
            da = {"o": dh * np.tanh(c) * a["o"] * (1 - a["o"]),
                  "f": dc * c_before * a["f"] * (1 - a["f"]),
                  "i": dc * a["c"] * a["i"] * (1 - a["i"]),
                  "c": dc * a["i"] * (1 - a["c"] ** 2)}
            dz = sum(self.W[g].T @ da[g] for g in self.GATES)
            for g in self.GATES:
                dW[g] += da[g] @ z.T
                db[g] += da[g]
            dh_next, dc_next = dz[:self.hidden], dc * a["f"]
        clip(dW_y, db_y, *dW.values(), *db.values())
        for g in self.GATES:
            self.W[g] -= lr * dW[g]
            self.b[g] -= lr * db[g]
        self.W_y -= lr * dW_y
        self.b_y -= lr * db_y

    def parameters_of_reel(self):
        H = self.hidden
        return {"layer_0.W_x": np.hstack([self.W[g][:, H:].T for g in self.GATES]),
                "layer_0.W_h": np.hstack([self.W[g][:, :H].T for g in self.GATES]),
                "layer_0.b": np.concatenate([self.b[g][:, 0] for g in self.GATES]),
                "layer_1.W": self.W_y.T, "layer_1.b": self.b_y[:, 0]}


def train_sequence(net, xs, targets, epochs, lr):
    losses = []
    for number in range(epochs):
        ys = net.forward(xs)
        losses.append(float(np.mean([(y - d) ** 2 for y, d in zip(ys, targets)])))
        net.backward(xs, [2 * (y - d) / len(ys) for y, d in zip(ys, targets)], lr)
        if number % 10 == 0:
            print(f"epoch {number}: loss {losses[-1]:.6f}")
    return losses


def numpy_tutorial(name, kind):
    rng = np.random.default_rng(5)
    net = kind(1, 10, 1, rng)
    wave = np.sin(np.arange(26) * 0.5)
    xs = [np.array([[v]]) for v in wave[:-1]]
    targets = [np.array([[v]]) for v in wave[1:]]
    table.add(name, "x", np.array(wave[:-1]).reshape(1, 25, 1))
    table.add(name, "y", np.array(wave[1:]).reshape(1, 25, 1))
    for label, value in net.parameters_of_reel().items():
        table.add(name, label, np.ascontiguousarray(value))
    table.add(name, "losses", np.array(train_sequence(net, xs, targets, 100, 0.1)))


keras_program()
numpy_tutorial("numpy_rnn", PlainRNN)
numpy_tutorial("numpy_lstm", PlainLSTM)
table.write()
