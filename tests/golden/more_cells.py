"""The cells of layers/cells.h in PyTorch, f64, from their papers' formulas: writes more_cells.txt.

A case is one cell run over x, one row of the batch after the other, without masks. Its loss is
sum(outputs * u) + sum(state_k * v_k). Rows as in cells.py.
"""
import math

import torch
from torch.nn.functional import conv2d, layer_norm

from table import Table

STEPS, BATCH, IN, H = 4, 3, 2, 4
LENGTHS = [4, 0, 3]
RESETS = [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]]
torch.set_default_dtype(torch.float64)
torch.manual_seed(11)
table = Table(__file__, torch)
sigmoid, tanh, exp, cat = torch.sigmoid, torch.tanh, torch.exp, torch.cat


def leaf(value):
    return value.detach().clone().requires_grad_()


def run_row(step, p, x, start, length, resets, reverse):
    state, outputs, states = list(start), [None] * len(x), [None] * len(x)
    for t in range(len(x) - 1, -1, -1) if reverse else range(len(x)):
        if t < length:
            y, state = step(p, x[t:t + 1], list(start) if resets[t] else state)
            outputs[t] = y[0]
        states[t] = [s[0] for s in state]
    width = next((y.shape for y in outputs if y is not None), None)
    return outputs, states, state, width


def case(name, step, widths, shapes, reverse=False, in_width=IN, special=None, masked=True):
    """special: values of parameters and initial states that are not just normal numbers"""
    special = special or {}
    x = leaf(torch.randn(STEPS, BATCH, in_width))
    initial = [leaf(special.get(f"initial{k}", torch.randn(BATCH, w))) for k, w in enumerate(widths)]
    p = {k: leaf(special.get(k, 0.6 * torch.randn(*shape))) for k, shape in shapes.items()}
    lengths, resets = (LENGTHS, RESETS) if masked else ([STEPS] * BATCH, [[0] * BATCH] * STEPS)
    rows = [run_row(step, p, x[:, b], [s[b:b + 1] for s in initial], lengths[b],
                    [line[b] for line in resets], reverse) for b in range(BATCH)]
    width = next(r[3] for r in rows if r[3] is not None)
    outputs = torch.stack([torch.stack([torch.zeros(width) if y is None else y for y in r[0]]) for r in rows], 1)
    final = [cat([r[2][k] for r in rows]) for k in range(len(widths))]
    every = torch.stack([torch.stack([s[0] for s in r[1]]) for r in rows], 1)
    u, v = torch.randn_like(outputs), [torch.randn_like(s) for s in final]
    ((outputs * u).sum() + sum((s * w).sum() for s, w in zip(final, v))).backward()
    if masked:
        table.add(name, "lengths", torch.tensor(LENGTHS))
        table.add(name, "resets", torch.tensor(RESETS))
    table.add(name, "u", u)
    table.add(name, "outputs", outputs.detach())
    for k, (s, w) in enumerate(zip(final, v)):
        table.add(name, f"v{k}", w)
        table.add(name, f"state{k}", s.detach())
        if k == 0:
            table.add(name, f"states{k}", every.detach())
    leaves = {"x": x} | {f"initial{k}": s for k, s in enumerate(initial)} | {f"cell.{k}": t for k, t in p.items()}
    for label, value in leaves.items():
        table.add(name, label, value.detach())
        table.add(name, f"d:{label}", torch.zeros_like(value) if value.grad is None else value.grad)


def gates(n, more=None):
    return {"W_x": (IN, n * H), "W_h": (H, n * H), "b": (n * H,)} | (more or {})


def affine(p, x, h):
    return x @ p["W_x"] + h @ p["W_h"] + p["b"]


# ---- LSTMs ---------------------------------------------------------------------------------------


def coupled(p, x, s):
    h, c = s
    i, g, o = affine(p, x, h).chunk(3, -1)
    p_i, p_o = p["W_c"].chunk(2) if "W_c" in p else (torch.zeros(H),) * 2
    i = sigmoid(i + p_i * c)
    c = (1 - i) * c + i * tanh(g)
    h = sigmoid(o + p_o * c) * tanh(c)
    return h, [h, c]


def multiplicative(p, x, s):
    h, c = s
    m = (x @ p["W_xm"]) * (h @ p["W_hm"])
    i, f, g, o = affine(p, x, m).chunk(4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h, [h, c]


def phased(timed):
    def step(p, x, s):
        h, c, clock = s
        time, x = (x[:, IN:], x[:, :IN]) if timed else (clock, x)
        phase = (time / p["period"] - p["shift"]) % 1.0
        r = p["open"]
        k = torch.where(phase < r / 2, 2 * phase / r, torch.where(phase < r, 2 - 2 * phase / r, 0.001 * phase))
        i, f, g, o = affine(p, x, h).chunk(4, -1)
        p_i, p_f, p_o = p["W_c"].chunk(3) if "W_c" in p else (torch.zeros(H),) * 3
        new = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
        new_h = sigmoid(o + p_o * new) * tanh(new)
        h, c = k * new_h + (1 - k) * h, k * new + (1 - k) * c
        return h, [h, c, clock + 1]
    return step


PHASED = {"period": (H,), "shift": (H,), "open": (H,)}
RHYTHM = {"period": 2 + 3 * torch.rand(H), "shift": torch.rand(H), "open": 0.4 + 0.5 * torch.rand(H),
          "initial2": torch.tensor([[0.0], [3.0], [7.0]])}
case("coupled_lstm", coupled, [H, H], gates(3))
case("coupled_lstm_peephole", coupled, [H, H], gates(3, {"W_c": (2 * H,)}), reverse=True)
case("multiplicative_lstm", multiplicative, [H, H], gates(4, {"W_xm": (IN, H), "W_hm": (H, H)}), reverse=True)
case("phased_lstm", phased(False), [H, H, 1], gates(4, PHASED), special=RHYTHM)
case("phased_lstm_timed", phased(True), [H, H, 1], gates(4, PHASED | {"W_c": (3 * H,)}), reverse=True,
     in_width=IN + 1, special=RHYTHM)


# ---- xLSTM, without the stabiliser but for the states it scales ----------------------------------


def slstm(exponential, heads=1):
    def step(p, x, s):
        h, c, n, m = s
        gate_of_head = [torch.block_diag(*(block.chunk(4, -1)[g] for block in p["W_h"].chunk(heads)))
                        for g in range(4)]
        i, f, z, o = (x @ p["W_x"] + h @ cat(gate_of_head, -1) + p["b"]).chunk(4, -1)
        log_f = f if exponential else torch.log(sigmoid(f))
        next_m = torch.maximum(log_f + m, i)
        c = exp(log_f) * (c * exp(m)) + exp(i) * tanh(z)
        n = exp(log_f) * (n * exp(m)) + exp(i)
        h = sigmoid(o) * c / n
        return h, [h, c * exp(-next_m), n * exp(-next_m), next_m]
    return step


def mlstm(heads):
    def step(p, x, s):
        d, z = H // heads, x @ p["W_x"] + p["b"]
        q, k, v, o = z[0, :4 * H].chunk(4)
        i, f = z[0, 4 * H:].chunk(2)
        log_f, m = torch.log(sigmoid(f)), s[2][0]
        next_m = torch.maximum(log_f + m, i)
        memories, normalisers, read = [], [], []
        for a in range(heads):
            part = slice(a * d, (a + 1) * d)
            key = k[part] / math.sqrt(d)
            C = s[0].view(heads, d, d)[a] * exp(m[a])
            n = s[1][0, part] * exp(m[a])
            C = sigmoid(f[a]) * C + exp(i[a]) * torch.outer(key, v[part])
            n = sigmoid(f[a]) * n + exp(i[a]) * key
            read.append(C.T @ q[part] / torch.clamp((n @ q[part]).abs(), min=1))
            memories.append((C * exp(-next_m[a])).reshape(-1))
            normalisers.append(n * exp(-next_m[a]))
        return (sigmoid(o) * cat(read))[None], [cat(memories)[None], cat(normalisers)[None], next_m[None]]
    return step


POSITIVE = {"initial2": 0.5 + torch.rand(BATCH, H)}
case("slstm", slstm(False), [H] * 4, gates(4), special=POSITIVE)
case("slstm_exponential_forget", slstm(True), [H] * 4, gates(4), reverse=True, special=POSITIVE)
case("mlstm", mlstm(1), [H * H, H, 1], {"W_x": (IN, 4 * H + 2), "b": (4 * H + 2,)})
case("mlstm_heads", mlstm(2), [2 * H, H, 2], {"W_x": (IN, 4 * H + 4), "b": (4 * H + 4,)}, reverse=True)


# ---- small ones ----------------------------------------------------------------------------------


def mgu(p, x, s):
    h = s[0]
    (w_f, w_n), (u_f, u_n), (b_f, b_n) = (p[k].chunk(2, -1) for k in ("W_x", "W_h", "b"))
    f = sigmoid(x @ w_f + h @ u_f + b_f)
    h = (1 - f) * h + f * tanh(x @ w_n + (f * h) @ u_n + b_n)
    return h, [h]


def indrnn(activation):
    def step(p, x, s):
        h = activation(x @ p["W_x"] + p["w_h"] * s[0] + p["b"])
        return h, [h]
    return step


def clockwork(periods):
    def step(p, x, s):
        h, clock = s
        g, d = len(periods), H // len(periods)
        parts, begin = [], 0
        for m, period in enumerate(periods):
            columns = slice(m * d, (m + 1) * d)
            W = p["W_h"][begin:begin + H - m * d]
            begin += H - m * d
            new = tanh(x @ p["W_x"][:, columns] + h[:, m * d:] @ W + p["b"][columns])
            parts.append(new if int(clock) % period == 0 else h[:, columns])
        h = cat(parts, -1)
        return h, [h, clock + 1]
    return step


def gru_norm(after):
    def norm(v, gain):
        return layer_norm(v, v.shape[-1:], gain, None, 1e-5)

    def step(p, x, s):
        h = s[0]
        def parts(v, W, gain):
            return norm(v @ p[W][:, :2 * H], p[gain][:2 * H]), norm(v @ p[W][:, 2 * H:], p[gain][2 * H:])
        (x_g, x_n), (h_g, h_n) = parts(x, "W_x", "gain_x"), parts(h, "W_h", "gain_h")
        r, z = sigmoid(x_g + h_g + p["b"][:2 * H]).chunk(2, -1)
        h_n = r * (h_n + p["b_h"]) if after else parts(r * h, "W_h", "gain_h")[1]
        h = (1 - z) * tanh(x_n + p["b"][2 * H:] + h_n) + z * h
        return h, [h]
    return step


CLOCKS = {"initial1": torch.tensor([[0.0], [5.0], [2.0]])}
GAINS = {"gain_x": (3 * H,), "gain_h": (3 * H,)}
VECTOR = {"W_x": (IN, H), "w_h": (H,), "b": (H,)}
case("mgu", mgu, [H], gates(2))
case("indrnn", indrnn(torch.relu), [H], VECTOR, reverse=True)
case("indrnn_tanh", indrnn(tanh), [H], VECTOR)
case("clockwork", clockwork([1, 2, 4, 8]), [H, 1], {"W_x": (IN, H), "W_h": (10, 1), "b": (H,)}, special=CLOCKS)
case("clockwork_periods", clockwork([3, 2]), [H, 1], {"W_x": (IN, H), "W_h": (6, 2), "b": (H,)}, reverse=True,
     special=CLOCKS)
case("gru_layer_norm", gru_norm(False), [H], gates(3, GAINS))
case("gru_layer_norm_reset_after", gru_norm(True), [H], gates(3, GAINS | {"b_h": (H,)}), reverse=True)


# ---- convolutional -------------------------------------------------------------------------------


def conv_lstm(height, width, channels, hidden, rows, columns):
    def picture(v, c):
        return v.reshape(1, height, width, c).permute(0, 3, 1, 2)

    def weights(W, c):
        return W.view(rows, columns, c, 4 * hidden).permute(3, 2, 0, 1)

    def step(p, x, s):
        h, c = (picture(v, hidden) for v in s)
        padding = (rows // 2, columns // 2)
        z = conv2d(picture(x, channels), weights(p["W_x"], channels), p["b"], padding=padding) \
            + conv2d(h, weights(p["W_h"], hidden), padding=padding)
        i, f, g, o = z.chunk(4, 1)
        zero = torch.zeros_like(c)
        p_i, p_f, p_o = (picture(v, hidden) for v in p["W_c"].chunk(3, -1)) if "W_c" in p else (zero,) * 3
        c = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
        h = sigmoid(o + p_o * c) * tanh(c)
        h, c = (v.permute(0, 2, 3, 1).reshape(1, -1) for v in (h, c))
        return h, [h, c]
    return step


def conv_shapes(taps, channels, hidden):
    return {"W_x": (taps * channels, 4 * hidden), "W_h": (taps * hidden, 4 * hidden), "b": (4 * hidden,)}


case("conv_lstm_line", conv_lstm(1, 3, 2, 2, 1, 3), [6, 6], conv_shapes(3, 2, 2), in_width=6)
case("conv_lstm_picture", conv_lstm(2, 3, 1, 1, 3, 3), [6, 6], conv_shapes(9, 1, 1) | {"W_c": (6, 3)},
     in_width=6, reverse=True)


# ---- linear recurrences --------------------------------------------------------------------------


def sru(p, x, s):
    u, f, r, *skip = (x @ p["W_x"]).split(H, -1)
    c = s[0]
    v_f, v_r = p["v"].chunk(2) if "v" in p else (torch.zeros(H),) * 2
    b_f, b_r = p["b"].chunk(2)
    f, r = sigmoid(f + v_f * c + b_f), sigmoid(r + v_r * c + b_r)
    c = f * c + (1 - f) * u
    return r * c + (1 - r) * math.sqrt(3) * (skip[0] if skip else x), [c]


def qrnn(k):
    def step(p, x, s):
        window = [*s[1].split(IN, -1), x] if k > 1 else [x]
        z = p["b"] + sum(v @ W for v, W in zip(window, p["W_x"].split(IN)))
        z, f, o = z.chunk(3, -1)
        c = sigmoid(f) * s[0] + (1 - sigmoid(f)) * tanh(z)
        return sigmoid(o) * c, [c, cat(window[1:], -1)] if k > 1 else [c]
    return step


def positive(n):
    return torch.where(n >= 0, n + 0.5, sigmoid(n))


def mingru(g):
    def step(p, x, s):
        z, n = (x @ p["W_x"] + p["b"]).chunk(2, -1)
        h = (1 - sigmoid(z)) * s[0] + sigmoid(z) * g(n)
        return h, [h]
    return step


def minlstm(g):
    def step(p, x, s):
        f, i, n = (x @ p["W_x"] + p["b"]).chunk(3, -1)
        f, i = sigmoid(f), sigmoid(i)
        h = f / (f + i) * s[0] + i / (f + i) * g(n)
        return h, [h]
    return step


def lru(p, x, s):
    B, C = torch.complex(*p["B"].chunk(2, -1)), torch.complex(*p["C"].chunk(2, 0))
    magnitude = exp(-exp(p["nu"]))
    eigenvalue = torch.polar(magnitude, exp(p["theta"]))
    gamma = torch.sqrt(1 - magnitude**2)
    h = eigenvalue * torch.complex(*s[0].chunk(2, -1)) + gamma * (x.to(B.dtype) @ B)
    return (h @ C).real + x @ p["D"], [cat([h.real, h.imag], -1)]


def only(n):
    return {"W_x": (IN, n * H), "b": (n * H,)}


case("sru", sru, [H], {"W_x": (IN, 4 * H), "v": (2 * H,), "b": (2 * H,)}, reverse=True)
case("sru_same_width", sru, [H], {"W_x": (H, 3 * H), "v": (2 * H,), "b": (2 * H,)}, in_width=H)
case("sru_linear", sru, [H], {"W_x": (IN, 4 * H), "b": (2 * H,)})
case("qrnn", qrnn(2), [H, IN], {"W_x": (2 * IN, 3 * H), "b": (3 * H,)})
case("qrnn_1", qrnn(1), [H], only(3), reverse=True)
case("qrnn_3", qrnn(3), [H, 2 * IN], {"W_x": (3 * IN, 3 * H), "b": (3 * H,)}, reverse=True)
case("mingru", mingru(lambda n: n), [H], only(2))
case("mingru_positive", mingru(positive), [H], only(2), reverse=True)
case("minlstm", minlstm(lambda n: n), [H], only(3), reverse=True)
case("minlstm_positive", minlstm(positive), [H], only(3))
LRU = {"nu": (H,), "theta": (H,), "B": (IN, 2 * H), "C": (2 * H, 3), "D": (IN, 3)}
case("lru", lru, [2 * H], LRU)
case("lru_reverse", lru, [2 * H], LRU, reverse=True, masked=False)


# ---- trees: the node's formula, by recursion from the root ----------------------------------------

PARENT = [3, 2, 3, 6, 5, 6, -1, -1]
tree = {"x": leaf(torch.randn(len(PARENT), 2, IN))}
tree |= {f"cell.{k}": leaf(0.6 * torch.randn(*shape)) for k, shape in gates(4).items()}


def node(k):
    children = [node(j) for j, parent in enumerate(PARENT) if parent == k]
    w, u, b = (tree[f"cell.{n}"].chunk(4, -1) for n in ("W_x", "W_h", "b"))
    x, total = tree["x"][k], sum((h for h, c in children), torch.zeros(2, H))
    i, g, o = (x @ w[a] + total @ u[a] + b[a] for a in (0, 2, 3))
    c = sigmoid(i) * tanh(g) + sum(sigmoid(x @ w[1] + h @ u[1] + b[1]) * c for h, c in children)
    return sigmoid(o) * tanh(c), c


h, c = (torch.stack(v) for v in zip(*(node(k) for k in range(len(PARENT)))))
u, v = torch.randn_like(h), torch.randn_like(c)
((h * u).sum() + (c * v).sum()).backward()
for label, value in {"parent": torch.tensor(PARENT), "u": u, "v": v, "h": h.detach(), "c": c.detach()}.items():
    table.add("tree_lstm", label, value)
for label, value in tree.items():
    table.add("tree_lstm", label, value.detach())
    table.add("tree_lstm", f"d:{label}", value.grad)

# later cases stand at the end, so that numbers drawn for the others stay what they are
case("slstm_heads", slstm(False, 2), [H] * 4, gates(4) | {"W_h": (H, 2 * H)}, special=POSITIVE)
table.write()
